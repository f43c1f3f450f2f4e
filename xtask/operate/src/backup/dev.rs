//! Backups of `cargo xtask dev`: the same program as a process of this machine, with SQLite and a folder.

use crate::backup::{Place, Told, told};
use anyhow::Context as _;
use app_gen_saas_contract::backup::{BACKUPS, MANIFEST};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::lock::Lock;
use xtask_core::paths::debug_binary;
use xtask_machine::orchestrator;

/// The data of `dev`.
pub(super) struct Dev<'a> {
    context: &'a Context,
    environment: BTreeMap<String, String>,
    backups: PathBuf,
    /// Keeps `dev` from starting while its data is replaced.
    lock: RefCell<Option<Lock>>,
}

impl<'a> Dev<'a> {
    pub(super) fn of(context: &'a Context) -> anyhow::Result<Self> {
        let folder = orchestrator::dev_folder(context);
        Ok(Self {
            context,
            environment: orchestrator::environment(context, &folder, 0, BTreeMap::new())?,
            backups: folder.join("artifacts").join(BACKUPS),
            lock: RefCell::new(None),
        })
    }
}

impl Place for Dev<'_> {
    fn run(&self, arguments: &[&str], bound: Duration) -> anyhow::Result<()> {
        orchestrator::compile(self.context)?;
        let mut why = None;
        let status = Cmd::new(debug_binary(&self.context.root, "app-gen-saas"))
            .args(arguments)
            .envs(&self.environment)
            .timeout(bound)
            .lines(&self.context.report, "api", |line| {
                match told(line) {
                    Told::Step(text) => self.context.report.step(&text),
                    Told::Error(text) => why = Some(text),
                    Told::Nothing => {}
                }
                Ok(())
            })?;
        if status.success() {
            return Ok(());
        }
        let verb = arguments.first().copied().unwrap_or_default();
        let why = why.unwrap_or_else(|| format!("it ended with {status}"));
        let failure = Failure::new(Code::Failed, format!("{verb} failed: {why}"));
        let hint = match why.contains("is not empty") {
            true => "take a backup of what is there (cargo xtask backup --dev), then add --replace",
            false => "run it again with --verbose to see all that it says",
        };
        Err(failure.hint(hint).into())
    }

    fn ids(&self) -> anyhow::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.backups) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut ids = Vec::new();
        for entry in entries {
            ids.push(entry?.file_name().to_string_lossy().into_owned());
        }
        ids.sort();
        Ok(ids)
    }

    fn manifest(&self, id: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.backups.join(id).join(MANIFEST);
        match std::fs::read(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    fn fetch(&self, id: &str, to: &Path) -> anyhow::Result<()> {
        copy(&self.backups.join(id), to)
    }

    fn send(&self, from: &Path, id: &str) -> anyhow::Result<()> {
        let to = self.backups.join(id);
        let partial = self.backups.join(format!("{id}.partial"));
        copy(from, &partial)?;
        std::fs::rename(&partial, &to).with_context(|| format!("failed to create {}", to.display()))
    }

    fn require_stopped(&self) -> anyhow::Result<()> {
        let path = self.context.work_folder().join("dev.lock");
        *self.lock.borrow_mut() = Some(Lock::try_take(&path, "a dev")?);
        Ok(())
    }
}

/// Copies all files below a folder.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from)?);
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target)?;
        } else if entry.file_type().is_file() {
            std::fs::copy(entry.path(), &target)
                .with_context(|| format!("failed to write {}", target.display()))?;
        }
    }
    Ok(())
}
