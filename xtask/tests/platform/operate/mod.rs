//! What people do with a platform that runs, on the real checkout against the local cloud:
//! through `--json` and exit codes, without a terminal.

mod every_command;
mod soak;

use crate::common::instance;
use crate::common::sh;
use crate::live::{self, Started, alone, jobs, platform, root, run, wait_for};
use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::time::Duration;
use xtask_core::lock::Lock;
use xtask_core::marked;

fn status() -> Value {
    run(&["status", "--json"]).expect_success()
}

fn tasks() -> Vec<Value> {
    let listed = run(&["tasks", "--all", "--json"]).expect_success();
    listed["tasks"].as_array().unwrap().clone()
}

/// The orchestrator's tasks that run, by id.
fn orchestrators() -> Vec<String> {
    tasks()
        .iter()
        .filter(|task| task["kind"] == "orchestrator" && task["status"] == "RUNNING")
        .map(|task| task["task"].as_str().unwrap().to_owned())
        .collect()
}

/// Where the orchestrator answers; it is deployed where nothing serves.
fn served() -> String {
    let found = status();
    let service = &found["services"][0];
    if service["exists"] != true || found["release"].is_null() {
        run(&["deploy", "--yes", "--json"]).expect_success();
    } else if service["running"] != service["desired"] || service["desired"] != 1 {
        run(&["scale", "--json"]).expect_success();
    }
    format!(
        "http://127.0.0.1:{}/_alb/{}",
        platform().local.cloud_port.get_ref(),
        platform().project
    )
}

#[test]
fn the_state_of_everything_is_one_object() {
    let _alone = alone();
    let base = served();
    let job = jobs::submit(&base, "a list, for its state");
    jobs::whole_stream(&base, &job);
    let found = status();
    assert_eq!(found["partial"], serde_json::json!([]), "{found:#}");
    let service = &found["services"][0];
    assert_eq!(service["service"], "orchestrator");
    assert_eq!(
        (&service["running"], &service["desired"]),
        (&1.into(), &1.into())
    );
    let health: Value = jobs::get(&format!("{base}/health"));
    assert_eq!(service["image_key"], health["image_key"], "{service:#}");
    assert!(service["created_at"].is_string() && service["events"].is_array());
    assert!(found["release"]["id"].is_string());
    assert!(found["jobs"]["states"]["succeeded"].as_u64().unwrap() >= 1);
    assert_eq!(found["local_cloud"]["state"], "running");
    assert!(!found["alarms"].as_array().unwrap().is_empty());
    let named = run(&["status", "--group", "web", "--json"]).expect_success();
    assert_eq!(named["services"].as_array().unwrap().len(), 1);
    for (wrong, known) in [
        (["status", "nobody"], "orchestrator"),
        (["status", "--group=nobody"], "web"),
    ] {
        let error = run(&[wrong[0], wrong[1], "--json"]).expect_error(2);
        assert_eq!(error["hint"], format!("name one of: {known}"));
    }
}

#[test]
fn a_watched_state_is_one_object_a_line() {
    let _alone = alone();
    served();
    let mut watch = Started::new(&["status", "--watch", "--json"]);
    watch.prints_lines(2);
    watch.signal(Signal::INT);
    let ran = watch.ends_within(Duration::from_secs(15));
    assert_eq!(ran.code, 130, "{ran:#?}");
    let states: Vec<&str> = ran.stdout.lines().collect();
    assert!(states.len() >= 2, "{ran:#?}");
    let state: Value = serde_json::from_str(states[1]).unwrap();
    assert_eq!(state["services"][0]["service"], "orchestrator");
}

#[test]
fn a_generator_runs_to_its_end_and_its_log_can_be_read_again() {
    let _alone = alone();
    served();
    let ran = run(&["run", "generator", "a list of = signs", "--json"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    let told = ran.objects();
    let (end, entries) = told.split_last().unwrap();
    assert_eq!(end["task"]["exit_code"], 0, "{end:#}");
    let job = end["job"].as_str().unwrap();
    let task = end["task"]["task"].as_str().unwrap();
    let sequences: Vec<u64> = entries
        .iter()
        .map(|entry| {
            assert_eq!(entry["source"], "generator", "{entry}");
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            assert_eq!(event["job_id"], job);
            event["sequence"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(
        sequences,
        (1..=entries.len() as u64).collect::<Vec<_>>(),
        "{ran:#?}"
    );

    let messages = |told: &[Value]| -> Vec<Value> {
        told.iter().map(|entry| entry["message"].clone()).collect()
    };
    for name in [job, task, &task[..8]] {
        let read = run(&["logs", name, "--json"]);
        assert_eq!(read.code, 0, "{read:#?}");
        assert_eq!(messages(&read.objects()), messages(entries), "{name}");
    }
    let raw = run(&["logs", task, "--raw", "--lines", "1"]);
    assert_eq!(raw.stdout, entries.last().unwrap()["message"], "{raw:#?}");
    let readable = run(&["logs", job, "--filter", "\"succeeded\""]);
    assert!(
        readable.stdout.contains(" generator INFO succeeded: "),
        "{readable:#?}"
    );
    let errors = run(&["logs", job, "--level", "error", "--json"]);
    assert_eq!(
        (errors.code, errors.stdout.as_str()),
        (0, ""),
        "{errors:#?}"
    );
    let followed = run(&["logs", task, "--follow", "--json"]);
    let last = followed.objects().pop().unwrap();
    assert_eq!(
        (&last["task"]["status"], followed.code),
        (&"STOPPED".into(), 0)
    );
    let listed = tasks();
    let found = listed.iter().find(|found| found["task"] == task).unwrap();
    assert_eq!(
        (&found["kind"], &found["exit_code"]),
        (&"generator".into(), &0.into())
    );
}

#[test]
fn a_generator_that_fails_gives_its_exit_code() {
    let _alone = alone();
    served();
    // Without a description it has no job.
    let ran = run(&["run", "generator", "", "--json"]);
    assert_eq!(ran.code, 2, "{ran:#?}");
    let told = ran.objects();
    let error = &told.last().unwrap()["error"];
    assert_eq!(error["exit_code"], 2, "{ran:#?}");
    let end = told.iter().rev().nth(1).unwrap();
    assert_eq!(end["task"]["exit_code"], 2);
    let nobody = run(&["run", "nobody", "a list", "--json"]).expect_error(2);
    assert_eq!(nobody["hint"], "name one of: generator");
}

#[test]
fn an_interrupted_run_leaves_no_task() {
    let _alone = alone();
    served();
    let mut started = Started::new(&["run", "generator", "a list, interrupted"]);
    started.says("started task");
    started.signal(Signal::INT);
    let ran = started.ends_within(Duration::from_secs(90));
    assert_eq!(ran.code, 130, "{ran:#?}");
    let running = tasks()
        .into_iter()
        .find(|task| task["kind"] == "generator" && task["status"] != "STOPPED");
    assert_eq!(running, None);
}

#[test]
fn a_task_is_stopped_by_the_beginning_of_its_id() {
    let _alone = alone();
    served();
    let before = orchestrators();
    let refused = run(&["stop", &before[0], "--json"]).expect_error(11);
    assert_eq!(refused["hint"], "add --yes to confirm without a terminal");
    assert_eq!(orchestrators(), before);
    let stopped = run(&["stop", &before[0][..8], "--yes", "--json"]).expect_success();
    assert_eq!(stopped["stopped"][0]["was"], "RUNNING", "{stopped:#}");
    wait_for("its end", Duration::from_secs(60), || {
        orchestrators().is_empty().then_some(())
    });
    let again = run(&["stop", &before[0], "--yes", "--json"]).expect_success();
    assert_eq!(again["stopped"][0]["was"], "STOPPED");
    let unknown = run(&["stop", "0123456789", "--yes", "--json"]);
    assert_ne!(unknown.code, 0);
    unknown.expect_error(unknown.code);
    // AWS replaces it; the local cloud only tasks that end by themselves.
    run(&["scale", "--json"]).expect_success();
    assert_eq!(orchestrators().len(), 1);
}

#[test]
fn services_restart_and_scale_to_what_is_wanted_and_back() {
    let _alone = alone();
    let base = served();
    let answers = || jobs::try_get(&format!("{base}/health")).is_ok();
    let before = orchestrators();
    let restarted = run(&["restart", "orchestrator", "--json"]).expect_success();
    let service = &restarted["services"][0];
    assert_eq!(
        (&service["running"], &service["desired"]),
        (&1.into(), &1.into())
    );
    let after = orchestrators();
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    assert!(answers());

    let scaled = run(&["scale", "--to", "2", "--json"]).expect_success();
    assert_eq!(scaled["services"][0]["was"], 1);
    assert_eq!(orchestrators().len(), 2);

    run(&["scale", "--to", "0", "--json"]).expect_error(11);
    assert_eq!(orchestrators().len(), 2, "nobody said yes");
    let group = ["scale", "--group", "web", "--to", "0", "--yes", "--json"];
    run(&group).expect_success();
    assert_eq!(orchestrators(), Vec::<String>::new());
    let found = status();
    assert_eq!(found["services"][0]["desired"], 0);
    assert_eq!(found["jobs"], Value::Null);
    assert_eq!(found["partial"][0]["what"], "jobs", "{found:#}");
    let nothing = run(&["restart", "--json"]).expect_error(2);
    assert_eq!(
        nothing["hint"],
        "cargo xtask scale orchestrator --env local"
    );
    run(&["exec", "orchestrator", "--json"]).expect_error(10);

    // Back to what platform.toml says.
    let back = run(&["scale", "--json"]).expect_success();
    assert_eq!(back["services"][0]["desired"], 1);
    assert!(answers());
}

#[test]
fn a_command_that_lost_its_lock_and_lives_is_neither_joined_nor_ended() {
    let _alone = alone();
    served();
    let (project, port) = (platform().project, platform().local.cloud_port);
    let mark = format!("deploy-{project}-local-{}", port.get_ref());
    let state = instance::context(&root()).state_folder().unwrap();
    let lock = state.join("locks").join(&mark);
    // As a command has after `unlock`: its file lock, and what it started.
    let living = Lock::try_take(&lock, "a test").unwrap();
    let mut started = Command::new("sleep")
        .arg("600")
        .env(marked::VARIABLE, &mark)
        .spawn()
        .unwrap();
    let refused = run(&["scale", "--json"]).expect_error(7);
    assert_eq!(
        refused["message"],
        format!(
            "another command for local is already running: process {}",
            std::process::id()
        )
    );
    assert_eq!(started.try_wait().unwrap(), None);
    let unlocked = run(&["unlock", "--yes", "--json"]).expect_success();
    assert_eq!(unlocked["released"], Value::Null);

    // As if it was killed.
    drop(living);
    run(&["scale", "--json"]).expect_success();
    assert_eq!(started.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_command_runs_inside_and_its_exit_code_is_ours() {
    let _alone = alone();
    served();
    let script = |script| ["exec", "orchestrator", "--json", "--", "sh", "-c", script];
    let inside = run(&script("echo \"$IMAGE_KEY\"; echo no >&2")).expect_success();
    let key = status()["services"][0]["image_key"].clone();
    assert_eq!(inside["stdout"].as_str().unwrap().trim_end(), key);
    assert_eq!(inside["stderr"], "no\n");
    run(&script("echo why >&2; exit 7")).expect_error(7);
    let passed = run(&["exec", "orchestrator", "--", "sh", "-c", "echo through"]);
    assert_eq!(
        (passed.code, passed.stdout.as_str()),
        (0, "through"),
        "{passed:#?}"
    );
    let nobody = run(&["exec", "nobody", "--json"]).expect_error(2);
    assert_eq!(
        nobody["hint"],
        "name one of: orchestrator, generator, preview"
    );
}

#[test]
fn logs_of_nothing_are_refused_with_what_there_is() {
    let _alone = alone();
    let unknown = run(&["logs", "nobody", "--json"]).expect_error(2);
    assert_eq!(
        unknown["hint"],
        "name one of: orchestrator, generator, preview"
    );
    for wrong in [["--since", "soon"], ["--level", "loud"], ["--lines", "-1"]] {
        assert_eq!(run(&["logs", wrong[0], wrong[1]]).code, 2, "{wrong:?}");
    }
    let project = live::of_project();
    if sh!("docker ps --quiet --filter {project}").is_empty() {
        let nothing = run(&["logs", "--where", "validate", "--json"]).expect_error(2);
        assert_eq!(nothing["hint"], "cargo xtask validate --force --keep");
    }
}
