//! Only one command at a time changes an environment, whoever runs it and on whatever machine: the
//! lock is an object in the state bucket of the environment, with an owner and an expiry.
//!
//! A machine that sleeps renews nothing. So whatever changes an environment takes the lock as an
//! argument and asks first whether that is [still ours](EnvironmentLock::still_ours); and a thread
//! ends the command, with all its processes, as soon as it is not.

use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use xtask_aws_api::calls::state;
use xtask_aws_api::calls::state::{ReleaseLock, RenewLock, ShowLock, TakeLock, WhichLock};
use xtask_core::atomic_file::write_atomically;
use xtask_core::cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};
use xtask_core::lock::Lock;
use xtask_core::marked;
use xtask_machine::aws;

/// How long the lock outlives a holder that was killed.
const TTL_SECS: u64 = 900;
/// The lock is renewed long before it expires.
const RENEW_EVERY: Duration = Duration::from_secs(TTL_SECS / 3);
/// How long after a renewal that failed the next one follows: a machine that wakes up may be without
/// a network at first.
const RETRY_AFTER: Duration = Duration::from_secs(15);
/// How soon a machine that wakes up notices how long it slept.
const TICK: Duration = Duration::from_secs(1);
/// How long a command that has released the lock may take to end.
const ENDING: Duration = Duration::from_secs(5);

/// The lock. Dropping this releases it.
pub struct EnvironmentLock<'a> {
    context: &'a Context,
    holder: state::Lock,
    renewal: Renewal,
    stop: mpsc::Sender<()>,
    renewer: Option<JoinHandle<()>>,
    /// Shows other commands of this user on this machine that we still run.
    _alive: Lock,
}

/// Asks the cloud whether the lock is still ours, and keeps it for longer.
type Renewal = Arc<dyn Fn() -> anyhow::Result<()> + Send + Sync>;

impl<'a> EnvironmentLock<'a> {
    /// Takes the lock. A lock of this user on this machine whose command was killed is taken over,
    /// and the processes that the command left are ended; any other abandoned lock has to expire.
    ///
    /// # Errors
    /// [`Code::Busy`] naming the holder, or the cloud does not answer.
    pub fn take(context: &'a Context, command: &str) -> anyhow::Result<Self> {
        let files = Files::of(context)?;
        let what = format!("another command for {}", context.environment);
        let alive = Lock::try_take(&files.alive, &what);
        let holder = match lock(context, command) {
            // If another command of ours still runs, the lock may belong to it.
            Err(busy) if is_busy(&busy) && alive.is_ok() => {
                let held = holder(context)?;
                let Some(killed) = held.filter(|held| files.is_of_last_command(held, &host()))
                else {
                    return Err(busy);
                };
                context.report.step(&format!(
                    "take over the lock of `{}`, which was killed: {} since {}",
                    killed.command, killed.owner, killed.taken_at
                ));
                release(context, &killed.id)?;
                lock(context, command)?
            }
            taken => taken?,
        };
        // A command of ours may have released the lock and be about to end: we wait for it. One
        // whose lock was taken away may still run with its processes, which we must not end.
        // Without this file lock, others would believe that we were killed.
        let alive = alive
            .or_else(|_| Lock::take_within(&files.alive, &what, ENDING))
            .inspect_err(|_| {
                // If this fails, the lock expires.
                let _ = release(context, &holder.id);
            })?;
        let renewal = renewal(context.clone(), holder.id.clone());
        let (stop, stopped) = mpsc::channel();
        let taken = Self {
            context,
            stop,
            renewer: Some(keep_renewing(context.clone(), renewal.clone(), stopped)),
            renewal,
            holder,
            _alive: alive,
        };
        write_atomically(&files.id, taken.holder.id.as_bytes())?;
        let ended = marked::end_with(&mark(context));
        if ended > 0 {
            context.report.step(&format!(
                "ended {ended} processes that a killed command left"
            ));
        }
        cmd::let_children_carry(marked::VARIABLE, mark(context));
        Ok(taken)
    }

    /// Asks whether the lock is still ours, which it may not be after this machine has slept. Every
    /// change of the environment asks first.
    ///
    /// # Errors
    /// [`Code::Busy`] if it is not; or the cloud does not answer, so that nobody knows.
    pub fn still_ours(&self) -> anyhow::Result<()> {
        (self.renewal)().map_err(|error| {
            let environment = &self.context.environment;
            if !is_busy(&error) {
                return error;
            }
            Failure::new(
                Code::Busy,
                format!(
                    "the lock of environment {environment} is not ours any more, so nothing more is changed"
                ),
            )
            .hint(format!("cargo xtask releases --env {environment}, then the same command again"))
            .because(error)
            .into()
        })
    }

    /// What others see of us.
    #[must_use]
    pub fn holder(&self) -> &state::Lock {
        &self.holder
    }
}

impl Drop for EnvironmentLock<'_> {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(renewer) = self.renewer.take() {
            let _ = renewer.join();
        }
        if let Err(error) = release(self.context, &self.holder.id) {
            self.context.report.step(&format!(
                "failed to release the lock of {}: {error:#}; run cargo xtask unlock --env {0}",
                self.context.environment
            ));
        }
    }
}

/// Files by which the commands of this user on this machine know each other.
struct Files {
    /// Locked while a command changes the environment.
    alive: PathBuf,
    /// Contains the id of the lock that the last command took.
    id: PathBuf,
}

impl Files {
    fn of(context: &Context) -> anyhow::Result<Self> {
        let alive = context.state_folder()?.join("locks").join(mark(context));
        let id = alive.with_added_extension("id");
        Ok(Self { alive, id })
    }

    /// Whether the last command of ours holds this lock. If none runs, that command was killed. The
    /// host is compared because machines may share the folder without sharing file locks.
    fn is_of_last_command(&self, holder: &state::Lock, host: &str) -> bool {
        holder.host == host
            && std::fs::read_to_string(&self.id).is_ok_and(|remembered| remembered == holder.id)
    }
}

/// The name of this machine in [`state::Lock::host`].
fn host() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

fn is_busy(error: &anyhow::Error) -> bool {
    Rendered::new(error).exit_code == Code::Busy as u8
}

/// The mark of all processes that the holder starts. By it, the next holder finds what a killed one
/// left. It names everything that the lock in the cloud belongs to, because two checkouts may
/// deploy to two local clouds, and two projects to different accounts.
fn mark(context: &Context) -> String {
    let (project, environment) = (&context.platform.project, &context.environment);
    let place = match &context.environment().account {
        Some(account) => account.get_ref().clone(),
        None => context.platform.local.cloud_port.get_ref().to_string(),
    };
    format!("deploy-{project}-{environment}-{place}")
}

/// Ends the processes that a killed command left, and returns how many there were. A command that
/// still runs keeps its processes.
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

/// The command that holds the lock now.
///
/// # Errors
/// The cloud does not answer.
pub fn holder(context: &Context) -> anyhow::Result<Option<state::Lock>> {
    Ok(aws::call(context, ShowLock {}).read()?.lock)
}

/// Takes the lock away from its holder.
///
/// # Errors
/// The cloud does not answer.
pub fn force_release(context: &Context, holder: &state::Lock) -> anyhow::Result<()> {
    // By its id, so that a lock that was taken in the meantime stays.
    release(context, &holder.id)
}

fn lock(context: &Context, command: &str) -> anyhow::Result<state::Lock> {
    let request = TakeLock {
        command: command.to_owned(),
        ttl_secs: TTL_SECS,
    };
    Ok(aws::call(context, request).read()?.lock)
}

fn release(context: &Context, id: &str) -> anyhow::Result<()> {
    let request = ReleaseLock {
        which: WhichLock::Id(id.to_owned()),
    };
    aws::call(context, request).survives_interrupt().read()?;
    Ok(())
}

fn renewal(context: Context, id: String) -> Renewal {
    let request = RenewLock {
        id,
        ttl_secs: TTL_SECS,
    };
    Arc::new(move || {
        // Also a command that was interrupted has to know before it records how it ended.
        aws::call(&context, request.clone())
            .survives_interrupt()
            .read()?;
        Ok(())
    })
}

/// When the lock was last renewed, and when that was last tried, by [`now`].
#[derive(Debug, Clone, Copy)]
struct Renewed {
    succeeded: Duration,
    tried: Duration,
}

impl Renewed {
    fn at(now: Duration) -> Self {
        Self {
            succeeded: now,
            tried: now,
        }
    }

    fn is_due(self, now: Duration) -> bool {
        let wait = match self.tried == self.succeeded {
            true => RENEW_EVERY,
            false => RETRY_AFTER,
        };
        now.saturating_sub(self.tried) >= wait
    }

    /// Whether somebody else may hold the lock by now.
    fn has_expired(self, now: Duration) -> bool {
        now.saturating_sub(self.succeeded) >= Duration::from_secs(TTL_SECS)
    }
}

/// The time since this machine started. Unlike that of [`std::time::Instant`], it goes on while the
/// machine sleeps.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

fn keep_renewing(
    context: Context,
    renewal: Renewal,
    stopped: mpsc::Receiver<()>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut renewed = Renewed::at(now());
        while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
            if !renewed.is_due(now()) {
                continue;
            }
            // What the cloud counts begins before its answer arrives.
            let asked = now();
            let Err(error) = renewal() else {
                renewed = Renewed::at(asked);
                continue;
            };
            renewed.tried = asked;
            context.report.step(&format!(
                "failed to renew the lock of {}: {error:#}",
                context.environment
            ));
            if is_busy(&error) || renewed.has_expired(now()) {
                // Another command may hold the lock now, so we end as if interrupted.
                let _ = kill_process(getpid(), Signal::TERM);
                return;
            }
        }
    })
}

#[cfg(test)]
impl<'a> EnvironmentLock<'a> {
    /// A lock that somebody else has taken meanwhile.
    pub(crate) fn lost(
        context: &'a Context,
        folder: &std::path::Path,
    ) -> std::mem::ManuallyDrop<Self> {
        let at = xtask_aws_api::Timestamp::from_now(Duration::ZERO);
        // There is nothing to release.
        std::mem::ManuallyDrop::new(Self {
            context,
            holder: state::Lock {
                id: "1".to_owned(),
                owner: "somebody@here".to_owned(),
                host: "here".to_owned(),
                command: "deploy".to_owned(),
                taken_at: at,
                expires_at: at,
            },
            renewal: Arc::new(|| {
                Err(Failure::new(Code::Busy, "environment local is locked by somebody").into())
            }),
            stop: mpsc::channel().0,
            renewer: None,
            _alive: Lock::try_take(&folder.join("alive"), "a test").unwrap(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_aws_api::Timestamp;

    #[test]
    fn a_machine_that_slept_renews_at_once_and_stops_where_it_cannot() {
        let second = Duration::from_secs(1);
        let ttl = Duration::from_secs(TTL_SECS);
        let start = Duration::from_secs(1000);
        let renewed = Renewed::at(start);
        assert!(!renewed.is_due(start + RENEW_EVERY - second));
        assert!(renewed.is_due(start + RENEW_EVERY));
        // It sleeps for an hour, and its network is not there yet.
        let woke = start + Duration::from_secs(3600);
        assert!(renewed.is_due(woke) && renewed.has_expired(woke));
        // A renewal fails while there is time.
        let failed = Renewed {
            tried: start + RENEW_EVERY,
            ..renewed
        };
        assert!(!failed.is_due(start + RENEW_EVERY + second));
        assert!(failed.is_due(start + RENEW_EVERY + RETRY_AFTER));
        assert!(!failed.has_expired(start + ttl - second));
        assert!(failed.has_expired(start + ttl));
    }

    #[test]
    fn the_clock_counts_what_a_machine_sleeps() {
        // Both begin with the machine; only this one goes on while that sleeps.
        let awake = clock_gettime(ClockId::Monotonic);
        assert!(now() + Duration::from_secs(1) >= Duration::from_secs(awake.tv_sec as u64));
    }

    #[test]
    fn only_the_lock_of_the_last_command_on_this_machine_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            alive: folder.path().join("alive"),
            id: folder.path().join("id"),
        };
        let held = |id: &str| state::Lock {
            id: id.to_owned(),
            owner: "somebody@here".to_owned(),
            host: "here".to_owned(),
            command: "deploy".to_owned(),
            taken_at: Timestamp::from_now(Duration::ZERO),
            expires_at: Timestamp::from_now(Duration::ZERO),
        };
        assert!(
            !files.is_of_last_command(&held("1"), "here"),
            "no id was written"
        );
        write_atomically(&files.id, b"1").unwrap();
        assert!(files.is_of_last_command(&held("1"), "here"));
        assert!(!files.is_of_last_command(&held("2"), "here"));
        assert!(!files.is_of_last_command(&held("1"), "elsewhere"));
    }
}
