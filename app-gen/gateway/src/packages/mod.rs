//! A mirror of a registry of npm on the loopback interface, for who has no other network: it passes the
//! documents of packages and their archives, and nothing else.
//!
//! Answers pass as they are. The addresses of archives in documents still name the registry, and npm asks
//! the mirror for them if its setting `replace-registry-host` is `always`. So a lock file that npm writes
//! here names the registry, and works elsewhere.

mod answer;
mod bounds;
mod counts;
mod path;

pub use crate::packages::bounds::PackagesBounds;
pub use crate::packages::counts::PackagesCounts;

use crate::client::{Certificates, client};
use crate::packages::answer::{Mirror, answer};
use crate::server::serve;
use crate::upstream::{UpstreamError, safe_url};
use reqwest::redirect::Policy;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The registry that everybody uses.
pub const NPM_REGISTRY: &str = "https://registry.npmjs.org";

/// How often a registry may send a request to another address of its own.
const REDIRECTS: usize = 3;

/// How a mirror works.
#[derive(Debug, Clone)]
pub struct PackagesSettings {
    /// The registry's URL: https, or http on this machine.
    pub registry: String,
    /// Whom to trust besides.
    pub extra_certificates: Certificates,
    /// How long and how large anything may be.
    pub bounds: PackagesBounds,
    /// The port of 127.0.0.1; 0 for any.
    pub port: u16,
}

impl Default for PackagesSettings {
    fn default() -> Self {
        Self {
            registry: NPM_REGISTRY.to_owned(),
            extra_certificates: Certificates::default(),
            bounds: PackagesBounds::default(),
            port: 0,
        }
    }
}

/// Why a mirror cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// The port is taken, for instance.
    #[error("the mirror of packages cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port that was wanted.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// The registry cannot be asked.
    #[error(transparent)]
    Registry(#[from] UpstreamError),
}

/// A mirror, which serves until it is dropped.
pub struct Packages {
    mirror: Arc<Mirror>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl fmt::Debug for Packages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Packages")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Packages {
    /// Listens and answers.
    ///
    /// # Errors
    /// The port is taken, or the registry's URL or the certificates cannot be used.
    pub async fn start(settings: PackagesSettings) -> Result<Self, PackagesError> {
        let (registry, is_loopback) = safe_url("the registry of packages", &settings.registry)?;
        let origin = registry.origin();
        let redirects = Policy::custom(move |attempt| {
            let is_own = attempt.url().origin() == origin;
            match is_own && attempt.previous().len() <= REDIRECTS {
                true => attempt.follow(),
                // The answer that names another address is what is judged then.
                false => attempt.stop(),
            }
        });
        let client = client(&settings.extra_certificates, is_loopback, redirects);
        let client = client.map_err(UpstreamError::Client)?;
        let mirror = Arc::new(Mirror::new(registry, client, settings.bounds));
        let port = settings.port;
        let refused = |source| PackagesError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let asked = Arc::clone(&mirror);
        let server = tokio::spawn(async move {
            serve(listener, move |request| {
                let mirror = Arc::clone(&asked);
                async move { answer(request, &mirror).await }
            })
            .await;
        });
        Ok(Self {
            mirror,
            address,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for npm's setting `registry`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> PackagesCounts {
        self.mirror.counts()
    }
}

impl Drop for Packages {
    fn drop(&mut self) {
        self.server.abort();
    }
}
