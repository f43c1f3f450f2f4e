//! The files in which rustc lists what it has read, and the makefile rules that cargo writes.

use crate::rust::environment;
use std::fs;
use std::path::{Path, PathBuf};

/// The files in which rustc lists what it has read, one for each crate of the target folder: the
/// crates of the binary, and those that run during the build (scripts, procedural macros, and what
/// these need).
pub(super) fn rustc_info_paths(target: &Path, binary: &Path) -> Vec<PathBuf> {
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

/// What is in a folder; nothing if it cannot be read.
pub(super) fn listing(folder: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).into_iter().flatten();
    items.flatten().map(|item| item.path()).collect()
}

/// What rustc has read for one crate.
pub(super) struct RustcInfo {
    /// At least one path, relative to the checkout, where cargo starts rustc.
    pub(super) sources: Vec<String>,
    /// The variables that are compiled in, with their values.
    pub(super) environment: Vec<(String, String)>,
}

impl RustcInfo {
    pub(super) fn parse(text: &str) -> Self {
        let mut info = Self {
            sources: Vec::new(),
            environment: Vec::new(),
        };
        for line in text.lines() {
            if let Some(dependency) = line.strip_prefix("# env-dep:") {
                // A variable that was not set has no value here.
                let (name, value) = dependency.split_once('=').unwrap_or((dependency, ""));
                info.environment.push((name.to_owned(), value.to_owned()));
            } else if let Some(source) = line.strip_suffix(':') {
                // Each source is also the target of a rule without prerequisites.
                info.sources.extend(split_make(source));
            }
        }
        info
    }

    /// Whether its first source, the root of the crate, is in one of the folders.
    pub(super) fn is_of<'a>(
        &self,
        root: &Path,
        folders: impl IntoIterator<Item = &'a Path>,
    ) -> bool {
        self.sources.first().is_some_and(|source| {
            let source = root.join(source);
            folders
                .into_iter()
                .any(|folder| source.starts_with(root.join(folder)))
        })
    }
}

/// A path as cargo and rustc write it in a makefile rule: they escape nothing but spaces.
pub(super) fn escape_make(path: &str) -> String {
    path.replace(' ', "\\ ")
}

/// The paths of a makefile rule.
pub(super) fn split_make(list: &str) -> Vec<String> {
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
        let is_of = |folder: &str| info.is_of(root, [Path::new(folder)]);
        assert!(is_of("one") && is_of(""));
        assert!(!is_of("on") && !is_of("other"));
    }
}
