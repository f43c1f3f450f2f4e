use super::*;
use crate::canned::Canned;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:ecs:us-east-1:000000000000:task/cluster/0123";

fn spec() -> TaskSpec {
    TaskSpec {
        cluster: "cluster".to_owned(),
        definition: "app-generator:3".to_owned(),
        container: "app-generator".to_owned(),
        environment: vec![("REQUEST_ID".to_owned(), "one".to_owned())],
        network: Network::default(),
        command: Vec::new(),
        spot: false,
        started_by: "xtask".to_owned(),
    }
}

fn described(task: Value) -> (u16, String) {
    (200, json!({ "tasks": [task], "failures": [] }).to_string())
}

#[tokio::test]
async fn failures_of_run_task_in_a_200_are_an_error() {
    let canned = Canned::new([(
        200,
        json!({ "tasks": [], "failures": [{ "arn": "arn:capacity", "reason": "RESOURCE:CPU", "detail": "none left" }] })
            .to_string(),
    )]);
    let error = Ecs::new(&canned.config())
        .run_task(&spec())
        .await
        .expect_err("failures");
    assert_eq!(error.kind, Kind::Service);
    assert_eq!(
        error.message,
        "ecs RunTask app-generator:3: arn:capacity: RESOURCE:CPU: none left"
    );
}

#[tokio::test]
async fn no_task_and_no_failure_is_an_error_too() {
    let canned = Canned::new([(200, json!({ "tasks": [], "failures": [] }).to_string())]);
    let error = Ecs::new(&canned.config())
        .run_task(&spec())
        .await
        .expect_err("no task");
    assert!(
        error.message.ends_with("the reply holds no task"),
        "{error}"
    );
}

#[tokio::test]
async fn overrides_go_to_the_container() {
    let canned = Canned::new([described(json!({ "taskArn": ARN }))]);
    let task = Ecs::new(&canned.config())
        .run_task(&spec())
        .await
        .expect("started");
    assert_eq!(task.short(), "0123");
    let body: Value = serde_json::from_str(&canned.requests()[0].body).expect("JSON");
    assert_eq!(
        body["overrides"],
        json!({ "containerOverrides": [{
            "name": "app-generator",
            "environment": [{ "name": "REQUEST_ID", "value": "one" }]
        }] })
    );
    assert_eq!(body.get("networkConfiguration"), None);
}

#[tokio::test]
async fn arguments_go_to_the_container_and_nothing_else_of_it_changes() {
    let canned = Canned::new([described(json!({ "taskArn": ARN }))]);
    let spec = TaskSpec {
        environment: Vec::new(),
        command: vec!["backup".to_owned(), "one".to_owned()],
        ..spec()
    };
    let ecs = Ecs::new(&canned.config());
    ecs.run_task(&spec).await.expect("started");
    let body: Value = serde_json::from_str(&canned.requests()[0].body).expect("JSON");
    let overrides = &body["overrides"]["containerOverrides"][0];
    assert_eq!(overrides["command"], json!(["backup", "one"]));
    assert_eq!(overrides["environment"], json!([]));
}

#[tokio::test]
async fn a_missing_exit_code_is_a_failure_with_its_reasons() {
    let canned = Canned::new([described(json!({
        "taskArn": ARN,
        "lastStatus": "STOPPED",
        "stoppedReason": "Task failed to start",
        "containers": [{ "name": "app-generator", "reason": "CannotPullContainerError: not found" }]
    }))]);
    let task = Ecs::new(&canned.config())
        .wait_stopped("cluster", &TaskId(ARN.to_owned()), Duration::ZERO)
        .await
        .expect("described")
        .expect("stopped");
    assert_eq!(
        task.state.failure().as_deref(),
        Some("no exit code: Task failed to start; CannotPullContainerError: not found")
    );
}

#[tokio::test]
async fn a_task_not_yet_known_is_asked_for_again() {
    let missing = json!({ "tasks": [], "failures": [{ "arn": ARN, "reason": "MISSING" }] });
    let stopped = json!({
        "taskArn": ARN, "lastStatus": "STOPPED", "containers": [{ "exitCode": 0 }]
    });
    let canned = Canned::new([(200, missing.to_string()), described(stopped)]);
    let state = Ecs::new(&canned.config())
        .wait_stopped("cluster", &TaskId(ARN.to_owned()), Duration::from_secs(20))
        .await
        .expect("described")
        .expect("stopped");
    assert_eq!(state.state.failure(), None);
    assert_eq!(canned.requests().len(), 2);
}

#[tokio::test]
async fn a_task_that_does_not_stop_ends_the_wait() {
    let canned = Canned::new([described(
        json!({ "taskArn": ARN, "lastStatus": "RUNNING" }),
    )]);
    let state = Ecs::new(&canned.config())
        .wait_stopped("cluster", &TaskId(ARN.to_owned()), Duration::ZERO)
        .await
        .expect("described");
    assert_eq!(state, None);
}

#[tokio::test]
async fn a_spot_task_names_its_provider_and_no_launch_type() {
    let started = json!({ "tasks": [{ "taskArn": ARN }], "failures": [] }).to_string();
    let canned = Canned::new([(200, started.clone()), (200, started)]);
    let ecs = Ecs::new(&canned.config());
    let mut spec = spec();
    ecs.run_task(&spec).await.expect("started");
    spec.spot = true;
    ecs.run_task(&spec).await.expect("started");
    let asked: Vec<Value> = canned
        .requests()
        .iter()
        .map(|request| serde_json::from_str(&request.body).expect("JSON"))
        .map(|body: Value| json!([body["launchType"], body["capacityProviderStrategy"]]))
        .collect();
    let spot = json!([{ "base": 0, "capacityProvider": "FARGATE_SPOT", "weight": 1 }]);
    assert_eq!(asked, [json!(["FARGATE", null]), json!([null, spot])]);
}
