//! What of its history an environment can do without.

use crate::deploy::release;
use crate::deploy::release::{Outcome, Release};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_docker::reference::Parts;
use xtask_machine::aws;

/// Records that are looked through, one call each; those before them are, once these are gone.
const LOOKED_THROUGH: usize = 1000;
const REMOVE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Releases of an environment.
#[derive(Debug)]
pub struct History {
    /// Those that stay.
    pub needed: Vec<Release>,
    /// Those that nobody goes back to, the newest first.
    pub unneeded: Vec<Release>,
}

impl History {
    /// The releases of the environment, of which the `keep` newest stay in any case.
    ///
    /// # Errors
    /// The cloud does not answer, or a record is damaged.
    pub fn read(context: &Context, keep: usize) -> anyhow::Result<Self> {
        let releases = release::list_at_most(context, LOOKED_THROUGH)?;
        Ok(Self::divide(releases, keep))
    }

    /// Older ones stay if they serve, are what a rollback goes back to or never ended. So does
    /// the last end of the environment, behind which nothing goes back.
    fn divide(mut releases: Vec<Release>, keep: usize) -> Self {
        let end = releases
            .iter()
            .find(|release| release.outcome == Outcome::Destroyed);
        let needed: BTreeSet<String> = [
            release::current(&releases),
            release::before(&releases, None).ok(),
            end,
        ]
        .into_iter()
        .flatten()
        .map(|release| release.id.clone())
        .collect();
        let older = releases.split_off(keep.min(releases.len()));
        let (needed, unneeded): (Vec<_>, Vec<_>) = older.into_iter().partition(|release| {
            release.outcome == Outcome::Unfinished || needed.contains(&release.id)
        });
        releases.extend(needed);
        Self {
            needed: releases,
            unneeded,
        }
    }

    /// The digests of all images that what stays consists of.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        let images = self
            .needed
            .iter()
            .flat_map(|release| release.images.values());
        images.filter_map(|image| Parts::of(&image.reference).digest)
    }

    /// Removes what nobody goes back to, with the templates kept for that.
    ///
    /// # Errors
    /// The cloud refuses. What was removed until then stays removed.
    pub fn forget(&self, context: &Context) -> anyhow::Result<()> {
        if self.unneeded.is_empty() {
            return Ok(());
        }
        let verb = ["state", "remove"].map(str::to_owned);
        // A record last: what is left of a removal that broke off goes with the next one.
        let keys = self.unneeded.iter().rev().flat_map(|release| {
            [
                release::assembly_key(&release.id),
                release::record_key(&release.id),
            ]
        });
        let _: Value = aws::call(context, verb.into_iter().chain(keys))
            .timeout(REMOVE_TIMEOUT)
            .read()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::rollout::Service;
    use std::collections::BTreeMap;

    /// Its content is another one than that of every other id.
    fn release(id: &str, outcome: Outcome, restores: Option<&str>) -> Release {
        let service = Service {
            cluster: String::new(),
            name: String::new(),
            load_balancer: String::new(),
        };
        let content = restores.unwrap_or(id).repeat(6);
        let begun = Release::begin(String::new(), None, content, BTreeMap::new(), service);
        Release {
            id: id.to_owned(),
            outcome,
            restores: restores.map(str::to_owned),
            ..begun.unwrap()
        }
    }

    /// The ids that go.
    fn unneeded(releases: &[(&str, Outcome, Option<&str>)], keep: usize) -> Vec<String> {
        let releases: Vec<Release> = releases
            .iter()
            .map(|&(id, outcome, restores)| release(id, outcome, restores))
            .collect();
        let count = releases.len();
        let history = History::divide(releases, keep);
        assert_eq!(history.needed.len() + history.unneeded.len(), count);
        history
            .unneeded
            .into_iter()
            .map(|release| release.id)
            .collect()
    }

    use Outcome::{Destroyed, Failed, RolledBack, Succeeded, Unfinished};

    #[test]
    fn what_serves_and_what_came_before_it_stay_whatever_their_age() {
        let history = [
            ("9", RolledBack, None),
            ("8", Failed, Some("1")),
            ("7", Succeeded, Some("5")),
            ("6", Succeeded, None),
            ("5", Succeeded, None),
            ("4", RolledBack, None),
            ("3", Succeeded, None),
            ("2", Unfinished, None),
            ("1", Succeeded, None),
        ];
        assert_eq!(unneeded(&history, 1), ["8", "6", "5", "4", "1"]);
        assert_eq!(unneeded(&history, 6), ["1"]);
        assert_eq!(unneeded(&history, 9), [""; 0]);
        assert_eq!(unneeded(&history, 100), [""; 0]);
    }

    #[test]
    fn what_a_deploy_that_was_broken_off_replaced_stays() {
        let history = [
            ("4", Unfinished, None),
            ("3", Succeeded, None),
            ("2", Succeeded, None),
            ("1", Succeeded, None),
        ];
        assert_eq!(unneeded(&history, 1), ["2", "1"]);
    }

    #[test]
    fn nothing_before_the_last_end_can_come_back_by_its_removal() {
        let history = [
            ("7", Succeeded, None),
            ("6", Failed, None),
            ("5", Destroyed, None),
            ("4", Succeeded, None),
            ("3", Destroyed, None),
            ("2", Unfinished, None),
            ("1", Succeeded, None),
        ];
        assert_eq!(unneeded(&history, 1), ["6", "4", "3", "1"]);
        assert_eq!(unneeded(&history[2..], 1), ["4", "3", "1"]);
    }
}
