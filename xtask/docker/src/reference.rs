//! Names of images, read as Docker reads them.

use std::fmt;

/// What Docker calls its own registry in a name.
const DEFAULT_DOMAIN: &str = "docker.io";
/// The older name of the same registry.
const LEGACY_DOMAIN: &str = "index.docker.io";
/// The host that serves it.
const DEFAULT_HOST: &str = "registry-1.docker.io";
const OFFICIAL: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const PATH_LIMIT_BYTES: usize = 255;
const TAG_LIMIT_BYTES: usize = 128;

/// A name split into its parts. Nothing is checked and nothing filled in, so this is for names
/// that the engine or a cloud lists: `<none>:<none>` is one of the engine's. [`Reference::parse`]
/// reads what a person wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'text> {
    /// `[registry/]repository`.
    pub name: &'text str,
    /// What follows the colon, where one follows the last slash.
    pub tag: Option<&'text str>,
    /// What follows `@`.
    pub digest: Option<&'text str>,
}

impl<'text> Parts<'text> {
    /// Splits `[registry/]repository[:tag][@digest]`.
    #[must_use]
    pub fn of(text: &'text str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        Self { name, tag, digest }
    }
}

/// A name with all that Docker fills in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text does not name an image.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Docker would take it for an image's identifier.
    #[error("`{0}` is an identifier, not a name")]
    Identifier(String),
    /// A capital letter in the repository.
    #[error("the repository of `{0}` must be in small letters")]
    Capitals(String),
    /// Another part that is malformed.
    #[error("`{reference}` does not name an image: {reason}")]
    Malformed {
        /// The whole text.
        reference: String,
        /// Which part is wrong.
        reason: &'static str,
    },
}

impl Reference {
    /// Reads `[registry/]repository[:tag][@digest]`.
    ///
    /// # Errors
    /// [`ReferenceError`] for what Docker refuses.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let malformed = |reason| ReferenceError::Malformed {
            reference: text.to_owned(),
            reason,
        };
        if text.len() == 64 && text.bytes().all(is_small_hex) {
            return Err(ReferenceError::Identifier(text.to_owned()));
        }
        let Parts { name, tag, digest } = Parts::of(text);
        let (domain, path) = match name.split_once('/') {
            Some((domain, path)) if is_domain(domain) => (domain, path),
            _ => (DEFAULT_DOMAIN, name),
        };
        let domain = if domain == LEGACY_DOMAIN {
            DEFAULT_DOMAIN
        } else {
            domain
        };
        if path.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Capitals(text.to_owned()));
        }
        if !is_host_and_port(domain) {
            return Err(malformed("its registry is not a host"));
        }
        if !path.split('/').all(is_path_component) {
            return Err(malformed("its repository is malformed"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(malformed("its tag is malformed"));
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(malformed("its digest is malformed"));
        }
        let path = if domain == DEFAULT_DOMAIN && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        if path.len() > PATH_LIMIT_BYTES {
            return Err(malformed("its repository is too long"));
        }
        Ok(Self {
            domain: domain.to_owned(),
            path,
            tag: tag
                .or(digest.is_none().then_some(DEFAULT_TAG))
                .map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// `host[:port]` of the registry that is asked.
    #[must_use]
    pub fn registry(&self) -> &str {
        if self.domain == DEFAULT_DOMAIN {
            DEFAULT_HOST
        } else {
            &self.domain
        }
    }

    /// The repository within the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.path
    }

    /// The tag; Docker's default where neither tag nor digest is named.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that it names.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The repository as `docker image ls` shows it.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return format!("{}/{}", self.domain, self.path);
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => name.to_owned(),
            _ => self.path.clone(),
        }
    }
}

/// As `docker image ls` shows it, with whatever was filled in.
impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.familiar_name())?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether the text before the first slash is a registry, not a part of the repository.
fn is_domain(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':']) || text.chars().any(char::is_uppercase)
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                let is_address = !address.is_empty()
                    && address
                        .bytes()
                        .all(|byte| byte.is_ascii_hexdigit() || byte == b':');
                return is_address
                    && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    port.is_none_or(is_port)
        && host.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Small letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_path_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text;
    loop {
        let word = rest.bytes().take_while(|&byte| is_word(byte)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let after = rest.trim_start_matches(['.', '_', '-']);
        let separator = &rest[..rest.len() - after.len()];
        let is_separator =
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
        if !is_separator || separator.is_empty() {
            return false;
        }
        rest = after;
    }
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_LIMIT_BYTES
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// Whether the text is a digest by an algorithm that registries use.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(is_small_hex)
}

fn is_small_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_fills_in() {
        let hex = "0123456789abcdef".repeat(4);
        let digest = format!("a/b:1@sha256:{hex}");
        for (text, expected) in [
            (
                "debian",
                [
                    "registry-1.docker.io",
                    "library/debian",
                    "latest",
                    "debian:latest",
                ],
            ),
            (
                "debian:12",
                ["registry-1.docker.io", "library/debian", "12", "debian:12"],
            ),
            ("a/b:1", ["registry-1.docker.io", "a/b", "1", "a/b:1"]),
            (
                "docker.io/debian",
                [
                    "registry-1.docker.io",
                    "library/debian",
                    "latest",
                    "debian:latest",
                ],
            ),
            (
                "index.docker.io/a/b",
                ["registry-1.docker.io", "a/b", "latest", "a/b:latest"],
            ),
            (
                "docker.io/library/a",
                ["registry-1.docker.io", "library/a", "latest", "a:latest"],
            ),
            (
                "library/a/b",
                [
                    "registry-1.docker.io",
                    "library/a/b",
                    "latest",
                    "library/a/b:latest",
                ],
            ),
            (
                "localhost/a",
                ["localhost", "a", "latest", "localhost/a:latest"],
            ),
            (
                "localhost:5000/a/b",
                [
                    "localhost:5000",
                    "a/b",
                    "latest",
                    "localhost:5000/a/b:latest",
                ],
            ),
            (
                "ghcr.io/a__b/c",
                ["ghcr.io", "a__b/c", "latest", "ghcr.io/a__b/c:latest"],
            ),
            ("Host/a", ["Host", "a", "latest", "Host/a:latest"]),
            (
                "[::1]:5000/a",
                ["[::1]:5000", "a", "latest", "[::1]:5000/a:latest"],
            ),
            (
                "public.ecr.aws/docker/library/debian:x",
                [
                    "public.ecr.aws",
                    "docker/library/debian",
                    "x",
                    "public.ecr.aws/docker/library/debian:x",
                ],
            ),
            (&digest, ["registry-1.docker.io", "a/b", "1", &digest]),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(
                [
                    reference.registry(),
                    reference.repository(),
                    reference.tag().unwrap(),
                    &reference.to_string()
                ],
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_is_split_whatever_its_parts_are() {
        let parts = |name, tag, digest| Parts { name, tag, digest };
        for (text, expected) in [
            ("<none>:<none>", parts("<none>", Some("<none>"), None)),
            ("<none>@<none>", parts("<none>", None, Some("<none>"))),
            ("h:5000/a", parts("h:5000/a", None, None)),
            ("h:5000/a:1", parts("h:5000/a", Some("1"), None)),
            (
                "h:5000/a@sha256:1",
                parts("h:5000/a", None, Some("sha256:1")),
            ),
            ("a:1@sha256:2", parts("a", Some("1"), Some("sha256:2"))),
        ] {
            assert_eq!(Parts::of(text), expected, "{text}");
        }
    }

    #[test]
    fn what_docker_refuses() {
        let hex = "0123456789abcdef".repeat(4);
        for text in [
            "",
            ":",
            "a:",
            "a@",
            "a b",
            "Debian",
            "a/B",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a._b",
            "a:-x",
            "a:b/c",
            "a:b:c",
            &format!("a:{}", "t".repeat(129)),
            "h.x:port/a",
            "h..x/a",
            "-h.x/a",
            "[::1/a",
            "[]/a",
            "a@sha256:12",
            &format!("a@sha256:{}", hex.to_uppercase()),
            &format!("a@md5:{hex}"),
            &format!("a@sha256:{hex}:x"),
            &hex,
            &"a".repeat(256),
            "https://h/a",
            "ä",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
