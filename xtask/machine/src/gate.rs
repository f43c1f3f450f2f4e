//! The processes of the gates, each before a service of this machine. `xtask-gate` has their rules.
//!
//! The service behind a gate listens on a socket in a folder that only this user can enter, so that
//! the gate is the only way to it. A gate is this very program, started once more.

use crate::daemon::{Daemon, Launch};
use crate::net;
use crate::process::{self, Reach};
use anyhow::Context as _;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_aws_api::names::{Deployed, LOCAL, Validation};
use xtask_core::atomic_file::write_atomically;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_docker::engine;
use xtask_gate::{Cloud, Config, Platform, Registry, version};
pub use xtask_gate::{Credentials, KEY_HEADER};

/// The first argument of a gate.
pub const WORD: &str = "gate";

const PROGRAM: &str = "xtask";
const CONNECT_BOUND: Duration = Duration::from_secs(3);
const START_BOUND: Duration = Duration::from_secs(20);
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A gate, whether it runs or not.
pub(crate) struct Gate {
    daemon: Daemon,
    config: Config,
}

impl Gate {
    /// The gate of the local cloud.
    pub(crate) fn of_cloud(context: &Context) -> anyhow::Result<Self> {
        let port = *context.platform.local.cloud_port.get_ref();
        let config = Cloud {
            port,
            bridge: engine::bridge_address().ok().filter(is_on_this_host),
            upstream: cloud_socket(context)?,
            key: key_file(context)?,
            engine_for_cloud: engine_socket(context)?,
            engine: engine::socket().unwrap_or_else(|_| engine::DEFAULT_SOCKET.into()),
            platforms: platforms_folder(context)?,
            version: version(),
        };
        Self::new(
            context,
            &format!("gate-{port}"),
            Config::Cloud(Box::new(config)),
        )
    }

    /// The gate of the registry.
    pub(crate) fn of_registry(context: &Context) -> anyhow::Result<Self> {
        let port = *context.platform.local.registry_port.get_ref();
        let config = Registry {
            port,
            upstream: registry_socket(context)?,
            version: version(),
        };
        Self::new(
            context,
            &format!("gate-registry-{port}"),
            Config::Registry(config),
        )
    }

    fn new(context: &Context, name: &str, config: Config) -> anyhow::Result<Self> {
        let daemon = Daemon::new(&context.state_folder()?, name, Reach::Process);
        let gate = Self { daemon, config };
        gate.daemon.reclaim(|words| gate.is(words));
        Ok(gate)
    }

    /// The number of its process.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.daemon.process().map(|process| process.pid)
    }

    /// Whether it runs with these rules and lets connections in.
    pub(crate) fn is_well(&self) -> bool {
        let runs = self.daemon.process().is_some_and(|process| {
            let words = process::command_line_of(process.pid);
            words.get(2..) == self.arguments().ok().as_ref().map(std::slice::from_ref)
        });
        let addresses = self.addresses();
        runs && addresses
            .iter()
            .all(|(address, port)| accepts(*address, *port))
    }

    /// Starts it where it does not run, or runs with other rules.
    pub(crate) fn ensure(&self, context: &Context, port_key: &str) -> anyhow::Result<()> {
        if self.is_well() {
            return Ok(());
        }
        self.stop();
        for (address, port) in self.addresses() {
            net::require_free(IpAddr::V4(address), port, port_key)?;
        }
        let places: Vec<String> = self
            .addresses()
            .iter()
            .map(|(address, port)| format!("{address}:{port}"))
            .collect();
        let places = places.join(" and ");
        context.report.step(&format!("start the gate on {places}"));
        let identity = self.daemon.start(&Launch {
            program: program()?,
            args: vec![WORD.into(), self.arguments()?.into()],
            ..Launch::default()
        })?;
        self.daemon.wait_ready(&identity, START_BOUND, || {
            let addresses = self.addresses();
            addresses
                .iter()
                .all(|(address, port)| accepts(*address, *port))
        })
    }

    /// Ends it. Returns whether it ran.
    pub(crate) fn stop(&self) -> bool {
        self.daemon.stop(STOP_GRACE)
    }

    /// Whether a command line is that of a gate before the same service, whatever its rules are.
    pub(crate) fn is(&self, words: &[String]) -> bool {
        let [_, word, arguments] = words else {
            return false;
        };
        let Ok(found) = serde_json::from_str::<serde_json::Value>(arguments) else {
            return false;
        };
        let (kind, upstream) = match &self.config {
            Config::Cloud(config) => ("cloud", &config.upstream),
            Config::Registry(config) => ("registry", &config.upstream),
        };
        word == WORD && found[kind]["upstream"].as_str().map(Path::new) == Some(upstream)
    }

    fn arguments(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(&self.config)?)
    }

    fn addresses(&self) -> Vec<(Ipv4Addr, u16)> {
        let (port, bridge) = match &self.config {
            Config::Cloud(config) => (config.port, config.bridge),
            Config::Registry(config) => (config.port, None),
        };
        let loopback = Some(Ipv4Addr::LOCALHOST);
        [bridge, loopback]
            .into_iter()
            .flatten()
            .map(|address| (address, port))
            .collect()
    }
}

/// Makes the access key of the local cloud unless there is one.
pub(crate) fn create_key(context: &Context) -> anyhow::Result<()> {
    xtask_gate::create_key(&key_file(context)?)
}

/// The operator's credentials for the local cloud.
///
/// # Errors
/// The local cloud was never started, so that it has no key.
pub fn operator(context: &Context) -> anyhow::Result<Credentials> {
    Ok(xtask_gate::operator(&key(context)?))
}

/// The credentials of an orchestrator in a container, whose artifacts are at this address.
///
/// # Errors
/// As [`operator`], or the address is not one of S3.
pub fn orchestrator(context: &Context, artifacts: &str) -> anyhow::Result<Credentials> {
    xtask_gate::orchestrator(&key(context)?, artifacts)
        .with_context(|| format!("{artifacts} is not an address of S3"))
}

/// The access key of the local cloud.
///
/// # Errors
/// The local cloud was never started.
pub fn key(context: &Context) -> anyhow::Result<String> {
    xtask_gate::read_key(&key_file(context)?).failure(|| {
        Failure::new(Code::Service, "the local cloud has no access key yet")
            .hint("cargo xtask cloud up")
    })
}

/// The file of the access key, which only this user can read.
///
/// # Errors
/// There is no state folder.
pub fn key_file(context: &Context) -> anyhow::Result<PathBuf> {
    let port = context.platform.local.cloud_port.get_ref();
    Ok(folder(context)?.join(format!("key-{port}")))
}

/// Where MiniStack listens.
pub(crate) fn cloud_socket(context: &Context) -> anyhow::Result<PathBuf> {
    let port = context.platform.local.cloud_port.get_ref();
    Ok(folder(context)?.join(format!("cloud-{port}.sock")))
}

/// Where MiniStack finds an engine.
pub(crate) fn engine_socket(context: &Context) -> anyhow::Result<PathBuf> {
    let port = context.platform.local.cloud_port.get_ref();
    Ok(folder(context)?.join(format!("engine-{port}.sock")))
}

/// Where the registry listens.
///
/// # Errors
/// There is no state folder.
pub fn registry_socket(context: &Context) -> anyhow::Result<PathBuf> {
    let port = context.platform.local.registry_port.get_ref();
    Ok(folder(context)?.join(format!("registry-{port}.sock")))
}

/// The folder of the keys and of the sockets behind gates, which only this user can enter.
fn folder(context: &Context) -> anyhow::Result<PathBuf> {
    let folder = context.state_folder()?.join("gate");
    let only_ours = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))
    };
    only_ours().with_context(|| format!("failed to make {}", folder.display()))?;
    Ok(folder)
}

/// Where the gate of the local cloud finds what tasks may use.
fn platforms_folder(context: &Context) -> anyhow::Result<PathBuf> {
    let port = context.platform.local.cloud_port.get_ref();
    Ok(folder(context)?.join(format!("platforms-{port}")))
}

/// Lets this project's tasks use what they may.
///
/// # Errors
/// The state folder cannot be written.
pub(crate) fn admit(context: &Context) -> anyhow::Result<()> {
    let file = platforms_folder(context)?.join(format!("{}.json", context.platform.project));
    let text = serde_json::to_vec(&platform(context))?;
    match std::fs::read(&file) {
        Ok(found) if found == text => Ok(()),
        _ => write_atomically(&file, &text),
    }
}

/// What tasks of the platform may use.
fn platform(context: &Context) -> Platform {
    let platform = &context.platform;
    let (deployed, validation) = (
        Deployed::new(platform, LOCAL),
        Validation::new(platform, LOCAL),
    );
    let generator = platform.generator();
    Platform {
        orchestrator: platform.orchestrator().container.clone(),
        generator: generator.container.clone(),
        buckets: vec![deployed.artifact_bucket.clone(), validation.bucket],
        clusters: vec![deployed.cluster.clone(), validation.cluster],
        families: (deployed.task_kinds().map(|kind| kind.family.clone()))
            .chain((deployed.deliverer.iter()).map(|deliverer| deliverer.family.clone()))
            .chain([validation.family, validation.preview_family])
            .collect(),
        // The log of a preview is for operators: the orchestrator asks the preview itself.
        log_groups: vec![generator.log_group.clone(), validation.log_group],
        tables: vec![deployed.table.clone()],
        queues: vec![deployed.job_queue.clone()],
    }
}

/// The program that is a gate: this one, or the one beside which a test is compiled.
fn program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find this program")?;
    if own.file_stem().is_some_and(|name| name == PROGRAM) && own.is_file() {
        return Ok(own);
    }
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .with_context(|| format!("there is no {PROGRAM} beside {}", own.display()))
}

fn accepts(address: Ipv4Addr, port: u16) -> bool {
    TcpStream::connect_timeout(&(address, port).into(), CONNECT_BOUND).is_ok()
}

/// Whether the bridge belongs to this machine. An engine in a virtual machine has the bridge there,
/// and forwards `host.docker.internal` itself.
fn is_on_this_host(bridge: &Ipv4Addr) -> bool {
    TcpListener::bind((*bridge, 0)).is_ok()
}
