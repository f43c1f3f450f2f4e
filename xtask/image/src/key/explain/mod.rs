//! What differs between the inputs of two keys, by name.

use crate::key::difference::{Change, Difference, Kind};
use crate::key::inputs::{AptInputs, Inputs, NpmInputs, NpmToolsInputs, RustInputs};
use crate::rust::cargo_config::CONFIGURATION;
use app_gen_infra::Image;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use xtask_tree::entry::{Entries, Entry, escape};

/// Everything that differs between two inputs of an image.
///
/// The folders are those that the manifest names now. Inputs do not contain them, because a folder's
/// name cannot change the image.
#[must_use]
pub fn differences(image: &Image, before: &Inputs, after: &Inputs) -> Vec<Difference> {
    let mut found = Differences::default();
    found.docker(image, before, after);
    found.rust(before.rust.as_ref(), after.rust.as_ref());
    let page = image.npm.as_ref().map_or("", |npm| npm.folder.get_ref());
    found.npm(page, before.npm.as_ref(), after.npm.as_ref());
    found.apt(before.apt.as_ref(), after.apt.as_ref());
    found.npm_tools(before.npm_tools.as_ref(), after.npm_tools.as_ref());
    // A file can be in the context and among the sources, and is listed once.
    found.0.sort();
    found.0.dedup();
    found.0
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn docker(&mut self, image: &Image, before: &Inputs, after: &Inputs) {
        let dockerfile = Some(image.dockerfile.get_ref().as_str());
        self.both(Kind::Platform, None, &before.platform, &after.platform);
        self.value(
            Kind::Target,
            None,
            before.target.as_deref(),
            after.target.as_deref(),
        );
        self.map(Kind::Argument, &before.args, &after.args);
        self.map(Kind::Base, &before.bases, &after.bases);
        self.both(
            Kind::Dockerfile,
            dockerfile,
            &before.dockerfile,
            &after.dockerfile,
        );
        self.value(
            Kind::IgnoreFile,
            None,
            before.ignore_file.as_deref(),
            after.ignore_file.as_deref(),
        );
        self.entries(image.context.get_ref(), &before.context, &after.context);
    }

    fn rust(&mut self, before: Option<&RustInputs>, after: Option<&RustInputs>) {
        let (Some(before), Some(after)) = (before, after) else {
            // What it brings or removes is not listed, because it explains itself.
            let package = |inputs: Option<&'_ RustInputs>| inputs.map(|it| it.build[0].clone());
            let (before, after) = (package(before), package(after));
            self.value(
                Kind::Prebuild,
                Some("rust"),
                before.as_deref(),
                after.as_deref(),
            );
            return;
        };
        let names = ["package", "binary", "profile", "target"];
        for (name, (left, right)) in names.iter().zip(before.build.iter().zip(&after.build)) {
            self.both(Kind::Prebuild, Some(&format!("rust.{name}")), left, right);
        }
        self.both(Kind::Prebuild, Some("rust.to"), &before.to, &after.to);
        let (old, new) = (&before.environment, &after.environment);
        each(old, new, |name, left, right| {
            let kind = if name.starts_with(CONFIGURATION) {
                Kind::Environment
            } else {
                Kind::Toolchain
            };
            self.value(
                kind,
                Some(name),
                left.map(String::as_str),
                right.map(String::as_str),
            );
        });
        self.map(Kind::Workspace, &before.workspace, &after.workspace);
        self.map(Kind::Member, &before.members, &after.members);
        self.packages(before, after);
        self.entries("", &before.sources, &after.sources);
    }

    /// `folder` is the folder of the page, relative to the checkout.
    fn npm(&mut self, folder: &str, before: Option<&NpmInputs>, after: Option<&NpmInputs>) {
        let (Some(before), Some(after)) = (before, after) else {
            let output = |inputs: Option<&NpmInputs>| inputs.map(|it| it.output.clone());
            let (before, after) = (output(before), output(after));
            self.value(
                Kind::Prebuild,
                Some("npm"),
                before.as_deref(),
                after.as_deref(),
            );
            return;
        };
        self.both(
            Kind::Prebuild,
            Some("npm.output"),
            &before.output,
            &after.output,
        );
        self.both(Kind::Prebuild, Some("npm.to"), &before.to, &after.to);
        self.both(Kind::Prebuild, Some("npm.node"), &before.node, &after.node);
        self.entries(folder, &before.sources, &after.sources);
    }

    fn apt(&mut self, before: Option<&AptInputs>, after: Option<&AptInputs>) {
        let (Some(before), Some(after)) = (before, after) else {
            let to = |inputs: Option<&AptInputs>| inputs.map(|it| it.to.clone());
            let (before, after) = (to(before), to(after));
            self.value(
                Kind::Prebuild,
                Some("apt"),
                before.as_deref(),
                after.as_deref(),
            );
            return;
        };
        self.both(Kind::Prebuild, Some("apt.to"), &before.to, &after.to);
        each(&before.packages, &after.packages, |name, left, right| {
            let version = left.map(|it| it.version.as_str());
            let version_after = right.map(|it| it.version.as_str());
            self.value(Kind::DebianPackage, Some(name), version, version_after);
            if let (Some(left), Some(right)) = (left, right) {
                let label = format!("{name} {}", right.version);
                let (kind, label) = (Kind::DebianPackage, Some(label.as_str()));
                self.both(kind, label, &left.architecture, &right.architecture);
                if left.version == right.version {
                    self.both(kind, label, &left.sha256, &right.sha256);
                }
            }
        });
    }

    fn npm_tools(&mut self, before: Option<&NpmToolsInputs>, after: Option<&NpmToolsInputs>) {
        let (Some(before), Some(after)) = (before, after) else {
            let files = |inputs: Option<&NpmToolsInputs>| -> Option<String> {
                let files: Vec<&str> = inputs?.files.keys().map(String::as_str).collect();
                Some(files.join(", "))
            };
            let (before, after) = (files(before), files(after));
            self.value(
                Kind::Prebuild,
                Some("npm_tools"),
                before.as_deref(),
                after.as_deref(),
            );
            return;
        };
        each(&before.files, &after.files, |to, left, right| {
            let name = format!("npm_tools.files.{to}");
            let (left, right) = (left.map(String::as_str), right.map(String::as_str));
            self.value(Kind::Prebuild, Some(&name), left, right);
        });
        each(&before.packages, &after.packages, |name, left, right| {
            let version = left.map(|it| it.version.as_str());
            let version_after = right.map(|it| it.version.as_str());
            self.value(Kind::NpmPackage, Some(name), version, version_after);
            if let (Some(left), Some(right)) = (left, right)
                && left.version == right.version
            {
                let label = format!("{name} {}", right.version);
                let (old, new) = (&left.integrity, &right.integrity);
                self.both(Kind::NpmPackage, Some(&label), old, new);
            }
        });
    }

    fn map(
        &mut self,
        kind: Kind,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) {
        each(before, after, |name, left, right| {
            let (left, right) = (left.map(String::as_str), right.map(String::as_str));
            self.value(kind, Some(name), left, right);
        });
    }

    /// Adds the difference of a value that both have, if it differs.
    fn both(&mut self, kind: Kind, name: Option<&str>, before: &str, after: &str) {
        self.value(kind, name, Some(before), Some(after));
    }

    /// Adds the difference of a value, if it differs.
    fn value(&mut self, kind: Kind, name: Option<&str>, before: Option<&str>, after: Option<&str>) {
        let change = match (before, after) {
            (left, right) if left == right => return,
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        };
        self.0.push(Difference {
            kind,
            name: name.map(str::to_owned),
            change,
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        });
    }

    /// `folder` is the folder of the entries, relative to the checkout.
    fn entries(&mut self, folder: &str, before: &Entries, after: &Entries) {
        let folder = escape(
            folder
                .trim_start_matches("./")
                .trim_end_matches('/')
                .as_bytes(),
        );
        each(before, after, |path, left, right| {
            let path = match folder.as_str() {
                "" | "." => path.to_owned(),
                folder => format!("{folder}/{path}"),
            };
            self.entry(&path, left, right);
        });
    }

    fn entry(&mut self, path: &str, before: Option<&Entry>, after: Option<&Entry>) {
        use Entry::{Directory, File, Symlink};
        match (before, after) {
            (
                Some(File { mode, digest }),
                Some(File {
                    mode: mode_after,
                    digest: digest_after,
                }),
            ) => {
                let (digest, digest_after) = (digest.to_string(), digest_after.to_string());
                self.both(Kind::File, Some(path), &digest, &digest_after);
                let (mode, mode_after) = (mode.to_string(), mode_after.to_string());
                self.both(Kind::Mode, Some(path), &mode, &mode_after);
            }
            (Some(Symlink { target }), Some(Symlink { target: after })) => {
                self.both(Kind::Symlink, Some(path), target, after);
            }
            (Some(Directory { mode }), Some(Directory { mode: mode_after })) => {
                let (mode, mode_after) = (mode.to_string(), mode_after.to_string());
                self.both(Kind::Mode, Some(path), &mode, &mode_after);
            }
            // An entry is new or gone, or another kind of entry has its path.
            (before, after) => {
                if let Some(entry) = before {
                    self.presence(path, entry, Change::Removed);
                }
                if let Some(entry) = after {
                    self.presence(path, entry, Change::Added);
                }
            }
        }
    }

    fn presence(&mut self, path: &str, entry: &Entry, change: Change) {
        let (kind, value) = match entry {
            Entry::File { digest, .. } => (Kind::File, Some(digest.to_string())),
            Entry::Symlink { target } => (Kind::Symlink, Some(target.clone())),
            Entry::Directory { .. } => (Kind::Directory, None),
        };
        let (before, after) = match change {
            Change::Removed => (value, None),
            _ => (None, value),
        };
        self.0.push(Difference {
            kind,
            name: Some(path.to_owned()),
            change,
            before,
            after,
        });
    }

    /// Adds what differs between the packages: versions, checksums and features.
    fn packages(&mut self, before: &RustInputs, after: &RustInputs) {
        let (before, after) = (packages(before), packages(after));
        let none = BTreeMap::new();
        let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
        for name in names {
            let left = before.get(name).unwrap_or(&none);
            let right = after.get(name).unwrap_or(&none);
            let only = |these: &Versions<'_>, others: &Versions<'_>| -> Vec<String> {
                these
                    .keys()
                    .filter(|version| !others.contains_key(*version))
                    .map(|version| (*version).to_owned())
                    .collect()
            };
            match (only(left, right).as_slice(), only(right, left).as_slice()) {
                ([gone], [come]) => {
                    self.both(Kind::Lock, Some(name), gone, come);
                    let label = format!("{name} {come}");
                    self.features(&label, left[gone.as_str()], right[come.as_str()]);
                }
                (gone, come) => {
                    for version in gone {
                        self.value(Kind::Lock, Some(name), Some(version), None);
                    }
                    for version in come {
                        self.value(Kind::Lock, Some(name), None, Some(version));
                    }
                }
            }
            for (version, left) in left {
                let Some(right) = right.get(version) else {
                    continue;
                };
                let label = format!("{name} {version}");
                self.value(Kind::Lock, Some(&label), left.checksum, right.checksum);
                self.features(&label, *left, *right);
            }
        }
    }

    fn features(&mut self, package: &str, before: Package<'_>, after: Package<'_>) {
        let (old, new) = (before.features(), after.features());
        for feature in old.symmetric_difference(&new) {
            let (before, after) = if old.contains(feature) {
                (Some(*feature), None)
            } else {
                (None, Some(*feature))
            };
            self.value(Kind::Feature, Some(package), before, after);
        }
        // A package that is compiled several times can have the same features in another of them.
        if old == new {
            self.value(
                Kind::Feature,
                Some(package),
                before.features,
                after.features,
            );
        }
    }
}

/// One version of a package.
#[derive(Clone, Copy, Default)]
struct Package<'a> {
    /// Path packages have no checksum.
    checksum: Option<&'a str>,
    /// The sets of features from the inputs, one for each time that the package is compiled.
    features: Option<&'a str>,
}

impl<'a> Package<'a> {
    fn features(self) -> BTreeSet<&'a str> {
        self.features
            .unwrap_or_default()
            .split([',', '|'])
            .map(str::trim)
            .filter(|feature| !feature.is_empty())
            .collect()
    }
}

type Versions<'a> = BTreeMap<&'a str, Package<'a>>;

/// The packages of a closure by name and version.
fn packages(inputs: &RustInputs) -> BTreeMap<&str, Versions<'_>> {
    let mut packages: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    let labels: BTreeSet<&String> = inputs
        .features
        .keys()
        .chain(inputs.checksums.keys())
        .collect();
    for label in labels {
        let (name, version) = label.split_once(' ').unwrap_or((label, ""));
        let package = Package {
            checksum: inputs.checksums.get(label).map(String::as_str),
            features: inputs.features.get(label).map(String::as_str),
        };
        packages.entry(name).or_default().insert(version, package);
    }
    packages
}

/// Calls `differs` for each name whose value differs between two maps, in the order of names.
fn each<V: PartialEq>(
    before: &BTreeMap<String, V>,
    after: &BTreeMap<String, V>,
    mut differs: impl FnMut(&str, Option<&V>, Option<&V>),
) {
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some((left, _)), Some((right, _))) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return,
        };
        let old = if order.is_le() { left.next() } else { None };
        let new = if order.is_ge() { right.next() } else { None };
        let (old_value, new_value) = (old.map(|(_, value)| value), new.map(|(_, value)| value));
        if old_value != new_value
            && let Some((name, _)) = old.or(new)
        {
            differs(name, old_value, new_value);
        }
    }
}

#[cfg(test)]
mod tests;
