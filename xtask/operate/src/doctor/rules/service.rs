//! Rules about services: what users, the load balancer, ECS, alarms and logs report of them.

use crate::doctor::evidence::{Evidence, Reply, is_settled};
use crate::doctor::finding::Finding;
use app_gen_infra::MANIFEST_PATH;
use serde_json::Value;
use std::collections::BTreeMap;
use xtask_aws_api::Rule;
use xtask_aws_api::calls::status::ServiceStatus;

/// A deployment that takes longer waits for something that does not happen.
const STUCK_SECS: i64 = 15 * 60;
const EVENTS_SHOWN: usize = 3;
const MESSAGES_SHOWN: usize = 5;
/// The service that answers `/health` to users.
const ANSWERS: &str = "orchestrator";

pub(super) fn scaled_to_zero(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .services()
        .filter(|service| service.desired == 0)
        .map(|service| {
            Finding::about(
                Rule::ScaledToZero,
                &service.service,
                "somebody has scaled it to zero, so none of its tasks runs",
                evidence.command(&format!("scale {}", service.service)),
            )
            .evidence(running(service))
        })
        .collect()
}

pub(super) fn health_path(evidence: &Evidence) -> Vec<Finding> {
    let Some((url, Ok(reply))) = answered(evidence) else {
        return Vec::new();
    };
    if reply.health.is_some() || is_of_server(reply) {
        return Vec::new();
    }
    let path = evidence.platform.orchestrator().health_path.get_ref();
    vec![
        Finding::about(
            Rule::HealthPath,
            ANSWERS,
            format!("the answer to {path} is not a health report"),
            format!(
                "set health_path of services.{ANSWERS} in {MANIFEST_PATH}, then {}",
                evidence.command("deploy")
            ),
        )
        .evidence([format!("{url} answers {}", reply.status)]),
    ]
}

pub(super) fn not_answering(evidence: &Evidence) -> Vec<Finding> {
    let why = match answered(evidence) {
        Some((url, Err(why))) => format!("{url}: {why}"),
        Some((url, Ok(reply))) if reply.health.is_none() && is_of_server(reply) => {
            format!("{url} answers {}", reply.status)
        }
        _ => return Vec::new(),
    };
    vec![
        Finding::about(
            Rule::NotAnswering,
            ANSWERS,
            "its tasks run, but users do not get an answer: nothing listens on its port, or a security group blocks it",
            evidence.command(&format!("logs {ANSWERS}")),
        )
        .evidence([why]),
    ]
}

/// What users get for `/health`, if a task of the service runs.
fn answered(evidence: &Evidence) -> Option<(&str, Result<&Reply, &String>)> {
    let answer = evidence.health.known()?;
    let runs = evidence
        .service(ANSWERS)
        .is_none_or(|service| service.running > 0);
    runs.then_some((answer.url.as_str(), answer.outcome.as_ref()))
}

/// Whether the server, or the load balancer in its place, reports an error of the server.
fn is_of_server(reply: &Reply) -> bool {
    reply.status >= 500
}

pub(super) fn targets(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .services()
        .filter_map(|service| {
            let (bad, good): (Vec<_>, Vec<_>) = service
                .targets
                .iter()
                .filter(|target| target.health != "draining")
                .partition(|target| target.health == "unhealthy");
            if bad.is_empty() {
                return None;
            }
            let lines: Vec<String> = bad
                .iter()
                .map(|target| {
                    let words = [&target.reason, &target.description].into_iter().flatten();
                    let words: Vec<&str> = words.map(String::as_str).collect();
                    let port = target
                        .port
                        .map_or_else(String::new, |port| format!(":{port}"));
                    format!("{}{port}: {}", target.address, words.join(": "))
                })
                .collect();
            let finding = Finding::about(
                Rule::TargetUnhealthy,
                &service.service,
                format!(
                    "{} of {} tasks fail the load balancer's health check",
                    bad.len(),
                    bad.len() + good.len()
                ),
                evidence.command(&format!("logs {}", service.service)),
            )
            .evidence(lines);
            Some(if good.is_empty() {
                finding
            } else {
                finding.warning()
            })
        })
        .collect()
}

pub(super) fn deployment(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .services()
        .filter_map(|service| {
            let age = evidence.seconds_since(service.created_at);
            let (rule, says) = match service.rollout_state.as_deref() {
                Some("FAILED") => (Rule::DeploymentFailed, "its deployment failed".to_owned()),
                Some("IN_PROGRESS") => {
                    let age = age.filter(|&age| age > STUCK_SECS)?;
                    let says = format!("its deployment has not ended for {} minutes", age / 60);
                    (Rule::DeploymentStuck, says)
                }
                _ => return None,
            };
            let next = evidence.command("rollback");
            let finding = Finding::about(rule, &service.service, says, next)
                .evidence(running(service))
                .evidence(events(service));
            Some(if service.running < service.desired {
                finding
            } else {
                finding.warning()
            })
        })
        .collect()
}

pub(super) fn other_image(evidence: &Evidence) -> Vec<Finding> {
    let health = answered(evidence).and_then(|(_, reply)| reply.ok()?.health.as_ref());
    let release = evidence.release.known().and_then(Option::as_ref);
    let settled = evidence.service(ANSWERS).is_some_and(is_settled);
    let (Some(health), Some(release), true) = (health, release, settled) else {
        return Vec::new();
    };
    let wanted = (release.keys).get(evidence.platform.orchestrator().image.get_ref());
    if wanted.is_none() || wanted == health.image_key.as_ref() {
        return Vec::new();
    }
    vec![
        Finding::about(
            Rule::OtherImage,
            ANSWERS,
            "the image that answers is not the one that the last release deployed",
            evidence.command("deploy"),
        )
        .evidence([
            match &health.image_key {
                Some(key) => format!("key {key} answers"),
                None => "an image without a key answers".to_owned(),
            },
            format!(
                "release {} has key {}",
                release.id,
                wanted.map_or("", String::as_str)
            ),
        ])
        .warning(),
    ]
}

pub(super) fn below_desired(evidence: &Evidence) -> Vec<Finding> {
    evidence
        .services()
        .filter(|service| service.running < service.desired)
        .map(|service| {
            let starts = service.rollout_state.as_deref() == Some("IN_PROGRESS");
            let finding = Finding::about(
                Rule::BelowDesired,
                &service.service,
                match starts {
                    true => "a deployment is in progress, and fewer tasks run than should",
                    false => "fewer tasks run than should",
                },
                evidence.command(&format!("status {}", service.service)),
            )
            .evidence(running(service))
            .evidence(events(service));
            if starts { finding.warning() } else { finding }
        })
        .collect()
}

fn running(service: &ServiceStatus) -> [String; 1] {
    [format!(
        "{} of {} tasks run",
        service.running, service.desired
    )]
}

fn events(service: &ServiceStatus) -> impl Iterator<Item = String> {
    let newest = service.events.iter().take(EVENTS_SHOWN);
    newest.map(|event| match &event.at {
        Some(at) => format!("{at} {}", event.message),
        None => event.message.clone(),
    })
}

pub(super) fn alarms(evidence: &Evidence) -> Vec<Finding> {
    let prefix = format!("{}-", evidence.platform.project);
    let alarms = evidence.status.known().map(|status| &status.alarms);
    alarms
        .into_iter()
        .flatten()
        .filter(|alarm| alarm.state == "ALARM")
        .map(|alarm| {
            let section = alarm.name.strip_prefix(&prefix).unwrap_or(&alarm.name);
            let since = alarm.since.as_ref().map(|since| format!("since {since}"));
            Finding::whole(
                Rule::Alarm,
                &alarm.name,
                "its alarm is raised",
                format!("read docs/operations.md#{section}"),
            )
            .evidence(alarm.reason.clone().into_iter().chain(since))
            .warning()
        })
        .collect()
}

pub(super) fn log_errors(evidence: &Evidence) -> Vec<Finding> {
    let mut messages: BTreeMap<String, usize> = BTreeMap::new();
    let stopped: Vec<&str> = evidence
        .tasks_of(ANSWERS)
        .into_iter()
        .filter(|task| task.is_stopped())
        .map(|task| task.id.as_str())
        .collect();
    for line in evidence.errors.known().into_iter().flatten() {
        // There is another rule for tasks that stopped.
        if line
            .task
            .as_deref()
            .is_some_and(|task| stopped.contains(&task))
        {
            continue;
        }
        *messages.entry(gist(&line.message)).or_default() += 1;
    }
    let total: usize = messages.values().sum();
    if total == 0 {
        return Vec::new();
    }
    let mut messages: Vec<(String, usize)> = messages.into_iter().collect();
    messages.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let lines = messages
        .into_iter()
        .take(MESSAGES_SHOWN)
        .map(|(message, times)| format!("{times} × {message}"));
    vec![
        Finding::about(
            Rule::LogErrors,
            ANSWERS,
            format!("it logged {total} errors in the last minutes"),
            evidence.command(&format!("logs {ANSWERS} --level error")),
        )
        .evidence(lines)
        .warning(),
    ]
}

/// The message and the error of a line of JSON, without the fields that differ from line to line.
fn gist(line: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Value>(line) else {
        return line.to_owned();
    };
    let words: Vec<&str> = ["message", "error"]
        .iter()
        .filter_map(|name| fields[*name].as_str())
        .collect();
    match words.is_empty() {
        true => line.to_owned(),
        false => words.join(": "),
    }
}
