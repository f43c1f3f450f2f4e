//! `cargo xtask dev`: runs the API, which restarts when Rust changes, and the web page with hot
//! reload. The database is SQLite, and generators are plain processes; with `--provider claude` or `codex`
//! they are tasks of the local cloud, because agents run in containers only. Ctrl-C ends everything.
//!
//! An orchestrator takes jobs from the queue of its database, so `dev` has one of its own and works
//! for no environment on AWS: a laptop would run the jobs of its users.

use crate::commands::command::{Answer, Changes, Command, Reach};
use crate::commands::provider;
use crate::commands::provider::ProviderArgs;
use anyhow::Context as _;
use notify::Watcher as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;
use xtask_core::cmd::Running;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_core::lock::Lock;
use xtask_core::marked;
use xtask_machine::{self, orchestrator};
use xtask_operate::providers::NamedIn;
use xtask_operate::{dev_tasks, providers, secrets};

/// Editors write a file in several steps; changes within this time count as one edit.
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

/// Run the API and the web page on this machine, and reload them after every edit
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    provider: ProviderArgs,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(
        r#"`{"page","api"}` as soon as both listen; the command then runs until SIGINT or `cleanup`"#,
    );
    const REACH: Reach = Reach::Machine(
        "cargo xtask dev works here, with data of its own; cargo xtask logs --follow --env ENV shows what ENV does",
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut here = context.in_environment(&context.environment)?;
        self.provider.set(&mut here.platform);
        let context = &here;
        let _lock = Lock::try_take(&context.work_folder().join("dev.lock"), "a dev")?;
        let ports = &context.platform.local;
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        xtask_machine::net::require_free(
            loopback,
            *ports.api_port.get_ref(),
            &ports.key("api_port"),
        )?;
        xtask_machine::net::require_free(
            loopback,
            *ports.web_port.get_ref(),
            &ports.key("web_port"),
        )?;
        xtask_machine::require(context, xtask_machine::FOR_DEV)?;
        let tasks = Tasks::of(context)?;
        let web = web_folder(context)?;
        let folder = orchestrator::dev_folder(context);
        let log = folder.join(orchestrator::LOG);
        let mut environment = secrets::values(context, "orchestrator")?;
        let generator = secrets::values(context, "generator")?;
        if let Some(chosen) = providers::of_orchestrator(context) {
            providers::require(context, &chosen, NamedIn::CommandLine)?;
        }
        // These come last: whatever a secret says, `dev` works no queue but its own.
        environment.extend(orchestrator::environment(
            context,
            &folder,
            *ports.api_port.get_ref(),
            generator,
        )?);

        if tasks.is_some() {
            environment.extend(dev_tasks::environment(context)?);
        }

        // No process that is started below outlives this command.
        let mark = marked::EndOnDrop(context.work_folder());
        let changes = watch(context)?;
        orchestrator::compile(context)?;
        File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
        let mut api = Some(orchestrator::start(context, &environment, log.clone())?);
        let mut page = start_page(context, &web)?;
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
                    format!("the server of the web page ended with {status}"),
                )
                .hint("read its last lines above, then run cargo xtask preflight")
                .into());
            }
            if let Some(running) = &mut api
                && let Some(status) = running.try_wait()?
            {
                context.report.step(&format!(
                    "the API ended with {status}; it starts again after the next edit"
                ));
                api = None;
            }
            if let Some(path) = next_change(&changes)? {
                context.report.step(&format!("{path} changed"));
                match compiled(context, &tasks) {
                    Ok(variables) => {
                        environment.extend(variables);
                        // The port must be free before the next one binds it.
                        drop(api.take());
                        api = Some(orchestrator::start(context, &environment, log.clone())?);
                    }
                    Err(_) if interrupt::requested() => break,
                    Err(error) => context
                        .report
                        .step(&format!("{error:#}; the API from before keeps running")),
                }
            }
        }
        context.report.step("stopping");
        // Ends all processes at once: one by one, their grace periods would add up.
        drop(mark);
        drop(api);
        drop(page);
        Ok(ExitCode::SUCCESS)
    }
}

/// The jobs of a `dev` whose provider is an agent are tasks of the local cloud. Dropping this stops them.
struct Tasks<'a> {
    context: &'a Context,
    _lock: Lock,
}

impl<'a> Tasks<'a> {
    /// `None` where generators are processes of this machine.
    fn of(context: &'a Context) -> anyhow::Result<Option<Self>> {
        let environment = &context.platform.orchestrator().environment;
        if environment
            .get("GENERATOR_PROVIDER")
            .is_none_or(|name| *name == provider::Provider::Template.name())
        {
            return Ok(None);
        }
        xtask_machine::require(context, xtask_machine::FOR_VALIDATE)?;
        let lock = dev_tasks::hold(context)?;
        let tasks = Self {
            context,
            _lock: lock,
        };
        Ok(Some(tasks))
    }
}

impl Drop for Tasks<'_> {
    fn drop(&mut self) {
        if let Err(error) = dev_tasks::stop(self.context) {
            self.context.report.step(&format!(
                "failed to stop the tasks of this dev: {error:#}; run `cargo xtask cleanup`"
            ));
        }
    }
}

/// Compiles after an edit. Returns variables of the orchestrator that changed with it: where generators are
/// tasks, they have another image.
fn compiled(
    context: &Context,
    tasks: &Option<Tasks<'_>>,
) -> anyhow::Result<BTreeMap<String, String>> {
    orchestrator::compile(context)?;
    match tasks {
        Some(_) => dev_tasks::environment(context),
        None => Ok(BTreeMap::new()),
    }
}

/// Prints both addresses once both listen; returns whether they do.
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
        &format!("web page {}  API {}  Ctrl-C ends both", url(page), url(api)),
    )?;
    Ok(true)
}

fn web_folder(context: &Context) -> anyhow::Result<PathBuf> {
    let image = context.platform.orchestrator().image.get_ref();
    let npm = context.platform.images[image].npm.as_ref().ok_or_else(|| {
        Failure::new(Code::Manifest, format!("image {image} has no web page"))
            .hint(format!("edit {}", app_gen_infra::MANIFEST_PATH))
    })?;
    Ok(context.root.join(npm.folder.get_ref()))
}

fn start_page(context: &Context, web: &Path) -> anyhow::Result<Running> {
    xtask_image::packages::tool(context, web, "vite")?
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

type Edits = (
    notify::RecommendedWatcher,
    mpsc::Receiver<notify::Result<notify::Event>>,
);

fn watch(context: &Context) -> anyhow::Result<Edits> {
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

/// The file of the last edit, after a pause in the writes.
fn next_change((_, receiver): &Edits) -> anyhow::Result<Option<String>> {
    let mut changed = None;
    let mut wait = TICK;
    loop {
        match receiver.recv_timeout(wait) {
            Ok(event) => {
                let event = event.context("failed to watch the sources")?;
                // Reading a file is an event too, and each compile would cause the next one.
                if !event.kind.is_access()
                    // Editors write temporary files beside the source, which are gone by now.
                    && let Some(path) = event.paths.iter().find(|path| path.exists())
                {
                    changed = Some(path.display().to_string());
                    wait = SETTLE;
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(changed),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                anyhow::bail!("the watcher of the sources has ended")
            }
        }
    }
}
