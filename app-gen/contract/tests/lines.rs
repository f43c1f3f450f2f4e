//! Event lines, as the orchestrator meets them: written by a generator, cut, damaged or made up.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use app_gen_contract::{
    Activity, AgentUsage, ApprovalPoint, Body, Change, CheckOutcome, Event, Excerpt, LineError,
    LogLevel, MAX_LINE_BYTES, Payload, RawJson, StageState, Tokens, parse_line,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// Small deterministic generator of random numbers (SplitMix64), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn text(&mut self, max_characters: usize) -> String {
        const ODD: [char; 15] = [
            '"', '\\', '\n', '\r', '\0', '\u{7f}', '\u{2028}', '\u{2029}', '\u{85}', '\u{202e}',
            '\u{fffd}', '😀', 'é', '{', '\u{ffff}',
        ];
        let length = self.below(max_characters + 1);
        (0..length)
            .map(|_| match self.below(3) {
                0 => ODD[self.below(ODD.len())],
                1 => char::from(b'a' + u8::try_from(self.below(26)).unwrap()),
                _ => char::from_u32(u32::try_from(self.below(0x11_0000)).unwrap()).unwrap_or(' '),
            })
            .collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn number(&mut self) -> u32 {
        u32::try_from(self.below(100)).unwrap() + 1
    }

    fn time(&mut self) -> OffsetDateTime {
        let milliseconds = i64::try_from(self.next() % 4_000_000_000_000).unwrap();
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).unwrap()
    }

    fn excerpt(&mut self) -> Excerpt {
        Excerpt::new(&self.text(1_800))
    }

    fn activity(&mut self) -> Activity {
        match self.below(14) {
            0 => Activity::Started {
                provider: self.text(10),
                workspace: self.text(64),
            },
            1 => Activity::Session {
                id: self.text(36),
                version: self.maybe(|random| random.text(10)),
                is_pinned: self.below(2) == 0,
                model: self.maybe(|random| random.text(20)),
            },
            2 => Activity::Said {
                text: self.excerpt(),
                helper_of: self.maybe(|random| random.text(10)),
            },
            3 => Activity::Thought {
                text: self.excerpt(),
                helper_of: None,
            },
            4 => Activity::ToolStarted {
                id: self.text(10),
                name: self.text(10),
                input: self.excerpt(),
                helper_of: self.maybe(|random| random.text(10)),
            },
            5 => Activity::ToolEnded {
                id: self.text(10),
                result: self.excerpt(),
                is_error: self.below(2) == 0,
            },
            6 => Activity::FileChanged {
                path: self.text(40),
                change: [Change::Created, Change::Edited, Change::Removed][self.below(3)],
            },
            7 => Activity::Waiting {
                attempt: self.next(),
                attempts: self.maybe(Self::next),
                delay_millis: self.maybe(Self::next),
                status: self.maybe(|_| 529),
                reason: self.text(40),
            },
            8 => Activity::RateLimit {
                is_rejected: self.below(2) == 0,
                resets_at: self.maybe(Self::time),
                limit: self.maybe(|random| random.text(10)),
            },
            9 => Activity::Used {
                usage: AgentUsage {
                    input_tokens: self.next(),
                    cache_read_tokens: self.next(),
                    cache_write_tokens: self.next(),
                    output_tokens: self.next(),
                    micro_usd: self.maybe(Self::next),
                },
            },
            10 => Activity::Trouble {
                message: self.excerpt(),
            },
            11 => Activity::Ended {
                is_success: self.below(2) == 0,
                text: self.excerpt(),
            },
            12 => Activity::Noted {
                event: self.text(20),
            },
            _ => Activity::Unknown {
                line: self.excerpt(),
            },
        }
    }

    fn body(&mut self) -> Body {
        match self.below(16) {
            0 => Body::Started {
                generator_version: self.text(10),
                attempt: self.number(),
                providers: (0..self.below(3))
                    .map(|_| (self.text(10), self.maybe(|random| random.text(10))))
                    .collect(),
            },
            1 => Body::Stage {
                name: self.text(10),
                state: [StageState::Running, StageState::Done, StageState::Failed][self.below(3)],
                detail: self.maybe(|random| random.text(40)),
            },
            2 => Body::Log {
                level: [LogLevel::Info, LogLevel::Warn, LogLevel::Error][self.below(3)],
                message: self.text(300),
            },
            3 => Body::Heartbeat {},
            4 => Body::Artifact {
                name: self.text(10),
                uri: self.text(50),
                size_bytes: self.next(),
                sha256: self.text(64),
            },
            5 => Body::Succeeded {
                summary: self.text(100),
            },
            6 => Body::Failed {
                reason: self.text(100),
                hint: self.maybe(|random| random.text(40)),
            },
            7 => Body::Activity {
                role: self.text(10),
                stage: self.text(10),
                what: self.activity(),
            },
            8 => Body::Check {
                name: self.text(10),
                outcome: [
                    CheckOutcome::Passed,
                    CheckOutcome::Failed,
                    CheckOutcome::Skipped,
                ][self.below(3)],
                detail: self.maybe(|random| random.text(200)),
                seconds: self.next(),
            },
            9 => Body::Commit {
                iteration: self.number(),
                commit: self.text(40),
                role: self.text(10),
                message: self.text(100),
                diff: self.text(500),
            },
            10 => Body::Usage {
                role: self.text(10),
                stage: self.text(10),
                provider: self.text(10),
                model: self.text(20),
                tokens: Tokens {
                    input: self.next(),
                    cache_read: self.next(),
                    cache_write: self.next(),
                    cache_write_long: self.next(),
                    output: self.next(),
                    thinking: self.next(),
                },
                micro_usd: self.maybe(Self::next),
            },
            11 => Body::Checkpoint {
                number: self.number(),
                commit: self.text(40),
            },
            12 => Body::WaitingApproval {
                point: [ApprovalPoint::BeforeBuild, ApprovalPoint::BeforePublish][self.below(2)],
                question: self.text(100),
                artifact_uri: self.maybe(|random| random.text(50)),
            },
            13 => Body::WaitingLimit {
                provider: self.text(10),
                until: self.maybe(Self::time),
                detail: self.text(100),
            },
            14 => Body::Interrupted {
                reason: self.text(100),
            },
            _ => Body::Unknown {
                kind: "plan".to_owned(),
                body: raw(&json!({ "text": self.text(50) })),
            },
        }
    }

    fn event(&mut self) -> Event {
        // Less than a millisecond is cut.
        let time = self.time() + time::Duration::nanoseconds(123);
        let sequence = self.next() >> 1 | 1;
        let event = Event::new(
            "01890a5d-ac96-774b-bcce-b302099a8057",
            sequence,
            time,
            self.body(),
        );
        if self.below(5) == 0 {
            event.by_reference("s3://bucket/jobs/1/events/000001.json")
        } else {
            event
        }
    }
}

fn raw(value: &Value) -> RawJson {
    RawJson::parse(value.to_string().as_bytes()).unwrap()
}

#[test]
fn every_event_comes_back_from_its_line() {
    let mut random = Random(1);
    for _ in 0..2_000 {
        let event = random.event();
        let line = event.to_line().unwrap();
        let ends_line = |character: &char| {
            matches!(
                character,
                '\0'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let found: Vec<char> = line.chars().filter(ends_line).collect();
        assert_eq!(found, ['\n'], "{line:?}");
        assert_eq!(parse_line(line.as_bytes()), Ok(event.clone()));
        assert_eq!(parse_line(line.trim_end().as_bytes()), Ok(event));
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let length = random.below(200);
        let bytes: Vec<u8> = (0..length)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        assert!(parse_line(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn damaged_lines_are_refused_or_read_but_never_panic() {
    let mut random = Random(3);
    for _ in 0..5_000 {
        let line = random.event().to_line().unwrap();
        let cut = &line.as_bytes()[..random.below(line.len() - 1)];
        assert!(parse_line(cut).is_err(), "{cut:?}");
        let mut bytes = line.into_bytes();
        let position = random.below(bytes.len());
        bytes[position] = random.next().to_le_bytes()[0];
        if let Err(error) = parse_line(&bytes) {
            let text = error.to_string();
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(text.chars().count() < 300, "{text:?}");
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    let line = format!("{}{}", "[".repeat(7_000), "]".repeat(7_000));
    assert!(matches!(
        parse_line(line.as_bytes()),
        Err(LineError::NotJson { .. })
    ));
}

fn log_event(message_bytes: usize) -> Event {
    let body = Body::Log {
        level: LogLevel::Info,
        message: "m".repeat(message_bytes),
    };
    Event::new("job", 1, OffsetDateTime::UNIX_EPOCH, body)
}

#[test]
fn the_limit_is_the_same_for_writer_and_reader() {
    let overhead = log_event(0).to_line().unwrap().len();
    let longest = log_event(MAX_LINE_BYTES - overhead);
    let line = longest.to_line().unwrap();
    assert_eq!(line.len(), MAX_LINE_BYTES);
    assert_eq!(parse_line(line.as_bytes()), Ok(longest));

    let too_long = log_event(MAX_LINE_BYTES - overhead + 1);
    assert_eq!(too_long.to_line().unwrap_err().bytes, MAX_LINE_BYTES + 1);
    let mut bytes = line.into_bytes();
    bytes.insert(1, b' ');
    assert_eq!(
        parse_line(&bytes),
        Err(LineError::TooLong {
            bytes: MAX_LINE_BYTES + 1
        })
    );
    assert_eq!(
        parse_line(bytes.trim_ascii_end()),
        Err(LineError::TooLong {
            bytes: MAX_LINE_BYTES + 1
        })
    );
    assert_eq!(
        parse_line(&vec![0xff; 1_000_000]),
        Err(LineError::TooLong { bytes: 1_000_001 }),
        "size is checked before anything else"
    );

    let reference = too_long.by_reference("file:///out/events/000001.json");
    let event = parse_line(reference.to_line().unwrap().as_bytes()).unwrap();
    assert_eq!((event.kind(), event.body()), ("log", None));
    assert_eq!(event.body_uri(), Some("file:///out/events/000001.json"));
}

fn valid_line() -> Value {
    json!({
        "version": 2, "job_id": "job", "sequence": 3, "time": "2026-11-20T10:00:00.123Z",
        "type": "stage", "body": { "name": "build", "state": "running" },
    })
}

fn with(field: &str, value: Value) -> Result<Event, LineError> {
    let mut line = valid_line();
    line[field] = value;
    parse_line(line.to_string().as_bytes())
}

fn without(field: &str) -> Result<Event, LineError> {
    let mut line = valid_line();
    line.as_object_mut().unwrap().remove(field);
    parse_line(line.to_string().as_bytes())
}

#[test]
fn the_wire_form_is_the_documented_one() {
    let event = parse_line(valid_line().to_string().as_bytes()).unwrap();
    assert_eq!(event.time_text(), "2026-11-20T10:00:00.123Z");
    let body = Body::Stage {
        name: "build".to_owned(),
        state: StageState::Running,
        detail: None,
    };
    assert_eq!(event.payload, Payload::Inline(body));
    assert_eq!(
        serde_json::from_str::<Value>(&event.to_line().unwrap()).unwrap(),
        valid_line()
    );

    let heartbeat = Event::new("job", 1, OffsetDateTime::UNIX_EPOCH, Body::Heartbeat {});
    let line: Value = serde_json::from_str(&heartbeat.to_line().unwrap()).unwrap();
    assert_eq!(
        (&line["type"], &line["body"]),
        (&json!("heartbeat"), &json!({}))
    );
    assert_eq!(line["time"], "1970-01-01T00:00:00.000Z");
}

#[test]
fn what_a_newer_generator_adds_is_tolerated() {
    assert_eq!(
        with("mood", json!("good")),
        parse_line(valid_line().to_string().as_bytes())
    );
    assert!(with("body", json!({ "name": "a", "state": "done", "cost": 1 })).is_ok());
    let skipped = with("body", json!({ "name": "a", "state": "skipped" })).unwrap();
    let body = Body::Stage {
        name: "a".to_owned(),
        state: StageState::Unknown,
        detail: None,
    };
    assert_eq!(skipped.body(), Some(&body));
    let unknown = with("type", json!("approval")).unwrap();
    let body = Body::Unknown {
        kind: "approval".to_owned(),
        body: raw(&valid_line()["body"]),
    };
    assert_eq!(
        (unknown.kind(), unknown.body(), unknown.is_ending()),
        ("approval", Some(&body), false)
    );
}

#[test]
fn refusals_name_the_field() {
    let message = |result: Result<Event, LineError>| result.unwrap_err().to_string();
    assert_eq!(
        message(with("version", json!(1))),
        "line has version 1, this program reads version 2"
    );
    assert_eq!(
        message(with("version", json!("2"))),
        "line has version \"2\", this program reads version 2"
    );
    assert_eq!(
        message(without("version")),
        "line has version none, this program reads version 2"
    );
    assert_eq!(
        message(parse_line(b"17")),
        "line has version none, this program reads version 2"
    );
    assert_eq!(message(parse_line(b"")), "line is not JSON: ");
    assert_eq!(
        message(parse_line(b"npm warn \x1b[33mold\n")),
        "line is not JSON: npm warn  [33mold"
    );
    assert_eq!(
        message(parse_line(b"caf\xe9\n")),
        "line is not UTF-8: caf\u{fffd}"
    );
    assert_eq!(
        message(with("job_id", json!("a b"))),
        "line's job_id \"a b\" is not [A-Za-z0-9_-]{1,64}"
    );
    for sequence in [json!(0), json!(-1), json!(1.5), json!("1"), json!(u64::MAX)] {
        assert_eq!(
            message(with("sequence", sequence)),
            "line's sequence is not an integer from 1"
        );
    }
    assert!(message(with("time", json!("yesterday"))).starts_with("line's time \"yesterday\""));
    assert!(message(with("time", json!("0000-01-01T00:00:00+01:00"))).starts_with("line's time"));
    assert_eq!(message(without("type")), "line's type is missing");
    assert_eq!(message(without("body")), "line's body is missing");
    assert_eq!(
        message(with("body_uri", json!("s3://b/k"))),
        "line's body is given together with a body_uri"
    );
    assert_eq!(
        message(with("body", json!({ "name": "a" }))),
        "line's body of type stage: missing field `state`"
    );
    assert!(message(with("body", json!(null))).starts_with("line's body of type stage:"));
}

#[test]
fn bodies_can_be_read_alone() {
    let mut random = Random(4);
    for _ in 0..200 {
        let body = random.body();
        assert_eq!(Body::from_json(body.kind(), &body.to_json()).unwrap(), body);
    }
    assert!(Body::from_json("failed", r#"{"hint":"x"}"#).is_err());
}

/// CloudWatch Logs hold U+FFFD where a task wrote bytes that are not UTF-8.
#[test]
fn a_replacement_character_of_a_log_collector_is_not_utf8() {
    let line = br#"{"version":2,"job_id":"a","sequence":1,"time":"2026-01-02T03:04:05Z","type":"log","body":{"level":"info","message":"x"}}"#;
    assert!(parse_line(line).is_ok());
    let replaced = String::from_utf8_lossy(line).replace("\"x\"", "\"\u{fffd}\"");
    assert!(matches!(
        parse_line(replaced.as_bytes()),
        Err(LineError::NotUtf8 { .. })
    ));
}

/// The last event of an attempt is one of five, and a body elsewhere does not hide it.
#[test]
fn five_types_are_endings() {
    let mut random = Random(5);
    let mut endings = std::collections::BTreeSet::new();
    for _ in 0..1_000 {
        let event = random.event();
        assert_eq!(
            event.by_reference("s3://b/k").is_ending(),
            event.is_ending()
        );
        if event.is_ending() {
            endings.insert(event.kind().to_owned());
        }
    }
    let five = [
        "failed",
        "interrupted",
        "succeeded",
        "waiting_approval",
        "waiting_limit",
    ];
    assert!(endings.iter().eq(five), "{endings:?}");
}

/// Providers name times in seconds of their choice.
#[test]
fn a_nonsensical_time_of_a_limit_loses_no_event() {
    // In UTC it is in the year 10000.
    let until = time::macros::datetime!(9999-12-31 23:59 -10);
    let body = Body::WaitingLimit {
        provider: "claude".to_owned(),
        until: Some(until),
        detail: "later".to_owned(),
    };
    let event = Event::new("job", 1, OffsetDateTime::UNIX_EPOCH, body);
    let line = event.to_line().unwrap();
    let read = parse_line(line.as_bytes()).unwrap();
    let body = Body::WaitingLimit {
        provider: "claude".to_owned(),
        until: None,
        detail: "later".to_owned(),
    };
    assert_eq!(read.body(), Some(&body), "{line}");
}
