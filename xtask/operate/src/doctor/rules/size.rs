//! Rules about the size of a generator's task, by what the newest jobs took of theirs.

use crate::doctor::evidence::Evidence;
use crate::doctor::finding::Finding;
use crate::jobs::Resources;
use app_gen_infra::MANIFEST_PATH;
use xtask_aws_api::Rule;

const GENERATOR: &str = "generator";
const MIB: u64 = 1024 * 1024;
/// What a task of Fargate has as its disk.
const DISK_BYTES: u64 = 20 * 1000 * 1000 * 1000;
/// From here on the next job may not fit.
const NEARLY_FULL_PERCENT: u64 = 85;
/// Below it, half of the size would do with room to spare.
const HARDLY_USED_PERCENT: u64 = 35;
/// So many attempts say enough for a smaller size.
const ENOUGH_ATTEMPTS: usize = 10;
/// What a size leaves above the peak.
const ROOM_PERCENT: u64 = 150;
/// Steps in which Fargate has memory.
const STEP_MIB: u64 = 1024;

/// The memory of the task does not fit what jobs took.
pub(super) fn memory(evidence: &Evidence) -> Vec<Finding> {
    let took = took(evidence);
    let size = evidence
        .platform
        .generator()
        .size
        .get(&evidence.environment);
    let (Some(peak), Some(size)) = (took.iter().map(|one| one.peak_memory_bytes).max(), size)
    else {
        return Vec::new();
    };
    let peak_mib = peak.div_ceil(MIB);
    let has_mib = u64::from(size.memory_mib);
    let percent = peak_mib * 100 / has_mib;
    let advised_mib = (peak_mib * ROOM_PERCENT / 100).next_multiple_of(STEP_MIB);
    let says = if percent >= NEARLY_FULL_PERCENT {
        "its tasks have hardly more memory than jobs took, and the next one may not fit"
    } else if percent <= HARDLY_USED_PERCENT
        && took.len() >= ENOUGH_ATTEMPTS
        && advised_mib < has_mib
    {
        "its tasks have much more memory than jobs took, and cost more for it"
    } else {
        return Vec::new();
    };
    let finding = Finding::about(
        Rule::TaskSize,
        GENERATOR,
        says,
        format!(
            "set memory_mib of tasks.{GENERATOR}.size.{} in {MANIFEST_PATH} to {advised_mib}, with cpu_units that Fargate has for it, then {}",
            evidence.environment,
            evidence.command("deploy"),
        ),
    );
    vec![finding.warning().evidence([format!(
        "the largest of the last {} attempts took {peak_mib} MiB of {has_mib} MiB",
        took.len()
    )])]
}

/// The disk of the task is nearly full at the peak. On this machine there is another one.
pub(super) fn disk(evidence: &Evidence) -> Vec<Finding> {
    let took = took(evidence);
    let peak = took.iter().map(|one| one.peak_disk_bytes).max();
    let is_full = |peak: &u64| peak * 100 / DISK_BYTES >= NEARLY_FULL_PERCENT;
    let is_on_aws = evidence
        .platform
        .environments
        .get(&evidence.environment)
        .is_some_and(|environment| environment.account.is_some());
    let Some(peak) = peak.filter(is_full).filter(|_| is_on_aws) else {
        return Vec::new();
    };
    let finding = Finding::about(
        Rule::TaskSize,
        GENERATOR,
        "jobs nearly filled the disk of its tasks, and the next one may not fit",
        format!(
            "give the task more ephemeral storage in app-gen-infra/cdk/lib/service/task-definitions.ts, then {}",
            evidence.command("deploy")
        ),
    );
    vec![finding.warning().evidence([format!(
        "the largest of the last {} attempts took {} MB of {} MB",
        took.len(),
        peak / 1_000_000,
        DISK_BYTES / 1_000_000
    )])]
}

/// What the newest attempts took that said so.
fn took(evidence: &Evidence) -> Vec<Resources> {
    let jobs = evidence.jobs.known().into_iter().flatten();
    jobs.flat_map(|job| &job.attempts)
        .filter_map(|attempt| attempt.resources)
        .collect()
}
