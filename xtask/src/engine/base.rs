//! Which digest a base image stands for now.

use super::registry::Repository;
use crate::local::engine_api;
use serde::Serialize;

/// Where the digest of a base image was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The engine holds the image.
    Engine,
    /// A registry answered.
    Registry,
    /// The reference names its digest.
    Reference,
}

/// The digest of a base image.
///
/// The engine is asked first, because it is what a build without `--pull` uses.
///
/// # Errors
/// Neither the engine nor a registry knows the image.
pub fn resolve(reference: &str) -> anyhow::Result<(String, Source)> {
    if let Some((_, digest)) = reference.split_once('@') {
        return Ok((digest.to_owned(), Source::Reference));
    }
    // Over the socket: a docker client would cost a process start for each base.
    let engine = match engine_api::get(&format!("/images/{reference}/json")) {
        Ok((200, image)) => match image["Id"].as_str() {
            Some(id) => return Ok((id.to_owned(), Source::Engine)),
            None => "the engine names no digest of it".to_owned(),
        },
        Ok(_) => "the engine does not have it".to_owned(),
        Err(error) => error.to_string(),
    };
    let (registry, name, tag) = parse_reference(reference);
    match Repository::new(&registry, &name).digest_of(&tag) {
        Ok(Some(digest)) => Ok((digest, Source::Registry)),
        Ok(None) => anyhow::bail!("{engine}; {registry} has no {name}:{tag}"),
        Err(error) => anyhow::bail!("{engine}; {error:#}"),
    }
}

/// Registry, repository and tag of a reference, defaults filled in as Docker does.
fn parse_reference(reference: &str) -> (String, String, String) {
    let (name, tag) = match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    };
    let (registry, name) = match name.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
            (host.to_owned(), rest.to_owned())
        }
        Some(_) => ("registry-1.docker.io".to_owned(), name.to_owned()),
        None => ("registry-1.docker.io".to_owned(), format!("library/{name}")),
    };
    (registry, name, tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_reference;

    #[test]
    fn references_get_docker_s_defaults() {
        let parse = |reference| {
            let (registry, name, tag) = parse_reference(reference);
            format!("{registry} {name} {tag}")
        };
        assert_eq!(
            parse("debian"),
            "registry-1.docker.io library/debian latest"
        );
        assert_eq!(parse("a/b:1"), "registry-1.docker.io a/b 1");
        assert_eq!(parse("localhost:5000/a/b"), "localhost:5000 a/b latest");
    }
}
