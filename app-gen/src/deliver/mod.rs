//! Delivers a version to where its users get it, without an agent: to a repository on GitHub, or as an app on
//! Fly.io.
//!
//! An attempt can be killed at any moment. What it did outside stays, and the next attempt finds it: both
//! targets are asked what is there before anything is made, and are known to be this project's. What took long
//! here, the built application, is kept in a checkpoint. At the end the target is asked from outside which
//! commit it shows.

mod built;
mod fly;
mod github;
mod look;

use crate::approval::{self, Next};
use crate::emitter::Emitter;
use crate::ending::Ending;
use crate::failure::Failure;
use crate::location::Location;
use crate::stop::Stop;
use crate::workshop::Rights;
use crate::workshop::repository::{MAIN, Repository};
use anyhow::Context as _;
use app_gen_contract::{
    ApprovalPoint, Body, Decided, Decision, Delivery, DeliveryTarget, JobSpec, LogLevel,
    StageState, StartFrom,
};
use std::pin::pin;
use std::time::Duration;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// The most that the history of an application takes.
const MAX_BUNDLE_BYTES: usize = 256 * 1024 * 1024;
/// The stage of a delivery, and that of a look at one.
const DELIVER: &str = "deliver";
const LOOK: &str = "look";

/// A delivery in the hands of this attempt.
struct Work<'job> {
    spec: &'job JobSpec,
    delivery: &'job Delivery,
    /// The job's folder.
    folder: &'job Location,
    emitter: &'job Emitter,
    /// What is delivered.
    start: &'job StartFrom,
}

/// What is at the target now.
struct Shown {
    url: String,
    /// The commit that it shows, if it shows one.
    commit: Option<String>,
}

/// Delivers, and returns how the attempt ends.
pub(crate) async fn run(
    spec: &JobSpec,
    folder: &Location,
    emitter: &Emitter,
    rights: Rights,
    stop: Stop,
) -> Result<Ending, Failure> {
    // A spec that was checked has both.
    let delivery = spec.delivery.as_ref().context("the delivery is missing")?;
    let start = spec.start_from.as_ref();
    let work = Work {
        spec,
        delivery,
        folder,
        emitter,
        start: start.context("what is to be delivered is missing")?,
    };
    tokio::select! {
        ending = work.end(rights) => ending,
        // What is outside by then is found by the next attempt.
        () = stop.wanted() => Ok(Ending::Stopped),
    }
}

impl Work<'_> {
    async fn end(&self, rights: Rights) -> Result<Ending, Failure> {
        match &self.delivery.check_url {
            Some(url) => self.look(url, &rights).await,
            None => self.deliver(rights).await,
        }
    }

    /// Says which commit is where the version was delivered to, and changes nothing.
    async fn look(&self, url: &str, rights: &Rights) -> Result<Ending, Failure> {
        let Delivery {
            target, version, ..
        } = self.delivery;
        self.stage(LOOK, StageState::Running).await;
        let looked = match target {
            DeliveryTarget::Github { .. } => {
                let token = github::token(rights)?;
                let (_scratch, repository) = self.repository().await?;
                github::look(self, &repository, &token, url).await?
            }
            DeliveryTarget::Fly { .. } => Outcome::Shown(Shown {
                url: url.to_owned(),
                commit: look::served(url).await?,
            }),
        };
        let shown = match looked {
            Outcome::Shown(shown) => shown,
            Outcome::Wait(ending) => return Ok(ending),
        };
        let summary = match &shown.commit {
            Some(commit) if *commit == self.start.commit => {
                format!("{target} shows version {version}")
            }
            Some(commit) => format!("{target} shows commit {commit}, not version {version}"),
            None => format!("{target} shows no commit"),
        };
        self.tell(shown).await;
        self.stage(LOOK, StageState::Done).await;
        Ok(Ending::Succeeded { summary })
    }

    async fn deliver(&self, rights: Rights) -> Result<Ending, Failure> {
        let Delivery {
            target,
            version,
            name,
            ..
        } = self.delivery;
        // Before anything is asked or built: nobody shall approve what cannot be done.
        let token = match target {
            DeliveryTarget::Github { .. } => Token::Github(github::token(&rights)?),
            DeliveryTarget::Fly { .. } => Token::Fly(fly::token(&rights)?),
        };
        if !self.is_approved()? {
            return Ok(Ending::WaitingApproval {
                point: ApprovalPoint::BeforePublish,
                question: format!("May version {version} of {name:?} be delivered to {target}?"),
                artifact_uri: None,
            });
        }
        self.stage(DELIVER, StageState::Running).await;
        let (scratch, repository) = self.repository().await?;
        let delivered = match token {
            Token::Github(token) => github::deliver(self, &repository, &token).await?,
            Token::Fly(token) => {
                let built = scratch.path().join("built");
                built::provide(self, &repository, rights, &built).await?;
                fly::deliver(self, &built, &token).await?
            }
        };
        let shown = match delivered {
            Outcome::Shown(shown) => shown,
            Outcome::Wait(ending) => return Ok(ending),
        };
        let summary = format!("Version {version} is at {}", shown.url);
        self.tell(shown).await;
        self.stage(DELIVER, StageState::Done).await;
        Ok(Ending::Succeeded { summary })
    }

    /// Whether it may be delivered; if not, a person is to be asked.
    ///
    /// # Errors
    /// A person decided against it.
    fn is_approved(&self) -> Result<bool, Failure> {
        if let Some(Decided {
            decision: Decision::Rejected { reason },
            ..
        }) = &self.spec.attempt.decision
        {
            return Err(Failure::job(
                format!("the delivery was rejected: {reason}"),
                "deliver another version, or this one again",
            ));
        }
        match approval::at(ApprovalPoint::BeforePublish, self.spec)? {
            Next::GoOn => Ok(true),
            Next::Ask => Ok(false),
            Next::Rework(notes) => Err(Failure::job(
                format!("the delivery was put off until this is done: {notes}"),
                "ask for a change, and deliver the version that it makes",
            )),
        }
    }

    /// The history, in a repository of our own whose main branch ends with the version's commit. It goes with
    /// its folder.
    async fn repository(&self) -> Result<(TempDir, Repository), Failure> {
        let scratch = tempfile::tempdir().context("there is no place for the history")?;
        let StartFrom { bundle_uri, commit } = self.start;
        let bundle = Location::open(bundle_uri)?.read(MAX_BUNDLE_BYTES).await?;
        let repository = Repository::create(&scratch.path().join("application.git")).await?;
        repository.take(&bundle).await?;
        repository
            .point(MAIN, commit)
            .await
            .with_context(|| format!("the history has no commit {commit}"))?;
        Ok((scratch, repository))
    }

    /// Tells what is at the target.
    async fn tell(&self, shown: Shown) {
        let Shown { url, commit } = shown;
        self.emitter.emit(Body::Delivered { url, commit }).await;
    }

    async fn stage(&self, name: &str, state: StageState) {
        let detail = (state == StageState::Running).then(|| self.delivery.target.to_string());
        self.emitter.stage(name, state, detail).await;
    }

    /// Does work that tells of its steps, and makes messages of them as they come.
    async fn narrated<T>(
        &self,
        mut steps: UnboundedReceiver<String>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        let done = loop {
            tokio::select! {
                Some(step) = steps.recv() => self.emitter.log(LogLevel::Info, step).await,
                done = &mut work => break done,
            }
        };
        while let Ok(step) = steps.try_recv() {
            self.emitter.log(LogLevel::Info, step).await;
        }
        done
    }
}

/// The token of a target.
enum Token {
    Github(app_gen_github::Token),
    Fly(app_gen_fly::Token),
}

/// What a target answered in the end.
enum Outcome {
    Shown(Shown),
    /// It wants to be asked later: nothing waits for that here.
    Wait(Ending),
}

/// The time after so long, unless it is beyond all time.
fn after(wait: Duration) -> Option<OffsetDateTime> {
    let wait = time::Duration::try_from(wait).ok()?;
    OffsetDateTime::now_utc().checked_add(wait)
}

/// A channel for steps.
fn steps() -> (mpsc::UnboundedSender<String>, UnboundedReceiver<String>) {
    mpsc::unbounded_channel()
}

/// The token that a variable holds; only tasks that deliver have it.
///
/// # Errors
/// It is not there.
fn secret(rights: &Rights, name: &str) -> Result<String, Failure> {
    rights
        .secret(name)
        .filter(|value| !value.trim().is_empty())
        .ok_or_else(|| {
            Failure::job(
                format!("there is no token for this target: {name} is not set"),
                &format!(
                    "set it and deploy: cargo xtask secrets set deliverer {name} < FILE; then deliver again"
                ),
            )
        })
}

/// The variable, unless it is missing or empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
