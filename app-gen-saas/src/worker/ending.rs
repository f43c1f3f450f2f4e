//! The end of a job: noticing it, bringing it about, and writing it down.

use std::time::Duration;

use app_gen_contract::{JobState, parse_line};
use tokio::time::Instant;

use crate::clock::now_millis;
use crate::database::Stop;
use crate::worker::conclude;
use crate::worker::follow::{FollowError, Follower, Reading};

/// How long lines of a task that has ended may take when nobody waits for their result.
const LATE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the log of a task that has ended may be unreadable.
const LOG_TIMEOUT: Duration = Duration::from_secs(600);

impl Follower {
    /// How the job ends, if its end has come.
    pub(super) async fn end(&mut self, reading: &Reading) -> Result<Option<Stop>, FollowError> {
        if self
            .missing_since
            .is_some_and(|since| since.elapsed() >= self.traits.missing)
        {
            let lost = Stop {
                state: JobState::Lost,
                reason: "the generator's task cannot be found any more".to_owned(),
            };
            return Ok(Some(self.job.stop.clone().unwrap_or(lost)));
        }
        let Some((since, ending)) = self.stopped.clone() else {
            return Ok(self.job.stop.clone().filter(|_| self.stops_in_vain()));
        };
        let complete = self.broken || self.job.outcome.is_some();
        let unfinished = match reading {
            Reading::AllTaken { unfinished } => Some(unfinished),
            Reading::More | Reading::Unreadable => None,
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
            self.job.artifact.is_some(),
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
        let Some(stop) = &self.job.stop else {
            return Ok(());
        };
        // What damages the log gets no time to go on with it.
        let force = self.broken || self.asked_to_stop.is_some();
        let again = self.app.config.jobs.stop_grace;
        let due = self.asked_to_stop.is_none_or(|at| at.elapsed() >= again)
            || self.broken && self.forced.is_none();
        if !due {
            return Ok(());
        }
        tracing::info!(
            job_id = self.job.id,
            force,
            reason = stop.reason,
            "stopping a generator"
        );
        if force {
            self.forced.get_or_insert_with(Instant::now);
        }
        if let Err(error) = self.app.launcher.stop(handle, &stop.reason, force).await {
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
            return (self.last_event.elapsed() >= jobs.stop_grace)
                .then(|| conclude::said(self.job.outcome.as_ref(), self.job.artifact.is_some()));
        }
        let silent = self.last_event.elapsed() >= jobs.idle_timeout;
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

    /// Whether the job has used up its time.
    pub(super) fn out_of_time(&self) -> Option<Stop> {
        let limit = self.app.config.jobs.timeout;
        let started = self.job.started_at.unwrap_or_else(now_millis);
        let age = u64::try_from(now_millis().saturating_sub(started)).unwrap_or(0);
        (u128::from(age) >= limit.as_millis()).then(|| Stop {
            state: JobState::TimedOut,
            reason: format!("the job took longer than {} seconds", limit.as_secs()),
        })
    }

    pub(super) async fn finish(&mut self, stop: &Stop) -> Result<(), FollowError> {
        let stop = &self.with_result(stop).await;
        let reason = Some(stop.reason.as_str()).filter(|reason| !reason.is_empty());
        let finished = self
            .app
            .database
            .finish_job(&self.lease, &self.job.id, stop.state, reason)
            .await?;
        if !finished {
            return Err(FollowError::Lost);
        }
        tracing::info!(job_id = self.job.id, state = %stop.state, reason, "a job has ended");
        self.app.hub.notify(&self.job.id);
        Ok(())
    }
}
