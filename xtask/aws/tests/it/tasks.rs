//! Real containers as tasks: how they end, how they are stopped, what they leave.

use crate::support::images::Pushed;
use crate::support::sdk::Sdk;
use crate::support::{Ensured, Space, answer, local, tool};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use xtask_aws_api::calls::logs::TailLog;
use xtask_aws_api::calls::s3::{DownloadFolder, GetObject, ListFolders, UploadFolder};
use xtask_aws_api::calls::tasks::{ListTasks, RunTask, TaskRun, WhichTasks};
use xtask_aws_api::calls::validation::RemoveValidation;

/// Prints what it was given, waits, and ends as its environment says.
const PROBE: &str = r#"FROM debian:trixie-slim
ENTRYPOINT ["/bin/sh", "-c", "echo region=$AWS_REGION key=$AWS_ACCESS_KEY_ID word=$WORD; trap 'exit 143' TERM; sleep ${SLEEP:-0} & wait; exit ${EXIT:-0}"]
"#;

fn probe_image(space: &Space) -> Pushed {
    let context = space.path("probe");
    std::fs::create_dir(&context).expect("folder");
    std::fs::write(context.join("Dockerfile"), PROBE).expect("Dockerfile");
    Pushed::new(space, &local().registry(), "xtask-aws-test/probe", &context)
}

#[test]
fn tasks_report_exit_code_reason_and_log() {
    let space = Space::new("tasks");
    let image = probe_image(&space);
    let ensured = Ensured::new(&space, &image.by_digest);

    let done = space.ok(ensured.run_task(&[("WORD", "a=b")]));
    assert_eq!(done["task"]["status"], json!("STOPPED"));
    assert_eq!(done["task"]["exit_code"], json!(0));
    assert_eq!(done["task"]["image"], json!(image.by_digest));
    assert_eq!(
        done["log"]["lines"][0]["message"],
        json!("region=us-east-1 key=local word=a=b")
    );
    let logs = space.ok(TailLog {
        group: ensured.parts.log_group.clone(),
        stream: done["log"]["stream"].as_str().expect("stream").to_owned(),
        lines: 50,
    });
    assert_eq!(logs["lines"], done["log"]["lines"]);

    let failed = space.call(ensured.run_task(&[("EXIT", "3")]));
    assert_eq!(failed.exit_code, Some(1));
    assert_eq!(failed.json["task"]["exit_code"], json!(3));
    let run: TaskRun = serde_json::from_value(failed.json.clone()).expect("a task");
    assert_eq!(json!(run), failed.json);
    let message = failed.json["error"]["message"].as_str().expect("message");
    assert!(
        message.ends_with("failed: exit code 3: Essential container exited"),
        "{message}"
    );

    let tasks = space.ok(listed(&ensured));
    let mut codes: Vec<i64> = tasks["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| task["exit_code"].as_i64().expect("exit code"))
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 3]);
}

#[test]
fn a_task_that_takes_too_long_or_is_interrupted_is_stopped() {
    let space = Space::new("stopped");
    let image = probe_image(&space);
    let ensured = Ensured::new(&space, &image.by_digest);

    let late = space.call(RunTask {
        timeout_secs: 2,
        ..ensured.run_task(&[("SLEEP", "600")])
    });
    assert_eq!(late.exit_code, Some(1));
    let message = late.json["error"]["message"].as_str().expect("message");
    assert!(
        message.ends_with("not finished after 2 s; it was stopped"),
        "{message}"
    );

    let child = space
        .command(ensured.run_task(&[("SLEEP", "600")]))
        .spawn()
        .expect("started");
    wait_for(&space, &ensured, "RUNNING");
    let pid = child.id().to_string();
    tool("kill", &["-INT", &pid], &[], "");
    let interrupted = answer(&child.wait_with_output().expect("ended"));
    assert_eq!(interrupted.exit_code, Some(130), "{}", interrupted.stdout);
    let tasks = space.ok(listed(&ensured));
    for task in tasks["tasks"].as_array().expect("tasks") {
        assert_eq!(task["status"], json!("STOPPED"), "{task}");
    }

    // A task that somebody else left behind is stopped before the parts are removed.
    let mut orphan = space
        .command(ensured.run_task(&[("SLEEP", "600")]))
        .spawn()
        .expect("started");
    wait_for(&space, &ensured, "RUNNING");
    orphan.kill().expect("killed");
    orphan.wait().expect("ended");
    let removed = space.ok(RemoveValidation {});
    let first = removed["removed"][0].as_str().expect("a name");
    assert!(first.starts_with("task/"), "{removed}");
}

fn listed(ensured: &Ensured<'_>) -> ListTasks {
    ListTasks {
        which: WhichTasks::InCluster(ensured.parts.cluster.clone()),
        log_lines: None,
    }
}

fn wait_for(space: &Space, ensured: &Ensured<'_>, status: &str) {
    let begin = Instant::now();
    loop {
        let tasks = space.ok(listed(ensured));
        let tasks = tasks["tasks"].as_array().expect("tasks");
        if tasks.iter().any(|task| task["status"] == json!(status)) {
            return;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "no task is {status}: {tasks:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_image_that_does_not_exist_is_a_failure_with_its_reason() {
    let space = Space::new("pull");
    let image = format!("{}/missing@sha256:{}", local().registry(), "3".repeat(64));
    let ensured = Ensured::new(&space, &image);
    let failed = space.call(ensured.run_task(&[]));
    assert_eq!(failed.exit_code, Some(1));
    assert_eq!(failed.json["task"]["exit_code"], Value::Null);
    let message = failed.json["error"]["message"].as_str().expect("message");
    assert!(
        message.contains("no exit code: ResourceInitializationError"),
        "{message}"
    );
}

#[test]
fn an_object_arrives_whole_and_one_that_is_not_there_leaves_nothing() {
    let space = Space::new("object");
    let ensured = Ensured::new(
        &space,
        &format!("registry/nothing@sha256:{}", "3".repeat(64)),
    );
    let sdk = Sdk::new();
    let content = vec![7; 300_000];
    let put = sdk.s3().put_object().bucket(&ensured.parts.bucket);
    let put = put
        .key("jobs/one/app.zip")
        .body(content.clone().into())
        .send();
    sdk.run(put).expect("put");
    let job = format!("s3://{}/jobs/one", ensured.parts.bucket);

    let there = space.path("there");
    let got = space.ok(GetObject {
        uri: format!("{job}/app.zip"),
        to: there.clone(),
    });
    assert_eq!(got["size_bytes"], json!(content.len()));
    assert_eq!(std::fs::read(&there).expect("read"), content);

    let missing = space.call(GetObject {
        uri: format!("{job}/none"),
        to: space.path("none"),
    });
    assert_eq!(missing.exit_code, Some(8), "{}", missing.stdout);
    assert!(!space.path("none").exists() && !space.path("none.part").exists());
}

#[test]
fn a_folder_goes_to_the_bucket_and_comes_back() {
    let space = Space::new("folder");
    let ensured = Ensured::new(
        &space,
        &format!("registry/nothing@sha256:{}", "4".repeat(64)),
    );
    let from = space.path("from");
    // More than a few at a time, and one that has to be the last.
    std::fs::create_dir_all(from.join("objects/jobs/1")).expect("folders");
    for number in 0..20 {
        let file = from.join(format!("objects/jobs/1/{number}"));
        std::fs::write(file, vec![number; 100_000]).expect("a file");
    }
    std::fs::write(from.join("manifest.json"), "{}").expect("a file");
    let below = format!("s3://{}/backups", ensured.parts.bucket);
    let upload = UploadFolder {
        from: from.clone(),
        uri: format!("{below}/one"),
        last: "manifest.json".to_owned(),
    };
    let copied = json!({ "objects": 21, "size_bytes": 2_000_002 });
    // The second time everything is there.
    assert_eq!(space.ok(upload.clone()), copied);
    assert_eq!(space.ok(upload), copied);
    let folders = space.ok(ListFolders { uri: below.clone() });
    assert_eq!(folders, json!({ "names": ["one"] }));

    let to = space.path("to");
    let download = DownloadFolder {
        uri: format!("{below}/one"),
        to: to.clone(),
    };
    assert_eq!(space.ok(download), copied);
    for name in ["manifest.json", "objects/jobs/1/0", "objects/jobs/1/19"] {
        let read = |folder: &std::path::Path| std::fs::read(folder.join(name)).expect("a file");
        assert_eq!(read(&to), read(&from), "{name}");
    }
    let nothing = space.ok(DownloadFolder {
        uri: format!("{below}/two"),
        to: space.path("two"),
    });
    assert_eq!(nothing["objects"], 0);
}
