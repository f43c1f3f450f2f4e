//! `cargo xtask projects preview`: a version runs for a while, for whoever knows its address.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::{Server, text};
use crate::commands::projects::Version;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::wait;
use xtask_core::wait::Look;
use xtask_operate::deploy::guards;
use xtask_operate::product::Product;

/// How often a preview is looked at that is waited for.
const PAUSE: Duration = Duration::from_secs(1);

/// Run a version for a while, under an address that nobody can guess
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    version: Version,
    /// Wait until the application answers
    #[arg(long)]
    wait: bool,
    /// With --wait, give up after this time; the preview goes on
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout_secs: u64,
    /// End the preview of the version
    #[arg(long, conflicts_with = "wait")]
    end: bool,
    #[command(flatten)]
    server: Server,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"id","project","version","commit","state","phase","reason","url","created_at","expires_at","ready_at","ended_at","stopped_at"}`;
        `state` is `starting`, `ready` or `ended`"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "projects preview")?;
        let product = self.server.product(context)?;
        let path = format!("{}/preview", self.version.path(&product)?);
        let preview = match self.end {
            true => {
                product.delete(&path)?;
                product.get(&path)?
            }
            false => product.post(&path, None)?,
        };
        let preview = match self.wait {
            true => self.follow(context, &product, &path)?,
            false => preview,
        };
        context.report.result(&preview, &shown(&preview))?;
        Ok(match self.wait && text(&preview, "state") == "ended" {
            true => Code::Failed.into(),
            false => ExitCode::SUCCESS,
        })
    }
}

impl Args {
    /// Waits until the application answers, or never will.
    fn follow(&self, context: &Context, product: &Product, path: &str) -> anyhow::Result<Value> {
        let mut last = String::new();
        let look = || -> anyhow::Result<Look<Value>> {
            let preview = product.get(path)?;
            let state = text(&preview, "state");
            if matches!(state, "ready" | "ended") {
                return Ok(Look::Done(preview));
            }
            let phase = match text(&preview, "phase") {
                "" => state.to_owned(),
                phase => phase.to_owned(),
            };
            if phase != last {
                context.report.step(&format!("preview: {phase}"));
                last.clone_from(&phase);
            }
            Ok(Look::NotYet(format!("it is {phase}")))
        };
        let timeout = Duration::from_secs(self.timeout_secs);
        wait::until(timeout, PAUSE, look, |late| {
            Failure::new(Code::Failed, format!("the preview is not ready {late}"))
                .hint("call the same command again: it goes on waiting")
        })
    }
}

/// A preview, in two lines.
fn shown(preview: &Value) -> String {
    let what = format!(
        "preview of version {} is {}",
        preview["version"],
        text(preview, "state")
    );
    let more = match (text(preview, "url"), text(preview, "reason")) {
        ("", "") => String::new(),
        ("", reason) => format!("\n{reason}"),
        (url, _) => format!("\n{url}\nuntil {}", text(preview, "expires_at")),
    };
    format!("{what}{more}")
}
