//! Installs packages of npm for their files that an image gets, and keeps nothing but those. No script
//! of a package runs.

use crate::build::kept::Kept;
use crate::build::prebuild::{Tool, suspect_disk};
use crate::key::inputs::NpmToolsInputs;
use crate::key::npm_tools;
use crate::packages;
use crate::packages::room::copy_entries;
use anyhow::Context as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::paths::remove_folder;
use xtask_docker::ignore::Rules;
use xtask_tree::entry::Mode;
use xtask_tree::stat_cache::StatCache;

/// The files that are kept for the same packages, if there are any and none is missing or damaged.
///
/// # Errors
/// The inputs cannot be serialised, which does not happen.
pub fn kept(context: &Context, inputs: &NpmToolsInputs) -> anyhow::Result<Option<Kept>> {
    Ok(Kept::find(&place(context, inputs)?))
}

/// Installs the packages of which the image gets files, and no others, unless the files are kept.
/// `folder` has the lock file.
///
/// # Errors
/// The lock file changed since it was read for the key, npm fails, or a package does not have a file.
pub fn build(
    context: &Context,
    label: &str,
    folder: &str,
    inputs: &NpmToolsInputs,
) -> anyhow::Result<Kept> {
    let place = place(context, inputs)?;
    if let Some(kept) = Kept::reuse(&place) {
        return Ok(kept);
    }
    let _tool = Tool::Npm.claim(context, label)?;
    // The build that held the lock may have made it.
    if let Some(kept) = Kept::reuse(&place) {
        return Ok(kept);
    }
    let project = context.root.join(folder);
    if npm_tools::of_files(&project, &inputs.files)? != *inputs {
        let message = format!("the lock file in {folder} changed while it was being built");
        return Err(Failure::new(Code::Build, message)
            .hint("run the command again")
            .into());
    }
    let installed = place.with_extension("installed");
    let modules = packages::install_only(context, &project, inputs.packages.keys(), &installed)?;
    let stage = Kept::stage(&place)?;
    for (to, from) in &inputs.files {
        take(&modules.join(from), &stage.join(to))
            .map_err(|error| suspect_disk(error, &modules))
            .with_context(|| format!("failed to take {from} from the packages of {folder}"))?;
    }
    remove_folder(&installed)?;
    Kept::keep(&place)
}

/// Copies a file or a folder.
fn take(from: &Path, to: &Path) -> anyhow::Result<()> {
    let found = from
        .symlink_metadata()
        .with_context(|| format!("no package has {}", from.display()))?;
    if found.is_dir() {
        let entries = xtask_docker::context::read(from, &Rules::default(), &StatCache::none())?;
        fs::create_dir_all(to)?;
        return copy_entries(from, to, &entries);
    }
    anyhow::ensure!(
        found.is_file(),
        "{} is neither a file nor a folder",
        from.display()
    );
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to)?;
    let mode = Mode::of(found.permissions().mode());
    fs::set_permissions(to, fs::Permissions::from_mode(mode.bits()))?;
    Ok(())
}

fn place(context: &Context, inputs: &NpmToolsInputs) -> anyhow::Result<PathBuf> {
    Ok(Kept::place(context, "npm-tools", &inputs.digest()?))
}
