//! Closes off cargo's own idea of what is fresh, which goes by modification time: it
//! keeps a stale binary for an edit that kept its time, and what was edited during a
//! compile and edited back is compiled in either state.
//!
//! Nobody else writes to the target folder. It records from which state of its sources
//! each member was last compiled; members in another state are cleaned first, and a
//! compile during which a source was written is done again.

use crate::build::audit;
use crate::key::inputs::RustInputs;
use crate::rust::environment::{PASSED_ENVIRONMENT, PROFILE, TARGET};
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

/// Sources may be written while they compile; this often the compile is done again.
const ATTEMPTS: usize = 3;

/// Longer than a tick of the clock that stamps files, on any kernel: whatever is written
/// after it differs from what was looked at before it.
const TICK: Duration = Duration::from_millis(20);

/// Digest of the sources by member.
type Members = BTreeMap<String, String>;
/// By [`escape`](xtask_tree::entry::escape)d path.
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
    /// The caller holds the lock of the target folder.
    ///
    /// # Errors
    /// None that can happen: the sources serialise.
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

    /// Compiles until what is in the target folder comes from the sources as they are.
    ///
    /// # Errors
    /// The compile fails, or the sources are written during each of some attempts.
    pub fn compile(
        &self,
        say: impl Fn(&str),
        compile: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut written = String::new();
        for _ in 0..ATTEMPTS {
            let mut fresh = self.clean_stale()?;
            // Said before it is done: a compile that is cut short, during which sources were
            // edited and edited back, must not look like a good one.
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
                "compiles again, because {path} was written meanwhile"
            ));
            written = path;
        }
        Err(Failure::new(
            Code::Build,
            format!("{written} was written during each of {ATTEMPTS} compiles"),
        )
        .hint("stop editing for the length of one build; a build script must write to OUT_DIR only")
        .into())
    }

    /// Cleans the members whose sources differ from what they were last compiled from.
    /// Returns those that remain, with members of other binaries.
    fn clean_stale(&self) -> anyhow::Result<Members> {
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
        // First, so that no clean that is cut short looks like a good compile.
        self.record(&fresh)?;
        let folders: Vec<&String> = stale
            .iter()
            .filter_map(|name| self.inputs.members.get(*name))
            .collect();
        audit::forget(self.root, self.target, self.binary, &folders)?;
        Cmd::new("cargo")
            .args(["clean", "--quiet", "--profile", PROFILE, "--target", TARGET])
            .arg("--target-dir")
            .arg(self.target)
            .args(stale.iter().flat_map(|name| ["--package", name.as_str()]))
            .folder(self.root)
            .only_env(PASSED_ENVIRONMENT)
            .env("CARGO_BUILD_BUILD_DIR", self.target)
            .read()?;
        Ok(fresh)
    }

    /// Of the sources and of what all members share, links not followed.
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

/// A source that was written or removed, whatever it holds now.
fn written_between(before: &Identities, after: &Identities) -> Option<String> {
    let mut paths = before.keys();
    paths
        .find(|path| before[*path].is_none() || before[*path] != after[*path])
        .cloned()
}

/// Digest of each member's sources, by package name.
fn member_digests(inputs: &RustInputs) -> anyhow::Result<Members> {
    let mut by_member: BTreeMap<&str, Entries> = BTreeMap::new();
    for (path, entry) in &inputs.sources {
        // The innermost folder that is a member's.
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
    by_member
        .into_iter()
        .map(|(name, entries)| {
            Ok((
                name.to_owned(),
                digest_bytes(&serde_json::to_vec(&entries)?),
            ))
        })
        .collect()
}
