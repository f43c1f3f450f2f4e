//! The end of an attempt, and of the job: noticing it, bringing it about, and writing it down.

use std::time::Duration;

use app_gen_contract::{JobState, excerpt, parse_line};
use tokio::time::Instant;

use crate::clock::now_millis;
use crate::config::JobsConfig;
use crate::database::{Job, NewVersion, Outcome, Pause, Stop};
use crate::worker::conclude::{self, Conclusion};
use crate::worker::follow::{FollowError, Follower, MAX_DEATHS, Reading};

/// How long lines of a task that has ended may take when nobody waits for their result.
const LATE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the log of a task that has ended may be unreadable.
const LOG_TIMEOUT: Duration = Duration::from_secs(600);

impl Follower {
    /// How the attempt ends, if its end has come.
    pub(super) async fn end(
        &mut self,
        reading: &Reading,
    ) -> Result<Option<Conclusion>, FollowError> {
        if self
            .missing_since
            .is_some_and(|since| since.elapsed() >= self.traits.missing)
        {
            let lost = Stop {
                state: JobState::Lost,
                reason: "the generator's task cannot be found any more".to_owned(),
            };
            return Ok(Some(match (&self.job.stop, &self.job.outcome) {
                (Some(stop), _) => Conclusion::End(stop.clone()),
                // It has said its last word, and what is gone does not run beside the next attempt.
                (None, Some(Outcome::Paused(pause))) => Conclusion::Pause(pause.clone()),
                (None, _) => Conclusion::End(lost),
            }));
        }
        let Some((since, ending)) = self.stopped.clone() else {
            if !self.stops_in_vain() {
                return Ok(None);
            }
            let stop = self.job.stop.clone().map(Conclusion::End);
            return Ok(stop.or_else(|| self.lingering().cloned().map(Conclusion::Pause)));
        };
        let complete = self.broken || self.job.outcome.is_some();
        let unfinished = match reading {
            Reading::AllTaken { unfinished } => Some(unfinished),
            Reading::More | Reading::NotYet | Reading::Unreadable => None,
        };
        let quiet = unfinished.is_some()
            && self.gap_since.is_none()
            && since.elapsed() >= self.traits.drain;
        let unreadable = matches!(reading, Reading::Unreadable) && since.elapsed() >= LOG_TIMEOUT;
        let late = (self.job.stop.is_some() || self.out_of_time().is_some())
            && since.elapsed() >= self.traits.drain + LATE_TIMEOUT;
        if !(complete || quiet || unreadable || late) {
            return Ok(None);
        }
        let mut last_words = None;
        let unfinished = unfinished.map_or(&[][..], Vec::as_slice);
        if !complete && !unfinished.is_empty() {
            match parse_line(unfinished) {
                Ok(_) => {
                    let position = self.position.clone();
                    self.take(&mut [unfinished.to_vec()].into(), position)
                        .await?;
                }
                Err(error) => last_words = Some(error.to_string()),
            }
        }
        // A stop that was asked for at the last moment still counts.
        self.refresh().await?;
        Ok(Some(conclude::verdict(
            self.job.stop.as_ref(),
            self.job.outcome.as_ref(),
            self.job.has_result(),
            self.job.checkpoint.is_some(),
            &ending,
            last_words.as_deref(),
        )))
    }

    /// Whether the task is still there, long after it was stopped with force. It is stopped further when
    /// its job has ended (`leftovers`).
    fn stops_in_vain(&self) -> bool {
        let timeout = self.app.config.jobs.stop_timeout;
        self.forced.is_some_and(|since| since.elapsed() >= timeout)
    }

    /// Decides on a stop when the time is up, and asks for it again and again until it is seen.
    pub(super) async fn stop_if_needed(&mut self, handle: &str) -> Result<(), FollowError> {
        if self.stopped.is_some() {
            return Ok(());
        }
        if self.job.stop.is_none()
            && let Some(stop) = self.overdue()
        {
            self.decide(stop).await?;
        }
        let reason = match (&self.job.stop, self.lingering()) {
            (Some(stop), _) => stop.reason.clone(),
            (None, Some(_)) => "its attempt has ended".to_owned(),
            (None, None) => return Ok(()),
        };
        // What damages the log gets no time to go on with it.
        let force = self.broken || self.asked_to_stop.is_some();
        let again = self.app.config.jobs.stop_grace;
        let due = self.asked_to_stop.is_none_or(|at| at.elapsed() >= again)
            || self.broken && self.forced.is_none();
        if !due {
            return Ok(());
        }
        tracing::info!(job_id = self.job.id, force, reason, "stopping a generator");
        if force {
            self.forced.get_or_insert_with(Instant::now);
        }
        if let Err(error) = self.app.launcher.stop(handle, &reason, force).await {
            tracing::warn!(
                job_id = self.job.id,
                error = format!("{error:#}"),
                "failed to stop a task"
            );
        }
        self.asked_to_stop = Some(Instant::now());
        Ok(())
    }

    fn overdue(&self) -> Option<Stop> {
        let jobs = &self.app.config.jobs;
        if self.job.outcome.is_some() {
            // The generator has written its last event but does not exit: the event counts, and the
            // process is ended.
            let said = conclude::said(self.job.outcome.as_ref(), self.job.has_result());
            return match said {
                Conclusion::End(stop) if self.last_event.elapsed() >= jobs.stop_grace => Some(stop),
                Conclusion::End(_) | Conclusion::Pause(_) => None,
            };
        }
        let silence = self.last_read.saturating_duration_since(self.last_event);
        let silent = silence >= jobs.idle_timeout;
        self.out_of_time().or_else(|| {
            silent.then(|| Stop {
                state: JobState::TimedOut,
                reason: format!(
                    "the generator gave no sign of life for {} seconds",
                    jobs.idle_timeout.as_secs()
                ),
            })
        })
    }

    /// What the job waits for, if the attempt's process goes on after its last event.
    fn lingering(&self) -> Option<&Pause> {
        match &self.job.outcome {
            Some(Outcome::Paused(pause))
                if self.last_event.elapsed() >= self.app.config.jobs.stop_grace =>
            {
                Some(pause)
            }
            _ => None,
        }
    }

    /// Whether the attempt has used up its time.
    pub(super) fn out_of_time(&self) -> Option<Stop> {
        let limit = self.app.config.jobs.timeout;
        let job = &self.job;
        let started = job.attempt_started_at.or(job.started_at);
        let started = started.unwrap_or_else(now_millis);
        let age = u64::try_from(now_millis().saturating_sub(started)).unwrap_or(0);
        (u128::from(age) >= limit.as_millis()).then(|| Stop {
            state: JobState::TimedOut,
            reason: format!("the job took longer than {} seconds", limit.as_secs()),
        })
    }

    /// Writes down how the attempt ended; `false` if a stop came in between, which changes that.
    pub(super) async fn conclude(&mut self, conclusion: Conclusion) -> Result<bool, FollowError> {
        let pause = match conclusion {
            Conclusion::End(stop) => return self.finish(&stop).await.map(|()| true),
            Conclusion::Pause(pause) => pause,
        };
        let jobs = &self.app.config.jobs;
        if let Some(reason) = too_often(&self.job, &pause, jobs) {
            let state = JobState::Failed;
            return self.finish(&Stop { state, reason }).await.map(|()| true);
        }
        let resume_at = resume_at(&pause, jobs, now_millis());
        let paused = self
            .app
            .database
            .pause_job(
                &self.lease,
                &self.job.id,
                &pause,
                self.job.advanced(),
                resume_at,
            )
            .await?;
        if !paused {
            // Either somebody else has the job now, or it is to stop.
            self.refresh().await?;
            return Ok(false);
        }
        tracing::info!(
            job_id = self.job.id,
            attempt = self.job.attempt,
            ending = pause.ending(),
            detail = pause.detail(),
            "an attempt has ended"
        );
        self.app.hub.notify(&self.job.id);
        self.app.new_job.notify_one();
        Ok(true)
    }

    pub(super) async fn finish(&mut self, stop: &Stop) -> Result<(), FollowError> {
        let (stop, version) = self.with_result(stop).await?;
        self.write_end(&stop, version.as_ref()).await
    }

    pub(super) async fn write_end(
        &self,
        stop: &Stop,
        version: Option<&NewVersion>,
    ) -> Result<(), FollowError> {
        let reason = Some(stop.reason.as_str()).filter(|reason| !reason.is_empty());
        let finished = self
            .app
            .database
            .finish_job(&self.lease, &self.job.id, stop.state, reason, version)
            .await?;
        if !finished {
            return Err(FollowError::Lost);
        }
        tracing::info!(job_id = self.job.id, state = %stop.state, reason, "a job has ended");
        let is_given_up = self.deaths >= MAX_DEATHS;
        self.app
            .measures
            .job_ended(stop.state, is_given_up, self.job.used);
        self.app.tracer.job_ended(&self.job.id);
        self.app.hub.notify(&self.job.id);
        // The next job of its project may begin.
        self.app.new_job.notify_one();
        Ok(())
    }
}

/// Why the job ends instead of another attempt, if it had too many, or too many in vain.
fn too_often(job: &Job, pause: &Pause, limits: &JobsConfig) -> Option<String> {
    let detail = excerpt(pause.detail().as_bytes());
    let is_in_vain = matches!(pause, Pause::Interrupted { .. }) && !job.advanced();
    if is_in_vain && job.interruptions >= i64::from(limits.interruptions) {
        let times = job.interruptions + 1;
        return Some(format!(
            "the generator was interrupted {times} times in a row: {detail}"
        ));
    }
    (job.attempt >= limits.attempts).then(|| {
        let attempts = job.attempt;
        format!("the job had {attempts} attempts and has not ended: {detail}")
    })
}

/// When a job that waits goes on by itself.
fn resume_at(pause: &Pause, limits: &JobsConfig, now: i64) -> Option<i64> {
    let Pause::WaitingLimit { until, .. } = pause else {
        return None;
    };
    let after =
        |pause: Duration| now.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    // A limit that has passed already, and one in a far future, are mistakes of who said so.
    let (earliest, latest) = (after(limits.shortest_wait), after(limits.longest_wait));
    Some(
        until
            .unwrap_or(after(limits.usual_wait))
            .clamp(earliest, latest),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::samples::{job, limits};
    use app_gen_contract::CheckpointId;

    fn limit(until: Option<i64>) -> Pause {
        Pause::WaitingLimit {
            provider: "claude".to_owned(),
            until,
            detail: "five hours are used up".to_owned(),
        }
    }

    #[test]
    fn a_limit_is_waited_for_as_long_as_makes_sense() {
        let limits = limits(&[]);
        let wait = |until| resume_at(&limit(until), &limits, 1_000_000).unwrap() - 1_000_000;
        assert_eq!(wait(Some(1_000_000 + 3_600_000)), 3_600_000);
        assert_eq!(wait(None), 15 * 60 * 1000);
        assert_eq!(wait(Some(0)), 30 * 1000);
        assert_eq!(wait(Some(i64::MAX)), 8 * 24 * 60 * 60 * 1000);
        let interrupted = Pause::Interrupted {
            reason: "x".to_owned(),
        };
        assert_eq!(resume_at(&interrupted, &limits, 0), None);
    }

    #[test]
    fn attempts_have_an_end() {
        let limits = limits(&[]);
        let mut job = job(0);
        let interrupted = Pause::Interrupted {
            reason: "stopped by SIGTERM".to_owned(),
        };
        job.interruptions = 2;
        assert_eq!(too_often(&job, &interrupted, &limits), None);
        job.interruptions = 3;
        assert_eq!(
            too_often(&job, &interrupted, &limits).unwrap(),
            "the generator was interrupted 4 times in a row: stopped by SIGTERM"
        );
        job.checkpoint = Some(CheckpointId {
            attempt: job.attempt,
            number: 7,
        });
        assert_eq!(too_often(&job, &interrupted, &limits), None);
        job.checkpoint = None;
        assert_eq!(too_often(&job, &limit(None), &limits), None);
        job.attempt = 100;
        assert_eq!(
            too_often(&job, &limit(None), &limits).unwrap(),
            "the job had 100 attempts and has not ended: five hours are used up"
        );
    }
}
