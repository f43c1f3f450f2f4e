//! Names of images: a base by its digest, and a repository to push to.

use crate::digest::is_digest;
use std::fmt;
use std::str::FromStr;

/// A text is no name of an image, or not one that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not {expected}: {reason}")]
pub struct ReferenceError {
    text: String,
    expected: &'static str,
    reason: &'static str,
}

/// A repository of a registry: `registry.fly.io/my-app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `host[:port]`.
    pub registry: String,
    /// The name within the registry.
    pub name: String,
}

/// An image by its digest: `docker.io/library/node@sha256:…`. A tag before the digest is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// Where it is.
    pub repository: Repository,
    /// `sha256:…` of its manifest, or of the index of its manifests.
    pub digest: String,
}

impl Repository {
    /// Where the registry's API is. Docker Hub's is at another name than its images have.
    pub(crate) fn api_host(&self) -> &str {
        match &*self.registry {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        }
    }

    /// Whether the registry is on this machine: engines speak http to such ones.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.registry)
    }
}

/// Whether a host with or without a port is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    name.is_some_and(|name| name == "localhost" || name == "::1" || name.starts_with("127."))
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.name)
    }
}

impl fmt::Display for BaseImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.repository, self.digest)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason| ReferenceError {
            text: text.to_owned(),
            expected: "a repository such as registry.example.com/name",
            reason,
        };
        let (registry, name) = text
            .split_once('/')
            .ok_or_else(|| wrong("it names no registry"))?;
        let is_host = registry.contains(['.', ':']) || registry == "localhost";
        let fits_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if !is_host || !registry.bytes().all(fits_host) {
            return Err(wrong(
                "what is before the first slash is no host of a registry",
            ));
        }
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let is_part = |part: &str| {
            let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
            part.bytes().all(fits) && ends(part.bytes().next()) && ends(part.bytes().last())
        };
        match name.split('/').all(is_part) && name.len() <= 255 {
            true => Ok(Self {
                registry: registry.to_owned(),
                name: name.to_owned(),
            }),
            false => Err(wrong(
                "the name has other characters than lower-case letters, digits, '.', '_', '-' and '/'",
            )),
        }
    }
}

impl FromStr for BaseImage {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason| ReferenceError {
            text: text.to_owned(),
            expected: "an image such as docker.io/library/node@sha256:…",
            reason,
        };
        let (name, digest) = text
            .split_once('@')
            .ok_or_else(|| wrong("it has no digest"))?;
        if !is_digest(digest) {
            return Err(wrong("its digest is not sha256: and 64 digits"));
        }
        // A colon after the last slash is that of a tag.
        let name = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => name,
        };
        Ok(Self {
            repository: name.parse()?,
            digest: digest.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn bases_are_read_with_their_registry_and_without_their_tag() {
        let read = |name: &str| format!("{name}@{DIGEST}").parse::<BaseImage>();
        for (text, registry, name) in [
            (
                "docker.io/library/node:24-slim",
                "docker.io",
                "library/node",
            ),
            ("localhost:5010/generator", "localhost:5010", "generator"),
            ("127.0.0.1:5010/a/b:key-1", "127.0.0.1:5010", "a/b"),
            ("[::1]:5010/a", "[::1]:5010", "a"),
        ] {
            let base = read(text).unwrap();
            assert_eq!(
                (&*base.repository.registry, &*base.repository.name),
                (registry, name)
            );
            assert_eq!(base.to_string(), format!("{registry}/{name}@{DIGEST}"));
            let is_here = !text.starts_with("docker.io");
            assert_eq!(base.repository.is_loopback(), is_here, "{text}");
        }
        for (text, reason) in [
            ("node", "it names no registry"),
            ("library/node", "is no host of a registry"),
            ("docker.io/Node", "other characters"),
            ("docker.io/a//b", "other characters"),
            ("docker.io/../b", "other characters"),
            ("docker.io?/b", "is no host of a registry"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let error = "docker.io/library/node:24".parse::<BaseImage>();
        assert!(error.unwrap_err().to_string().contains("has no digest"));
        let error = "docker.io/library/node@sha256:12".parse::<BaseImage>();
        assert!(error.unwrap_err().to_string().contains("64 digits"));
    }
}
