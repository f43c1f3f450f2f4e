//! What a task may ask, call by call.

use super::{head, platform};
use crate::access::Caller;
use crate::task;

const ECS: &str = "AmazonEC2ContainerServiceV20141113";

fn may(id: &str, service: &str, request: &str, body: &str) -> bool {
    let caller = Caller::of(id).unwrap();
    task::check(
        &caller,
        service,
        &head(request),
        body.as_bytes(),
        &platform(),
    )
    .is_ok()
}

fn object(id: &str, line: &str) -> bool {
    may(id, "s3", &format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n"), "")
}

fn call(id: &str, target: &str, body: &str) -> bool {
    let service = match target {
        logs if logs.starts_with("Logs") => "logs",
        secrets if secrets.starts_with("secretsmanager") => "secretsmanager",
        _ => "ecs",
    };
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nx-amz-target: {target}\r\n\
         content-type: application/x-amz-json-1.1\r\n\r\n"
    );
    may(id, service, &request, body)
}

#[test]
fn a_job_reaches_its_own_folder_only() {
    let job = "generator~ours~jobs~1";
    for line in [
        "GET /ours/jobs/1/spec.json",
        "HEAD /ours/jobs/1/a/b",
        "PUT /ours/jobs/1/app.zip",
    ] {
        assert!(object(job, line), "{line}");
    }
    for line in [
        "GET /ours/jobs/2/spec.json",
        "GET /ours/jobs/1",
        "GET /ours/jobs/10/spec.json",
        "GET /ours/jobs/1/../2/spec.json",
        "GET /ours/jobs/1/%2e%2e/2/spec.json",
        "GET /ours/jobs/1%2fspec.json",
        "GET /ours//jobs/1/spec.json",
        "GET //ours/jobs/1/spec.json",
        "GET /others/jobs/1/spec.json",
        "GET /",
        "GET /ours",
        "GET /ours/jobs/1/spec.json?acl",
        "GET /ours?list-type=2",
        "PUT /ours/jobs/1/app.zip?acl",
        "PUT /ours/jobs/1/app.zip?versionId=1",
        "PUT /ours/jobs/1/app.zip?partNumber=1&uploadId=2",
        "DELETE /ours/jobs/1/app.zip",
        "POST /ours/jobs/1/app.zip",
        "GET /_ministack/health",
        "GET /2015-03-31/functions",
    ] {
        assert!(!object(job, line), "{line}");
    }
    let copy = "PUT /ours/jobs/1/a HTTP/1.1\r\nhost: a\r\nx-amz-copy-source: ours/jobs/2/b\r\n\r\n";
    assert!(!may(job, "s3", copy, ""));
    let as_ecs = "GET /ours/jobs/1/spec.json HTTP/1.1\r\nhost: a\r\n\r\n";
    assert!(!may(job, "ecs", as_ecs, ""));
    assert!(!call(
        job,
        &format!("{ECS}.DescribeTasks"),
        r#"{"cluster":"cluster"}"#
    ));
}

#[test]
fn the_orchestrator_copies_results_and_histories() {
    let copy = |from: &str, to: &str| {
        let head = format!("PUT {to} HTTP/1.1\r\nhost: a\r\nx-amz-copy-source: {from}\r\n\r\n");
        may("orchestrator~ours", "s3", &head, "")
    };
    assert!(copy("ours/jobs/1/app.zip", "/ours/projects/2/1/app.zip"));
    assert!(copy(
        "/ours/jobs/1/app.bundle",
        "/ours/projects/2/1/app.bundle"
    ));
    assert!(copy(
        "ours/projects/2/1/app.bundle",
        "/ours/jobs/3/start.bundle"
    ));
    for (from, to) in [
        (
            "ours/projects/2/1/app.bundle",
            "/ours/templates/3/4/app.bundle",
        ),
        ("ours/templates/3/4/app.bundle", "/ours/jobs/3/start.bundle"),
        ("ours/attachments/5", "/ours/jobs/3/attachments/1"),
    ] {
        assert!(copy(from, to), "{from} to {to}");
    }
    for (from, to) in [
        ("ours/attachments/5", "/ours/jobs/3/spec.json"),
        ("ours/jobs/3/attachments/1", "/ours/jobs/4/attachments/1"),
        ("ours/jobs/3/app.bundle", "/ours/templates/3/4/app.bundle"),
        (
            "ours/templates/3/4/app.bundle",
            "/ours/projects/2/1/app.bundle",
        ),
        ("state/lock.json", "/ours/projects/2/1/app.zip"),
        ("ours/lock.json", "/ours/projects/2/1/app.zip"),
        ("ours/jobs/1/../../lock", "/ours/projects/2/1/app.zip"),
        ("ours%2fjobs%2f1%2fapp.zip", "/ours/projects/2/1/app.zip"),
        (
            "ours/jobs/1/app.zip?versionId=1",
            "/ours/projects/2/1/app.zip",
        ),
        ("ours/jobs/1/app.zip", "/ours/jobs/2/app.zip"),
        ("ours/jobs/1/app.zip", "/ours/jobs/2/start.bundle"),
        ("ours/projects/2/1/app.zip", "/ours/projects/3/1/app.zip"),
        ("ours/projects/2/1/app.zip", "/ours/jobs/3/spec.json"),
    ] {
        assert!(!copy(from, to), "{from} to {to}");
    }
}

#[test]
fn the_orchestrator_writes_specs_and_reads_results() {
    let id = "orchestrator~ours";
    for line in [
        "PUT /ours/jobs/1/spec.json",
        "PUT /ours/jobs/1/spec-2.json",
        "GET /ours/jobs/1/app.zip",
        "GET /ours/jobs/1/app.zip?versionId=a-1_b",
        "HEAD /ours/jobs/1/bodies/7",
        "GET /ours/projects/1/2/app.zip",
        "DELETE /ours/projects/1/2/app.zip",
        "PUT /ours/attachments/5",
        "HEAD /ours/attachments/5",
        "DELETE /ours/attachments/5",
        "DELETE /ours/jobs/1/attachments/2",
        "DELETE /ours/templates/3/4/app.bundle",
    ] {
        assert!(object(id, line), "{line}");
    }
    for line in [
        "PUT /ours/jobs/1/app.zip",
        "PUT /ours/jobs/1/spec-.json",
        "PUT /ours/jobs/1/spec-a.json",
        "PUT /ours/jobs/1/spec-2/spec.json",
        "PUT /ours/jobs/1/spec2.json",
        "PUT /ours/state/lock.json",
        "GET /state/lock.json",
        "DELETE /ours/jobs/1/spec.json",
        "PUT /ours/projects/1/2/app.zip",
        "DELETE /ours/projects/1",
        "PUT /ours/jobs/1/attachments/2",
        "PUT /ours/templates/3/4/app.bundle",
        "DELETE /ours/jobs/1/attachments",
        "PUT /ours/attachments/5/6",
    ] {
        assert!(!object(id, line), "{line}");
    }
}

#[test]
fn the_orchestrator_backs_up_what_it_keeps_and_nothing_else() {
    let id = "orchestrator~ours";
    for line in [
        "GET /ours?list-type=2&prefix=jobs%2F",
        "GET /ours?list-type=2&prefix=projects/&continuation-token=a%2Bb%3D",
        "PUT /ours/backups/1/manifest.json",
        "PUT /ours/backups/1/tables/jobs-000001.jsonl",
        "GET /ours/backups/1/manifest.json",
        "HEAD /ours/backups/1/objects/jobs/1/app.zip",
    ] {
        assert!(object(id, line), "{line}");
    }
    for line in [
        "GET /ours",
        "GET /ours?list-type=2",
        "GET /ours?list-type=2&prefix=",
        "GET /ours?list-type=2&prefix=jobs",
        "GET /ours?list-type=2&prefix=backups%2F",
        "GET /ours?list-type=2&prefix=jobs%2F&prefix=backups%2F",
        "GET /ours?list-type=2&prefix=jobs%2F&versions",
        "GET /ours?list-type=2&prefix=jobs%2F..%2Fbackups%2F",
        "GET /others?list-type=2&prefix=jobs%2F",
        "GET //ours?list-type=2&prefix=jobs%2F",
        "PUT /ours?list-type=2&prefix=jobs%2F",
        "DELETE /ours/backups/1/manifest.json",
        "PUT /ours/backups/1",
        "PUT /ours/backups/1/../../state",
    ] {
        assert!(!object(id, line), "{line}");
    }
    // A job lists nothing, and no backup is of a job.
    for line in [
        "GET /ours?list-type=2&prefix=jobs%2F",
        "GET /ours/backups/1/manifest.json",
    ] {
        assert!(!object("generator~ours~jobs~1", line), "{line}");
    }
    let copy = |from: &str, to: &str| {
        let head = format!("PUT {to} HTTP/1.1\r\nhost: a\r\nx-amz-copy-source: {from}\r\n\r\n");
        may(id, "s3", &head, "")
    };
    for (kept, backup) in [
        (
            "jobs/1/checkpoints/2/state.json",
            "backups/3/objects/jobs/1/checkpoints/2/state.json",
        ),
        (
            "projects/1/2/app.zip",
            "backups/3/objects/projects/1/2/app.zip",
        ),
        ("attachments/5", "backups/3/objects/attachments/5"),
    ] {
        assert!(
            copy(&format!("ours/{kept}"), &format!("/ours/{backup}")),
            "{kept}"
        );
        assert!(
            copy(&format!("ours/{backup}"), &format!("/ours/{kept}")),
            "{kept}"
        );
    }
    for (from, to) in [
        ("jobs/1/app.zip", "backups/3/objects/jobs/2/app.zip"),
        ("jobs/1/app.zip", "backups/3/manifest.json"),
        ("backups/3/objects/jobs/1/app.zip", "projects/1/2/app.zip"),
        ("backups/3/manifest.json", "backups/4/manifest.json"),
        ("state/lock.json", "backups/3/objects/state/lock.json"),
        ("backups/3/objects/state/lock.json", "state/lock.json"),
        (
            "backups/3/objects/backups/3/manifest.json",
            "backups/3/manifest.json",
        ),
    ] {
        assert!(
            !copy(&format!("ours/{from}"), &format!("/ours/{to}")),
            "{from} to {to}"
        );
    }
}

#[test]
fn the_orchestrator_starts_generators_and_previews_and_nothing_else() {
    let id = "orchestrator~ours";
    let run = |body: &str| call(id, &format!("{ECS}.RunTask"), body);
    let arn = "arn:aws:ecs:us-east-1:000000000000";
    for body in [
        r#"{"cluster":"cluster","taskDefinition":"generators"}"#.to_owned(),
        r#"{"cluster":"cluster","taskDefinition":"generators:7"}"#.to_owned(),
        r#"{"cluster":"cluster","taskDefinition":"previews:2","startedBy":"1"}"#.to_owned(),
        format!(
            r#"{{"cluster":"{arn}:cluster/cluster","taskDefinition":"{arn}:task-definition/generators:7"}}"#
        ),
    ] {
        assert!(run(&body), "{body}");
    }
    for body in [
        r#"{"cluster":"cluster","taskDefinition":"other"}"#,
        r#"{"cluster":"other","taskDefinition":"generators"}"#,
        r#"{"taskDefinition":"generators"}"#,
        r#"{"cluster":"cluster"}"#,
        r#"{"cluster":"cluster","taskDefinition":"generators","taskDefinition":"other"}"#,
        r#"{"cluster":"cluster","taskDefinition":"generators","t\u0061skDefinition":"other"}"#,
        r#"{"cluster":["cluster"],"taskDefinition":"generators"}"#,
        "{\"cluster\":\"cluster\",\"taskDefinition\":\"generators\"} {}",
        "\u{feff}{\"cluster\":\"cluster\",\"taskDefinition\":\"generators\"}",
        "[]",
        "",
    ] {
        assert!(!run(body), "{body}");
    }
    for operation in ["StopTask", "DescribeTasks", "ListTasks"] {
        assert!(call(
            id,
            &format!("{ECS}.{operation}"),
            r#"{"cluster":"cluster"}"#
        ));
        assert!(!call(id, &format!("{ECS}.{operation}"), "{}"));
    }
    for operation in [
        "RegisterTaskDefinition",
        "runtask",
        "RunTask.DeleteCluster",
        "ExecuteCommand",
        "StartTask",
        "UpdateService",
        "",
    ] {
        let body = r#"{"cluster":"cluster","taskDefinition":"generators"}"#;
        assert!(
            !call(id, &format!("{ECS}.{operation}"), body),
            "{operation}"
        );
    }
    assert!(call(
        id,
        "Logs_20140328.GetLogEvents",
        r#"{"logGroupName":"/ecs/generators"}"#
    ));
    for (target, body) in [
        (
            "Logs_20140328.GetLogEvents",
            r#"{"logGroupName":"/ecs/others"}"#,
        ),
        (
            "Logs_20140328.GetLogEvents",
            r#"{"logGroupName":"/ecs/previews"}"#,
        ),
        (
            "Logs_20140328.GetLogEvents",
            r#"{"logGroupName":"/ecs/generators","logGroupIdentifier":"x"}"#,
        ),
        (
            "Logs_20140328.DeleteLogGroup",
            r#"{"logGroupName":"/ecs/generators"}"#,
        ),
        ("secretsmanager.GetSecretValue", r#"{"SecretId":"a"}"#),
    ] {
        assert!(!call(id, target, body), "{target} {body}");
    }
    let cbor = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nx-amz-target: {ECS}.ListTasks\r\ncontent-type: application/cbor\r\n\r\n"
    );
    assert!(!may(id, "ecs", &cbor, r#"{"cluster":"cluster"}"#));
}

#[test]
fn keys_of_tenants_are_the_orchestrators_and_those_of_a_jobs_own_tenant_its_own() {
    const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
    let named = |key: &str, name: &str| format!(r#"{{"{key}":"{name}"}}"#);
    let name = "project/local/tenants/ann/models/openai";
    let arn = format!("{ARN}{name}-a1b2c3");
    let orchestrator = "orchestrator~ours";
    for (target, body) in [
        ("CreateSecret", named("Name", name)),
        ("PutSecretValue", named("SecretId", name)),
        ("GetSecretValue", named("SecretId", &arn)),
        ("DeleteSecret", named("SecretId", name)),
    ] {
        let target = format!("secretsmanager.{target}");
        assert!(call(orchestrator, &target, &body), "{target} {body}");
    }
    for (target, body) in [
        ("GetSecretValue", named("SecretId", "project/orchestrator")),
        (
            "GetSecretValue",
            named("SecretId", "project/local/tenants/ann"),
        ),
        (
            "GetSecretValue",
            named("SecretId", "project/local/tenants/ann/../models/openai"),
        ),
        (
            "GetSecretValue",
            named("SecretId", "project/local/tenants//models/openai"),
        ),
        (
            "GetSecretValue",
            named("SecretId", &format!("other:secret:{name}")),
        ),
        ("GetSecretValue", named("Name", name)),
        ("CreateSecret", named("SecretId", name)),
        ("ListSecrets", "{}".to_owned()),
        ("PutResourcePolicy", named("SecretId", name)),
    ] {
        let target = format!("secretsmanager.{target}");
        assert!(!call(orchestrator, &target, &body), "{target} {body}");
    }
    let get = "secretsmanager.GetSecretValue";
    let ann = "keyed-generator~ann~ours~jobs~1";
    assert!(call(ann, get, &named("SecretId", &arn)));
    assert!(object(ann, "GET /ours/jobs/1/spec.json"));
    assert!(!object(ann, "GET /ours/jobs/2/spec.json"));
    for (id, target, body) in [
        (
            "keyed-generator~ben~ours~jobs~1",
            get,
            named("SecretId", &arn),
        ),
        (
            "keyed-generator~an~ours~jobs~1",
            get,
            named("SecretId", &arn),
        ),
        ("generator~ours~jobs~1", get, named("SecretId", &arn)),
        (ann, get, named("SecretId", "project/generator")),
        (
            ann,
            "secretsmanager.PutSecretValue",
            named("SecretId", &arn),
        ),
        (ann, "secretsmanager.DeleteSecret", named("SecretId", &arn)),
        (
            ann,
            "secretsmanager.BatchGetSecretValue",
            named("SecretId", &arn),
        ),
    ] {
        assert!(!call(id, target, &body), "{id} {target} {body}");
    }
}
