//! Agents that do not do what they are asked: each job fails with the true reason, within bounds.

use crate::support::Job;
use app_gen_contract::{Body, CheckOutcome};

fn failed(provider: &str, script: &str) -> Job {
    let mut job = Job::create(provider, script);
    assert_eq!(job.attempt(), Some(1), "{:?}", job.ending());
    job.check();
    job
}

fn has_failed(job: &Job, check: &str) -> bool {
    job.bodies().iter().any(|body| {
        matches!(body, Body::Check { name, outcome: CheckOutcome::Failed, .. } if name == check)
    })
}

#[test]
fn one_that_lies_is_not_believed() {
    let job = failed("codex", "lies");
    let reason = job.reason();
    assert!(
        reason.contains("the agent says that it is done and has changed no file"),
        "{reason}"
    );
    assert!(has_failed(&job, "files"));
}

#[test]
fn one_that_loops_is_ended() {
    let reason = failed("claude", "loops").reason();
    assert!(
        reason.contains("the agent did the same again and again, with the same result"),
        "{reason}"
    );
}

#[test]
fn one_that_removes_a_test_gains_nothing() {
    let job = failed("codex", "deletes-tests");
    assert!(has_failed(&job, "placeholders"), "{}", job.reason());
    assert!(
        job.reason().contains("server/health.test.js"),
        "{}",
        job.reason()
    );
}

#[test]
fn comments_in_the_place_of_code_are_found() {
    let job = failed("codex", "placeholders");
    assert!(has_failed(&job, "placeholders"), "{}", job.reason());
}

/// Servers that an agent leaves running end with its run: the next stage finds none of them.
#[test]
fn nothing_lingers() {
    let job = Job::create("codex", "lingers");
    let running = job.start();
    running.wait_for(|event| event.kind() == "commit");
    let programs = running.programs();
    assert!(programs.contains("app-gen"), "{programs}");
    assert!(!programs.contains("server.js"), "{programs}");
    let (exit_code, _) = running.end();
    assert_eq!(exit_code, Some(1));
}

/// A script that would cost a dollar, and a budget of five cents.
#[test]
fn a_budget_ends_the_job_before_its_next_request() {
    let mut job = Job::create("claude", "expensive");
    job.spec.budget.micro_usd = Some(50_000);
    assert_eq!(job.attempt(), Some(1), "{:?}", job.ending());
    job.check();
    let reason = job.reason();
    assert_eq!(reason, "the budget of the job is used up");
    let costs: Vec<u64> = job
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            Body::Usage { micro_usd, .. } => micro_usd,
            _ => None,
        })
        .collect();
    let before_the_last: u64 = costs.iter().rev().skip(1).sum();
    assert!(before_the_last < 50_000, "{costs:?}");
}
