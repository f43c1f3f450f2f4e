//! The pipeline of agents: plan, build, review, publish. Each stage goes on where the attempt before
//! left it.

mod agents;
mod build;
mod halt;
mod job;
mod keep;
mod plan;
mod prompts;
mod publish;
mod review;
pub(crate) mod state;

use crate::emitter::Emitter;
use crate::ending::Ending;
use crate::failure::Failure;
use crate::location::Location;
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::publish::Published;
use crate::pipeline::review::Reviewed;
use crate::pipeline::state::{Stage, State};
use crate::resources::Resources;
use crate::roles::Role;
use crate::stop::Stop;
use crate::template;
use crate::workshop::repository::{MAIN, MAX_BUNDLE_BYTES, Message};
use crate::workshop::{Agent, Metered, Rights, Workshop, attachments, fill};
use anyhow::Context as _;
use app_gen_contract::{JobKind, JobSpec, LogLevel, StartFrom};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// How long the gateway may take to end when no agent is left.
const LAST_COUNT: Duration = Duration::from_secs(5);
/// Roles that have a part in every job, or only in one that creates.
const ALWAYS: [&str; 1] = ["builder"];
const IN_CREATION: [&str; 6] = [
    "pm",
    "architect",
    "reviewer",
    "tester",
    "security",
    "devops",
];

/// What an attempt works with, before anything was done or paid for.
pub(crate) struct Opened {
    workshop: Workshop,
    metered: Metered,
    versions: BTreeMap<String, Option<String>>,
}

impl Opened {
    /// The providers that the job asks for, with the versions of their agents.
    pub(crate) fn versions(&self) -> BTreeMap<String, Option<String>> {
        self.versions.clone()
    }
}

/// Gets everything ready that the job needs.
///
/// # Errors
/// Something is missing without which the job would fail later: an agent, a key, a cage that holds.
pub(crate) async fn open(spec: &JobSpec, rights: Rights) -> Result<Opened, Failure> {
    let agents = agents_of(spec)?;
    let lookup = |name: &str| std::env::var(name).ok();
    let (workshop, metered) = Workshop::open(rights, &lookup, spec).await?;
    let mut versions = BTreeMap::new();
    for (provider, agent) in &agents {
        if !workshop.has_upstream(agent.protocol) {
            return Err(no_key(provider));
        }
        versions.insert(provider.clone(), Some(workshop.version(agent).await?));
    }
    Ok(Opened {
        workshop,
        metered,
        versions,
    })
}

/// Does the work of one attempt, and returns how it ends.
pub(crate) async fn run(
    spec: JobSpec,
    folder: Location,
    emitter: Arc<Emitter>,
    opened: Opened,
    stop: Stop,
) -> Result<Ending, Failure> {
    let Opened {
        workshop, metered, ..
    } = opened;
    warn(&emitter, &workshop).await;
    let counts = tokio::spawn(count(metered, Arc::clone(&emitter)));
    let resources = Arc::new(Resources::measure(workshop.place()));
    attachments::place(&spec.attachments, &folder)
        .await
        .context("the files that were attached cannot be taken up")?;
    let state = begin(&spec, &folder, &workshop).await?;
    let mut job = Job::new(
        spec,
        folder,
        Arc::clone(&emitter),
        workshop,
        Arc::clone(&resources),
        stop,
        state,
    );
    let halt = match stages(&mut job).await {
        Ok(ending) => Halt::Ending(ending),
        Err(halt) => halt,
    };
    let ending = end(&mut job, halt).await;
    // What agents use is counted until the last request has ended, which is when the gateway does.
    drop(job);
    if tokio::time::timeout(LAST_COUNT, counts).await.is_err() {
        emitter
            .log(
                LogLevel::Warn,
                "the last requests to the model were not counted",
            )
            .await;
    }
    emitter.emit(resources.to_body()).await;
    ending
}

async fn stages(job: &mut Job) -> Result<Ending, Halt> {
    loop {
        if job.stop.is_wanted() {
            return Err(Halt::Stopped);
        }
        job.state.stage = match job.state.stage {
            Stage::Plan => {
                plan::plan(job).await?;
                Stage::Build
            }
            Stage::Build => {
                build::build(job).await?;
                match job.spec.kind {
                    JobKind::Create => Stage::Review,
                    JobKind::Change | JobKind::Deliver => Stage::Publish,
                }
            }
            Stage::Review => match review::review(job).await? {
                Reviewed::Approved => Stage::Publish,
                Reviewed::Again => Stage::Build,
            },
            Stage::Publish => match publish::publish(job).await? {
                Published::Ending(ending) => return Ok(ending),
                Published::Again => Stage::Build,
            },
        };
        keep::checkpoint(job).await?;
    }
}

/// Keeps what is worth keeping, and says how the attempt ends.
async fn end(job: &mut Job, halt: Halt) -> Result<Ending, Failure> {
    match halt {
        Halt::Ending(ending @ Ending::Succeeded { .. }) => Ok(ending),
        Halt::Ending(ending) => {
            if matches!(ending, Ending::WaitingApproval { .. }) {
                // The notes that come with the next decision are new ones.
                job.state.is_reworked = false;
            }
            keep::checkpoint_unfinished(job).await?;
            Ok(ending)
        }
        Halt::Stopped => {
            // An attempt that cannot keep its work is interrupted all the same.
            if let Err(error) = keep::checkpoint_unfinished(job).await {
                let message = format!("no checkpoint was written: {error:#}");
                job.emitter.log(LogLevel::Warn, message).await;
            }
            Ok(Ending::Stopped)
        }
        Halt::Failed(failure) => {
            if let Err(Halt::Failed(error)) = publish::rescue(job).await {
                let message = format!("what was reached is not kept: {}", error.reason);
                job.emitter.log(LogLevel::Warn, message).await;
            }
            Err(failure)
        }
    }
}

/// The agents that the job will start, by provider.
fn agents_of(spec: &JobSpec) -> Result<BTreeMap<String, Agent>, Failure> {
    let roles = match spec.kind {
        JobKind::Create => [&ALWAYS[..], &IN_CREATION[..]].concat(),
        JobKind::Change | JobKind::Deliver => ALWAYS.to_vec(),
    };
    // A provider that does not exist has no models either, which would be the lesser answer.
    let chosen = spec
        .roles
        .values()
        .filter_map(|choice| choice.provider.as_ref())
        .chain(spec.fallback.as_ref().map(|fallback| &fallback.provider));
    for provider in chosen.chain([&spec.provider]) {
        Agent::find(provider)?;
    }
    if let Some(unknown) = spec.roles.keys().find(|role| !Role::exists(role)) {
        return Err(Failure::job(
            format!("something is chosen for role {unknown:?}, which does not exist"),
            &format!("known roles: {}", Role::names().join(", ")),
        ));
    }
    let mut providers = BTreeSet::new();
    for role in roles {
        let cast = Role::find(role)?.cast(spec)?;
        providers.extend(cast.fallback.map(|fallback| fallback.provider));
        providers.insert(cast.provider);
    }
    providers
        .into_iter()
        .map(|provider| Ok((provider.clone(), Agent::find(&provider)?)))
        .collect()
}

fn no_key(provider: &str) -> Failure {
    let keys = match provider {
        "claude" => "ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN",
        _ => "OPENAI_API_KEY",
    };
    Failure::job(
        format!("provider {provider:?} has no key: neither is {keys} set"),
        "set it: cargo xtask secrets set generator; or try the scripted model, which needs none: --model scripted",
    )
}

/// Says what is not as people would expect.
async fn warn(emitter: &Emitter, workshop: &Workshop) {
    if let Some(script) = &workshop.script {
        let message = format!(
            "no AI model is asked: a scripted model plays {script:?}, whatever the description says"
        );
        emitter.log(LogLevel::Warn, message).await;
    }
    for lack in &workshop.lacks {
        emitter.log(LogLevel::Warn, *lack).await;
    }
}

/// Reports what agents use, as it comes.
async fn count(mut metered: Metered, emitter: Arc<Emitter>) {
    while let Some(usage) = metered.recv().await {
        emitter.emit(usage).await;
    }
}

/// Where the attempt begins: where the one before ended, or at the start.
async fn begin(spec: &JobSpec, folder: &Location, workshop: &Workshop) -> Result<State, Failure> {
    if let Some(id) = spec.attempt.checkpoint {
        let state = keep::restore(id, folder, workshop).await;
        return Ok(state.context("the work of the attempt before cannot be taken up")?);
    }
    let mut state = State::default();
    if let Some(StartFrom { bundle_uri, commit }) = &spec.start_from {
        let bundle = Location::open(bundle_uri)?.read(MAX_BUNDLE_BYTES).await?;
        keep::begin_with(&workshop.repository, workshop, &bundle, commit)
            .await
            .with_context(|| format!("the job cannot begin with commit {commit}"))?;
        state.head = Some(commit.clone());
    }
    if spec.template.is_some() {
        let files = template::make(spec)?.files;
        let message = Message {
            role: "template",
            text: &spec.description,
            time: OffsetDateTime::now_utc().unix_timestamp(),
        };
        let repository = &workshop.repository;
        let commit = repository.commit(MAIN, None, &files, message).await?;
        fill(&workshop.porter(), &files).await?;
        state.head = Some(commit);
    }
    Ok(state)
}
