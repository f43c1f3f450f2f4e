//! Reading a tree of files: every context and every package's sources.
//!
//! Directories are read by several threads, deepest first, each by a handle and a name: no
//! path is too long, no depth too deep, and a link swapped in leads nowhere. What is read
//! was there at one time: a file or a listing that changes meanwhile is read again, and
//! the whole tree where a name has vanished since it was listed.

use super::content;
use super::entry::{Digest, Entries, Entry, Mode, escape};
use super::error::{Code, Failure};
use super::identity::{Identity, Timestamp};
use super::ignore::{Matches, Rules};
use super::interrupt;
use super::stat_cache::StatCache;
use super::work_queue::WorkQueue;
use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, FileType, Mode as OpenMode, OFlags, RawDir, SeekFrom, Stat};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often something that changes under our eyes is tried.
const ATTEMPTS: usize = 10;
/// How often a tree is begun anew in which names vanish.
const TREE_ATTEMPTS: usize = 3;
/// A file touched less than this ago is waited for: within one tick of the clock (10 ms at
/// most) a second change would not show, and a `write` is stamped before its bytes arrive.
const QUIET: Duration = Duration::from_millis(10);
/// Files of one directory that are one thread's work.
const FILES_PER_TASK: usize = 128;
/// As many handles as a tree may need: one for each level that is being read.
const HANDLES: u64 = 65_536;
/// Enough for more than a hundred of the longest names.
const LISTING_BYTES: usize = 32 * 1024;

/// Which part of a tree is wanted.
pub trait Filter: Sync {
    /// What is known of a directory when its content is decided upon. The root's is the
    /// default.
    type State: Default + Send + Sync;

    /// Decides upon one item, given its directory's state.
    ///
    /// # Errors
    /// The filter's own.
    fn decide(&self, item: &Item<'_>, parent: &Self::State)
    -> anyhow::Result<Verdict<Self::State>>;
}

/// One name of a directory.
#[derive(Debug)]
pub struct Item<'a> {
    /// Relative to the root of the tree.
    pub path: &'a [u8],
    /// A link to a directory is none.
    pub is_directory: bool,
    directory: BorrowedFd<'a>,
    name: &'a CStr,
}

impl Item<'_> {
    /// Whether this directory has a file with this name.
    #[must_use]
    pub fn has_file(&self, name: &str) -> bool {
        let path = [self.name.to_bytes(), name.as_bytes()].join(&b'/');
        rustix::fs::statat(self.directory, path, AtFlags::empty())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file())
    }
}

/// What becomes of an item.
#[derive(Debug)]
pub enum Verdict<S> {
    /// It is wanted; of a directory, what is below is decided upon with this state.
    Keep(S),
    /// This directory is wanted only where something below it is.
    Below(S),
    /// This file is wanted without its content.
    Emptied,
    /// Neither it nor what is below.
    Skip,
}

/// What Docker takes of a context.
impl Filter for Rules {
    type State = Matches;

    fn decide(&self, item: &Item<'_>, parent: &Matches) -> anyhow::Result<Verdict<Matches>> {
        let matches = self.matches(item.path, parent)?;
        Ok(if matches.emptied && !item.is_directory {
            Verdict::Emptied
        } else if !matches.ignored {
            Verdict::Keep(matches)
        } else if item.is_directory && self.may_keep_below(item.path) {
            Verdict::Below(matches)
        } else {
            Verdict::Skip
        })
    }
}

/// All of a folder that the filter wants. The folder itself is no entry.
///
/// # Errors
/// Something cannot be read, is neither file, directory nor link, or does not stay the same
/// while it is read: of several such things the one with the first path is told.
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

/// The name leads to something else than a moment ago.
#[derive(Debug, thiserror::Error)]
#[error("{} changes while it is being read", .0.display())]
struct Changing(PathBuf);

fn explain(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Changing>() {
        Ok(changing) => Failure::new(Code::Build, changing.to_string())
            .hint("run the command again when nothing writes there, or exclude it")
            .into(),
        Err(error) => error,
    }
}

/// An open directory, for as long as something in it is still to be read.
struct Directory<S> {
    handle: OwnedFd,
    /// Relative to the root.
    path: Vec<u8>,
    state: S,
}

impl<S> Directory<S> {
    fn path_of(&self, name: &CStr) -> Vec<u8> {
        join(&self.path, name)
    }
}

/// Work for one thread.
enum Task<S> {
    Root(Directory<S>),
    Directory {
        parent: Arc<Directory<S>>,
        name: CString,
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
    /// Directories that are wanted where something below is.
    conditional: Vec<String>,
    /// Files whose content is not wanted.
    emptied: Vec<String>,
}

/// Everything that the threads share.
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
        // A link to the root is followed, as Docker does.
        let handle = open_directory(CWD, self.root, OFlags::empty())
            .map_err(|errno| refused("open", self.root, errno))?;
        self.queue.push(Task::Root(Directory {
            handle,
            path: Vec::new(),
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

    /// Whether nothing at or below the path matters any more: a failure comes first.
    fn is_moot(&self, path: &[u8]) -> bool {
        self.failed.load(Ordering::Relaxed)
            && matches!(
                &*self.failure.lock().unwrap_or_else(PoisonError::into_inner),
                Some((first, _)) if first.as_slice() <= path
            )
    }

    fn absolute(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }
}

/// One thread, with its buffers.
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
            // Before every path: it is the one that is told.
            return self.walk.fail(Vec::new(), error.into());
        }
        match task {
            Task::Root(root) => self.read_directory(root),
            Task::Files { directory, names } => self.read_files(&directory, names),
            Task::Directory {
                parent,
                name,
                state,
            } => {
                let path = parent.path_of(&name);
                if self.walk.is_moot(&path) {
                    return;
                }
                match open_directory(&parent.handle, &name, OFlags::NOFOLLOW) {
                    Ok(handle) => {
                        drop(parent);
                        self.read_directory(Directory {
                            handle,
                            path,
                            state,
                        });
                    }
                    Err(errno) => {
                        let error = failed("open", self.walk.absolute(&path), errno);
                        self.walk.fail(path, error);
                    }
                }
            }
        }
    }

    fn read_directory(&mut self, directory: Directory<F::State>) {
        let names = match self.list(&directory) {
            Ok(names) => names,
            Err(error) => return self.walk.fail(directory.path, error),
        };
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
            let state = match self.walk.filter.decide(&item, &directory.state) {
                Ok(Verdict::Keep(_)) if !item.is_directory => {
                    files.push(name);
                    continue;
                }
                Ok(Verdict::Emptied) => {
                    self.found.emptied.push(escape(&path));
                    files.push(name);
                    continue;
                }
                Ok(Verdict::Keep(state)) => {
                    let entry = (escape(&path), Entry::Directory);
                    self.found.entries.push(entry);
                    state
                }
                Ok(Verdict::Below(state)) if item.is_directory => {
                    self.found.conditional.push(escape(&path));
                    state
                }
                Ok(_) => continue,
                Err(error) => {
                    self.walk.fail(path, error);
                    continue;
                }
            };
            self.walk.queue.push(Task::Directory {
                parent: Arc::clone(&directory),
                name,
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

    /// The names of a directory with their kinds, all as of one time.
    fn list(
        &mut self,
        directory: &Directory<F::State>,
    ) -> anyhow::Result<Vec<(CString, FileType)>> {
        let handle = &directory.handle;
        let mut list = || -> Result<Option<Vec<(CString, FileType)>>, Errno> {
            let before = Identity::from(rustix::fs::fstat(handle)?);
            if is_fresh(&before) {
                return Ok(None);
            }
            let mut names = Vec::new();
            rustix::fs::seek(handle, SeekFrom::Start(0))?;
            let mut entries = RawDir::new(handle, self.listing.spare_capacity_mut());
            while let Some(entry) = entries.next() {
                let entry = entry?;
                let name = entry.file_name();
                if matches!(name.to_bytes(), b"." | b"..") {
                    continue;
                }
                let kind = match entry.file_type() {
                    // Some file systems keep it only with the file.
                    FileType::Unknown => FileType::from_raw_mode(look_at(handle, name)?.st_mode),
                    kind => kind,
                };
                names.push((name.to_owned(), kind));
            }
            let after = Identity::from(rustix::fs::fstat(handle)?);
            Ok((after == before).then_some(names))
        };
        for _ in 0..ATTEMPTS {
            match list() {
                Ok(Some(names)) => return Ok(names),
                Ok(None) => interrupt::sleep(QUIET)?,
                Err(errno) => {
                    return Err(failed("list", self.walk.absolute(&directory.path), errno));
                }
            }
        }
        Err(Changing(self.walk.absolute(&directory.path)).into())
    }

    fn read_files(&mut self, directory: &Directory<F::State>, names: Vec<CString>) {
        for name in names {
            let path = directory.path_of(&name);
            if self.walk.is_moot(&path) {
                continue;
            }
            match self.read_file(&directory.handle, &name, &path) {
                Ok(entry) => self.found.entries.push((escape(&path), entry)),
                Err(error) => self.walk.fail(path, error),
            }
        }
    }

    /// Anything that was no directory when it was listed.
    fn read_file(
        &mut self,
        directory: &OwnedFd,
        name: &CStr,
        path: &[u8],
    ) -> anyhow::Result<Entry> {
        let failed = |errno: Errno| failed("read", self.walk.absolute(path), errno);
        for _ in 0..ATTEMPTS {
            let stat = look_at(directory, name).map_err(failed)?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind.is_symlink() {
                let target = rustix::fs::readlinkat(directory, name, Vec::new()).map_err(failed)?;
                return Ok(Entry::Symlink {
                    target: escape(target.to_bytes()),
                });
            }
            if kind.is_dir() {
                break;
            }
            if !kind.is_file() {
                return Err(no_file(&self.walk.absolute(path), kind).into());
            }
            let before = Identity::from(stat);
            let mode = Mode::of(before.mode);
            if let Some(digest) = self.walk.cache.get(&before) {
                return Ok(Entry::File { mode, digest });
            }
            if is_fresh(&before) {
                interrupt::sleep(QUIET)?;
                continue;
            }
            let file = with_handles(|| content::open(directory, name)).map_err(failed)?;
            let digest = content::hash(&file, &mut self.content).with_context(|| {
                format!("failed to read {}", self.walk.absolute(path).display())
            })?;
            if Identity::from(rustix::fs::fstat(&file).map_err(failed)?) == before {
                self.walk.cache.insert(&before, digest, &file);
                return Ok(Entry::File { mode, digest });
            }
        }
        Err(Changing(self.walk.absolute(path)).into())
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

/// Whether it was touched so lately that it may be touched again without showing.
fn is_fresh(identity: &Identity) -> bool {
    Timestamp::now().distance(identity.changed) < QUIET
}

fn look_at(directory: impl AsFd, name: &CStr) -> Result<Stat, Errno> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn open_directory<P: Arg + Copy>(
    parent: impl AsFd,
    name: P,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    with_handles(|| rustix::fs::openat(&parent, name, flags, OpenMode::empty()))
}

/// Where no handle is left, takes as many as this process is allowed and tries again.
fn with_handles<T>(open: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match open() {
        Err(Errno::MFILE) => {
            let mut limit = getrlimit(Resource::Nofile);
            limit.current = Some(limit.maximum.unwrap_or(HANDLES).min(HANDLES));
            setrlimit(Resource::Nofile, limit)?;
            open()
        }
        other => other,
    }
}

/// What the operating system says of something that was there when it was listed.
fn failed(what: &str, path: PathBuf, errno: Errno) -> anyhow::Error {
    match errno {
        // It is of another kind now, or is no more.
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::INVAL | Errno::NXIO => {
            Changing(path).into()
        }
        _ => refused(what, &path, errno),
    }
}

fn refused(what: &str, path: &Path, errno: Errno) -> anyhow::Error {
    let failure = Failure::new(Code::Build, format!("failed to {what} {}", path.display()));
    let failure = match errno {
        Errno::MFILE | Errno::NFILE => failure.hint("ulimit -n 65536"),
        Errno::ACCESS | Errno::PERM => failure.hint("make it readable, or exclude it"),
        _ => failure,
    };
    failure.because(std::io::Error::from(errno)).into()
}

fn no_file(path: &Path, kind: FileType) -> Failure {
    let kind = match kind {
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "of no known kind",
    };
    Failure::new(
        Code::Build,
        format!(
            "{} is {kind}, not a file, directory or link",
            path.display()
        ),
    )
    .hint("remove it, or name it in .dockerignore or in `package.exclude`")
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
    for directory in conditional {
        let below = format!("{directory}/");
        let first = entries.range(below.clone()..).next();
        if first.is_some_and(|(path, _)| path.starts_with(&below)) {
            entries.insert(directory, Entry::Directory);
        }
    }
    entries
}
