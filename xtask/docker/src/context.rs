//! Reads a context folder as Docker does.

use crate::ignore::{Matches, Rules};
use std::path::Path;
use xtask_tree::entry::Entries;
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk::{Filter, Item, Verdict};

impl Filter for Rules {
    type State = Matches;

    fn decide(&self, item: &Item<'_>, parent: &Matches) -> anyhow::Result<Verdict<Matches>> {
        let matches = self.matches(item.path, parent)?;
        Ok(if matches.emptied && !item.is_directory {
            Verdict::Emptied
        } else if !matches.ignored {
            Verdict::Keep(matches)
        } else if item.is_directory && self.may_keep_below(item.path) {
            Verdict::Below(matches)
        } else {
            Verdict::Skip
        })
    }
}

/// All entries of a context folder that the rules do not exclude. The folder itself is not an
/// entry.
///
/// # Errors
/// As [`xtask_tree::walk::read`], and where Docker would refuse a pattern.
pub fn read(root: &Path, rules: &Rules, cache: &StatCache) -> anyhow::Result<Entries> {
    xtask_tree::walk::read(root, rules, cache)
}
