//! The files of several packages, as an image gets them: those that dpkg would unpack, and the few
//! that scripts of packages would make and that programs need.

use crate::debian::lock::Package;
use crate::debian::package;
use crate::debian::package::{Content, Member};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use xtask_core::error::{Code, Failure};
use xtask_tree::entry::Mode;

/// Folders of the root that are links to those of the same name in `usr`. A package that still names
/// one gets its files to where the link leads, as dpkg puts them.
const MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "sbin"];
/// Where scanners of images look for packages that no package manager installed. Each has a file with
/// what its package says about itself.
const STATUS: &str = "var/lib/dpkg/status.d";
/// The certificates that `ca-certificates` brings, one in a file.
const CERTIFICATES: &str = "usr/share/ca-certificates";
/// The file with all of them, which programs read. A script of the package makes it.
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Packages that are being unpacked into a folder.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    placed: BTreeMap<PathBuf, Placed>,
}

/// What is at a path, and which package has put it there.
#[derive(Debug)]
struct Placed {
    kind: Kind,
    package: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File(Mode),
    Link,
}

impl Tree {
    /// Nothing yet, in a folder that is empty or does not exist.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            placed: BTreeMap::new(),
        }
    }

    /// Unpacks a package, which is in this file.
    ///
    /// # Errors
    /// The file is not the package, two packages have the same file, or the folder cannot be written.
    pub fn add(&mut self, package: &Package, file: &Path) -> anyhow::Result<()> {
        let control = package::control(package, file)?;
        let status = Path::new(STATUS).join(&package.name);
        self.write(&package.name, &status, Mode::Plain, &control)?;
        package::read(package, file, |member| self.place(&package.name, member))
    }

    /// Adds what programs need and no package has as a file.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let is_certificate = |path: &Path| {
            path.starts_with(CERTIFICATES) && path.extension().is_some_and(|ending| ending == "crt")
        };
        let certificates: Vec<PathBuf> = self
            .placed
            .keys()
            .filter(|path| is_certificate(path))
            .cloned()
            .collect();
        let mut bundle = Vec::new();
        for path in &certificates {
            let path = self.root.join(path);
            let certificate =
                fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            bundle.extend_from_slice(certificate.trim_ascii_end());
            bundle.push(b'\n');
        }
        if !bundle.is_empty() {
            self.write("ca-certificates", Path::new(BUNDLE), Mode::Plain, &bundle)?;
        }
        Ok(())
    }

    fn place(&mut self, package: &str, member: Member) -> anyhow::Result<()> {
        let path = merged(&member.path);
        match member.content {
            Content::Folder => self.make_folder(package, &path),
            Content::File(mode, bytes) => self.write(package, &path, mode, &bytes),
            Content::Link(target) => {
                self.claim(package, &path, Kind::Link)?;
                symlink(target, self.root.join(&path)).with_context(|| failed(&path))
            }
            Content::SameAs(other) => {
                let other = merged(&other);
                let Some(Kind::File(mode)) = self.placed.get(&other).map(|placed| placed.kind)
                else {
                    let message = format!(
                        "{} of the package {package} is the same as {}, which is no file before it",
                        path.display(),
                        other.display()
                    );
                    return Err(Failure::new(Code::Build, message).into());
                };
                let bytes = fs::read(self.root.join(&other)).with_context(|| failed(&path))?;
                self.write(package, &path, mode, &bytes)
            }
        }
    }

    fn make_folder(&mut self, package: &str, path: &Path) -> anyhow::Result<()> {
        if self.kind(path) == Some(Kind::Folder) {
            return Ok(());
        }
        self.claim(package, path, Kind::Folder)?;
        fs::create_dir(self.root.join(path)).with_context(|| failed(path))
    }

    fn write(
        &mut self,
        package: &str,
        path: &Path,
        mode: Mode,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        self.claim(package, path, Kind::File(mode))?;
        let place = self.root.join(path);
        fs::write(&place, bytes)
            .and_then(|()| fs::set_permissions(&place, fs::Permissions::from_mode(mode.bits())))
            .with_context(|| failed(path))
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        self.placed.get(path).map(|placed| placed.kind)
    }

    /// Takes the path for a package, with the folders above it. Nothing is ever written through a link
    /// that a package has put there.
    fn claim(&mut self, package: &str, path: &Path, kind: Kind) -> anyhow::Result<()> {
        if let Some(placed) = self.placed.get(path) {
            let message = format!(
                "the packages {} and {package} both have {}",
                placed.package,
                path.display()
            );
            return Err(Failure::new(Code::Build, message).into());
        }
        match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => {
                fs::create_dir_all(&self.root).with_context(|| failed(path))?;
            }
            Some(parent) => {
                let parent = parent.to_owned();
                self.make_folder(package, &parent)?;
            }
            None => {}
        }
        let package = package.to_owned();
        self.placed
            .insert(path.to_owned(), Placed { kind, package });
        Ok(())
    }
}

fn failed(path: &Path) -> String {
    format!("failed to unpack {}", path.display())
}

fn merged(path: &Path) -> PathBuf {
    let is_merged = MERGED.iter().any(|folder| path.starts_with(folder));
    match is_merged {
        true => Path::new("usr").join(path),
        false => path.to_owned(),
    }
}
