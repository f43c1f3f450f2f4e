//! The result of a job that says that it succeeded: it becomes a version of the job's project.

use anyhow::Context as _;
use app_gen_contract::JobState;

use crate::database::{Artifact, JobKind, NewVersion, Stop};
use crate::results::{self, Found};
use crate::worker::follow::{FollowError, Follower};

const REPLACED: &str = "the stored file is not the one that the generator named";
const MISSING: &str = "the generator named an artifact that is not stored";

impl Follower {
    /// The end of the job, once its result was looked at, and the version that it has made: a job without its
    /// result has failed.
    ///
    /// # Errors
    /// The result of a job with a project cannot be kept now; another attempt may succeed.
    pub(super) async fn with_result(
        &self,
        stop: &Stop,
    ) -> Result<(Stop, Option<NewVersion>), FollowError> {
        if self.job.kind == JobKind::Deliver {
            return Ok((self.delivered(stop).await?, None));
        }
        let Some(artifact) = &self.job.artifact else {
            return Ok((stop.clone(), None));
        };
        if stop.state != JobState::Succeeded {
            return Ok((stop.clone(), None));
        }
        let kept = match (&self.job.project_id, &artifact.commit) {
            (Some(project_id), Some(commit)) => self
                .keep_version(project_id, artifact, commit)
                .await?
                .map(Some),
            // Nobody could change it: it is a result, and no version.
            _ => self.look(artifact).await.map(|()| None),
        };
        Ok(match kept {
            Ok(version) => (stop.clone(), version),
            Err(reason) => {
                let stop = Stop {
                    state: JobState::Failed,
                    reason: reason.to_owned(),
                };
                (stop, None)
            }
        })
    }

    /// The end of a job that delivers, once what its target shows was compared with the version: a delivery
    /// after which another commit is there has failed. One that only looked has done so.
    async fn delivered(&self, stop: &Stop) -> Result<Stop, FollowError> {
        let delivery = self.app.database.delivery_of_job(&self.job.id).await?;
        let (JobState::Succeeded, Some(delivery)) = (stop.state, delivery) else {
            return Ok(stop.clone());
        };
        let is_there = delivery.shown_commit.as_ref() == Some(&delivery.commit);
        if is_there || delivery.check_only {
            return Ok(stop.clone());
        }
        let shown = delivery.shown_commit.as_deref().unwrap_or("none");
        Ok(Stop {
            state: JobState::Failed,
            reason: format!(
                "the target should show commit {} and shows {shown}",
                delivery.commit
            ),
        })
    }

    /// Copies the result to where no generator writes, and only then compares it with its digest. The inner
    /// `Err` is why it is none.
    async fn keep_version(
        &self,
        project_id: &str,
        artifact: &Artifact,
        commit: &str,
    ) -> Result<Result<NewVersion, &'static str>, FollowError> {
        let (app, job_id) = (&self.app, &self.job.id);
        match app.artifacts.keep_result(job_id, project_id).await {
            Ok(Some(sha256)) if sha256 == artifact.sha256 => {}
            Ok(Some(_)) => return Ok(Err(REPLACED)),
            Ok(None) => return Ok(Err(MISSING)),
            // It is looked at again until the job's time is over.
            Err(error) if self.out_of_time().is_none() => return Err(error.into()),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(job_id, error, "failed to keep a result");
                return Ok(Err("the artifact store did not answer"));
            }
        }
        Ok(Ok(NewVersion {
            commit: commit.to_owned(),
            folder: job_id.clone(),
            size_bytes: artifact.size_bytes,
            sha256: artifact.sha256.clone(),
            checks: app.database.checks_of_job(job_id).await?,
        }))
    }

    async fn look(&self, artifact: &Artifact) -> Result<(), &'static str> {
        let (artifacts, database) = (&self.app.artifacts, self.app.database.as_ref());
        match results::find(artifacts, database, &self.job.id, artifact).await {
            Ok(Found::Result(_)) => Ok(()),
            Ok(Found::Replaced) => Err(REPLACED),
            Ok(Found::Missing) => Err(MISSING),
            // Every download looks at it again.
            Err(error) => {
                tracing::warn!(job_id = self.job.id, %error, "failed to look at a result");
                Ok(())
            }
        }
    }

    /// Makes the version that the job goes back to the newest one.
    pub(super) async fn restore(&mut self) -> Result<(), FollowError> {
        let (database, job) = (&self.app.database, &self.job);
        let (project_id, number) = (job.project_id.as_deref(), job.start_version);
        let (project_id, number) = project_id
            .zip(number)
            .context("a job that restores names no version")?;
        let version = database.version(project_id, number).await?;
        let content = version.context("the version is gone")?.content;
        let succeeded = Stop {
            state: JobState::Succeeded,
            reason: String::new(),
        };
        match job.stop.clone() {
            Some(stop) => self.write_end(&stop, None).await,
            None => self.write_end(&succeeded, Some(&content)).await,
        }
    }
}
