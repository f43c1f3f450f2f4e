//! The queue of SQS: a message for each job that can be claimed wakes one orchestrator that has room for it.
//!
//! Messages are asked for only while there is room, so the age of the oldest one is how long a job has waited. One
//! that is not taken care of in time comes back, and after some times goes to the queue of dead letters: then
//! orchestrators died of it, or could not reach the table. The job is found by the sweep all the same.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long the queue is asked for a message before it is asked again.
const WAIT_SECS: i32 = 20;
/// How long a message is this orchestrator's alone. A job is claimed within the time of one request.
const VISIBILITY_SECS: i32 = 60;
/// Pause after the queue did not answer.
const RETRY: Duration = Duration::from_secs(5);

/// A job that can be claimed, as a message told it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) job_id: String,
    receipt: String,
}

/// The queue, and what was received.
#[derive(Debug)]
pub(super) struct Dispatch {
    queue: Queue,
    held: Arc<Mutex<VecDeque<Told>>>,
    /// Somebody has room and nothing to claim.
    wanted: Arc<Notify>,
    receiver: Mutex<JoinSet<()>>,
}

#[derive(Debug, Clone)]
struct Queue {
    client: Client,
    url: String,
}

impl Dispatch {
    /// Receives one message at a time when one is wanted, and wakes by `new_job` who wanted it.
    pub(super) fn new(client: Client, url: String, new_job: Arc<Notify>) -> Self {
        let queue = Queue { client, url };
        let held = Arc::new(Mutex::new(VecDeque::new()));
        let wanted = Arc::new(Notify::new());
        let mut receiver = JoinSet::new();
        receiver.spawn({
            let (queue, held, wanted) = (queue.clone(), Arc::clone(&held), Arc::clone(&wanted));
            async move {
                loop {
                    wanted.notified().await;
                    match queue.receive().await {
                        Ok(messages) if messages.is_empty() => {}
                        Ok(messages) => {
                            lock(&held).extend(messages);
                            new_job.notify_one();
                        }
                        Err(error) => {
                            tracing::warn!(error = format!("{error:#}"), "no messages about jobs");
                            sleep(RETRY).await;
                        }
                    }
                }
            }
        });
        Self {
            queue,
            held,
            wanted,
            receiver: Mutex::new(receiver),
        }
    }

    /// Makes sure that there is a queue.
    ///
    /// # Errors
    /// When it does not answer, or may not be used.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let Queue { client, url } = &self.queue;
        client
            .get_queue_attributes()
            .queue_url(url)
            .send()
            .await
            .map_err(|error| anyhow::anyhow!("{}", DisplayErrorContext(error)))
            .with_context(|| {
                format!("failed to reach queue {url}; is it deployed, and may this role use it?")
            })?;
        Ok(())
    }

    /// Tells one orchestrator that a job can be claimed. Where that fails, the sweep finds it.
    pub(super) async fn tell(&self, job_id: &str, tenant: &str) {
        let Queue { client, url } = &self.queue;
        let sent = client
            .send_message()
            .queue_url(url)
            .message_body(job_id)
            // The queue is fair between groups: many jobs of one do not keep the others waiting.
            .message_group_id(tenant)
            .send()
            .await;
        if let Err(error) = sent {
            let error = DisplayErrorContext(error).to_string();
            tracing::warn!(
                job_id,
                error,
                "no message about a job; it is found a little later"
            );
        }
    }

    /// A job that a message told of; if there is none, one is asked for.
    pub(super) fn take(&self) -> Option<Told> {
        let told = lock(&self.held).pop_front();
        if told.is_none() {
            self.wanted.notify_one();
        }
        told
    }

    /// The message needs not come again.
    pub(super) async fn settle(&self, told: Told) {
        let Queue { client, url } = &self.queue;
        let deleted = client
            .delete_message()
            .queue_url(url)
            .receipt_handle(&told.receipt)
            .send()
            .await;
        if let Err(error) = deleted {
            let error = DisplayErrorContext(error).to_string();
            tracing::debug!(job_id = told.job_id, error, "a message will come again");
        }
    }

    /// Asks for no more messages. Those that are held come to others.
    pub(super) fn stop(&self) {
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.abort_all();
    }
}

impl Queue {
    async fn receive(&self) -> anyhow::Result<Vec<Told>> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(1)
            .wait_time_seconds(WAIT_SECS)
            .visibility_timeout(VISIBILITY_SECS)
            .send()
            .await
            .map_err(|error| anyhow::anyhow!("{}", DisplayErrorContext(error)))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages
            .filter_map(|message| {
                Some(Told {
                    job_id: message.body?,
                    receipt: message.receipt_handle?,
                })
            })
            .collect())
    }
}

fn lock(held: &Mutex<VecDeque<Told>>) -> MutexGuard<'_, VecDeque<Told>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
