//! What a task of the platform may ask of the local cloud: the calls that its role has on AWS, on
//! the platform's own names. Whatever is not listed here is refused.

use crate::Platform;
use crate::access::{Caller, Place, is_plain};
use crate::head::Head;
use crate::json;
use crate::refusal::Refusal;
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
const SECRETS: &str = "secretsmanager.";

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
        (Caller::Orchestrator(place), None, "s3") if lists_what_is_kept(head, place) => Ok(()),
        (Caller::Orchestrator(place), None, "s3") => objects(head, place, orchestrator_may),
        (Caller::Generator(place), None, "s3") => objects(head, place, generator_may),
        (Caller::Orchestrator(_), Some(target), "ecs" | "logs") => {
            call(target, &request(head, body)?, platform)
        }
        (Caller::Orchestrator(_), Some(target), "secretsmanager") => {
            keep_key(target, &request(head, body)?, platform)
        }
        (Caller::Generator(place), Some(target), "secretsmanager") => {
            read_key(target, &request(head, body)?, place, platform)
        }
        _ => Err(refused("this call")),
    }
}

/// The body of a call whose form is the only one that is known here.
fn request(head: &Head, body: &[u8]) -> Result<Value, Refusal> {
    let is_json = head
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-amz-json-1."));
    let is_plain =
        head.header("content-encoding").is_none() && head.header("smithy-protocol").is_none();
    if head.method != "POST" || head.target != "/" || !is_json || !is_plain {
        return Err(refused("this form of the call"));
    }
    json::read(body)
        .map_err(|error| Refusal::malformed(format!("the call cannot be read: {error}")))
}

/// A call of the orchestrator about a key of a tenant.
fn keep_key(target: &str, request: &Value, platform: &Platform) -> Result<(), Refusal> {
    let named_by = match target.strip_prefix(SECRETS) {
        Some("CreateSecret") => "Name",
        Some("PutSecretValue" | "GetSecretValue" | "DeleteSecret") => "SecretId",
        _ => return Err(refused(target)),
    };
    let name = request[named_by].as_str().unwrap_or_default();
    match tenant_of_secret(name, platform) {
        Some(_) => Ok(()),
        None => Err(refused("this secret")),
    }
}

/// A call of a generator, which reads keys of its job's tenant and nothing else.
fn read_key(
    target: &str,
    request: &Value,
    place: &Place,
    platform: &Platform,
) -> Result<(), Refusal> {
    if target.strip_prefix(SECRETS) != Some("GetSecretValue") {
        return Err(refused(target));
    }
    let name = request["SecretId"].as_str().unwrap_or_default();
    let tenant = tenant_of_secret(name, platform);
    match tenant.is_some() && tenant == place.tenant.as_deref() {
        true => Ok(()),
        false => Err(refused("this secret")),
    }
}

/// The tenant that a secret with a key belongs to, by the secret's ARN or name:
/// `PREFIX/TENANT/models/PROVIDER`.
pub(crate) fn tenant_of_secret<'name>(name: &'name str, platform: &Platform) -> Option<&'name str> {
    let name = match name.split_once(":secret:") {
        Some((arn, name)) if arn.starts_with("arn:aws:secretsmanager:") => name,
        Some(_) => return None,
        None => name,
    };
    let mut below = platform
        .tenants
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix)?.strip_prefix('/'));
    let (tenant, rest) = below.next()?.split_once('/')?;
    let provider = rest.strip_prefix("models/")?;
    (is_plain(tenant) && is_plain(provider)).then_some(tenant)
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

/// What the orchestrator keeps, and what a backup has.
const KEPT: [&str; 4] = ["attachments", "jobs", "projects", "templates"];

/// Whether the orchestrator asks for the names of what it keeps: for a backup.
fn lists_what_is_kept(head: &Head, place: &Place) -> bool {
    let bucket = head.path().strip_prefix('/').unwrap_or_default();
    let bucket = bucket.strip_suffix('/').unwrap_or(bucket);
    let mut below = None;
    for part in head.query().split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "list-type" if value == "2" => {}
            // The continuation is S3's own word for a place in the same list.
            "continuation-token" | "max-keys" => {}
            // A second one could be the one that counts.
            "prefix" if below.is_none() => {
                below = Some(value.replace("%2F", "/").replace("%2f", "/"));
            }
            _ => return false,
        }
    }
    let path = format!("{}/{}", place.bucket, below.unwrap_or_default());
    head.method == "GET"
        && head.header(COPY_SOURCE).is_none()
        && bucket == place.bucket
        && path
            .strip_suffix('/')
            .and_then(|path| own_object(path, place))
            .is_some_and(|parts| matches!(parts[..], [first] if KEPT.contains(&first)))
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
        | ("GET" | "HEAD" | "PUT", ["backups", _, _, ..])
        | ("DELETE", ["jobs", _, "attachments", _]) => true,
        ("PUT", ["jobs", _, name]) => is_spec(name),
        _ => false,
    }
}

/// What a job made is kept for its project, and a version for a template. What projects and templates have, and
/// what a person attached, is lent to a job. A backup takes everything under the name that it has, and gives it back.
fn orchestrator_may_copy(from: &[&str], to: &[&str]) -> bool {
    let is_backup = |kept: &[&str], backup: &[&str]| {
        matches!(
            (kept, backup),
            ([first, _, ..], ["backups", _, "objects", name @ ..]) if KEPT.contains(first) && kept == name
        )
    };
    if is_backup(from, to) || is_backup(to, from) {
        return true;
    }
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
