//! The ECS launcher against the local cloud, whose tasks are real containers. Where it does not run:
//! `APP_GEN_LOCAL_INSTANCE=test cargo xtask cloud up`.

use aws_sdk_cloudwatchlogs::Client as Logs;
use aws_sdk_ecs::Client as Ecs;
use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, DesiredStatus, LogConfiguration, LogDriver, NetworkMode,
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::binary::Binary;
use crate::support::client::{
    SentEvent, assert_whole, http_client, messages, outline, sent_events,
};
use crate::support::eventually;
use crate::support::local_cloud::{self, ENDPOINT, KEY, KEY_HEADER};

const IMAGE: &str = "debian:trixie-slim";

/// What every generator begins with here.
const PRELUDE: &str = r#"
path=${JOB_SPEC_URI%/spec.json}
job=${path##*/}
sequence=0
event() {
  sequence=$((sequence + 1))
  printf '{"version":2,"job_id":"%s","sequence":%d,"time":"2026-01-01T00:00:00.000Z","type":"%s","body":%s}\n' "$job" "$sequence" "$1" "$2"
}
started() { event started '{"generator_version":"0","attempt":1,"providers":{"template":null}}'; }
log() { event log "{\"level\":\"info\",\"message\":\"$1\"}"; }
artifact() { event artifact "{\"name\":\"app.zip\",\"uri\":\"$path/app.zip\",\"size_bytes\":2500000,\"sha256\":\"$sha256\"}"; }
succeeded() { event succeeded '{"summary":"done"}'; }
failed() { event failed '{"reason":"on purpose"}'; }
"#;

/// A cluster, a bucket, a log group and a task definition of a test's own.
struct Cloud {
    name: String,
    ecs: Ecs,
    logs: Logs,
    folder: TempDir,
}

impl Cloud {
    async fn new(generator: &str, image: &str) -> Self {
        let name = format!("test-{}", Uuid::now_v7().simple());
        let sdk = local_cloud::sdk();
        let (ecs, logs) = (Ecs::new(&sdk), Logs::new(&sdk));
        let put = http_client().put(format!("{}/{name}", *ENDPOINT));
        let response = put
            .header(KEY_HEADER, &*KEY)
            .send()
            .await
            .expect("the local cloud of the tests does not answer: see the top of this file");
        assert!(response.status().is_success(), "{response:?}");
        ecs.create_cluster()
            .cluster_name(&name)
            .send()
            .await
            .unwrap();
        logs.create_log_group()
            .log_group_name(&name)
            .send()
            .await
            .unwrap();
        let log = LogConfiguration::builder()
            .log_driver(LogDriver::Awslogs)
            .options("awslogs-group", &name)
            .options("awslogs-region", "us-east-1")
            .options("awslogs-stream-prefix", "generator")
            .build()
            .unwrap();
        let container = ContainerDefinition::builder()
            .name("app-generator")
            .image(image)
            .essential(true)
            // The local cloud ignores entryPoint.
            .command("sh")
            .command("-c")
            .command(format!("{PRELUDE}{generator}"))
            .log_configuration(log)
            .build();
        ecs.register_task_definition()
            .family(&name)
            .requires_compatibilities(Compatibility::Fargate)
            .network_mode(NetworkMode::Awsvpc)
            .cpu("256")
            .memory("512")
            .container_definitions(container)
            .send()
            .await
            .unwrap();
        Self {
            name,
            ecs,
            logs,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn orchestrator(&self) -> Binary {
        let name = || self.name.clone();
        Binary::start(&[
            ("AWS_ENDPOINT_URL", ENDPOINT.clone()),
            ("AWS_ACCESS_KEY_ID", "operator".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            (
                "DATABASE_URL",
                format!("sqlite://{}/test.db", self.folder.path().display()),
            ),
            ("ARTIFACT_URI", format!("s3://{}", self.name)),
            ("LAUNCHER", "ecs".to_owned()),
            ("ECS_CLUSTER", name()),
            ("GENERATOR_TASK_DEFINITION", name()),
            ("GENERATOR_LOG_GROUP", name()),
            ("GENERATOR_LOG_STREAM_PREFIX", "generator".to_owned()),
        ])
        .await
    }

    /// The states of all tasks that were ever started for a job.
    async fn tasks_of(&self, job_id: &str) -> Vec<String> {
        let mut states = Vec::new();
        for desired in [DesiredStatus::Running, DesiredStatus::Stopped] {
            let list = self.ecs.list_tasks().cluster(&self.name).started_by(job_id);
            let arns = list.desired_status(desired).send().await.unwrap();
            if arns.task_arns().is_empty() {
                continue;
            }
            let describe = self.ecs.describe_tasks().cluster(&self.name);
            let tasks = describe.set_tasks(arns.task_arns).send().await.unwrap();
            let status = |task: &aws_sdk_ecs::types::Task| task.last_status().map(str::to_owned);
            states.extend(tasks.tasks().iter().filter_map(status));
        }
        states
    }

    async fn remove(self) {
        let (http, bucket) = (http_client(), format!("{}/{}", *ENDPOINT, self.name));
        let list = http
            .get(&bucket)
            .header(KEY_HEADER, &*KEY)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let keys = list
            .split("<Key>")
            .skip(1)
            .filter_map(|rest| rest.split('<').next());
        let objects = keys.map(|key| format!("{bucket}/{key}"));
        for url in objects.chain([bucket.clone()]) {
            let delete = http.delete(url).header(KEY_HEADER, &*KEY);
            let response = delete.send().await.unwrap();
            assert!(response.status().is_success(), "{response:?}");
        }
        self.ecs
            .delete_cluster()
            .cluster(&self.name)
            .send()
            .await
            .unwrap();
        self.logs
            .delete_log_group()
            .log_group_name(&self.name)
            .send()
            .await
            .unwrap();
        let task_definition = format!("{}:1", self.name);
        let deregister = self.ecs.deregister_task_definition();
        deregister
            .task_definition(task_definition)
            .send()
            .await
            .unwrap();
    }
}

async fn run(cloud: &Cloud) -> (Value, Vec<SentEvent>) {
    let binary = cloud.orchestrator().await;
    let id = binary.client.submit("a test").await;
    let job = binary.client.ended(&id).await;
    let events = binary.client.events(&id, 0).await;
    binary.kill().await;
    assert_eq!(cloud.tasks_of(&id).await, ["STOPPED"]);
    (job, events)
}

#[tokio::test]
async fn killed_again_and_again() {
    // More than a page of CloudWatch Logs, over some six seconds.
    let script = r#"
started
for number in $(seq 1 2500); do log "$number"; [ $((number % 250)) -eq 0 ] && sleep 0.6; done
failed"#;
    let cloud = Cloud::new(script, IMAGE).await;
    let mut seen: Vec<SentEvent> = Vec::new();
    let binary = cloud.orchestrator().await;
    let id = binary.client.submit("watch me").await;
    let mut next = Some(binary);
    for round in 0.. {
        let binary = match next.take() {
            Some(binary) => binary,
            None => cloud.orchestrator().await,
        };
        let after = seen.last().map_or(0, |event| event.id);
        let path = format!("/api/jobs/{id}/events?after={after}");
        let wanted = if round < 4 { 300 } else { 5000 };
        let response = binary.client.get(&path).await;
        let ended = response.status().as_u16() == 204;
        seen.extend(sent_events(response).take(wanted).collect::<Vec<_>>().await);
        binary.kill().await;
        if ended {
            break;
        }
    }
    assert_whole(&seen, 2506);
    let expected: Vec<String> = (1..=2500).map(|number: i32| number.to_string()).collect();
    assert_eq!(messages(&seen), expected);
    assert_eq!(outline(&seen).last().unwrap(), "state failed");
    assert_eq!(cloud.tasks_of(&id).await, ["STOPPED"]);
    cloud.remove().await;
}

#[tokio::test]
async fn killed_around_the_start() {
    let cloud = Cloud::new("started; failed", IMAGE).await;
    let mut ids = Vec::new();
    for round in 0..12_u64 {
        let binary = cloud.orchestrator().await;
        ids.push(binary.client.submit("a short life").await);
        tokio::time::sleep(Duration::from_millis(5 * round)).await;
        binary.kill().await;
    }
    let binary = cloud.orchestrator().await;
    for id in &ids {
        let job = binary.client.ended(id).await;
        assert_eq!(job["reason"], "on purpose", "{job}");
        assert_eq!(
            cloud.tasks_of(id).await,
            ["STOPPED"],
            "started more than once"
        );
    }
    binary.kill().await;
    cloud.remove().await;
}

#[tokio::test]
async fn ends_badly() {
    let cases = [
        (
            "started; exit 3",
            IMAGE,
            "the generator crashed: it ended with exit code 3",
        ),
        ("started; exit 139", IMAGE, "the generator crashed: "),
        (
            "exit 0",
            IMAGE,
            "the generator ended without a last event (exit code 0)",
        ),
        (
            "started; echo panic; sleep 1000",
            IMAGE,
            "malformed line in the generator's log: line is not JSON: panic",
        ),
        (
            "started; head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 1000",
            IMAGE,
            "malformed line in the generator's log: line has ",
        ),
        (
            "started; yes x | tr -d '\\n'",
            IMAGE,
            "malformed line in the generator's log: line ",
        ),
        (
            "started; job=other; log x; sleep 1000",
            IMAGE,
            "malformed line in the generator's log: it is of job other",
        ),
        (
            "started; sequence=5; log gap; sleep 1000",
            IMAGE,
            "malformed line in the generator's log: event 6 after event 1",
        ),
        (
            "started",
            "localhost:1/no-such-image:1",
            "the generator crashed: its exit code is unknown: ",
        ),
    ];
    let runs = cases.map(async |(script, image, reason)| {
        let cloud = Cloud::new(script, image).await;
        let (job, _) = run(&cloud).await;
        assert_eq!(job["state"], "failed", "{script}: {job}");
        let text = job["reason"].as_str().unwrap();
        assert!(text.starts_with(reason), "{script}: {text}");
        cloud.remove().await;
    });
    futures::future::join_all(runs).await;
}

#[tokio::test]
async fn artifact_from_the_bucket() {
    let bytes: Vec<u8> = (0..2_500_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let script = format!("sha256={digest}; started; artifact; succeeded");
    let cloud = Cloud::new(&script, IMAGE).await;
    let binary = cloud.orchestrator().await;
    let id = binary.client.submit("a result").await;
    // The generator cannot store anything here. Until it has been stored, nobody looks for it.
    binary.kill().await;
    let url = format!("{}/{}/jobs/{id}/app.zip", *ENDPOINT, cloud.name);
    let put = http_client().put(url).header(KEY_HEADER, &*KEY);
    let put = put.body(bytes.clone()).send();
    assert!(put.await.unwrap().status().is_success());

    let binary = cloud.orchestrator().await;
    let client = &binary.client;
    let job = client.ended(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let response = client.get(&format!("/api/jobs/{id}/artifact")).await;
    assert!(response.bytes().await.unwrap() == bytes);
    binary.kill().await;
    cloud.remove().await;
}

#[tokio::test]
async fn cancel() {
    let cloud = Cloud::new("started; while :; do sleep 0.1; done", IMAGE).await;
    let binary = cloud.orchestrator().await;
    let id = binary.client.submit("stop me").await;
    binary.client.has_events(&id, 3).await;
    binary.client.cancel(&id).await;
    let job = binary.client.ended(&id).await;
    assert_eq!(
        (&job["state"], &job["reason"]),
        (&json!("cancelled"), &json!("cancelled on request"))
    );
    assert!(job["task"].as_str().unwrap().starts_with("arn:aws:ecs:"));
    assert_eq!(cloud.tasks_of(&id).await, ["STOPPED"]);
    binary.kill().await;

    // An attempt whose answer was lost can start a task late, when its job has ended.
    let late = cloud.ecs.run_task().cluster(&cloud.name).started_by(&id);
    let late = late.task_definition(&cloud.name).send().await.unwrap();
    assert_eq!(late.tasks().len(), 1, "{late:?}");
    let binary = cloud.orchestrator().await;
    eventually("the end of the late task", async || {
        let states = cloud.tasks_of(&id).await;
        (states == ["STOPPED", "STOPPED"]).then_some(())
    })
    .await;
    binary.kill().await;
    cloud.remove().await;
}
