//! A command inside a running task.

use super::{Ecs, TaskState};
use crate::error::{CloudError, Kind};

/// What the session plugin needs. No `Debug`: the token must not reach a log.
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) stream_url: String,
    pub(crate) token: String,
}

impl Ecs {
    /// Starts the command in the task's first container, with a terminal.
    ///
    /// # Errors
    /// The call fails; the service does not allow it, or the task does not run.
    pub(crate) async fn execute(
        &self,
        cluster: &str,
        task: &TaskState,
        command: &str,
    ) -> Result<Session, CloudError> {
        let action = format!("ecs ExecuteCommand {}", task.arn);
        let session = self
            .client
            .execute_command()
            .cluster(cluster)
            .task(&task.arn)
            .set_container(task.container.clone())
            .interactive(true)
            .command(command)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?
            .session;
        let parts = session.and_then(|session| {
            Some(Session {
                id: session.session_id?,
                stream_url: session.stream_url?,
                token: session.token_value?,
            })
        });
        parts.ok_or_else(|| {
            CloudError::new(
                Kind::Service,
                format!("{action}: the reply holds no session"),
            )
        })
    }
}
