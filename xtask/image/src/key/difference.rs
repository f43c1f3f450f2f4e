//! One input that differs between two keys: typed for `--json`, a line for a person.

use serde::Serialize;
use std::fmt;
use xtask_core::report::printable;

/// How much of a hash a person is shown.
const HASH_CHARACTERS: usize = 12;

/// What kind of input differs, the most telling first: differences are listed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The version of the form itself: `before` and `after` are numbers, nothing else is compared.
    Form,
    /// What the image is built for.
    Platform,
    /// The stage to build.
    Target,
    /// A build argument.
    Argument,
    /// A base image: `before` and `after` are digests.
    Base,
    /// A compiler, a linker or the libc: `before` and `after` are what it says of itself.
    Toolchain,
    /// A configuration of cargo: `before` and `after` are digests.
    Environment,
    /// A table of the workspace's manifest: `before` and `after` are digests.
    Workspace,
    /// What the manifest says of what is built before the image.
    Prebuild,
    /// A path package: `before` and `after` are folders.
    Member,
    /// A package: `before` and `after` are versions, or the checksums of one version.
    Lock,
    /// A feature of the package that is the name.
    Feature,
    /// The Dockerfile: `before` and `after` are digests.
    Dockerfile,
    /// The ignore file: `before` and `after` are digests.
    IgnoreFile,
    /// A file's content: `before` and `after` are digests.
    File,
    /// A file's mode.
    Mode,
    /// A symbolic link: `before` and `after` are what it points to.
    Symlink,
    /// A directory.
    Directory,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// One input that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What kind of input it is.
    pub kind: Kind,
    /// Which one, where there may be several; paths are relative to the checkout, [`escape`]d.
    pub name: Option<String>,
    /// What became of it.
    pub change: Change,
    /// What it was, where it was something.
    pub before: Option<String>,
    /// What it is now, where it is something.
    pub after: Option<String>,
}

impl Difference {
    /// To inputs that were kept in a form this version does not know.
    #[must_use]
    pub fn of_form(before: u32, after: u32) -> Self {
        Self {
            kind: Kind::Form,
            name: None,
            change: Change::Changed,
            before: Some(before.to_string()),
            after: Some(after.to_string()),
        }
    }

    fn subject(&self) -> String {
        let words = match self.kind {
            Kind::Form => "form of the inputs",
            Kind::Platform => "platform",
            Kind::Target => "target stage",
            Kind::Argument => "argument",
            Kind::Base => "base",
            Kind::Toolchain => "toolchain",
            Kind::Environment => "configuration",
            Kind::Workspace => "workspace",
            Kind::Prebuild => "prebuild",
            Kind::Member => "package",
            Kind::Lock => "lock entry",
            Kind::Feature => "feature of",
            Kind::Dockerfile => "Dockerfile",
            Kind::IgnoreFile => "ignore file",
            Kind::File => "file",
            Kind::Mode => "mode of",
            Kind::Symlink => "symlink",
            Kind::Directory => "directory",
        };
        match &self.name {
            Some(name) => format!("{words} {}", printable(name)),
            None => words.to_owned(),
        }
    }

    /// What tells a person something of a value: not what a file hashes to, and not
    /// all that a compiler says of itself.
    fn shown(&self, value: &str) -> Option<String> {
        let is_hash =
            |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match value.strip_prefix("sha256:") {
            _ if is_hash(value) => None,
            Some(hash) if is_hash(hash) => Some(format!("sha256:{}", &hash[..HASH_CHARACTERS])),
            _ if value.is_empty() => Some("(empty)".to_owned()),
            _ if self.kind == Kind::Toolchain => value.split("; ").next().map(str::to_owned),
            _ => Some(printable(value).into_owned()),
        }
    }
}

/// One line, as a person says it: `argument MODE changed: fast → small`.
impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match (self.kind, self.change) {
            (_, Change::Added) => "added",
            (_, Change::Removed) => "removed",
            (Kind::Base, Change::Changed) => "moved",
            (_, Change::Changed) => "changed",
        };
        write!(formatter, "{} {verb}", self.subject())?;
        let before = self.before.as_deref().and_then(|value| self.shown(value));
        let after = self.after.as_deref().and_then(|value| self.shown(value));
        match (before, after) {
            // Shortened they may look alike.
            (Some(before), Some(after)) if before == after => Ok(()),
            (Some(before), Some(after)) => write!(formatter, ": {before} → {after}"),
            (Some(value), None) | (None, Some(value)) => write!(formatter, ": {value}"),
            (None, None) => Ok(()),
        }
    }
}

/// The first differences in a line, the others counted.
#[must_use]
pub fn summary(differences: &[Difference], shown: usize) -> String {
    let mut words: Vec<String> = differences
        .iter()
        .take(shown)
        .map(ToString::to_string)
        .collect();
    if differences.len() > shown {
        words.push(format!("and {} more", differences.len() - shown));
    }
    words.join("; ")
}
