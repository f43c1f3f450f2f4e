//! Asks the Docker Engine over its socket, which takes 1 to 2 ms for a question. A docker client
//! takes 15 to 250 ms.

use anyhow::{Context as _, bail};
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::error::{Code, Failure};

/// Where the engine listens unless `DOCKER_HOST` names another socket.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Where an engine keeps images and containers unless it is configured otherwise.
pub const DATA: &str = "/var/lib/docker";
/// An engine under full load has been seen to take seconds for an answer.
const BOUND: Duration = Duration::from_secs(10);

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No process listens on the socket.
    #[error("no engine listens on {}", .0.display())]
    NotRunning(PathBuf),
    /// The permissions of the socket exclude this user.
    #[error("this user may not use {}", .0.display())]
    Forbidden(PathBuf),
    /// `DOCKER_HOST` names an engine on another machine.
    #[error("DOCKER_HOST is {0}, which is not an engine on this machine")]
    Elsewhere(String),
    /// The connection broke off, or the answer is not one of Docker's.
    #[error("the engine at {} does not answer: {cause:#}", .socket.display())]
    Broken {
        /// Where it listens.
        socket: PathBuf,
        /// What went wrong.
        cause: anyhow::Error,
    },
}

/// The socket that the docker client would use.
///
/// # Errors
/// [`ApiError::Elsewhere`]: images built there could not be run here.
pub fn socket() -> Result<PathBuf, ApiError> {
    match std::env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => host
            .strip_prefix("unix://")
            .map(PathBuf::from)
            .ok_or(ApiError::Elsewhere(host)),
        _ => Ok(PathBuf::from(DEFAULT_SOCKET)),
    }
}

/// Sends a GET request for a path such as `/version`, and returns status and JSON body.
///
/// # Errors
/// See [`ApiError`].
pub fn get(path: &str) -> Result<(u16, serde_json::Value), ApiError> {
    let socket = socket()?;
    let stream = UnixStream::connect(&socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => ApiError::Forbidden(socket.clone()),
        _ => ApiError::NotRunning(socket.clone()),
    })?;
    converse(stream, path, &socket).map_err(|cause| ApiError::Broken { socket, cause })
}

/// What the running engine says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Its version, such as `28.5.2+dfsg4`.
    pub version: String,
    /// Whether images are in containerd's store. Only then can the `docker` driver of buildx
    /// export a registry cache.
    pub containerd_image_store: bool,
    /// Where it keeps images and containers.
    pub data: PathBuf,
}

/// Asks the running engine.
///
/// # Errors
/// Why it does not answer.
pub fn info() -> Result<Engine, ApiError> {
    let (_, info) = get("/info")?;
    Ok(Engine {
        version: info["ServerVersion"].as_str().unwrap_or("?").to_owned(),
        containerd_image_store: info["DriverStatus"].to_string().contains("io.containerd"),
        data: info["DockerRootDir"].as_str().unwrap_or(DATA).into(),
    })
}

/// Whether an engine answers at all.
#[must_use]
pub fn answers() -> bool {
    get("/version").is_ok()
}

/// The host's address on the default bridge, where containers find services of the host.
///
/// # Errors
/// The engine does not answer, or has no default bridge.
pub fn bridge_address() -> anyhow::Result<Ipv4Addr> {
    let (_, network) = get("/networks/bridge")?;
    network["IPAM"]["Config"][0]["Gateway"]
        .as_str()
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| {
            Failure::new(Code::Service, "the engine has no default bridge network")
                .hint("start dockerd without --bridge=none")
                .into()
        })
}

fn converse(
    mut stream: UnixStream,
    path: &str,
    socket: &Path,
) -> anyhow::Result<(u16, serde_json::Value)> {
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_write_timeout(Some(BOUND))?;
    // In HTTP 1.0 the answer ends with the connection and is never chunked.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")
        .with_context(|| format!("failed to write to {}", socket.display()))?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .with_context(|| format!("failed to read from {}", socket.display()))?;
    parse_answer(&answer)
}

fn parse_answer(answer: &[u8]) -> anyhow::Result<(u16, serde_json::Value)> {
    const END_OF_HEAD: &[u8] = b"\r\n\r\n";
    let Some(end) = answer
        .windows(END_OF_HEAD.len())
        .position(|window| window == END_OF_HEAD)
    else {
        bail!("the answer has no head");
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the answer has no status")?;
    let body = serde_json::from_slice(&answer[end + END_OF_HEAD.len()..])
        .context("the answer is not JSON")?;
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split() {
        let answer = b"HTTP/1.0 404 Not Found\r\nServer: Docker\r\n\r\n{\"message\":\"no\"}\n";
        let (status, body) = parse_answer(answer).unwrap();
        assert_eq!(status, 404);
        assert_eq!(body["message"], "no");
        assert!(parse_answer(b"HTTP/1.0 200 OK\r\n\r\n<html>").is_err());
        assert!(parse_answer(b"").is_err());
    }
}
