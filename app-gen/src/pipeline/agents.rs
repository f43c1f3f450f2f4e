//! Runs of agents: one task of one role, until it is done, however often its agent has to be started.

use crate::ending::Ending;
use crate::failure::Failure;
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::prompts;
use crate::pipeline::state::{Memory, Stage, Unfinished};
use crate::roles::{Cast, Role};
use crate::workshop::{Agent, Workshop};
use anyhow::Context as _;
use app_gen_agent::{
    Credential, Limits, Outcome, Reason, Retry, StartError, Stop as StoppedBy, Task, Verdict, Wait,
    run,
};
use app_gen_contract::{Activity, Body, LogLevel};
use app_gen_gateway::{Budget, Place, Scope, Usd};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::mpsc;

/// How often an agent is started again for one task after it crashed.
const MAX_CRASHES: u32 = 3;
/// The pauses before a provider is asked again that is overloaded or does not answer.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// A limit that passes so soon is waited for; the start of another task takes as long. Codex would wait for
/// hours.
const SHORT_LIMIT: Duration = Duration::from_secs(10);
/// How many activities may wait for the log.
const MAX_WAITING: usize = 100;

/// What a role is asked.
#[derive(Debug, Clone)]
pub(crate) struct Work<'work> {
    pub(crate) role: &'work Role,
    pub(crate) stage: Stage,
    pub(crate) prompt: String,
    /// Whether it is to change files.
    pub(crate) must_change: bool,
}

/// What an agent came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    /// Its last words; empty if it was ended before it could say any.
    pub(crate) words: String,
    /// Why it did not end well by itself, in the middle of a sentence: what it made may still be good.
    pub(crate) trouble: Option<String>,
}

/// Has the work done. `memory` is that of its role; it is changed also where this fails.
///
/// # Errors
/// The attempt has to end.
pub(crate) async fn work(job: &Job, work: &Work<'_>, memory: &mut Memory) -> Result<Done, Halt> {
    let mut cast = match &memory.recast {
        Some(cast) => cast.clone(),
        None => work.role.cast(&job.spec)?,
    };
    let (mut crashes, mut pauses) = (0, PAUSES.iter());
    loop {
        let began_with = memory
            .unfinished
            .as_ref()
            .filter(|task| task.prompt == work.prompt)
            .map(|task| task.began_with.clone());
        // A session is the conversation of one provider.
        let prompt = match (&began_with, &memory.session) {
            (Some(_), Some(_)) => prompts::GO_ON.to_owned(),
            _ => work.prompt.clone(),
        };
        memory.unfinished = Some(Unfinished {
            prompt: work.prompt.clone(),
            began_with: began_with.flatten(),
        });
        let (verdict, outcome) = start(job, work, memory, &cast, prompt).await?;
        match verdict {
            Verdict::Completed => return Ok(done(memory, outcome, None)),
            Verdict::Stopped {
                by: StoppedBy::Asked,
            } => return Err(Halt::Stopped),
            Verdict::Stopped { by } => {
                // Its conversation is where it went wrong.
                memory.session = None;
                return Ok(done(memory, outcome, Some(trouble_of(by))));
            }
            Verdict::Failed {
                reason: Reason::NothingChanged,
                detail,
            } => return Ok(done(memory, outcome, Some(detail))),
            Verdict::Failed {
                reason: Reason::Turns,
                ..
            } => {
                let trouble = "the agent asked the model as often as its role may".to_owned();
                return Ok(done(memory, outcome, Some(trouble)));
            }
            Verdict::Failed { reason, detail } => {
                let agent = Agent::find(&cast.provider)?;
                let is_own = job.workshop.is_paid_by_tenant(agent.protocol);
                return Err(Halt::Failed(failure(&cast, reason, &detail, is_own)));
            }
            Verdict::Again { cause, detail } => {
                crashes += 1;
                if crashes > MAX_CRASHES {
                    return Err(Halt::Failed(Failure::job(
                        format!(
                            "the agent of provider {:?} ended in the middle of its work {crashes} times: {detail}",
                            cast.provider
                        ),
                        "look at the last activities of the job",
                    )));
                }
                if !cause.keeps_session() {
                    memory.session = None;
                }
                let why = match cause {
                    Retry::Crashed => "it ended in the middle of its work",
                    Retry::Interrupted => "it was interrupted",
                    Retry::ContextFull => "its conversation became too long",
                    Retry::SessionLost => "its conversation is lost",
                };
                warn(
                    job,
                    format!("the {} is started again: {why}", work.role.name),
                )
                .await;
            }
            Verdict::Wait {
                cause: Wait::Limit,
                until,
                detail,
            } => {
                if let Some(short) = short(until) {
                    pause(job, short).await?;
                } else if let Some(fallback) = &cast.fallback {
                    let next = work.role.recast(fallback)?;
                    let message = format!(
                        "the {} goes on with provider {:?}: {:?} has a limit: {detail}",
                        work.role.name, next.provider, cast.provider
                    );
                    warn(job, message).await;
                    memory.recast = Some(next.clone());
                    memory.session = None;
                    memory.unfinished = None;
                    cast = next;
                } else {
                    return Err(limit(&cast, until, detail));
                }
            }
            Verdict::Wait { detail, .. } => {
                let Some(time) = pauses.next() else {
                    return Err(limit(&cast, None, detail));
                };
                let message = format!(
                    "provider {:?} is asked again in {} s: {detail}",
                    cast.provider,
                    time.as_secs()
                );
                warn(job, message).await;
                pause(job, *time).await?;
            }
        }
    }
}

/// One run.
async fn start(
    job: &Job,
    work: &Work<'_>,
    memory: &mut Memory,
    cast: &Cast,
    prompt: String,
) -> Result<(Verdict, Outcome), Halt> {
    let agent = Agent::find(&cast.provider)?;
    let workshop = &job.workshop;
    let place = Place {
        role: work.role.name.to_owned(),
        stage: work.stage.name().to_owned(),
    };
    let budget = Budget {
        usd: work.role.micro_usd().map(Usd::from_millionths),
        tokens: None,
    };
    let pass = workshop
        .gateway()
        .admit(Scope { place, budget })
        .context("the agent gets no pass for the gateway")?;
    let cage = workshop.cage(work.role.name, work.role.writes());
    let time = work.role.time().min(job.time_left());
    let limits = Limits {
        time,
        limit: SHORT_LIMIT,
        ..Limits::default()
    };
    let supervisor = Workshop::supervisor(&cage, time).context("the agent does not start")?;
    let prompt = match (&memory.session, &memory.recast) {
        (None, Some(_)) => prompts::hand_over(&prompt),
        _ => prompt,
    };
    let task = Task {
        prompt,
        instructions: Some(work.role.instructions.clone()),
        workspace: cage.workspace.clone(),
        folder: cage.own.clone(),
        session: memory.session.clone(),
        model: cast.model.clone(),
        base_url: format!("http://{}", workshop.gateway().address()),
        token: pass.token().reveal().to_owned(),
        credential: Credential::Key,
        environment: workshop.variables(&cage),
        max_turns: Some(work.role.turns()),
        must_change: work.must_change,
        began_with: memory
            .unfinished
            .as_ref()
            .and_then(|task| task.began_with.clone()),
    };
    let (sender, mut receiver) = mpsc::channel(MAX_WAITING);
    let stop = job.stop.wanted();
    let mut began_with = None;
    let tell = async {
        while let Some(activity) = receiver.recv().await {
            if let Activity::Started { workspace, .. } = &activity {
                began_with.get_or_insert_with(|| workspace.clone());
            }
            tell(job, work, activity).await;
        }
    };
    let ran = async {
        let ran = run(
            agent.provider.as_ref(),
            &supervisor,
            &task,
            &limits,
            stop,
            &sender,
        )
        .await;
        drop(sender);
        ran
    };
    let (outcome, ()) = tokio::join!(ran, tell);
    let outcome = outcome.map_err(|error| not_started(&cast.provider, &error))?;
    memory.session.clone_from(&outcome.session);
    if let Some(task) = &mut memory.unfinished {
        task.began_with = task.began_with.take().or(began_with);
    }
    let facts = workshop.facts(agent.protocol);
    Ok((outcome.verdict.clone().informed(&facts), outcome))
}

async fn tell(job: &Job, work: &Work<'_>, activity: Activity) {
    // The gateway counts what is used, and what is of no consequence is for nobody.
    if matches!(activity, Activity::Used { .. } | Activity::Noted { .. }) {
        return;
    }
    let body = Body::Activity {
        role: work.role.name.to_owned(),
        stage: work.stage.name().to_owned(),
        what: activity,
    };
    job.emitter.emit(body).await;
}

fn done(memory: &mut Memory, outcome: Outcome, trouble: Option<String>) -> Done {
    memory.unfinished = None;
    Done {
        words: outcome.last_words.unwrap_or_default(),
        trouble,
    }
}

fn trouble_of(by: StoppedBy) -> String {
    match by {
        StoppedBy::Loop => "the agent did the same again and again, with the same result",
        StoppedBy::Tools => "the agent used more tools than it may",
        StoppedBy::Silence => "the agent said nothing for longer than any command may take",
        StoppedBy::Time => "the time of the agent was over",
        StoppedBy::Asked => "the agent was asked to end",
    }
    .to_owned()
}

fn not_started(provider: &str, error: &StartError) -> Halt {
    let reason = format!("the agent of provider {provider:?} does not start: {error}");
    Halt::Failed(Failure::job(
        reason,
        "this is a defect of the image or of the machine: cargo xtask doctor",
    ))
}

/// Why the job fails. `is_own` says that the tenant's key was sent.
fn failure(cast: &Cast, reason: Reason, detail: &str, is_own: bool) -> Failure {
    let Cast {
        provider, model, ..
    } = cast;
    let (what, hint) = match reason {
        Reason::Budget => (
            "the budget of the job is used up".to_owned(),
            "submit the job again with a larger budget",
        ),
        Reason::KeyRefused if is_own => (
            format!("provider {provider:?} refuses the tenant's own key"),
            "set a valid key on the page of the account, or remove it",
        ),
        Reason::Forbidden if is_own => (
            format!("provider {provider:?} does not allow it with the tenant's own key"),
            "look at the provider what the key may do",
        ),
        Reason::NoCredit if is_own => (
            format!("the tenant's own account at provider {provider:?} has no credit"),
            "add credit at the provider, or set another key on the page of the account",
        ),
        Reason::KeyRefused => (
            format!("provider {provider:?} refuses its key"),
            "set a valid key: cargo xtask secrets set generator",
        ),
        Reason::Forbidden => (
            format!("provider {provider:?} does not allow it"),
            "look at what the key may do: cargo xtask secrets list",
        ),
        Reason::NoModel => (
            format!("provider {provider:?} has no model {model:?}"),
            "choose another model",
        ),
        Reason::NoCredit => (
            format!("the account at provider {provider:?} has no credit"),
            "add credit at the provider, or use another key",
        ),
        Reason::RequestRefused => (
            format!("provider {provider:?} refuses the request"),
            "look at the last activities of the job",
        ),
        Reason::DidNotStart => (
            format!("the agent of provider {provider:?} ended before it began"),
            "this is a defect of the image or of the machine: cargo xtask doctor",
        ),
        Reason::Denied => (
            "the agent was not allowed to use its tools".to_owned(),
            "this is a defect of app-gen: report it",
        ),
        Reason::Turns | Reason::NothingChanged | Reason::Unclear => (
            format!("the agent of provider {provider:?} failed"),
            "look at the last activities of the job",
        ),
    };
    let reason = match detail.trim() {
        // An agent takes the gateway's refusal for one of its provider.
        _ if reason == Reason::Budget => what,
        // Providers quote parts of a key that they refuse.
        _ if reason == Reason::KeyRefused => what,
        "" => what,
        detail => format!("{what}: {detail}"),
    };
    Failure::job(reason, hint)
}

fn limit(cast: &Cast, until: Option<OffsetDateTime>, detail: String) -> Halt {
    Halt::Ending(Ending::WaitingLimit {
        provider: cast.provider.clone(),
        until,
        detail,
    })
}

/// How long a limit lasts, if that is so short that it is waited for.
fn short(until: Option<OffsetDateTime>) -> Option<Duration> {
    let left = until? - OffsetDateTime::now_utc();
    let left = Duration::try_from(left).unwrap_or_default();
    (left <= SHORT_LIMIT).then_some(left + Duration::from_secs(1))
}

async fn pause(job: &Job, time: Duration) -> Result<(), Halt> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        () = job.stop.wanted() => Err(Halt::Stopped),
    }
}

async fn warn(job: &Job, message: String) {
    job.emitter.log(LogLevel::Warn, message).await;
}
