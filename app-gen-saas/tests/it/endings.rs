//! How jobs end, the good way and the bad ones: the real worker and process launcher, generators that do
//! what the real one will not on demand. The orchestrator lives on after each.

use std::time::Duration;

use serde_json::Value;

use crate::on_both_databases;
use crate::support::client::{messages, outline};
use crate::support::database::TestDatabase;
use crate::support::generator::{processes_of, starts};
use crate::support::orchestrator::{Options, Orchestrator};
use crate::support::{eventually, generator};

on_both_databases!(
    success,
    failures,
    malformed_logs,
    long_bodies_are_fetched,
    cancel_while_running,
    silence,
    too_long,
    lingers_after_the_last_event,
);

/// Runs one job to its end; checks that the stream is whole and ends with the state.
async fn run(orchestrator: &Orchestrator) -> (Value, Vec<String>) {
    let client = &orchestrator.client;
    let id = client.submit("a test").await;
    let job = client.ended(&id).await;
    let events = client.events(&id, 0).await;
    let numbers: Vec<i64> = events.iter().map(|event| event.id).collect();
    let expected: Vec<i64> = (1..=job["last_sequence"].as_i64().unwrap()).collect();
    assert_eq!(numbers, expected);
    let last = &events.last().unwrap().data["body"];
    assert_eq!(last["state"], job["state"]);
    assert_eq!(last.get("reason").unwrap_or(&Value::Null), &job["reason"]);
    eventually("the end of all its processes", async || {
        processes_of(&id).is_empty().then_some(())
    })
    .await;
    assert_eq!(starts(&orchestrator.artifacts(), &id), 1);
    (job, outline(&events))
}

async fn success(database: TestDatabase) {
    let script = "started; log one; event heartbeat '{}'; event from_the_future '{\"x\":1}'; artifact; succeeded";
    let orchestrator = Orchestrator::start(database, script).await;
    let (job, events) = run(&orchestrator).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    assert_eq!(job["reason"], Value::Null);
    assert!(job["task"].as_str().unwrap().parse::<u32>().is_ok());
    assert_eq!(
        events,
        [
            "state queued",
            "state starting",
            "state running",
            "started",
            "log",
            "heartbeat",
            "from_the_future",
            "artifact",
            "succeeded",
            "state succeeded",
        ]
    );
    let id = job["id"].as_str().unwrap();
    let logs = orchestrator.folder.path().join("logs");
    let left: Vec<_> = std::fs::read_dir(logs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(left, [format!("{id}.log")]);
}

async fn failures(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, "").await;
    for (script, reason) in [
        ("started; failed 'no room'; exit 1", "no room"),
        ("started; failed 'no room'; kill -9 $$", "no room"),
        (
            "started; exit 3",
            "the generator crashed: it ended with exit code 3",
        ),
        (
            "started; kill -SEGV $$",
            "the generator crashed: signal 11 (SIGSEGV) ended it",
        ),
        (
            "exit 0",
            "the generator ended without a last event (exit code 0)",
        ),
        (
            "started; exit 0",
            "the generator ended without a last event (exit code 0)",
        ),
        (
            "started; artifact; succeeded; exit 1",
            "the generator said that it succeeded, but it ended with exit code 1",
        ),
        (
            "started; succeeded",
            "the generator said that it succeeded, but named no artifact",
        ),
        (
            "started; printf '{\"version\":2'; exit 0",
            "the generator wrote a last line that is not an event: line is not JSON: {\"version\":2",
        ),
        // A crash counts for more than the half line that it left.
        (
            "started; printf '{\"version\":2'; kill -SEGV $$",
            "the generator crashed: signal 11 (SIGSEGV) ended it",
        ),
    ] {
        generator::script(orchestrator.folder.path(), script);
        let (job, _) = run(&orchestrator).await;
        assert_eq!(job["state"], "failed", "{script}: {job}");
        assert_eq!(job["reason"], reason, "{script}");
    }
    // The last line counts without its newline too, and what comes after the last event does not.
    for script in [
        "started; artifact; succeeded | tr -d '\\n'",
        "started; artifact; succeeded; echo 'not JSON'; log late",
    ] {
        generator::script(orchestrator.folder.path(), script);
        let (job, events) = run(&orchestrator).await;
        assert_eq!(job["state"], "succeeded", "{script}: {job}");
        let end = &events[events.len() - 2..];
        assert_eq!(end, ["succeeded", "state succeeded"], "{script}");
    }
}

async fn malformed_logs(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, "").await;
    let long_line = "head -c 20000 /dev/zero | tr '\\0' x; echo";
    let endless_line = "yes x | tr -d '\\n'";
    for (fault, reason) in [
        (
            "echo 'thread panicked'",
            "line is not JSON: thread panicked",
        ),
        ("echo 'to stderr' >&2", "line is not JSON: to stderr"),
        ("echo", "line is not JSON: "),
        ("printf '\\377\\376\\033[31m\\n'", "line is not UTF-8: "),
        (long_line, "line has 20001 bytes, more than 16000"),
        // Whichever bound is seen first.
        (endless_line, "more than "),
        ("sequence=7; log gap", "event 8 after event 2"),
        ("job=other; log x", "it is of job other"),
        ("event state '{\"state\":\"succeeded\"}'", "type \"state\""),
        ("event 'a b' '{}'", "type \"a b\""),
        ("event log '{\"level\":1}'", "body"),
        (
            "event artifact '{\"name\":\"app.zip\",\"uri\":\"file:///etc/passwd\",\"size_bytes\":1,\"sha256\":\"00\"}'",
            "outside of the job's folder: file:///etc/passwd",
        ),
    ] {
        // It would go on for ever: that it ends shows that it is stopped.
        let script = format!("started; log before; {fault}; sleep 1000");
        generator::script(orchestrator.folder.path(), &script);
        let (job, events) = run(&orchestrator).await;
        assert_eq!(job["state"], "failed", "{fault}: {job}");
        let text = job["reason"].as_str().unwrap();
        assert!(text.contains(reason), "{fault}: {text}");
        assert!(
            text.chars().count() <= 300 && !text.contains('\u{1b}'),
            "{text:?}"
        );
        // Nothing is read of a log that is too large when it is first looked at.
        let is_unread = fault == endless_line && events.len() == 4;
        let expected = ["started", "log", "state failed"];
        assert_eq!(
            events[3..],
            expected[if is_unread { 2 } else { 0 }..],
            "{fault}"
        );
    }
}

async fn long_bodies_are_fetched(database: TestDatabase) {
    let script = r#"
reference() { sequence=$((sequence + 1)); line "$sequence" "$1" "\"body_uri\":\"$2\""; }
started
mkdir -p "$folder/events"
printf '{"level":"info","message":"from the store"}' > "$folder/events/000002.json"
reference log "file://$folder/events/000002.json"
reference log "file://$folder/events/missing.json"
reference log "file:///etc/hostname"
head -c 300000 /dev/zero | tr '\0' ' ' > "$folder/events/000005.json"
reference log "file://$folder/events/000005.json"
printf '{"reason":"a long story"}' > "$folder/events/000006.json"
reference failed "file://$folder/events/000006.json"
exit 1"#;
    let orchestrator = Orchestrator::start(database, script).await;
    let (job, _) = run(&orchestrator).await;
    assert_eq!(job["reason"], "a long story");
    let id = job["id"].as_str().unwrap();
    let events = orchestrator.client.events(id, 4).await;
    let bodies: Vec<&Value> = events.iter().map(|event| &event.data["body"]).collect();
    assert_eq!(bodies[0]["message"], "from the store");
    for (body, name) in bodies[1..4]
        .iter()
        .zip(["missing.json", "/etc/hostname", "000005.json"])
    {
        assert_eq!(body.as_object().unwrap().len(), 1);
        assert!(body["uri"].as_str().unwrap().ends_with(name), "{body}");
    }
}

async fn cancel_while_running(database: TestDatabase) {
    // Ends only when it is asked to, and takes its time.
    let polite = "trap 'interrupted \"stopped by SIGTERM\"; exit 143' TERM; started; while :; do sleep 0.1; done";
    // Has to be forced, with its children.
    let stubborn = "trap '' TERM; started; sleep 1000 & while :; do sleep 0.1; done";
    let orchestrator = Orchestrator::start(database, "").await;
    let client = &orchestrator.client;
    for script in [polite, stubborn] {
        generator::script(orchestrator.folder.path(), script);
        let id = client.submit("stop me").await;
        client.has_events(&id, 3).await;
        let job = client.cancel(&id).await;
        assert_eq!(job["state"], "running");
        client.cancel(&id).await;
        let job = client.ended(&id).await;
        assert_eq!(job["state"], "cancelled", "{job}");
        assert_eq!(job["reason"], "cancelled on request");
        eventually("the end of all its processes", async || {
            processes_of(&id).is_empty().then_some(())
        })
        .await;
        assert_eq!(client.cancel(&id).await, job);
    }
}

async fn silence(database: TestDatabase) {
    let options = Options {
        generator: "started; log 'and then nothing'; sleep 1000",
        variables: vec![("JOB_IDLE_TIMEOUT_SECS", "1".to_owned())],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let (job, _) = run(&orchestrator).await;
    assert_eq!(job["state"], "timed_out");
    assert_eq!(
        job["reason"],
        "the generator gave no sign of life for 1 seconds"
    );
}

async fn too_long(database: TestDatabase) {
    let options = Options {
        generator: "started; while :; do log busy; sleep 0.1; done",
        variables: vec![("JOB_TIMEOUT_SECS", "1".to_owned())],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let (job, _) = run(&orchestrator).await;
    assert_eq!(job["state"], "timed_out");
    assert_eq!(job["reason"], "the job took longer than 1 seconds");
}

async fn lingers_after_the_last_event(database: TestDatabase) {
    let options = Options {
        generator: "started; artifact; succeeded; sleep 1000",
        stop_grace: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let (job, _) = run(&orchestrator).await;
    assert_eq!(job["state"], "succeeded", "{job}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_the_orchestrator_do_not_reach_the_generator() {
    let script = r#"started; log "$(env | cut -d= -f1 | sort | tr '\n' ' ')"; artifact; succeeded"#;
    let options = Options {
        generator: script,
        variables: vec![
            ("SUPABASE_SERVICE_ROLE_KEY", "secret".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("GENERATOR_ENVIRONMENT", r#"{"EXTRA":"1"}"#.to_owned()),
        ],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    let id = orchestrator.client.submit("what do you see").await;
    orchestrator.client.ended(&id).await;
    let events = orchestrator.client.events(&id, 0).await;
    let names: Vec<&str> = messages(&events)[0].split_whitespace().collect();
    assert_eq!(
        names,
        [
            "AWS_REGION",
            "EXTRA",
            "JOB_LIFETIME_SECS",
            "JOB_SPEC_URI",
            "PATH",
            "PWD"
        ]
    );
}
