//! The ECS launcher and a cloud that fails, with the built binary. What a job has started is stopped, however
//! often that takes, and only a refusal fails a job that has not started.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::fake_ecs::{FakeEcs, FakeTask, Run};

#[tokio::test]
async fn a_stop_is_asked_for_until_it_is_seen() {
    let fake = FakeEcs::start().await;
    fake.cloud().stop_failures = 3;
    let folder = tempfile::tempdir().unwrap();
    let binary = fake.orchestrator(&folder, &[]).await;
    let id = binary.client.submit("stop me").await;
    eventually("its task", async || {
        (fake.tasks_of(&id).len() == 1).then_some(())
    })
    .await;
    binary.client.cancel(&id).await;
    let job = binary.client.ended(&id).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    let task = &fake.tasks_of(&id)[0];
    assert!(task.stopped && task.stops > 3, "{task:?}");
    binary.kill().await;
}

#[tokio::test]
async fn a_task_carries_its_tags_and_its_lifetime() {
    let fake = FakeEcs::start().await;
    let folder = tempfile::tempdir().unwrap();
    let tags = [("GENERATOR_TAGS", r#"{"project":"p","environment":"e"}"#)];
    let binary = fake.orchestrator(&folder, &tags).await;
    let id = binary.client.submit("start").await;
    eventually("its task", async || {
        (fake.tasks_of(&id).len() == 1).then_some(())
    })
    .await;
    let request = fake.tasks_of(&id)[0].request.clone();
    let mut tags: Vec<_> = request["tags"].as_array().unwrap().iter().collect();
    tags.sort_by_key(|tag| tag["key"].as_str());
    assert_eq!(
        json!(tags),
        json!([
            { "key": "environment", "value": "e" },
            { "key": "job", "value": id },
            { "key": "project", "value": "p" },
        ])
    );
    let environment = request["overrides"]["containerOverrides"][0]["environment"].clone();
    assert!(
        environment
            .as_array()
            .unwrap()
            .contains(&json!({ "name": "JOB_LIFETIME_SECS", "value": "1920" })),
        "{environment}"
    );
    binary.kill().await;
}

#[tokio::test]
async fn what_keeps_its_work_runs_on_spare_capacity_while_there_is_some() {
    let fake = FakeEcs::start().await;
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("GENERATOR_CAPACITY", "spot"),
        ("GENERATOR_USD_PER_HOUR", "3.6"),
    ];
    let binary = fake.orchestrator(&folder, &variables).await;
    for (provider, first) in [("claude", "FARGATE_SPOT"), ("template", "FARGATE")] {
        let no_room = "Capacity is unavailable at this time. Please try again later";
        fake.cloud().next_runs = vec![Run::Stops(no_room)];
        let body = json!({ "description": "x", "provider": provider });
        let job: Value = binary
            .client
            .post("/api/jobs", &body)
            .await
            .json()
            .await
            .unwrap();
        let id = job["id"].as_str().unwrap();
        let tasks = eventually("its second task", async || {
            let tasks = fake.tasks_of(id);
            (tasks.len() == 2).then_some(tasks)
        })
        .await;
        let capacity = |task: &FakeTask| {
            let provider = &task.request["capacityProviderStrategy"][0]["capacityProvider"];
            let chosen = [provider, &task.request["launchType"]];
            let chosen: Vec<_> = chosen.iter().filter_map(|text| text.as_str()).collect();
            chosen.join(" and ")
        };
        let capacities: Vec<String> = tasks.iter().map(capacity).collect();
        assert_eq!(capacities, [first, "FARGATE"]);
        // A millisecond costs a millionth of a dollar.
        eventually("what its task costs", async || {
            let job = binary.client.job(id).await;
            (job["usage"]["task_micro_usd"].as_i64() > Some(0)).then_some(())
        })
        .await;
    }
    binary.kill().await;
}

#[tokio::test]
async fn a_task_whose_job_has_ended_is_stopped_after_a_restart_too() {
    let fake = FakeEcs::start().await;
    let folder = tempfile::tempdir().unwrap();
    let binary = fake.orchestrator(&folder, &[]).await;
    let id = binary.client.submit("end, but leave something").await;
    eventually("its task", async || {
        (fake.tasks_of(&id).len() == 1).then_some(())
    })
    .await;
    binary.client.cancel(&id).await;
    binary.client.ended(&id).await;
    binary.kill().await;
    // As if the stop had been taken and not done, or another task of the job had appeared late.
    fake.cloud().tasks[0].stopped = false;
    let mut late = fake.tasks_of(&id)[0].clone();
    late.arn.push('9');
    fake.cloud().tasks.push(late);
    let mut foreign = fake.tasks_of(&id)[0].clone();
    foreign.arn.push('8');
    foreign.started_by = "somebody else".to_owned();
    fake.cloud().tasks.push(foreign);

    let binary = fake.orchestrator(&folder, &[]).await;
    eventually("the end of what is left", async || {
        fake.tasks_of(&id)
            .iter()
            .all(|task| task.stopped)
            .then_some(())
    })
    .await;
    assert!(!fake.tasks_of("somebody else")[0].stopped);
    binary.kill().await;
}

#[tokio::test]
async fn a_late_task_of_a_cancelled_job_is_stopped() {
    let fake = FakeEcs::start().await;
    fake.cloud().next_runs = vec![Run::Late(Duration::from_secs(15))];
    fake.cloud().later_runs = Some(Run::Broken);
    let folder = tempfile::tempdir().unwrap();
    let binary = fake.orchestrator(&folder, &[]).await;
    let id = binary.client.submit("start late").await;
    eventually("the first attempt", async || {
        (fake.cloud().runs > 0).then_some(())
    })
    .await;
    binary.client.cancel(&id).await;
    let job = binary.client.ended(&id).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    let tasks = fake.tasks_of(&id);
    assert!(tasks.len() == 1 && tasks[0].stopped, "{tasks:?}");
    binary.kill().await;
}

/// Orchestrators gave up after half a minute, job after job.
#[tokio::test]
async fn no_room_is_waited_for_and_holds_the_queue() {
    let fake = FakeEcs::start().await;
    fake.cloud().later_runs = Some(Run::NoRoom);
    let folder = tempfile::tempdir().unwrap();
    let binary = fake.orchestrator(&folder, &[]).await;
    let client = &binary.client;
    let first = client.submit("wait for room").await;
    eventually("its attempts", async || {
        (fake.cloud().runs >= 2).then_some(())
    })
    .await;
    let second = client.submit("wait behind it").await;
    for error in [
        ("ClientException", "Capacity is unavailable at this time."),
        ("ThrottlingException", "Rate exceeded"),
        (
            "ClientException",
            "You've reached the limit on the number of tasks you can run concurrently",
        ),
    ] {
        let before = fake.cloud().runs;
        fake.cloud().later_runs = Some(Run::Error(error.0, error.1));
        eventually("another attempt", async || {
            (fake.cloud().runs > before).then_some(())
        })
        .await;
    }
    assert_eq!(client.job(&first).await["state"], "starting");
    assert_eq!(client.job(&second).await["state"], "queued");
    fake.cloud().later_runs = None;
    for id in [&first, &second] {
        eventually("its task", async || {
            (fake.tasks_of(id).len() == 1).then_some(())
        })
        .await;
    }
    // What is refused is refused at once.
    fake.cloud().later_runs = Some(Run::Error("AccessDeniedException", "no"));
    let id = client.submit("never").await;
    let job = client.ended(&id).await;
    assert_eq!(
        job["reason"],
        "ECS refused the task: AccessDeniedException: no"
    );
    binary.kill().await;
}

#[tokio::test]
async fn a_task_that_found_no_room_is_started_again() {
    let fake = FakeEcs::start().await;
    fake.cloud().next_runs = vec![Run::Stops(
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
    )];
    let folder = tempfile::tempdir().unwrap();
    let binary = fake.orchestrator(&folder, &[]).await;
    let id = binary.client.submit("start at the second attempt").await;
    eventually("its second task", async || {
        let tasks = fake.tasks_of(&id);
        (tasks.len() == 2 && !tasks[1].stopped).then_some(())
    })
    .await;
    // What fails for good fails at once.
    fake.cloud().next_runs = vec![Run::Stops("ResourceInitializationError: no such secret")];
    let id = binary.client.submit("start").await;
    let job = binary.client.ended(&id).await;
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("ResourceInitializationError"), "{reason}");
    assert_eq!(fake.tasks_of(&id).len(), 1);
    binary.kill().await;
}

/// A task that never ran was taken for that of the next attempt, so that there was a third one beside it.
#[tokio::test]
async fn a_task_that_found_no_room_is_not_taken_for_the_next_one() {
    let fake = FakeEcs::start().await;
    fake.cloud().next_runs = vec![
        Run::Stops("Capacity is unavailable at this time. Please try again later"),
        Run::Late(Duration::from_secs(6)),
    ];
    let folder = tempfile::tempdir().unwrap();
    let binary = fake.orchestrator(&folder, &[]).await;
    let id = binary.client.submit("the second answer is lost").await;
    let job = eventually("a task that runs", async || {
        let job = binary.client.job(&id).await;
        (job["state"] == "running").then_some(job)
    })
    .await;
    let tasks = fake.tasks_of(&id);
    assert_eq!(tasks.len(), 2, "{tasks:?}");
    assert_eq!(job["task"], tasks[1].arn.as_str());
    binary.kill().await;
}

#[tokio::test]
async fn no_room_within_its_time_is_the_reason() {
    let fake = FakeEcs::start().await;
    fake.cloud().later_runs = Some(Run::NoRoom);
    let folder = tempfile::tempdir().unwrap();
    let binary = fake
        .orchestrator(&folder, &[("JOB_TIMEOUT_SECS", "4")])
        .await;
    let id = binary.client.submit("wait in vain").await;
    let job = binary.client.ended(&id).await;
    assert_eq!(job["state"], "timed_out");
    assert_eq!(
        job["reason"],
        "the job took longer than 4 seconds: ECS has no room for the task: \
         Capacity is unavailable at this time."
    );
    binary.kill().await;
}
