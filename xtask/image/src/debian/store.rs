//! Packages on this machine, by the SHA-256 of their files. All checkouts share them.

use crate::debian::lock::Package;
use crate::debian::sources::Archives;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use xtask_core::download;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::paths;
use xtask_core::report::Report;

/// A folder of packages.
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
        let path = self.folder.join(format!("{}.deb", package.sha256));
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
        Ok(path)
    }
}
