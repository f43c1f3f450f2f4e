//! The result of a job that says that it succeeded.

use app_gen_contract::JobState;

use crate::database::Stop;
use crate::results::{self, Found};
use crate::worker::follow::Follower;

impl Follower {
    /// The end of the job, once its result was looked at: a job without its result has failed.
    pub(super) async fn with_result(&self, stop: &Stop) -> Stop {
        let Some(artifact) = &self.job.artifact else {
            return stop.clone();
        };
        if stop.state != JobState::Succeeded {
            return stop.clone();
        }
        let (artifacts, database) = (&self.app.artifacts, &self.app.database);
        let reason = match results::find(artifacts, database, &self.job.id, artifact).await {
            Ok(Found::Result(_)) => return stop.clone(),
            Ok(Found::Replaced) => "the stored file is not the one that the generator named",
            Ok(Found::Missing) => "the generator named an artifact that is not stored",
            // Every download looks at it again.
            Err(error) => {
                tracing::warn!(job_id = self.job.id, %error, "failed to look at a result");
                return stop.clone();
            }
        };
        Stop {
            state: JobState::Failed,
            reason: reason.to_owned(),
        }
    }
}
