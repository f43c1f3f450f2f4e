//! Others look at the application: a reviewer, a tester and somebody who thinks of security, side by side
//! and without the right to change it.

use crate::failure::Failure;
use crate::pipeline::agents::{Done, Work, work};
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::prompts;
use crate::pipeline::state::{Memory, Stage};
use crate::roles::{Finding, Review, Role, Severity};
use app_gen_contract::{Body, CheckOutcome, StageState};
use std::time::Instant;

/// Who looks at it.
const REVIEWERS: [&str; 3] = ["reviewer", "tester", "security"];
/// So often it comes back to the builder. After that, it is not finished.
const MAX_REVIEWS: u32 = 2;

/// What follows from a look at the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reviewed {
    /// Nothing has to be mended.
    Approved,
    /// The builder has a task.
    Again,
}

/// A look of one role.
struct Looked {
    role: &'static str,
    memory: Memory,
    review: Result<Review, Halt>,
    seconds: u64,
}

/// Has the application looked at by all reviewers.
pub(crate) async fn review(job: &mut Job) -> Result<Reviewed, Halt> {
    job.report(Stage::Review, StageState::Running, None).await;
    job.state.reviews += 1;
    let prompt = prompts::review(&job.spec, &job.state.plan);
    let [one, two, three] = REVIEWERS.map(|role| look(job, role, &prompt, Stage::Review));
    let (one, two, three) = tokio::join!(one, two, three);
    settle(job, Stage::Review, [one?, two?, three?].into()).await
}

/// Asks whether somebody else can run it, before it is handed over.
pub(crate) async fn run_by_others(job: &mut Job) -> Result<Reviewed, Halt> {
    let prompt = prompts::review(&job.spec, &job.state.plan);
    let looked = look(job, "devops", &prompt, Stage::Publish).await?;
    settle(job, Stage::Publish, vec![looked]).await
}

async fn look(job: &Job, role: &'static str, prompt: &str, stage: Stage) -> Result<Looked, Halt> {
    let began = Instant::now();
    let role = Role::find(role)?;
    // Nobody judges by what the code was at an earlier look.
    let mut memory = Memory {
        session: None,
        ..job.memory(role.name)
    };
    let mut task = Work {
        role: &role,
        stage,
        prompt: prompt.to_owned(),
        must_change: false,
    };
    let mut review = Err(Halt::Stopped);
    for _ in 0..2 {
        let done = match work(job, &task, &mut memory).await {
            Ok(done) => done,
            Err(halt) => {
                review = Err(halt);
                break;
            }
        };
        match read(&done) {
            Ok(read) => {
                review = Ok(read);
                break;
            }
            Err(reason) => {
                task.prompt = prompts::again(&reason);
                review = Err(Halt::Failed(Failure::job(
                    format!("the answer of the {} cannot be used: {reason}", role.name),
                    "submit the job again, or choose another model for this role",
                )));
            }
        }
    }
    Ok(Looked {
        role: role.name,
        memory,
        review,
        seconds: began.elapsed().as_secs(),
    })
}

/// The review, or why there is none.
fn read(done: &Done) -> Result<Review, String> {
    Review::read(&done.words).map_err(|error| match &done.trouble {
        Some(trouble) => trouble.clone(),
        None => format!("{error:#}"),
    })
}

/// Reports what was found. What has to be mended is the builder's next task.
async fn settle(job: &mut Job, stage: Stage, looks: Vec<Looked>) -> Result<Reviewed, Halt> {
    let mut reviews: Vec<(&'static str, Review)> = Vec::new();
    let mut halt = None;
    for looked in looks {
        job.remember(looked.role, looked.memory);
        match looked.review {
            Ok(review) => {
                tell(job, looked.role, &review, looked.seconds).await;
                reviews.push((looked.role, review));
            }
            // Whoever was asked to end may have a failure beside it that is only its shadow.
            Err(other) => match halt {
                Some(Halt::Stopped) => {}
                _ => halt = Some(other),
            },
        }
    }
    if let Some(halt) = halt {
        // It was no look, so it does not count as one.
        job.state.reviews = job.state.reviews.saturating_sub(1);
        return Err(halt);
    }
    let blocking: Vec<(&'static str, &Finding)> = reviews
        .iter()
        .flat_map(|(role, review)| review.blocking().map(|finding| (*role, finding)))
        .collect();
    if blocking.is_empty() {
        // The last stage goes on after this.
        if stage == Stage::Review {
            let detail = Some("nothing has to be mended".to_owned());
            job.report(stage, StageState::Done, detail).await;
        }
        return Ok(Reviewed::Approved);
    }
    if job.state.reviews > MAX_REVIEWS {
        let first: Vec<String> = blocking
            .iter()
            .map(|(_, finding)| finding.to_string())
            .collect();
        return Err(Halt::Failed(Failure::job(
            format!(
                "the application is not finished: after {MAX_REVIEWS} rounds, this is still to be mended: {}",
                first.join("; ")
            ),
            "download what was reached, or describe the application in other words",
        )));
    }
    let count = blocking.len();
    job.state.task = Some(prompts::mend(blocking.into_iter()));
    let detail = match count {
        1 => "one finding goes back to the builder".to_owned(),
        count => format!("{count} findings go back to the builder"),
    };
    job.report(stage, StageState::Done, Some(detail)).await;
    Ok(Reviewed::Again)
}

/// A look is shown like a check.
async fn tell(job: &Job, role: &str, review: &Review, seconds: u64) {
    let findings: Vec<String> = review
        .findings()
        .map(|finding| match finding.severity {
            Severity::Blocking => format!("to be mended: {finding}"),
            Severity::Advice => format!("advice: {finding}"),
        })
        .collect();
    let outcome = match review.approves() {
        true => CheckOutcome::Passed,
        false => CheckOutcome::Failed,
    };
    job.emitter
        .emit(Body::Check {
            name: role.to_owned(),
            outcome,
            detail: (!findings.is_empty()).then(|| findings.join("\n")),
            seconds,
        })
        .await;
}
