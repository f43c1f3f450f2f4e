//! Dead letters go back into their queue.

use crate::commands::Handle;
use crate::config::Cloud;
use crate::sqs::Sqs;
use xtask_aws_api::calls::queue::{RedriveQueue, Redriven};

/// So many are put back at most: who has more looks for their cause first.
const MOST: usize = 1_000;

impl Handle for RedriveQueue {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Redriven> {
        let deployed = cloud.deployed();
        let sqs = Sqs::new(cloud.sdk());
        let from = sqs.url(&deployed.dead_letter_queue).await?;
        let to = sqs.url(&deployed.job_queue).await?;
        let mut jobs = Vec::new();
        let mut more = true;
        while jobs.len() < MOST {
            let letters = sqs.receive(&from).await?;
            if letters.is_empty() {
                more = false;
                break;
            }
            for letter in letters {
                sqs.put_back(&from, &to, &letter).await?;
                jobs.push(letter.body);
            }
        }
        Ok(Redriven {
            queue: deployed.job_queue,
            jobs,
            more,
        })
    }
}
