//! From a command line to a process that runs: its environment, its streams, its group. The
//! crate `duct` spawns it.

use crate::cmd::Cmd;
use crate::cmd::child::{Input, Running};
use crate::error::{Code, Failure};
use crate::interrupt::{self, Group};
use crate::paths;
use anyhow::Context as _;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::sync::OnceLock;

/// A variable that every child gets from the time on when it is set.
static CHILDREN_CARRY: OnceLock<(&str, String)> = OnceLock::new();

/// Gives every child that is started from now on, and what it starts in turn, this variable.
/// Only the first call has an effect.
pub fn let_children_carry(name: &'static str, value: String) {
    CHILDREN_CARRY.get_or_init(|| (name, value));
}

impl Cmd {
    /// Starts it in a group of its own, with pipes for its output unless it inherits ours.
    pub(super) fn start(&mut self) -> anyhow::Result<Running> {
        if !self.survives_interrupt || interrupt::insisted() {
            interrupt::check()?;
        }
        let environment = self.environment();
        // Where `PATH` is set explicitly, as duct does, std starts a program that has no folder in
        // its name with a fork, which takes the longer the more memory this process uses.
        let path = environment.get(OsStr::new("PATH")).cloned();
        let program = paths::program(&self.program, &path.unwrap_or_default())
            .ok_or_else(|| self.missing())?;
        let mut expression = duct::cmd(program, &self.args)
            .full_env(environment)
            .unchecked();
        if let Some(folder) = &self.folder {
            expression = expression.dir(folder);
        }
        if !self.holds_terminal {
            expression = match std::mem::replace(&mut self.stdin, Input::Nothing) {
                Input::Nothing => expression.stdin_null(),
                Input::Bytes(bytes) => expression.stdin_bytes(bytes),
                Input::File(file) => expression.stdin_file(file),
            };
            // Not where it holds the terminal: a group in the background may not read from it.
            expression = expression.before_spawn(|command| {
                command.process_group(0);
                Ok(())
            });
        }
        let mut pipes = None;
        if !self.inherits_output {
            let ((stdout, to_stdout), (stderr, to_stderr)) = (io::pipe()?, io::pipe()?);
            expression = expression.stdout_file(to_stdout).stderr_file(to_stderr);
            pipes = Some((stdout, stderr));
        }
        let started = expression.start();
        let handle =
            started.with_context(|| format!("failed to start {}", self.program.display()))?;
        let group = Group::register(handle.pids()[0], self.survives_interrupt);
        Ok(Running::new(handle, group, pipes))
    }

    fn environment(&self) -> HashMap<OsString, OsString> {
        let mut environment: HashMap<_, _> = std::env::vars_os()
            .filter(|(name, _)| {
                let only = self.only_env.as_ref();
                only.is_none_or(|names| names.iter().any(|wanted| name == wanted))
            })
            .collect();
        if let Some((name, value)) = CHILDREN_CARRY.get() {
            environment.insert(name.into(), value.into());
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => environment.insert(name.clone(), value.clone()),
                None => environment.remove(name),
            };
        }
        environment
    }

    fn missing(&self) -> Failure {
        let program = self.program.to_string_lossy();
        let hint = match program.as_ref() {
            "cargo" | "rustc" => "rustup toolchain install stable",
            "cc" | "ld" | "objdump" => "apt-get install build-essential",
            _ => "cargo xtask preflight",
        };
        Failure::new(Code::Prerequisite, format!("there is no program {program}")).hint(hint)
    }
}
