//! Pins: the digests that base images are kept at, in a file that is committed.
//!
//! A build that has a pin asks no registry. A tag that moves changes nothing until
//! `cargo xtask bases --update` moves the pin.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use toml::Spanned;
use xtask_core::atomic_file::write_atomically;
use xtask_core::error::{Code, Failure};
use xtask_docker::reference::{Reference, is_digest};

/// The file of pins, relative to the checkout. Without the file, nothing is pinned.
pub const PINS_PATH: &str = "app-gen-infra/bases.toml";
const HEADING: &str =
    "# Base images and the digests builds use, written by `cargo xtask bases --update`.\n";

/// Digests by reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<Reference, String>);

impl Pins {
    /// Reads the pins of the checkout at `root`.
    ///
    /// # Errors
    /// [`Code::Manifest`] naming file, line and key.
    pub fn load(root: &Path) -> anyhow::Result<Self> {
        let path = root.join(PINS_PATH);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let line_at = |offset: usize| text[..offset].matches('\n').count() + 1;
        let fault = |line: Option<usize>, message: String| {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            Failure::new(Code::Manifest, format!("{PINS_PATH}{line}: {message}"))
                .hint("correct or remove the line, then run cargo xtask bases --update")
        };
        let entries: BTreeMap<Spanned<String>, Spanned<String>> =
            toml::from_str(text).map_err(|error| {
                let line = error.span().map(|span| line_at(span.start));
                fault(line, error.message().trim().to_owned())
            })?;
        let mut pins = BTreeMap::new();
        for (key, value) in entries {
            let line = Some(line_at(key.span().start));
            let key = key.into_inner();
            let reference =
                Reference::parse(&key).map_err(|error| fault(line, error.to_string()))?;
            if reference.digest().is_some() {
                return Err(fault(line, format!("`{key}` names a digest itself")));
            }
            let digest = value.into_inner();
            if !is_digest(&digest) {
                return Err(fault(line, format!("`{key}`: `{digest}` is not a digest")));
            }
            if pins.insert(reference, digest).is_some() {
                return Err(fault(line, format!("`{key}` is pinned twice")));
            }
        }
        Ok(Self(pins))
    }

    /// The digest that a reference is pinned to.
    #[must_use]
    pub fn digest(&self, reference: &Reference) -> Option<&str> {
        self.0.get(reference).map(String::as_str)
    }

    /// Pins a reference to a digest. Returns the digest that it was pinned to before.
    pub fn set(&mut self, reference: Reference, digest: String) -> Option<String> {
        self.0.insert(reference, digest)
    }

    /// Removes the pin of a reference. Returns the digest that it was pinned to.
    pub fn remove(&mut self, reference: &Reference) -> Option<String> {
        self.0.remove(reference)
    }

    /// Writes the file of the checkout at `root`, ordered by reference. Without pins, the file is
    /// removed.
    ///
    /// # Errors
    /// The file cannot be written or removed.
    pub fn save(&self, root: &Path) -> anyhow::Result<()> {
        let path = root.join(PINS_PATH);
        if self.0.is_empty() {
            return std::fs::remove_file(&path)
                .with_context(|| format!("failed to remove {}", path.display()));
        }
        let mut text = HEADING.to_owned();
        for (reference, digest) in &self.0 {
            let _ = writeln!(text, "\"{reference}\" = \"{digest}\"");
        }
        write_atomically(&path, text.as_bytes())
    }

    /// All pins, ordered by reference.
    pub fn iter(&self) -> impl Iterator<Item = (&Reference, &str)> {
        self.0
            .iter()
            .map(|(reference, digest)| (reference, digest.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(character: char) -> String {
        format!("sha256:{}", character.to_string().repeat(64))
    }

    #[test]
    fn pins_are_found_under_every_spelling_and_written_in_order() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Pins::load(folder.path()).unwrap(), Pins::default());
        let text = format!(
            "\"localhost:5000/a\" = \"{}\"\ndebian = '{}'\n",
            digest('a'),
            digest('b')
        );
        let mut pins = Pins::parse(&text).unwrap();
        for spelling in ["debian", "debian:latest", "docker.io/library/debian"] {
            let reference = Reference::parse(spelling).unwrap();
            assert_eq!(pins.digest(&reference), Some(&*digest('b')), "{spelling}");
        }
        assert_eq!(pins.digest(&Reference::parse("debian:12").unwrap()), None);

        pins.set(Reference::parse("alpine:3").unwrap(), digest('c'));
        pins.remove(&Reference::parse("localhost:5000/a:latest").unwrap());
        pins.save(folder.path()).unwrap();
        let written = std::fs::read_to_string(folder.path().join(PINS_PATH)).unwrap();
        assert_eq!(
            written,
            format!(
                "{HEADING}\"alpine:3\" = \"{}\"\n\"debian:latest\" = \"{}\"\n",
                digest('c'),
                digest('b')
            )
        );
        assert_eq!(Pins::load(folder.path()).unwrap(), pins);
    }

    #[test]
    fn faults_are_named_by_file_and_line() {
        let pinned = |key: &str, value: &str| format!("# a comment\n{key} = \"{value}\"\n");
        for (text, part) in [
            (
                pinned("Debian", &digest('a')),
                ":2: the repository of `Debian`",
            ),
            (
                pinned("debian", "sha256:12"),
                ":2: `debian`: `sha256:12` is not a digest",
            ),
            (pinned("debian", ""), ":2: `debian`: `` is not a digest"),
            (
                pinned(&format!("\"a@{}\"", digest('a')), &digest('a')),
                "names a digest itself",
            ),
            (
                format!("debian = '{0}'\n'debian:latest' = '{0}'\n", digest('a')),
                "is pinned twice",
            ),
            ("debian = 1\n".to_owned(), ":1: invalid type"),
            ("debian = 'x\n".to_owned(), ":1: "),
            ("[a]\n".to_owned(), ":1: invalid type"),
        ] {
            let message = Pins::parse(&text).unwrap_err().to_string();
            assert!(
                message.starts_with(PINS_PATH) && message.contains(part),
                "{text}: {message}"
            );
        }
    }
}
