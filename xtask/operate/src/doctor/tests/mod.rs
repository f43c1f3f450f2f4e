//! Each rule judges evidence that differs from that of a healthy environment in one thing.

mod configuration;
mod machine;
mod providers;
mod service;
mod size;
mod tasks;

use crate::doctor::evidence::{
    Answer, Container, Disk, Evidence, Focus, ImageFound, PartFound, Reply, Serving, Source,
};
use crate::doctor::examine;
use crate::doctor::finding::Severity::{Broken, Warning};
use crate::doctor::finding::{Finding, Severity};
use app_gen_infra::Platform;
use app_gen_saas_contract::Health;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_aws_api::calls::logs::{LogLine, LogRecord};
use xtask_aws_api::calls::rights::Right;
use xtask_aws_api::calls::secrets::ListedSecret;
use xtask_aws_api::calls::status::{Alarm, ServiceStatus, Status, Target};
use xtask_aws_api::calls::tasks::{Meaning, Task, TaskState};
use xtask_aws_api::{Rule, Timestamp};
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
        health: Some(Health::new("1", Some("k1".to_owned()), true)),
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
        status: Source::Known(Status {
            services: vec![ServiceStatus {
                service: "orchestrator".to_owned(),
                name: "app-gen-saas-app".to_owned(),
                exists: Some(true),
                running: 1,
                desired: 1,
                rollout_state: Some("COMPLETED".to_owned()),
                task_definition: Some(format!(
                    "arn:aws:ecs:us-east-1:0:task-definition/{DEFINITION}"
                )),
                created_at: at("11:55:00"),
                targets: vec![target("10.0.0.1", "healthy")],
                ..ServiceStatus::default()
            }],
            ..Status::default()
        }),
        tasks: Source::Known(vec![running("orchestrator", DEFINITION)]),
        secrets: Source::Known(vec![from(json!({
            "id": "orchestrator", "name": "app-gen-saas/orchestrator", "exists": true,
            "keys": [{"key": "DATABASE_URL", "required": true, "state": "set"}],
        }))]),
        providers: Source::Known(Vec::new()),
        jobs: Source::Known(Vec::new()),
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

/// A time of the day that the tests are on.
fn at(time: &str) -> Option<Timestamp> {
    Some(format!("2026-11-21T{time}Z").parse().unwrap())
}

fn target(address: &str, health: &str) -> Target {
    Target {
        address: address.to_owned(),
        port: Some(5013),
        health: health.to_owned(),
        reason: None,
        description: None,
    }
}

fn running(kind: &str, definition: &str) -> Task {
    Task {
        id: "11111111aaaa".to_owned(),
        kind: kind.to_owned(),
        state: TaskState {
            arn: "arn".to_owned(),
            task_definition: definition.to_owned(),
            status: "RUNNING".to_owned(),
            created_at: at("11:00:00"),
            ..TaskState::default()
        },
        ..Task::default()
    }
}

/// A task of the current revision that stopped a minute ago for this reason.
fn stopped(name: &str, exit_code: Option<i32>) -> Task {
    Task {
        id: format!("22222222-{name}"),
        kind: "orchestrator".to_owned(),
        meaning: Some(Meaning {
            reason: name.parse().unwrap(),
            says: format!("it is {name}"),
            hint: None,
        }),
        log: Some(vec![LogLine {
            time_ms: 1,
            message: "the last words".to_owned(),
        }]),
        state: TaskState {
            arn: "arn".to_owned(),
            task_definition: DEFINITION.to_owned(),
            status: "STOPPED".to_owned(),
            exit_code,
            reason: Some("the cloud's reason".to_owned()),
            created_at: at("11:58:00"),
            stopped_at: at("11:59:00"),
            ..TaskState::default()
        },
        ..Task::default()
    }
}

fn service(evidence: &mut Evidence) -> &mut ServiceStatus {
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
    let is = (finding.rule, finding.severity, &*finding.subject);
    assert_eq!(
        is,
        (rule.parse().unwrap(), severity, subject),
        "{finding:#?}"
    );
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

fn line(message: &str) -> LogRecord {
    LogRecord {
        message: message.to_owned(),
        ..LogRecord::default()
    }
}
