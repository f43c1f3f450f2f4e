//! What is to be made: criteria that can be checked, and how it is built.

use crate::approval::{self, Next};
use crate::checks::criteria::{self, Criterion};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::pipeline::agents::{Work, work};
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::prompts;
use crate::pipeline::state::{Plan, Stage};
use crate::roles::{Role, json_block};
use anyhow::Result;
use app_gen_contract::{ApprovalPoint, JobKind, LogLevel, StageState};
use std::fmt::Write as _;

/// Decides what is to be made. A change has no plan: it is what its words say, and the tests that are
/// there say what must stay.
pub(crate) async fn plan(job: &mut Job) -> Result<(), Halt> {
    let next = approval::at(ApprovalPoint::BeforeBuild, &job.spec)?;
    let notes = match &next {
        Next::Rework(notes) if job.takes_up() => Some(notes.clone()),
        _ => None,
    };
    let is_made = job.state.plan.specification.is_some();
    if job.spec.kind == JobKind::Create && (!is_made || notes.is_some()) {
        job.report(Stage::Plan, StageState::Running, None).await;
        make(job, notes.as_deref()).await?;
        let detail = format!("{} acceptance criteria", job.state.plan.criteria.len());
        job.report(Stage::Plan, StageState::Done, Some(detail))
            .await;
    }
    if next == Next::GoOn {
        return Ok(());
    }
    Err(Halt::Ending(Ending::WaitingApproval {
        point: ApprovalPoint::BeforeBuild,
        question: question(job),
        artifact_uri: None,
    }))
}

async fn make(job: &mut Job, notes: Option<&str>) -> Result<(), Halt> {
    let prompt = prompts::criteria(&job.spec, notes);
    let criteria = ask(job, "pm", prompt, |words| {
        criteria::parse(&json_block(words)?).map_err(anyhow::Error::msg)
    })
    .await?;
    job.state.plan = Plan {
        criteria,
        specification: None,
    };
    let prompt = prompts::specification(&job.spec, &job.state.plan, notes);
    let specification = ask(job, "architect", prompt, |words| {
        anyhow::ensure!(!words.trim().is_empty(), "it is empty");
        Ok(words.trim().to_owned())
    })
    .await?;
    job.state.plan.specification = Some(specification);
    job.emitter
        .log(LogLevel::Info, shown(&job.state.plan))
        .await;
    Ok(())
}

/// Asks a role for an answer of a form, and once more if it has another.
async fn ask<T>(
    job: &mut Job,
    role: &str,
    prompt: String,
    read: impl Fn(&str) -> Result<T>,
) -> Result<T, Halt> {
    let role = Role::find(role)?;
    let mut memory = job.memory(role.name);
    let mut task = Work {
        role: &role,
        stage: Stage::Plan,
        prompt,
        must_change: false,
    };
    let mut answer = Err(Halt::Stopped);
    for _ in 0..2 {
        let done = work(job, &task, &mut memory).await;
        job.remember(role.name, memory.clone());
        match read(&done?.words) {
            Ok(read) => {
                answer = Ok(read);
                break;
            }
            Err(error) => {
                let reason = format!("{error:#}");
                task.prompt = prompts::again(&reason);
                answer = Err(Halt::Failed(Failure::job(
                    format!("the answer of the {} cannot be used: {reason}", role.name),
                    "submit the job again, or choose another model for this role",
                )));
            }
        }
    }
    answer
}

/// The plan, for people.
fn shown(plan: &Plan) -> String {
    let mut text = "the application will be made like this:\n".to_owned();
    for criterion in &plan.criteria {
        let _ = writeln!(text, "- {}", criterion.says);
    }
    if let Some(specification) = &plan.specification {
        let _ = write!(text, "\n{specification}");
    }
    text
}

fn question(job: &Job) -> String {
    let says: Vec<&str> = job
        .state
        .plan
        .criteria
        .iter()
        .map(|criterion: &Criterion| criterion.says.as_str())
        .collect();
    match says.is_empty() {
        true => "May the change be made?".to_owned(),
        false => format!("May the application be built like this? {}", says.join(" ")),
    }
}
