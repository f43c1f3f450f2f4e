//! Builds the page of an image by npm, from nothing but what its key holds.
//!
//! Bundlers look for their configuration in every folder above the sources, and Node looks there for
//! packages. So a page is built in a folder without a user's folder above it, and the tools can read
//! only what is hashed: the sources and the packages, which are copied there, and the programs of the
//! machine.

use crate::build::prebuild::{Tool, note_use, suspect_disk};
use crate::key::inputs::NpmInputs;
use crate::packages;
use crate::packages::room::{Room, copy_entries};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::marked;
use xtask_core::paths::remove_folder;
use xtask_docker::ignore::Rules;
use xtask_tree::entry::Entries;
use xtask_tree::stat_cache::StatCache;

const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// A page that was built here.
#[derive(Debug)]
pub struct Page {
    /// Where it is kept.
    pub folder: PathBuf,
    /// Its files.
    pub entries: Entries,
}

impl Page {
    /// The page that is kept for the same inputs, if there is one and no file of it is missing or
    /// damaged.
    ///
    /// # Errors
    /// The inputs cannot be serialised, which does not happen.
    pub fn kept(context: &Context, inputs: &NpmInputs) -> anyhow::Result<Option<Self>> {
        let kept = Self::path(context, inputs)?;
        let folder = kept.join(&inputs.output);
        Ok(read_checked::<Entries>(&kept.with_extension("json"))
            .filter(|entries| read(&folder).is_ok_and(|found| found == *entries))
            .map(|entries| Self { folder, entries }))
    }

    /// The folder in which its output is kept.
    fn path(context: &Context, inputs: &NpmInputs) -> anyhow::Result<PathBuf> {
        let folder = context.cache_folder().join("prebuilt/npm");
        Ok(folder.join(inputs.digest()?))
    }
}

/// Builds the page, unless one is kept for the same inputs.
///
/// # Errors
/// A file changed since it was hashed, or the build script fails.
pub fn build(
    context: &Context,
    label: &str,
    folder: &str,
    inputs: &NpmInputs,
) -> anyhow::Result<Page> {
    let path = Page::path(context, inputs)?;
    if let Some(kept) = Page::kept(context, inputs)? {
        note_use(&path.with_extension("json"));
        return Ok(kept);
    }
    let source = context.root.join(folder);
    let _tool = Tool::Npm.claim(context, label)?;
    let packages = packages::verified(context, &source)?;
    let room = Room::make(context, &inputs.digest()?, &packages)?;
    let page = room.copy_project("page", &source, &inputs.sources)?;
    context.report.step(&format!("{label}: build {folder}"));
    let npm = room
        .npm()?
        .args(["run", "--silent", "build"])
        .folder(&page)
        .env(marked::VARIABLE, Tool::Npm.mark(context))
        .timeout(TIMEOUT);
    room.run(&[], || {
        npm.run(&context.report, label)
            .map_err(|error| suspect_disk(error, &page))
            .failure(|| {
                Failure::new(Code::Build, format!("failed to build {folder}")).hint(format!(
                    "cd {folder} && npm run build; only there does a build see files, programs \
                     and settings that are in no key"
                ))
            })
    })?;
    let output = page.join(&inputs.output);
    anyhow::ensure!(
        output.is_dir(),
        "the build script of {folder} did not make the folder {}",
        inputs.output
    );
    let entries = read(&output)?;
    let stage = path.with_extension("partial");
    remove_folder(&stage)?;
    fs::create_dir_all(stage.join(&inputs.output))?;
    copy_entries(&output, &stage.join(&inputs.output), &entries)?;
    remove_folder(&path)?;
    fs::rename(&stage, &path)?;
    write_checked(&path.with_extension("json"), &entries)?;
    room.remove()?;
    let folder = path.join(&inputs.output);
    Ok(Page { folder, entries })
}

fn read(folder: &Path) -> anyhow::Result<Entries> {
    xtask_docker::context::read(folder, &Rules::default(), &StatCache::none())
}
