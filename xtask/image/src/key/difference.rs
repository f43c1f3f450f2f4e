//! One input that differs between two keys, as JSON and as a line for a person.

use serde::Serialize;
use std::fmt;
use xtask_core::report::printable;

/// How much of a hash a person is shown.
const HASH_CHARACTERS: usize = 12;

/// The kind of an input. Differences are listed in this order, which begins with those that explain
/// the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The version of the form: `before` and `after` are numbers, and nothing else is compared.
    Form,
    /// The platform that the image is built for.
    Platform,
    /// The stage to build.
    Target,
    /// A build argument.
    Argument,
    /// A base image: `before` and `after` are digests.
    Base,
    /// A compiler, a linker or the libc: `before` and `after` are its version in its own words.
    Toolchain,
    /// A configuration of cargo: `before` and `after` are digests.
    Environment,
    /// A table of the workspace's manifest: `before` and `after` are digests.
    Workspace,
    /// What the manifest says about what is built before the image.
    Prebuild,
    /// A path package: `before` and `after` are folders.
    Member,
    /// A package: `before` and `after` are versions, or checksums of the same version.
    Lock,
    /// A feature: the name is the package that has it.
    Feature,
    /// A package of Debian: `before` and `after` are versions, or digests of the same version.
    DebianPackage,
    /// A package of npm that the image gets files of: `before` and `after` are versions, or digests
    /// of the same version.
    NpmPackage,
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

/// How an input differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another value.
    Changed,
}

/// One input that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What kind of input it is.
    pub kind: Kind,
    /// Which one it is, if there can be several. Paths are relative to the checkout and `escape`d.
    pub name: Option<String>,
    /// How it differs.
    pub change: Change,
    /// Its value before, if it had one.
    pub before: Option<String>,
    /// Its value now, if it has one.
    pub after: Option<String>,
}

impl Difference {
    /// The difference to inputs that were kept in a form that this version does not know.
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
            Kind::DebianPackage => "Debian package",
            Kind::NpmPackage => "npm package",
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

    /// The part of a value that helps a person: no digest of a file, and only the first line of what
    /// a compiler says.
    fn shown(&self, value: &str) -> Option<String> {
        let is_hash =
            |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match value.strip_prefix("sha256:") {
            _ if is_hash(value) || value.starts_with("sha512-") => None,
            Some(hash) if is_hash(hash) => Some(format!("sha256:{}", &hash[..HASH_CHARACTERS])),
            _ if value.is_empty() => Some("(empty)".to_owned()),
            _ if self.kind == Kind::Toolchain => value.split("; ").next().map(str::to_owned),
            _ => Some(printable(value).into_owned()),
        }
    }
}

/// A line such as `argument MODE changed: fast → small`.
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
            // Two values can be the same when they are shortened.
            (Some(before), Some(after)) if before == after => Ok(()),
            (Some(before), Some(after)) => write!(formatter, ": {before} → {after}"),
            (Some(value), None) | (None, Some(value)) => write!(formatter, ": {value}"),
            (None, None) => Ok(()),
        }
    }
}

/// A line with the first differences, and the number of the others.
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
