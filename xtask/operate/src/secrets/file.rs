//! A secret in a file, in the form that `docker compose` reads. The file has mode 0600, and is
//! removed with the process that holds it.

use crate::secrets::values;
use anyhow::Context as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};

/// Extension of a file that is not locked yet, so that a sweep does not take it for an abandoned
/// one.
const UNLOCKED: &str = "new";

/// A secrets file. Dropping this removes it. By its lock a later [`sweep`] knows whether the holder
/// still runs, even if that was killed.
#[derive(Debug)]
pub struct SecretsFile {
    path: PathBuf,
    _lock: fs::File,
}

impl SecretsFile {
    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SecretsFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes the values of a secret that this environment needs to a file. Returns `None` if it needs
/// none.
///
/// # Errors
/// As [`values`]. A value with a line break cannot be written in this form.
pub fn materialize(context: &Context, secret: &str) -> anyhow::Result<Option<SecretsFile>> {
    sweep(context)?;
    let values = values(context, secret)?;
    if values.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    for (key, value) in &values {
        if value.contains(['\n', '\r', '\0']) {
            return Err(Failure::new(
                Code::Secret,
                format!(
                    "the value of {key} has a line break, which an environment file cannot hold"
                ),
            )
            .hint(format!("cargo xtask secrets set {secret} {key}"))
            .into());
        }
        text.push_str(&format!("{key}={value}\n"));
    }
    let folder = folder(context);
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{secret}-{}.env", std::process::id()));
    let unlocked = path.with_extension(UNLOCKED);
    let write = || -> std::io::Result<SecretsFile> {
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unlocked)?;
        // The guard exists before the first byte of a secret is written.
        let guard = SecretsFile {
            path: path.clone(),
            _lock: file.try_clone()?,
        };
        file.try_lock()?;
        fs::rename(&unlocked, &path)?;
        file.write_all(text.as_bytes())?;
        Ok(guard)
    };
    write()
        .map(Some)
        .with_context(|| format!("failed to write {}", path.display()))
}

/// Removes the secrets files whose holders no longer run, and returns their paths.
///
/// # Errors
/// A file cannot be removed.
pub fn sweep(context: &Context) -> anyhow::Result<Vec<String>> {
    let mut removed = Vec::new();
    let Ok(listing) = fs::read_dir(folder(context)) else {
        return Ok(removed);
    };
    for item in listing {
        let path = item?.path();
        // It is empty, and its holder is about to lock it.
        if path.extension().is_some_and(|ending| ending == UNLOCKED) {
            continue;
        }
        let held = fs::File::open(&path).is_ok_and(|file| file.try_lock().is_err());
        if !held {
            match fs::remove_file(&path) {
                Ok(()) => removed.push(path.display().to_string()),
                // Another command has removed it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("failed to remove {}", path.display()));
                }
            }
        }
    }
    Ok(removed)
}

fn folder(context: &Context) -> PathBuf {
    context.work_folder().join("secrets")
}
