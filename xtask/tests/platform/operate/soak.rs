//! A task that logs a thousand lines a second is followed for a minute: every line once and in
//! order, in the memory that it began with.

use super::{orchestrators, served};
use crate::common::sh;
use crate::live::{Started, alone, session};
use rustix::process::Signal;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const SECONDS: usize = 60;
const LINES_A_SECOND: usize = 1_000;
/// Every tenth pass, one a second, reads a minute again: a line that comes twice comes by then.
const LATE_PASSES: Duration = Duration::from_secs(11);
/// Allocators keep what they once had; a leak of each line would be ten times as much.
const GROWTH_KIB: u64 = 16 * 1024;

/// Resident memory of each process of the session, by name, in KiB.
fn memory(leader: u32) -> Vec<(String, u64)> {
    session(leader)
        .into_iter()
        .filter_map(|(pid, _)| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                line.split_ascii_whitespace().next().map(str::to_owned)
            };
            Some((field("Name:")?, field("VmRSS:")?.parse().ok()?))
        })
        .collect()
}

#[test]
fn a_thousand_lines_a_second_are_followed_once_and_in_order() {
    let _alone = alone();
    served();
    let task = orchestrators().remove(0);
    let label = "label=com.amazonaws.ecs.task-arn";
    let containers = sh!(
        "docker ps --format '{{.ID}} {{.Label \"com.amazonaws.ecs.task-arn\"}}' --filter {label}"
    );
    let container = containers
        .lines()
        .find(|line| line.ends_with(&task))
        .and_then(|line| line.split_once(' '))
        .unwrap()
        .0
        .to_owned();
    let mark = format!("soak-{}", std::process::id());
    let arguments = [
        "logs",
        "orchestrator",
        "--follow",
        "--since",
        "1s",
        "--json",
    ];
    let mut followed = Started::new(&[&arguments[..], &["--filter", &mark]].concat());

    // Into the output of the container's own process, as its user.
    let script = format!(
        "exec > /proc/1/fd/1; for second in $(seq {SECONDS}); do \
         seq -f \"{mark} $second %.0f\" {LINES_A_SECOND}; sleep 0.95; done"
    );
    let begin = Instant::now();
    let writer = thread::spawn(move || {
        sh!("docker exec {container} sh -c {script}");
    });
    let mut samples = Vec::new();
    while !writer.is_finished() {
        thread::sleep(Duration::from_secs(1));
        samples.push(memory(followed.pid()));
    }
    writer.join().unwrap();
    let wrote = begin.elapsed();
    followed.prints_lines(SECONDS * LINES_A_SECOND);
    thread::sleep(LATE_PASSES);
    followed.signal(Signal::INT);
    let ran = followed.ends_within(Duration::from_secs(15));
    let seen: Vec<String> = ran
        .followed()
        .iter()
        .map(|entry| entry["message"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (1..=SECONDS)
        .flat_map(|second| (1..=LINES_A_SECOND).map(move |line| (second, line)))
        .map(|(second, line)| format!("{mark} {second} {line}"))
        .collect();
    let first_wrong = seen
        .iter()
        .zip(&expected)
        .position(|(seen, expected)| seen != expected);
    assert_eq!(
        (seen.len(), first_wrong),
        (expected.len(), None),
        "{:?}",
        first_wrong.map(|at| &seen[at.saturating_sub(2)..at + 3])
    );
    for name in ["xtask", "xtask-aws"] {
        let resident: Vec<u64> = samples
            .iter()
            .filter_map(|sample| sample.iter().find(|(found, _)| found == name))
            .map(|(_, resident)| *resident)
            .collect();
        // Warm after a fifth of the time.
        let warm = resident[resident.len() / 5];
        let most = *resident[resident.len() / 5..].iter().max().unwrap();
        println!("{name}: {warm} KiB after the start, {most} KiB at most, in {wrote:.1?}");
        assert!(most <= warm + GROWTH_KIB, "{name}: {resident:?}");
    }
}
