use super::*;
use crate::jobs::{Attempt, Job, Resources};

const MIB: u64 = 1024 * 1024;

/// Jobs of one attempt each that took so much memory, in MiB, and so much disk, in GB.
fn jobs(took: impl IntoIterator<Item = (u64, u64)>) -> Source<Vec<Job>> {
    let jobs = took.into_iter().map(|(memory, disk)| Job {
        state: "succeeded".to_owned(),
        attempts: vec![
            Attempt { resources: None },
            Attempt {
                resources: Some(Resources {
                    peak_memory_bytes: memory * MIB,
                    peak_disk_bytes: disk * 1_000_000_000,
                }),
            },
        ],
    });
    Source::Known(jobs.collect())
}

fn found(environment: &str, took: impl IntoIterator<Item = (u64, u64)>) -> Vec<Finding> {
    let mut evidence = healthy();
    evidence.environment = environment.to_owned();
    evidence.jobs = jobs(took);
    let mut findings = examine(&evidence);
    findings.retain(|finding| finding.rule == Rule::TaskSize);
    findings
}

#[test]
fn a_size_follows_from_what_jobs_took() {
    // dev has 2048 MiB, and prod 8192.
    assert_eq!(found("dev", [(1_700, 3), (1_200, 3)]), []);
    let finding = &found("dev", [(1_200, 3), (1_800, 3)])[0];
    assert_is(finding, "task-size", Warning, "generator");
    assert_eq!(
        finding.evidence,
        ["the largest of the last 2 attempts took 1800 MiB of 2048 MiB"]
    );
    assert!(
        finding
            .next
            .contains("size.dev in app-gen-infra/platform.toml to 3072"),
        "{finding:?}"
    );

    let small = (1_500, 3);
    assert_eq!(found("prod", [small; 9]), []);
    let finding = &found("prod", [small; 10])[0];
    assert!(finding.says.contains("cost more"), "{finding:?}");
    assert!(finding.next.contains("to 3072"), "{finding:?}");
    // There is no smaller step.
    assert_eq!(found("dev", [(700, 3); 10]), []);
}

#[test]
fn a_disk_that_jobs_fill_is_found_on_aws() {
    assert_eq!(found("local", [(1_000, 19)]), []);
    assert_eq!(found("dev", [(1_000, 16)]), []);
    let finding = &found("dev", [(1_000, 17)])[0];
    assert_is(finding, "task-size", Warning, "generator");
    assert_eq!(
        finding.evidence,
        ["the largest of the last 1 attempts took 17000 MB of 20000 MB"]
    );
}
