//! The files of one package. Nothing of it is executed: its scripts are not even read.

use crate::debian::lock::Package;
use anyhow::Context as _;
use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::interrupt;
use xtask_tree::entry::Mode;

const BOUND: Duration = Duration::from_secs(120);
/// Names of files that Debian's slim images leave out, although packages have them.
const LEFT_OUT: &[&str] = &[
    "usr/share/doc",
    "usr/share/groff",
    "usr/share/info",
    "usr/share/linda",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
];
/// The slim images keep it, since licences ask for that.
const COPYRIGHT: &str = "copyright";

/// One member of a package.
#[derive(Debug)]
pub(super) struct Member {
    /// Relative to the root of the image.
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Folder,
    File(Mode, Vec<u8>),
    /// A symbolic link, and what it points to.
    Link(PathBuf),
    /// Another name of a file that comes before it.
    SameAs(PathBuf),
}

/// Hands over the members of the package, in its order. Owners, times and bits such as set-user-ID
/// are left behind: every file belongs to root, and its mode is one of git's.
///
/// # Errors
/// The file is not that package, or has something in it that no image needs; or `take` fails.
pub(super) fn read(
    package: &Package,
    file: &Path,
    mut take: impl FnMut(Member) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let refusal = |what: String| {
        let Package { name, version, .. } = package;
        Failure::new(Code::Build, format!("the package {name} {version} {what}"))
    };
    let tar = dpkg_deb("--fsys-tarfile", file)?;
    let mut archive = tar::Archive::new(tar.as_slice());
    for entry in archive.entries()? {
        interrupt::check()?;
        let mut entry = entry.with_context(|| format!("failed to read {}", file.display()))?;
        let named = entry.path()?.into_owned();
        let path = below_root(&named).ok_or_else(|| {
            refusal(format!(
                "has a file outside of its root: {}",
                named.display()
            ))
        })?;
        if path.as_os_str().is_empty() || is_left_out(&path) {
            continue;
        }
        let target = entry.link_name()?.map(std::borrow::Cow::into_owned);
        let header = entry.header();
        let content = match (header.entry_type(), target) {
            (tar::EntryType::Directory, _) => Content::Folder,
            (tar::EntryType::Regular | tar::EntryType::Continuous, _) => {
                let mode = Mode::of(header.mode()?);
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                Content::File(mode, bytes)
            }
            (tar::EntryType::Symlink, Some(target)) => Content::Link(target),
            (tar::EntryType::Link, Some(target)) => {
                let target = below_root(&target).ok_or_else(|| {
                    refusal(format!(
                        "has a link outside of its root: {}",
                        named.display()
                    ))
                })?;
                Content::SameAs(target)
            }
            (kind, _) => {
                let what = format!(
                    "has {} of the kind {kind:?}, which is no file",
                    named.display()
                );
                return Err(refusal(what).into());
            }
        };
        take(Member { path, content })?;
    }
    Ok(())
}

/// What the package says about itself: the text of its control file. It must be what the lock says.
///
/// # Errors
/// The file is not that package.
pub(super) fn control(package: &Package, file: &Path) -> anyhow::Result<Vec<u8>> {
    let control = dpkg_deb("--field", file)?;
    let text = String::from_utf8_lossy(&control);
    for (field, wanted) in [
        ("Package", &package.name),
        ("Version", &package.version),
        ("Architecture", &package.architecture),
    ] {
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .map_or("", str::trim);
        if found != wanted {
            let message = format!(
                "the lock file says {field} {wanted} of the package {}, whose file says `{found}`",
                package.name
            );
            return Err(Failure::new(Code::Build, message)
                .hint(crate::debian::lock::RENEW)
                .into());
        }
    }
    Ok(control)
}

/// What dpkg's own reader of packages writes. It runs on the host and executes nothing of a package.
fn dpkg_deb(verb: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    let output = Cmd::new("dpkg-deb")
        .arg(verb)
        .arg(file)
        .timeout(BOUND)
        .output()
        .failure(|| {
            Failure::new(
                Code::Prerequisite,
                "packages of Debian are read by dpkg-deb",
            )
            .hint("install dpkg")
        })?;
    anyhow::ensure!(
        output.status.success(),
        "failed to read {}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}

/// The path relative to the root, in one spelling.
fn below_root(path: &Path) -> Option<PathBuf> {
    let mut below = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                if !below.is_empty() {
                    below.push(b'/');
                }
                below.extend_from_slice(name.as_encoded_bytes());
            }
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(OsString::from_vec(below).into())
}

fn is_left_out(path: &Path) -> bool {
    let is_below = LEFT_OUT.iter().any(|folder| path.starts_with(folder));
    is_below && path.file_name().is_none_or(|name| name != COPYRIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling_and_stay_below_the_root() {
        for (path, below) in [
            ("./usr/bin/git", Some("usr/bin/git")),
            ("usr//bin/./git/", Some("usr/bin/git")),
            ("/etc/x", Some("etc/x")),
            ("./", Some("")),
            ("../etc/x", None),
            ("usr/../../etc/x", None),
        ] {
            assert_eq!(
                below_root(Path::new(path)),
                below.map(PathBuf::from),
                "{path}"
            );
        }
    }

    #[test]
    fn what_slim_images_leave_out_is_left_out() {
        for (path, left_out) in [
            ("usr/share/man/man1/git.1.gz", true),
            ("usr/share/doc/git", true),
            ("usr/share/doc/git/README.gz", true),
            ("usr/share/doc/git/copyright", false),
            ("usr/share/docbook/x", false),
            ("usr/bin/man", false),
        ] {
            assert_eq!(is_left_out(Path::new(path)), left_out, "{path}");
        }
    }
}
