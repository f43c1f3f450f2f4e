//! The registry of the environment `local`: Debian's `docker-registry`, which keeps its data in the
//! state folder. It listens on a socket, and the gate before it on loopback.

use crate::daemon::{Daemon, Launch};
use crate::debian_packages;
use crate::debian_packages::Origin;
use crate::finding::Finding;
use crate::gate::{self, Gate};
use crate::net;
use crate::process::Reach;
use crate::programs::on_path;
use crate::setup_lock;
use crate::setup_lock::require_service;
use anyhow::Context as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use xtask_core::atomic_file::write_atomically;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::Failure;
use xtask_core::http;
use xtask_core::paths;
use xtask_core::paths::is_executable;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANSWER_BOUND: Duration = Duration::from_secs(3);
const START_BOUND: Duration = Duration::from_secs(20);
const COLLECT_BOUND: Duration = Duration::from_secs(300);
const STOP_GRACE: Duration = Duration::from_secs(5);
const PACKAGE: &str = "docker-registry";

/// Where it listens, such as `127.0.0.1:5000`.
#[must_use]
pub fn address(context: &Context) -> String {
    format!("{HOST}:{}", *context.platform.local.registry_port.get_ref())
}

/// Starts the registry unless one answers. If it is not installed, it is installed first.
///
/// # Errors
/// Something else has taken the port, or a step fails.
pub fn start(context: &Context) -> anyhow::Result<()> {
    Gate::of_registry(context)?.ensure(context, &port_key(context))?;
    if answers(context) {
        return Ok(());
    }
    let daemon = daemon(context)?;
    // One that does not answer is of no use.
    daemon.stop(STOP_GRACE);
    let program = match installed() {
        Some(program) => program,
        None => {
            debian_packages::unpack(context, &[(Origin::Machine, &[PACKAGE])], &root()?)?;
            root()?.join("usr/bin").join(PACKAGE)
        }
    };
    context
        .report
        .step(&format!("start the registry on {}", address(context)));
    let config = config(context)?;
    // The registry reads YAML, and JSON is YAML.
    write_atomically(
        &config,
        &serde_json::to_vec_pretty(&serde_json::json!({
            "version": 0.1,
            "log": { "level": "warn", "accesslog": { "disabled": true } },
            "storage": {
                "filesystem": { "rootdirectory": data(context)? },
                "delete": { "enabled": true },
            },
            "http": { "net": "unix", "addr": gate::registry_socket(context)? },
        }))?,
    )?;
    let identity = daemon.start(&Launch {
        program,
        args: vec!["serve".into(), config.into()],
        env_remove: overriding().collect(),
        ..Launch::default()
    })?;
    daemon.wait_ready(&identity, START_BOUND, || answers(context))
}

/// What a person calls it.
pub(crate) const NAME: &str = "registry";

/// What it must be.
pub(crate) fn needed(context: &Context) -> String {
    format!("a registry on {}", address(context))
}

/// Starts the registry where it is installed and does not run.
///
/// # Errors
/// It is not installed, its port is taken, or it does not start.
pub fn require(context: &Context) -> anyhow::Result<()> {
    let needed = needed(context);
    require_service(
        context,
        (NAME, &needed),
        || probe(context),
        || start(context),
    )
}

/// Stops the registry if we started it. Returns whether it ran.
///
/// # Errors
/// There is no state folder.
pub fn stop(context: &Context) -> anyhow::Result<bool> {
    Gate::of_registry(context)?.stop();
    Ok(daemon(context)?.stop(STOP_GRACE))
}

/// Whether the registry that runs is ours, so that its data is in [`repositories`].
///
/// # Errors
/// There is no state folder.
pub fn is_running(context: &Context) -> anyhow::Result<bool> {
    Ok(daemon(context)?.process().is_some())
}

/// Removes from the disk what is no longer part of an image. The registry is stopped meanwhile,
/// because it would also remove the parts of an image that is just being pushed. Commands that need
/// it wait for the lock of `setup`.
///
/// # Errors
/// It is not installed, or does not start again.
pub fn collect_garbage(context: &Context) -> anyhow::Result<()> {
    if !repositories(context)?.is_dir() {
        // Nothing was ever sent to it; its own collection would call that an error.
        return Ok(());
    }
    let _lock = setup_lock::wait(context)?;
    let program = installed().context("the registry is not installed")?;
    context.report.step("make room in the registry");
    stop(context)?;
    let collected = overriding()
        .fold(Cmd::new(program), |cmd, name| cmd.env_remove(name))
        .arg("garbage-collect")
        .arg(config(context)?)
        .timeout(COLLECT_BOUND)
        .survives_interrupt()
        .read();
    start(context)?;
    collected.map(|_| ())
}

pub(crate) fn probe(context: &Context) -> Finding {
    let gate = match Gate::of_registry(context) {
        Ok(gate) => gate,
        Err(error) => return Finding::missing(format!("{error:#}")),
    };
    if gate.is_well() && answers(context) {
        return Finding::ok(format!("answers on {}", address(context)));
    }
    let port = *context.platform.local.registry_port.get_ref();
    let taken = net::owner(HOST, port).filter(|owner| {
        // One without a gate, as it was once started, is ours, too.
        !owner.is(|words| gate.is(words) || is_ours(context, words))
    });
    if let Some(owner) = taken {
        let key = port_key(context);
        return Finding::blocked(net::taken(port, &owner, &key), net::way_out(&key));
    }
    if installed().is_some() {
        Finding::stopped("installed, not running")
    } else {
        Finding::missing("not installed")
    }
}

fn answers(context: &Context) -> bool {
    http::get(&format!("http://{}/v2/", address(context)), ANSWER_BOUND).is_ok_and(|answer| {
        answer.status == 200
            && answer.header("docker-distribution-api-version") == Some("registry/2.0")
    })
}

fn daemon(context: &Context) -> Result<Daemon, Failure> {
    let port = *context.platform.local.registry_port.get_ref();
    let state = context.state_folder()?;
    let daemon = Daemon::new(&state, format!("registry-{port}"), Reach::Process);
    daemon.reclaim(|words| is_ours(context, words));
    Ok(daemon)
}

/// The key of the manifest that moves its port.
fn port_key(context: &Context) -> String {
    context.platform.local.key("registry_port")
}

/// Whether a command line serves our configuration.
fn is_ours(context: &Context, words: &[String]) -> bool {
    config(context).is_ok_and(|config| {
        words.get(1).is_some_and(|verb| verb == "serve")
            && words.get(2).map(PathBuf::from) == Some(config)
    })
}

fn installed() -> Option<PathBuf> {
    on_path(PACKAGE).or_else(|| {
        let ours = root().ok()?.join("usr/bin").join(PACKAGE);
        is_executable(&ours).then_some(ours)
    })
}

fn root() -> Result<PathBuf, Failure> {
    Ok(paths::state()?.join("registry/root"))
}

/// The folder of its data, with a folder for each repository.
///
/// # Errors
/// There is no state folder.
pub fn repositories(context: &Context) -> Result<PathBuf, Failure> {
    Ok(data(context)?.join("docker/registry/v2/repositories"))
}

fn data(context: &Context) -> Result<PathBuf, Failure> {
    Ok(folder(context)?.join("data"))
}

fn config(context: &Context) -> Result<PathBuf, Failure> {
    let port = context.platform.local.registry_port.get_ref();
    Ok(folder(context)?.join(format!("config-{port}.json")))
}

/// The folder of this instance; all instances share the program.
fn folder(context: &Context) -> Result<PathBuf, Failure> {
    Ok(context.state_folder()?.join("registry"))
}

/// The environment variables that would override the configuration.
fn overriding() -> impl Iterator<Item = String> {
    std::env::vars()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("REGISTRY_"))
}
