//! `xtask-aws`: the AWS side of `cargo xtask`, which starts it as a child process.
//!
//! It reads one request from standard input and prints JSON on standard output, also for a failure.
//! Progress is written to standard error. The crate `xtask-aws-api` defines requests, answers and exit
//! codes.

mod alarms;
mod cloudformation;
mod commands;
mod config;
mod ecr;
mod ecs;
mod error;
mod iam;
mod interrupt;
mod load_balancing;
mod log_reader;
mod logs;
mod report;
mod request;
mod rights;
mod rollout;
mod s3;
mod secrets;
mod sqs;
mod state;
mod stop_reasons;
mod sts;
mod tasks;
mod time;
mod validate;

#[cfg(test)]
mod canned;

use config::Cloud;
use error::{CloudError, DetailedFailure, Kind};
use report::Outcome;
use std::process::ExitCode;
use xtask_aws_api::ErrorBody;
use xtask_aws_api::calls::Envelope;

fn main() -> ExitCode {
    finish(&match request::read() {
        Ok(envelope) => run(&envelope).unwrap_or_else(|error| failure(&error, &envelope)),
        Err(error) => Outcome::failure(
            ErrorBody {
                hint: error.hint.clone(),
                ..body(&error.into())
            },
            Kind::Usage.exit_code(),
        ),
    })
}

fn run(envelope: &Envelope) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cloud = Cloud::open(envelope).await?;
        commands::run(envelope.request.clone(), &cloud).await
    })
}

fn failure(error: &anyhow::Error, envelope: &Envelope) -> Outcome {
    if let Some(detailed) = error.downcast_ref::<DetailedFailure>() {
        return Outcome {
            value: Some(detailed.value.clone()),
            failure: Some(detailed.exit_code),
        };
    }
    let known = error.downcast_ref::<CloudError>();
    let hint = known.and_then(|known| known.hint_for(&envelope.environment));
    let kind = known.map_or(Kind::Failed, |known| known.kind);
    let body = ErrorBody {
        hint,
        ..body(error)
    };
    Outcome::failure(body, kind.exit_code())
}

/// The error and its causes, without a hint.
fn body(error: &anyhow::Error) -> ErrorBody {
    ErrorBody {
        message: error.to_string(),
        causes: error.chain().skip(1).map(ToString::to_string).collect(),
        hint: None,
    }
}

fn finish(outcome: &Outcome) -> ExitCode {
    match outcome.value.as_ref().map_or(Ok(()), report::print) {
        Ok(()) => outcome.failure.map_or(ExitCode::SUCCESS, ExitCode::from),
        // Nobody reads standard output any more, so nothing can be reported either.
        Err(_) => Kind::Failed.exit_code().into(),
    }
}
