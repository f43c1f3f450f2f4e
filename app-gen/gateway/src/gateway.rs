//! The gateway as its user sees it.

use crate::bounds::Bounds;
use crate::budget::{Budget, Line};
use crate::client::Certificates;
use crate::exchange::Observer;
use crate::forward::forward;
use crate::limit::Limit;
use crate::pass::Scope;
use crate::price::{PriceError, Prices};
use crate::protocol::Protocol;
use crate::secret::Token;
use crate::server::serve;
use crate::shared::Shared;
use crate::upstream::{UpstreamError, Upstreams};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How a gateway works.
pub struct Settings {
    /// Whom it asks.
    pub upstreams: Upstreams,
    /// What all its users may use together.
    pub budget: Budget,
    /// What tokens cost.
    pub prices: Prices,
    /// How long anything may take.
    pub bounds: Bounds,
    /// The request of a person that all of it is for, by its id.
    pub request_id: Option<String>,
    /// Who learns what happens.
    pub observer: Arc<dyn Observer>,
    /// Whom to trust besides everybody's authorities.
    pub extra_certificates: Certificates,
    /// The port of 127.0.0.1; 0 for any.
    pub port: u16,
}

impl Settings {
    /// Settings with the prices of this crate, the usual bounds, any port and no budget.
    ///
    /// # Errors
    /// The price table of this crate is broken.
    pub fn new(upstreams: Upstreams) -> Result<Self, PriceError> {
        Ok(Self {
            upstreams,
            budget: Budget::default(),
            prices: Prices::built_in()?,
            bounds: Bounds::default(),
            request_id: None,
            observer: Arc::new(()),
            extra_certificates: Certificates::default(),
            port: 0,
        })
    }
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The port is taken, for instance.
    #[error("the gateway cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port that was wanted.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
    /// A provider cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The system has no random bytes.
    #[error("no token can be made: {0}")]
    Random(getrandom::Error),
}

/// A server on the loopback interface that is the provider to agents. It ends when this is dropped.
pub struct Gateway {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Gateway")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Listens and answers.
    ///
    /// # Errors
    /// The port is taken, or a provider cannot be used.
    pub async fn start(settings: Settings) -> Result<Self, GatewayError> {
        let port = settings.port;
        let mut shared = Shared::new(
            &settings.upstreams,
            settings.prices,
            settings.budget,
            settings.bounds,
            settings.observer,
            &settings.extra_certificates,
        )?;
        shared.request_id = settings.request_id;
        let shared = Arc::new(shared);
        // Only this address: whoever could reach another would only need a token.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(|source| GatewayError::Listen { port, source })?;
        let address = listener.local_addr();
        let address = address.map_err(|source| GatewayError::Listen { port, source })?;
        let served = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            serve(listener, move |request| {
                let shared = Arc::clone(&served);
                async move { forward(request, &shared).await }
            })
            .await;
        });
        Ok(Self {
            shared,
            address,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL to give to an agent of this protocol.
    #[must_use]
    pub fn base_url(&self, protocol: Protocol) -> String {
        match protocol {
            Protocol::Anthropic => format!("http://{}", self.address),
            Protocol::OpenAi => format!("http://{}/v1", self.address),
        }
    }

    /// A new token, which is valid until the pass is dropped.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn admit(&self, scope: Scope) -> Result<Pass, GatewayError> {
        let token = self
            .shared
            .passes
            .add(scope)
            .map_err(GatewayError::Random)?;
        Ok(Pass {
            token,
            shared: Arc::clone(&self.shared),
        })
    }

    /// What requests that have ended have used, by role, stage and model.
    #[must_use]
    pub fn bill(&self) -> Vec<Line> {
        self.shared.ledger.bill()
    }

    /// The limit that the provider of a protocol told of last, if no good answer came since.
    #[must_use]
    pub fn limit(&self, protocol: Protocol) -> Option<Limit> {
        self.shared.limit(protocol)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A token that is valid for as long as this lives.
pub struct Pass {
    token: Token,
    shared: Arc<Shared>,
}

impl Pass {
    /// The token.
    #[must_use]
    pub const fn token(&self) -> &Token {
        &self.token
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<pass>")
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.shared.passes.remove(&self.token);
    }
}
