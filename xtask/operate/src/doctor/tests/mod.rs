//! Each rule judges evidence that differs from that of a healthy environment in one thing.

mod configuration;
mod machine;
mod service;
mod tasks;

use crate::doctor::evidence::{
    Answer, Container, Disk, Evidence, Focus, Health, ImageFound, PartFound, Reply, Right, Secret,
    Serving, Source,
};
use crate::doctor::examine;
use crate::doctor::finding::Severity::{Broken, Warning};
use crate::doctor::finding::{Finding, Severity};
use crate::status::answers::{Alarm, Answer as Status, Line, Service, Target, Task};
use app_gen_infra::Platform;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::error::{Code, Failure, Rendered};
use xtask_machine::State;
use xtask_machine::part::Part;

const NOW: &str = "2026-11-21T12:00:00Z";
const DEFINITION: &str = "app-gen-saas-app:7";

fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The evidence of a local environment that serves.
fn healthy() -> Evidence {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let reply = Reply {
        status: 200,
        health: Some(Health {
            status: "ok".to_owned(),
            database: "ok".to_owned(),
            image_key: Some("k1".to_owned()),
        }),
    };
    let image = |consumer: &str| ImageFound {
        consumer: consumer.to_owned(),
        reference: format!("localhost:5000/{consumer}@sha256:1"),
        platform: Source::Known(Some("linux/amd64".to_owned())),
    };
    Evidence {
        platform: Platform::load(root).unwrap(),
        environment: "local".to_owned(),
        now: OffsetDateTime::parse(NOW, &Rfc3339).unwrap(),
        focus: None,
        parts: [Part::Engine, Part::Registry, Part::Cloud]
            .map(|part| found(part, State::Ok))
            .into(),
        disks: vec![Disk {
            holds: vec!["this checkout"],
            path: "/checkout".into(),
            free_bytes: 50 << 30,
            total_bytes: 250 << 30,
        }],
        status: Source::Known(from(json!({
            "services": [{
                "service": "orchestrator", "name": "app-gen-saas-app", "exists": true,
                "running": 1, "desired": 1, "pending": 0, "rollout_state": "COMPLETED",
                "task_definition": format!("arn:aws:ecs:us-east-1:0:task-definition/{DEFINITION}"),
                "created_at": "2026-11-21T11:55:00Z", "deployments": [], "events": [],
                "targets": [{"address": "10.0.0.1", "port": 5013, "health": "healthy"}],
            }],
            "alarms": [], "tasks": [], "partial": [],
        }))),
        tasks: Source::Known(vec![running("orchestrator", DEFINITION)]),
        secrets: Source::Known(vec![from(json!({
            "id": "orchestrator", "name": "app-gen-saas/orchestrator", "exists": true,
            "keys": [{"key": "DATABASE_URL", "present": true, "required": true}],
        }))]),
        rights: Source::Unasked,
        release: Source::Known(Some(Serving {
            id: "r1".to_owned(),
            keys: [("orchestrator".to_owned(), "k1".to_owned())].into(),
        })),
        health: Source::Known(answers(Ok(reply))),
        images: vec![image("orchestrator"), image("generator")],
        database: Source::Known(Some(database("running"))),
        errors: Source::Known(Vec::new()),
    }
}

fn found(part: Part, state: State) -> PartFound {
    PartFound {
        part,
        state,
        found: "as it is".to_owned(),
        fix: "cargo xtask setup".to_owned(),
    }
}

fn database(state: &str) -> Container {
    Container {
        name: "app-gen-database-1".to_owned(),
        state: state.to_owned(),
    }
}

fn answers(outcome: Result<Reply, String>) -> Answer {
    let url = "http://127.0.0.1:1/health".to_owned();
    Answer { url, outcome }
}

fn replies(status: u16, health: Option<Health>) -> Source<Answer> {
    Source::Known(answers(Ok(Reply { status, health })))
}

fn running(kind: &str, definition: &str) -> Task {
    from(json!({
        "task": "11111111aaaa", "arn": "arn", "kind": kind, "task_definition": definition,
        "status": "RUNNING", "created_at": "2026-11-21T11:00:00Z",
    }))
}

/// A task of the current revision that stopped a minute ago for this reason.
fn stopped(name: &str, exit_code: Option<i32>) -> Task {
    from(json!({
        "task": format!("22222222-{name}"), "arn": "arn", "kind": "orchestrator",
        "task_definition": DEFINITION, "status": "STOPPED", "exit_code": exit_code,
        "reason": "the cloud's reason", "created_at": "2026-11-21T11:58:00Z",
        "stopped_at": "2026-11-21T11:59:00Z",
        "meaning": {"name": name, "says": format!("it is {name}"), "hint": null},
        "log": [{"time_ms": 1, "message": "the last words"}],
    }))
}

fn service(evidence: &mut Evidence) -> &mut Service {
    let Source::Known(Status { services, .. }) = &mut evidence.status else {
        panic!("no status");
    };
    &mut services[0]
}

fn tasks(evidence: &mut Evidence) -> &mut Vec<Task> {
    let Source::Known(tasks) = &mut evidence.tasks else {
        panic!("no tasks");
    };
    tasks
}

/// No task of the service runs, but one should.
fn down(evidence: &mut Evidence) {
    service(evidence).running = 0;
    service(evidence).rollout_state = Some("IN_PROGRESS".to_owned());
    tasks(evidence).clear();
    evidence.health = replies(503, None);
}

/// What is found if only this differs from a healthy environment.
fn examined(change: impl FnOnce(&mut Evidence)) -> Vec<Finding> {
    let mut evidence = healthy();
    change(&mut evidence);
    examine(&evidence)
}

/// The only finding.
fn only(change: impl FnOnce(&mut Evidence)) -> Finding {
    let mut findings = examined(change);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn assert_is(finding: &Finding, rule: &str, severity: Severity, subject: &str) {
    let is = (finding.rule.as_str(), finding.severity, &*finding.subject);
    assert_eq!(is, (rule, severity, subject), "{finding:#?}");
    assert!(
        finding.next.contains("cargo xtask") || finding.next.contains("docs/"),
        "{finding:#?}"
    );
}

fn failed<T>(message: &str) -> Source<T> {
    let failure = Failure::new(Code::Service, message).hint("cargo xtask preflight --env dev");
    Source::Failed(Rendered::new(&failure.into()))
}

#[test]
fn nothing_is_found_in_a_healthy_environment() {
    assert_eq!(examined(|_| {}), []);
}

fn line(message: &str) -> Line {
    Line {
        message: message.to_owned(),
        ..Line::default()
    }
}
