//! Where the time of a job goes.

use crate::support::Job;
use app_gen_contract::{Activity, Body};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Checks that wait for commands of the application; the others are the generator's own work.
const COMMANDS: [&str; 5] = ["install", "build", "test", "start", "acceptance"];

/// `cargo test -p app-gen --test agents times -- --nocapture` prints the figures of docs/performance.md.
#[test]
fn most_of_the_time_is_not_the_generators_own() {
    let mut job = Job::create("claude", "create");
    let began = Instant::now();
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    let wall = began.elapsed();
    let (agents, commands) = spans(&job);
    let elsewhere = union(agents.iter().chain(&commands).copied().collect());
    let own = wall.saturating_sub(elsewhere);
    println!("the whole job      {:6.2} s", wall.as_secs_f64());
    println!(
        "agents work        {:6.2} s",
        union(agents.clone()).as_secs_f64()
    );
    println!(
        "checks run commands{:6.2} s",
        union(commands.clone()).as_secs_f64()
    );
    println!(
        "the generator's own{:6.2} s, {:.1} %",
        own.as_secs_f64(),
        100.0 * own.as_secs_f64() / wall.as_secs_f64()
    );
    for (seconds, between) in longest(&job, &agents, &commands) {
        println!("  {seconds:5.2} s {between}");
    }
    assert!(own < wall / 2, "{own:?} of {wall:?}");
}

type Span = (OffsetDateTime, OffsetDateTime);

/// When agents worked, and when commands of checks ran.
fn spans(job: &Job) -> (Vec<Span>, Vec<Span>) {
    let (mut agents, mut commands) = (Vec::new(), Vec::new());
    let mut working: BTreeMap<String, OffsetDateTime> = BTreeMap::new();
    let mut last_check = None;
    for event in &job.events {
        match job.body(event) {
            Body::Activity { role, what, .. } => match what {
                Activity::Started { .. } => {
                    working.insert(role, event.time);
                }
                Activity::Ended { .. } => {
                    let began = working.remove(&role).unwrap();
                    agents.push((began, event.time));
                }
                _ => {}
            },
            Body::Check { name, .. } => {
                if let Some(before) = last_check.filter(|_| COMMANDS.contains(&name.as_str())) {
                    commands.push((before, event.time));
                }
                last_check = Some(event.time);
            }
            _ => {}
        }
    }
    (agents, commands)
}

/// Where the generator's own time was longest: between which events.
fn longest(job: &Job, agents: &[Span], commands: &[Span]) -> Vec<(f64, String)> {
    let pairs = job.events.windows(2).filter_map(|pair| {
        let (from, to) = (pair[0].time, pair[1].time);
        let is_elsewhere = |span: &Span| span.0 <= from && to <= span.1;
        let is_own = !agents.iter().chain(commands).any(is_elsewhere);
        let between = format!("{} to {}", pair[0].kind(), pair[1].kind());
        is_own.then(|| ((to - from).as_seconds_f64(), between))
    });
    let mut gaps: Vec<(f64, String)> = pairs.collect();
    gaps.sort_by(|one, other| other.0.total_cmp(&one.0));
    gaps.truncate(12);
    gaps
}

/// How much time spans take together, where several at once count as one.
fn union(mut spans: Vec<Span>) -> Duration {
    spans.sort_unstable();
    let mut sum = Duration::ZERO;
    let mut until = None;
    for (from, to) in spans {
        let from = until.map_or(from, |until: OffsetDateTime| from.max(until));
        if to > from {
            sum += (to - from).unsigned_abs();
            until = Some(to);
        }
    }
    sum
}
