//! The process around the pipeline: output, panics, signals and the exit code.

use std::io;
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app_gen_contract::exit;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};

use crate::attempt;
use crate::config::{guess_job_id, read_lifetime, read_source};
use crate::emitter::Emitter;
use crate::ending::Ending;
use crate::failure::Failure;
use crate::preview;
use crate::stop::{FORCED_EXIT_AFTER, Stopper, exit_after};
use crate::workshop::{Rights, SUPERVISE};

/// How long the last event may wait for a reader that has stopped reading.
const LAST_EVENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long work that was asked to end may take for it. ECS kills a task 30 s after it was asked.
const STOP_GRACE: Duration = Duration::from_secs(25);

/// Message of the last panic: the hook must not print it, since the output is for events only.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// How the work ended.
enum End {
    /// As the last event is to report it.
    Reported(Ending),
    /// The output cannot be written any more, so nothing can be reported.
    OutputClosed,
}

impl End {
    fn failed(failure: Failure) -> Self {
        Self::Reported(Ending::Failed(failure))
    }
}

/// Runs the whole generator process: environment in, events on standard output, exit code back. The
/// processes between it and what it keeps in cages are the same program, started with an argument.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(exit_code) = app_gen_cage::run_role() {
        return exit_code;
    }
    if std::env::args_os()
        .nth(1)
        .is_some_and(|role| role == SUPERVISE)
    {
        return app_gen_agent::supervise();
    }
    // Before the first thread.
    let rights = Rights::take();
    if preview::is_wanted() {
        return preview::run(rights);
    }
    std::panic::set_hook(Box::new(record_panic));
    // Two threads: one may wait for the output's reader while the other keeps time.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    // Without threads no event can be written either.
    let Ok(runtime) = runtime else {
        return ExitCode::from(exit::FAILED);
    };
    let exit_code = runtime.block_on(supervise(rights));
    // This does not wait for a blocking thread in the middle of its work.
    runtime.shutdown_background();
    ExitCode::from(exit_code)
}

fn record_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info
        .location()
        .map(|location| format!(" at {location}"))
        .unwrap_or_default();
    *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{message}{place}"));
}

async fn supervise(rights: Rights) -> u8 {
    let lookup = |name: &str| std::env::var(name).ok();
    let emitter = Arc::new(Emitter::new(Box::new(io::stdout()), guess_job_id(&lookup)));
    let request = read_lifetime(&lookup).and_then(|lifetime| {
        let source = read_source(&lookup, std::env::current_dir().ok())?;
        Ok((lifetime, source))
    });
    let end = match request {
        Ok((lifetime, source)) => {
            if let Some(lifetime) = lifetime {
                exit_after(lifetime.saturating_add(FORCED_EXIT_AFTER));
            }
            let stopper = Stopper::default();
            let stop = stopper.listener();
            let attempt = attempt::run(source, Arc::clone(&emitter), rights, stop);
            work(tokio::spawn(attempt), &stopper, &emitter, lifetime).await
        }
        Err(failure) => End::failed(failure),
    };
    let (body, exit_code) = match end {
        End::Reported(ending) => ending.into_parts(),
        End::OutputClosed => return exit::FAILED,
    };
    // In a task of its own: a write to a full pipe blocks its thread, and the bound must hold.
    let last_event = tokio::spawn({
        let emitter = Arc::clone(&emitter);
        async move { emitter.emit(body).await }
    });
    let told = tokio::time::timeout(LAST_EVENT_TIMEOUT, last_event)
        .await
        .is_ok()
        && !emitter.is_closed();
    // An ending that nobody heard of is none that the work can go on from.
    let needs_its_event = matches!(
        exit_code,
        exit::SUCCEEDED | exit::WAITING_APPROVAL | exit::WAITING_LIMIT
    );
    if told || !needs_its_event {
        exit_code
    } else {
        exit::FAILED
    }
}

/// Waits for the attempt, a signal, the end of the process's time, or the loss of the output, whichever
/// comes first.
async fn work(
    mut attempt: JoinHandle<Result<Ending, Failure>>,
    stopper: &Stopper,
    emitter: &Emitter,
    lifetime: Option<Duration>,
) -> End {
    let (mut terminate, mut interrupt) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            let error = anyhow::Error::from(error).context("cannot listen for signals");
            return End::failed(error.into());
        }
    };
    let out_of_time = async {
        match lifetime {
            Some(lifetime) => tokio::time::sleep(lifetime).await,
            None => std::future::pending().await,
        }
    };
    let interrupted = |signal: &str, exit_code| Ending::Interrupted {
        reason: format!("stopped by {signal}"),
        exit_code,
    };
    let ending = tokio::select! {
        result = &mut attempt => return ended(result),
        () = emitter.closed() => return End::OutputClosed,
        _ = terminate.recv() => interrupted("SIGTERM", exit::STOPPED),
        _ = interrupt.recv() => interrupted("SIGINT", exit::INTERRUPTED),
        () = out_of_time => {
            let seconds = lifetime.unwrap_or_default().as_secs();
            Ending::Failed(Failure {
                reason: format!("the generator's time of {seconds} seconds is over"),
                hint: None,
                exit_code: exit::FAILED,
            })
        }
    };
    stopper.stop();
    match tokio::time::timeout(STOP_GRACE, &mut attempt).await {
        // It kept what it could.
        Ok(Ok(Ok(Ending::Stopped))) => End::Reported(ending),
        // It had come to its end by itself.
        Ok(result) => ended(result),
        Err(_) => {
            attempt.abort();
            // One that is stuck in a write is left behind.
            let _ = tokio::time::timeout(Duration::from_secs(1), attempt).await;
            End::Reported(ending)
        }
    }
}

fn ended(result: Result<Result<Ending, Failure>, JoinError>) -> End {
    match result {
        Ok(Ok(ending)) => End::Reported(ending),
        Ok(Err(failure)) => End::failed(failure),
        Err(_) => End::failed(panicked()),
    }
}

fn panicked() -> Failure {
    let message = LAST_PANIC
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let message = message.unwrap_or_else(|| "no message".to_owned());
    Failure::job(
        format!("the generator panicked: {message}"),
        "this is a defect of app-gen: report it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_failure() {
        let emitter = Emitter::new(Box::new(io::sink()), "job".to_owned());
        let previous_hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(record_panic));
        let end = work(
            tokio::spawn(async { panic!("shelf {} is empty", 7) }),
            &Stopper::default(),
            &emitter,
            None,
        )
        .await;
        std::panic::set_hook(previous_hook);
        let End::Reported(Ending::Failed(failure)) = end else {
            panic!("the job did not fail")
        };
        let expected = "the generator panicked: shelf 7 is empty at ";
        assert!(failure.reason.starts_with(expected), "{}", failure.reason);
        assert_eq!(failure.exit_code, exit::FAILED);
    }
}
