//! One deploy at a time for an environment, whoever starts it and from wherever:
//! a lock with owner and expiry in the environment's state bucket.

use crate::engine::cloud;
use crate::engine::context::Context;
use crate::engine::error::{Code, Rendered};
use crate::engine::lock::Lock;
use crate::engine::paths;
use serde::{Deserialize, Serialize};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Outlives a holder that was killed by no more than this.
const TTL_SECS: u64 = 900;
/// Two renewals may fail before it expires.
const RENEW_EVERY: Duration = Duration::from_secs(TTL_SECS / 3);

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
    /// Tells the next command of this user here whether we still live.
    _alive: Option<Lock>,
}

impl<'a> EnvironmentLock<'a> {
    /// Takes the lock, or says at once who holds it. One whose holder was killed on this
    /// machine is taken over; any other dead one expires.
    ///
    /// # Errors
    /// [`Code::Busy`] with the holder, or the cloud does not answer.
    pub fn take(context: &'a Context, command: &str) -> anyhow::Result<Self> {
        let path = paths::state()?.join(format!("locks/deploy-{}", context.environment));
        let alive = Lock::try_take(&path, command).ok();
        let holder = match lock(context, command) {
            Err(error) if Rendered::new(&error).exit_code == Code::Busy as u8 => {
                match dead_of_this_machine(context, alive.is_some())? {
                    Some(dead) => {
                        context.report.step(&format!(
                            "take over the lock of `{}`, which was killed: {} since {}",
                            dead.command, dead.owner, dead.taken_at
                        ));
                        release(context, &["--id", &dead.id])?;
                        lock(context, command)?
                    }
                    None => return Err(error),
                }
            }
            taken => taken?,
        };
        let (stop, stopped) = mpsc::channel();
        let renewer = renew(context.clone(), holder.id.clone(), stopped);
        Ok(Self {
            context,
            holder,
            stop,
            renewer: Some(renewer),
            _alive: alive,
        })
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

/// Who works on the environment now.
///
/// # Errors
/// The cloud does not answer.
pub fn holder(context: &Context) -> anyhow::Result<Option<Holder>> {
    let held: Held = cloud::call(context, ["state", "show"]).read()?;
    Ok(held.lock)
}

/// Takes the lock away from whoever holds it; returns who that was.
///
/// # Errors
/// The cloud does not answer.
pub fn force_release(context: &Context) -> anyhow::Result<Option<Holder>> {
    let held = holder(context)?;
    release(context, &["--force"])?;
    Ok(held)
}

fn lock(context: &Context, command: &str) -> anyhow::Result<Holder> {
    #[derive(Deserialize)]
    struct Taken {
        lock: Holder,
    }
    let ttl = TTL_SECS.to_string();
    let arguments = ["state", "lock", "--command", command, "--ttl-secs", &ttl];
    let taken: Taken = cloud::call(context, arguments).read()?;
    Ok(taken.lock)
}

/// The holder, where it is a command of this machine that no longer runs: `alone` says
/// that no other command of ours does.
fn dead_of_this_machine(context: &Context, alone: bool) -> anyhow::Result<Option<Holder>> {
    let here = rustix::system::uname();
    let here = here.nodename().to_string_lossy().into_owned();
    Ok(holder(context)?.filter(|holder| alone && holder.host == here))
}

fn release(context: &Context, which: &[&str]) -> anyhow::Result<()> {
    let arguments = ["state", "unlock"].iter().chain(which).copied();
    let _: serde_json::Value = cloud::call(context, arguments)
        .survives_interrupt()
        .read()?;
    Ok(())
}

fn renew(context: Context, id: String, stopped: mpsc::Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let ttl = TTL_SECS.to_string();
        while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(RENEW_EVERY) {
            let arguments = ["state", "renew", "--id", &id, "--ttl-secs", &ttl];
            let renewed: anyhow::Result<serde_json::Value> =
                cloud::call(&context, arguments).read();
            if let Err(error) = renewed {
                context.report.step(&format!(
                    "failed to renew the lock of {}: {error:#}",
                    context.environment
                ));
            }
        }
    })
}
