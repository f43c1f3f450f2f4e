//! `validate` and `cleanup` on the real checkout: proven once, interrupted anywhere,
//! the cloud or the orchestrator killed under it. Each time nothing is left behind.

use crate::cloud;
use crate::common::{Checkout, instance};
use crate::common::{sh, try_sh};
use crate::live::{
    self, Ran, Started, alone, assert_nothing_left, generators, jobs, of_project, platform, run,
};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, SystemTime};
use xtask_aws_api::calls::tasks::{ListTasks, WhichTasks};
use xtask_machine::daemon::Record;

const FORCED: [&str; 3] = ["validate", "--force", "--json"];
/// An interrupted validate stops containers, PostgreSQL and a task.
const CLEAN_UP: Duration = Duration::from_secs(20);

/// That an answer is that of a validate whose every part ran.
fn assert_validated(answer: &Value) {
    assert_eq!(answer["state"], "validated", "{answer}");
    let images: Vec<&str> = answer["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["image"].as_str().unwrap())
        .collect();
    assert_eq!(images, ["generator", "orchestrator"], "{answer}");
    let smoke = &answer["smoke"];
    let task = smoke["task"].as_str().unwrap();
    let arn = format!(
        "arn:aws:ecs:us-east-1:000000000000:task/{}/",
        live::cluster()
    );
    assert!(task.starts_with(&arn), "{task}");
    assert!(smoke["events"].as_u64().unwrap() > 5, "{smoke}");
    assert!(smoke["artifact_bytes"].as_u64().unwrap() > 1000, "{smoke}");
}

/// What happened to containers of the project since then.
fn container_events(since: SystemTime) -> String {
    let seconds = |time: SystemTime| {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        format!("{:.6}", since_epoch.as_secs_f64())
    };
    let (since, until) = (seconds(since), seconds(SystemTime::now()));
    let project = of_project();
    sh!("docker events --since {since} --until {until} --filter {project}")
}

#[test]
fn what_was_validated_is_not_validated_again() {
    let _alone = alone();
    let mut first = Started::new(&FORCED);
    first.says("prepare cluster");
    let second = run(&FORCED);
    let refused = second.expect_error(7);
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("process {}", first.pid())),
        "{message}"
    );
    assert!(second.took < Duration::from_secs(15), "{second:#?}");
    let elsewhere = Checkout::new().run(&["cleanup", "--json"]).json();
    assert_eq!(elsewhere["removed"].as_array().unwrap().len(), 0);
    let skipped = elsewhere["skipped"].to_string();
    assert!(
        skipped.contains("`validate` of another checkout"),
        "{skipped}"
    );
    assert_validated(&first.ends_within(live::RUN).expect_success());
    assert_nothing_left("a validate that succeeded");

    let since = SystemTime::now();
    let again = run(&["validate", "--json"]);
    assert!(again.took < Duration::from_secs(15), "{again:#?}");
    assert_eq!(again.stderr, "");
    let again = again.expect_success();
    assert_eq!(again["state"], "unchanged");
    assert_eq!(again["smoke"], Value::Null);
    for image in again["images"].as_array().unwrap() {
        assert_eq!(image["state"], "present", "{again}");
    }
    assert_eq!(container_events(since), "");
}

/// Interrupts it, also where it is stopped, in what `phase` names.
fn interrupted(validate: Started, signal: Signal, phase: &str) {
    validate.signal(signal);
    validate.signal(Signal::CONT);
    let ran = validate.ends_within(CLEAN_UP);
    let error = ran.expect_error(130);
    assert_eq!(error["message"], "interrupted");
    assert_nothing_left(&format!("{signal:?} at `{phase}`:\n{}", ran.stderr));
}

#[test]
fn an_interrupt_in_any_phase_leaves_nothing() {
    let _alone = alone();
    // Labels of an image build are also those of the application.
    run(&["build", "--json"]).expect_success();
    for (phase, signal) in [
        ("prepare cluster", Signal::INT),
        ("start the orchestrator", Signal::INT),
        ("smoke: GET", Signal::INT),
        ("event | 2", Signal::TERM),
        ("npm ci |", Signal::INT),
        ("build |", Signal::INT),
        ("app |", Signal::INT),
    ] {
        let mut validate = Started::new(&FORCED);
        validate.says(phase);
        interrupted(validate, signal, phase);
    }
    let base = format!(
        "http://127.0.0.1:{}",
        platform().local.validate_port.get_ref()
    );
    // Stopped, it cannot take the orchestrator down before one is held. What it is sent
    // meanwhile reaches it when it goes on.
    let mut validate = Started::new(&FORCED);
    validate.says("smoke: watch");
    validate.signal(Signal::STOP);
    generators::hold_one(&base);
    interrupted(validate, Signal::INT, "a held generator");
}

#[test]
fn a_second_interrupt_ends_the_clean_up_and_cleanup_does_the_rest() {
    let _alone = alone();
    let mut validate = Started::new(&FORCED);
    validate.says("event | 1");
    validate.signal(Signal::INT);
    validate.says("take the compose project down");
    validate.signal(Signal::INT);
    let ran = validate.ends_within(Duration::from_secs(3));
    ran.expect_error(130);
    assert!(ran.stderr.contains("run `cargo xtask cleanup`"), "{ran:#?}");
    run(&["cleanup", "--json"]).expect_success();
    assert_nothing_left("cleanup after two interrupts");
}

#[test]
fn a_cloud_that_is_killed_is_named_and_started_again() {
    let _alone = alone();
    let mut validate = Started::new(&FORCED);
    validate.says("event | 1");
    let name = format!("run/cloud-{}.json", platform().local.cloud_port.get_ref());
    let state = instance::context(&live::root()).state_folder();
    let record = state.unwrap().join(name);
    Record::read(&record).unwrap().kill();
    let ran = validate.ends_within(Duration::from_secs(60));
    assert!([6, 8].contains(&ran.code), "{ran:#?}");
    let error = ran.expect_error(ran.code);
    assert!(error.to_string().contains("cloud"), "{error}");
    assert_nothing_left("a cloud killed during validate");

    let ran = run(&FORCED);
    assert!(ran.stderr.contains("start the local cloud"), "{ran:#?}");
    assert_validated(&ran.expect_success());
    assert_nothing_left("a cloud killed before validate");
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let _alone = alone();
    let port = *platform().local.validate_port.get_ref();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let error = run(&FORCED).expect_error(8);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("port {port} ")), "{message}");
    assert!(
        message.contains(&format!("process {}", std::process::id())),
        "{message}"
    );
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("local_test.validate_port"), "{hint}");
    assert_nothing_left("a validate whose port is taken");
}

/// A container that no command of ours started.
struct Foreign(String);

impl Foreign {
    fn start() -> Self {
        let name = format!("xtask-test-foreign-{}", std::process::id());
        sh!("docker run --detach --name {name} debian:trixie-slim sleep 300");
        Self(name)
    }

    fn runs(&self) -> bool {
        let name = &self.0;
        !sh!("docker ps --quiet --filter name={name}").is_empty()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let name = &self.0;
        let _ = try_sh!("docker rm --force {name}");
    }
}

/// What `--keep` left goes when this is dropped, also where the test fails.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        if std::thread::panicking() {
            run(&["cleanup"]);
        }
    }
}

/// The tasks that the validate cluster knows, by ARN.
fn tasks() -> BTreeSet<String> {
    let request = ListTasks {
        which: WhichTasks::InCluster(live::cluster()),
        log_lines: None,
    };
    let tasks = cloud::call(request).tasks;
    tasks.into_iter().map(|task| task.state.arn).collect()
}

fn orchestrator() -> String {
    let service = "label=com.docker.compose.service=orchestrator";
    let project = of_project();
    sh!("docker ps --all --quiet --filter {project} --filter {service}")
}

/// That the containers' log is followed from its newest line on, each line once and in order.
fn logs_are_followed(base: &str) {
    let validate = ["logs", "orchestrator", "--where", "validate"];
    let line = [&validate[..], &["--follow", "--lines", "1", "--json"]].concat();
    let mut followed = Started::new(&line);
    let newest = followed.answer();
    let job = jobs::submit(base, "a list that is followed");
    jobs::whole_stream(base, &job);
    followed.prints(&job);
    followed.signal(Signal::INT);
    let told = followed.ends_within(CLEAN_UP).followed();
    assert_eq!(told[0], newest);
    let number = |line: &Value| -> u64 {
        assert_eq!(line["source"], "orchestrator", "{line}");
        assert_eq!(line["group"], platform().local.compose_project, "{line}");
        let number = line["id"].as_str().unwrap().strip_prefix("orchestrator-1:");
        number.unwrap().parse().unwrap()
    };
    let numbers: Vec<u64> = told.iter().map(number).collect();
    let expected: Vec<u64> = (numbers[0]..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "{told:#?}");

    let everything = run(&["logs", "--where", "validate", "--json"]).objects();
    let sources: BTreeSet<&str> = everything
        .iter()
        .map(|line| line["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, ["database", "orchestrator"].into());
    let readable = run(&[&validate[..], &["--filter", "\"listening\""]].concat());
    assert!(
        readable.stdout.contains(" orchestrator INFO listening "),
        "{readable:#?}"
    );
    let quiet = run(&[&validate[..], &["--level", "error"]].concat());
    assert_eq!((quiet.code, &*quiet.stdout), (0, ""));
}

/// Kills the orchestrator's container and starts it again.
fn kill_orchestrator(base: &str) {
    let container = orchestrator();
    sh!("docker kill --signal KILL {container}");
    sh!("docker start {container}");
    live::wait_for("the orchestrator again", Duration::from_secs(30), || {
        jobs::try_get(&format!("{base}/health")).ok()
    });
}

#[test]
fn a_killed_orchestrator_loses_no_event_and_cleanup_takes_only_what_is_ours() {
    let _alone = alone();
    let _kept = Kept;
    let kept = run(&["validate", "--keep", "--json"]).expect_success();
    assert_validated(&kept);
    let base = kept["url"].as_str().unwrap();
    let undisturbed = jobs::whole_stream(base, kept["smoke"]["job_id"].as_str().unwrap());
    let expected = jobs::said_by_generator(&undisturbed);
    assert!(expected.len() > 5, "{expected:?}");
    logs_are_followed(base);

    let before = tasks();
    let mut submitted = Vec::new();
    // Right after the answer: several jobs in several states.
    for number in 0..3 {
        submitted.push(jobs::submit(base, &format!("a list, number {number}")));
    }
    kill_orchestrator(base);
    // In the middle of its events, early and late.
    for number in [2, 3, 8] {
        let id = jobs::submit(base, &format!("a list, killed at event {number}"));
        let mut killed = false;
        jobs::stream(base, &id, |event| {
            if !killed && event["sequence"].as_u64() >= Some(number) {
                killed = true;
                kill_orchestrator(base);
            }
        });
        assert!(killed, "job {id} has no event {number}");
        submitted.push(id);
    }
    // While the generator surely runs.
    let (held, generator) = generators::hold_one(base);
    kill_orchestrator(base);
    sh!("docker unpause {generator}");
    submitted.extend(held);

    let mut ran = BTreeSet::new();
    for id in &submitted {
        let events = jobs::whole_stream(base, id);
        assert_eq!(jobs::said_by_generator(&events), expected, "{events:#?}");
        ran.insert(jobs::job(base, id)["task"].as_str().unwrap().to_owned());
    }
    // One task for each job: none was started twice.
    assert_eq!(ran.len(), submitted.len());
    assert_eq!(&tasks() - &before, ran);

    let foreign = Foreign::start();
    generators::hold_one(base);
    let cleaned = run(&["cleanup", "--json"]).expect_success();
    let removed = cleaned["removed"].to_string();
    let project = platform().local.compose_project;
    for part in [
        format!("container {project}-orchestrator-1"),
        format!("container {project}-database-1"),
        "\"task/".to_owned(),
        format!("cluster/{}", live::cluster()),
    ] {
        assert!(removed.contains(&part), "{part} is not in {removed}");
    }
    assert_nothing_left("cleanup");
    let again: Ran = run(&["cleanup"]);
    assert_eq!(
        (again.code, again.stdout.trim()),
        (0, "there was nothing to clean up")
    );
    assert!(foreign.runs());
}
