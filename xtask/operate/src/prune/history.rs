//! Releases that an environment does not need any more.

use crate::deploy::environment_lock::EnvironmentLock;
use crate::deploy::release;
use crate::deploy::release::{Outcome, Release};
use std::collections::BTreeSet;
use std::time::Duration;
use xtask_aws_api::calls::state::RemoveRecords;
use xtask_core::context::Context;
use xtask_docker::reference::Parts;
use xtask_machine::aws;

/// How many releases are read, with one call each. Older ones are read by a later prune, when these
/// have been removed.
const LOOKED_THROUGH: usize = 1000;
const REMOVE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The releases of an environment.
#[derive(Debug)]
pub struct History {
    /// Releases that stay.
    pub needed: Vec<Release>,
    /// Releases that no rollback restores, the newest first.
    pub unneeded: Vec<Release>,
}

impl History {
    /// Reads the releases of the environment. The `keep` newest stay in any case.
    ///
    /// # Errors
    /// The cloud does not answer, or a release cannot be parsed.
    pub fn read(context: &Context, keep: usize) -> anyhow::Result<Self> {
        let releases = release::list_at_most(context, LOOKED_THROUGH)?;
        Ok(Self::divide(releases, keep))
    }

    /// An older release stays if it serves, if a rollback would restore it, or if it has not ended.
    /// The last end of the environment stays too, because no rollback goes back past it.
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

    /// The digests of all images of the releases that stay.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        let images = self
            .needed
            .iter()
            .flat_map(|release| release.images.values());
        images.filter_map(|image| Parts::of(&image.reference).digest)
    }

    /// Removes the unneeded releases with their assemblies.
    ///
    /// # Errors
    /// The lock is not ours any more, or the cloud refuses. Releases that were removed before stay
    /// removed.
    pub fn forget(&self, context: &Context, lock: &EnvironmentLock<'_>) -> anyhow::Result<()> {
        if self.unneeded.is_empty() {
            return Ok(());
        }
        // The release comes after its assembly, so that the next removal finds what an interrupted
        // one left.
        let keys = self.unneeded.iter().rev().flat_map(|release| {
            [
                release::assembly_key(&release.id),
                release::record_key(&release.id),
            ]
        });
        let keys = keys.collect();
        lock.still_ours()?;
        aws::call(context, RemoveRecords { keys })
            .timeout(REMOVE_TIMEOUT)
            .read()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::release::Outcome::{Destroyed, Failed, RolledBack, Succeeded, Unfinished};
    use crate::deploy::service::Service;
    use std::collections::BTreeMap;

    /// A release whose content differs from that of all other ids.
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

    /// The ids of releases that are not needed.
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

    #[test]
    fn the_current_release_and_the_one_before_it_stay_whatever_their_age() {
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
    fn a_release_that_an_interrupted_deploy_replaced_stays() {
        let history = [
            ("4", Unfinished, None),
            ("3", Succeeded, None),
            ("2", Succeeded, None),
            ("1", Succeeded, None),
        ];
        assert_eq!(unneeded(&history, 1), ["2", "1"]);
    }

    #[test]
    fn the_last_end_of_the_environment_stays() {
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
