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
