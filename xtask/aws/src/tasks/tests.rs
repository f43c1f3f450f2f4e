use super::*;
use crate::canned::Canned;
use serde_json::{Value, json};

const CLUSTER: &str = "arn:aws:ecs:us-east-1:000000000000:task/app-gen-saas-cluster";

fn described(id: &str, family: &str, more: Value) -> Value {
    let mut task = json!({
        "taskArn": format!("{CLUSTER}/{id}"),
        "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:000000000000:task-definition/{family}:7"),
        "lastStatus": "RUNNING",
    });
    if let (Value::Object(task), Value::Object(more)) = (&mut task, more) {
        task.extend(more);
    }
    task
}

fn stopped(id: &str, at: f64, code: &str, reason: &str, exit_code: Option<i32>) -> Value {
    let more = json!({
        "lastStatus": "STOPPED", "stopCode": code, "stoppedReason": reason, "stoppedAt": at,
        "containers": [{ "name": "app-generator", "exitCode": exit_code }],
    });
    described(id, "app-generator", more)
}

fn listed(tasks: &[Value]) -> Vec<(u16, String)> {
    let ids: Vec<&Value> = tasks.iter().map(|task| &task["taskArn"]).collect();
    [
        json!({ "taskArns": ids }),
        json!({ "taskArns": [] }),
        json!({ "tasks": tasks, "failures": [] }),
    ]
    .map(|reply| (200, reply.to_string()))
    .to_vec()
}

async fn list_of(replies: Vec<(u16, String)>, log_lines: Option<u32>) -> Vec<Value> {
    let cloud = Cloud::canned(Canned::new(replies).config());
    let tasks = list(&cloud, "app-gen-saas-cluster", log_lines)
        .await
        .expect("tasks");
    tasks
        .iter()
        .map(|task| serde_json::to_value(task).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn tasks_are_told_by_what_they_are() {
    let variables = |name: &str, value: &str| {
        json!({ "overrides": { "containerOverrides": [{ "environment": [
            { "name": "GITHUB_TOKEN", "value": "a secret" },
            { "name": name, "value": value },
        ] }] }, "startedBy": "xtask", "launchType": "FARGATE" })
    };
    let tasks = list_of(
        listed(&[
            described(
                "a",
                "app-gen-saas-app",
                json!({ "group": "service:app-gen-saas-app" }),
            ),
            described(
                "b",
                "app-generator",
                variables("JOB_SPEC_URI", "s3://b/jobs/j1/spec.json"),
            ),
            described("c", "app-generator", variables("REQUEST_ID", "j2")),
            described(
                "d",
                "app-generator",
                json!({ "startedBy": "j3", "capacityProviderName": "FARGATE_SPOT" }),
            ),
            described(
                "e",
                "validate-app-generator",
                json!({ "startedBy": "xtask" }),
            ),
            described("f", "else", json!({ "group": "service:else" })),
        ]),
        None,
    )
    .await;
    let told: Vec<Value> = tasks
        .iter()
        .map(|task| {
            json!([
                task["task"],
                task["kind"],
                task["service"],
                task["job"],
                task["capacity"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["a", "orchestrator", "orchestrator", null, null]),
            json!(["b", "generator", null, "j1", "FARGATE"]),
            json!(["c", "generator", null, "j2", "FARGATE"]),
            json!(["d", "generator", null, "j3", "FARGATE_SPOT"]),
            json!(["e", "generator", null, null, null]),
            json!(["f", "other", "else", null, null]),
        ]
    );
    assert!(!json!(tasks).to_string().contains("a secret"));
}

#[tokio::test]
async fn what_failed_has_a_meaning_and_what_was_told_to_stop_has_none() {
    let pull = "CannotPullContainerError: pull image manifest: not found";
    let tasks = list_of(
        listed(&[
            stopped(
                "order",
                4.0,
                "UserInitiated",
                "Service scaling down",
                Some(143),
            ),
            stopped(
                "done",
                1.0,
                "EssentialContainerExited",
                "Essential container exited",
                Some(0),
            ),
            stopped("pull", 2.0, "TaskFailedToStart", pull, None),
            described("runs", "app-generator", json!({})),
        ]),
        None,
    )
    .await;
    let told: Vec<Value> = tasks
        .iter()
        .map(|task| json!([task["task"], task["meaning"]["name"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["runs", null]),
            json!(["order", null]),
            json!(["pull", "image-missing"]),
            json!(["done", null]),
        ]
    );
    assert_eq!(tasks[1]["stopped_at"], json!("1970-01-01T00:00:04Z"));
    assert_eq!(tasks[1].get("log"), None);
}

#[tokio::test]
async fn a_bare_exit_code_is_told_by_the_log() {
    let exited = stopped(
        "x",
        1.0,
        "EssentialContainerExited",
        "Essential container exited",
        Some(255),
    );
    let mut replies = listed(&[exited]);
    replies.push((
        200,
        json!({ "taskDefinition": { "containerDefinitions": [{
            "name": "app-generator",
            "logConfiguration": { "logDriver": "awslogs", "options": {
                "awslogs-group": "/ecs/app-generator", "awslogs-stream-prefix": "ecs" } },
        }] } })
        .to_string(),
    ));
    replies.push((
        200,
        json!({ "events": [
            { "timestamp": 1, "message": "one" },
            { "timestamp": 2, "message": "exec /app: exec format error" },
        ] })
        .to_string(),
    ));
    let told = list_of(replies.clone(), None).await;
    assert_eq!(told[0]["meaning"]["name"], json!("platform"));
    assert_eq!(told[0].get("log"), None);
    let told = list_of(replies, Some(1)).await;
    assert_eq!(told[0]["meaning"]["name"], json!("platform"));
    assert_eq!(
        told[0]["log"],
        json!([{ "time_ms": 2, "message": "exec /app: exec format error" }])
    );
}

/// An event as EventBridge writes it to the log group, of a task that began at 08:00:00.
fn recorded(id: &str, family: &str, group: &str, more: Value) -> String {
    let mut event = json!({
        "version": "0", "id": "3317b2af-7005-947d-b652-f55e762e571a",
        "detail-type": "ECS Task State Change", "source": "aws.ecs", "account": "000000000001",
        "time": "2026-11-28T08:00:31Z", "region": "us-east-1", "resources": [format!("{CLUSTER}/{id}")],
        "detail": {
            "attachments": [{ "id": "1", "type": "eni", "status": "DELETED", "details": [] }],
            "availabilityZone": "us-east-1a",
            "clusterArn": "arn:aws:ecs:us-east-1:000000000001:cluster/app-gen-saas-cluster",
            "connectivity": "CONNECTED", "cpu": "256", "createdAt": "2026-11-28T08:00:00.123Z",
            "desiredStatus": "STOPPED", "enableExecuteCommand": false,
            "ephemeralStorage": { "sizeInGiB": 20 }, "group": group, "lastStatus": "STOPPED",
            "launchType": "FARGATE", "memory": "512", "platformVersion": "1.4.0",
            "startedBy": "ecs-svc/1234567890123456789", "stoppedAt": "2026-11-28T08:00:30.5Z",
            "taskArn": format!("{CLUSTER}/{id}"),
            "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:000000000001:task-definition/{family}:7"),
            "updatedAt": "2026-11-28T08:00:31.1Z", "version": 5,
        },
    });
    if let (Value::Object(detail), Value::Object(more)) = (&mut event["detail"], more) {
        detail.extend(more);
    }
    event.to_string()
}

/// The record with these lines in it, the oldest first.
fn record(lines: &[String]) -> (u16, String) {
    let event = |(number, message): (usize, &String)| json!({ "eventId": number.to_string(), "logStreamName": "1", "timestamp": number, "message": message });
    let events: Vec<Value> = lines.iter().enumerate().map(event).collect();
    (200, json!({ "events": events }).to_string())
}

async fn failed(replies: Vec<(u16, String)>) -> (Canned, Result<Vec<Value>, CloudError>) {
    let canned = Canned::new(replies);
    let listed = list_failed(&Cloud::canned(canned.config()), 0, None).await;
    let tasks = listed.map(|tasks| {
        let value = |task| serde_json::to_value(task).expect("JSON");
        tasks.iter().map(value).collect()
    });
    (canned, tasks)
}

#[tokio::test]
async fn failures_are_told_as_they_were_recorded() {
    let pull = json!({
        "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: not found",
        "containers": [{ "containerArn": "arn", "name": "app-gen-saas-app", "lastStatus": "STOPPED",
            "image": "registry/app@sha256:1", "taskArn": "arn", "networkInterfaces": [], "cpu": "0" }],
    });
    let killed = json!({
        "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "capacityProviderName": "FARGATE_SPOT", "startedBy": "xtask",
        "startedAt": "2026-11-28T08:00:20Z",
        "containers": [{ "name": "app-generator", "exitCode": 137,
            "reason": "OutOfMemoryError: Container killed due to memory usage" }],
        "overrides": { "containerOverrides": [{ "name": "app-generator", "environment": [
            { "name": "GITHUB_TOKEN", "value": "a secret" }, { "name": "REQUEST_ID", "value": "j1" },
        ] }] },
    });
    let service = "service:app-gen-saas-app";
    let lines = [
        recorded("a", "app-gen-saas-app", service, pull.clone()),
        recorded("b", "app-generator", "family:app-generator", killed),
        recorded("a", "app-gen-saas-app", service, pull),
    ];
    let (canned, tasks) = failed(vec![record(&lines)]).await;
    let tasks = tasks.expect("tasks");
    let names = [
        "task",
        "kind",
        "service",
        "job",
        "exit_code",
        "capacity",
        "stopped_at",
    ];
    let told = |task: &Value| names.map(|name| task[name].clone());
    assert_eq!(
        tasks.iter().map(told).collect::<Vec<_>>(),
        [
            [
                json!("a"),
                json!("orchestrator"),
                json!("orchestrator"),
                Value::Null,
                Value::Null,
                json!("FARGATE"),
                json!("2026-11-28T08:00:30.5Z")
            ],
            [
                json!("b"),
                json!("generator"),
                Value::Null,
                json!("j1"),
                json!(137),
                json!("FARGATE_SPOT"),
                json!("2026-11-28T08:00:30.5Z")
            ],
        ]
    );
    let meanings: Vec<&Value> = tasks.iter().map(|task| &task["meaning"]["name"]).collect();
    assert_eq!(meanings, [&json!("image-missing"), &json!("memory")]);
    assert!(!json!(tasks).to_string().contains("a secret"));
    let asked: Value = serde_json::from_str(&canned.requests()[0].body).expect("JSON");
    assert_eq!(
        json!([asked["logGroupName"], asked["startTime"]]),
        json!(["/aws/events/app-gen-saas-task-failures", 0])
    );
}

#[tokio::test]
async fn a_record_that_is_missing_or_damaged_is_an_error() {
    let missing = json!({ "__type": "ResourceNotFoundException", "message": "no such group" });
    let (_, tasks) = failed(vec![(400, missing.to_string())]).await;
    let error = tasks.expect_err("no record");
    assert_eq!(error.kind, Kind::NotFound);
    assert_eq!(
        error.message,
        "failures of tasks are not recorded: \
         there is no log group /aws/events/app-gen-saas-task-failures"
    );
    assert_eq!(
        error.hint.as_deref(),
        Some("cargo xtask deploy --env local")
    );

    let (_, tasks) = failed(vec![record(&["{}".to_owned()])]).await;
    let error = tasks.expect_err("another line");
    assert_eq!(
        error.message,
        "/aws/events/app-gen-saas-task-failures: a line is not an event of a task: \
         missing field `detail` at line 1 column 2"
    );
}
