//! What is checked.

use app_gen_cage::Cage;

use crate::checks::criteria::Criterion;
use crate::workshop::command::Variables;
use crate::workshop::snapshot::Snapshot;

/// An application as an agent left it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The cage in which it is installed, tested and started. Its workspace holds the files of `snapshot` and
    /// nothing that an agent installed: what runs there leaves data, which belongs into no commit.
    pub(crate) cage: &'a Cage,
    /// The URL of the mirror of packages.
    pub(crate) packages_url: &'a str,
    pub(crate) snapshot: &'a Snapshot,
    /// The last state whose checks passed, or the start of a change.
    pub(crate) before: Option<&'a Snapshot>,
    /// What the plan asks for.
    pub(crate) criteria: &'a [Criterion],
}

impl Subject<'_> {
    /// The variables of its commands.
    pub(crate) fn variables(&self) -> Variables {
        Variables::of_npm(self.cage, self.packages_url)
    }
}
