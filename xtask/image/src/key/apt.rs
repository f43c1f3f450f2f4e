//! Which packages of Debian an image gets: those of its lock file.

use crate::debian::lock::{LockFile, Package, Wanted};
use crate::key::inputs::{AptInputs, DebianPackage};
use app_gen_infra::{AptPrebuild, Platform};
use std::path::Path;

/// Reads the inputs from the lock file of an image.
///
/// # Errors
/// The lock file is missing, is malformed, or is not that of what the manifest wants.
pub(crate) fn inputs(
    root: &Path,
    platform: &Platform,
    image: &str,
    apt: &AptPrebuild,
) -> anyhow::Result<AptInputs> {
    let lock = LockFile::of_image(root, image, &Wanted::of(platform, apt)?)?;
    Ok(of_packages(&lock.packages, apt.to.get_ref()))
}

/// What a key holds of packages that are unpacked to this folder of the context.
#[must_use]
pub fn of_packages(packages: &[Package], to: &str) -> AptInputs {
    let input = |package: &Package| DebianPackage {
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        sha256: package.sha256.clone(),
    };
    let packages = packages.iter();
    AptInputs {
        to: to.to_owned(),
        packages: packages
            .map(|package| (package.name.clone(), input(package)))
            .collect(),
    }
}
