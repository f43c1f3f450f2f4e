//! What differs between the inputs of two keys, by name.

use super::difference::{Change, Difference, Kind};
use super::entry::{Entries, Entry, Mode, escape};
use super::inputs::{Inputs, NpmInputs, RustInputs};
use app_gen_infra::Image;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that differs between two inputs of an image, each thing once.
///
/// The image is what the manifest says of it now: inputs do not name the folders
/// they were read from, because those cannot change the image.
#[must_use]
pub fn differences(image: &Image, before: &Inputs, after: &Inputs) -> Vec<Difference> {
    let mut found = Differences::default();
    found.docker(image, before, after);
    found.rust(before.rust.as_ref(), after.rust.as_ref());
    let page = image.npm.as_ref().map_or("", |npm| npm.folder.get_ref());
    found.npm(page, before.npm.as_ref(), after.npm.as_ref());
    // A file may be in the context and among the sources, and is one thing to a person.
    found.0.sort();
    found.0.dedup();
    found.0
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn docker(&mut self, image: &Image, before: &Inputs, after: &Inputs) {
        self.value(
            Kind::Platform,
            None,
            Some(&before.platform),
            Some(&after.platform),
        );
        self.value(
            Kind::Target,
            None,
            before.target.as_ref(),
            after.target.as_ref(),
        );
        self.map(Kind::Argument, &before.args, &after.args);
        self.map(Kind::Base, &before.bases, &after.bases);
        self.value(
            Kind::Dockerfile,
            Some(image.dockerfile.get_ref()),
            Some(&before.dockerfile),
            Some(&after.dockerfile),
        );
        self.value(
            Kind::IgnoreFile,
            None,
            before.ignore_file.as_ref(),
            after.ignore_file.as_ref(),
        );
        self.entries(image.context.get_ref(), &before.context, &after.context);
    }

    fn rust(&mut self, before: Option<&RustInputs>, after: Option<&RustInputs>) {
        let (Some(before), Some(after)) = (before, after) else {
            // All that it brings or takes along goes without saying.
            let package = |inputs: &RustInputs| inputs.build[0].clone();
            self.value(
                Kind::Prebuild,
                Some("rust"),
                before.map(package).as_ref(),
                after.map(package).as_ref(),
            );
            return;
        };
        for (name, (left, right)) in ["package", "binary", "profile", "target"]
            .iter()
            .zip(before.build.iter().zip(&after.build))
        {
            self.value(Kind::Prebuild, Some(name), Some(left), Some(right));
        }
        self.value(
            Kind::Prebuild,
            Some("to"),
            Some(&before.to),
            Some(&after.to),
        );
        each(
            &before.environment,
            &after.environment,
            |name, left, right| {
                let kind = if name.starts_with("cargo config") {
                    Kind::Environment
                } else {
                    Kind::Toolchain
                };
                self.value(kind, Some(name), left, right);
            },
        );
        self.map(Kind::Workspace, &before.workspace, &after.workspace);
        self.map(Kind::Member, &before.members, &after.members);
        self.packages(before, after);
        self.entries("", &before.sources, &after.sources);
    }

    fn npm(&mut self, folder: &str, before: Option<&NpmInputs>, after: Option<&NpmInputs>) {
        let (Some(before), Some(after)) = (before, after) else {
            let output = |inputs: &NpmInputs| inputs.output.clone();
            self.value(
                Kind::Prebuild,
                Some("npm"),
                before.map(output).as_ref(),
                after.map(output).as_ref(),
            );
            return;
        };
        self.value(
            Kind::Prebuild,
            Some("output"),
            Some(&before.output),
            Some(&after.output),
        );
        self.value(
            Kind::Prebuild,
            Some("to"),
            Some(&before.to),
            Some(&after.to),
        );
        self.entries(folder, &before.sources, &after.sources);
    }

    fn map(
        &mut self,
        kind: Kind,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) {
        each(before, after, |name, left, right| {
            self.value(kind, Some(name), left, right);
        });
    }

    /// Notes a value that differs.
    fn value(
        &mut self,
        kind: Kind,
        name: Option<&str>,
        before: Option<&String>,
        after: Option<&String>,
    ) {
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
            before: before.cloned(),
            after: after.cloned(),
        });
    }

    /// `folder` is where the entries were read, relative to the checkout.
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
                let mode_name = |mode: &Mode| format!("{:o}", mode.bits());
                self.value(
                    Kind::File,
                    Some(path),
                    Some(&digest.to_string()),
                    Some(&digest_after.to_string()),
                );
                self.value(
                    Kind::Mode,
                    Some(path),
                    Some(&mode_name(mode)),
                    Some(&mode_name(mode_after)),
                );
            }
            (Some(Symlink { target }), Some(Symlink { target: after })) => {
                self.value(Kind::Symlink, Some(path), Some(target), Some(after));
            }
            (Some(Directory), Some(Directory)) => {}
            // One kind took the place of another, or of nothing.
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
            Entry::Directory => (Kind::Directory, None),
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

    /// What became of the packages: a version, its checksum, its features.
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
                    self.value(Kind::Lock, Some(name), Some(gone), Some(come));
                    let label = format!("{name} {come}");
                    self.features(&label, left[gone.as_str()], right[come.as_str()]);
                }
                (gone, come) => {
                    // Path packages are told of by their folders.
                    for version in gone
                        .iter()
                        .filter(|&it| left[it.as_str()].checksum.is_some())
                    {
                        self.value(Kind::Lock, Some(name), Some(version), None);
                    }
                    for version in come
                        .iter()
                        .filter(|&it| right[it.as_str()].checksum.is_some())
                    {
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
        let (before, after) = (before.features(), after.features());
        for feature in before.symmetric_difference(&after) {
            let feature = (*feature).to_owned();
            let (before, after) = match before.contains(feature.as_str()) {
                true => (Some(&feature), None),
                false => (None, Some(&feature)),
            };
            self.value(Kind::Feature, Some(package), before, after);
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Package<'a> {
    checksum: Option<&'a String>,
    features: &'a str,
}

impl<'a> Package<'a> {
    fn features(self) -> BTreeSet<&'a str> {
        self.features
            .split(',')
            .filter(|feature| !feature.is_empty())
            .collect()
    }
}

type Versions<'a> = BTreeMap<&'a str, Package<'a>>;

/// The packages of a closure by name and version.
fn packages(inputs: &RustInputs) -> BTreeMap<&str, Versions<'_>> {
    let mut packages: BTreeMap<&str, Versions<'_>> = BTreeMap::new();
    for (label, features) in &inputs.features {
        let (name, version) = label.split_once(' ').unwrap_or((label, ""));
        let package = Package {
            checksum: inputs.checksums.get(label),
            features,
        };
        packages.entry(name).or_default().insert(version, package);
    }
    packages
}

/// Walks two maps side by side and hands over what differs, in order of name.
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
