//! Reads a context folder as Docker does.

use crate::ignore::{Matches, Rules};
use std::path::Path;
use xtask_tree::entry::{Entries, Modes};
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk::{Filter, Item, Verdict};

struct Context<'a> {
    rules: &'a Rules,
    modes: Modes,
}

impl Filter for Context<'_> {
    type State = Matches;

    fn modes(&self) -> Modes {
        self.modes
    }

    fn decide(&self, item: &Item<'_>, parent: &Matches) -> anyhow::Result<Verdict<Matches>> {
        decide(self.rules, item, parent)
    }
}

/// What the rules say about an item of a context folder.
///
/// # Errors
/// Docker would refuse a pattern.
pub fn decide(
    rules: &Rules,
    item: &Item<'_>,
    parent: &Matches,
) -> anyhow::Result<Verdict<Matches>> {
    let matches = rules.matches(item.path, parent)?;
    Ok(if matches.emptied && !item.is_directory {
        Verdict::Emptied
    } else if !matches.ignored {
        Verdict::Keep(matches)
    } else if item.is_directory && rules.may_keep_below(item.path) {
        Verdict::Below(matches)
    } else {
        Verdict::Skip
    })
}

/// All entries of a context folder that the rules do not exclude, with modes as git keeps them. The
/// folder itself is not an entry.
///
/// # Errors
/// As [`xtask_tree::walk::read`], and where Docker would refuse a pattern.
pub fn read(root: &Path, rules: &Rules, cache: &StatCache) -> anyhow::Result<Entries> {
    let modes = Modes::OfGit;
    xtask_tree::walk::read(root, &Context { rules, modes }, cache)
}

/// What `COPY . /` receives where Docker itself reads the folder: as [`read`], but with all of the
/// modes. Owners and extended attributes do not arrive, and times are no input of its cache either.
///
/// # Errors
/// As [`read`].
pub fn arriving(root: &Path, rules: &Rules, cache: &StatCache) -> anyhow::Result<Entries> {
    let modes = Modes::Whole;
    xtask_tree::walk::read(root, &Context { rules, modes }, cache)
}
