//! Backups of an environment, or of `dev`: made and brought back by the orchestrator's own program where it runs,
//! because nothing else reaches the database; copied to a folder of this machine and back from here.
//!
//! The form of a backup, and the order in which it is written, are those of `app-gen-saas/src/backup`.

mod dev;
mod environment;
mod folder;

use crate::backup::dev::Dev;
use crate::backup::environment::Environment;
use anyhow::Context as _;
use app_gen_saas_contract::backup::{MANIFEST, Manifest};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure};
use xtask_core::questions;

pub use folder::is_folder_of_backup;

/// A backup in the store, and what its manifest says.
#[derive(Debug, Clone, Serialize)]
pub struct Backup {
    /// Its id.
    #[serde(rename = "backup")]
    pub id: String,
    /// The SHA-256 of its manifest: who writes it down finds out whether the backup was changed.
    pub sha256: String,
    /// When its rows were read, in milliseconds since 1970.
    pub at_ms: i64,
    /// Rows of all tables.
    pub rows: u64,
    /// Objects of the store.
    pub objects: u64,
    /// Bytes of all objects.
    pub size_bytes: u64,
    /// Files of versions that were not there.
    pub missing: u64,
    /// The folder of this machine that it was copied to, or from.
    pub folder: Option<PathBuf>,
}

impl Backup {
    fn of(text: &[u8], folder: Option<&Path>) -> anyhow::Result<Self> {
        let manifest: Manifest = serde_json::from_slice(text)
            .with_context(|| format!("failed to read the {MANIFEST} of a backup"))?;
        Ok(Self {
            sha256: digest_bytes(text),
            at_ms: manifest.at,
            rows: manifest.rows(),
            objects: manifest.objects.count,
            size_bytes: manifest.objects_bytes,
            missing: manifest.missing,
            folder: folder.map(Path::to_owned),
            id: manifest.id,
        })
    }
}

/// Whose data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Of the environment of the context, as it is deployed.
    Environment,
    /// Of `cargo xtask dev` on this machine.
    Dev,
}

/// How a restore treats what is there.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Remove the rows that are there; without it, a restore into what is not empty is refused.
    pub replace: bool,
    /// The SHA-256 of the manifest, where somebody wrote it down.
    pub sha256: Option<String>,
}

/// A store with backups, and the orchestrator that writes and reads them there.
trait Place {
    /// Runs the orchestrator's program with these arguments, to its end.
    fn run(&self, arguments: &[&str], bound: Duration) -> anyhow::Result<()>;
    /// The ids of what may be backups, in alphabetical order.
    fn ids(&self) -> anyhow::Result<Vec<String>>;
    /// The manifest of a backup; `None` where it is not whole.
    fn manifest(&self, id: &str) -> anyhow::Result<Option<Vec<u8>>>;
    /// Copies a backup to a folder.
    fn fetch(&self, id: &str, to: &Path) -> anyhow::Result<()>;
    /// Copies a backup of a folder into the store, its manifest last.
    fn send(&self, from: &Path, id: &str) -> anyhow::Result<()>;
    /// Refuses a restore while an orchestrator works with what is replaced.
    fn require_stopped(&self) -> anyhow::Result<()>;
}

fn place<'a>(context: &'a Context, whose: Whose) -> anyhow::Result<Box<dyn Place + 'a>> {
    Ok(match whose {
        Whose::Environment => Box::new(Environment::of(context)?),
        Whose::Dev => Box::new(Dev::of(context)?),
    })
}

/// Makes a backup. With `output`, it is also copied to this folder, which must not exist.
///
/// # Errors
/// The orchestrator fails, or takes longer than `bound`; the folder exists, or cannot be written. No half of a backup
/// is in the folder then.
pub fn create(
    context: &Context,
    whose: Whose,
    output: Option<&Path>,
    bound: Duration,
) -> anyhow::Result<Backup> {
    // The process that copies it has another folder to work in.
    let output = output.map(std::path::absolute).transpose()?;
    let output = output.as_deref();
    if let Some(folder) = output {
        folder::refuse_existing(folder)?;
    }
    let place = place(context, whose)?;
    let id = new_id()?;
    context.report.step(&format!("backup {id}"));
    place.run(&["backup", &id], bound)?;
    let manifest = place
        .manifest(&id)?
        .with_context(|| format!("backup {id} has no {MANIFEST}"))?;
    if let Some(folder) = output {
        context
            .report
            .step(&format!("copy it to {}", folder.display()));
        folder::write(folder, |partial| place.fetch(&id, partial))?;
    }
    Backup::of(&manifest, output)
}

/// The backups in the store, the newest first, `most` of them at most.
///
/// # Errors
/// The store does not answer.
pub fn list(context: &Context, whose: Whose, most: usize) -> anyhow::Result<Vec<Backup>> {
    let place = place(context, whose)?;
    let mut backups = Vec::new();
    for id in place.ids()?.iter().rev() {
        if backups.len() == most {
            break;
        }
        // An interrupted one has no manifest, and is none.
        if let Some(manifest) = place.manifest(id)? {
            backups.push(Backup::of(&manifest, None)?);
        }
    }
    Ok(backups)
}

/// Brings a backup back: one of the store by its id, or one of a folder by its path.
///
/// # Errors
/// An orchestrator runs; there is no such backup, or it was changed; the target is not empty; the orchestrator fails,
/// or takes longer than `bound`. The database has what it had then.
pub fn restore(
    context: &Context,
    whose: Whose,
    backup: &str,
    wanted: &Wanted,
    bound: Duration,
) -> anyhow::Result<Backup> {
    let place = place(context, whose)?;
    place.require_stopped()?;
    let from = Path::new(backup);
    let (found, folder) = match is_folder_of_backup(from) {
        true => {
            let text = folder::verified(from, &context.report)?;
            let found = Backup::of(&text, Some(from))?;
            send(context, place.as_ref(), from, &found)?;
            (found, Some(from))
        }
        false => {
            let Some(text) = place.manifest(backup)? else {
                return Err(no_backup(context, backup).into());
            };
            (Backup::of(&text, None)?, None)
        }
    };
    // The orchestrator compares it again, with what it reads.
    let sha256 = wanted.sha256.as_deref().unwrap_or(&found.sha256);
    if !sha256.eq_ignore_ascii_case(&found.sha256) {
        let message = format!(
            "backup {} was changed: its {MANIFEST} has the SHA-256 {}, not {sha256}",
            found.id, found.sha256
        );
        return Err(Failure::new(Code::Failed, message)
            .hint("restore another backup, or leave --sha256 out if that digest is of another one")
            .into());
    }
    let mut arguments = vec!["restore", found.id.as_str(), "--sha256", sha256];
    arguments.extend(wanted.replace.then_some("--replace"));
    context.report.step(&format!("restore backup {}", found.id));
    place.run(&arguments, bound)?;
    Ok(Backup {
        folder: folder.map(Path::to_owned),
        ..found
    })
}

/// Copies a backup into the store, unless it is there.
fn send(context: &Context, place: &dyn Place, from: &Path, found: &Backup) -> anyhow::Result<()> {
    match place.manifest(&found.id)? {
        Some(text) if digest_bytes(&text) == found.sha256 => Ok(()),
        Some(_) => Err(Failure::new(
            Code::Failed,
            format!("the store has another backup {}", found.id),
        )
        .hint(format!(
            "name it by its id to restore that one: {}",
            found.id
        ))
        .into()),
        None => {
            context
                .report
                .step(&format!("copy {} to the store", from.display()));
            place.send(from, &found.id)
        }
    }
}

fn no_backup(context: &Context, backup: &str) -> Failure {
    let message = format!("there is no backup {backup}, neither in the store nor as a folder");
    Failure::new(Code::Failed, message)
        .hint(format!("cargo xtask backups --env {}", context.environment))
}

/// A new id: its alphabetical order is that of time.
fn new_id() -> anyhow::Result<String> {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let now = OffsetDateTime::now_utc();
    let unique =
        digest_bytes(format!("{} {}", now.unix_timestamp_nanos(), std::process::id()).as_bytes());
    Ok(format!(
        "{}-{}",
        now.format(format)?,
        unique.get(..6).unwrap_or(&unique)
    ))
}

/// A line that an orchestrator wrote for people: what it did, or why it cannot.
fn told(line: &[u8]) -> Told {
    let fields: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    let text = |name: &str| fields[name].as_str().map(str::to_owned);
    let message = text("message").unwrap_or_default();
    match fields["level"].as_str() {
        Some("ERROR") => Told::Error(text("error").unwrap_or(message)),
        Some("INFO" | "WARN") => Told::Step(match (text("table"), text("name")) {
            (Some(name), _) | (None, Some(name)) => format!("{message}: {name}"),
            (None, None) => message,
        }),
        _ => Told::Nothing,
    }
}

/// What a line of an orchestrator is for people.
enum Told {
    Error(String),
    Step(String),
    Nothing,
}

/// Asks whether what is there may be replaced.
///
/// # Errors
/// [`Code::Refused`].
pub fn confirm(context: &Context, whose: Whose) -> anyhow::Result<()> {
    if context.yes {
        return Ok(());
    }
    let (what, name) = match whose {
        Whose::Environment => ("environment", context.environment.as_str()),
        Whose::Dev => ("data of", "dev"),
    };
    let loss = format!(
        "this removes all rows of {what} {name}, and puts those of the backup in their place"
    );
    let question = format!("{loss}. Type `{name}` to continue: ");
    match questions::line(&context.report, &question)? {
        Some(answer) if answer.trim() == name => Ok(()),
        _ => Err(Failure::new(
            Code::Refused,
            format!("{loss}, and nobody confirmed it; nothing was changed"),
        )
        .hint("add --yes to confirm without a terminal")
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use app_gen_saas_contract::backup::is_id;

    #[test]
    fn ids_are_ones_that_an_orchestrator_takes() {
        let (one, other) = (new_id().unwrap(), new_id().unwrap());
        assert!(is_id(&one), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn what_an_orchestrator_says_is_told() {
        let step = |line: &str| match told(line.as_bytes()) {
            Told::Step(text) => text,
            Told::Error(text) => format!("error: {text}"),
            Told::Nothing => String::new(),
        };
        let line = r#"{"level":"INFO","message":"read a table","table":"jobs","rows":3}"#;
        assert_eq!(step(line), "read a table: jobs");
        let line = r#"{"level":"ERROR","message":"failed","error":"the database is not empty"}"#;
        assert_eq!(step(line), "error: the database is not empty");
        let line = r#"{"level":"ERROR","message":"cannot start: unknown arguments"}"#;
        assert_eq!(step(line), "error: cannot start: unknown arguments");
        assert_eq!(step("thread main panicked"), "");
    }
}
