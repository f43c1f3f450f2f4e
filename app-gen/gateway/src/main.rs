//! The gateway as a process, to try it with an agent: `app-gen-gateway`.
//!
//! It prints a line with its addresses and a token, then a line of JSON for each request, and works
//! until a signal ends it. Exit codes: 0 ended by a signal, 1 failed, 2 the environment cannot be used.

use anyhow::{Context as _, bail};
use app_gen_gateway::{
    Budget, Exchange, Gateway, Observer, Place, Prices, Protocol, Refusal, Scope, Settings,
    Upstreams, Usd,
};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};

/// The port of 127.0.0.1; any if it is not set.
const PORT: &str = "GATEWAY_PORT";
/// US dollars that may be used; any amount if it is not set.
const BUDGET_USD: &str = "GATEWAY_BUDGET_USD";
/// Tokens that may be used; any number if it is not set.
const BUDGET_TOKENS: &str = "GATEWAY_BUDGET_TOKENS";
/// A price table instead of the built-in one.
const PRICES: &str = "GATEWAY_PRICES";
/// The request of a person that all of it is for, by its id.
const REQUEST_ID: &str = "GATEWAY_REQUEST_ID";
/// A file to which bodies are appended. Nothing is kept of them if it is not set.
const BODIES: &str = "GATEWAY_BODIES";

fn main() -> ExitCode {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(error) => return complain(&error, 2),
    };
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::from(code)
}

fn settings() -> anyhow::Result<Settings> {
    if std::env::args_os().len() > 1 {
        bail!("usage: app-gen-gateway, with its settings in the environment");
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let number = |name: &str| -> anyhow::Result<Option<f64>> {
        let parsed = variable(name).map(|value| value.parse());
        parsed
            .transpose()
            .with_context(|| format!("{name} is not a number"))
    };
    let mut settings = Settings::new(Upstreams::from_environment(variable)?)?;
    if let Some(dollars) = number(BUDGET_USD)? {
        let usd = Usd::new(dollars).with_context(|| format!("{BUDGET_USD} is not an amount"))?;
        settings.budget.usd = Some(usd);
    }
    if let Some(tokens) = variable(BUDGET_TOKENS) {
        let tokens = tokens.parse();
        settings.budget.tokens =
            Some(tokens.with_context(|| format!("{BUDGET_TOKENS} is not a number"))?);
    }
    if let Some(path) = variable(PRICES) {
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        settings.prices = Prices::parse(&text).with_context(|| path.clone())?;
    }
    if let Some(port) = variable(PORT) {
        settings.port = port
            .parse()
            .with_context(|| format!("{PORT} is not a port"))?;
    }
    settings.request_id = variable(REQUEST_ID);
    let bodies = match std::env::var_os(BODIES) {
        Some(path) => Some(open(&path)?),
        None => None,
    };
    settings.observer = Arc::new(Printer(bodies));
    Ok(settings)
}

fn open(path: &OsStr) -> anyhow::Result<Mutex<File>> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| format!("failed to open {}", path.display()))?;
    Ok(Mutex::new(file))
}

fn run(settings: Settings) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let gateway = Gateway::start(settings).await?;
        let pass = gateway.admit(Scope {
            place: Place {
                role: "builder".to_owned(),
                stage: "build".to_owned(),
            },
            budget: Budget::default(),
        })?;
        // Whoever starts it gives the token to the agent.
        say(&serde_json::json!({
            "anthropic_base_url": gateway.base_url(Protocol::Anthropic),
            "openai_base_url": gateway.base_url(Protocol::OpenAi),
            "token": pass.token().reveal(),
        }));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        say(&serde_json::json!({"bill": gateway.bill()}));
        Ok(())
    })
}

fn say(line: &serde_json::Value) {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints what happens, and keeps bodies if there is a file for them.
struct Printer(Option<Mutex<File>>);

impl Printer {
    fn keep(&self, what: &str, number: u64, bytes: &[u8]) {
        let Some(file) = &self.0 else {
            return;
        };
        let line = serde_json::json!({what: number, "text": String::from_utf8_lossy(bytes)});
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk ends the record and not the work.
        let _ = writeln!(file, "{line}");
    }
}

impl Observer for Printer {
    fn ended(&self, exchange: &Exchange) {
        say(&serde_json::json!(exchange));
    }

    fn refused(&self, place: Option<&Place>, refusal: Refusal, message: &str) {
        say(&serde_json::json!({"refused": refusal, "place": place, "message": message}));
    }

    fn wants_bodies(&self) -> bool {
        self.0.is_some()
    }

    fn request_body(&self, number: u64, body: &[u8]) {
        self.keep("request", number, body);
    }

    fn answer_piece(&self, number: u64, piece: &[u8]) {
        self.keep("answer", number, piece);
    }
}
