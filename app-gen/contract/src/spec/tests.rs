//! What a spec may hold, and its wire form.

use crate::spec::*;

fn spec() -> JobSpec {
    JobSpec::new(
        "job-1",
        " a list of books ",
        "template",
        "s3://bucket/jobs/job-1/",
    )
    .unwrap()
}

#[test]
fn round_trip() {
    let spec = spec();
    assert_eq!(spec.description, "a list of books");
    assert_eq!(spec.artifact_uri, "s3://bucket/jobs/job-1");
    assert_eq!(JobSpec::from_json(spec.to_json().as_bytes()), Ok(spec));
}

#[test]
fn the_longest_description_fits() {
    let description = "\u{1}".repeat(MAX_DESCRIPTION_CHARS - 2);
    let spec = JobSpec::new("j", &format!("x{description}x"), "template", "file:///out").unwrap();
    assert_eq!(JobSpec::from_json(spec.to_json().as_bytes()), Ok(spec));
}

#[test]
fn refusals_name_the_field() {
    let refusal = |json: &str| JobSpec::from_json(json.as_bytes()).unwrap_err().to_string();
    let with = |field: &str, value: serde_json::Value| {
        let mut json = serde_json::json!(spec());
        json[field] = value;
        refusal(&json.to_string())
    };
    assert!(refusal("{").starts_with("job spec is not valid JSON"));
    assert!(refusal("[]").contains("version none"));
    assert!(refusal(r#"{"version":2}"#).contains("missing field `job_id`"));
    assert_eq!(
        with("version", 1.into()),
        "job spec has version 1, this program reads version 2"
    );
    assert!(with("job_id", "a/../b".into()).starts_with("job_id \"a/../b\" is not"));
    assert!(with("job_id", "".into()).starts_with("job_id"));
    assert_eq!(with("description", " \n ".into()), "description is empty");
    assert!(with("description", "é".repeat(4001).into()).contains("4001 characters"));
    assert!(with("description", "a\0b".into()).contains("NUL"));
    assert!(with("provider", "Template!".into()).starts_with("provider"));
    for uri in [
        "http://x/y",
        "s3://",
        "s3://b/../c",
        "file://host/x",
        "file:///",
        "s3://b//c",
        "s3://b/a\nb",
    ] {
        assert!(
            with("artifact_uri", uri.into()).starts_with("artifact_uri"),
            "{uri}"
        );
    }
    assert!(refusal(&" ".repeat(MAX_SPEC_BYTES + 1)).contains("more than 131072"));
}

/// What a later attempt to change an application may be asked.
fn change() -> JobSpec {
    let spec = JobSpec {
        kind: JobKind::Change,
        start_from: Some(StartFrom {
            bundle_uri: "s3://bucket/jobs/job-0/app.bundle".to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        }),
        attempt: Attempt {
            number: 2,
            after_sequence: 17,
            used: Used {
                micro_usd: 1_250_000,
                tokens: 90_000,
                seconds: 61,
                iterations: 3,
            },
            checkpoint: Some(CheckpointId {
                attempt: 1,
                number: 4,
            }),
            decision: Some(Decided {
                point: ApprovalPoint::BeforePublish,
                decision: Decision::Rejected {
                    reason: " too blue ".to_owned(),
                },
            }),
        },
        roles: BTreeMap::from([(
            "builder".to_owned(),
            Choice {
                provider: Some("claude".to_owned()),
                model: None,
                fallback: Some(Fallback {
                    provider: "codex".to_owned(),
                    model: Some("gpt-6-sol".to_owned()),
                }),
            },
        )]),
        budget: Budget {
            micro_usd: Some(5_000_000),
            iterations: Some(8),
            ..Budget::default()
        },
        model: Some("claude-opus-5-5".to_owned()),
        approvals: BTreeSet::from([ApprovalPoint::BeforePublish]),
        ..spec()
    };
    spec.checked().unwrap()
}

#[test]
fn the_wire_form_is_the_documented_one() {
    let json = serde_json::json!({
        "version": 2, "job_id": "job-1", "kind": "change", "description": "a list of books",
        "start_from": {
            "bundle_uri": "s3://bucket/jobs/job-0/app.bundle",
            "commit": "0123456789abcdef0123456789abcdef01234567",
        },
        "attempt": {
            "number": 2, "after_sequence": 17,
            "used": { "micro_usd": 1_250_000, "tokens": 90_000, "seconds": 61, "iterations": 3 },
            "checkpoint": { "attempt": 1, "number": 4 },
            "decision": { "point": "before_publish", "decision": "rejected", "reason": "too blue" },
        },
        "provider": "template", "model": "claude-opus-5-5",
        "roles": { "builder": {
            "provider": "claude", "fallback": { "provider": "codex", "model": "gpt-6-sol" },
        } },
        "budget": { "micro_usd": 5_000_000, "iterations": 8 },
        "approvals": ["before_publish"],
        "artifact_uri": "s3://bucket/jobs/job-1",
    });
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&change().to_json()).unwrap(),
        json
    );
    assert_eq!(
        JobSpec::from_json(json.to_string().as_bytes()),
        Ok(change())
    );
}

fn delivery() -> JobSpec {
    let spec = JobSpec {
        kind: JobKind::Deliver,
        delivery: Some(Delivery {
            target: DeliveryTarget::Fly {
                organization: "personal".to_owned(),
                app: Some("books".to_owned()),
                region: Some("ams".to_owned()),
            },
            project_id: "project-1".to_owned(),
            name: " Books ".to_owned(),
            version: 3,
            check_url: None,
        }),
        ..change()
    };
    spec.checked().unwrap()
}

#[test]
fn a_delivery_names_its_target_and_its_commit() {
    let json: serde_json::Value = serde_json::from_str(&delivery().to_json()).unwrap();
    assert_eq!(json["kind"], "deliver");
    assert_eq!(
        json["delivery"],
        serde_json::json!({
            "target": {
                "kind": "fly", "app": "books", "organization": "personal", "region": "ams",
            },
            "project_id": "project-1", "name": "Books", "version": 3,
        })
    );
    assert_eq!(
        JobSpec::from_json(json.to_string().as_bytes()),
        Ok(delivery())
    );
    let refusal = |alter: fn(&mut Delivery)| {
        let mut spec = delivery();
        alter(spec.delivery.as_mut().unwrap());
        spec.checked().unwrap_err().to_string()
    };
    assert!(refusal(|delivery| delivery.version = 0).contains("version 0"));
    assert!(refusal(|delivery| delivery.name = " ".to_owned()).starts_with("delivery is empty"));
    assert!(refusal(|delivery| delivery.project_id = "a/b".to_owned()).starts_with("delivery "));
    for url in [
        "ftp://x",
        "https://a b",
        &format!("https://{}", "a".repeat(500)),
    ] {
        let mut spec = delivery();
        spec.delivery.as_mut().unwrap().check_url = Some(url.to_owned());
        let refusal = spec.checked().unwrap_err().to_string();
        assert!(refusal.starts_with("delivery has URL"), "{refusal}");
    }
    let mut spec = delivery();
    spec.start_from = None;
    assert!(
        spec.checked()
            .unwrap_err()
            .to_string()
            .contains("a delivery needs it")
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refusal = |alter: fn(&mut JobSpec)| {
        let mut spec = change();
        alter(&mut spec);
        spec.checked().unwrap_err().to_string()
    };
    assert!(refusal(|spec| spec.template = Some("list".into())).starts_with("template is given"));
    assert!(refusal(|spec| spec.start_from = None).starts_with("start_from is missing"));
    assert!(refusal(|spec| spec.kind = JobKind::Deliver).starts_with("delivery is missing"));
    assert!(refusal(|spec| spec.delivery = delivery().delivery).starts_with("delivery is given"));
    assert!(refusal(|spec| spec.attempt.number = 1).starts_with("attempt has a number from 1"));
    assert!(refusal(|spec| spec.attempt.number = 0).starts_with("attempt has a number from 1"));
    for commit in ["HEAD", "0123", &"A".repeat(40)] {
        let mut spec = change();
        spec.start_from.as_mut().unwrap().commit = commit.to_owned();
        let refusal = spec.checked().unwrap_err().to_string();
        assert!(refusal.starts_with("start_from names commit"), "{refusal}");
    }
    let words = "é".repeat(MAX_DECISION_CHARS + 1);
    for (notes, reason) in [(" ", "attempt is empty"), (&*words, "attempt has 2001")] {
        let mut spec = change();
        spec.attempt.decision.as_mut().unwrap().decision = Decision::Deferred {
            notes: notes.to_owned(),
        };
        assert!(spec.checked().unwrap_err().to_string().starts_with(reason));
    }
    let mut spec = change();
    spec.roles.get_mut("builder").unwrap().model = Some("a b".to_owned());
    assert!(spec.checked().unwrap_err().to_string().starts_with("model"));
    assert!(refusal(|spec| spec.model = Some(String::new())).starts_with("model"));
    let json = change()
        .to_json()
        .replace("\"iterations\":8", "\"hours\":8");
    let refusal = JobSpec::from_json(json.as_bytes()).unwrap_err().to_string();
    assert!(refusal.contains("unknown field `hours`"), "{refusal}");
    let json = change().to_json().replace("5000000", "0.5");
    assert!(
        JobSpec::from_json(json.as_bytes()).is_err(),
        "money is whole"
    );
}

#[test]
fn a_creation_may_begin_with_a_template() {
    let own = JobSpec {
        kind: JobKind::Create,
        ..change()
    };
    assert!(own.checked().is_ok());
    let with = |template: &str| JobSpec {
        template: Some(template.to_owned()),
        ..spec()
    };
    let spec = with("list").checked().unwrap();
    assert_eq!(JobSpec::from_json(spec.to_json().as_bytes()), Ok(spec));
    assert!(with("../list").checked().is_err());
}

#[test]
fn unknown_fields_are_ignored() {
    let mut json = serde_json::json!(spec());
    json["later"] = true.into();
    assert_eq!(JobSpec::from_json(json.to_string().as_bytes()), Ok(spec()));
}

#[test]
fn names() {
    assert_eq!(
        join_uri("s3://bucket/jobs/1/", ARTIFACT_NAME),
        "s3://bucket/jobs/1/app.zip"
    );
    assert_eq!(event_body_name(7), "events/000007.json");
    assert_eq!(
        [1, 2, 17].map(spec_name),
        ["spec.json", "spec-2.json", "spec-17.json"]
    );
    let checkpoint = CheckpointId {
        attempt: 2,
        number: 7,
    };
    assert_eq!(checkpoint.folder(), "checkpoints/2/0007");
}
