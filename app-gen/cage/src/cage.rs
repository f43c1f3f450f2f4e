//! What a cage is: whose it is, what it may use, and how a command is started in it.

use crate::roles::{OURSELVES, Role};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{self, Command, ExitStatus};

/// The user of everything in a cage.
pub const USER: u32 = 10_002;

/// The exit code of a command that could not be started in its cage. Its standard error says why.
pub const NOT_STARTED: i32 = 125;
/// The exit code of a command that was ended because it wrote too much. Its standard error says it.
pub const DISK_FULL: i32 = 124;
/// The exit code of a command that was ended because its time was over. Its standard error says it.
pub const TOO_LATE: i32 = 123;

/// What one command, and everything that it starts, may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cage {
    /// The user and group that it runs as: [`USER`], but for trials.
    pub user: u32,
    /// The folder of that user, in a folder of root: [`crate::Folders::agent`].
    pub folder: PathBuf,
    /// Its current folder, below `folder`. It is created if it is missing.
    pub workspace: PathBuf,
    /// Whether it may write to the workspace. Only a kernel with Landlock can refuse that to it.
    pub writes_workspace: bool,
    /// A folder of its own, below `folder`. It is created if it is missing, and `home` and `tmp` in it.
    pub own: PathBuf,
    /// Further files and folders that it may read and execute, beyond those of the system.
    pub readable: Vec<PathBuf>,
    /// Its ports.
    pub ports: Ports,
    /// Its bounds.
    pub limits: Limits,
}

/// Ports of loopback. There is no other network in a cage.
///
/// A generator had better listen at none of `named` and `chosen`: a cage that is not given such a port may
/// connect to it all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Where it finds the gateway.
    pub gateway: u16,
    /// Where it finds the mirror of packages, if it may have any.
    pub packages: Option<u16>,
    /// On which its programs may listen if they name the port.
    pub named: RangeInclusive<u16>,
    /// From which the kernel chooses one for those who ask for any, and one for the near end of each
    /// connection. They have to be among those from which it chooses anyway
    /// (`net.ipv4.ip_local_port_range`).
    pub chosen: RangeInclusive<u16>,
}

impl Ports {
    /// Those of a gateway at this port.
    #[must_use]
    pub fn with_gateway(gateway: u16) -> Self {
        Self {
            gateway,
            packages: None,
            named: 20_000..=20_015,
            chosen: 40_000..=40_999,
        }
    }

    /// The same, and a mirror of packages at this port.
    #[must_use]
    pub fn and_packages(mut self, packages: u16) -> Self {
        self.packages = Some(packages);
        self
    }

    /// Those at which something of the generator listens.
    pub(crate) fn served(&self) -> impl Iterator<Item = u16> {
        [self.gateway].into_iter().chain(self.packages)
    }
}

/// How much a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes and threads of the user, in all its cages together. On a machine with several containers
    /// the kernel may count this user of all of them.
    pub processes: u64,
    /// Open files of a process.
    pub files: u64,
    /// Bytes of a file.
    pub file_bytes: u64,
    /// Bytes of memory that a process may write to. None: whatever the container has; when that is used up,
    /// the kernel ends processes of cages first.
    pub memory_bytes: Option<u64>,
    /// Bytes in the workspace and in its own folder together.
    pub written_bytes: u64,
    /// Bytes of the disk that stay free.
    pub free_bytes: u64,
    /// Seconds from its start to its end.
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MEBIBYTE: u64 = 1024 * 1024;
        Self {
            processes: 512,
            files: 2_048,
            file_bytes: 2_048 * MEBIBYTE,
            memory_bytes: None,
            written_bytes: 4_096 * MEBIBYTE,
            free_bytes: 256 * MEBIBYTE,
            seconds: 3_600,
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With an exit code of its own; 128 and its number where a signal ended it. A command's own 123, 124
    /// or 125 counts as 1.
    Code(i32),
    /// It wrote more than it may.
    DiskFull,
    /// It took longer than it may.
    TooLate,
    /// It was not started: a defect of the image or of the machine.
    NotStarted,
    /// The process that keeps the cage was killed, which nobody in a cage can do. Whatever it kept may
    /// still be there: [`crate::end_all`].
    KeeperLost,
}

impl Ended {
    /// What the exit status of a command of [`Cage::command`] means.
    #[must_use]
    pub fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(NOT_STARTED), _) => Self::NotStarted,
            (Some(DISK_FULL), _) => Self::DiskFull,
            (Some(TOO_LATE), _) => Self::TooLate,
            (Some(code), _) => Self::Code(code),
            (None, _) => Self::KeeperLost,
        }
    }
}

impl Cage {
    /// The arguments with which this program, started again by this process, keeps a command in the cage;
    /// the command comes after them.
    ///
    /// They hold no secret: every process can read the arguments of every other.
    ///
    /// # Errors
    ///
    /// If a path is not UTF-8.
    pub fn arguments(&self) -> io::Result<[String; 4]> {
        let generator = process::id().to_string();
        let cage = serde_json::to_string(self)?;
        Ok([
            Role::MARK.to_owned(),
            Role::Keep.name().to_owned(),
            generator,
            cage,
        ])
    }

    /// A command that starts `program` in the cage. Its standard streams, exit code and variables are the
    /// program's own; it starts with the variables of [`Cage::environment`] alone. [`Ended::of`] reads its
    /// exit status. The keeper, which runs as root, starts with the same variables: one that a stranger
    /// chose may not be among them.
    ///
    /// SIGTERM to it ends everything that is in the cage. SIGUSR1 to it asks everything in the cage to end,
    /// by a SIGTERM, and lets it. When it has ended, nothing is left
    /// there.
    ///
    /// # Errors
    ///
    /// If a path is not UTF-8.
    #[expect(
        clippy::disallowed_methods,
        reason = "the wrapper of xtask is not for the generator; the keeper is what bounds its child"
    )]
    pub fn command(&self, program: impl AsRef<OsStr>) -> io::Result<Command> {
        let mut command = Command::new(OURSELVES);
        command
            .args(self.arguments()?)
            .arg(program)
            .env_clear()
            .envs(self.environment());
        Ok(command)
    }

    /// A command that starts a part of this program in the cage, for a limited time.
    pub(crate) fn part(&self, role: Role) -> io::Result<Command> {
        const SECONDS: u64 = 120;
        let mut cage = self.clone();
        cage.limits.seconds = SECONDS.min(self.limits.seconds);
        // What it found there is not what it wrote; and counting is a part, too.
        cage.limits.written_bytes = u64::MAX;
        let mut command = cage.command(OURSELVES)?;
        command.args([Role::MARK, role.name()]);
        Ok(command)
    }

    /// The variables that every command gets.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, PathBuf); 6] {
        [
            ("HOME", self.home()),
            ("TMPDIR", self.temporary()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
            ("LANG", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
            ("SHELL", "/bin/bash".into()),
        ]
    }

    /// Its home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.own.join("home")
    }

    /// Its temporary folder.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        self.own.join("tmp")
    }

    /// What it may write to.
    pub(crate) fn writable(&self) -> Vec<&PathBuf> {
        let workspace = self.writes_workspace.then_some(&self.workspace);
        workspace.into_iter().chain([&self.own]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_says_how_a_command_ended() {
        let code = |code: i32| Ended::of(ExitStatus::from_raw(code << 8));
        assert_eq!(code(0), Ended::Code(0));
        assert_eq!(code(137), Ended::Code(137));
        assert_eq!(code(125), Ended::NotStarted);
        assert_eq!(code(124), Ended::DiskFull);
        assert_eq!(code(123), Ended::TooLate);
        assert_eq!(Ended::of(ExitStatus::from_raw(9)), Ended::KeeperLost);
    }
}
