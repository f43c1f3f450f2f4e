//! The local cloud: MiniStack, which listens on a socket, and the gate before it, which listens on
//! loopback and on the docker bridge. It is disposable, because commands create again whatever it
//! forgets.

pub mod database;
mod installation;
pub mod task_containers;

use crate::daemon::{Daemon, Launch};
use crate::finding::Finding;
use crate::gate::{self, Gate};
#[cfg(test)]
pub(crate) use crate::ministack::installation::REQUIREMENTS;
pub use crate::ministack::installation::{ACCOUNT, VERSION};
use crate::net;
use crate::process::Reach;
use crate::setup_lock::require_service;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::http;
use xtask_docker::engine;
use xtask_gate::{Credentials, KEY_HEADER};

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// The application that its server serves.
const APPLICATION: &str = "ministack.app:app";
const PROBE_BOUND: Duration = Duration::from_secs(3);
const START_BOUND: Duration = Duration::from_secs(30);
/// A reset first stops the containers of all tasks.
const RESET_BOUND: Duration = Duration::from_secs(90);
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How the local cloud is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It answers, and containers reach it.
    Running,
    /// A part of it does not run or does not answer; `up` repairs it.
    Broken,
    /// It is installed, and nothing of it runs.
    Stopped,
    /// It is not installed.
    Missing,
}

/// What `cargo xtask cloud status` shows.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// How it is.
    pub state: State,
    /// Why it is broken or stopped; empty while it runs.
    pub detail: String,
    /// The address of the cloud for this machine.
    pub endpoint: String,
    /// Its address for containers; nothing while the engine does not run.
    pub bridge_endpoint: Option<String>,
    /// The version that answers.
    pub version: Option<String>,
    /// Its process, if we started it.
    pub process_id: Option<u32>,
    /// The process of the gate before it, if we started it.
    pub gate_process_id: Option<u32>,
    /// The log of MiniStack.
    pub log: PathBuf,
}

/// The address of the cloud for this machine, such as `http://127.0.0.1:4566`.
#[must_use]
pub fn endpoint(context: &Context) -> String {
    format!(
        "http://{HOST}:{}",
        *context.platform.local.cloud_port.get_ref()
    )
}

/// The address of the cloud for containers, such as `http://172.17.0.1:4566`.
///
/// # Errors
/// The engine does not run.
pub fn bridge_endpoint(context: &Context) -> anyhow::Result<String> {
    Ok(format!(
        "http://{}:{}",
        engine::bridge_address()?,
        *context.platform.local.cloud_port.get_ref()
    ))
}

/// The environment of a client of the local cloud that signs with these credentials.
#[must_use]
pub fn client_environment(
    region: &str,
    endpoint: &str,
    credentials: &Credentials,
) -> BTreeMap<String, String> {
    [
        ("AWS_ACCESS_KEY_ID", credentials.id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret.as_str()),
        ("AWS_REGION", region),
        ("AWS_ENDPOINT_URL", endpoint),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// What a task definition shows in place of credentials. The gate gives each container its own when
/// that is made.
#[must_use]
pub fn shown_credentials() -> Credentials {
    Credentials {
        id: "local".to_owned(),
        secret: "local".to_owned(),
    }
}

/// What a person calls it.
pub(crate) const NAME: &str = "local cloud";

/// What it must be.
pub(crate) fn needed(context: &Context) -> String {
    format!("MiniStack {VERSION} on {}", endpoint(context))
}

/// Starts the local cloud where it is installed and does not run, and lets this project's tasks use
/// it: its gate may have been started for another project.
///
/// # Errors
/// It is not installed, its port is taken, or it does not start.
pub fn require(context: &Context) -> anyhow::Result<()> {
    gate::admit(context)?;
    let needed = needed(context);
    require_service(context, (NAME, &needed), probe(context), || {
        up(context).map(|_| ())
    })
}

/// Starts the local cloud if that is the cloud of the environment; AWS always runs.
///
/// # Errors
/// As [`require`].
pub fn require_if_local(context: &Context) -> anyhow::Result<()> {
    match context.is_local() {
        true => require(context),
        false => Ok(()),
    }
}

/// Whether the cloud that we started answers.
#[must_use]
pub fn answers(context: &Context) -> bool {
    is_alive(context) && answering_version(context).is_some()
}

/// Whether the process that we started still runs, even if it is too busy to answer.
#[must_use]
pub fn is_alive(context: &Context) -> bool {
    daemon(context).is_ok_and(|cloud| cloud.process().is_some())
}

/// How the cloud is now.
///
/// # Errors
/// There is no state folder.
pub fn status(context: &Context) -> anyhow::Result<Status> {
    let port = *context.platform.local.cloud_port.get_ref();
    let (cloud, gate) = (daemon(context)?, Gate::of_cloud(context)?);
    let version = answering_version(context);
    let process = cloud.process();
    let bridge = engine::bridge_address().ok();
    let is_open = gate.is_well();
    let (state, detail) = match (&version, &process) {
        _ if installation::installed().is_none() => (
            State::Missing,
            format!("MiniStack {VERSION} is not installed"),
        ),
        (None, None) => (State::Stopped, "not running".to_owned()),
        (_, Some(_)) if bridge.is_none() => {
            (State::Broken, "the Docker Engine does not run".to_owned())
        }
        (_, Some(_)) if !is_open => (
            State::Broken,
            "nothing reaches it: the gate is gone, or has older rules".to_owned(),
        ),
        (None, Some(process)) => (
            State::Broken,
            format!("process {} does not answer", process.pid),
        ),
        (Some(_), None) => (
            State::Broken,
            "the process that answers was not started by us".to_owned(),
        ),
        (Some(version), _) if version != VERSION => (
            State::Broken,
            format!("version {version} runs, {VERSION} is needed"),
        ),
        (Some(_), Some(_)) => (State::Running, String::new()),
    };
    Ok(Status {
        state,
        detail,
        endpoint: endpoint(context),
        bridge_endpoint: bridge.map(|bridge| format!("http://{bridge}:{port}")),
        version,
        process_id: process.map(|process| process.pid),
        gate_process_id: gate.process_id(),
        log: cloud.log().to_owned(),
    })
}

/// Installs, starts or repairs the cloud, whichever it needs to run.
///
/// # Errors
/// The engine does not run, something else has taken the port, or a step fails.
pub fn up(context: &Context) -> anyhow::Result<Status> {
    // Without an engine, MiniStack reports tasks as RUNNING that it never starts.
    engine::bridge_address().failure(|| {
        Failure::new(Code::Service, "the local cloud needs the Docker Engine")
            .hint("cargo xtask setup")
    })?;
    let (cloud, gate) = (daemon(context)?, Gate::of_cloud(context)?);
    if installation::installed().is_none() {
        installation::install(context)?;
    }
    gate::create_key(context)?;
    gate::admit(context)?;
    // MiniStack finds its engine behind the gate.
    gate.ensure(context, &port_key(context))?;
    let well = cloud.process().is_some()
        && answering_version(context).is_some_and(|version| version == VERSION);
    if !well {
        cloud.stop(STOP_GRACE);
        start_cloud(context, &cloud)?;
    }
    status(context)
}

/// Stops the cloud, and removes the containers that its tasks left. Returns the names of what was
/// stopped or removed.
///
/// # Errors
/// There is no state folder.
pub fn down(context: &Context) -> anyhow::Result<Vec<String>> {
    let port = *context.platform.local.cloud_port.get_ref();
    let (cloud, gate) = (daemon(context)?, Gate::of_cloud(context)?);
    let mut done = Vec::new();
    if cloud.process().is_some() {
        // MiniStack does not end on SIGTERM while it runs a service, and a reset removes services
        // and tasks. If it does not answer any more, it is killed after the grace period.
        let _ = post_reset(context);
    }
    if cloud.stop(STOP_GRACE) {
        done.push(format!("MiniStack on port {port}"));
    }
    if gate.stop() {
        done.push("gate".to_owned());
    }
    done.extend(task_containers::remove(port)?);
    done.extend(remove_database(context)?);
    Ok(done)
}

/// Makes the cloud forget everything, and removes its containers.
///
/// # Errors
/// It does not run, or does not answer in time.
pub fn reset(context: &Context) -> anyhow::Result<()> {
    if daemon(context)?.process().is_none() {
        return Err(Failure::new(Code::Service, "the local cloud does not run")
            .hint("cargo xtask cloud up")
            .into());
    }
    let answer = post_reset(context).failure(|| {
        Failure::new(Code::Service, "the local cloud does not answer")
            .hint("cargo xtask cloud down, then cargo xtask cloud up")
    })?;
    if answer.status != 200 {
        return Err(Failure::new(
            Code::Service,
            format!("the local cloud refuses to reset: {}", answer.body),
        )
        .into());
    }
    task_containers::remove(*context.platform.local.cloud_port.get_ref())?;
    remove_database(context)?;
    Ok(())
}

/// The database of what was deployed is removed, too, because its jobs name results that the cloud
/// has forgotten.
fn remove_database(context: &Context) -> anyhow::Result<Vec<String>> {
    if engine::answers() {
        database::remove(context, false)
    } else {
        Ok(Vec::new())
    }
}

pub(crate) fn probe(context: &Context) -> Finding {
    let status = match status(context) {
        Ok(status) => status,
        Err(error) => return Finding::missing(format!("{error:#}")),
    };
    let port = *context.platform.local.cloud_port.get_ref();
    let foreign = || {
        net::owner(IpAddr::V4(HOST), port)
            .filter(|owner| !owner.is(is_ours(context)))
            .map(|owner| {
                let key = port_key(context);
                Finding::blocked(net::taken(port, &owner, &key), net::way_out(&key))
            })
    };
    match status.state {
        State::Running => Finding::ok(format!("MiniStack {VERSION} on {}", status.endpoint)),
        State::Missing => foreign().unwrap_or_else(|| Finding::missing(status.detail)),
        State::Stopped | State::Broken => {
            foreign().unwrap_or_else(|| Finding::stopped(status.detail))
        }
    }
}

fn start_cloud(context: &Context, daemon: &Daemon) -> anyhow::Result<()> {
    let port = *context.platform.local.cloud_port.get_ref();
    context
        .report
        .step(&format!("start the local cloud on {}", endpoint(context)));
    let scratch = context.state_folder()?.join("cloud/tmp");
    std::fs::create_dir_all(&scratch)?;
    let engine = gate::engine_socket(context)?;
    let env = [
        // The port that it names in addresses; the gate listens there.
        ("GATEWAY_PORT", port.to_string()),
        ("DOCKER_HOST", format!("unix://{}", engine.display())),
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("SFTP_ENABLED", "0".to_owned()),
        ("PERSIST_STATE", "0".to_owned()),
        ("MINISTACK_ACCOUNT_ID", ACCOUNT.to_owned()),
        ("MINISTACK_REGION", context.platform.region.clone()),
        ("MINISTACK_HOSTNAME", task_containers::INSTANCE.to_owned()),
        // A pull of an image may be silent for as long as this, too.
        ("MINISTACK_DOCKER_TIMEOUT", "60".to_owned()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("TMPDIR", scratch.display().to_string()),
    ];
    let identity = daemon.start(&Launch {
        program: installation::folder()?.join("bin/python"),
        // Its own start-up code listens on a port, where every program and page of this machine
        // would reach it.
        args: ["-m", "hypercorn", APPLICATION, "--bind"]
            .map(Into::into)
            .into_iter()
            .chain([bind(context)?.into()])
            .chain(
                [
                    "--workers",
                    "0",
                    "--keep-alive",
                    "75",
                    "--log-level",
                    "INFO",
                ]
                .map(Into::into),
            )
            .collect(),
        env: env
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec(),
        // With HOSTNAME, it looks for itself among the containers.
        env_remove: std::env::vars()
            .map(|(name, _)| name)
            .filter(|name| {
                [
                    "AWS_",
                    "DOCKER_",
                    "PYTHONPATH",
                    "PYTHONHOME",
                    "EDGE_PORT",
                    "USE_SSL",
                    "HOSTNAME",
                ]
                .iter()
                .any(|prefix| name.starts_with(prefix) && name != "DOCKER_HOST")
            })
            .collect(),
    })?;
    daemon.wait_ready(&identity, START_BOUND, || {
        answering_version(context).is_some()
    })
}

fn answering_version(context: &Context) -> Option<String> {
    let answer = http::get(
        &format!("{}/_ministack/health", endpoint(context)),
        PROBE_BOUND,
    )
    .ok()?;
    let health: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
    Some(health["version"].as_str()?.to_owned())
}

fn post_reset(context: &Context) -> anyhow::Result<http::Answer> {
    let url = format!("{}/_ministack/reset", endpoint(context));
    http::post(&url, &[(KEY_HEADER, &gate::key(context)?)], RESET_BOUND)
}

/// The process of MiniStack.
fn daemon(context: &Context) -> anyhow::Result<Daemon> {
    let port = *context.platform.local.cloud_port.get_ref();
    let state = context.state_folder()?;
    let daemon = Daemon::new(&state, format!("cloud-{port}"), Reach::Group);
    let bind = bind(context)?;
    daemon.reclaim(|words| words.contains(&bind));
    Ok(daemon)
}

/// Where MiniStack listens, as its server is given it.
fn bind(context: &Context) -> anyhow::Result<String> {
    Ok(format!("unix:{}", gate::cloud_socket(context)?.display()))
}

/// The key of the manifest that has its port.
fn port_key(context: &Context) -> String {
    context.platform.local.key("cloud_port")
}

/// Whether a command line is that of the gate of this local cloud.
fn is_ours(context: &Context) -> impl Fn(&[String]) -> bool {
    let gate = Gate::of_cloud(context).ok();
    move |words| gate.as_ref().is_some_and(|gate| gate.is(words))
}
