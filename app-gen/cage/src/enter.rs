//! The process that goes into the cage: it gives up everything, then becomes the command.

use crate::cage::{Cage, NOT_STARTED};
use crate::{filter, kernel, walls};
use rustix::fs::Mode;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, chdir, getgroups, getppid, getrlimit,
    set_parent_process_death_signal, setpriority_process, setrlimit, setsid, umask,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// A little behind the generator, which has to answer.
const NICE: i32 = 5;

/// What is not a limit that a caller chooses.
const FIXED: [(Resource, u64); 3] = [
    // A dump of memory is a file with whatever was in it.
    (Resource::Core, 0),
    (Resource::Msgqueue, 0),
    (Resource::Memlock, 64 * 1024),
];

/// The work of [`crate::roles::Role::Enter`]. Its arguments are the cage, the descriptor for errors, the
/// keeper's number, the program and the program's arguments.
pub(crate) fn enter(arguments: &[OsString]) -> ExitCode {
    let text = |place: usize| arguments.get(place).and_then(|text| text.to_str());
    let number = text(1).and_then(|number| number.parse().ok());
    if let Some(Ok(tells)) = number.map(kernel::inherited) {
        let error = match become_command(text(0), text(2), arguments.get(3..).unwrap_or_default()) {
            Err(error) => error,
            Ok(never) => match never {},
        };
        // If it cannot be told, the exit code says it.
        let _ = File::from(tells).write_all(error.to_string().as_bytes());
    }
    ExitCode::from(u8::try_from(NOT_STARTED).unwrap_or(1))
}

fn failed<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> io::Error + '_ {
    move |error| io::Error::other(format!("{what}: {error}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this process becomes the command and starts none"
)]
fn become_command(
    cage: Option<&str>,
    keeper: Option<&str>,
    command: &[OsString],
) -> io::Result<std::convert::Infallible> {
    let (Some(cage), Some(keeper), [program, rest @ ..]) = (cage, keeper, command) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let cage: Cage = serde_json::from_str(cage)?;
    let keeper = keeper.parse().ok().and_then(Pid::from_raw);

    setsid().map_err(failed("session"))?;
    umask(Mode::from_raw_mode(0o077));
    // The kernel then ends it before anything else of the container. Where it cannot be said, the
    // generator may be ended instead: the job is lost, and no secret.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    setpriority_process(None, NICE).map_err(failed("priority"))?;
    limit(&cage).map_err(failed("limits"))?;

    become_user(cage.user).map_err(failed("user"))?;
    // The kernel forgets this when the user changes, so it comes after that.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("signal at its end"))?;
    if getppid() != keeper {
        return Err(io::Error::other("the keeper is gone"));
    }
    for folder in [&cage.workspace, &cage.home(), &cage.temporary()] {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(failed(&folder.display().to_string()))?;
    }
    for folder in [&cage.workspace, &cage.own] {
        // The walls would be built around what a link leads to.
        if !fs::symlink_metadata(folder)?.is_dir() {
            return Err(failed(&folder.display().to_string())("it is no folder"));
        }
    }
    chdir(&cage.workspace).map_err(failed("workspace"))?;

    set_no_new_privs(true).map_err(failed("no new privileges"))?;
    walls::raise(&cage).map_err(failed("Landlock"))?;
    kernel::close_on_exec().map_err(failed("descriptors"))?;
    let refusals = filter::refusals().map_err(failed("seccomp"))?;
    seccompiler::apply_filter(&refusals).map_err(failed("seccomp"))?;
    let error = Command::new(program).args(rest).exec();
    Err(failed(&program.display().to_string())(error))
}

fn limit(cage: &Cage) -> io::Result<()> {
    let limits = &cage.limits;
    let chosen = [
        (Resource::Nproc, limits.processes),
        (Resource::Nofile, limits.files),
        (Resource::Fsize, limits.file_bytes),
    ];
    let memory = limits.memory_bytes.map(|bytes| (Resource::Data, bytes));
    for (resource, wanted) in FIXED.into_iter().chain(chosen).chain(memory) {
        // What is lower already stays.
        let now = getrlimit(resource);
        let value = Some(now.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
        let value = Rlimit {
            current: value,
            maximum: value,
        };
        setrlimit(resource, value)?;
    }
    Ok(())
}

/// This process has one thread, so changing the thread changes it all.
fn become_user(user: u32) -> io::Result<()> {
    if user == 0 {
        return Err(io::Error::other("root is no user for a cage"));
    }
    set_thread_groups(&[])?;
    let group = Gid::from_raw(user);
    set_thread_res_gid(group, group, group)?;
    let user = Uid::from_raw(user);
    set_thread_res_uid(user, user, user)?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none)?;
    let is_root_again = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok();
    if is_root_again || !getgroups()?.is_empty() {
        return Err(io::Error::other("it keeps rights of root"));
    }
    Ok(())
}
