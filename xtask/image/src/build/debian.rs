//! Unpacks the packages of Debian that an image gets. No script of a package runs: what an image needs
//! of them, `debian::tree` makes.

use crate::build::kept::Kept;
use crate::build::prebuild::{Tool, suspect_disk};
use crate::debian::lock::LockFile;
use crate::debian::store::Store;
use crate::debian::tree::Tree;
use crate::key::apt;
use crate::key::inputs::AptInputs;
use std::path::PathBuf;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};

/// The folder that is kept for the same packages, if there is one and no file of it is missing or
/// damaged.
///
/// # Errors
/// The inputs cannot be serialised, which does not happen.
pub fn kept(context: &Context, inputs: &AptInputs) -> anyhow::Result<Option<Kept>> {
    Ok(Kept::find(&place(context, inputs)?))
}

/// Unpacks the packages of an image, unless they are kept. They come from the store, and what the
/// store does not have, from the archives that this machine reads.
///
/// # Errors
/// The lock file changed since it was read for the key, a package cannot be downloaded, or two
/// packages have the same file.
pub fn build(context: &Context, image: &str, inputs: &AptInputs) -> anyhow::Result<Kept> {
    build_from(&Store::of_user()?, context, image, inputs)
}

/// As [`build`], with packages from this store.
///
/// # Errors
/// As [`build`].
pub fn build_from(
    store: &Store,
    context: &Context,
    image: &str,
    inputs: &AptInputs,
) -> anyhow::Result<Kept> {
    let place = place(context, inputs)?;
    if let Some(kept) = Kept::reuse(&place) {
        return Ok(kept);
    }
    let _tool = Tool::Apt.claim(context, image)?;
    // The build that held the lock may have made it.
    if let Some(kept) = Kept::reuse(&place) {
        return Ok(kept);
    }
    let lock = LockFile::read(&context.root, image)?
        .filter(|lock| apt::of_packages(&lock.packages, &inputs.to) == *inputs)
        .ok_or_else(|| {
            let path = crate::debian::lock::path(image);
            let message = format!("{path} changed while it was being built");
            Failure::new(Code::Build, message).hint("run the command again")
        })?;
    let count = lock.packages.len();
    context
        .report
        .step(&format!("{image}: unpack {count} packages of Debian"));
    let stage = Kept::stage(&place)?;
    let mut tree = Tree::new(&stage);
    for package in &lock.packages {
        let file = store.file(package, &context.report, image)?;
        tree.add(package, &file)
            .map_err(|error| suspect_disk(error, &stage))?;
    }
    tree.finish()?;
    Kept::keep(&place)
}

fn place(context: &Context, inputs: &AptInputs) -> anyhow::Result<PathBuf> {
    Ok(Kept::place(context, "apt", &inputs.digest()?))
}
