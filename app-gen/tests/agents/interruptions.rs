//! Whatever ends at whatever moment: the job goes on, and ends well.

use crate::support::Job;
use app_gen_contract::{Body, exit};
use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

/// ECS kills a task this long after it asked it to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// A job that is interrupted more often is not let go on.
const MAX_ATTEMPTS: u32 = 30;

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

/// `APP_GEN_KILLS` says how many kills there are at least. Those of a job come at moments that follow from its
/// number.
#[test]
fn kills_at_any_moment_cost_at_most_the_iteration_in_flight() {
    let wanted = std::env::var("APP_GEN_KILLS").map_or(4, |count| count.parse().unwrap());
    let (mut jobs, mut kills) = (0, 0);
    while kills < wanted {
        kills += killed(jobs);
        jobs += 1;
    }
    println!("{kills} kills in {jobs} jobs");
}

/// A job that is killed again and again until it ends well. Says how often it was.
fn killed(seed: u64) -> u32 {
    let (provider, program) = match seed.is_multiple_of(2) {
        true => ("codex", "/opt/codex/bin/codex"),
        false => ("claude", "/opt/claude/claude"),
    };
    let mut job = Job::create(provider, "create");
    // A generator of numbers that is good enough for moments (Knuth's MMIX).
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut commits: BTreeSet<String> = BTreeSet::new();
    let mut kills = 0;
    loop {
        assert!(
            job.spec.attempt.number < MAX_ATTEMPTS,
            "{seed}: {:?}",
            job.ending()
        );
        let running = job.start();
        running.wait_for(|event| event.kind() == "started");
        // Later attempts get more time, so that the job comes to its end.
        let most = 4_000 + 2_000 * u64::from(job.spec.attempt.number);
        thread::sleep(Duration::from_millis(random(most)));
        match random(2) {
            0 => kills += u32::from(running.kill(program) > 0),
            _ => running.signal("KILL"),
        }
        let (exit_code, events) = running.end();
        job.take(events);
        let known = job.bodies().into_iter().filter_map(|body| match body {
            Body::Commit { commit, .. } => Some(commit),
            _ => None,
        });
        let known: BTreeSet<String> = known.collect();
        assert!(known.is_superset(&commits));
        commits = known;
        match exit_code {
            Some(0) => break,
            Some(137) => kills += 1,
            other => panic!("{seed}: {other:?} {:?}", job.ending()),
        }
    }
    job.check();
    assert!(!job.application().is_empty());
    let used: u64 = job
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            Body::Usage { micro_usd, .. } => micro_usd,
            _ => None,
        })
        .sum();
    assert_eq!(
        job.spec.attempt.used.micro_usd, used,
        "what was used counts once"
    );
    kills
}
