//! Whatever ends at whatever moment: the job goes on, and ends well.

use crate::support::Job;
use app_gen_contract::{Body, exit};
use std::time::{Duration, Instant};

/// ECS kills a task this long after it asked it to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn a_stop_is_obeyed_in_time_and_costs_nothing_that_was_made() {
    let mut job = Job::create("claude", "create");
    let running = job.start();
    running.wait_for(|event| {
        matches!(event.body(), Some(Body::Activity { role, what, .. })
            if role == "builder" && serde_json::to_string(what).unwrap().contains("npm ci"))
    });
    let asked = Instant::now();
    running.signal("TERM");
    let (exit_code, events) = running.end();
    assert!(asked.elapsed() < STOP_TIMEOUT);
    assert_eq!(exit_code, Some(i32::from(exit::STOPPED)));
    job.take(events);
    assert!(
        matches!(job.ending(), Body::Interrupted { .. }),
        "{:?}",
        job.ending()
    );
    assert!(job.spec.attempt.checkpoint.is_some());

    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let started: Vec<Body> = job
        .bodies()
        .into_iter()
        .filter(|body| matches!(body, Body::Started { .. }))
        .collect();
    assert_eq!(started.len(), 2);
    let plans = job
        .bodies()
        .into_iter()
        .filter(|body| matches!(body, Body::Stage { name, .. } if name == "plan"));
    assert_eq!(plans.count(), 2, "what was planned is not planned again");
}

/// What the builder made is paid for: the next attempt checks it, and asks nobody to build it once more.
#[test]
fn work_that_is_being_checked_is_not_done_again() {
    for signal in ["TERM", "KILL"] {
        let mut job = Job::create("codex", "create");
        let running = job.start();
        running.wait_for(|event| event.kind() == "commit");
        running.signal(signal);
        let (exit_code, events) = running.end();
        assert_ne!(exit_code, Some(0), "it was too fast");
        job.take(events);
        let before = job.events.len();

        assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
        job.check();
        let bodies = job.bodies().split_off(before);
        let is_build = |body: &Body| {
            matches!(body, Body::Commit { .. })
                || matches!(body, Body::Usage { role, .. } if role == "builder")
        };
        assert!(!bodies.iter().any(is_build), "{signal}: {bodies:?}");
    }
}
