//! Where the server listens and what it serves beside the API.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::config::{ConfigError, Environment, environment};

/// Where the server listens and what it serves beside the API.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address and port.
    pub address: SocketAddr,
    /// Folder of the built web page.
    pub ui_dir: Option<PathBuf>,
    /// Key of the image this runs from.
    pub image_key: Option<String>,
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
        Ok(Self {
            address: SocketAddr::new(host, port),
            ui_dir,
            image_key: environment.get(environment::IMAGE_KEY).map(str::to_owned),
        })
    }
}
