//! A folder in which a tool of npm makes something that is kept, from nothing but what is hashed.
//!
//! Bundlers look for their configuration in every folder above the sources, Node looks there for
//! packages, and npm for workspaces. So the folder has no user's folder above it, and the tools can
//! read only what is hashed: the sources and the packages, which are copied there, and the programs of
//! the machine.
//!
//! A tool finds out where its packages really are, and npm tells every script where Node is. So those
//! are copies too: a link to them would lead into the checkout, and show in what is made where that is.

use crate::packages::Packages;
use crate::packages::environment::{Home, certificates};
use crate::packages::host::HostNpm;
use anyhow::Context as _;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use xtask_core::cmd::Cmd;
use xtask_core::confined::Confinement;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::lock::Lock;
use xtask_core::paths;
use xtask_core::paths::remove_folder;
use xtask_tree::content::Hashed;
use xtask_tree::entry;
use xtask_tree::entry::{Entries, Entry};

/// Programs of the machine that a script can name: those that every system has and that give the same
/// result everywhere. The result of any other is in no key.
const PROGRAMS: &[&str] = &[
    "awk",
    "basename",
    "bash",
    "cat",
    "chmod",
    "cmp",
    "cp",
    "cut",
    "date",
    "diff",
    "dirname",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "gzip",
    "head",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "printf",
    "pwd",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "tail",
    "tar",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "wc",
    "xargs",
];
/// Where [`PROGRAMS`] are. People install tools in other folders.
const SYSTEM_PATH: &str = "/usr/bin:/bin";

/// The folder. One process has it at a time.
#[derive(Debug)]
pub struct Room {
    folder: PathBuf,
    /// Beside the folder, because the tools may not write to them.
    packages: Packages,
    home: Home,
    _lock: Lock,
}

impl Room {
    /// Makes the folder for what has this digest and is made from these packages. Its path is the same
    /// in every checkout, because a result could contain it, and so are those of the packages.
    ///
    /// # Errors
    /// It cannot be written, a package changed since it was verified, or a signal interrupts the wait
    /// for another process that has it.
    pub fn make(context: &Context, digest: &str, from: &Packages) -> anyhow::Result<Self> {
        let all = own_folder()?;
        remove_leftovers(&all)?;
        let folder = all.join(&digest[..16]);
        let lock = Lock::wait(&folder.with_extension("lock"), |holder| {
            context
                .report
                .step(&format!("wait for another build of the same: {holder}"));
        })?;
        remove_folder(&folder)?;
        let home = Home::make(&folder.join("home"))?;
        let beside = packages_beside(&folder);
        remove_folder(&beside)?;
        let packages = from.moved_to(&beside);
        let room = Self {
            folder,
            packages,
            home,
            _lock: lock,
        };
        fs::create_dir(room.programs())
            .with_context(|| format!("failed to create {}", room.programs().display()))?;
        copy_entries(&from.modules(), &room.packages.modules(), from.entries())?;
        room.link(&room.packages.node_folder().join("node"), "node")?;
        for name in PROGRAMS {
            if let Some(program) = paths::program(name.as_ref(), OsStr::new(SYSTEM_PATH)) {
                room.link(&program, name)?;
            }
        }
        Ok(room)
    }

    /// The packages, as the tools find them.
    #[must_use]
    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    /// Copies a project to the place, and shows it the packages. Returns its folder.
    ///
    /// # Errors
    /// A file changed since it was hashed, or the copy cannot be written.
    pub fn copy_project(
        &self,
        place: &str,
        from: &Path,
        entries: &Entries,
    ) -> anyhow::Result<PathBuf> {
        let project = self.folder.join(place);
        fs::create_dir_all(&project)
            .with_context(|| format!("failed to create {}", project.display()))?;
        copy_entries(from, &project, entries)?;
        self.packages.show_in(&project)?;
        Ok(project)
    }

    /// A path in the folder.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// npm, run by the Node that the lock file pins. Scripts that it runs can name it, too.
    ///
    /// # Errors
    /// There is no npm on this machine.
    pub fn npm(&self) -> anyhow::Result<Cmd> {
        let npm = HostNpm::find()?.script;
        self.link(&npm, "npm")?;
        self.link(&npm.with_file_name("npx-cli.js"), "npx")?;
        let node = self.packages.node_folder().join("node");
        Ok(self.surround(Cmd::new(node).arg(npm)))
    }

    /// Takes the user's environment away from the command, and gives it the programs of the folder.
    #[must_use]
    pub fn surround(&self, cmd: Cmd) -> Cmd {
        self.home.surround(cmd, self.programs().as_os_str())
    }

    /// Runs the work so that it reads nothing but the folder, the packages and the machine's programs,
    /// and writes to nothing but the folder and `outputs`.
    ///
    /// # Errors
    /// The work fails.
    pub fn run(
        &self,
        outputs: &[&Path],
        work: impl FnOnce() -> anyhow::Result<()> + Send,
    ) -> anyhow::Result<()> {
        let npm = HostNpm::find()?;
        let confinement = Confinement::default()
            .read(self.packages.readable())
            .read(certificates())
            .read(npm.package())
            .write(&self.folder);
        outputs
            .iter()
            .fold(confinement, |confinement, output| {
                confinement.write(*output)
            })
            .run(work)
    }

    /// Removes the folder and its packages.
    ///
    /// # Errors
    /// Something in them cannot be removed.
    pub fn remove(self) -> anyhow::Result<()> {
        remove_folder(&self.folder)?;
        remove_folder(&packages_beside(&self.folder))
    }

    fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    fn link(&self, target: &Path, name: &str) -> anyhow::Result<()> {
        symlink(target, self.programs().join(name))
            .with_context(|| format!("failed to link {}", target.display()))
    }
}

/// The folder for this user, which nobody else can write to. It is on a disk, because `/tmp` is in
/// memory on many machines, and it is not below the user's home, where tools of other projects leave
/// packages and settings.
fn own_folder() -> anyhow::Result<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let folder = PathBuf::from(format!("/var/tmp/app-gen-{user}"));
    let made = fs::DirBuilder::new().mode(0o700).create(&folder);
    if let Err(error) = made
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error).with_context(|| format!("failed to create {}", folder.display()));
    }
    let found = folder
        .symlink_metadata()
        .with_context(|| format!("failed to read {}", folder.display()))?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0 {
        return Ok(folder);
    }
    Err(Failure::new(
        Code::Build,
        format!("{} is not a folder of this user alone", folder.display()),
    )
    .hint(format!("rm -r {}", folder.display()))
    .into())
}

/// Where the packages of the folder are. [`remove_leftovers`] finds the same lock for both.
fn packages_beside(folder: &Path) -> PathBuf {
    folder.with_extension("packages")
}

/// Removes what killed builds left.
fn remove_leftovers(all: &Path) -> anyhow::Result<()> {
    for item in fs::read_dir(all).into_iter().flatten().flatten() {
        let folder = item.path();
        if folder.is_dir()
            && let Ok(_lock) = Lock::try_take(&folder.with_extension("lock"), "a build")
        {
            remove_folder(&folder)?;
        }
    }
    Ok(())
}

/// Copies what was hashed. Every file is held against its digest while it is copied.
///
/// # Errors
/// A file changed since it was hashed, or the copy cannot be written.
pub fn copy_entries(from: &Path, to: &Path, entries: &Entries) -> anyhow::Result<()> {
    for (escaped, entry) in entries {
        let name = entry::unescape(escaped);
        let target = to.join(&name);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("failed to create {}", parent.display()))?;
        }
        match entry {
            Entry::Directory { .. } => fs::create_dir_all(&target)
                .with_context(|| format!("failed to create {}", target.display()))?,
            Entry::Symlink { target: points_to } => symlink(entry::unescape(points_to), &target)
                .with_context(|| format!("failed to link {}", target.display()))?,
            Entry::File { mode, digest } => {
                Hashed::open(&from.join(&name), *digest)?.copy_to(&target, mode.bits())?;
            }
        }
    }
    Ok(())
}
