//! The walls that Landlock gives: files, ports and signals.

use crate::cage::Cage;
use crate::roles::OURSELVES;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, NetPort, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use std::path::Path;
use std::thread;

/// Programs, libraries and settings of the image, and what the kernel says about processes: a process
/// sees of others what their owners let it see.
const SYSTEM: [&str; 8] = [
    "/bin", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr",
];

const DEVICES: [&str; 5] = [
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];

/// The newest rights that are asked for; an older kernel has fewer.
const RIGHTS: ABI = ABI::V6;

/// Puts this thread, and all that it starts, between the walls.
///
/// # Errors
///
/// If the kernel has Landlock and refuses. A kernel without it refuses nothing and has no walls.
pub(crate) fn raise(cage: &Cage) -> Result<RestrictionStatus, RulesetError> {
    let read = AccessFs::from_read(RIGHTS);
    let readable = SYSTEM.iter().map(Path::new);
    let readable = readable
        .chain([Path::new(OURSELVES), cage.workspace.as_path()])
        .chain(cage.readable.iter().map(AsRef::as_ref));
    let listens = AccessNet::BindTcp | AccessNet::ConnectTcp;
    let ports = cage.ports.named.clone().chain(cage.ports.chosen.clone());
    // The kernel may have chosen one of these for the generator, too.
    let served: Vec<u16> = cage.ports.served().collect();
    let ports = ports
        .filter(|port| !served.contains(port))
        .map(|port| NetPort::new(port, listens))
        // Any port, which is one of those that the kernel chooses.
        .chain([NetPort::new(0, AccessNet::BindTcp)])
        .chain(served.iter().map(|port| NetPort::new(*port, AccessNet::ConnectTcp)))
        .map(Ok::<_, RulesetError>);
    Ruleset::default()
        .handle_access(AccessFs::from_all(RIGHTS))?
        .handle_access(AccessNet::from_all(RIGHTS))?
        .scope(Scope::from_all(RIGHTS))?
        .create()?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rules(path_beneath_rules(
            cage.writable(),
            AccessFs::from_all(RIGHTS),
        ))?
        .add_rules(path_beneath_rules(
            DEVICES,
            AccessFs::ReadFile | AccessFs::WriteFile,
        ))?
        .add_rules(ports)?
        .restrict_self()
}

/// The version of Landlock that the kernel and this program have in common: 0 without Landlock, 4 and
/// more with rules for ports, 6 and more with rules for signals.
#[must_use]
pub fn landlock_version() -> u8 {
    // Only who restricts itself is told.
    let probe = || -> Result<LandlockStatus, RulesetError> {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::MakeBlock)?
            .create()?;
        Ok(ruleset.restrict_self()?.landlock)
    };
    match thread::spawn(probe).join() {
        Ok(Ok(LandlockStatus::Available { effective_abi, .. })) => effective_abi as u8,
        _ => 0,
    }
}
