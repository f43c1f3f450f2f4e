//! Tasks that stopped: which of them still matter, and how much.

use crate::doctor::evidence;
use crate::doctor::evidence::Evidence;
use crate::doctor::{Finding, Severity};
use crate::running::answers::{Meaning, Task};
use std::collections::BTreeMap;

/// So many stops for one reason are no bad luck.
const LOOP: usize = 3;
/// A task that ran for less has not shown yet that it does better.
const PROVEN_SECS: i64 = 30;
const LOG_LINES_SHOWN: usize = 5;
/// Somebody asked it to stop, which is no fault.
const ASKED: &str = "stopped";

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
    // What another revision did is history: it was replaced, or taken back.
    let current = match evidence.service(consumer) {
        Some(service) => evidence::revision(service),
        None => tasks.first().map_or("", |task| &task.task_definition),
    };
    let mut reasons: BTreeMap<&str, Vec<(&Task, &Meaning)>> = BTreeMap::new();
    for &task in &tasks {
        let counts = match wanted {
            Some(wanted) => task.task == wanted,
            None => task.task_definition == current,
        };
        if let Some(meaning) = task.meaning.as_ref()
            && counts
            && meaning.name != ASKED
        {
            let stops = reasons.entry(&meaning.name).or_default();
            stops.push((task, meaning));
        }
    }
    reasons
        .into_values()
        .filter_map(|stops| {
            let &(newest, meaning) = stops.first()?;
            let exits = meaning.name.starts_with("exit-");
            // A job's task says by its exit code that the job failed, and in its log why.
            if exits && !is_service && wanted.is_none() {
                return None;
            }
            let severity = match wanted {
                Some(_) => Severity::Broken,
                None if is_service => of_service(evidence, &tasks, &stops)?,
                None => of_job(&tasks, newest)?,
            };
            let rule = match exits || meaning.name == "unknown" {
                true if stops.len() >= LOOP && is_service => "crash-loop",
                _ => &meaning.name,
            };
            let says = match stops.len() {
                1 => meaning.says.clone(),
                times => format!("{} ({times} times)", meaning.says),
            };
            let finding = Finding::about(rule, consumer, says, next(evidence, newest, meaning))
                .evidence(lines(evidence, newest));
            Some(Finding {
                severity,
                ..finding
            })
        })
        .collect()
}

/// How bad it is that tasks of a service stopped; nothing where that has passed.
fn of_service(
    evidence: &Evidence,
    tasks: &[&Task],
    stops: &[(&Task, &Meaning)],
) -> Option<Severity> {
    let (newest, _) = stops.first()?;
    let after = tasks
        .iter()
        .find(|task| task.status == "RUNNING" && task.created_at > newest.created_at);
    let Some(after) = after else {
        return Some(Severity::Broken);
    };
    let longest_life = stops
        .iter()
        .filter_map(|(task, _)| {
            let begun = evidence.seconds_since(task.begun_at())?;
            Some(begun - evidence.seconds_since(task.stopped_at.as_deref())?)
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

/// How bad it is that a job's task stopped; nothing where a later one ended well.
fn of_job(tasks: &[&Task], newest: &Task) -> Option<Severity> {
    let mut later = tasks
        .iter()
        .filter(|task| task.created_at > newest.created_at)
        .peekable();
    if later.peek().is_none() {
        return Some(Severity::Broken);
    }
    later
        .all(|task| task.exit_code != Some(0))
        .then_some(Severity::Warning)
}

/// What the newest stop left.
fn lines(evidence: &Evidence, task: &Task) -> Vec<String> {
    let age = evidence.seconds_since(task.stopped_at.as_deref());
    let reasons: Vec<&str> = [task.reason.as_deref(), task.container_reason.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let when = age.map_or_else(String::new, |age| format!(" {age} s ago"));
    let code = task
        .exit_code
        .map_or_else(String::new, |code| format!(", exit code {code}"));
    let first = format!(
        "task {} of {} stopped{when}{code}: {}",
        task.task,
        task.task_definition,
        reasons.join("; ")
    );
    let skipped = task.log.len().saturating_sub(LOG_LINES_SHOWN);
    let log = task.log[skipped..]
        .iter()
        .map(|line| format!("log: {}", line.message));
    std::iter::once(first).chain(log).collect()
}

fn next(evidence: &Evidence, task: &Task, meaning: &Meaning) -> String {
    let logs = evidence.command(&format!("logs {}", task.task));
    match &meaning.hint {
        Some(hint) if hint.contains("cargo xtask") => hint.clone(),
        // Its exit code alone says nothing.
        Some(_) | None if task.exit_code.is_some() => logs,
        Some(hint) => format!("{hint}; {logs}"),
        None => logs,
    }
}
