//! Event lines, as the orchestrator meets them: written by a generator, cut, damaged or made up.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod random;

use crate::random::{Random, raw};
use app_gen_contract::{
    Body, Event, LineError, LogLevel, MAX_LINE_BYTES, Payload, StageState, parse_line,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

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
