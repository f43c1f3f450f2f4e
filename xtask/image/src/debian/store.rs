//! Packages on this machine, by the SHA-256 of their files. All checkouts share them.

use crate::debian::lock::Package;
use crate::debian::sources::Archives;
use anyhow::Context as _;
use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xtask_core::download;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::paths;
use xtask_core::report::Report;

/// The name of every package in its folder.
const FILE: &str = "package.deb";

/// A folder of packages, each in a folder of its own that is named by its SHA-256.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    archives: Archives,
}

impl Store {
    /// The packages of this user, which come from the archives that this machine reads.
    ///
    /// # Errors
    /// There is no folder for the state of this user, or the machine's sources cannot be read.
    pub fn of_user() -> anyhow::Result<Self> {
        Ok(Self::new(
            &paths::state()?.join("debian"),
            Archives::of_machine()?,
        ))
    }

    /// Packages in a folder, which come from these archives.
    #[must_use]
    pub fn new(folder: &Path, archives: Archives) -> Self {
        Self {
            folder: folder.to_owned(),
            archives,
        }
    }

    /// The file of a package, which is downloaded where it is missing or damaged.
    ///
    /// # Errors
    /// The archives do not have it any more, or do not answer.
    pub fn file(&self, package: &Package, report: &Report, label: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(&package.sha256).join(FILE);
        let url = self
            .archives
            .address(&package.path)
            .with_context(|| format!("`{}` names no archive of Debian", package.path))?;
        download::bring(&url, &package.known(), &path, || {
            let mebibytes = package.size_bytes.div_ceil(1024 * 1024);
            report.line(label, &format!("download {url} ({mebibytes} MiB)"));
        })
        .failure(|| {
            let Package { name, version, .. } = package;
            let message = format!("failed to get the package {name} {version} of Debian");
            // An archive keeps a version until the next one has been there for a while.
            Failure::new(Code::Build, message).hint(crate::debian::lock::RENEW)
        })?;
        // Where that fails, the package is removed sooner, and downloaded again.
        let file = File::options().append(true).open(&path);
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
        Ok(path)
    }

    /// The folders of packages that no build has used for so long.
    #[must_use]
    pub fn unused_for(&self, long: Duration) -> Vec<PathBuf> {
        let is_unused = |folder: &PathBuf| {
            let used_at = fs::metadata(folder.join(FILE))
                .or_else(|_| fs::metadata(folder))
                .and_then(|metadata| metadata.modified());
            // A time in the future says nothing.
            let age = used_at.ok().and_then(|time| time.elapsed().ok());
            folder.is_dir() && age.is_some_and(|age| age > long)
        };
        let items = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut unused: Vec<PathBuf> = items.map(|item| item.path()).filter(is_unused).collect();
        unused.sort();
        unused
    }
}
