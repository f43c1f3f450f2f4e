//! Which files of npm's packages an image gets: those that the manifest names, of the packages in a
//! lock file.

use crate::key::inputs::{NpmPackage, NpmToolsInputs};
use crate::packages::Tools;
use app_gen_infra::NpmToolsPrebuild;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the inputs from the lock file that the manifest names.
///
/// # Errors
/// The lock file is refused, or no package in it can have one of the files.
pub(crate) fn inputs(root: &Path, tools: &NpmToolsPrebuild) -> anyhow::Result<NpmToolsInputs> {
    let files = tools.files.iter();
    let files = files.map(|(to, from)| (to.get_ref().clone(), from.get_ref().clone()));
    of_files(&root.join(tools.folder.get_ref()), &files.collect())
}

/// What a key holds of these files, from the lock file in this folder.
///
/// # Errors
/// As [`inputs`].
pub fn of_files(
    project: &Path,
    files: &BTreeMap<String, String>,
) -> anyhow::Result<NpmToolsInputs> {
    let lock = Tools::read(project)?;
    let mut packages = BTreeMap::new();
    for from in files.values() {
        let tool = lock.of_file(from)?;
        let package = NpmPackage {
            version: tool.version,
            integrity: tool.integrity,
        };
        packages.insert(tool.name, package);
    }
    Ok(NpmToolsInputs {
        files: files.clone(),
        packages,
    })
}
