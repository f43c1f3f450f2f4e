//! Services whose deployments are followed, to good ends and to bad ones.

use crate::support::services::{TestService, verdict};
use crate::support::tool;
use serde_json::{Value, json};
use std::time::Duration;
use xtask_aws_api::calls::services::{FailedDeployment, FollowService};

/// Within this a deployment that cannot work is given up. The local cloud starts a
/// task in a second and stops one in another.
const GIVEN_UP: Duration = Duration::from_secs(15);

fn name_of(definition: &str) -> &str {
    definition.rsplit('/').next().expect("a name")
}

/// The deployment that the service is meant to come to.
fn primary(service: &Value) -> &Value {
    let deployments = service["deployments"].as_array().expect("deployments");
    let mut primary = deployments
        .iter()
        .filter(|deployment| deployment["status"] == json!("PRIMARY"));
    primary.next().unwrap_or(&Value::Null)
}

#[test]
fn a_deployment_is_followed_to_its_tasks_and_taken_back() {
    let mut service = TestService::new("follow");
    assert_eq!(service.show(), Value::Null);
    let image = service.push_probe();

    // The first one has nothing to go back to, and no breaker ends it in the local cloud.
    let bad = service.define(&image, &[("EXIT", "4")], None);
    let follow = service.follow(None);
    service.create(&bad);
    let (answer, took) = follow.end();
    let message = format!(
        "service {} cannot run {}: the container exited with code 4",
        service.name(),
        name_of(&bad)
    );
    assert_eq!(verdict(&answer), json!([10, "failed", message]));
    assert!(took < GIVEN_UP, "{took:?}");

    let first = service.define(&image, &[("WORD", "one")], None);
    let follow = service.follow(Some(&bad));
    service.update(&first);
    let (answer, _) = follow.end();
    assert_eq!(answer.exit_code, Some(0), "{}", answer.stdout);
    assert_eq!(answer.json["state"], json!("completed"));
    assert_eq!(answer.json["task_definition"], json!(first));
    let tasks = answer.json["tasks"].as_array().expect("tasks");
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert!(tasks[0]["address"].is_string() && tasks[0]["started_at"].is_string());
    assert!(answer.stderr.contains(" RUNNING"), "{}", answer.stderr);

    let shown = service.show();
    assert_eq!(
        json!([
            shown["desired"],
            shown["running"],
            shown["task_definition"],
            shown["image"],
            primary(&shown)["rollout_state"],
            primary(&shown)["id"],
            shown["deployments"][0]["id"],
        ]),
        json!([
            1,
            1,
            first,
            image,
            "COMPLETED",
            answer.json["deployment_id"],
            answer.json["deployment_id"],
        ])
    );

    let second = service.define(&image, &[("WORD", "two")], None);
    let follow = service.follow(Some(&first));
    service.update(&second);
    let (answer, _) = follow.end();
    assert_eq!(
        answer.json["task_definition"],
        json!(second),
        "{}",
        answer.stdout
    );

    let follow = service.follow(Some(&second));
    let back = service.space.ok(service.redefine_request(&first));
    let (answer, _) = follow.end();
    assert_eq!(
        answer.json["state"],
        json!("completed"),
        "{}",
        answer.stdout
    );
    assert_eq!(answer.json["deployment_id"], back["deployment_id"]);
    assert_eq!(answer.json["task_definition"], json!(first));
}

#[test]
fn what_cannot_work_is_given_up_with_its_reason_while_the_old_runs() {
    let mut service = TestService::new("hopeless");
    service.set_secret(&json!({ "PRESENT": "1" }));
    let image = service.push_probe();
    let foreign = service.push_foreign();
    let good = service.define(&image, &[], None);
    service.create(&good);
    service.wait_for("running", |now| now["running"] == json!(1));
    let missing = format!(
        "{}@sha256:{}",
        image.split('@').next().expect("a name"),
        "0".repeat(64)
    );
    for (bad, says, log) in [
        (
            service.define(&missing, &[], None),
            "the image is not in its registry, or not any more",
            None,
        ),
        (
            service.define(&image, &[("EXIT", "3"), ("WORD", "the end")], None),
            "the container exited with code 3",
            Some("this is the end"),
        ),
        (
            service.define(&foreign, &[], None),
            "the image is for another platform than the task",
            Some("exec format error"),
        ),
        (
            service.define(&image, &[], Some("ABSENT")),
            "a secret lacks a key that the task needs",
            None,
        ),
    ] {
        let follow = service.follow(Some(&good));
        service.update(&bad);
        let (answer, took) = follow.end();
        // The breaker of the local cloud may be faster than we are.
        let state = &answer.json["state"];
        assert!(
            *state == json!("failed") || *state == json!("rolled_back"),
            "{}",
            answer.stdout
        );
        let message = format!(
            "service {} cannot run {}: {says}",
            service.name(),
            name_of(&bad)
        );
        assert_eq!(verdict(&answer), json!([10, state, message]));
        assert!(
            answer.json["error"]["hint"].is_string(),
            "{}",
            answer.stdout
        );
        assert!(took < GIVEN_UP, "{took:?}: {}", answer.stderr);
        let failed: FailedDeployment =
            serde_json::from_value(answer.json.clone()).expect("a failed deployment");
        assert_eq!(json!(failed), answer.json);
        let stopped = answer.json["stopped"].as_array().expect("stopped tasks");
        match log {
            Some(line) => assert!(
                stopped
                    .iter()
                    .any(|task| task["log"].to_string().contains(line)),
                "{stopped:?}"
            ),
            None => assert!(!stopped.is_empty(), "{}", answer.stdout),
        }
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
        service.wait_for("back", |now| {
            now["task_definition"] == json!(good)
                && primary(now)["rollout_state"] == json!("COMPLETED")
                && now["running"] == json!(1)
        });
    }
}

#[test]
fn what_does_not_come_or_is_interrupted_ends_the_wait() {
    let service = TestService::new("nofollow");
    let short = FollowService {
        appear_secs: 1,
        ..service.follow_request(None)
    };
    let (answer, _) = service.start(short).end();
    let message = format!("no new deployment of service {} after 1 s", service.name());
    assert_eq!(verdict(&answer), json!([10, "timeout", message]));

    let follow = service.follow(None);
    tool("kill", &["-TERM", &follow.id()], &[], "");
    let (answer, _) = follow.end();
    assert_eq!(answer.exit_code, Some(130), "{}", answer.stdout);

    let missing = service.space.call(service.redefine_request("none:1"));
    assert_eq!(missing.exit_code, Some(8), "{}", missing.stdout);
}
