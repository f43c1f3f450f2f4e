//! Releases: what was deployed, when, by whom, from which sources, and how it ended. They are kept
//! as objects in the state bucket of the environment.

use crate::deploy::environment_lock::EnvironmentLock;
use crate::deploy::service::Service;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::macros::format_description;
use xtask_aws_api::calls::state::{GetRecord, ListRecords, PutRecord};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_docker::registry::Repository;
use xtask_image::build::held;
use xtask_machine::aws;

/// How many releases are read to find the one that serves and the one before it.
const LOOKED_THROUGH: usize = 50;

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It served, and the smoke test passed.
    Succeeded,
    /// It did not serve, and the release before it serves again.
    RolledBack,
    /// It did not serve, and there was no release to go back to, or going back failed too.
    Failed,
    /// It has begun. If no command is working on it, it was interrupted.
    Unfinished,
    /// The environment was destroyed, so older releases can neither serve nor be restored.
    Destroyed,
}

impl Outcome {
    /// How people read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled back",
            Self::Failed => "failed",
            Self::Unfinished => "unfinished",
            Self::Destroyed => "destroyed",
        }
    }
}

/// An image of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its reference by digest: `registry/repository@sha256:…`
    pub reference: String,
    /// Key of its inputs. `/health` reports the key of the orchestrator.
    pub key: String,
}

impl Image {
    /// Finds an image by its reference and checks that it can be deployed.
    ///
    /// # Errors
    /// The registry does not have it, it is for another platform, or it does not carry a key.
    pub fn find(context: &Context, reference: &str) -> anyhow::Result<Self> {
        let (repository, digest) = Repository::of_reference(reference)?;
        let key = held::carried_key(&repository, &digest, &context.platform.platform)?;
        let reference = reference.to_owned();
        Ok(Self { reference, key })
    }
}

/// A deploy, a rollback, or the end of the environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Release {
    /// Its id, which sorts by time: `20261121T165912Z-0a1b2c`.
    pub id: String,
    /// When it ended, RFC 3339; empty if it has not.
    pub at: String,
    /// Who deployed it.
    pub by: String,
    /// Git revision of the checkout, with `-dirty` if it had uncommitted changes; `None` outside
    /// git.
    pub git: Option<String>,
    /// Digest of everything that decides what is deployed: the CDK app, the manifest, the images.
    pub content: String,
    /// Its images by their names in the manifest.
    pub images: BTreeMap<String, Image>,
    /// Where the orchestrator runs.
    pub service: Service,
    /// Task definition of the orchestrator; `None` if the orchestrator did not run.
    pub task_definition: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not succeed.
    pub reason: Option<String>,
    /// The release that a rollback went back to.
    pub restores: Option<String>,
    /// Where users find it.
    pub url: Option<String>,
    /// How long the command took.
    pub seconds: f64,
}

impl Release {
    /// A release that begins now.
    ///
    /// # Errors
    /// The clock is beyond the years that a date can have.
    pub fn begin(
        by: String,
        git: Option<String>,
        content: String,
        images: BTreeMap<String, Image>,
        service: Service,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            id: Self::new_id(&content)?,
            at: String::new(),
            by,
            git,
            content,
            images,
            service,
            task_definition: None,
            outcome: Outcome::Unfinished,
            reason: None,
            restores: None,
            url: None,
            seconds: 0.0,
        })
    }

    /// A new release of the same content, which restores this one.
    ///
    /// # Errors
    /// The clock is beyond the years that a date can have.
    pub fn back_to(&self, by: String) -> anyhow::Result<Self> {
        let back = Self::begin(
            by,
            self.git.clone(),
            self.content.clone(),
            self.images.clone(),
            self.service.clone(),
        )?;
        Ok(Self {
            restores: Some(self.position().to_owned()),
            ..back
        })
    }

    fn new_id(content: &str) -> anyhow::Result<String> {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let now = OffsetDateTime::now_utc().format(format)?;
        Ok(format!("{now}-{}", &content[..6]))
    }

    /// Its image with this name in the manifest.
    ///
    /// # Errors
    /// The manifest had other names when it was deployed.
    pub fn image(&self, name: &str) -> anyhow::Result<&Image> {
        self.images
            .get(name)
            .with_context(|| format!("release {} has no image `{name}`", self.id))
    }

    /// The key that `/health` reports while the release serves.
    ///
    /// # Errors
    /// The release has no image of the orchestrator.
    pub fn orchestrator_key(&self, context: &Context) -> anyhow::Result<&str> {
        let image = self.image(context.platform.orchestrator().image.get_ref())?;
        Ok(&image.key)
    }

    /// Its place in history: that of the release which it restores, or else its own.
    #[must_use]
    pub fn position(&self) -> &str {
        self.restores.as_deref().unwrap_or(&self.id)
    }

    /// Writes the release over its earlier state. For a release that serves, the assembly is
    /// written too: a later rollback deploys it.
    ///
    /// # Errors
    /// The lock is not ours any more, or the cloud refuses.
    pub fn save(
        &self,
        context: &Context,
        lock: &EnvironmentLock<'_>,
        assembly: Option<&Value>,
    ) -> anyhow::Result<()> {
        // The assembly comes first, so that a release that succeeded always has one.
        if let Some(assembly) = assembly {
            put(context, lock, &assembly_key(&self.id), assembly)?;
        }
        let record = serde_json::to_value(self)?;
        put(context, lock, &record_key(&self.id), &record)
    }
}

/// The last releases, the newest first.
///
/// # Errors
/// The cloud does not answer, or a release cannot be parsed.
pub fn list(context: &Context) -> anyhow::Result<Vec<Release>> {
    list_at_most(context, LOOKED_THROUGH)
}

/// Like [`list`], but at most `count` releases.
///
/// # Errors
/// The cloud does not answer, or a release cannot be parsed.
pub(crate) fn list_at_most(context: &Context, count: usize) -> anyhow::Result<Vec<Release>> {
    let request = ListRecords {
        prefix: RECORDS.to_owned(),
        limit: count,
    };
    let records = aws::call(context, request).read()?.values;
    records
        .into_iter()
        .map(|record| serde_json::from_value(record).context("a release cannot be parsed"))
        .collect()
}

/// Releases that succeeded since the environment was last destroyed, the newest first.
fn succeeded(releases: &[Release]) -> impl Iterator<Item = &Release> {
    releases
        .iter()
        .take_while(|release| release.outcome != Outcome::Destroyed)
        .filter(|release| release.outcome == Outcome::Succeeded)
}

/// The newest release that succeeded. It serves now.
#[must_use]
pub fn current(releases: &[Release]) -> Option<&Release> {
    succeeded(releases).next()
}

/// The release that a rollback restores: the one that is named, or else the newest one that
/// succeeded before the current release and had other content.
///
/// # Errors
/// There is no such release, or the named one did not succeed.
pub fn before<'a>(releases: &'a [Release], wanted: Option<&str>) -> Result<&'a Release, Failure> {
    if let Some(wanted) = wanted {
        return succeeded(releases)
            .find(|release| release.id == wanted)
            .ok_or_else(|| {
                Failure::new(Code::Usage, format!("no release {wanted} has succeeded"))
                    .hint("cargo xtask releases")
            });
    }
    let current = current(releases).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            "nothing has been deployed, so there is no release to go back to",
        )
        .hint("cargo xtask deploy")
    })?;
    // A release that began later may serve, at least in part. Before it came the current one.
    let begun = |newest: &Release| {
        newest.restores.is_none() && matches!(newest.outcome, Outcome::Unfinished | Outcome::Failed)
    };
    if releases.first().is_some_and(begun) {
        return Ok(current);
    }
    succeeded(releases)
        .find(|release| {
            release.id.as_str() < current.position() && release.content != current.content
        })
        .ok_or_else(|| {
            Failure::new(
                Code::Usage,
                format!("no other release succeeded before {}", current.position()),
            )
            .hint("cargo xtask releases")
        })
}

/// The assembly that a release deployed.
///
/// # Errors
/// It does not exist, or the cloud does not answer.
pub fn assembly(context: &Context, release: &Release) -> anyhow::Result<Value> {
    let key = assembly_key(&release.id);
    let found = aws::call(context, GetRecord { key }).read()?;
    found.value.ok_or_else(|| {
        Failure::new(
            Code::Deploy,
            format!("the templates of release {} no longer exist", release.id),
        )
        .hint("check out its revision, which cargo xtask releases names, and deploy it")
        .into()
    })
}

/// What the keys of all releases begin with.
const RECORDS: &str = "releases/";

/// Key of the object that holds a release.
pub(crate) fn record_key(id: &str) -> String {
    format!("{RECORDS}{id}.json")
}

/// Key of the object that holds the assembly of a release.
pub(crate) fn assembly_key(id: &str) -> String {
    format!("assemblies/{id}.json")
}

fn put(
    context: &Context,
    lock: &EnvironmentLock<'_>,
    key: &str,
    value: &Value,
) -> anyhow::Result<()> {
    lock.still_ours()?;
    let request = PutRecord {
        key: key.to_owned(),
        value: value.clone(),
        replace: true,
    };
    aws::call(context, request).survives_interrupt().read()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(id: &str, content: &str, outcome: Outcome, restores: Option<&str>) -> Release {
        Release {
            id: id.to_owned(),
            at: String::new(),
            by: "somebody".to_owned(),
            git: None,
            content: content.to_owned(),
            images: BTreeMap::new(),
            service: Service {
                cluster: String::new(),
                name: String::new(),
                load_balancer: String::new(),
            },
            task_definition: None,
            outcome,
            reason: None,
            restores: restores.map(str::to_owned),
            url: None,
            seconds: 1.0,
        }
    }

    fn back(releases: &[Release]) -> Result<String, Failure> {
        before(releases, None).map(|release| release.id.clone())
    }

    #[test]
    fn a_rollback_goes_to_the_success_before_and_never_forward() {
        use Outcome::{Failed, RolledBack, Succeeded};
        let first = release("1", "a", Succeeded, None);
        let broken = release("2", "b", RolledBack, None);
        let second = release("3", "c", Succeeded, None);
        let again = release("4", "c", Succeeded, None);
        let history = [again, second.clone(), broken.clone(), first.clone()];
        assert_eq!(back(&history).expect("a way back"), "1");
        let third = release("5", "d", Succeeded, None);
        let undone = release("6", "c", Succeeded, Some("3"));
        let history = [undone, third.clone(), second, broken, first];
        assert_eq!(back(&history).expect("a way back"), "1");
        // One more step back, and the beginning is reached.
        let start = release("7", "a", Succeeded, Some("1"));
        let mut history = history.to_vec();
        history.insert(0, start);
        back(&history).expect_err("nothing before the first");
        back(&[release("8", "x", Failed, None)]).expect_err("nothing ran");
        back(&[]).expect_err("nothing at all");
    }

    #[test]
    fn what_a_rollback_brought_back_is_what_served_before_the_next_release() {
        use Outcome::Succeeded;
        let mut history = vec![
            release("4", "c", Succeeded, None),
            release("3", "a", Succeeded, Some("1")),
            release("2", "b", Succeeded, None),
            release("1", "a", Succeeded, None),
        ];
        assert_eq!(back(&history).expect("a way back"), "3");
        history.insert(0, release("5", "a", Succeeded, Some("1")));
        back(&history).expect_err("nothing before the first, which that is");
    }

    #[test]
    fn a_rollback_of_what_was_broken_off_goes_to_what_it_replaced() {
        let good = || release("1", "a", Outcome::Succeeded, None);
        let better = || release("2", "b", Outcome::Succeeded, None);
        for outcome in [Outcome::Unfinished, Outcome::Failed] {
            let history = [release("3", "c", outcome, None), better(), good()];
            assert_eq!(back(&history).expect("a way back"), "2");
            // A rollback that was interrupted is still a rollback.
            let history = [release("3", "a", outcome, Some("1")), better(), good()];
            assert_eq!(back(&history).expect("a way back"), "1");
        }
    }

    #[test]
    fn only_a_success_can_be_named() {
        let history = [
            release("3", "c", Outcome::Unfinished, None),
            release("2", "b", Outcome::RolledBack, None),
            release("1", "a", Outcome::Succeeded, None),
        ];
        assert_eq!(before(&history, Some("1")).expect("it succeeded").id, "1");
        before(&history, Some("2")).expect_err("it did not");
        before(&history, Some("3")).expect_err("nor this");
        before(&history, Some("4")).expect_err("there is none");
    }

    #[test]
    fn nothing_goes_back_behind_the_end_of_the_environment() {
        let second = release("3", "b", Outcome::Succeeded, None);
        let destroyed = release("2", "", Outcome::Destroyed, None);
        let first = release("1", "a", Outcome::Succeeded, None);
        assert!(current(&[destroyed.clone(), first.clone()]).is_none());
        let history = [second, destroyed, first];
        assert_eq!(current(&history).expect("it serves").id, "3");
        back(&history).expect_err("what was before is gone");
        before(&history, Some("1")).expect_err("this too");
    }
}
