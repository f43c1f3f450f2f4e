//! Commands that are killed or interrupted half-way, and the next one that goes on.

use crate::cloud::call;
use crate::images::Workshop;
use crate::live::{Started, run, session};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};
use xtask_aws_api::calls::state::{Lock, ShowLock, TakeLock};

/// What a deploy says when CDK changes stacks, when it asks for the new key, and when a user's
/// job runs.
const PHASES: [&str; 3] = ["UPDATE_IN_PROGRESS", "ask http", "smoke: watch"];
/// An interrupted deploy stops what it started and gives its lock back.
const ENDED: Duration = Duration::from_secs(20);

/// Each deploy takes over from the one before it, gets further than that, and is broken off.
pub(crate) fn all(workshop: &Workshop) {
    let image = workshop.make("b4e7", "ENV FITNESS=good");
    let arguments = image.deploy();
    for (number, phase) in PHASES.into_iter().enumerate() {
        let since = Instant::now();
        let mut killed = Started::new(&arguments);
        killed.says(phase);
        let leader = killed.abandon();
        println!(
            "killed at `{phase}` after {:.1} s",
            since.elapsed().as_secs_f64()
        );
        assert!(lock().is_some(), "{phase}: no lock was left");

        let next = workshop.make(&format!("{number}b4e7"), "ENV FITNESS=good");
        let arguments = next.deploy();
        let mut interrupted = Started::new(&arguments);
        interrupted.says("take over the lock of `deploy`, which was killed");
        interrupted.says(phase);
        // Long before: whatever the killed one had left running.
        assert_eq!(session(leader), Vec::new(), "killed at `{phase}`");
        let since = Instant::now();
        interrupted.signal(Signal::INT);
        let ran = interrupted.ends_within(ENDED);
        println!(
            "interrupted at `{phase}`, ended within {:.1} s",
            since.elapsed().as_secs_f64()
        );
        let error = ran.expect_error(130);
        assert_eq!(error["message"], "interrupted");
        assert_eq!(lock(), None, "interrupted at `{phase}`");
        let releases = run(&["releases", "--json"]).expect_success();
        assert_eq!(releases["releases"][0]["outcome"], "unfinished");
    }
    unlocked();
}

fn lock() -> Option<Lock> {
    call(ShowLock {}).lock
}

/// A lock of somebody else is taken away by `unlock` alone, and not unasked.
fn unlocked() {
    let held = call(TakeLock {
        command: "something else".to_owned(),
        ttl_secs: 900,
    })
    .lock;
    let busy = run(&super::DEPLOY).expect_error(7);
    assert!(
        busy["message"].to_string().contains("something else"),
        "{busy}"
    );
    let unasked = run(&["unlock", "--json"]).expect_error(11);
    assert!(
        unasked["message"].to_string().contains("something else"),
        "{unasked}"
    );
    assert_eq!(lock().as_ref(), Some(&held));
    let released = run(&["unlock", "--yes", "--json"]).expect_success();
    assert_eq!(released["released"]["id"], held.id);
    let again = run(&["unlock", "--yes", "--json"]).expect_success();
    assert_eq!(again["released"], Value::Null);
}
