//! How an attempt ends, and with it the job or not: from the requested stop, the generator's last event,
//! and the end of its process.

use app_gen_contract::JobState;

use crate::database::{Outcome, Pause, Stop};
use crate::launcher::Ending;

/// Maximum number of characters of a launcher's text about an ending.
const MAX_DETAIL_CHARS: usize = 600;

/// What the end of an attempt means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// The job has ended.
    End(Stop),
    /// The job goes on with another attempt, now or later.
    Pause(Pause),
}

/// The end of an attempt whose task has ended. A stop that was decided on has precedence. One that crashed
/// was interrupted if it kept its work, or if it was ended from outside, which may not happen again.
pub(super) fn verdict(
    stop: Option<&Stop>,
    outcome: Option<&Outcome>,
    has_result: bool,
    has_checkpoint: bool,
    ending: &Ending,
    last_words: Option<&str>,
) -> Conclusion {
    if let Some(stop) = stop {
        return Conclusion::End(stop.clone());
    }
    let failed = |reason: String| {
        Conclusion::End(Stop {
            state: JobState::Failed,
            reason,
        })
    };
    match (outcome, ending.exit_code) {
        (Some(Outcome::Succeeded), Some(0))
        // What it said before it ended is kept, whatever ended it.
        | (Some(Outcome::Failed { .. } | Outcome::Paused(_)), _) => said(outcome, has_result),
        // Its last word was out, and its result is compared with the digest that it named.
        (Some(Outcome::Succeeded), _) if is_ended_from_outside(ending) => said(outcome, has_result),
        (Some(Outcome::Succeeded), _) => failed(format!(
            "the generator said that it succeeded, but {}",
            ended(ending)
        )),
        (None, Some(0)) => failed(match last_words {
            Some(fault) => format!("the generator wrote a last line that is not an event: {fault}"),
            None => "the generator ended without a last event (exit code 0)".to_owned(),
        }),
        (None, _) => {
            let reason = format!("the generator crashed: {}", ended(ending));
            match has_checkpoint || is_ended_from_outside(ending) {
                true => Conclusion::Pause(Pause::Interrupted { reason }),
                false => failed(reason),
            }
        }
    }
}

/// The meaning of the generator's last event for the job.
pub(super) fn said(outcome: Option<&Outcome>, has_result: bool) -> Conclusion {
    let (state, reason) = match outcome {
        Some(Outcome::Paused(pause)) => return Conclusion::Pause(pause.clone()),
        Some(Outcome::Succeeded) if has_result => (JobState::Succeeded, String::new()),
        Some(Outcome::Succeeded) => (
            JobState::Failed,
            "the generator said that it succeeded, but named no artifact".to_owned(),
        ),
        Some(Outcome::Failed { reason }) => (JobState::Failed, reason.clone()),
        None => (
            JobState::Failed,
            "the generator ended without a last event".to_owned(),
        ),
    };
    Conclusion::End(Stop { state, reason })
}

/// Whether somebody ended it for reasons of their own. Too little memory is a reason that stays.
fn is_ended_from_outside(ending: &Ending) -> bool {
    const KILLED: i32 = 128 + 9;
    const TERMINATED: i32 = 128 + 15;
    let detail = ending.detail.as_deref().unwrap_or_default();
    matches!(ending.exit_code, Some(KILLED | TERMINATED)) && !detail.contains("OutOfMemory")
}

fn ended(ending: &Ending) -> String {
    let code = match ending.exit_code {
        None => "its exit code is unknown".to_owned(),
        Some(code @ 129..=192) => {
            let signal = code - 128;
            match signal_name(signal) {
                Some(name) => format!("signal {signal} ({name}) ended it"),
                None => format!("signal {signal} ended it"),
            }
        }
        Some(code) => format!("it ended with exit code {code}"),
    };
    match &ending.detail {
        Some(detail) => format!("{code}: {}", printable(detail)),
        None => code,
    }
}

/// A text of the cloud, on one line and bounded.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(MAX_DETAIL_CHARS)
        .collect()
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(
        outcome: Option<Outcome>,
        has_result: bool,
        exit_code: Option<i32>,
    ) -> (JobState, String) {
        let ending = Ending {
            exit_code,
            ..Ending::default()
        };
        match verdict(None, outcome.as_ref(), has_result, false, &ending, None) {
            Conclusion::End(stop) => (stop.state, stop.reason),
            Conclusion::Pause(pause) => panic!("the job goes on: {pause:?}"),
        }
    }

    fn failed(reason: &str) -> (JobState, String) {
        (JobState::Failed, reason.to_owned())
    }

    #[test]
    fn only_said_and_done_is_success() {
        let succeeded = || Some(Outcome::Succeeded);
        assert_eq!(
            end(succeeded(), true, Some(0)),
            (JobState::Succeeded, String::new())
        );
        assert_eq!(
            end(succeeded(), false, Some(0)),
            failed("the generator said that it succeeded, but named no artifact")
        );
        assert_eq!(
            end(succeeded(), true, Some(1)),
            failed("the generator said that it succeeded, but it ended with exit code 1")
        );
        // Killed in the moment after its last word.
        assert_eq!(
            end(succeeded(), true, Some(137)),
            (JobState::Succeeded, String::new())
        );
        assert_eq!(
            end(succeeded(), true, None),
            failed("the generator said that it succeeded, but its exit code is unknown")
        );
        assert_eq!(
            end(None, true, Some(0)),
            failed("the generator ended without a last event (exit code 0)")
        );
    }

    #[test]
    fn failures_say_why() {
        let outcome = Some(Outcome::Failed {
            reason: "no disk".to_owned(),
        });
        assert_eq!(end(outcome, false, Some(1)), failed("no disk"));
        assert_eq!(
            end(None, false, Some(139)),
            failed("the generator crashed: signal 11 (SIGSEGV) ended it")
        );
        assert_eq!(
            end(None, false, Some(3)),
            failed("the generator crashed: it ended with exit code 3")
        );
        let ending = Ending {
            exit_code: None,
            detail: Some("CannotPullContainerError: no".to_owned()),
            no_room: false,
        };
        let reason =
            "the generator crashed: its exit code is unknown: CannotPullContainerError: no";
        let (state, reason) = failed(reason);
        assert_eq!(
            verdict(None, None, false, false, &ending, None),
            Conclusion::End(Stop { state, reason })
        );
    }

    #[test]
    fn one_that_kept_its_work_or_was_killed_goes_on_after_a_crash() {
        let crashed = |has_checkpoint, exit_code, detail: Option<&str>| {
            let ending = Ending {
                exit_code: Some(exit_code),
                detail: detail.map(str::to_owned),
                no_room: false,
            };
            match verdict(None, None, false, has_checkpoint, &ending, None) {
                Conclusion::Pause(Pause::Interrupted { reason }) => Ok(reason),
                Conclusion::End(stop) => Err(stop.reason),
                Conclusion::Pause(other) => panic!("{other:?}"),
            }
        };
        let killed = "the generator crashed: signal 9 (SIGKILL) ended it";
        for has_checkpoint in [true, false] {
            assert_eq!(crashed(has_checkpoint, 137, None), Ok(killed.to_owned()));
        }
        let own_fault = "the generator crashed: signal 11 (SIGSEGV) ended it";
        assert_eq!(crashed(true, 139, None), Ok(own_fault.to_owned()));
        assert_eq!(crashed(false, 139, None), Err(own_fault.to_owned()));
        let memory = "OutOfMemoryError: Container killed due to memory usage";
        assert_eq!(
            crashed(false, 137, Some(memory)),
            Err(format!("{killed}: {memory}"))
        );
    }

    #[test]
    fn a_stop_counts_first() {
        let stop = Stop {
            state: JobState::Cancelled,
            reason: "cancelled on request".to_owned(),
        };
        let ending = Ending {
            exit_code: Some(0),
            ..Ending::default()
        };
        let outcome = Some(&Outcome::Succeeded);
        assert_eq!(
            verdict(Some(&stop), outcome, true, true, &ending, None),
            Conclusion::End(stop)
        );
    }

    #[test]
    fn what_is_waited_for_is_no_end_unless_the_job_is_to_stop() {
        let pause = Pause::Interrupted {
            reason: "stopped by SIGTERM".to_owned(),
        };
        let outcome = Outcome::Paused(pause.clone());
        let stop = Stop {
            state: JobState::Cancelled,
            reason: "cancelled on request".to_owned(),
        };
        for exit_code in [Some(143), Some(137), Some(0), None] {
            let ending = Ending {
                exit_code,
                ..Ending::default()
            };
            assert_eq!(
                verdict(None, Some(&outcome), false, false, &ending, None),
                Conclusion::Pause(pause.clone())
            );
            assert_eq!(
                verdict(Some(&stop), Some(&outcome), false, true, &ending, None),
                Conclusion::End(stop.clone())
            );
        }
    }
}
