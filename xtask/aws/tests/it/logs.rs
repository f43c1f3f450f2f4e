//! Logs as they are and as they come: every line once, late and many ones too.

use crate::support::sdk::Sdk;
use crate::support::services::TestService;
use crate::support::{Space, definition, run_task, tool};
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use xtask_aws_api::calls::Stream;
use xtask_aws_api::calls::logs::{LogSource, ReadLogs};
use xtask_aws_api::calls::tasks::{ListTasks, StreamTask, WhichTasks};

/// A thousand numbered lines a second, a hundred at a time.
const CHATTY: &str = r#"FROM debian:trixie-slim
ENTRYPOINT ["/usr/bin/perl", "-e", "$| = 1; for my $n (1 .. 1000 * $ENV{SECONDS}) { print qq(line $n\\n); select(undef, undef, undef, 0.1) if $n % 100 == 0 }"]
"#;

/// How long the many lines come; the figures in the documentation are of a minute.
fn soak_secs() -> u64 {
    let set = std::env::var("APP_GEN_SOAK_SECS").ok();
    set.map_or(8, |text| text.parse().expect("seconds"))
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("now");
    i64::try_from(now.as_millis()).expect("small")
}

/// Lines of a group, written by hand.
struct Written<'a> {
    sdk: &'a Sdk,
    group: &'a str,
}

impl<'a> Written<'a> {
    /// The group that the binary takes for that of the generator.
    fn of(service: &'a TestService) -> Self {
        Self {
            sdk: &service.sdk,
            group: service.log_group(),
        }
    }

    fn put(&self, stream: &str, lines: &[(i64, &str)]) {
        let (logs, group) = (self.sdk.logs(), self.group);
        self.sdk.run(async {
            let stream_request = logs.create_log_stream().log_group_name(group);
            // It may be there.
            let _ = stream_request.log_stream_name(stream).send().await;
            let events = lines.iter().map(|(time_ms, message)| {
                InputLogEvent::builder()
                    .timestamp(*time_ms)
                    .message(*message)
                    .build()
                    .expect("an event")
            });
            logs.put_log_events()
                .log_group_name(group)
                .log_stream_name(stream)
                .set_log_events(Some(events.collect()))
                .send()
                .await
                .expect("written");
        });
    }
}

/// The group where EventBridge writes which tasks failed; removed when it is dropped.
struct FailureLog<'a> {
    sdk: &'a Sdk,
    group: String,
}

impl<'a> FailureLog<'a> {
    fn new(sdk: &'a Sdk, space: &Space) -> Self {
        let group = format!("/aws/events/{}-task-failures", space.name);
        let request = sdk.logs().create_log_group().log_group_name(&group);
        sdk.run(request.send()).expect("a log group");
        Self { sdk, group }
    }
}

impl Drop for FailureLog<'_> {
    fn drop(&mut self) {
        let request = self.sdk.logs().delete_log_group();
        let _ = self.sdk.run(request.log_group_name(&self.group).send());
    }
}

/// A call that prints an object a line, read while it runs. Each object must be exactly what the
/// contract says.
struct Streaming {
    child: Child,
    reader: JoinHandle<Vec<Value>>,
}

impl Streaming {
    fn new<R: Stream>(service: &TestService, request: R) -> Self {
        let mut child = service.space.command(request).spawn().expect("started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let reader = std::thread::spawn(move || {
            let parse = |line: std::io::Result<String>| {
                let line = line.expect("UTF-8");
                let item: R::Item = serde_json::from_str(&line).expect("an item");
                let value: Value = serde_json::from_str(&line).expect("a JSON line");
                assert_eq!(serde_json::to_value(item).expect("JSON"), value);
                value
            };
            stdout.lines().map(parse).collect()
        });
        Self { child, reader }
    }

    fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let figure = line.and_then(|line| line.split_whitespace().nth(1));
        figure.map_or(0, |figure| figure.parse().expect("KiB"))
    }

    fn interrupt(self) -> (ExitStatus, Vec<Value>) {
        tool("kill", &["-INT", &self.child.id().to_string()], &[], "");
        self.end()
    }

    fn end(mut self) -> (ExitStatus, Vec<Value>) {
        let lines = self.reader.join().expect("read");
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("stderr");
        stderr.read_to_string(&mut said).expect("UTF-8");
        (self.child.wait().expect("ended"), lines)
    }
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect()
}

/// A request for the lines of the generator.
fn of_generator() -> ReadLogs {
    ReadLogs {
        of: LogSource::Some {
            services: Vec::new(),
            task_kinds: vec!["generator".to_owned()],
        },
        job: None,
        since_ms: None,
        filter: None,
        follow: false,
        tail: None,
    }
}

fn following() -> ReadLogs {
    ReadLogs {
        follow: true,
        ..of_generator()
    }
}

fn read(service: &TestService, request: ReadLogs) -> Vec<Value> {
    let (status, lines) = Streaming::new(service, request).end();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    lines
}

#[test]
fn lines_are_read_in_the_order_of_their_times() {
    let service = TestService::deployed("logs");
    let written = Written::of(&service);
    let now = now_ms();
    let (old, hour) = (now - 30 * 60_000, 3_600_000);
    written.put(
        "ecs/app/one",
        &[(old, "old"), (now - 30, "a"), (now - 10, "c x")],
    );
    written.put("ecs/app/two", &[(now - 20, "b x"), (now, "d")]);
    let lines = read(&service, of_generator());
    assert_eq!(messages(&lines), ["a", "b x", "c x", "d"]);
    assert_eq!(
        json!([
            lines[0]["source"],
            lines[0]["group"],
            lines[0]["stream"],
            lines[0]["task"],
            lines[0]["time_ms"]
        ]),
        json!([
            "generator",
            service.log_group(),
            "ecs/app/one",
            "one",
            now - 30
        ])
    );
    let filtered = ReadLogs {
        filter: Some("x".to_owned()),
        ..of_generator()
    };
    assert_eq!(messages(&read(&service, filtered)), ["b x", "c x"]);
    let tail = |lines| ReadLogs {
        tail: Some(lines),
        ..of_generator()
    };
    assert_eq!(messages(&read(&service, tail(2))), ["c x", "d"]);
    assert_eq!(messages(&read(&service, tail(9))).len(), 5);
    let since = ReadLogs {
        since_ms: Some(now - hour),
        ..of_generator()
    };
    assert_eq!(messages(&read(&service, since)).len(), 5);
    // What is about a job, wherever it was written.
    let job = ReadLogs {
        job: Some("c".to_owned()),
        ..of_generator()
    };
    assert_eq!(messages(&read(&service, job)), ["c x"]);

    let unknown = service.space.call(ReadLogs {
        of: LogSource::Some {
            services: vec!["nobody".to_owned()],
            task_kinds: Vec::new(),
        },
        ..of_generator()
    });
    assert_eq!(unknown.exit_code, Some(2), "{}", unknown.stdout);
    let task = service.space.call(ReadLogs {
        of: LogSource::Task("nothing".to_owned()),
        ..of_generator()
    });
    assert_eq!(task.exit_code, Some(8), "{}", task.stdout);
    let logs = service.sdk.logs();
    let request = logs.delete_log_group().log_group_name(service.log_group());
    service.sdk.run(request.send()).expect("deleted");
    let gone = service.space.call(of_generator());
    assert_eq!(
        json!([gone.exit_code, gone.json["error"]["hint"]]),
        json!([8, "cargo xtask deploy --env local"])
    );
}

#[test]
fn what_comes_is_followed_with_late_lines_until_the_interrupt() {
    let service = TestService::deployed("follow-logs");
    let written = Written::of(&service);
    let now = now_ms();
    written.put("ecs/app/one", &[(now - 5_000, "before")]);
    let streaming = Streaming::new(&service, following());
    std::thread::sleep(Duration::from_millis(1_500));
    written.put("ecs/app/one", &[(now_ms(), "now")]);
    std::thread::sleep(Duration::from_millis(1_500));
    written.put("ecs/app/two", &[(now - 4_000, "late")]);
    std::thread::sleep(Duration::from_millis(2_500));
    let (status, mut lines) = streaming.interrupt();
    assert_eq!(status.code(), Some(130), "{lines:?}");
    let error = lines.pop().expect("an error");
    assert_eq!(
        error["error"]["message"],
        json!("interrupted while logs were read")
    );
    assert_eq!(messages(&lines), ["before", "now", "late"]);
}

#[test]
fn a_thousand_lines_a_second_are_followed_without_loss_and_without_growth() {
    let mut service = TestService::deployed("soak");
    let image = service.push("chatty", CHATTY, None);
    let seconds = soak_secs();
    let chatty = service.define(&image, &[("SECONDS", &seconds.to_string())], None);
    let following = Streaming::new(&service, following());
    let task = run_task(definition(service.cluster(), &chatty), &[]);
    let running = Streaming::new(&service, StreamTask { task });
    let begin = Instant::now();
    let mut sizes = Vec::new();
    let mut running = running;
    while running.child.try_wait().expect("status").is_none() {
        sizes.push((following.rss_kib(), running.rss_kib()));
        assert!(
            begin.elapsed() < Duration::from_secs(seconds + 120),
            "it does not end"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    let (status, mut ran) = running.end();
    std::thread::sleep(Duration::from_secs(3));
    let (interrupted, followed) = following.interrupt();

    let ended = ran.pop().expect("an end");
    assert_eq!(status.code(), Some(0), "{ended}");
    assert_eq!(ended["task"]["exit_code"], json!(0));
    assert_eq!(interrupted.code(), Some(130));
    let wanted: Vec<String> = (1..=1_000 * seconds).map(|n| format!("line {n}")).collect();
    for lines in [&ran, &followed] {
        let mut streams: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["stream"].is_string()) {
            let stream = line["stream"].as_str().expect("a stream");
            let message = line["message"].as_str().expect("a message");
            streams.entry(stream).or_default().push(message);
        }
        assert_eq!(streams.len(), 1);
        for told in streams.values() {
            assert_eq!(told.len(), wanted.len());
            assert!(
                told.iter().eq(wanted.iter()),
                "not every line once and in order"
            );
        }
    }
    // A page of ten thousand lines is what it may hold at a time.
    let most = sizes
        .iter()
        .map(|(a, b)| *a.max(b))
        .max()
        .unwrap_or_default();
    assert!(most < 64 * 1024, "KiB of follow and run: {sizes:?}");
}

#[test]
fn failures_are_listed_when_ecs_has_long_forgotten_them() {
    let (space, sdk) = (Space::new("failures"), Sdk::new());
    let now = now_ms();
    let failed = |hours: i64| ListTasks {
        which: WhichTasks::FailedSinceMs(now - hours * 3_600_000),
        log_lines: None,
    };
    let missing = space.call(failed(3));
    assert_eq!(missing.exit_code, Some(8), "{}", missing.stdout);
    assert_eq!(
        missing.json["error"]["hint"],
        json!("cargo xtask deploy --env local")
    );

    let log = FailureLog::new(&sdk, &space);
    let event = |id: &str, family: String, code: &str, container: Value| {
        let cluster = format!("us-east-1:000000000000:task/{}-cluster", space.name);
        json!({ "detail-type": "ECS Task State Change", "source": "aws.ecs", "detail": {
            "taskArn": format!("arn:aws:ecs:{cluster}/{id}"), "lastStatus": "STOPPED",
            "taskDefinitionArn": format!("arn:aws:ecs:us-east-1:0:task-definition/{family}:3"),
            "stopCode": code, "stoppedAt": "2026-11-28T08:00:30.5Z", "containers": [container],
        } })
        .to_string()
    };
    let pull = json!({ "name": "app", "reason": "CannotPullContainerError: not found" });
    let memory = json!({ "name": "app", "exitCode": 137, "reason": "OutOfMemoryError: killed" });
    let app = event(
        "a",
        format!("{}-app", space.name),
        "TaskFailedToStart",
        pull,
    );
    let generator = event("b", space.name.clone(), "EssentialContainerExited", memory);
    let written = Written {
        sdk: &sdk,
        group: &log.group,
    };
    let two_hours_ago = now - 2 * 3_600_000;
    written.put("1", &[(two_hours_ago, &app), (now - 30_000, &generator)]);
    let told = |hours| -> Value {
        let listed = space.ok(failed(hours));
        let told = |task: &Value| {
            json!([
                task["task"],
                task["kind"],
                task["exit_code"],
                task["meaning"]["name"]
            ])
        };
        listed["tasks"]
            .as_array()
            .expect("tasks")
            .iter()
            .map(told)
            .collect()
    };
    let newest = json!(["b", "generator", 137, "memory"]);
    let oldest = json!(["a", "orchestrator", null, "image-missing"]);
    assert_eq!(told(1), json!([newest]));
    assert_eq!(told(3), json!([newest, oldest]));
}
