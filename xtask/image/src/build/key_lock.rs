//! The lock of a key, which a build holds while it makes the image. All checkouts of a user share
//! the locks, so that two of them never build the same image at the same time.

use crate::key::{Key, TAG_PREFIX};
use rustix::process::Pid;
use std::fs;
use std::path::PathBuf;
use xtask_core::context::Context;
use xtask_core::lock;
use xtask_core::lock::Lock;

/// Waits for other builds of the same key.
pub(super) fn take(context: &Context, label: &str, key: &Key) -> anyhow::Result<Lock> {
    let path = folder(context)?.join(key.tag());
    let lock = Lock::wait(&path, |holder| {
        let what = format!("wait for another build of the same key ({holder})");
        context.report.line(label, &what);
    })?;
    // There is a file for each key, and most keys are built once.
    Ok(lock.removed_at_its_end(path))
}

/// A process that builds an image at this moment, if there is one.
///
/// # Errors
/// There is no state folder, or a lock cannot be read.
pub fn builder(context: &Context) -> anyhow::Result<Option<Pid>> {
    for path in paths(context)? {
        if let Some(pid) = lock::holder(&path)? {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// Waits for all builds of images that run, and prevents others of the same keys until the locks
/// are dropped.
///
/// # Errors
/// There is no state folder, a lock cannot be taken, or a signal interrupted the wait.
pub fn hold_all(context: &Context, label: &str) -> anyhow::Result<Vec<Lock>> {
    let hold = |path: PathBuf| {
        let lock = Lock::wait(&path, |holder| {
            let what = format!("wait for another build ({holder})");
            context.report.line(label, &what);
        })?;
        // Also files that killed builds left go.
        Ok(lock.removed_at_its_end(path))
    };
    paths(context)?.into_iter().map(hold).collect()
}

/// The locks of all keys that are built now, or whose last build was killed.
fn paths(context: &Context) -> anyhow::Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder(context)?).into_iter().flatten();
    let is_key = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(TAG_PREFIX))
    };
    let mut paths: Vec<PathBuf> = listing
        .flatten()
        .map(|item| item.path())
        .filter(is_key)
        .collect();
    paths.sort();
    Ok(paths)
}

fn folder(context: &Context) -> anyhow::Result<PathBuf> {
    Ok(context.state_folder()?.join("locks"))
}
