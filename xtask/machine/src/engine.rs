//! The Docker Engine and the plugins of its client. An engine that runs is used as it is. Where
//! none runs, Debian's is unpacked in the state folder and started.

use crate::daemon::{Daemon, Launch};
use crate::debian_packages;
use crate::debian_packages::Origin;
use crate::finding::Finding;
use crate::process::Reach;
use crate::programs::on_path;
use crate::version::Version;
use anyhow::Context as _;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::atomic_file::write_atomically;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::paths;
use xtask_core::paths::is_executable;
use xtask_docker::engine;
use xtask_docker::engine::ApiError;

const AT_LEAST: Version = Version(23, 0, 0);
const START_BOUND: Duration = Duration::from_secs(60);
/// What the builder may remove from its cache; the registry has a cache of our builds, too. The
/// builder's own rules consider only the size, so that small records, of which tests make many,
/// slow down every build. A rule with a size removes one record at a time and counts all of them
/// before each, which takes minutes.
const FORGOTTEN: [&[&str]; 2] = [&["type=source.local", "unused-for=1h"], &["unused-for=24h"]];
const CACHE_AT_MOST: &str = "8GB";
/// These need no libc newer than 2.34, so they run on older releases of Debian.
const SID_PACKAGES: &[&str] = &["docker.io", "docker-cli", "containerd"];
/// Sid's runc needs libc 2.38. `docker run --init` starts tini.
const OWN_PACKAGES: &[&str] = &["runc", "tini"];
const SYSTEM_PACKAGES: &[&str] = &["iptables", "libseccomp2"];
const PLUGIN_PACKAGES: &[&str] = &["docker-buildx", "docker-compose"];
const PLUGIN_FOLDER: &str = "/usr/local/lib/docker/cli-plugins";

/// Whether an engine runs that is new enough. This is one question over its socket.
#[must_use]
pub fn probe() -> Finding {
    if on_path("docker").is_none() {
        return Finding::missing("no docker client on the PATH");
    }
    let error = match engine::get("/version") {
        Ok((_, answer)) => {
            let version = answer["Version"].as_str().unwrap_or_default().to_owned();
            return match Version::find(&version) {
                Some(number) if number >= AT_LEAST => Finding::ok(version),
                _ => Finding::missing(format!("version {version}")),
            };
        }
        Err(error) => error,
    };
    let installed = installed_dockerd().is_some();
    match error {
        ApiError::NotRunning(_) if installed => {
            Finding::stopped(format!("installed, not running: {error}"))
        }
        _ => Finding::missing(error.to_string()),
    }
}

/// What the engine must be.
#[must_use]
pub fn needed() -> String {
    format!("Docker Engine {AT_LEAST} or newer, running")
}

/// Installs the engine where it is missing, and starts it.
///
/// # Errors
/// The engine is on another machine, we may not use it, we are not root, or a step fails.
pub fn ensure(context: &Context) -> anyhow::Result<()> {
    match engine::get("/version") {
        Ok((_, answer)) => {
            let version = answer["Version"].as_str().unwrap_or_default();
            if Version::find(version).is_none_or(|number| number < AT_LEAST) {
                return Err(Failure::new(
                    Code::Prerequisite,
                    format!("Docker Engine {version} runs, {AT_LEAST} or newer is needed"),
                )
                .hint("update it in the way it was installed")
                .into());
            }
        }
        Err(error @ (ApiError::Elsewhere(_) | ApiError::Forbidden(_))) => {
            return Err(Failure::new(Code::Prerequisite, error.to_string())
                .hint("unset DOCKER_HOST, or add this user to the group `docker` and log in again")
                .into());
        }
        Err(_) => {
            if installed_dockerd().is_none() {
                install(context)?;
            }
            start(context)?;
        }
    }
    link_client(context)
}

fn install(context: &Context) -> anyhow::Result<()> {
    require_root("installed")?;
    debian_packages::install(context, SYSTEM_PACKAGES)?;
    let root = root()?;
    debian_packages::unpack(
        context,
        &[(Origin::Sid, SID_PACKAGES), (Origin::Machine, OWN_PACKAGES)],
        &root,
    )?;
    // The engine starts tini by this name.
    link(
        &root.join("usr/bin/tini-static"),
        &root.join("usr/sbin/docker-init"),
    )
}

/// Starts the engine that is installed and waits until it answers.
///
/// # Errors
/// It is not installed, we are not root, or it does not start; the error quotes its log.
pub fn start(context: &Context) -> anyhow::Result<()> {
    let Some(dockerd) = installed_dockerd() else {
        return Err(
            Failure::new(Code::Prerequisite, "no Docker Engine is installed")
                .hint("cargo xtask setup")
                .into(),
        );
    };
    require_root("started")?;
    let ours = dockerd.starts_with(paths::state()?);
    if !ours && Path::new("/run/systemd/system").is_dir() {
        context
            .report
            .step("start Docker Engine: systemctl start docker");
        return Cmd::new("systemctl")
            .args(["start", "docker"])
            .timeout(START_BOUND)
            .run(&context.report, "systemctl");
    }
    context
        .report
        .step(&format!("start Docker Engine: {}", dockerd.display()));
    let folder = paths::state()?.join("engine");
    let config = folder.join("daemon.json");
    let rules: Vec<_> = FORGOTTEN
        .iter()
        .map(|filter| serde_json::json!({ "filter": filter }))
        .chain([serde_json::json!({ "maxUsedSpace": CACHE_AT_MOST })])
        .collect();
    write_atomically(
        &config,
        &serde_json::to_vec_pretty(&serde_json::json!({
            "data-root": folder.join("data"),
            // Without this, the `docker` driver cannot export a cache to a registry.
            "features": { "containerd-snapshotter": true },
            "builder": { "gc": { "enabled": true, "policy": rules } },
        }))?,
    )?;
    let daemon = Daemon::new(&paths::state()?, "engine", Reach::Process);
    let identity = daemon.start(&Launch {
        program: dockerd,
        args: vec!["--config-file".into(), config.into()],
        env: vec![("PATH".into(), search_path(&root()?))],
        ..Launch::default()
    })?;
    daemon.wait_ready(&identity, START_BOUND, engine::answers)
}

/// Stops the engine if we started it. Returns whether it ran.
///
/// # Errors
/// There is no state folder.
pub fn stop() -> Result<bool, Failure> {
    // It stops its containers one after the other, and each may take ten seconds.
    Ok(Daemon::new(&paths::state()?, "engine", Reach::Process).stop(Duration::from_secs(60)))
}

/// Whether the client finds the plugin `docker-NAME`.
pub(crate) fn probe_plugin(name: &str, at_least: Version, thorough: bool) -> Finding {
    let file = format!("docker-{name}");
    let Some(path) = plugin_folders()
        .into_iter()
        .map(|folder| folder.join(&file))
        .find(|path| is_executable(path))
    else {
        return Finding::missing(format!("the docker client has no plugin {name}"));
    };
    if !thorough {
        return Finding::ok(path.display().to_string());
    }
    let answer = Cmd::new("docker").args([name, "version"]).read();
    match answer.map(|text| Version::find(&text)) {
        Ok(Some(version)) if version >= at_least => Finding::ok(version.to_string()),
        Ok(Some(version)) => Finding::missing(format!("{version} at {}", path.display())),
        Ok(None) => Finding::missing(format!("{} does not print its version", path.display())),
        Err(error) => Finding::missing(error.to_string()),
    }
}

/// Unpacks buildx and compose in the state folder, and links them where the client looks for them.
pub(crate) fn install_plugins(context: &Context) -> anyhow::Result<()> {
    let unpacked = paths::state()?.join("engine/plugins");
    let inside = unpacked.join("usr/libexec/docker/cli-plugins");
    let complete = PLUGIN_PACKAGES
        .iter()
        .all(|name| is_executable(&inside.join(name)));
    if !complete {
        debian_packages::unpack(context, &[(Origin::Sid, PLUGIN_PACKAGES)], &unpacked)?;
    }
    let folder = if debian_packages::is_root() {
        PathBuf::from(PLUGIN_FOLDER)
    } else {
        client_folder().join("cli-plugins")
    };
    context
        .report
        .step(&format!("link buildx and compose in {}", folder.display()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    for name in PLUGIN_PACKAGES {
        link(&inside.join(name), &folder.join(name))?;
    }
    Ok(())
}

fn link_client(context: &Context) -> anyhow::Result<()> {
    if on_path("docker").is_some() {
        return Ok(());
    }
    let mut client = root()?.join("usr/bin/docker");
    if !client.exists() {
        let folder = paths::state()?.join("engine/client");
        debian_packages::unpack(context, &[(Origin::Sid, &["docker-cli"])], &folder)?;
        client = folder.join("usr/bin/docker");
    }
    let place = Path::new("/usr/local/bin/docker");
    context
        .report
        .step(&format!("link the docker client as {}", place.display()));
    link(&client, place)
}

/// Where the client looks for plugins.
fn plugin_folders() -> Vec<PathBuf> {
    let mut folders = vec![client_folder().join("cli-plugins")];
    folders.extend(
        [
            PLUGIN_FOLDER,
            "/usr/local/libexec/docker/cli-plugins",
            "/usr/lib/docker/cli-plugins",
            "/usr/libexec/docker/cli-plugins",
        ]
        .map(PathBuf::from),
    );
    folders
}

fn client_folder() -> PathBuf {
    std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")))
        .unwrap_or_default()
}

fn root() -> Result<PathBuf, Failure> {
    Ok(paths::state()?.join("engine/root"))
}

fn installed_dockerd() -> Option<PathBuf> {
    on_path("dockerd").or_else(|| {
        let ours = root().ok()?.join("usr/sbin/dockerd");
        // An installation makes this link as its last step.
        (is_executable(&ours) && ours.with_file_name("docker-init").exists()).then_some(ours)
    })
}

fn search_path(root: &Path) -> OsString {
    let mut path = OsString::new();
    for folder in ["usr/sbin", "usr/bin"] {
        path.push(root.join(folder));
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

fn require_root(done: &str) -> Result<(), Failure> {
    if debian_packages::is_root() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Prerequisite,
        format!("the Docker Engine can only be {done} by root"),
    )
    .hint("install and start Docker Engine in the way of this system, then run the command again"))
}

fn link(target: &Path, place: &Path) -> anyhow::Result<()> {
    let partial = place.with_extension(format!("partial-{}", std::process::id()));
    symlink(target, &partial).with_context(|| format!("failed to link {}", place.display()))?;
    std::fs::rename(&partial, place).with_context(|| format!("failed to link {}", place.display()))
}
