//! What a generator does first, so that what it starts later can be kept from it.

use crate::cage::USER;
use crate::kernel;
use crate::processes::kill_user;
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, WaitOptions, geteuid, getpid, set_child_subreaper,
    set_dumpable_behavior, setrlimit, waitpid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The PID namespace of a machine itself, `PROC_PID_INIT_INO` of the kernel.
const NAMESPACE_OF_MACHINE: &str = "pid:[4026531836]";

/// What stays of root: becoming another user, and ending what that user does. (The former includes the
/// latter.)
const KEPT: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL);
/// What is needed once, here.
const NEEDED: CapabilitySet = KEPT
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::CHOWN);

/// How long processes may resist SIGKILL: one that waits for a disk does.
const KILL_PATIENCE: Duration = Duration::from_secs(20);

/// Why this process cannot have cages.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is a process of a machine.
    #[error("coding agents run in containers only, and this process is in none")]
    NoContainer,
    /// It is another user.
    #[error(
        "coding agents need a generator that starts as root in its container, and this one has user {0}"
    )]
    NotRoot(u32),
    /// It was not called first.
    #[error("cages are prepared before the first thread starts, and this process has several")]
    Threads,
    /// The container gives too few rights.
    #[error("the container withholds capabilities of root that cages need: {0}")]
    Capabilities(String),
    /// A folder is not what it has to be.
    #[error("{} cannot keep a generator's files: {reason}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The kernel refuses something that it never should.
    #[error("the generator cannot give up its rights")]
    Kernel(#[from] io::Error),
}

impl From<rustix::io::Errno> for Unfit {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Kernel(error.into())
    }
}

/// Values of variables that nobody else is to see.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, String>);

impl Secrets {
    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Folders of a generator. Both are in a folder of root that others can pass through.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Root's alone: what a generator imports and publishes.
    pub private: PathBuf,
    /// The folder of [`USER`], with workspaces and the folders of roles. Root does not open what is in it.
    pub agent: PathBuf,
}

/// Takes the secrets out of the environment, makes the folders, and gives up all rights but those to
/// start cages and to end them. Called first of all: it holds for this process and all that it starts.
///
/// `secrets` are names of variables, and `state` is a folder, which is created if it is missing.
///
/// # Errors
///
/// If this process is not root, is not in a container, has threads, or the container does not let it.
pub fn prepare(secrets: &[&str], state: &Path) -> Result<(Secrets, Folders), Unfit> {
    let user = geteuid();
    if !user.is_root() {
        return Err(Unfit::NotRoot(user.as_raw()));
    }
    if fs::read_link("/proc/self/ns/pid")?.as_os_str() == NAMESPACE_OF_MACHINE {
        return Err(Unfit::NoContainer);
    }
    if !kernel::is_single_threaded() {
        return Err(Unfit::Threads);
    }
    let missing = NEEDED - capabilities(None)?.effective;
    if !missing.is_empty() {
        let names = missing.iter_names().map(|(name, _)| name);
        return Err(Unfit::Capabilities(names.collect::<Vec<_>>().join(", ")));
    }
    let secrets = Secrets(kernel::take_environment(secrets)?);
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    set_child_subreaper(Some(getpid()))?;
    let folders = folders(state)?;
    shed()?;
    // The kernel resets it when capabilities change.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok((secrets, folders))
}

fn folders(state: &Path) -> Result<Folders, Unfit> {
    let folders = Folders {
        private: state.join("private"),
        agent: state.join("agent"),
    };
    for (path, mode, owner) in [
        (state, 0o711, 0),
        (&folders.private, 0o700, 0),
        (&folders.agent, 0o700, USER),
    ] {
        let unfit = |reason: String| Unfit::Folder {
            path: path.to_owned(),
            reason,
        };
        let is_new = match fs::DirBuilder::new().mode(mode).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(unfit(error.to_string())),
        };
        if is_new {
            // An umask may have taken from the mode.
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            chown(path, Some(owner), Some(owner))?;
        }
        let found = fs::symlink_metadata(path)?;
        if !found.is_dir() || found.uid() != owner || found.mode() & 0o022 != 0 {
            return Err(unfit(format!(
                "it is not a folder of user {owner} that nobody else may write to"
            )));
        }
        if path != state && found.mode() & 0o077 != 0 {
            return Err(unfit("others may look into it".to_owned()));
        }
    }
    Ok(folders)
}

/// Gives up all capabilities but [`KEPT`], for good.
fn shed() -> io::Result<()> {
    clear_ambient_capability_set()?;
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        // A number above those that the kernel knows is no error of ours.
        if !KEPT.contains(capability) && capability_is_in_bounding_set(capability) == Ok(true) {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    let kept = CapabilitySets {
        effective: KEPT,
        permitted: KEPT,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, kept)?;
    set_no_new_privs(true)?;
    Ok(())
}

/// Ends everything that runs in any cage, and says whether nothing is left. For when a keeper was lost,
/// and for the end of a generator.
#[must_use]
pub fn end_all() -> bool {
    let began = Instant::now();
    let mut ended = BTreeSet::new();
    loop {
        let killed = kill_user(USER);
        if killed.is_empty() {
            for process in ended.into_iter().filter_map(Pid::from_raw) {
                // Those that lost their keeper are children of this process by now; others are not.
                let _ = waitpid(Some(process), WaitOptions::NOHANG);
            }
            return true;
        }
        ended.extend(killed.iter().map(|process| process.as_raw_nonzero().get()));
        if began.elapsed() > KILL_PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_developers_machine_is_refused() {
        // Tests run on a machine, and in threads beside each other.
        let folder = tempfile::tempdir().unwrap();
        let refused = prepare(&[], &folder.path().join("state")).unwrap_err();
        assert!(
            matches!(
                refused,
                Unfit::NotRoot(_) | Unfit::NoContainer | Unfit::Threads
            ),
            "{refused}"
        );
        assert!(!folder.path().join("state").exists());
    }

    #[test]
    fn secrets_print_their_names_only() {
        let secrets = [("KEY".to_owned(), "hidden".to_owned())];
        let secrets = Secrets(secrets.into());
        assert_eq!(format!("{secrets:?}"), r#"{"KEY"}"#);
        assert_eq!(secrets.get("KEY"), Some("hidden"));
    }
}
