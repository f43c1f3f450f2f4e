//! What a task of the platform may ask of the local cloud: the calls that its role has on AWS, on
//! the platform's own names. Whatever is not listed here is refused.

use crate::Platform;
use crate::access::{Caller, Place, is_plain};
use crate::head::Head;
use crate::json;
use crate::refusal::Refusal;
use crate::store;
use serde_json::Value;

/// Headers of AWS that a task may send, or beginnings of their names. Others can change the meaning
/// of a call.
const HEADERS: [&str; 8] = [
    "x-amz-checksum-",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-target",
    "x-amz-trailer",
    "x-amz-user-agent",
];

const ECS: &str = "AmazonEC2ContainerServiceV20141113.";
const LOGS: &str = "Logs_20140328.";

/// Copies an object, possibly of another bucket, instead of writing the body. Only the orchestrator may
/// send it.
const COPY_SOURCE: &str = "x-amz-copy-source";

/// Whether the call has to be read whole before [`check`] can judge it.
pub(crate) fn needs_body(head: &Head) -> bool {
    head.header("x-amz-target").is_some()
}

/// Refuses what the task may not ask. `body` is there where [`needs_body`] wants it.
pub(crate) fn check(
    caller: &Caller,
    service: &str,
    head: &Head,
    body: &[u8],
    platform: &Platform,
) -> Result<(), Refusal> {
    if let Some((name, _)) = head
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-amz-"))
        .filter(|(name, _)| !(name == COPY_SOURCE && matches!(caller, Caller::Orchestrator(_))))
        .find(|(name, _)| !HEADERS.iter().any(|known| name.starts_with(known)))
    {
        return Err(refused(&format!("the header {name}")));
    }
    match (caller, head.header("x-amz-target"), service) {
        (Caller::Orchestrator(place), None, "s3") => objects(head, place, orchestrator_may),
        (Caller::Generator(place), None, "s3") => objects(head, place, generator_may),
        (Caller::Orchestrator(_), Some(target), "ecs" | "logs" | "dynamodb" | "sqs") => {
            let is_json = head
                .header("content-type")
                .is_some_and(|kind| kind.starts_with("application/x-amz-json-1."));
            let is_plain = head.header("content-encoding").is_none()
                && head.header("smithy-protocol").is_none();
            if head.method != "POST" || head.target != "/" || !is_json || !is_plain {
                return Err(refused("this form of the call"));
            }
            let request = json::read(body)
                .map_err(|error| Refusal::malformed(format!("the call cannot be read: {error}")))?;
            match service {
                "dynamodb" | "sqs" if store::may(target, &request, platform) => Ok(()),
                "dynamodb" | "sqs" => Err(refused(target)),
                _ => call(target, &request, platform),
            }
        }
        _ => Err(refused("this call")),
    }
}

/// A call of ECS or of CloudWatch Logs.
fn call(target: &str, request: &Value, platform: &Platform) -> Result<(), Refusal> {
    let named = |key: &str, known: &[String], what: &str| {
        let name = request[key].as_str().unwrap_or_default();
        match known.iter().any(|known| known == last(name)) {
            true => Ok(()),
            false => Err(refused(&format!("{target} on another {what}"))),
        }
    };
    if let Some(operation) = target.strip_prefix(ECS) {
        if !matches!(
            operation,
            "RunTask" | "StopTask" | "DescribeTasks" | "ListTasks"
        ) {
            return Err(refused(target));
        }
        named("cluster", &platform.clusters, "cluster")?;
        return match operation {
            "RunTask" => run_task(request, platform),
            _ => Ok(()),
        };
    }
    match target.strip_prefix(LOGS) {
        Some("GetLogEvents") => {
            let name = request["logGroupName"].as_str().unwrap_or_default();
            match platform.log_groups.iter().any(|known| known == name)
                && request.get("logGroupIdentifier").is_none_or(Value::is_null)
            {
                true => Ok(()),
                false => Err(refused("the log of something else")),
            }
        }
        _ => Err(refused(target)),
    }
}

fn run_task(request: &Value, platform: &Platform) -> Result<(), Refusal> {
    let definition = last(request["taskDefinition"].as_str().unwrap_or_default());
    let family = definition.split(':').next().unwrap_or_default();
    match platform.families.iter().any(|known| known == family) {
        true => Ok(()),
        false => Err(refused("a task of another family")),
    }
}

/// The last part of an ARN, or a name itself.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

fn objects(head: &Head, place: &Place, may: fn(&str, &[&str]) -> bool) -> Result<(), Refusal> {
    let versioned = head
        .query()
        .strip_prefix("versionId=")
        .is_some_and(is_plain);
    if !(head.query().is_empty() || versioned && head.method != "PUT") {
        return Err(refused("this form of the call"));
    }
    let path = head.path().strip_prefix('/').unwrap_or_default();
    let object = own_object(path, place).ok_or_else(|| refused("this object"))?;
    let is_allowed = match head.header(COPY_SOURCE) {
        None => may(&head.method, &object),
        Some(source) => own_object(source.trim_start_matches('/'), place)
            .is_some_and(|source| head.method == "PUT" && orchestrator_may_copy(&source, &object)),
    };
    match is_allowed {
        true => Ok(()),
        false => Err(refused("this object")),
    }
}

/// The parts of an object's name below the place, if it is there. `path` is that of a bucket and an object.
fn own_object<'path>(path: &'path str, place: &Place) -> Option<Vec<&'path str>> {
    let mut parts = path.split('/');
    if !path.split('/').all(is_plain) || parts.next() != Some(&place.bucket) {
        return None;
    }
    for folder in place.prefix.split('/').filter(|folder| !folder.is_empty()) {
        if parts.next() != Some(folder) {
            return None;
        }
    }
    Some(parts.collect())
}

fn orchestrator_may(method: &str, path: &[&str]) -> bool {
    match (method, path) {
        ("GET" | "HEAD", ["jobs", _, _, ..])
        | (
            "GET" | "HEAD" | "DELETE",
            ["projects", _, _, _] | ["templates", _, _, _] | ["attachments", _],
        )
        | ("PUT", ["attachments", _])
        | ("DELETE", ["jobs", _, "attachments", _]) => true,
        ("PUT", ["jobs", _, name]) => is_spec(name),
        _ => false,
    }
}

/// What a job made is kept for its project, and a version for a template. What projects and templates have, and
/// what a person attached, is lent to a job.
fn orchestrator_may_copy(from: &[&str], to: &[&str]) -> bool {
    matches!(
        (from, to),
        (["jobs", _, _], ["projects", _, _, _])
            | (
                ["projects", _, _, "app.bundle"],
                ["templates", _, _, "app.bundle"]
            )
            | (
                ["projects" | "templates", _, _, _],
                ["jobs", _, "start.bundle"]
            )
            | (["attachments", _], ["jobs", _, "attachments", _])
    )
}

/// Whether it is the name of the spec of an attempt: `spec.json`, `spec-2.json`, …
fn is_spec(name: &str) -> bool {
    let number = name
        .strip_prefix("spec")
        .and_then(|rest| rest.strip_suffix(".json"));
    number.is_some_and(|number| {
        let digits = number.strip_prefix('-').unwrap_or_default();
        number.is_empty() || !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn generator_may(method: &str, path: &[&str]) -> bool {
    matches!(method, "GET" | "HEAD" | "PUT") && !path.is_empty()
}

fn refused(what: &str) -> Refusal {
    Refusal::forbidden(format!("a task may not use {what}"))
}
