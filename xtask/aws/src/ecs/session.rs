//! Commands inside running tasks.

use crate::ecs::Ecs;
use crate::error::{CloudError, Kind};
use xtask_aws_api::SecretText;
use xtask_aws_api::calls::tasks::TaskState;

/// A session that ECS has opened.
#[derive(Debug)]
pub(crate) struct OpenedSession {
    pub(crate) id: String,
    pub(crate) stream_url: String,
    pub(crate) token: SecretText,
}

impl Ecs {
    /// Starts the command in the task's first container, with a terminal.
    ///
    /// # Errors
    /// The call fails, for instance because the service does not allow commands, or the task does
    /// not run.
    pub(crate) async fn execute(
        &self,
        cluster: &str,
        task: &TaskState,
        command: &str,
    ) -> Result<OpenedSession, CloudError> {
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
            Some(OpenedSession {
                id: session.session_id?,
                stream_url: session.stream_url?,
                token: session.token_value?.into(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::Canned;
    use crate::ecs::TaskId;
    use serde_json::{Value, json};

    const ARN: &str = "arn:aws:ecs:us-east-1:000000000001:task/cluster/0123";

    #[tokio::test]
    async fn a_command_goes_to_the_first_container_of_the_task() {
        let described = json!({ "tasks": [{
            "taskArn": ARN, "lastStatus": "RUNNING", "containers": [{ "name": "app" }],
        }], "failures": [] });
        let session = json!({ "session": {
            "sessionId": "ecs-execute-command-1", "streamUrl": "wss://stream", "tokenValue": "token",
        } });
        let refused = json!({ "__type": "TargetNotConnectedException", "message": "try later" });
        let canned = Canned::new([
            (200, described.to_string()),
            (200, session.to_string()),
            (400, refused.to_string()),
        ]);
        let ecs = Ecs::new(&canned.config());
        let id = TaskId(ARN.to_owned());
        let tasks = ecs.describe_tasks("cluster", &[id]).await.expect("tasks");
        let session = ecs.execute("cluster", &tasks[0].state, "sh").await.ok();
        let opened = session.map(|session| {
            (
                session.id,
                session.stream_url,
                session.token.into_revealed(),
            )
        });
        let expected = ["ecs-execute-command-1", "wss://stream", "token"].map(str::to_owned);
        assert_eq!(opened, Some(expected.into()));
        let asked: Value = serde_json::from_str(&canned.requests()[1].body).expect("JSON");
        assert_eq!(
            asked,
            json!({ "cluster": "cluster", "task": ARN, "container": "app", "interactive": true,
                "command": "sh" })
        );
        let error = ecs.execute("cluster", &tasks[0].state, "sh").await.err();
        let error = error.expect("nobody is there");
        assert_eq!(
            (error.kind, error.message.as_str()),
            (
                Kind::Service,
                "ecs ExecuteCommand arn:aws:ecs:us-east-1:000000000001:task/cluster/0123: \
                 TargetNotConnectedException: try later"
            )
        );
    }
}
