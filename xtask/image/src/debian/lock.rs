//! The lock file of an image: which packages of Debian it gets, in which versions, and by which
//! digests. It is committed; `cargo xtask bases --update` writes it.

use crate::debian::sources;
use anyhow::Context as _;
use app_gen_infra::{AptPrebuild, Platform};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};
use xtask_core::atomic_file::write_atomically;
use xtask_core::download::Known;
use xtask_core::error::{Code, Failure, FailureContext as _};

/// The folder of the lock files, relative to the checkout.
const FOLDER: &str = "app-gen-infra/debian";
/// The command that writes them.
pub const RENEW: &str = "cargo xtask bases --update";
/// The architecture of every image, and the one of packages that have none.
const ARCHITECTURES: [&str; 2] = ["amd64", "all"];

/// The path of an image's lock file, relative to the checkout.
#[must_use]
pub fn path(image: &str) -> String {
    format!("{FOLDER}/{image}.toml")
}

/// The packages that an image gets, and what they were resolved from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockFile {
    /// The release of Debian, such as `trixie`.
    pub suite: String,
    /// The packages that `platform.toml` named, sorted.
    pub wanted: Vec<String>,
    /// Those and all that they need and the base image does not have, sorted by name.
    #[serde(rename = "package", default)]
    pub packages: Vec<Package>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Such as `git`.
    pub name: String,
    /// Such as `1:2.47.3-0+deb13u1`.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// Path of the file below a mirror, as in a URL: `debian/pool/main/g/git/git_2.47.3_amd64.deb`.
    pub path: String,
}

impl Package {
    /// What is known of its file.
    #[must_use]
    pub fn known(&self) -> Known {
        Known {
            sha256: self.sha256.clone(),
            size_bytes: self.size_bytes,
        }
    }

    /// What is wrong with the entry, if anything is.
    fn fault(&self) -> Option<String> {
        let Self { name, path, .. } = self;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_path = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || self.version.is_empty() || self.size_bytes == 0 {
            Some(format!("`{name}` lacks its name, its version or its size"))
        } else if !ARCHITECTURES.contains(&self.architecture.as_str()) {
            let architecture = &self.architecture;
            Some(format!(
                "`{name}` is for `{architecture}`, and images are for amd64"
            ))
        } else if self.sha256.len() != 64 || !self.sha256.bytes().all(is_hex) {
            Some(format!("the sha256 of `{name}` is no SHA-256"))
        } else if !is_path || !path.starts_with("debian") || !path.ends_with(".deb") {
            Some(format!("`{path}` is no path of a package below a mirror"))
        } else {
            None
        }
    }
}

impl LockFile {
    /// Reads the lock file of an image, if there is one.
    ///
    /// # Errors
    /// [`Code::Manifest`] naming the file and, for what is not TOML, the line.
    pub fn read(root: &Path, image: &str) -> anyhow::Result<Option<Self>> {
        let path = root.join(path(image));
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Self::parse(image, &text)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    fn parse(image: &str, text: &str) -> Result<Self, Failure> {
        let fault = |line: Option<usize>, message: &str| {
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            let message = format!("{}{line}: {message}", path(image));
            Failure::new(Code::Manifest, message).hint(format!("{RENEW} writes it again"))
        };
        let lock: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map(|span| text[..span.start].matches('\n').count() + 1);
            fault(line, error.message().trim())
        })?;
        if let Some(message) = lock.packages.iter().find_map(Package::fault) {
            return Err(fault(None, &message));
        }
        let names = lock.packages.windows(2);
        if let Some([_, later]) = names
            .filter_map(|pair| <&[Package; 2]>::try_from(pair).ok())
            .find(|[earlier, later]| earlier.name >= later.name)
        {
            let message = format!("`{}` is there twice, or not in order", later.name);
            return Err(fault(None, &message));
        }
        Ok(lock)
    }

    /// The lock file of an image, which must be that of what the manifest wants.
    ///
    /// # Errors
    /// There is none, or it is of other packages or another release. The hint renews it.
    pub fn of_image(root: &Path, image: &str, wanted: &Wanted) -> anyhow::Result<Self> {
        let stale = |what: &str| {
            let message = format!("{} {what}", path(image));
            Failure::new(Code::Build, message).hint(RENEW)
        };
        let Some(lock) = Self::read(root, image)? else {
            return Err(stale("is missing, so no version of its packages is settled").into());
        };
        match wanted.difference(&lock) {
            Some(difference) => Err(stale(&difference).into()),
            None => Ok(lock),
        }
    }

    /// Writes the lock file of an image.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, root: &Path, image: &str) -> anyhow::Result<()> {
        let heading =
            format!("# Packages of Debian for the image `{image}`, written by `{RENEW}`.\n");
        let text = heading + &toml::to_string(self)?;
        write_atomically(&root.join(path(image)), text.as_bytes())
    }

    /// The versions by name.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<&str, &str> {
        let packages = self.packages.iter();
        packages
            .map(|package| (package.name.as_str(), package.version.as_str()))
            .collect()
    }
}

/// What the manifest wants of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The release of the base image.
    pub suite: String,
    /// The packages, sorted.
    pub packages: Vec<String>,
}

impl Wanted {
    /// What the manifest wants for an image.
    ///
    /// # Errors
    /// The base image is not one of Debian.
    pub fn of(platform: &Platform, apt: &AptPrebuild) -> anyhow::Result<Self> {
        let base = &platform.base_image;
        let suite = sources::suite_of_image(base).with_context(|| {
            format!("{base} is no image of Debian, so no package of Debian belongs into it")
        });
        let suite = suite.failure(|| {
            Failure::new(Code::Manifest, "`apt` needs a base image of Debian")
                .hint("remove `apt`, or correct base_image in app-gen-infra/platform.toml")
        })?;
        let mut packages: Vec<String> = apt
            .packages
            .iter()
            .map(|name| name.get_ref().clone())
            .collect();
        packages.sort();
        Ok(Self {
            suite: suite.to_owned(),
            packages,
        })
    }

    /// Why the lock file is not that of what is wanted, if it is not.
    #[must_use]
    pub fn difference(&self, lock: &LockFile) -> Option<String> {
        if lock.suite != self.suite {
            return Some(format!(
                "is for Debian {}, and the base image is Debian {}",
                lock.suite, self.suite
            ));
        }
        let lacks = |these: &[String], others: &[String]| -> Vec<String> {
            let absent = these.iter().filter(|name| !others.contains(name));
            absent.cloned().collect()
        };
        let missing = lacks(&self.packages, &lock.wanted);
        if !missing.is_empty() {
            return Some(format!("was made without {}", missing.join(", ")));
        }
        let unwanted = lacks(&lock.wanted, &self.packages);
        (!unwanted.is_empty()).then(|| format!("was made for {}, too", unwanted.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_core::error::Rendered;

    fn package(name: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: "1:2.0-1".to_owned(),
            architecture: "amd64".to_owned(),
            sha256: "a".repeat(64),
            size_bytes: 7,
            path: format!("debian/pool/main/{name}_2.0-1_amd64.deb"),
        }
    }

    fn lock() -> LockFile {
        LockFile {
            suite: "trixie".to_owned(),
            wanted: vec!["git".to_owned()],
            packages: vec![package("git"), package("perl")],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(LockFile::read(root.path(), "generator").unwrap(), None);
        lock().write(root.path(), "generator").unwrap();
        let read = LockFile::read(root.path(), "generator").unwrap();
        assert_eq!(read, Some(lock()));
        let text = fs::read_to_string(root.path().join(path("generator"))).unwrap();
        insta::assert_snapshot!(text, @r#"
        # Packages of Debian for the image `generator`, written by `cargo xtask bases --update`.
        suite = "trixie"
        wanted = ["git"]

        [[package]]
        name = "git"
        version = "1:2.0-1"
        architecture = "amd64"
        sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        size_bytes = 7
        path = "debian/pool/main/git_2.0-1_amd64.deb"

        [[package]]
        name = "perl"
        version = "1:2.0-1"
        architecture = "amd64"
        sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        size_bytes = 7
        path = "debian/pool/main/perl_2.0-1_amd64.deb"
        "#);
    }

    #[test]
    fn a_lock_file_of_something_else_is_refused_with_the_command_that_renews_it() {
        let root = tempfile::tempdir().unwrap();
        let wanted = |suite: &str, packages: &[&str]| Wanted {
            suite: suite.to_owned(),
            packages: packages.iter().map(|&name| name.to_owned()).collect(),
        };
        let refusal = |wanted: &Wanted| {
            let error = LockFile::of_image(root.path(), "generator", wanted).unwrap_err();
            let refusal = Rendered::new(&error);
            assert_eq!(refusal.exit_code, Code::Build as u8);
            assert_eq!(refusal.hint.as_deref(), Some(RENEW));
            refusal.message
        };
        let mut messages = vec![refusal(&wanted("trixie", &["git"]))];
        lock().write(root.path(), "generator").unwrap();
        LockFile::of_image(root.path(), "generator", &wanted("trixie", &["git"])).unwrap();
        messages.push(refusal(&wanted("forky", &["git"])));
        messages.push(refusal(&wanted("trixie", &["bash", "git"])));
        messages.push(refusal(&wanted("trixie", &["perl"])));
        messages.push(refusal(&wanted("trixie", &[])));
        insta::assert_snapshot!(messages.join("\n"), @r"
        app-gen-infra/debian/generator.toml is missing, so no version of its packages is settled
        app-gen-infra/debian/generator.toml is for Debian trixie, and the base image is Debian forky
        app-gen-infra/debian/generator.toml was made without bash
        app-gen-infra/debian/generator.toml was made without perl
        app-gen-infra/debian/generator.toml was made for git, too
        ");
    }

    #[test]
    fn faults_are_named() {
        let written = |edit: fn(&mut LockFile)| {
            let mut edited = lock();
            edit(&mut edited);
            toml::to_string(&edited).unwrap()
        };
        for (text, said) in [
            ("suite = 1".to_owned(), ":1: invalid type"),
            (
                written(|it| it.packages.swap(0, 1)),
                "`git` is there twice, or not in order",
            ),
            (
                written(|it| it.packages[1].name = "git".to_owned()),
                "`git` is there twice",
            ),
            (
                written(|it| it.packages[0].sha256 = "A".repeat(64)),
                "the sha256 of `git`",
            ),
            (
                written(|it| it.packages[0].sha256.push('a')),
                "the sha256 of `git`",
            ),
            (
                written(|it| it.packages[0].architecture = "arm64".to_owned()),
                "is for `arm64`",
            ),
            (
                written(|it| it.packages[0].size_bytes = 0),
                "lacks its name",
            ),
            (
                written(|it| it.packages[0].path = "debian/../../x.deb".to_owned()),
                "`debian/../../x.deb` is no path",
            ),
            (
                written(|it| it.packages[0].path = "/x.deb".to_owned()),
                "`/x.deb` is no path",
            ),
        ] {
            let message = LockFile::parse("generator", &text).unwrap_err().to_string();
            assert!(
                message.starts_with("app-gen-infra/debian/generator.toml")
                    && message.contains(said),
                "{text}: {message}"
            );
        }
    }
}
