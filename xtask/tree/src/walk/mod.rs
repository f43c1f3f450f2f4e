//! Reads a tree of files: the context of an image, or the sources of a package.
//!
//! Several threads read directories, the deepest first. Each is opened by its name within its open
//! parent, so that no path is too long, no tree too deep, and nobody can swap in a link. The result
//! was there at one moment: a file or a directory that changes meanwhile is read again, and so is
//! the whole tree where a name has vanished since its directory was listed.

mod steady;

use crate::content;
use crate::entry::{Digest, Entries, Entry, Modes, escape};
use crate::stat_cache::StatCache;
use crate::walk::steady::{Changing, Trouble};
use crate::work_queue::WorkQueue;
use ignore::gitignore::Gitignore;
use rustix::fs::{AtFlags, FileType};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;

/// How often a tree is read in which names vanish.
const TREE_ATTEMPTS: usize = 3;
/// How many files of one directory make one task.
const FILES_PER_TASK: usize = 128;
/// Room for more than a hundred of the longest names.
const LISTING_BYTES: usize = 32 * 1024;

/// Decides which part of a tree is wanted.
pub trait Filter: Sync {
    /// What the filter remembers of a directory until it decides upon its content. The root has the
    /// default.
    type State: Default + Send + Sync;

    /// Which part of modes counts.
    fn modes(&self) -> Modes {
        Modes::OfGit
    }

    /// Decides upon one item. `parent` is the state of the directory that it is in.
    fn decide(&self, item: &Item<'_>, parent: &Self::State)
    -> anyhow::Result<Verdict<Self::State>>;
}

/// One name in a directory.
#[derive(Debug)]
pub struct Item<'a> {
    /// The path relative to the root of the tree.
    pub path: &'a [u8],
    /// Whether it is a directory. A link to a directory is not one.
    pub is_directory: bool,
    directory: BorrowedFd<'a>,
    name: &'a CStr,
}

impl Item<'_> {
    /// Whether this directory has a file with this name.
    fn has_file(&self, name: &str) -> bool {
        let path = [self.name.to_bytes(), name.as_bytes()].join(&b'/');
        rustix::fs::statat(self.directory, path, AtFlags::empty())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file())
    }
}

/// What a filter decides.
#[derive(Debug)]
pub enum Verdict<S> {
    /// The item is wanted. Where it is a directory, its content is decided upon with this state.
    Keep(S),
    /// This directory is wanted only where something in it is.
    Below(S),
    /// This file is wanted, but without its content.
    Emptied,
    /// Neither the item nor anything in it is wanted.
    Skip,
}

/// A filter that keeps everything.
#[derive(Debug, Clone, Copy)]
pub struct Everything;

impl Filter for Everything {
    type State = ();

    fn decide(&self, _item: &Item<'_>, (): &()) -> anyhow::Result<Verdict<()>> {
        Ok(Verdict::Keep(()))
    }
}

/// Keeps the sources of a package: not what the package excludes, which never is its manifest, and
/// not the packages within it, which are read as trees of their own where they are needed.
impl Filter for Gitignore {
    type State = ();

    fn decide(&self, item: &Item<'_>, (): &()) -> anyhow::Result<Verdict<()>> {
        let path = Path::new(OsStr::from_bytes(item.path));
        let is_excluded =
            item.path != b"Cargo.toml" && self.matched(path, item.is_directory).is_ignore();
        if is_excluded || (item.is_directory && item.has_file("Cargo.toml")) {
            return Ok(Verdict::Skip);
        }
        Ok(Verdict::Keep(()))
    }
}

/// The sources of the package in the folder `root`, by path relative to it. Cargo's `exclude` has
/// the semantics of gitignore; `excludes` is to have the empty path as its root.
///
/// # Errors
/// As [`read`].
pub fn package(root: &Path, excludes: &Gitignore, cache: &StatCache) -> anyhow::Result<Entries> {
    read(root, excludes, cache)
}

/// What the filter wants of the tree below `root`, by path relative to it. The root itself does not
/// become an entry.
///
/// # Errors
/// Something cannot be read, is neither a file, a directory nor a link, or keeps changing while it
/// is read. Of several such things the one with the first path is reported.
pub fn read<F: Filter>(root: &Path, filter: &F, cache: &StatCache) -> anyhow::Result<Entries> {
    let mut attempts = 0..TREE_ATTEMPTS;
    loop {
        attempts.next();
        let walk = Walk {
            root,
            filter,
            cache,
            queue: WorkQueue::new(),
            failure: Mutex::new(None),
            failed: AtomicBool::new(false),
        };
        match walk.read() {
            Err(error) if error.is::<Changing>() && !attempts.is_empty() => {}
            Err(error) => return Err(explain(error)),
            Ok(entries) => return Ok(entries),
        }
    }
}

fn explain(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Changing>() {
        Ok(changing) => Failure::new(Code::Build, changing.to_string())
            .hint("run the command again when nothing writes there, or exclude it")
            .into(),
        Err(error) => error,
    }
}

/// A directory that stays open as long as something in it is still to be read.
struct Directory<S> {
    handle: OwnedFd,
    /// The path relative to the root.
    path: Vec<u8>,
    wanted: Wanted,
    state: S,
}

/// Whether a directory becomes an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Always,
    /// Where something in it is wanted.
    WithContent,
    /// The root of the tree is no entry.
    Never,
}

impl<S> Directory<S> {
    fn path_of(&self, name: &CStr) -> Vec<u8> {
        join(&self.path, name)
    }
}

/// What one thread does at a time.
enum Task<S> {
    Root(Directory<S>),
    Directory {
        parent: Arc<Directory<S>>,
        name: CString,
        wanted: Wanted,
        state: S,
    },
    Files {
        directory: Arc<Directory<S>>,
        names: Vec<CString>,
    },
}

/// What one thread has found.
#[derive(Default)]
struct Found {
    entries: Vec<(String, Entry)>,
    /// Directories that are wanted only where something in them is.
    conditional: Vec<(String, Entry)>,
    /// Files whose content is not wanted.
    emptied: Vec<String>,
}

/// What the threads share.
struct Walk<'a, F: Filter> {
    root: &'a Path,
    filter: &'a F,
    cache: &'a StatCache,
    queue: WorkQueue<Task<F::State>>,
    /// The failure with the first path.
    failure: Mutex<Option<(Vec<u8>, anyhow::Error)>>,
    failed: AtomicBool,
}

impl<F: Filter> Walk<'_, F> {
    fn read(self) -> anyhow::Result<Entries> {
        let handle = steady::open_root(self.root).map_err(|trouble| trouble.at(self.root))?;
        self.queue.push(Task::Root(Directory {
            handle,
            path: Vec::new(),
            wanted: Wanted::Never,
            state: F::State::default(),
        }));
        let readers = self.queue.work(|| Reader::new(&self), Reader::perform);
        let found: Vec<Found> = readers.into_iter().map(|reader| reader.found).collect();
        let failure = self.failure.into_inner();
        match failure.unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(assemble(found)),
        }
    }

    fn fail(&self, path: Vec<u8>, error: anyhow::Error) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|(first, _)| path < *first) {
            *failure = Some((path, error));
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the path need not be read any more, because an earlier one has failed.
    fn is_moot(&self, path: &[u8]) -> bool {
        self.failed.load(Ordering::Relaxed)
            && matches!(
                &*self.failure.lock().unwrap_or_else(PoisonError::into_inner),
                Some((first, _)) if first.as_slice() <= path
            )
    }

    fn trouble(&self, path: Vec<u8>, trouble: Trouble) {
        let absolute = self.root.join(OsStr::from_bytes(&path));
        self.fail(path, trouble.at(&absolute));
    }
}

/// One thread with its buffers.
struct Reader<'a, F: Filter> {
    walk: &'a Walk<'a, F>,
    found: Found,
    content: Vec<u8>,
    listing: Vec<u8>,
}

impl<'a, F: Filter> Reader<'a, F> {
    fn new(walk: &'a Walk<'a, F>) -> Self {
        Self {
            walk,
            found: Found::default(),
            content: content::buffer(),
            listing: Vec::with_capacity(LISTING_BYTES),
        }
    }

    fn perform(&mut self, task: Task<F::State>) {
        if let Err(error) = interrupt::check() {
            // The empty path is before every other, so that this failure is the one reported.
            return self.walk.fail(Vec::new(), error.into());
        }
        match task {
            Task::Root(root) => self.read_directory(root),
            Task::Files { directory, names } => self.read_files(&directory, names),
            Task::Directory {
                parent,
                name,
                wanted,
                state,
            } => {
                let path = parent.path_of(&name);
                if self.walk.is_moot(&path) {
                    return;
                }
                match steady::open_directory(&parent.handle, &name) {
                    Ok(handle) => self.read_directory(Directory {
                        handle,
                        path,
                        wanted,
                        state,
                    }),
                    Err(trouble) => self.walk.trouble(path, trouble),
                }
            }
        }
    }

    fn read_directory(&mut self, directory: Directory<F::State>) {
        let listed = steady::list(&directory.handle, self.listing.spare_capacity_mut());
        let (mode, names) = match listed {
            Ok(listed) => listed,
            Err(trouble) => return self.walk.trouble(directory.path, trouble),
        };
        let mode = self.walk.filter.modes().of_directory(mode);
        let entry = || (escape(&directory.path), Entry::Directory { mode });
        match directory.wanted {
            Wanted::Always => self.found.entries.push(entry()),
            Wanted::WithContent => self.found.conditional.push(entry()),
            Wanted::Never => {}
        }
        let directory = Arc::new(directory);
        let mut files = Vec::new();
        for (name, kind) in names {
            let path = directory.path_of(&name);
            let item = Item {
                path: &path,
                is_directory: kind.is_dir(),
                directory: directory.handle.as_fd(),
                name: &name,
            };
            let (wanted, state) = match self.walk.filter.decide(&item, &directory.state) {
                Ok(Verdict::Keep(_)) if !item.is_directory => {
                    files.push(name);
                    continue;
                }
                Ok(Verdict::Emptied) => {
                    self.found.emptied.push(escape(&path));
                    files.push(name);
                    continue;
                }
                Ok(Verdict::Keep(state)) => (Wanted::Always, state),
                Ok(Verdict::Below(state)) if item.is_directory => (Wanted::WithContent, state),
                Ok(_) => continue,
                Err(error) => {
                    self.walk.fail(path, error);
                    continue;
                }
            };
            self.walk.queue.push(Task::Directory {
                parent: Arc::clone(&directory),
                name,
                wanted,
                state,
            });
        }
        while files.len() > FILES_PER_TASK {
            self.walk.queue.push(Task::Files {
                directory: Arc::clone(&directory),
                names: files.split_off(files.len() - FILES_PER_TASK),
            });
        }
        self.read_files(&directory, files);
    }

    fn read_files(&mut self, directory: &Directory<F::State>, names: Vec<CString>) {
        for name in names {
            let path = directory.path_of(&name);
            if self.walk.is_moot(&path) {
                continue;
            }
            let entry = steady::read(
                &directory.handle,
                &name,
                self.walk.filter.modes(),
                self.walk.cache,
                &mut self.content,
            );
            match entry {
                Ok(entry) => self.found.entries.push((escape(&path), entry)),
                Err(trouble) => self.walk.trouble(path, trouble),
            }
        }
    }
}

fn join(directory: &[u8], name: &CStr) -> Vec<u8> {
    let name = name.to_bytes();
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    if !directory.is_empty() {
        path.extend_from_slice(directory);
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

fn assemble(found: Vec<Found>) -> Entries {
    let mut entries = Entries::new();
    let mut conditional = Vec::new();
    let mut emptied = Vec::new();
    for found in found {
        entries.extend(found.entries);
        conditional.extend(found.conditional);
        emptied.extend(found.emptied);
    }
    for path in emptied {
        if let Some(Entry::File { digest, .. }) = entries.get_mut(&path) {
            *digest = Digest::of(b"");
        }
    }
    for (directory, entry) in conditional {
        let below = format!("{directory}/");
        let first = entries.range(below.clone()..).next();
        if first.is_some_and(|(path, _)| path.starts_with(&below)) {
            entries.insert(directory, entry);
        }
    }
    entries
}
