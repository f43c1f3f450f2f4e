//! What the compiler really read, held against what the key holds.
//!
//! Cargo writes beside a binary which files its local packages were compiled from:
//! sources, whatever they include, and what build scripts say they read. A file that
//! is not in the key could change without anybody noticing, so it is refused by name.
//! The same for environment that is compiled in. What no tool reports stays unseen: a
//! build script or macro that reads a file and does not say so.

use crate::rust::environment;
use crate::rust::environment::PASSED_ENVIRONMENT;
use crate::rust::workspace;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::marked;
use xtask_tree::entry::{Entries, Entry, escape};

/// Environment that differs between machines and which our compiles can see, besides
/// [`PASSED_ENVIRONMENT`].
const OTHER_ENVIRONMENT: [&str; 4] = [
    "CARGO",
    "CARGO_ENCODED_RUSTFLAGS",
    "LD_LIBRARY_PATH",
    marked::VARIABLE,
];
/// As many links in a row as the kernel follows.
const MOST_LINKS: usize = 40;

/// A compile to be audited.
#[derive(Debug)]
pub struct Compile<'a> {
    /// Root of the checkout.
    pub root: &'a Path,
    /// Cargo's target folder.
    pub target: &'a Path,
    /// Package that was compiled.
    pub package: &'a str,
    /// Its binary.
    pub binary: &'a Path,
    /// Path packages: name to folder.
    pub members: &'a BTreeMap<String, String>,
    /// Files of the path packages, as in the key.
    pub sources: &'a Entries,
}

/// Why a file must not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Excluded,
    Elsewhere,
    OutsideCheckout,
    /// It belongs to the key and was not there when that was computed.
    New,
}

impl Compile<'_> {
    /// Fails where the compile follows from anything that is not in the key.
    ///
    /// # Errors
    /// It does, or what cargo wrote about it cannot be read.
    pub fn audit(&self) -> anyhow::Result<()> {
        let infos = self.member_infos()?;
        self.audit_files(&infos)?;
        self.audit_environment(&infos)
    }

    fn audit_files(&self, infos: &[RustcInfo]) -> anyhow::Result<()> {
        let auditor = Auditor::new(self)?;
        let mut files = self.files_read()?;
        // Cargo resolves links that lead into the package; rustc says how it got there.
        files.extend(
            infos
                .iter()
                .flat_map(|info| &info.sources)
                .map(|source| self.root.join(source)),
        );
        // Read by cargo, which does not say so.
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
            Reason::Excluded => "take it out of `package.exclude` of its package",
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
                "{} is compiled from {what}, which its key does not hold",
                self.package
            ),
        )
    }

    /// What cargo's dep-info of the binary lists.
    fn files_read(&self) -> anyhow::Result<Vec<PathBuf>> {
        let path = self.binary.with_extension("d");
        let unknown = || {
            Failure::new(
                Code::Build,
                format!(
                    "cargo does not say in {} what {} is compiled from",
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

    /// Refuses the environment of this machine, and the place of the checkout where
    /// it is found in the binary.
    fn audit_environment(&self, infos: &[RustcInfo]) -> anyhow::Result<()> {
        let mut places = BTreeMap::new();
        for info in infos {
            for (name, value) in &info.environment {
                let differs = || PASSED_ENVIRONMENT.iter().chain(&OTHER_ENVIRONMENT);
                if differs().any(|other| other == name) {
                    return Err(self
                        .refusal(&format!(
                            "environment variable {name} in {}",
                            info.sources[0]
                        ))
                        .hint("read it when the program runs")
                        .into());
                }
                // Most uses only name a file to take in; it must not be found in the binary.
                if Path::new(value).starts_with(self.root) {
                    places.insert(value.clone(), (name.clone(), info.sources[0].clone()));
                }
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let binary = fs::read(self.binary)
            .with_context(|| format!("failed to read {}", self.binary.display()))?;
        for (value, (name, source)) in places {
            if regex::bytes::Regex::new(&regex::escape(&value))?.is_match(&binary) {
                return Err(self
                    .refusal(&format!("the path of this checkout by {name} in {source}"))
                    .hint("take files in with `include_str!` or `include_bytes!`, or find them when the program runs")
                    .into());
            }
        }
        Ok(())
    }

    fn member_infos(&self) -> anyhow::Result<Vec<RustcInfo>> {
        let mut infos = Vec::new();
        for path in rustc_info_paths(self.target, self.binary) {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            let info = RustcInfo::parse(&text);
            if info.is_of(self.root, self.members.values()) {
                infos.push(info);
            }
        }
        Ok(infos)
    }
}

/// Removes what was written about earlier compiles of the packages in these folders:
/// cargo leaves it behind where a later compile has other features.
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
        if RustcInfo::parse(&text).is_of(root, folders.iter().copied()) {
            fs::remove_file(&path)
                .with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// rustc's own dep-info of all crates of the target folder: those of the target, and
/// those that run during the build (scripts, procedural macros and what they need).
fn rustc_info_paths(target: &Path, binary: &Path) -> Vec<PathBuf> {
    let of_target = binary.parent().map(Path::to_owned);
    let of_host = Some(target.join(environment::PROFILE));
    let mut paths = Vec::new();
    for layout in [of_target, of_host].into_iter().flatten() {
        let mut folders = vec![layout.join("deps")];
        folders.extend(listing(&layout.join("build")));
        paths.extend(
            folders
                .iter()
                .flat_map(|folder| listing(folder))
                .filter(|path| path.extension().is_some_and(|ending| ending == "d")),
        );
    }
    paths
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).into_iter().flatten();
    items.flatten().map(|item| item.path()).collect()
}

/// rustc's dep-info of one crate.
struct RustcInfo {
    /// At least one; relative to the checkout, where cargo starts rustc.
    sources: Vec<String>,
    environment: Vec<(String, String)>,
}

impl RustcInfo {
    fn parse(text: &str) -> Self {
        let mut info = Self {
            sources: Vec::new(),
            environment: Vec::new(),
        };
        for line in text.lines() {
            if let Some(dependency) = line.strip_prefix("# env-dep:") {
                // No value where the variable was not set.
                let (name, value) = dependency.split_once('=').unwrap_or((dependency, ""));
                info.environment.push((name.to_owned(), value.to_owned()));
            } else if let Some(source) = line.strip_suffix(':') {
                // A rule of its own for each source.
                info.sources.extend(split_make(source));
            }
        }
        info
    }

    /// Whether its first source, the root of the crate, lies in one of the folders.
    fn is_of<'a>(&self, root: &Path, folders: impl IntoIterator<Item = &'a String>) -> bool {
        self.sources.first().is_some_and(|source| {
            let source = root.join(source);
            folders
                .into_iter()
                .any(|folder| source.starts_with(root.join(folder)))
        })
    }
}

/// A path as in a makefile rule; cargo and rustc escape spaces and nothing else.
fn escape_make(path: &str) -> String {
    path.replace(' ', "\\ ")
}

/// The paths of a makefile rule.
fn split_make(list: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut path = String::new();
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&' ') => path.extend(characters.next()),
            ' ' => paths.extend(Some(std::mem::take(&mut path)).filter(|path| !path.is_empty())),
            character => path.push(character),
        }
    }
    paths.extend(Some(path).filter(|path| !path.is_empty()));
    paths
}

/// The places that may be read, as they lie on this machine.
struct Auditor<'a> {
    compile: &'a Compile<'a>,
    root: PathBuf,
    target: PathBuf,
    /// Pinned otherwise: by the lock's checksums.
    pinned: Vec<PathBuf>,
}

impl<'a> Auditor<'a> {
    fn new(compile: &'a Compile<'a>) -> anyhow::Result<Self> {
        let canonical = |path: &Path| {
            fs::canonicalize(path).with_context(|| format!("failed to find {}", path.display()))
        };
        let home = environment::cargo_home();
        Ok(Self {
            compile,
            root: canonical(compile.root)?,
            target: canonical(compile.target)?,
            pinned: home
                .iter()
                .flat_map(|home| ["registry/src", "git/checkouts"].map(|name| home.join(name)))
                .filter_map(|path| fs::canonicalize(path).ok())
                .collect(),
        })
    }

    /// What of the path is not in the key, if anything: the file itself, a link on the
    /// way to it, or the first such file below a directory.
    fn check(&self, path: &Path) -> anyhow::Result<Option<(Reason, PathBuf)>> {
        let mut links = Vec::new();
        let place = follow(Path::new("/"), path, &mut links)?;
        let mut passed = links.into_iter().filter(|link| self.is_ours(link));
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
        // A build script may wait for a file: once it is there, it is in the key.
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

/// Where a path leads, and every link on the way. What does not exist is taken as it
/// is written.
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
    fn paths_of_a_rule_may_hold_spaces() {
        assert_eq!(
            split_make(" /a/with\\ space.txt  b:c /d\\e /f\\ \\ g"),
            ["/a/with space.txt", "b:c", "/d\\e", "/f  g"]
        );
        assert_eq!(split_make(" "), Vec::<String>::new());
        let path = "/a b/ c";
        assert_eq!(split_make(&escape_make(path)), [path]);
    }

    #[test]
    fn the_compiler_says_what_it_read_and_what_it_was_told() {
        let info = RustcInfo::parse(
            "/t/deps/lib.rmeta: one/src/lib.rs one/a\\ b.txt\n\none/src/lib.rs:\none/a\\ b.txt:\n\n\
             # env-dep:HOME=/home/x=y\n# env-dep:UNSET\n",
        );
        assert_eq!(info.sources, ["one/src/lib.rs", "one/a b.txt"]);
        let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            info.environment,
            [owned("HOME", "/home/x=y"), owned("UNSET", "")]
        );
        let root = Path::new("/checkout");
        let is_of = |folder: &str| info.is_of(root, [&folder.to_owned()]);
        assert!(is_of("one") && is_of(""));
        assert!(!is_of("on") && !is_of("other"));
    }

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
        // Up from where a link leads, not from where it lies.
        let (place, links) = follow("./second/../missing.txt").unwrap();
        assert_eq!(place, root.join("real/missing.txt"));
        assert_eq!(links, [root.join("second"), root.join("first")]);
        assert!(follow("round/file").is_err());
    }
}
