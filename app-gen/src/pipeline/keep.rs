//! Checkpoints: what an attempt that follows goes on from, written so that a half-written one is never
//! used.
//!
//! The history and the agents' conversations are objects in a folder of the checkpoint's own. Once they are
//! in place, one small object is written that names them with their digests and holds the state; then an
//! event tells of the checkpoint. The orchestrator tells the next attempt of the last one that it heard of.
//! So a generator that is killed at any moment leaves the checkpoint before.

use crate::location::Location;
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::state::State;
use crate::workshop::repository::{MAIN, Message, Repository, WORK};
use crate::workshop::snapshot::Snapshot;
use crate::workshop::{Workshop, fill};
use anyhow::{Context as _, Result, ensure};
use app_gen_contract::{Body, CheckpointId, LogLevel};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use time::OffsetDateTime;

/// The object of a checkpoint that is written last.
const INDEX: &str = "checkpoint.json";
/// The most that the state of a job takes.
const MAX_STATE_BYTES: usize = 4 * 1024 * 1024;
/// The most that a history or a conversation takes.
const MAX_OBJECT_BYTES: usize = 256 * 1024 * 1024;
/// Folders of an agent that its conversations are in: of Claude Code and of Codex.
const CONVERSATIONS: [&str; 2] = ["state/projects", "state/sessions"];

/// A checkpoint.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    state: State,
    /// The commit that the workspace is filled from.
    workspace: Option<String>,
    /// The history.
    history: Option<Kept>,
    /// Conversations by role and folder.
    conversations: BTreeMap<String, Kept>,
}

/// An object of a checkpoint.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Under the job's folder.
    name: String,
    /// Of its bytes, in lower-case hexadecimal.
    sha256: String,
}

/// Keeps how far the job is, with the workspace as it was committed last.
pub(crate) async fn checkpoint(job: &mut Job) -> Result<(), Halt> {
    let head = job.state.head.clone();
    write(job, head, None).await?;
    Ok(())
}

/// As [`checkpoint`], of a commit that `event` tells of. It is told of together with the checkpoint, so that
/// nobody hears of a commit that the next attempt does not have.
pub(crate) async fn checkpoint_commit(job: &mut Job, event: Option<Body>) -> Result<(), Halt> {
    let head = job.state.head.clone();
    write(job, head, event).await?;
    Ok(())
}

/// Keeps how far the job is in the middle of an iteration, with the workspace as it is.
pub(crate) async fn checkpoint_unfinished(job: &mut Job) -> Result<()> {
    let cage = job.workshop.porter();
    let workspace = match Snapshot::of_application(&cage).await? {
        Ok(snapshot) if !snapshot.files.is_empty() => {
            let message = Message {
                role: "builder",
                text: "The workspace in the middle of an iteration",
                time: OffsetDateTime::now_utc().unix_timestamp(),
            };
            let head = job.state.head.as_deref();
            let repository = &job.workshop.repository;
            Some(repository.commit(WORK, head, &snapshot, message).await?)
        }
        Ok(_) => job.state.head.clone(),
        // What cannot be kept is made again.
        Err(refused) => {
            let message = format!("the workspace is not kept: {refused}");
            job.emitter.log(LogLevel::Warn, message).await;
            job.state.head.clone()
        }
    };
    write(job, workspace, None).await
}

/// Writes a checkpoint, and tells of it after `event`, which tells of its commit.
async fn write(job: &mut Job, workspace: Option<String>, event: Option<Body>) -> Result<()> {
    job.state.checkpoint += 1;
    let number = job.state.checkpoint;
    let attempt = job.spec.attempt.number;
    let folder = CheckpointId { attempt, number }.folder();
    let history = match &workspace {
        Some(_) => {
            let bundle = job.workshop.repository.bundle().await?;
            Some(put(&job.folder, format!("{folder}/history.bundle"), bundle).await?)
        }
        None => None,
    };
    let mut conversations = BTreeMap::new();
    for (role, place, snapshot) in conversations_of(job).await? {
        let name = format!("{folder}/{role}-{}.tar", place.replace('/', "-"));
        let kept = put(&job.folder, name, snapshot.to_tar()?).await?;
        conversations.insert(format!("{role}/{place}"), kept);
    }
    let checkpoint = Checkpoint {
        state: job.state.clone(),
        workspace: workspace.clone(),
        history,
        conversations,
    };
    let text = serde_json::to_vec(&checkpoint)?;
    ensure!(
        text.len() <= MAX_STATE_BYTES,
        "the state of the job is too large to be kept"
    );
    job.folder
        .child(&format!("{folder}/{INDEX}"))
        .write(text)
        .await?;
    // A process that is killed has said what it took until here.
    let resources = [job.resources.to_body()].into_iter();
    let commit = workspace.unwrap_or_default();
    let kept = Body::Checkpoint { number, commit };
    let events = resources.chain(event).chain([kept]);
    job.emitter.emit_together(events).await;
    Ok(())
}

async fn put(folder: &Location, name: String, bytes: Vec<u8>) -> Result<Kept> {
    let sha256 = digest(&bytes);
    folder.child(&name).write(bytes).await?;
    Ok(Kept { name, sha256 })
}

async fn get(folder: &Location, kept: &Kept) -> Result<Vec<u8>> {
    let bytes = folder.child(&kept.name).read(MAX_OBJECT_BYTES).await?;
    ensure!(
        digest(&bytes) == kept.sha256,
        "{} is not what the checkpoint names",
        kept.name
    );
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The conversations that go on, as the files that agents keep of them.
async fn conversations_of(job: &Job) -> Result<Vec<(String, &'static str, Snapshot)>> {
    let mut all = Vec::new();
    for (role, memory) in &job.state.roles {
        if memory.session.is_none() {
            continue;
        }
        for place in CONVERSATIONS {
            let mut cage = job.workshop.cage(role, false);
            cage.workspace = cage.own.join(place);
            match Snapshot::read(&cage).await? {
                Ok(snapshot) if !snapshot.files.is_empty() => {
                    all.push((role.clone(), place, snapshot));
                }
                Ok(_) => {}
                // Without it, a conversation begins anew with what was made so far.
                Err(refused) => {
                    let message = format!("the conversation of the {role} is not kept: {refused}");
                    job.emitter.log(LogLevel::Warn, message).await;
                }
            }
        }
    }
    Ok(all)
}

/// What an earlier attempt kept: fills the repository, the workspace and the agents' folders.
///
/// # Errors
/// It cannot be used.
pub(crate) async fn restore(
    id: CheckpointId,
    folder: &Location,
    workshop: &Workshop,
) -> Result<State> {
    let index = folder.child(&format!("{}/{INDEX}", id.folder()));
    let text = index.read(MAX_STATE_BYTES).await?;
    let checkpoint: Checkpoint =
        serde_json::from_slice(&text).context("the checkpoint is not one of this version")?;
    let mut state = checkpoint.state;
    if let Some(history) = &checkpoint.history {
        workshop
            .repository
            .take(&get(folder, history).await?)
            .await?;
    }
    if let Some(commit) = &checkpoint.workspace {
        let snapshot = workshop.repository.snapshot(commit).await?;
        fill(&workshop.porter(), &snapshot).await?;
    }
    for (key, kept) in &checkpoint.conversations {
        let (role, place) = key.split_once('/').context("a conversation has no role")?;
        ensure!(
            CONVERSATIONS.contains(&place),
            "{place} holds no conversation"
        );
        let mut cage = workshop.cage(role, true);
        cage.workspace = cage.own.join(PathBuf::from(place));
        fill(&cage, &Snapshot::from_tar(&get(folder, kept).await?)?).await?;
    }
    for (role, memory) in &mut state.roles {
        let is_kept = CONVERSATIONS.iter().any(|place| {
            checkpoint
                .conversations
                .contains_key(&format!("{role}/{place}"))
        });
        if !is_kept {
            memory.session = None;
        }
    }
    Ok(state)
}

/// The application that a job begins with.
///
/// # Errors
/// The bundle does not hold the commit, or the commit holds what no application has.
pub(crate) async fn begin_with(
    repository: &Repository,
    workshop: &Workshop,
    bundle: &[u8],
    commit: &str,
) -> Result<()> {
    repository.take(bundle).await?;
    repository.point(MAIN, commit).await?;
    let snapshot = repository.snapshot(commit).await?;
    fill(&workshop.porter(), &snapshot).await
}
