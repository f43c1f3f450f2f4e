//! The one wrapper that starts every process that a command waits for.
//!
//! A child leads a process group of its own, and the whole group ends with this process. A run has
//! a bound, and a signal ends it. Standard input is empty unless the caller gives one. Command
//! lines are printed, and other users of the machine see them, so a secret goes into an environment
//! variable or into standard input, which are never printed. The crate `duct` spawns and reaps
//! the processes; daemons, which outlive a command, are started by `xtask-machine`.

mod child;
mod drive;
mod start;

use crate::cmd::child::{GRACE, Input, Stream};
use crate::error::DISK_FULL;
use crate::report::Report;
use std::collections::VecDeque;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

pub use crate::cmd::child::{Answering, Running};
pub use crate::cmd::start::let_children_carry;

/// How many of the last lines an error quotes.
const TAIL_LINES: usize = 20;

/// A command line that is run once.
#[derive(Debug)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    folder: Option<PathBuf>,
    env: Vec<(OsString, Option<OsString>)>,
    only_env: Option<Vec<&'static str>>,
    stdin: Input,
    timeout: Duration,
    grace: Duration,
    survives_interrupt: bool,
    inherits_output: bool,
    holds_terminal: bool,
    copy: Option<PathBuf>,
}

/// What a child wrote, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// All that it wrote to standard output.
    pub stdout: Vec<u8>,
    /// All that it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Its exit code, or the signal that ended it.
    pub status: ExitStatus,
}

impl Output {
    /// Standard output as text, without blanks around it.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

impl Cmd {
    /// A command with a bound of one minute, an empty standard input and the environment of this
    /// process.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            folder: None,
            env: Vec::new(),
            only_env: None,
            stdin: Input::Nothing,
            timeout: Duration::from_secs(60),
            grace: GRACE,
            survives_interrupt: false,
            inherits_output: false,
            holds_terminal: false,
            copy: None,
        }
    }

    /// Cargo, without what the cargo that runs us says of our own package. Build scripts that read
    /// these variables, of `ring` for one, would run again, and a dozen packages would be compiled
    /// again each time that somebody types `cargo test` after `cargo xtask test`.
    pub fn cargo() -> Self {
        let is_of_package = |name: &OsStr| {
            let name = name.as_encoded_bytes();
            name.starts_with(b"CARGO_MANIFEST_") || name.starts_with(b"CARGO_PKG_")
        };
        env::vars_os()
            .filter(|(name, _)| is_of_package(name))
            .fold(Self::new("cargo"), |command, (name, _)| {
                command.env_remove(name)
            })
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Sets environment variables.
    #[must_use]
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        variables
            .into_iter()
            .fold(self, |command, (name, value)| command.env(name, value))
    }

    /// Removes an environment variable.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Passes on only these variables of our environment, and those that the caller sets.
    #[must_use]
    pub fn only_env(mut self, names: &[&'static str]) -> Self {
        self.only_env = Some(names.to_vec());
        self
    }

    /// Gives these bytes as standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Input::Bytes(bytes.into());
        self
    }

    /// Gives the file, from its current position on, as standard input.
    #[must_use]
    pub fn stdin_file(mut self, file: File) -> Self {
        self.stdin = Input::File(file);
        self
    }

    /// Appends what [`Cmd::spawn`] shows to a file as well.
    #[must_use]
    pub fn copy_to(mut self, path: PathBuf) -> Self {
        self.copy = Some(path);
        self
    }

    /// Sets the bound of the run, after which the group is ended.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long it has to end after it was asked to, before it is killed: ten seconds unless
    /// set.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Lets the command go on after a first signal, for clean-up; a second one ends it.
    #[must_use]
    pub fn survives_interrupt(mut self) -> Self {
        self.survives_interrupt = true;
        self
    }

    /// The command as a person would type it.
    #[must_use]
    pub fn display(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for arg in &self.args {
            line.push(' ');
            let text = arg.to_string_lossy();
            if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '\'') {
                line.push_str(&format!("{text:?}"));
            } else {
                line.push_str(&text);
            }
        }
        line
    }

    /// Runs it to its end and returns what it wrote, whatever its exit code is.
    ///
    /// # Errors
    /// It cannot be started, its time is over, or a signal interrupted it.
    pub fn output(self) -> anyhow::Result<Output> {
        let mut stdout = Vec::new();
        let mut stderr = Vec::new();
        let status = self.drive(|stream, bytes| match stream {
            Stream::Stdout => {
                stdout.extend_from_slice(&bytes);
                Ok(())
            }
            Stream::Stderr => {
                stderr.extend_from_slice(&bytes);
                Ok(())
            }
        })?;
        Ok(Output {
            stdout,
            stderr,
            status,
        })
    }

    /// Runs it and returns its standard output.
    ///
    /// # Errors
    /// As [`Cmd::output`]; or its exit code is not 0, and then the error quotes its last lines.
    pub fn read(self) -> anyhow::Result<String> {
        let line = self.display();
        let output = self.output()?;
        if output.status.success() {
            return Ok(output.text());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let said = if stderr.trim().is_empty() {
            stdout
        } else {
            stderr
        };
        let tail: Vec<&str> = said.trim().lines().rev().take(TAIL_LINES).collect();
        Err(ended(
            &line,
            output.status,
            tail.into_iter().rev().map(str::to_owned),
        ))
    }

    /// Runs it and shows both its streams line by line under `label`.
    ///
    /// # Errors
    /// As [`Cmd::read`].
    pub fn run(self, report: &Report, label: &str) -> anyhow::Result<()> {
        let line = self.display();
        report.debug(&format!("{label}: {line}"));
        let mut tail = VecDeque::with_capacity(TAIL_LINES);
        let mut emit = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
            if text.is_empty() {
                return Ok(());
            }
            report.line(label, &text);
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(text);
            Ok(())
        };
        let status = self.drive_lines(|_, line| emit(line))?;
        if status.success() {
            return Ok(());
        }
        // The lines were shown as they came, so the error does not repeat them. A full disk is
        // quoted all the same: whoever reads the error must not look for a fault in the sources.
        if report.shows_lines() {
            tail.retain(|text| text.contains(DISK_FULL));
        }
        Err(ended(&line, status, tail.into_iter()))
    }

    /// Runs it and hands over the lines of its standard output as they come, without their
    /// newline; standard error is shown under `label`. A child that writes faster than `on_line`
    /// takes is held up, so that no line is kept in memory here.
    ///
    /// # Errors
    /// As [`Cmd::output`]; an error of `on_line` ends the child.
    pub fn lines(
        self,
        report: &Report,
        label: &str,
        mut on_line: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitStatus> {
        self.drive_lines(|stream, line| match stream {
            Stream::Stdout => on_line(line),
            Stream::Stderr => {
                let text = String::from_utf8_lossy(line);
                if !text.trim().is_empty() {
                    report.line(label, text.trim_end());
                }
                Ok(())
            }
        })
    }

    /// As [`Cmd::lines`], with the lines of standard error among them.
    ///
    /// # Errors
    /// As [`Cmd::lines`].
    pub fn all_lines(
        self,
        mut on_line: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitStatus> {
        self.drive_lines(|_, line| on_line(line))
    }

    /// Gives it our standard streams, usually the terminal, and returns how it ended. What a
    /// person types, also Ctrl-C, reaches the program.
    ///
    /// # Errors
    /// It cannot be started or takes too long.
    pub fn with_our_streams(mut self) -> anyhow::Result<ExitStatus> {
        self.inherits_output = true;
        self.holds_terminal = true;
        self.survives_interrupt = true;
        self.drive(|_, _| Ok(()))
    }

    /// Runs it with our output streams and an empty standard input, and returns how it ended.
    ///
    /// # Errors
    /// As [`Cmd::output`].
    pub fn pass_through(mut self) -> anyhow::Result<ExitStatus> {
        self.inherits_output = true;
        self.drive(|_, _| Ok(()))
    }

    /// Starts it, shows both its streams under `label`, and leaves it running.
    ///
    /// # Errors
    /// It cannot be started, or the file for its copy cannot be opened.
    pub fn spawn(mut self, report: &Report, label: &str) -> anyhow::Result<Running> {
        let copy = match &self.copy {
            Some(path) => Some(File::options().append(true).create(true).open(path)?),
            None => None,
        };
        let mut running = self.start()?;
        running.show(report, label, copy.as_ref())?;
        Ok(running)
    }

    /// Starts it, shows its standard error under `label`, and leaves it running; its standard
    /// output is its answer.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn_answering(mut self, report: &Report, label: &str) -> anyhow::Result<Answering> {
        Ok(Answering::new(self.start()?, report, label))
    }
}

fn ended(
    line: &str,
    status: ExitStatus,
    tail: impl ExactSizeIterator<Item = String>,
) -> anyhow::Error {
    let mut message = format!("`{line}` ended with {status}");
    if tail.len() > 0 {
        message.push_str("; it wrote:");
    }
    for text in tail {
        message.push_str("\n    ");
        message.push_str(&text);
    }
    anyhow::Error::msg(message)
}

#[cfg(test)]
mod tests;
