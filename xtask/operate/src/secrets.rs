//! Secrets for the life of one process: read from Secrets Manager, checked
//! against the manifest, written to a file of mode 0600 that goes with its holder.

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};
use xtask_machine::aws;

/// Ending of a file that is not locked yet: a sweep must not take it for a dead holder's.
const UNLOCKED: &str = "new";

/// A secrets file; it is removed when this is dropped. Its lock tells a later
/// [`sweep`] whether the holder still lives, even where that died by `kill -9`.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    _lock: fs::File,
}

impl File {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The values that a consumer needs in this environment; empty where its modes
/// need none, and then nothing is asked.
///
/// # Errors
/// [`Code::Secret`] naming the first key that does not exist; or the cloud does
/// not answer.
pub fn values(context: &Context, secret: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let required = context
        .platform
        .required_secret_keys(secret, &context.environment);
    if required.is_empty() {
        return Ok(BTreeMap::new());
    }
    if context.is_local() {
        xtask_machine::ministack::require(context)?;
    }
    let mut stored: BTreeMap<String, String> =
        match aws::call(context, ["secrets", "read", secret]).read() {
            // A secret that does not exist lacks its keys; the message below names one.
            Err(error) if Rendered::new(&error).exit_code == Code::Secret as u8 => BTreeMap::new(),
            answer => answer?,
        };
    let mut values = BTreeMap::new();
    for key in required {
        let value = stored
            .remove(key)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| missing(context, secret, key))?;
        values.insert(key.to_owned(), value);
    }
    Ok(values)
}

/// The error of a key without a value.
pub fn missing(context: &Context, secret: &str, key: &str) -> Failure {
    let (name, environment) = (&context.platform.secrets[secret].name, &context.environment);
    Failure::new(
        Code::Secret,
        format!("secret {name} of environment {environment} has no key {key}"),
    )
    .hint(format!(
        "cargo xtask secrets set {secret} {key} --env {environment} < FILE_WITH_THE_VALUE"
    ))
}

/// Writes what a consumer needs to a file, or nothing where it needs none.
///
/// # Errors
/// As [`values`]; a value with a line break does not fit the file's form.
pub fn materialize_for(context: &Context, secret: &str) -> anyhow::Result<Option<File>> {
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
    let write = || -> std::io::Result<File> {
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unlocked)?;
        // The guard exists before the first secret byte does.
        let guard = File {
            path: path.clone(),
            _lock: file.try_clone()?,
        };
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(&unlocked, &path)?;
        file.write_all(text.as_bytes())?;
        Ok(guard)
    };
    write()
        .map(Some)
        .with_context(|| format!("failed to write {}", path.display()))
}

/// Removes the secrets files whose holders are gone; returns their names.
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
        // Empty, and about to be locked by whoever made it.
        if path.extension().is_some_and(|ending| ending == UNLOCKED) {
            continue;
        }
        let held = fs::File::open(&path)
            .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_err());
        if !held {
            match fs::remove_file(&path) {
                Ok(()) => removed.push(path.display().to_string()),
                // Another command swept it.
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
