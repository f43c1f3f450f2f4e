//! Where the server listens and what it serves beside the API.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{ConfigError, Environment, StreamLimits, environment};

/// Connections beside those of live streams.
const OTHER_CONNECTIONS: usize = 1024;

/// Where the server listens and what it serves beside the API.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address and port.
    pub address: SocketAddr,
    /// Folder of the built web page.
    pub ui_dir: Option<PathBuf>,
    /// Key of the image this runs from.
    pub image_key: Option<String>,
    /// Names under which it may be asked, beside those of this machine and addresses.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may use it, beside its own.
    pub allowed_origins: Vec<String>,
    /// How many proxies in front of it add the address of who asks them to `X-Forwarded-For`.
    pub trusted_proxies: usize,
    /// Bounds of its connections.
    pub limits: ServerLimits,
}

/// Bounds of connections, so that nobody takes all of them and keeps them.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// How many there may be; more wait until one is closed.
    pub connections: usize,
    /// Bounds of those that follow events.
    pub streams: StreamLimits,
    /// From the connection to the end of its first request's head.
    pub first_request: Duration,
    /// From an answer to the end of the next request's head. The load balancer keeps silent connections
    /// for 60 s; one that is closed before would fail the request that it sends just then.
    pub idle: Duration,
    /// How long a body may bring nothing.
    pub body: Duration,
    /// How long the other side may take nothing of what is sent.
    pub write: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        let streams = StreamLimits::default();
        Self {
            connections: streams.all + OTHER_CONNECTIONS,
            streams,
            first_request: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(15),
            write: Duration::from_secs(30),
        }
    }
}

impl ServerConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let host =
            environment.parsed(environment::HOST, IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))?;
        let port = environment.parsed(environment::PORT, 5013)?;
        let ui_dir = environment.get(environment::UI_DIR).map(PathBuf::from);
        if let Some(folder) = &ui_dir
            && !folder.is_dir()
        {
            return Err(ConfigError::new(
                environment::UI_DIR,
                format!("is {}, which is not a folder", folder.display()),
            ));
        }
        let allowed_hosts = environment.list(environment::ALLOWED_HOSTS);
        for host in &allowed_hosts {
            let is_name = host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
            if !is_name {
                return Err(ConfigError::new(
                    environment::ALLOWED_HOSTS,
                    format!(
                        "holds {host:?}; it takes names of hosts, without ports, separated by commas"
                    ),
                ));
            }
        }
        let allowed_origins = environment.list(environment::ALLOWED_ORIGINS);
        for origin in &allowed_origins {
            if !is_origin(origin) {
                return Err(ConfigError::new(
                    environment::ALLOWED_ORIGINS,
                    format!(
                        "holds {origin:?}; it takes origins as browsers send them, https://app.example.com for \
                         example, separated by commas"
                    ),
                ));
            }
        }
        let streams = StreamLimits::from_environment(environment)?;
        Ok(Self {
            address: SocketAddr::new(host, port),
            ui_dir,
            image_key: environment.get(environment::IMAGE_KEY).map(str::to_owned),
            allowed_hosts,
            allowed_origins,
            trusted_proxies: environment.parsed(environment::TRUSTED_PROXIES, 0)?,
            limits: ServerLimits {
                connections: streams.all.saturating_add(OTHER_CONNECTIONS),
                streams,
                ..ServerLimits::default()
            },
        })
    }
}

/// Whether a browser sends this as the origin of a page: a scheme, a host in lower case, and a port that is not the
/// scheme's own.
fn is_origin(text: &str) -> bool {
    let parsed = reqwest::Url::parse(text);
    parsed.is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && !text.contains('*')
            && url.origin().ascii_serialization() == text
    })
}
