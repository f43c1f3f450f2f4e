//! The parts of this crate that are processes of their own: the same program, started again.
//!
//! What happens between a `fork` and an `exec` in a process with threads may not even allocate memory. So
//! a process that is to change itself is first started anew, with one thread and nothing in its memory.

use crate::{attacks, enter, keeper, pack};
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

/// This program, wherever its file is.
pub(crate) const OURSELVES: &str = "/proc/self/exe";

/// What a process of this program may be, beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Outside of the cage: starts a command in it, answers for it, ends it.
    Keep,
    /// Goes into the cage and becomes the command.
    Enter,
    /// In the cage: writes the workspace to its standard output.
    Pack,
    /// In the cage: says how many bytes are in its folders.
    Measure,
    /// In the cage: tries to get out.
    Attack,
}

impl Role {
    /// The first argument of such a process.
    pub(crate) const MARK: &str = "in-cage";
    const ALL: [Self; 5] = [
        Self::Keep,
        Self::Enter,
        Self::Pack,
        Self::Measure,
        Self::Attack,
    ];

    /// The second.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Enter => "enter",
            Self::Pack => "pack",
            Self::Measure => "measure",
            Self::Attack => "attack",
        }
    }
}

/// Does the work of this crate if this process was started for it. The first thing that a program does
/// which uses cages.
#[must_use]
pub fn run_role() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != Role::MARK {
        return None;
    }
    let name = arguments.next()?;
    let role = Role::ALL.into_iter().find(|role| name == role.name())?;
    let rest: Vec<OsString> = arguments.collect();
    Some(match role {
        Role::Keep => keeper::keep(&rest),
        Role::Enter => enter::enter(&rest),
        Role::Pack => pack::pack(&rest),
        Role::Measure => pack::measure(&rest),
        Role::Attack => attacks::attack(&rest),
    })
}
