//! The scripted model's process: `app-gen-scripted-model SCRIPT`.
//!
//! It prints one line, `listening on http://ADDRESS`, and plays until a signal ends it. Exit codes:
//! 0 ended by a signal, 1 failed, 2 the arguments, the environment or the script cannot be used.

use anyhow::{Context as _, bail};
use app_gen_scripted_model::{Model, Script, Settings, serve};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Where to listen; any port of the loopback interface if it is not set.
const LISTEN: &str = "SCRIPTED_MODEL_LISTEN";
/// The only key that is accepted; every key if it is not set.
const KEY: &str = "SCRIPTED_MODEL_KEY";
/// The file to which requests are appended.
const RECORD: &str = "SCRIPTED_MODEL_RECORD";

fn main() -> ExitCode {
    let (model, address) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => return complain(&error, 2),
    };
    match run(model, &address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::from(code)
}

fn prepare() -> anyhow::Result<(Model, String)> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        bail!(
            "usage: app-gen-scripted-model SCRIPT, with {LISTEN}, {KEY} and {RECORD} in the environment"
        );
    };
    let path = PathBuf::from(path);
    let script = Script::load(&path).with_context(|| path.display().to_string())?;
    let text = |name: &str, value: OsString| {
        value
            .into_string()
            .map_err(|_| anyhow::anyhow!("{name} is no text"))
    };
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(|value| text(name, value))
            .transpose()
    };
    let settings = Settings {
        key: variable(KEY)?,
        record: std::env::var_os(RECORD).map(PathBuf::from),
        ..Settings::default()
    };
    let address = variable(LISTEN)?.unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let model = Model::new(script, settings).context("failed to open the record")?;
    Ok((model, address))
}

fn run(model: Model, address: &str) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("failed to listen on {address}"))?;
        writeln!(
            std::io::stdout(),
            "listening on http://{}",
            listener.local_addr()?
        )?;
        tokio::select! {
            _ = serve(listener, Arc::new(model)) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
