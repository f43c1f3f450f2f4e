//! Keeps a tool away from every file that it was not given.
//!
//! A bundler looks for its configuration in every folder above the sources, and each of its plugins
//! does so too. What it finds there is in no key. The kernel (Landlock) refuses such a read to the
//! tool, to its native code and to all programs that it starts, and lets it find out that there is
//! nothing, which is the usual case. Node's permission model does not fit: with it, vite ends at its
//! first question for a path that it was not given, whether or not there is a file, and native
//! add-ons, without which bundlers do not run, are outside of it.

use crate::error::{Code, Failure, FailureContext as _};
use landlock::{
    ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use std::path::PathBuf;

/// Programs and libraries of the machine, and what the C library reads. The folders of a user are not
/// below them, and `/usr/local` is left out because people install tools there.
const SYSTEM: &[&str] = &[
    "/bin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
    "/etc/alternatives",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
    "/proc",
    "/sys",
];

const DEVICES: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];

/// The newest rights that are asked for. An older kernel restricts fewer kinds of writes; every kernel
/// with Landlock restricts reads.
const RIGHTS: ABI = ABI::V5;

/// What a tool may read and write.
#[derive(Debug)]
pub struct Confinement {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

impl Default for Confinement {
    /// The programs and libraries of the machine, which may be read, and nothing else.
    fn default() -> Self {
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect();
        Self {
            read: paths(SYSTEM),
            write: paths(DEVICES),
        }
    }
}

impl Confinement {
    /// Lets the tool read these files and what is below these folders. Those that do not exist are
    /// left out.
    #[must_use]
    pub fn read<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.read.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Lets the tool read and write what is below the folder.
    #[must_use]
    pub fn write(mut self, folder: impl Into<PathBuf>) -> Self {
        self.write.push(folder.into());
        self
    }

    /// Does the work in a thread in which this holds. Every process that the work starts inherits it.
    ///
    /// # Errors
    /// The kernel cannot confine, or the work fails.
    pub fn run<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                self.enter()?;
                work()
            });
            let panicked = |_| Err(anyhow::anyhow!("a confined step panicked"));
            confined.join().unwrap_or_else(panicked)
        })
    }

    fn enter(&self) -> anyhow::Result<()> {
        let enforced = || -> Result<RulesetStatus, RulesetError> {
            let status = Ruleset::default()
                .handle_access(AccessFs::from_all(RIGHTS))?
                .create()?
                .add_rules(path_beneath_rules(&self.read, AccessFs::from_read(RIGHTS)))?
                .add_rules(path_beneath_rules(&self.write, AccessFs::from_all(RIGHTS)))?
                .restrict_self()?;
            Ok(status.ruleset)
        };
        let refused = || {
            Failure::new(
                Code::Prerequisite,
                "this kernel does not keep a build away from files that its key does not hold",
            )
            .hint("use Linux 5.13 or newer with Landlock switched on, as Debian and Ubuntu have it")
        };
        match enforced().failure(refused)? {
            RulesetStatus::NotEnforced => Err(refused().into()),
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::Cmd;
    use std::fs;

    #[test]
    fn a_process_reads_and_writes_only_what_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("given/file", "given"), ("other", "secret")] {
            fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            fs::write(folder.path().join(name), text).unwrap();
        }
        let given = folder.path().join("given");
        let confinement = Confinement::default().write(&given);
        // A child of the child, because a rule that a shell could leave would be worth nothing.
        let shell = |script: &str| {
            let shell = Cmd::new("sh").args(["-c", "sh -c \"$1\"", "sh", script]);
            confinement.run(|| shell.folder(&given).output()).unwrap()
        };
        assert_eq!(shell("cat file").text(), "given");
        assert!(shell("echo new > written").status.success());
        assert_eq!(fs::read_to_string(given.join("written")).unwrap(), "new\n");
        for refused in ["cat ../other", "ls ..", "echo new > ../written"] {
            let output = shell(refused);
            assert!(!output.status.success(), "{refused}: {output:?}");
            assert_eq!(output.text(), "", "{refused}");
        }
        // That something is there may be seen, so a search ends as it does for a person.
        assert!(
            shell("test -e ../other && ! test -e ../absent")
                .status
                .success()
        );
        // The thread that asked is not confined.
        assert_eq!(fs::read(folder.path().join("other")).unwrap(), b"secret");
    }
}
