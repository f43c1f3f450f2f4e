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

/// `APP_GEN_KILLS` says how many jobs; each is killed at moments that follow from its number.
#[test]
fn kills_at_any_moment_cost_at_most_the_iteration_in_flight() {
    let jobs = std::env::var("APP_GEN_KILLS").map_or(2, |count| count.parse().unwrap());
    let kills: u32 = (0..jobs).map(killed).sum();
    println!("{kills} kills in {jobs} jobs");
}

/// A job that is killed again and again until it ends well. Says how often it was.
fn killed(seed: u64) -> u32 {
    let provider = if seed.is_multiple_of(2) {
        "codex"
    } else {
        "claude"
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
        kills += 1;
        match random(3) {
            0 => running.kill("/opt/claude/claude"),
            1 => running.kill("/opt/codex/bin/codex"),
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
            Some(137) => {}
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
