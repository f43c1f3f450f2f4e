//! The state of tasks: everybody's questions are gathered for a moment and asked in one call.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::error::ProvideErrorMetadata as _;
use aws_sdk_ecs::types::Task;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::launcher::quota::rate::Rate;
use crate::launcher::quota::{count_refusal, is_throttled};
use crate::launcher::sdk_error::described;

/// Tasks that one call may ask for.
const MOST_TASKS: usize = 100;
/// How long questions are gathered.
const GATHER: Duration = Duration::from_millis(250);
/// Calls a second. AWS takes about 20 for longer, from all who ask in the account.
const CALLS_PER_SECOND: f64 = 10.0;
/// Calls that wait for their answers at the same time.
const CALLS_AT_ONCE: usize = 4;
/// How long an answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks for tasks.
#[derive(Debug)]
pub(in crate::launcher) struct TaskDesk {
    questions: mpsc::UnboundedSender<Question>,
}

/// Somebody wants to know of a task.
#[derive(Debug)]
struct Question {
    cluster: String,
    task_arn: String,
    answer: oneshot::Sender<Answer>,
}

/// What the cluster knows of the task, if it knows it; else the error in words.
type Answer = Result<Option<Task>, String>;

impl TaskDesk {
    /// With a client that does not repeat calls by itself. Ends with the last question.
    pub(in crate::launcher) fn new(client: Client) -> Self {
        let (questions, asked) = mpsc::unbounded_channel();
        tokio::spawn(answer_all(client, asked));
        Self { questions }
    }

    /// What the cluster knows of the task, if it knows it.
    pub(in crate::launcher) async fn task(
        &self,
        cluster: &str,
        task_arn: &str,
    ) -> anyhow::Result<Option<Task>> {
        let (answer, answered) = oneshot::channel();
        let question = Question {
            cluster: cluster.to_owned(),
            task_arn: task_arn.to_owned(),
            answer,
        };
        // Neither can be gone: both end with this very struct.
        self.questions
            .send(question)
            .ok()
            .context("nobody asks for tasks any more")?;
        let what = || format!("failed to describe {task_arn}");
        timeout(ANSWER_TIMEOUT, answered)
            .await
            .with_context(what)?
            .with_context(what)?
            .map_err(|error| anyhow!("{}: {error}", what()))
    }
}

async fn answer_all(client: Client, mut asked: mpsc::UnboundedReceiver<Question>) {
    let rate = Arc::new(Mutex::new(Rate::new(CALLS_PER_SECOND, Instant::now())));
    let at_once = Arc::new(Semaphore::new(CALLS_AT_ONCE));
    let mut questions: VecDeque<Question> = VecDeque::new();
    loop {
        if questions.is_empty() {
            let Some(question) = asked.recv().await else {
                return;
            };
            questions.push_back(question);
        }
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&at_once).acquire_owned().await else {
            return;
        };
        let next = lock(&rate).next();
        sleep_until(next.max(Instant::now() + GATHER)).await;
        while let Ok(question) = asked.try_recv() {
            questions.push_back(question);
        }
        questions.retain(|question| !question.answer.is_closed());
        let (cluster, batch) = batch(&mut questions);
        if batch.is_empty() {
            continue;
        }
        lock(&rate).take(Instant::now());
        let (client, rate) = (client.clone(), Arc::clone(&rate));
        tokio::spawn(async move {
            let _place = place;
            answer(&client, &rate, &cluster, batch).await;
        });
    }
}

fn lock(rate: &Mutex<Rate>) -> MutexGuard<'_, Rate> {
    rate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The questions of one call: about the cluster of the first one, as many as it takes.
fn batch(questions: &mut VecDeque<Question>) -> (String, HashMap<String, Vec<Question>>) {
    let mut batch: HashMap<String, Vec<Question>> = HashMap::new();
    let cluster = questions.front().map(|question| question.cluster.clone());
    let cluster = cluster.unwrap_or_default();
    for question in std::mem::take(questions) {
        let has_room = batch.len() < MOST_TASKS || batch.contains_key(&question.task_arn);
        if question.cluster == cluster && has_room {
            let same = batch.entry(question.task_arn.clone()).or_default();
            same.push(question);
        } else {
            questions.push_back(question);
        }
    }
    (cluster, batch)
}

/// Asks, and answers everybody.
async fn answer(
    client: &Client,
    rate: &Mutex<Rate>,
    cluster: &str,
    mut batch: HashMap<String, Vec<Question>>,
) {
    let result = client
        .describe_tasks()
        .cluster(cluster)
        .set_tasks(Some(batch.keys().cloned().collect()))
        .send()
        .await;
    let failure = match result {
        Ok(output) => {
            for task in output.tasks.unwrap_or_default() {
                let questions = task.task_arn().and_then(|arn| batch.remove(arn));
                for question in questions.unwrap_or_default() {
                    // Who does not wait any more asks again.
                    let _ = question.answer.send(Ok(Some(task.clone())));
                }
            }
            None
        }
        // Without the cluster there is no task in it.
        Err(error) if error.code() == Some("ClusterNotFoundException") => None,
        Err(error) => {
            if is_throttled(error.code()) {
                count_refusal();
                lock(rate).refused(Instant::now());
            }
            Some(format!("{:#}", described(error, "DescribeTasks")))
        }
    };
    for question in batch.into_values().flatten() {
        let _ = question.answer.send(failure.clone().map_or(Ok(None), Err));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_about_one_cluster_and_a_hundred_tasks() {
        let mut answers = Vec::new();
        let mut questions: VecDeque<Question> = (0..260)
            .map(|number| {
                let (answer, answered) = oneshot::channel();
                answers.push(answered);
                Question {
                    cluster: format!("cluster {}", number % 2),
                    // Each task is asked for twice.
                    task_arn: format!("task {}", number / 4 * 2 + number % 2),
                    answer,
                }
            })
            .collect();
        let mut sizes = Vec::new();
        while !questions.is_empty() {
            let (cluster, batch) = batch(&mut questions);
            let of_cluster = |question: &Question| question.cluster == cluster;
            assert!(batch.values().flatten().all(of_cluster));
            let asked = batch.values().map(Vec::len).sum::<usize>();
            sizes.push((cluster, batch.len(), asked));
        }
        assert_eq!(
            sizes,
            [
                ("cluster 0".to_owned(), 65, 130),
                ("cluster 1".to_owned(), 65, 130)
            ]
        );
        let many = (0..150).map(|number| {
            let (answer, answered) = oneshot::channel();
            answers.push(answered);
            Question {
                cluster: "cluster".to_owned(),
                task_arn: format!("task {number}"),
                answer,
            }
        });
        let mut questions: VecDeque<Question> = many.collect();
        assert_eq!(batch(&mut questions).1.len(), 100);
        assert_eq!(batch(&mut questions).1.len(), 50);
        assert!(batch(&mut questions).1.is_empty());
    }
}
