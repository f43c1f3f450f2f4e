//! Queues of SQS.

use crate::error::CloudError;
use aws_config::SdkConfig;
use aws_sdk_sqs::types::MessageSystemAttributeName;

/// Messages that SQS hands out at once.
const RECEIVED: i32 = 10;
/// How long a receiver waits: without that, SQS looks into a part of its machines only, and may find nothing.
const WAIT_SECS: i32 = 2;

/// Simple Queue Service.
#[derive(Debug)]
pub(crate) struct Sqs {
    client: aws_sdk_sqs::Client,
}

/// A message that was received, and is not handed out again for half a minute.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) body: String,
    group: Option<String>,
    receipt: String,
}

impl Sqs {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_sqs::Client::new(sdk),
        }
    }

    /// The URL of a queue.
    ///
    /// # Errors
    /// There is no such queue, or nobody answers.
    pub(crate) async fn url(&self, name: &str) -> Result<String, CloudError> {
        let found = self
            .client
            .get_queue_url()
            .queue_name(name)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&format!("sqs GetQueueUrl {name}"), error))?;
        Ok(found.queue_url.unwrap_or_default())
    }

    /// Some messages; none if there are no more.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn receive(&self, url: &str) -> Result<Vec<Letter>, CloudError> {
        let found = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(RECEIVED)
            .wait_time_seconds(WAIT_SECS)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&format!("sqs ReceiveMessage {url}"), error))?;
        let letters = found.messages.unwrap_or_default().into_iter();
        Ok(letters
            .filter_map(|message| {
                let group = message.attributes.as_ref().and_then(|attributes| {
                    attributes
                        .get(&MessageSystemAttributeName::MessageGroupId)
                        .cloned()
                });
                Some(Letter {
                    body: message.body?,
                    group,
                    receipt: message.receipt_handle?,
                })
            })
            .collect())
    }

    /// Puts a message into one queue, and only then takes it out of the other: it may be in both for a moment, and is
    /// never in none.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn put_back(
        &self,
        from: &str,
        to: &str,
        letter: &Letter,
    ) -> Result<(), CloudError> {
        self.client
            .send_message()
            .queue_url(to)
            .message_body(&letter.body)
            .set_message_group_id(letter.group.clone())
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&format!("sqs SendMessage {to}"), error))?;
        self.client
            .delete_message()
            .queue_url(from)
            .receipt_handle(&letter.receipt)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("sqs DeleteMessage {from}"), error))
    }
}
