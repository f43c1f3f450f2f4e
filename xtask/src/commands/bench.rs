//! `cargo xtask bench streams`: a load test of what serves, bounded in number and time.

use crate::commands::command::{Answer, Changes, Command};
use crate::commands::product::Server;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_operate::deploy::guards;
use xtask_operate::load::{Measured, streams};

crate::commands::command::verbs! {
    /// Put what serves under load, and measure it
    Verb {
        "Commands" {
            Streams(Streams),
        }
    }
}

/// Have many listen to the live events of one job, and compare what each of them gets
#[derive(Debug, clap::Args)]
pub(crate) struct Streams {
    /// Number of listeners
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    listeners: u32,
    /// Give up after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=900))]
    timeout_secs: u64,
    #[command(flatten)]
    server: Server,
}

impl Command for Streams {
    const CHANGES: Changes = Changes::Environment;
    const ANSWER: Answer = Answer::Object(
        r#"`{"job","listeners","refused","events","lost","spread_ms":{"p50","p99","most"},"seconds"}`, where
        `spread_ms` is from the first listener who got an event to each other one; exit code 1 where something was
        lost"#,
    );

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        guards::said_yes(context, "bench streams")?;
        let product = Arc::new(self.server.product(context)?);
        let bound = Duration::from_secs(self.timeout_secs);
        let listeners = usize::try_from(self.listeners)?;
        let measured = streams(context, &product, listeners, bound)?;
        if measured.lost > 0 {
            let message = format!("{} events were lost: {}", measured.lost, text(&measured));
            return Err(Failure::new(Code::Failed, message)
                .hint("cargo xtask logs orchestrator --since 10m")
                .into());
        }
        context.report.result(&measured, &text(&measured))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(measured: &Measured) -> String {
    let Measured {
        job,
        listeners,
        refused,
        events,
        spread_ms,
        seconds,
        ..
    } = measured;
    let refusals = match refused {
        0 => String::new(),
        _ => format!(
            "; {refused} more were refused, as STREAM_LIMIT and STREAM_LIMIT_PER_CLIENT say"
        ),
    };
    format!(
        "{listeners} listeners got {events} events of job {job} within {seconds:.1} s, each once and in order: \
         half of them {:.0} ms after the first one, 99 of 100 within {:.0} ms, all within {:.0} ms{refusals}",
        spread_ms.p50, spread_ms.p99, spread_ms.most
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_operate::load::Spread;

    #[test]
    fn the_text_says_what_was_measured() {
        let mut measured = Measured {
            job: "1".to_owned(),
            listeners: 100,
            refused: 0,
            events: 31,
            lost: 0,
            spread_ms: Spread {
                p50: 3.2,
                p99: 41.0,
                most: 52.5,
            },
            seconds: 12.34,
        };
        assert_eq!(
            text(&measured),
            "100 listeners got 31 events of job 1 within 12.3 s, each once and in order: half of them 3 ms after \
             the first one, 99 of 100 within 41 ms, all within 52 ms"
        );
        measured.refused = 4;
        assert!(
            text(&measured).ends_with(
                "; 4 more were refused, as STREAM_LIMIT and STREAM_LIMIT_PER_CLIENT say"
            )
        );
    }
}
