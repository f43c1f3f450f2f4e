//! The gate between MiniStack and the Docker Engine. Whatever way a container was asked for, it is
//! made here: without privileges, folders or networks of this machine, and with the credentials of
//! its own task.

use crate::access;
use crate::hardening::is_nothing;
use crate::head::Head;
use crate::json;
use crate::refusal::Refusal;
use crate::task;
use crate::{Cloud, Platform};
use serde_json::{Value, json};

/// Containers are labelled with the name that their task definition gives them.
const NAME_LABEL: &str = "com.amazonaws.ecs.container-name";

/// What a container may be given beside its image, by the engine's names.
const FIELDS: [&str; 26] = [
    "ArgsEscaped",
    "AttachStderr",
    "AttachStdin",
    "AttachStdout",
    "Cmd",
    "Domainname",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "HostConfig",
    "Hostname",
    "Image",
    "Labels",
    "MacAddress",
    "NetworkDisabled",
    "NetworkingConfig",
    "OnBuild",
    "OpenStdin",
    "Shell",
    "StdinOnce",
    "StopSignal",
    "StopTimeout",
    "Tty",
    "User",
    "WorkingDir",
];

/// What a container may ask of this machine. Everything else has to be absent or empty.
const HOST_FIELDS: [&str; 19] = [
    "AutoRemove",
    "CapDrop",
    "CpuShares",
    "Dns",
    "ExtraHosts",
    "Init",
    "LogConfig",
    "Memory",
    "MemoryReservation",
    "MemorySwap",
    "NanoCpus",
    "NetworkMode",
    "PidsLimit",
    "PortBindings",
    "ReadonlyRootfs",
    "RestartPolicy",
    "ShmSize",
    "Tmpfs",
    "Ulimits",
];

/// Refuses every call but those that running tasks takes. Returns whether it makes a container, so
/// that its body has to be judged too.
pub(crate) fn check(head: &Head) -> Result<bool, Refusal> {
    let path = head.path();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let parts = match &parts[..] {
        [version, rest @ ..] if is_version(version) => rest,
        all => all,
    };
    let known = match (head.method.as_str(), parts) {
        ("GET" | "HEAD", ["_ping"]) => true,
        ("GET", ["version" | "info"]) => true,
        ("GET", ["containers", "json"]) => true,
        ("POST", ["containers", "create"]) => return Ok(true),
        ("GET", ["containers", _, "json" | "logs" | "stats"]) => true,
        ("POST", ["containers", _, "start" | "stop" | "kill" | "wait"]) => true,
        ("DELETE", ["containers", _]) => true,
        ("GET", ["images", "json"]) => true,
        ("POST", ["images", "create"]) => true,
        ("GET", ["images", .., "json"] | ["distribution", .., "json"]) => true,
        ("POST", ["images", .., "tag"]) => true,
        ("GET", ["networks"] | ["networks", _]) => true,
        _ => false,
    };
    match known && is_plain(path) {
        true => Ok(false),
        false => Err(Refusal::forbidden(format!(
            "the local cloud may not ask the engine for {} {path}",
            head.method
        ))),
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|number| {
        number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// The engine decodes and cleans paths, so no part may mean another one. A reference by digest comes
/// with its `@` encoded.
fn is_plain(path: &str) -> bool {
    let path = &path.replace("%40", "@");
    path.bytes().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b':' | b'@')
    }) && !path.split('/').any(|part| matches!(part, "." | ".."))
        && !path.contains("//")
}

/// The container as it is made. `key` is the access key, of which its own credentials are made.
pub(crate) fn container(body: &[u8], key: &str, config: &Cloud) -> Result<Vec<u8>, Refusal> {
    let mut container = json::read(body)
        .map_err(|error| Refusal::malformed(format!("the container cannot be read: {error}")))?;
    only_known(&container, &FIELDS, "a container")?;
    if let Some(host) = container.get("HostConfig").filter(|host| !host.is_null()) {
        only_known(host, &HOST_FIELDS, "a container of the local cloud")?;
        let mode = host["NetworkMode"].as_str().unwrap_or_default();
        if mode == "host" || mode.starts_with("container:") || mode.starts_with("ns:") {
            return Err(more("NetworkMode"));
        }
    }
    publish_on_loopback(&mut container)?;
    for platform in config.read_platforms() {
        give_credentials(&mut container, key, &platform);
    }
    Ok(container.to_string().into_bytes())
}

/// The engine reads keys in any letter case, so each has to be one that is known as it is written.
fn only_known(value: &Value, known: &[&str], what: &str) -> Result<(), Refusal> {
    let Some(entries) = value.as_object() else {
        return Err(Refusal::malformed(format!("{what} is not an object")));
    };
    let unknown = |(key, value): &(&String, &Value)| {
        let is_variant = known.iter().any(|known| folded(known) == folded(key));
        !known.contains(&key.as_str()) && (is_variant || !is_nothing(value))
    };
    match entries.iter().find(unknown) {
        None => Ok(()),
        Some((key, _)) => Err(more(key)),
    }
}

/// As Go compares keys: two signs beyond ASCII equal a letter.
fn folded(key: &str) -> String {
    key.replace('\u{17f}', "s")
        .replace('\u{212a}', "k")
        .to_ascii_lowercase()
}

fn more(what: &str) -> Refusal {
    Refusal::forbidden(format!(
        "a container of the local cloud may not have {what} on this machine"
    ))
}

/// Ports are for this machine, and not for its network.
fn publish_on_loopback(container: &mut Value) -> Result<(), Refusal> {
    let odd = || Refusal::malformed("PortBindings of the container are not of their form");
    let Some(ports) = container.pointer_mut("/HostConfig/PortBindings") else {
        return Ok(());
    };
    if ports.is_null() {
        return Ok(());
    }
    for bindings in ports.as_object_mut().ok_or_else(odd)?.values_mut() {
        if bindings.is_null() {
            continue;
        }
        for binding in bindings.as_array_mut().ok_or_else(odd)? {
            only_known(binding, &["HostIp", "HostPort"], "a port")?;
            let binding = binding.as_object_mut().ok_or_else(odd)?;
            binding.insert("HostIp".to_owned(), json!("127.0.0.1"));
        }
    }
    Ok(())
}

/// Gives the container of a known task the credentials of that task, in place of those that its task
/// definition shows to everybody.
fn give_credentials(container: &mut Value, key: &str, platform: &Platform) {
    let name = container["Labels"][NAME_LABEL]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let Some(environment) = container["Env"].as_array_mut() else {
        return;
    };
    let value = |name: &str| {
        environment
            .iter()
            .filter_map(|entry| entry.as_str()?.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    };
    let artifacts = value("ARTIFACT_URI");
    let credentials = if name == platform.orchestrator {
        artifacts
            .filter(|uri| is_ours(uri, platform))
            .and_then(|uri| access::orchestrator(key, &uri))
    } else if name == platform.generator {
        let spec = value("JOB_SPEC_URI");
        let folder = spec.and_then(|spec| Some(spec.rsplit_once('/')?.0.to_owned()));
        let keys = value("MODEL_KEYS");
        let tenant = keys.and_then(|keys| tenant_of(&keys, platform));
        // Whoever runs one by hand names the folder itself.
        folder
            .or(artifacts)
            .filter(|uri| is_ours(uri, platform))
            .and_then(|uri| access::generator(key, &uri, tenant.as_deref()))
    } else {
        None
    };
    let Some(credentials) = credentials else {
        return;
    };
    let given = [
        ("AWS_ACCESS_KEY_ID", credentials.id),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret),
    ];
    environment.retain(|entry| {
        let entry = entry.as_str().unwrap_or_default();
        let known = entry.split('=').next().unwrap_or_default();
        !given.iter().any(|(name, _)| *name == known)
    });
    environment.extend(given.map(|(name, value)| json!(format!("{name}={value}"))));
}

/// The tenant whose keys a generator is told of: `anthropic=ARN,openai=ARN`. Keys of two tenants are nobody's.
fn tenant_of(keys: &str, platform: &Platform) -> Option<String> {
    let mut tenants = keys.split(',').map(|key| {
        let (_, place) = key.split_once('=')?;
        task::tenant_of_secret(place, platform)
    });
    let first = tenants.next()??;
    tenants
        .all(|tenant| tenant == Some(first))
        .then(|| first.to_owned())
}

fn is_ours(uri: &str, platform: &Platform) -> bool {
    let place = uri.strip_prefix("s3://").unwrap_or_default();
    let bucket = place.split('/').next().unwrap_or_default();
    platform.buckets.iter().any(|known| known == bucket)
}
