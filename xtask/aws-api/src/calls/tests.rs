use super::*;
use crate::calls::logs::LogRecord;
use crate::calls::secrets::SetSecret;
use crate::calls::stream_item::StreamItem;
use crate::calls::tasks::{Meaning, Task, TaskRun, TaskState};
use crate::{ErrorBody, ErrorObject, SecretText, StopReason};
use serde_json::json;
use std::collections::BTreeSet;

fn envelope(request: impl Into<Request>) -> Envelope {
    Envelope {
        environment: "dev".to_owned(),
        manifest: None,
        endpoint: None,
        request: request.into(),
    }
}

#[test]
fn a_request_is_one_flat_object_in_its_envelope() {
    let sent = envelope(SetSecret {
        secret: "generator".to_owned(),
        key: "TOKEN".to_owned(),
        value: SecretText::from("hunter2"),
    });
    let json = serde_json::to_value(&sent).expect("JSON");
    assert_eq!(
        json,
        json!({ "environment": "dev", "request": {
            "call": "set-secret", "secret": "generator", "key": "TOKEN", "value": "hunter2"
        } })
    );
    let received: Envelope = serde_json::from_value(json).expect("an envelope");
    assert_eq!(received, sent);
    assert!(!format!("{received:?}").contains("hunter2"));
}

#[test]
fn what_no_request_has_is_refused_by_name() {
    let refused = |request| {
        let json = json!({ "environment": "dev", "request": request });
        let read: Result<Envelope, _> = serde_json::from_value(json);
        read.expect_err("a refusal").to_string()
    };
    let unknown = refused(json!({ "call": "identify" }));
    assert!(
        unknown.contains("identify") && unknown.contains("get-identity"),
        "{unknown}"
    );
    let more = refused(json!({ "call": "get-identity", "typo": 1 }));
    assert!(more.contains("typo"), "{more}");
    let less = refused(json!({ "call": "empty-bucket" }));
    assert!(less.contains("name"), "{less}");
    let secret = refused(json!({
        "call": "set-secret", "secret": "generator", "key": "TOKEN", "value": 8_675_309
    }));
    assert!(!secret.contains("8675309"), "{secret}");
}

#[test]
fn no_two_requests_share_a_name() {
    let names: BTreeSet<_> = Request::NAMES.iter().collect();
    assert_eq!(names.len(), Request::NAMES.len());
}

#[test]
fn items_of_a_stream_are_told_apart() {
    let task = Task {
        id: "0123".to_owned(),
        kind: "generator".to_owned(),
        meaning: Some(Meaning {
            reason: StopReason::Exit(3),
            says: "the container exited with code 3".to_owned(),
            hint: None,
        }),
        state: TaskState {
            status: "STOPPED".to_owned(),
            exit_code: Some(3),
            ..TaskState::default()
        },
        ..Task::default()
    };
    let error = ErrorBody {
        message: "task 0123 failed".to_owned(),
        ..ErrorBody::default()
    };
    let ended = |error| {
        StreamItem::Ended(Box::new(TaskRun {
            task: task.clone(),
            log: None,
            error,
        }))
    };
    for item in [
        StreamItem::Line(LogRecord {
            task: Some("0123".to_owned()),
            message: "a line".to_owned(),
            ..LogRecord::default()
        }),
        ended(None),
        // Both a task and an error.
        ended(Some(error.clone())),
        StreamItem::Failed(ErrorObject { error }),
    ] {
        let json = serde_json::to_string(&item).expect("JSON");
        assert_eq!(
            serde_json::from_str::<StreamItem>(&json).expect("an item"),
            item,
            "{json}"
        );
    }
}
