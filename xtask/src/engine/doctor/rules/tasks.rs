//! Tasks that stopped: which of them still matter, and whether it happens again and again.

use super::super::Finding;
use super::super::evidence::{Evidence, Meaning, Task};
use std::collections::BTreeMap;

/// So many stops of one revision for one reason are no bad luck.
const LOOP: usize = 3;
/// What has not come again for so long, while another task does well, has passed.
const PASSED_SECS: i64 = 10 * 60;
const LOG_LINES_SHOWN: usize = 5;
/// Somebody asked it to stop, which is no fault.
const ASKED: &str = "stopped";

pub(super) fn stops(evidence: &Evidence) -> Vec<Finding> {
    let platform = &evidence.platform;
    let services = platform.services.keys().map(|name| (name, true));
    let kinds = platform.tasks.keys().map(|name| (name, false));
    services
        .chain(kinds)
        .flat_map(|(consumer, is_service)| judge(evidence, consumer, is_service))
        .collect()
}

fn judge(evidence: &Evidence, consumer: &str, is_service: bool) -> Vec<Finding> {
    let tasks = evidence.tasks_of(consumer);
    let wanted = evidence
        .focus
        .as_ref()
        .and_then(|focus| focus.task.as_ref());
    // What another revision did is history: it was replaced, or taken back.
    let current = match evidence.service(consumer) {
        Some(service) => service.revision(),
        None => tasks.first().map_or("", |task| &task.task_definition),
    };
    let mut reasons: BTreeMap<&str, Vec<(&Task, &Meaning)>> = BTreeMap::new();
    for &task in &tasks {
        let counts = match wanted {
            Some(wanted) => task.task == *wanted,
            None => task.task_definition == current,
        };
        if let Some(meaning) = task.meaning.as_ref()
            && counts
            && meaning.name != ASKED
        {
            reasons
                .entry(&meaning.name)
                .or_default()
                .push((task, meaning));
        }
    }
    reasons
        .into_values()
        .filter_map(|stops| {
            let (newest, meaning) = *stops.first()?;
            let exits = meaning.name.starts_with("exit-");
            // A job's task says by its exit code that the job failed, and in its log why.
            if exits && !is_service && wanted.is_none() {
                return None;
            }
            let does_well = tasks.iter().any(|task| {
                task.created_at > newest.created_at
                    && task.meaning.is_none()
                    && (task.status == "RUNNING" || task.exit_code == Some(0))
            });
            let again = stops.len() >= LOOP;
            let age = evidence.seconds_since(newest.stopped_at.as_deref());
            if does_well && wanted.is_none() && age.is_some_and(|age| age > PASSED_SECS) {
                return None;
            }
            let rule = match exits || meaning.name == "unknown" {
                true if again && is_service => "crash-loop",
                _ => &meaning.name,
            };
            let says = match stops.len() {
                1 => meaning.says.clone(),
                times => format!("{} ({times} times)", meaning.says),
            };
            let finding = Finding::about(rule, consumer, says, next(evidence, newest, meaning))
                .evidence(lines(newest, age));
            Some(if does_well && !again {
                finding.warning()
            } else {
                finding
            })
        })
        .collect()
}

/// What the newest stop left.
fn lines(task: &Task, age: Option<i64>) -> Vec<String> {
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
