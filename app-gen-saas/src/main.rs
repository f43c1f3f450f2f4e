//! The orchestrator's binary: configuration, server, worker, and an orderly end; or one thing of an operator.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use app_gen_saas::app::App;
use app_gen_saas::artifacts::Artifacts;
use app_gen_saas::backup;
use app_gen_saas::command::{Command, USAGE};
use app_gen_saas::config::{Config, ConfigError, Environment, KeptConfig};
use app_gen_saas::database::Database;
use app_gen_saas::observe::{metrics, sender};
use app_gen_saas::streams::news;
use app_gen_saas::{retention, server, telemetry, worker};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long open requests may take once the orchestrator is to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(4);

/// Exit codes: 0 stopped by a signal or done, 1 failed, 2 the environment or the arguments cannot be used.
fn main() -> ExitCode {
    let environment = Environment::of_this_process();
    telemetry::start(&environment);
    raise_limit_of_files();
    let Some(command) = Command::from_arguments(std::env::args().skip(1)) else {
        tracing::error!(usage = USAGE, "cannot start: unknown arguments");
        return ExitCode::from(2);
    };
    let work = match Work::of(command, &environment) {
        Ok(work) => work,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match work {
            Work::Serve(config) => run(*config).await,
            Work::Operate(command, config) => operate(command, *config).await,
        }
    });
    // Lookups of names run in threads that nothing can stop.
    runtime.shutdown_timeout(Duration::from_millis(500));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "failed");
            ExitCode::FAILURE
        }
    }
}

/// A command with the configuration that it needs.
enum Work {
    Serve(Box<Config>),
    Operate(Command, Box<KeptConfig>),
}

impl Work {
    fn of(command: Command, environment: &Environment) -> Result<Self, ConfigError> {
        Ok(match command {
            Command::Serve => Self::Serve(Box::new(Config::from_environment(environment)?)),
            _ => Self::Operate(
                command,
                Box::new(KeptConfig::from_environment(environment)?),
            ),
        })
    }
}

/// Does one thing with what is kept, and ends.
async fn operate(command: Command, config: KeptConfig) -> anyhow::Result<()> {
    let store = Artifacts::new(&config.storage, Arc::default())?;
    let database = Database::connect(&config.database).await?;
    let kind = config.database.kind;
    match command {
        Command::Serve => {}
        Command::Backup { id } => {
            let manifest = backup::save(&database, kind, &store, &id).await?;
            tracing::info!(
                id,
                rows = manifest.rows(),
                objects = manifest.objects.count,
                bytes = manifest.objects_bytes,
                missing = manifest.missing,
                "wrote a backup"
            );
        }
        Command::Restore { id, target, digest } => {
            let digest = digest.as_deref();
            let restored = backup::restore(&database, kind, &store, &id, digest, target).await?;
            tracing::info!(
                id,
                rows = restored.manifest.rows(),
                objects = restored.manifest.objects.count,
                copied = restored.copied_objects,
                "restored a backup"
            );
        }
    }
    database.close().await;
    Ok(())
}

/// Every connection is a file. The usual limit would be reached before the server's own.
fn raise_limit_of_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "failed to raise the limit of open files");
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let address = config.server.address;
    let app = tokio::select! {
        app = App::new(config) => app?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("failed to listen on {address}"))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");

    let mut worker = tokio::spawn(worker::run(app.clone()));
    let mut server = tokio::spawn(server::serve(listener, app.clone()));
    let retention = tokio::spawn(retention::run(app.clone()));
    let news = tokio::spawn(news::run(app.clone()));
    let metrics = tokio::spawn(metrics::run(app.clone()));
    let traces = tokio::spawn(sender::run(app.clone()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // Neither ends by itself: half an orchestrator would look healthy and do nothing.
        result = &mut worker => bail!("the worker broke: {result:?}"),
        result = &mut server => bail!("the server broke: {result:?}"),
    }
    tracing::info!("stopping; running generators go on and are followed by the next start");
    app.shutdown.send_replace(true);
    let end = async {
        let _ = tokio::join!(worker, server, retention, news, metrics, traces);
        app.database.close().await;
    };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, end).await.is_err() {
        tracing::warn!("some requests were cut off");
    }
    Ok(())
}
