//! Rules about this machine: disks, engine, registry, local cloud.

use crate::doctor::evidence::{Disk, Evidence};
use crate::doctor::finding::Finding;
use xtask_aws_api::Rule;
use xtask_machine::State;
use xtask_machine::part::Part;

const GIB: u64 = 1024 * 1024 * 1024;
/// A build or two may fill a disk with less space than this, or with less than a twentieth of it.
const NEARLY_FULL_BYTES: u64 = 2 * GIB;
/// The next layer, log or row may not fit on a disk with less space than this.
const FULL_BYTES: u64 = GIB / 4;

pub(super) fn disk(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .disks
        .iter()
        .filter(|disk| {
            disk.free_bytes < NEARLY_FULL_BYTES || disk.free_bytes < disk.total_bytes / 20
        })
        .map(|disk| {
            let is_full = disk.free_bytes < FULL_BYTES;
            let finding = Finding::whole(
                Rule::DiskFull,
                disk.path.display().to_string(),
                format!(
                    "the disk with {} is {}full",
                    disk.holds.join(", "),
                    if is_full { "" } else { "nearly " }
                ),
                "cargo xtask cleanup --all",
            )
            .evidence([room(disk)]);
            if is_full { finding } else { finding.warning() }
        })
        .collect()
}

fn room(disk: &Disk) -> String {
    let mib = |bytes: u64| bytes / (1024 * 1024);
    let percent = disk.free_bytes.saturating_mul(100) / disk.total_bytes.max(1);
    format!(
        "{} of {} MiB free ({percent} %)",
        mib(disk.free_bytes),
        mib(disk.total_bytes)
    )
}

pub(super) fn registry(evidence: &Evidence) -> Vec<Finding> {
    part(
        evidence,
        Part::Registry,
        Rule::RegistryStopped,
        "no image can be pushed or pulled",
    )
}

pub(super) fn engine(evidence: &Evidence) -> Vec<Finding> {
    part(
        evidence,
        Part::Engine,
        Rule::EngineStopped,
        "no container of the environment can run",
    )
}

pub(super) fn cloud(evidence: &Evidence) -> Vec<Finding> {
    part(
        evidence,
        Part::Cloud,
        Rule::CloudStopped,
        "the whole environment is in it",
    )
}

fn part(evidence: &Evidence, part: Part, rule: Rule, therefore: &str) -> Vec<Finding> {
    let Some(found) = evidence.part(part).filter(|found| !found.is_ok()) else {
        return Vec::new();
    };
    let is = match found.state {
        State::Stopped => "does not run",
        State::Missing => "is not installed as it is needed",
        State::Blocked => "cannot start because another program is in its place",
        State::Ok | State::Unknown => "cannot be judged",
    };
    let next = match (part, found.state) {
        (Part::Cloud, State::Stopped) => "cargo xtask cloud up",
        _ => &found.fix,
    };
    let name = part.name();
    vec![
        Finding::whole(rule, name, format!("the {name} {is}: {therefore}"), next)
            .evidence([found.found.clone()]),
    ]
}
