//! Makes sure that cargo compiles what was hashed. Cargo itself takes a source for unchanged by its
//! modification time. It keeps an old binary after an edit that kept the time, and if a source was
//! edited during a compile and edited back, either state may have been compiled. What a build script
//! has made, it keeps after a change of the fields that a member takes from the workspace, although
//! they are the script's variables.
//!
//! Nobody else writes to the target folder. It has a record of the sources that each member was last
//! compiled from. A member whose sources differ from that is cleaned first, and a compile during which
//! a source was written is done again.

use crate::build::audit;
use crate::key::inputs::RustInputs;
use crate::rust::environment::{PROFILE, TARGET};
use crate::rust::workspace;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::cmd::Cmd;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure};
use xtask_tree::content;
use xtask_tree::entry::{Entries, unescape};
use xtask_tree::identity::Identity;

/// How often a compile is done again because a source was written meanwhile.
const ATTEMPTS: usize = 3;

/// Longer than a tick of the clock that stamps files, on any kernel: a file that is written after
/// this pause gets another time than it had before.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// A digest of the sources of each member and of what it takes from the workspace, by name.
type Members = BTreeMap<String, String>;
/// Identities of files, by [`escape`](xtask_tree::entry::escape)d path.
type Identities = BTreeMap<String, Option<Identity>>;

/// The members of one binary, and the folder that they are compiled in.
#[derive(Debug)]
pub struct Freshness<'a> {
    root: &'a Path,
    target: &'a Path,
    binary: &'a Path,
    inputs: &'a RustInputs,
    members: Members,
}

impl<'a> Freshness<'a> {
    /// The caller must have the lock of the target folder.
    ///
    /// # Errors
    /// The sources cannot be serialised, which does not happen.
    pub fn new(
        root: &'a Path,
        target: &'a Path,
        binary: &'a Path,
        inputs: &'a RustInputs,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            root,
            target,
            binary,
            inputs,
            members: member_digests(inputs)?,
        })
    }

    /// Compiles until what is in the target folder was compiled from the sources as they are. `cargo`
    /// is the command in the environment of a compile.
    ///
    /// # Errors
    /// The compile fails, or sources are written during each of [`ATTEMPTS`] compiles.
    pub fn compile(
        &self,
        cargo: impl Fn() -> Cmd,
        say: impl Fn(&str),
        compile: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut written = String::new();
        for _ in 0..ATTEMPTS {
            let mut fresh = self.clean_stale(&cargo)?;
            // The record is changed before the compile. If the compile is interrupted, and sources
            // were edited meanwhile and edited back, it must not look as if it had succeeded.
            let mut others = fresh.clone();
            others.retain(|name, _| !self.members.contains_key(name));
            self.record(&others)?;
            let before = self.identities();
            std::thread::sleep(TICK);
            let outcome = compile();
            let Some(path) = written_between(&before, &self.identities()) else {
                if outcome.is_ok() {
                    fresh.extend(self.members.clone());
                }
                self.record(&fresh)?;
                return outcome;
            };
            outcome?;
            self.expect_unchanged(&path)?;
            say(&format!(
                "compile again, because {path} was written meanwhile"
            ));
            written = path;
        }
        Err(Failure::new(
            Code::Build,
            format!("{written} was written during each of {ATTEMPTS} compiles"),
        )
        .hint("do not edit during one build; a build script must write only to OUT_DIR")
        .into())
    }

    /// Cleans the members whose sources differ from what they were last compiled from. Returns the
    /// other ones, also those of other binaries.
    fn clean_stale(&self, cargo: impl Fn() -> Cmd) -> anyhow::Result<Members> {
        let mut fresh: Members = read_checked(&self.record_path()).unwrap_or_default();
        let stale: Vec<&String> = self
            .members
            .iter()
            .filter(|(name, digest)| fresh.get(*name) != Some(digest))
            .map(|(name, _)| name)
            .collect();
        fresh.retain(|name, _| !stale.contains(&name));
        let compiled_before = [TARGET, PROFILE]
            .iter()
            .any(|folder| self.target.join(folder).is_dir());
        if stale.is_empty() || !compiled_before {
            return Ok(fresh);
        }
        // The record is changed first, so that an interrupted clean does not look like a compile that
        // succeeded.
        self.record(&fresh)?;
        let folders: Vec<&String> = stale
            .iter()
            .filter_map(|name| self.inputs.members.get(*name))
            .collect();
        audit::forget(self.root, self.target, self.binary, &folders)?;
        cargo()
            .args(["clean", "--quiet", "--profile", PROFILE, "--target", TARGET])
            .arg("--target-dir")
            .arg(self.target)
            .args(stale.iter().flat_map(|name| ["--package", name.as_str()]))
            .read()?;
        Ok(fresh)
    }

    /// The identities of the sources and of the files that all members share. Links are not followed.
    fn identities(&self) -> Identities {
        let shared = ["Cargo.toml", "Cargo.lock"].map(str::to_owned);
        let sources = self.inputs.sources.keys().cloned();
        sources
            .chain(shared)
            .map(|path| {
                let stat = rustix::fs::lstat(self.root.join(unescape(&path)));
                (path, stat.ok().map(Identity::from))
            })
            .collect()
    }

    fn expect_unchanged(&self, path: &str) -> anyhow::Result<()> {
        let place = self.root.join(unescape(path));
        let hashed = self.inputs.sources.get(path);
        if hashed.is_none_or(|entry| content::is_still(&place, entry)) {
            return Ok(());
        }
        Err(Failure::new(
            Code::Build,
            format!("{path} changed while it was being compiled"),
        )
        .hint("run the command again")
        .into())
    }

    fn record_path(&self) -> PathBuf {
        self.target.join("members.json")
    }

    fn record(&self, members: &Members) -> anyhow::Result<()> {
        write_checked(&self.record_path(), members)
    }
}

/// A source that was written or removed, even if its content is the same as before.
fn written_between(before: &Identities, after: &Identities) -> Option<String> {
    let mut paths = before.keys();
    paths
        .find(|path| before[*path].is_none() || before[*path] != after[*path])
        .cloned()
}

/// A digest of each member's sources and of the package fields of the workspace, by the name of the
/// package.
fn member_digests(inputs: &RustInputs) -> anyhow::Result<Members> {
    let mut by_member: BTreeMap<&str, Entries> = BTreeMap::new();
    for (path, entry) in &inputs.sources {
        // The innermost folder of a member that contains the file.
        let owner = inputs
            .members
            .iter()
            .filter(|(_, folder)| Path::new(path).starts_with(folder.as_str()))
            .max_by_key(|(_, folder)| folder.len());
        if let Some((name, _)) = owner {
            by_member
                .entry(name)
                .or_default()
                .insert(path.clone(), entry.clone());
        }
    }
    let fields = inputs.workspace.get(workspace::PACKAGE);
    by_member
        .into_iter()
        .map(|(name, entries)| {
            let state = serde_json::to_vec(&(fields, entries))?;
            Ok((name.to_owned(), digest_bytes(&state)))
        })
        .collect()
}
