//! What a page is built from: the files of its folder.

use crate::key::inputs::NpmInputs;
use crate::packages;
use app_gen_infra::NpmPrebuild;
use std::path::Path;
use xtask_docker::ignore::{IgnoreFile, Matches, PatternError, Rules};
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk;
use xtask_tree::walk::{Filter, Item, Verdict};

/// The files that the ignore rules leave, without what npm and the build make. Those are never
/// inputs, whether or not the folder has an ignore file that says so.
struct Sources<'a> {
    rules: &'a Rules,
    output: &'a [u8],
}

impl Filter for Sources<'_> {
    type State = Matches;

    fn decide(&self, item: &Item<'_>, parent: &Matches) -> anyhow::Result<Verdict<Matches>> {
        if [b"node_modules", self.output].contains(&item.path) {
            return Ok(Verdict::Skip);
        }
        self.rules.decide(item, parent)
    }
}

/// Reads the inputs of a page.
///
/// # Errors
/// A file cannot be read, the ignore file is malformed, or the lock file leaves open what is
/// installed or which Node builds the page.
pub(crate) fn inputs(
    root: &Path,
    npm: &NpmPrebuild,
    cache: &StatCache,
) -> anyhow::Result<NpmInputs> {
    let folder = root.join(npm.folder.get_ref());
    packages::require_node(&folder)?;
    let ignore_file = IgnoreFile::of_folder(&folder)?;
    let rules = match &ignore_file {
        Some(file) => file.rules()?,
        None => Rules::default(),
    };
    let output = npm.output.trim_start_matches("./").trim_end_matches('/');
    let sources = Sources {
        rules: &rules,
        output: output.as_bytes(),
    };
    let sources = walk::read(&folder, &sources, cache).map_err(|error| {
        // Docker refuses some patterns only when it uses them.
        match (&ignore_file, error.downcast_ref::<PatternError>()) {
            (Some(file), Some(pattern)) => file.refusal(pattern).into(),
            _ => error,
        }
    })?;
    Ok(NpmInputs {
        output: npm.output.clone(),
        to: npm.to.clone(),
        sources,
    })
}
