//! The rule about tasks that stopped: which of them still matter, and how much.

use crate::doctor::evidence;
use crate::doctor::evidence::Evidence;
use crate::doctor::finding::{Finding, Severity};
use serde_json::Value;
use std::collections::BTreeMap;
use xtask_aws_api::calls::tasks::{Meaning, Task};
use xtask_aws_api::{Rule, StopReason};

/// If this many tasks stop for the same reason, that is not chance.
const LOOP: usize = 3;
/// A task that has run for less time has not shown yet that it does not crash.
const PROVEN_SECS: i64 = 30;
const LOG_LINES_SHOWN: usize = 5;

pub(super) fn stops(evidence: &Evidence) -> Vec<Finding> {
    let platform = &evidence.platform;
    let consumers = platform.services.keys().chain(platform.tasks.keys());
    consumers
        .flat_map(|consumer| judge(evidence, consumer))
        .collect()
}

fn judge(evidence: &Evidence, consumer: &str) -> Vec<Finding> {
    let is_service = evidence.platform.services.contains_key(consumer);
    let focus = evidence.focus.as_ref();
    let wanted = focus.and_then(|focus| focus.task.as_deref());
    let tasks = evidence.tasks_of(consumer);
    // Stops of another revision do not matter any more, because it was replaced or rolled back.
    let current = match evidence.service(consumer) {
        Some(service) => evidence::revision(service),
        None => tasks.first().map_or("", |task| &task.state.task_definition),
    };
    let mut reasons: BTreeMap<StopReason, Vec<(&Task, &Meaning)>> = BTreeMap::new();
    for &task in &tasks {
        let counts = match wanted {
            Some(wanted) => task.id == wanted,
            None => task.state.task_definition == current,
        };
        if let Some(meaning) = task.meaning.as_ref()
            && counts
            && !meaning.reason.is_order()
        {
            let stops = reasons.entry(meaning.reason).or_default();
            stops.push((task, meaning));
        }
    }
    reasons
        .into_values()
        .filter_map(|stops| {
            let &(newest, meaning) = stops.first()?;
            let exits = meaning.reason.is_bare_exit();
            // A task of a job ends with an exit code if its job fails, which is not a fault of the
            // platform. The log says why it failed.
            if exits && !is_service && wanted.is_none() {
                return None;
            }
            let severity = match wanted {
                Some(_) => Severity::Broken,
                None if is_service => of_service(evidence, &tasks, &stops)?,
                None => of_job(&tasks, newest)?,
            };
            let unexplained = exits || meaning.reason == StopReason::Unknown;
            let rule = match unexplained {
                true if stops.len() >= LOOP && is_service => Rule::CrashLoop,
                _ => Rule::Stop(meaning.reason),
            };
            let told = exits.then(|| told(newest)).flatten();
            let says = match (&told, stops.len()) {
                (Some((reason, _)), _) => format!("its job failed: {reason}"),
                (None, 1) => meaning.says.clone(),
                (None, times) => format!("{} ({times} times)", meaning.says),
            };
            let next = match told {
                // What to do about a provider's key, a budget or a missing agent, in the generator's words.
                Some((_, Some(hint))) => hint,
                _ => next(evidence, newest, meaning),
            };
            let finding =
                Finding::about(rule, consumer, says, next).evidence(lines(evidence, newest));
            Some(Finding {
                severity,
                ..finding
            })
        })
        .collect()
}

/// Why the job of a task failed and what to do about it, in the last words of its generator.
fn told(task: &Task) -> Option<(String, Option<String>)> {
    let line = task.log.as_deref()?.last()?;
    let event: Value = serde_json::from_str(&line.message).ok()?;
    let text = |name: &str| event["body"][name].as_str().map(str::to_owned);
    let reason = text("reason").filter(|_| event["type"] == "failed")?;
    Some((reason, text("hint")))
}

/// How bad it is that tasks of a service stopped; `None` if a newer task has outlived them.
fn of_service(
    evidence: &Evidence,
    tasks: &[&Task],
    stops: &[(&Task, &Meaning)],
) -> Option<Severity> {
    let (newest, _) = stops.first()?;
    let after = tasks.iter().find(|task| {
        task.state.status == "RUNNING" && task.state.created_at > newest.state.created_at
    });
    let Some(after) = after else {
        return Some(Severity::Broken);
    };
    let longest_life = stops
        .iter()
        .filter_map(|(task, _)| {
            let begun = evidence.seconds_since(task.begun_at())?;
            Some(begun - evidence.seconds_since(task.state.stopped_at)?)
        })
        .max()
        .unwrap_or(0);
    let age = evidence.seconds_since(after.begun_at()).unwrap_or(0);
    if age > longest_life.max(PROVEN_SECS) {
        None
    } else if stops.len() >= LOOP {
        Some(Severity::Broken)
    } else {
        Some(Severity::Warning)
    }
}

/// How bad it is that the task of a job stopped; `None` if a later one succeeded.
fn of_job(tasks: &[&Task], newest: &Task) -> Option<Severity> {
    let mut later = tasks
        .iter()
        .filter(|task| task.state.created_at > newest.state.created_at)
        .peekable();
    if later.peek().is_none() {
        return Some(Severity::Broken);
    }
    later
        .all(|task| task.state.exit_code != Some(0))
        .then_some(Severity::Warning)
}

/// The reasons of the newest stop, and the end of its log.
fn lines(evidence: &Evidence, task: &Task) -> Vec<String> {
    let age = evidence.seconds_since(task.state.stopped_at);
    let when = age.map_or_else(String::new, |age| format!(" {age} s ago"));
    let code = task
        .state
        .exit_code
        .map_or_else(String::new, |code| format!(", exit code {code}"));
    let first = format!(
        "task {} of {} stopped{when}{code}: {}",
        task.id,
        task.state.task_definition,
        task.state.reasons()
    );
    let log = task.log.as_deref().unwrap_or_default();
    let skipped = log.len().saturating_sub(LOG_LINES_SHOWN);
    let log = log[skipped..]
        .iter()
        .map(|line| format!("log: {}", line.message));
    std::iter::once(first).chain(log).collect()
}

fn next(evidence: &Evidence, task: &Task, meaning: &Meaning) -> String {
    let logs = evidence.command(&format!("logs {}", task.id));
    match &meaning.hint {
        Some(hint) if hint.contains("cargo xtask") => hint.clone(),
        // An exit code does not explain the end, but the log may.
        Some(_) | None if task.state.exit_code.is_some() => logs,
        Some(hint) => format!("{hint}; {logs}"),
        None => logs,
    }
}
