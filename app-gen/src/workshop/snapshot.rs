//! The files of a workspace at one moment, in memory.
//!
//! They are read through the cage, and nothing is opened by the generator itself. What is in them is what an
//! agent wrote.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use app_gen_cage::{Bounds, Cage, Refused, read_workspace};
use ignore::gitignore::GitignoreBuilder;

const MEBIBYTE: u64 = 1024 * 1024;

/// How much a workspace may hold without [`EXCLUDED`].
const BOUNDS: Bounds = Bounds {
    entries: 5_000,
    bytes: 64 * MEBIBYTE,
    file_bytes: 16 * MEBIBYTE,
    path_bytes: 200,
};

/// What is installed, and what git keeps. An application's own `.gitignore` is not asked: it is an agent's
/// word about what nobody should look at.
const EXCLUDED: [&str; 2] = ["node_modules", ".git"];
const EXCLUDED_FROM_BUILT: [&str; 1] = [".git"];

/// The same for a built application with the packages that it needs at run time.
const BUILT_BOUNDS: Bounds = Bounds {
    entries: 60_000,
    bytes: 256 * MEBIBYTE,
    file_bytes: 128 * MEBIBYTE,
    path_bytes: 400,
};

/// The files by their paths below the workspace, with `/` between names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) files: BTreeMap<String, File>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) is_executable: bool,
    pub(crate) content: Vec<u8>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.content.len())
    }
}

impl Snapshot {
    /// Reads the application in the workspace of a cage: without what its own `.gitignore` files leave out,
    /// which its builds and runs made. What is left out is neither checked nor published, so nobody gains by
    /// it.
    pub(crate) async fn of_application(cage: &Cage) -> Result<Result<Self, Refused>> {
        Ok(Self::read(cage).await?.map(Self::without_ignored))
    }

    fn without_ignored(mut self) -> Self {
        let mut matchers = Vec::new();
        for (path, text) in self.texts() {
            let Some(folder) = path.strip_suffix(".gitignore") else {
                continue;
            };
            if !folder.is_empty() && !folder.ends_with('/') {
                continue;
            }
            let mut builder = GitignoreBuilder::new(Path::new("/").join(folder));
            for line in text.lines() {
                // A line that is no pattern leaves nothing out, as in git.
                let _ = builder.add_line(None, line);
            }
            matchers.extend(builder.build());
        }
        // The innermost one that has something to say decides.
        matchers.sort_by_key(|matcher| std::cmp::Reverse(matcher.path().as_os_str().len()));
        self.files.retain(|path, _| {
            let path = Path::new("/").join(path);
            let said = matchers
                .iter()
                .filter(|matcher| path.starts_with(matcher.path()))
                .map(|matcher| matcher.matched_path_or_any_parents(&path, false))
                .find(|said| !said.is_none());
            !said.is_some_and(|said| said.is_ignore())
        });
        self
    }

    /// Reads the workspace of a cage.
    ///
    /// The inner error is the fault of who wrote the workspace (links, too much); the outer one is the
    /// machine's.
    pub(crate) async fn read(cage: &Cage) -> Result<Result<Self, Refused>> {
        Self::read_within(cage, &EXCLUDED, &BOUNDS).await
    }

    /// As [`Snapshot::read`], of an application that is built: with the packages that are installed.
    pub(crate) async fn read_built(cage: &Cage) -> Result<Result<Self, Refused>> {
        Self::read_within(cage, &EXCLUDED_FROM_BUILT, &BUILT_BOUNDS).await
    }

    async fn read_within(
        cage: &Cage,
        excluded: &'static [&'static str],
        bounds: &'static Bounds,
    ) -> Result<Result<Self, Refused>> {
        let cage = cage.clone();
        // The process that packs has a bound, so this thread ends, also if nobody waits for it any more.
        let read = move || Self::read_blocking(&cage, excluded, bounds);
        let read = tokio::task::spawn_blocking(read).await;
        match read.context("reading the workspace did not finish")? {
            Err(refused @ (Refused::Packer(..) | Refused::Stream(_))) => {
                Err(refused).context("failed to read the workspace")
            }
            read => Ok(read),
        }
    }

    fn read_blocking(cage: &Cage, excluded: &[&str], bounds: &Bounds) -> Result<Self, Refused> {
        let mut files = BTreeMap::new();
        read_workspace(cage, excluded, bounds, |packed| {
            let mut content = Vec::new();
            packed.content.read_to_end(&mut content)?;
            let file = File {
                is_executable: packed.is_executable,
                content,
            };
            // Paths are UTF-8 with plain names: others are refused before this.
            files.insert(packed.path.display().to_string(), file);
            Ok(())
        })?;
        Ok(Self { files })
    }

    /// The text of a file; nothing where there is no such file or it is not UTF-8.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        let file = self.files.get(path)?;
        std::str::from_utf8(&file.content).ok()
    }

    /// All files that are UTF-8, with their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, file)| {
            let text = std::str::from_utf8(&file.content).ok()?;
            Some((path.as_str(), text))
        })
    }
}

/// The extension of a path in lower case; empty if it has none.
pub(crate) fn extension(path: &str) -> String {
    let extension = Path::new(path).extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A snapshot of plain files.
    pub(crate) fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        let files = files.iter().map(|(path, text)| {
            let file = File {
                is_executable: false,
                content: text.as_bytes().to_vec(),
            };
            ((*path).to_owned(), file)
        });
        Snapshot {
            files: files.collect(),
        }
    }

    #[test]
    fn what_git_would_ignore_is_left_out() {
        let made = snapshot(&[
            (".gitignore", "dist/\n*.log\n!keep.log\n/data\n[\n"),
            ("dist/index.html", ""),
            ("web/dist/a.js", ""),
            ("web/data", ""),
            ("data/x.json", ""),
            ("a.log", ""),
            ("keep.log", ""),
            ("server/.gitignore", "!b.log\nsecret.txt\n"),
            ("server/b.log", ""),
            ("server/secret.txt", ""),
            ("secret.txt", ""),
            ("x.gitignore", "*\n"),
        ]);
        let left: Vec<String> = made.without_ignored().files.into_keys().collect();
        assert_eq!(
            left,
            [
                ".gitignore",
                "keep.log",
                "secret.txt",
                "server/.gitignore",
                "server/b.log",
                "web/data",
                "x.gitignore",
            ]
        );
    }

    #[test]
    fn texts_are_those_of_utf_8() {
        let mut made = snapshot(&[("a.js", "x")]);
        let binary = File {
            is_executable: false,
            content: vec![0xff],
        };
        made.files.insert("b.png".to_owned(), binary);
        assert_eq!(made.texts().collect::<Vec<_>>(), [("a.js", "x")]);
        assert_eq!(made.text("b.png"), None);
        assert_eq!(extension("A/b.TSX"), "tsx");
        assert_eq!(extension("Makefile"), "");
    }
}
