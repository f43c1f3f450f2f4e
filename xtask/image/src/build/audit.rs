//! Compares what the compiler has read with what the key contains.
//!
//! Cargo writes a file beside a binary that lists what its local packages were compiled from: their
//! sources, the files that those include, and the files that build scripts say they read. A file that
//! is not in the key could change unnoticed, so such a compile is refused. The same holds for
//! environment variables that are compiled in. One thing stays unnoticed, because no tool reports it:
//! a build script or macro that reads a file and does not say so.

use crate::build::rustc_info::{RustcInfo, escape_make, listing, rustc_info_paths, split_make};
use crate::rust::environment::PASSED_ENVIRONMENT;
use crate::rust::packages::Package;
use crate::rust::workspace;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::marked;
use xtask_tree::entry::{Entries, Entry, escape};

/// Variables that cargo sets in our compiles and that differ between machines.
const OTHER_ENVIRONMENT: [&str; 3] = ["CARGO", "LD_LIBRARY_PATH", marked::VARIABLE];
/// The kernel follows as many links in a row.
const MOST_LINKS: usize = 40;

/// A compile to be audited.
#[derive(Debug)]
pub struct Compile<'a> {
    /// The root of the checkout.
    pub root: &'a Path,
    /// Cargo's target folder.
    pub target: &'a Path,
    /// The package that was compiled.
    pub package: &'a str,
    /// The binary that was made.
    pub binary: &'a Path,
    /// Path packages: name to folder.
    pub members: &'a BTreeMap<String, String>,
    /// Files of the path packages, as in the key.
    pub sources: &'a Entries,
    /// Packages of others, which were held against the lock.
    pub packages: &'a [Package],
    /// The names of the variables of the compile.
    pub variables: &'a [&'static str],
}

/// Why a file must not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Excluded,
    Elsewhere,
    OutsideCheckout,
    /// It belongs in the key, and did not exist when the key was computed.
    New,
}

impl Compile<'_> {
    /// Fails if the compile depends on something that is not in the key.
    ///
    /// # Errors
    /// It does, or what cargo wrote about the compile cannot be read.
    pub fn audit(&self) -> anyhow::Result<()> {
        let infos = self.rustc_infos()?;
        self.audit_files(&infos)?;
        self.audit_environment(&infos)
    }

    fn audit_files(&self, infos: &[RustcInfo]) -> anyhow::Result<()> {
        let auditor = Auditor::new(self)?;
        let mut files = self.files_read()?;
        // Cargo lists files with links resolved. rustc lists the paths that it used, so that the
        // links on the way can be checked, too.
        files.extend(
            infos
                .iter()
                .flat_map(|info| &info.sources)
                .map(|source| self.root.join(source)),
        );
        // Cargo reads these and does not list them.
        files.extend(
            self.members
                .values()
                .map(|folder| self.root.join(folder).join("Cargo.toml")),
        );
        let mut refused = BTreeSet::new();
        for file in &files {
            refused.extend(auditor.check(file)?);
        }
        let Some((reason, _)) = refused.first() else {
            return Ok(());
        };
        let hint = match reason {
            Reason::Excluded => "remove it from `package.exclude` of its package",
            Reason::Elsewhere => "move it into the folder of the package that reads it",
            Reason::OutsideCheckout => "copy it into the folder of the package that reads it",
            Reason::New => "run the command again",
        };
        let names: Vec<String> = refused
            .iter()
            .map(|(_, path)| {
                let path = path.strip_prefix(&auditor.root).unwrap_or(path);
                path.display().to_string()
            })
            .collect();
        Err(self.refusal(&names.join(", ")).hint(hint).into())
    }

    fn refusal(&self, what: &str) -> Failure {
        Failure::new(
            Code::Build,
            format!(
                "{} is compiled from {what}, which its key does not contain",
                self.package
            ),
        )
    }

    /// The files that cargo lists for the binary.
    fn files_read(&self) -> anyhow::Result<Vec<PathBuf>> {
        let path = self.binary.with_extension("d");
        let unknown = || {
            Failure::new(
                Code::Build,
                format!(
                    "{} does not list what {} is compiled from, though cargo should have written that",
                    path.display(),
                    self.package
                ),
            )
            .hint(format!("rm -r {}", self.target.display()))
        };
        let text = fs::read_to_string(&path).failure(unknown)?;
        let target = format!("{}:", escape_make(&self.binary.to_string_lossy()));
        let files = text
            .lines()
            .find_map(|line| line.strip_prefix(target.as_str()))
            .map(split_make)
            .filter(|files| !files.is_empty())
            .ok_or_else(unknown)?;
        Ok(files.into_iter().map(|file| self.root.join(file)).collect())
    }

    /// Refuses variables that differ between machines, and the path of the checkout if the binary
    /// contains it.
    fn audit_environment(&self, infos: &[RustcInfo]) -> anyhow::Result<()> {
        let mut places = BTreeMap::new();
        for info in infos {
            for (name, value) in &info.environment {
                // Those of the user do not reach it; who reads one expects that they do.
                let mut differ = self
                    .variables
                    .iter()
                    .chain(PASSED_ENVIRONMENT)
                    .chain(&OTHER_ENVIRONMENT);
                if differ.any(|other| other == name) {
                    return Err(self
                        .refusal(&format!(
                            "environment variable {name} in {}",
                            info.sources[0]
                        ))
                        .hint("read it when the program runs")
                        .into());
                }
                // Most uses only name a file to be included. The binary must not contain the path.
                let mut packages = self.packages.iter();
                let place = if Path::new(value).starts_with(self.root) {
                    "this checkout"
                } else if packages.any(|package| Path::new(value).starts_with(&package.folder)) {
                    "a package on this machine"
                } else {
                    continue;
                };
                let what = format!("the path of {place} by {name} in {}", info.sources[0]);
                places.insert(value.clone(), what);
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let binary = fs::read(self.binary)
            .with_context(|| format!("failed to read {}", self.binary.display()))?;
        for (value, what) in places {
            if regex::bytes::Regex::new(&regex::escape(&value))?.is_match(&binary) {
                return Err(self
                    .refusal(&what)
                    .hint("include files with `include_str!` or `include_bytes!`, or find them when the program runs")
                    .into());
            }
        }
        Ok(())
    }

    /// The folders of all packages, relative to the checkout or absolute.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        let members = self.members.values().map(Path::new);
        let packages = self.packages.iter();
        members.chain(packages.map(|package| package.folder.as_path()))
    }

    fn rustc_infos(&self) -> anyhow::Result<Vec<RustcInfo>> {
        let mut infos = Vec::new();
        for path in rustc_info_paths(self.target, self.binary) {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            let info = RustcInfo::parse(&text);
            if info.is_of(self.root, self.folders()) {
                infos.push(info);
            }
        }
        Ok(infos)
    }
}

/// Removes what rustc wrote about earlier compiles of the packages in these folders. Cargo leaves it
/// behind when a later compile has other features.
///
/// # Errors
/// A file cannot be removed.
pub fn forget(
    root: &Path,
    target: &Path,
    binary: &Path,
    folders: &[&String],
) -> anyhow::Result<()> {
    for path in rustc_info_paths(target, binary) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if RustcInfo::parse(&text).is_of(root, folders.iter().map(Path::new)) {
            fs::remove_file(&path)
                .with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The places on this machine that may be read.
struct Auditor<'a> {
    compile: &'a Compile<'a>,
    root: PathBuf,
    target: PathBuf,
    /// Links on the way to the target folder, which may be on another disk.
    target_links: Vec<PathBuf>,
    /// Folders of packages that were held against the lock.
    pinned: Vec<PathBuf>,
}

impl<'a> Auditor<'a> {
    fn new(compile: &'a Compile<'a>) -> anyhow::Result<Self> {
        let canonical = |path: &Path| {
            fs::canonicalize(path).with_context(|| format!("failed to find {}", path.display()))
        };
        let mut target_links = Vec::new();
        Ok(Self {
            compile,
            root: canonical(compile.root)?,
            target: follow(Path::new("/"), compile.target, &mut target_links)?,
            target_links,
            pinned: compile
                .packages
                .iter()
                .filter_map(|package| fs::canonicalize(&package.folder).ok())
                .collect(),
        })
    }

    /// The first thing about the path that is not in the key, if there is one: a link on the way to
    /// the file, the file itself, or a file below a directory.
    fn check(&self, path: &Path) -> anyhow::Result<Option<(Reason, PathBuf)>> {
        let mut links = Vec::new();
        let place = follow(Path::new("/"), path, &mut links)?;
        let mut passed = links
            .into_iter()
            .filter(|link| self.is_ours(link) && !self.target_links.contains(link));
        if let Some(link) = passed.find(|link| !self.holds(link)) {
            return Ok(Some((self.reason(&link)?, link)));
        }
        self.check_place(&place)
    }

    fn check_place(&self, place: &Path) -> anyhow::Result<Option<(Reason, PathBuf)>> {
        let built = [&self.target].into_iter().chain(&self.pinned);
        if built.into_iter().any(|folder| place.starts_with(folder)) || self.holds(place) {
            return Ok(None);
        }
        if place.is_dir() && place.starts_with(&self.root) {
            let mut items = listing(place);
            items.sort();
            for item in items {
                let refused = if item.is_symlink() {
                    self.check(&item)?
                } else {
                    self.check_place(&item)?
                };
                if refused.is_some() {
                    return Ok(refused);
                }
            }
            return Ok(None);
        }
        let reason = self.reason(place)?;
        // A build script may wait for a file that does not exist yet. When it does, it is in the key.
        Ok((reason != Reason::New || place.exists()).then(|| (reason, place.to_owned())))
    }

    fn is_ours(&self, place: &Path) -> bool {
        place.starts_with(&self.root) && !place.starts_with(&self.target)
    }

    fn holds(&self, place: &Path) -> bool {
        place.strip_prefix(&self.root).is_ok_and(|relative| {
            let entry = self
                .compile
                .sources
                .get(&escape(relative.as_os_str().as_bytes()));
            matches!(entry, Some(Entry::File { .. } | Entry::Symlink { .. }))
        })
    }

    fn reason(&self, place: &Path) -> anyhow::Result<Reason> {
        if !place.starts_with(&self.root) {
            return Ok(Reason::OutsideCheckout);
        }
        let Some(folder) = self.member_of(place) else {
            return Ok(Reason::Elsewhere);
        };
        let patterns = workspace::exclude_patterns(&self.root, folder)?;
        let excludes = workspace::excludes(folder, &patterns)?;
        let excluded = excludes.matched_path_or_any_parents(place, place.is_dir());
        Ok(if excluded.is_ignore() {
            Reason::Excluded
        } else {
            Reason::New
        })
    }

    /// The folder of the path package whose file this is or would be.
    fn member_of<'p>(&self, place: &'p Path) -> Option<&'p Path> {
        let folder = place
            .ancestors()
            .skip(1)
            .find(|folder| folder.join("Cargo.toml").is_file())?;
        let relative = folder.strip_prefix(&self.root).ok()?.to_str()?;
        let mut members = self.compile.members.values();
        members.any(|member| member == relative).then_some(folder)
    }
}

/// The place that a path leads to; `links` gets every link on the way. A part that does not exist is
/// taken literally.
fn follow(from: &Path, path: &Path, links: &mut Vec<PathBuf>) -> anyhow::Result<PathBuf> {
    let mut place = from.to_owned();
    for component in path.components() {
        match component {
            Component::RootDir => place = PathBuf::from("/"),
            Component::ParentDir => {
                place.pop();
            }
            Component::CurDir | Component::Prefix(_) => {}
            Component::Normal(name) => {
                let next = place.join(name);
                match fs::read_link(&next) {
                    Ok(target) => {
                        anyhow::ensure!(
                            links.len() < MOST_LINKS,
                            "too many links on the way to {}",
                            path.display()
                        );
                        links.push(next);
                        place = follow(&place, &target, links)?;
                    }
                    Err(_) => place = next,
                }
            }
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_one_by_one_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        };
        link("real", "first");
        link("first/deep", "second");
        link("round", "round");
        let follow = |path: &str| {
            let mut links = Vec::new();
            follow(&root, Path::new(path), &mut links).map(|place| (place, links))
        };
        // `..` starts from where a link leads to, not from the folder of the link.
        let (place, links) = follow("./second/../missing.txt").unwrap();
        assert_eq!(place, root.join("real/missing.txt"));
        assert_eq!(links, [root.join("second"), root.join("first")]);
        assert!(follow("round/file").is_err());
    }
}
