//! One deploy at a time for an environment, whoever starts it and from wherever:
//! a lock with owner and expiry in the environment's state bucket.

use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use xtask_core::atomic_file::write_atomically;
use xtask_core::cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Rendered};
use xtask_core::lock::Lock;
use xtask_core::marked;
use xtask_machine::aws;

/// Outlives a holder that was killed by no more than this.
const TTL_SECS: u64 = 900;
/// Two renewals may fail before it expires.
const RENEW_EVERY: Duration = Duration::from_secs(TTL_SECS / 3);
/// From giving the lock back to the end of a command.
const ENDING: Duration = Duration::from_secs(5);

/// Who works on the environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    /// Random.
    pub id: String,
    /// A person, or a run of a workflow.
    pub owner: String,
    /// Machine of the holder.
    pub host: String,
    /// What it does.
    pub command: String,
    /// RFC 3339.
    pub taken_at: String,
    /// RFC 3339; renewed while the holder lives.
    pub expires_at: String,
}

#[derive(Deserialize)]
struct Held {
    lock: Option<Holder>,
}

/// The lock; it is given back when this is dropped.
pub struct EnvironmentLock<'a> {
    context: &'a Context,
    holder: Holder,
    stop: mpsc::Sender<()>,
    renewer: Option<JoinHandle<()>>,
    /// Tells other commands of this user here that we live.
    _alive: Lock,
}

impl<'a> EnvironmentLock<'a> {
    /// Takes the lock, or says who holds it. One of ours whose command was killed is taken
    /// over, and what that left running is ended; any other dead one expires.
    ///
    /// # Errors
    /// [`Code::Busy`] with the holder, or the cloud does not answer.
    pub fn take(context: &'a Context, command: &str) -> anyhow::Result<Self> {
        let files = Files::of(context)?;
        let what = format!("another command for {}", context.environment);
        let alive = Lock::try_take(&files.alive, &what);
        let holder = match lock(context, command) {
            // Where another command of ours lives, the lock may be that one's.
            Err(busy) if is_busy(&busy) && alive.is_ok() => {
                let held = holder(context)?;
                let Some(killed) = held.filter(|held| files.is_of_the_last(held, &host())) else {
                    return Err(busy);
                };
                context.report.step(&format!(
                    "take over the lock of `{}`, which was killed: {} since {}",
                    killed.command, killed.owner, killed.taken_at
                ));
                release(context, &["--id", &killed.id])?;
                lock(context, command)?
            }
            taken => taken?,
        };
        // One of ours may have given back the lock and be about to end. One that was robbed of
        // it lives on, with processes that are not ours to end; and without this file lock we
        // would pass for killed ourselves.
        let alive = alive
            .or_else(|_| Lock::take_within(&files.alive, &what, ENDING))
            .inspect_err(|_| {
                // Where this fails it expires.
                let _ = release(context, &["--id", &holder.id]);
            })?;
        let (stop, stopped) = mpsc::channel();
        let taken = Self {
            context,
            stop,
            renewer: Some(renew(context.clone(), holder.id.clone(), stopped)),
            holder,
            _alive: alive,
        };
        write_atomically(&files.id, taken.holder.id.as_bytes())?;
        let ended = marked::end_with(&mark(context));
        if ended > 0 {
            context.report.step(&format!(
                "ended {ended} processes of a command that was killed"
            ));
        }
        cmd::let_children_carry(marked::VARIABLE, mark(context));
        Ok(taken)
    }

    /// Who we are to others.
    #[must_use]
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}

impl Drop for EnvironmentLock<'_> {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(renewer) = self.renewer.take() {
            let _ = renewer.join();
        }
        if let Err(error) = release(self.context, &["--id", &self.holder.id]) {
            self.context.report.step(&format!(
                "failed to give back the lock of {}: {error:#}; cargo xtask unlock --env {0}",
                self.context.environment
            ));
        }
    }
}

/// What this user's commands know of each other on this machine.
struct Files {
    /// Locked while a command works on the environment.
    alive: PathBuf,
    /// Holds the id of the lock that the last one took.
    id: PathBuf,
}

impl Files {
    fn of(context: &Context) -> anyhow::Result<Self> {
        let alive = context.state_folder()?.join("locks").join(mark(context));
        let id = alive.with_added_extension("id");
        Ok(Self { alive, id })
    }

    /// Whether a lock is that of the last command of ours, which was killed where none lives.
    /// Machines may share the folder and not see each other's file locks.
    fn is_of_the_last(&self, holder: &Holder, host: &str) -> bool {
        holder.host == host
            && std::fs::read_to_string(&self.id).is_ok_and(|remembered| remembered == holder.id)
    }
}

/// This machine, as [`Holder::host`] names it.
fn host() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

fn is_busy(error: &anyhow::Error) -> bool {
    Rendered::new(error).exit_code == Code::Busy as u8
}

/// Marks what the holder starts, so that whoever comes after one that was killed finds it.
/// It names what the lock in the cloud is of: two checkouts may deploy to two local clouds,
/// or two projects to accounts of their own.
fn mark(context: &Context) -> String {
    let (project, environment) = (&context.platform.project, &context.environment);
    let place = match &context.environment().account {
        Some(account) => account.get_ref().clone(),
        None => context.platform.local.cloud_port.get_ref().to_string(),
    };
    format!("deploy-{project}-{environment}-{place}")
}

/// Ends what a command that was killed left running. Returns how many processes there were;
/// those of a command that works are left alone.
///
/// # Errors
/// The state folder cannot be written.
pub fn end_leftovers(context: &Context) -> anyhow::Result<usize> {
    let files = Files::of(context)?;
    Ok(match Lock::try_take(&files.alive, "cleanup") {
        Ok(_alone) => marked::end_with(&mark(context)),
        Err(_) => 0,
    })
}

/// Who works on the environment now.
///
/// # Errors
/// The cloud does not answer.
pub fn holder(context: &Context) -> anyhow::Result<Option<Holder>> {
    let held: Held = aws::call(context, ["state", "show"]).read()?;
    Ok(held.lock)
}

/// Takes the lock away from its holder.
///
/// # Errors
/// The cloud does not answer.
pub fn force_release(context: &Context, holder: &Holder) -> anyhow::Result<()> {
    // By its id: whoever took the lock meanwhile keeps it.
    release(context, &["--id", &holder.id])
}

fn lock(context: &Context, command: &str) -> anyhow::Result<Holder> {
    #[derive(Deserialize)]
    struct Taken {
        lock: Holder,
    }
    let ttl = TTL_SECS.to_string();
    let arguments = ["state", "lock", "--command", command, "--ttl-secs", &ttl];
    let taken: Taken = aws::call(context, arguments).read()?;
    Ok(taken.lock)
}

fn release(context: &Context, which: &[&str]) -> anyhow::Result<()> {
    let arguments = ["state", "unlock"].iter().chain(which).copied();
    let _: serde_json::Value = aws::call(context, arguments).survives_interrupt().read()?;
    Ok(())
}

fn renew(context: Context, id: String, stopped: mpsc::Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let ttl = TTL_SECS.to_string();
        while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(RENEW_EVERY) {
            let arguments = ["state", "renew", "--id", &id, "--ttl-secs", &ttl];
            let renewed: anyhow::Result<serde_json::Value> = aws::call(&context, arguments).read();
            if let Err(error) = renewed {
                context.report.step(&format!(
                    "failed to renew the lock of {}: {error:#}",
                    context.environment
                ));
                if is_busy(&error) {
                    // Another works on the environment now: we end as if interrupted.
                    let _ = kill_process(getpid(), Signal::TERM);
                    return;
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_command_of_this_machine_can_be_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            alive: folder.path().join("alive"),
            id: folder.path().join("id"),
        };
        let held = |id: &str| Holder {
            id: id.to_owned(),
            owner: "somebody@here".to_owned(),
            host: "here".to_owned(),
            command: "deploy".to_owned(),
            taken_at: String::new(),
            expires_at: String::new(),
        };
        assert!(
            !files.is_of_the_last(&held("1"), "here"),
            "nothing is known"
        );
        write_atomically(&files.id, b"1").unwrap();
        assert!(files.is_of_the_last(&held("1"), "here"));
        assert!(!files.is_of_the_last(&held("2"), "here"));
        assert!(!files.is_of_the_last(&held("1"), "elsewhere"));
    }
}
