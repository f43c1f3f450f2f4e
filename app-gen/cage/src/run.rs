//! Which part of this crate a process is.

use crate::roles::Role;
use crate::{attacks, enter, keeper, pack};
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

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
