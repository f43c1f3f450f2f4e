//! `cargo xtask dev`: the API (restarted when Rust changes) and the page (hot
//! reload), with SQLite and generators as plain processes. Ctrl-C ends all of it.

use anyhow::Context as _;
use notify::Watcher as _;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use xtask_core::cmd::{Cmd, Running};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_core::lock::Lock;
use xtask_core::marked;
use xtask_machine::{self, orchestrator};
use xtask_operate::secrets;

/// Editors write a file in several steps; what comes within this time is one edit.
const SETTLE: Duration = Duration::from_millis(80);
const TICK: Duration = Duration::from_millis(50);

/// The sources of the API and the generator.
const WATCHED: [&str; 6] = [
    "app-gen-saas/src",
    "app-gen-saas/migrations",
    "app-gen-saas/Cargo.toml",
    "app-gen",
    "Cargo.toml",
    "Cargo.lock",
];

/// Runs until Ctrl-C.
///
/// # Errors
/// A port is taken, a secret is missing, or the page's server ends by itself.
pub(crate) fn run(context: &Context) -> anyhow::Result<()> {
    let _lock = Lock::try_take(&context.work_folder().join("dev.lock"), "a dev")?;
    let ports = &context.platform.local;
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    xtask_machine::net::require_free(loopback, *ports.api_port.get_ref(), &ports.key("api_port"))?;
    xtask_machine::net::require_free(loopback, *ports.web_port.get_ref(), &ports.key("web_port"))?;
    xtask_machine::require(context, xtask_machine::FOR_DEV)?;
    let web = web_folder(context)?;
    let node_modules = xtask_image::packages::ensure(context, &web)?;
    let folder = orchestrator::dev_folder(context);
    let log = folder.join(orchestrator::LOG);
    let mut environment = orchestrator::environment(
        context,
        &folder,
        *ports.api_port.get_ref(),
        secrets::values(context, "generator")?,
    )?;
    environment.extend(secrets::values(context, "orchestrator")?);

    // Whatever happens below, nothing that we started stays.
    let mark = marked::EndOnDrop(context.work_folder());
    let changes = watch(context)?;
    orchestrator::compile(context)?;
    File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
    let mut api = Some(orchestrator::start(context, &environment, log.clone())?);
    let mut page = start_page(context, &web, &node_modules)?;
    let mut announced = false;
    while !interrupt::requested() {
        if !announced {
            announced = announce(context)?;
        }
        if let Some(status) = page.try_wait()? {
            if interrupt::requested() {
                break;
            }
            return Err(Failure::new(
                Code::Failed,
                format!("the page's server ended with {status}"),
            )
            .hint("its last lines are above; cargo xtask preflight")
            .into());
        }
        if let Some(running) = &mut api
            && let Some(status) = running.try_wait()?
        {
            context.report.step(&format!(
                "the API ended with {status}; it starts again on the next edit"
            ));
            api = None;
        }
        if let Some(path) = next_change(&changes)? {
            context.report.step(&format!("{path} changed"));
            match orchestrator::compile(context) {
                Ok(()) => {
                    // The port must be free before the next one binds it.
                    drop(api.take());
                    api = Some(orchestrator::start(context, &environment, log.clone())?);
                }
                Err(_) if interrupt::requested() => break,
                Err(error) => context
                    .report
                    .step(&format!("{error:#}; the API before stays")),
            }
        }
    }
    context.report.step("stopping");
    // All at once: one after the other their graces add up.
    drop(mark);
    drop(api);
    drop(page);
    Ok(())
}

/// Says where both are, once both listen.
fn announce(context: &Context) -> anyhow::Result<bool> {
    let ports = &context.platform.local;
    let (page, api) = (*ports.web_port.get_ref(), *ports.api_port.get_ref());
    let listens = |port| xtask_machine::net::owner(Ipv4Addr::LOCALHOST.into(), port).is_some();
    if !listens(page) || !listens(api) {
        return Ok(false);
    }
    let url = |port| format!("http://127.0.0.1:{port}");
    context.report.result(
        &serde_json::json!({ "page": url(page), "api": url(api) }),
        &format!("page {}  API {}  Ctrl-C ends both", url(page), url(api)),
    )?;
    Ok(true)
}

fn web_folder(context: &Context) -> anyhow::Result<PathBuf> {
    let image = context.platform.orchestrator().image.get_ref();
    let npm = context.platform.images[image].npm.as_ref().ok_or_else(|| {
        Failure::new(Code::Manifest, format!("image {image} has no page"))
            .hint(format!("edit {}", app_gen_infra::MANIFEST_PATH))
    })?;
    Ok(context.root.join(npm.folder.get_ref()))
}

fn start_page(context: &Context, web: &Path, node_modules: &Path) -> anyhow::Result<Running> {
    Cmd::new(node_modules.join(".bin/vite"))
        .folder(web)
        .env(
            "PATH",
            xtask_image::packages::path_with_pinned_node(node_modules),
        )
        .env(
            "API_PORT",
            context.platform.local.api_port.get_ref().to_string(),
        )
        .env(
            "WEB_PORT",
            context.platform.local.web_port.get_ref().to_string(),
        )
        .env(marked::VARIABLE, marked::value(&context.work_folder()))
        .spawn(&context.report, "web")
}

type Changes = (
    notify::RecommendedWatcher,
    mpsc::Receiver<notify::Result<notify::Event>>,
);

fn watch(context: &Context) -> anyhow::Result<Changes> {
    let (sender, receiver) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    for path in WATCHED {
        let path = context.root.join(path);
        if path.exists() {
            watcher
                .watch(&path, notify::RecursiveMode::Recursive)
                .with_context(|| format!("failed to watch {}", path.display()))?;
        }
    }
    Ok((watcher, receiver))
}

/// The file of an edit, once its last write has settled.
fn next_change((_, receiver): &Changes) -> anyhow::Result<Option<String>> {
    let mut changed = None;
    let mut wait = TICK;
    loop {
        match receiver.recv_timeout(wait) {
            Ok(event) => {
                let event = event.context("failed to watch the sources")?;
                // Reading a file is an event too; compiling would follow itself for ever.
                if !event.kind.is_access()
                    // Not the files that editors write beside the source for a moment.
                    && let Some(path) = event.paths.iter().find(|path| path.exists())
                {
                    changed = Some(path.display().to_string());
                    wait = SETTLE;
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(changed),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                anyhow::bail!("the watcher of the sources ended")
            }
        }
    }
}
