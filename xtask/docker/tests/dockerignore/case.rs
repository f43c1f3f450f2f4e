//! A tree with its ignore files: in memory, on disk, and as a text that is kept.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use xtask_core::digest::digest_bytes;
use xtask_tree::entry;

/// One `COPY`, and one only: the engine's library for patterns crashes, and the
/// engine with it, when it tries a pattern again that it could not compile.
pub(crate) const DOCKERFILE: &[u8] = b"FROM scratch\nCOPY . /xtask-dockerignore/\n";

/// Where the context arrives. The builder's records of these tests are found by this name.
pub(crate) const DESTINATION: &str = "xtask-dockerignore";

/// What is on disk, by its path: `context/…` or `outside/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) note: String,
    pub(crate) dockerfile: Vec<u8>,
    pub(crate) tree: BTreeMap<Vec<u8>, Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A file with its mode, or with the one that new files have.
    File(Option<u32>, Vec<u8>),
    Directory(Option<u32>),
    Link(Vec<u8>),
    /// The file with the instructions. Without one in the tree, it is where the build looks for it.
    Dockerfile,
}

/// What was found, by its path in the context or in the image.
pub(crate) type Tree = BTreeMap<Vec<u8>, Found>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Directory { mode: u32 },
    Link(Vec<u8>),
    File { mode: u32, sha256: String },
}

/// A case as it is kept. Bytes that are not UTF-8, and backslashes, are escaped.
#[derive(Serialize, Deserialize)]
struct Kept {
    note: String,
    dockerfile: String,
    tree: BTreeMap<String, String>,
}

pub(crate) fn unescape(text: &str) -> Vec<u8> {
    entry::unescape(text).into_vec()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerignore/kept")
}

impl Case {
    /// All that were kept, by name.
    pub(crate) fn kept() -> Vec<Self> {
        let mut paths: Vec<_> = fs::read_dir(folder())
            .unwrap()
            .map(|item| item.unwrap().path())
            .collect();
        paths.sort();
        let read = |path: &PathBuf| Self::parse(&fs::read_to_string(path).unwrap());
        paths.iter().map(read).collect()
    }

    /// Writes it beside the others, under a name from its content.
    pub(crate) fn keep(&self) -> String {
        let json = self.to_json();
        let name = format!("found-{}.json", &digest_bytes(json.as_bytes())[..8]);
        fs::write(folder().join(&name), json).unwrap();
        name
    }

    pub(crate) fn parse(json: &str) -> Self {
        let kept: Kept = serde_json::from_str(json).unwrap();
        let node = |text: &str| {
            let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
            let (kind, mode) = match kind.split_once('-') {
                Some((kind, mode)) => (kind, Some(u32::from_str_radix(mode, 8).unwrap())),
                None => (kind, None),
            };
            match kind {
                "directory" => Node::Directory(mode),
                "link" => Node::Link(unescape(rest)),
                "file" => Node::File(mode, unescape(rest)),
                "dockerfile" => Node::Dockerfile,
                other => panic!("{other}"),
            }
        };
        let tree = kept.tree.iter();
        Self {
            note: kept.note,
            dockerfile: unescape(&kept.dockerfile),
            tree: tree
                .map(|(path, text)| (unescape(path), node(text)))
                .collect(),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let suffix = |mode: &Option<u32>| mode.map_or(String::new(), |mode| format!("-{mode:o}"));
        let text = |node: &Node| match node {
            Node::Directory(mode) => format!("directory{}", suffix(mode)),
            Node::Link(target) => format!("link {}", entry::escape(target)),
            Node::File(mode, bytes) => format!("file{} {}", suffix(mode), entry::escape(bytes)),
            Node::Dockerfile => "dockerfile".to_owned(),
        };
        let tree = self.tree.iter();
        let kept = Kept {
            note: self.note.clone(),
            dockerfile: entry::escape(&self.dockerfile),
            tree: tree
                .map(|(path, node)| (entry::escape(path), text(node)))
                .collect(),
        };
        serde_json::to_string_pretty(&kept).unwrap() + "\n"
    }

    /// Writes it to disk, `context` under another name.
    pub(crate) fn write(&self, folder: &Path, context: &str) {
        for name in [context, "outside"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let is_elsewhere = self.tree.contains_key(&self.dockerfile)
            || self.tree.values().any(|node| *node == Node::Dockerfile);
        let dockerfile = (!is_elsewhere).then_some((&self.dockerfile, &Node::Dockerfile));
        for (path, node) in self.tree.iter().chain(dockerfile) {
            let path = place(folder, context, path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let set = |mode: &Option<u32>| {
                if let Some(mode) = mode {
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
            };
            match node {
                Node::Directory(mode) => {
                    fs::create_dir_all(&path).unwrap();
                    set(mode);
                }
                Node::Dockerfile => fs::write(&path, DOCKERFILE).unwrap(),
                Node::Link(target) => {
                    std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &path).unwrap();
                }
                Node::File(mode, bytes) => {
                    fs::write(&path, bytes).unwrap();
                    set(mode);
                }
            }
        }
    }
}

/// Where a path of a case is on disk.
pub(crate) fn place(folder: &Path, context: &str, path: &[u8]) -> PathBuf {
    let relative = match path.strip_prefix(b"context/") {
        Some(rest) => [context.as_bytes(), b"/", rest].concat(),
        None => path.to_vec(),
    };
    folder.join(std::ffi::OsString::from_vec(relative))
}

/// All of a folder, read without the code under test.
pub(crate) fn read(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for item in fs::read_dir(current).unwrap() {
            let path = item.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let found = if metadata.is_symlink() {
                Found::Link(fs::read_link(&path).unwrap().into_os_string().into_vec())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                Found::Directory { mode }
            } else {
                let bytes = fs::read(&path).unwrap();
                Found::File {
                    mode,
                    sha256: digest_bytes(&bytes),
                }
            };
            let relative = path.strip_prefix(folder).unwrap();
            tree.insert(relative.as_os_str().as_bytes().to_vec(), found);
        }
    }
    tree
}
