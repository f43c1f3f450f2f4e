//! The orchestrator's binary: configuration, server, worker, and an orderly end. With `export FILE` or `import FILE` it
//! moves everything that is kept out of its store or into it, and serves nobody.

use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use app_gen_saas::app::App;
use app_gen_saas::config::{Config, Environment};
use app_gen_saas::observe::{metrics, sender};
use app_gen_saas::streams::news;
use app_gen_saas::{retention, server, stores, telemetry, transfer, worker};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How long open requests may take once the orchestrator is to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(4);

/// Exit codes: 0 stopped by a signal, 1 failed, 2 the environment cannot be used.
fn main() -> ExitCode {
    let environment = Environment::of_this_process();
    telemetry::start(&environment);
    raise_limit_of_files();
    let config = match Config::from_environment(&environment) {
        Ok(config) => config,
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        [] => runtime.block_on(run(config)),
        ["export", file] => runtime.block_on(export(&config, file)),
        ["import", file] => runtime.block_on(import(&config, file)),
        _ => {
            tracing::error!("it takes nothing, or export FILE, or import FILE");
            return ExitCode::from(2);
        }
    };
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

/// Every connection is a file. The usual limit would be reached before the server's own.
fn raise_limit_of_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "failed to raise the limit of open files");
    }
}

/// Writes everything that the store keeps into a new file. No orchestrator may be at work meanwhile.
async fn export(config: &Config, path: &str) -> anyhow::Result<()> {
    let store = stores::connect(&config.store, &Arc::default()).await?;
    let file = File::create_new(path).with_context(|| format!("failed to create {path}"))?;
    let all = transfer::export(&*store, &mut BufWriter::new(file)).await?;
    tracing::info!(rows = all.count(), ?all, path, "exported");
    Ok(())
}

/// Writes everything of a file into the store, which is empty.
async fn import(config: &Config, path: &str) -> anyhow::Result<()> {
    let store = stores::connect(&config.store, &Arc::default()).await?;
    let mut file = File::open(path).with_context(|| format!("failed to open {path}"))?;
    let all = transfer::import(&*store, &mut file).await?;
    tracing::info!(
        rows = all.count(),
        ?all,
        path,
        "imported, counted and compared"
    );
    Ok(())
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
