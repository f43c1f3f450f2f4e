//! Random edits against a warm stat cache: it must answer as an oracle does that reads everything
//! and shares no code with it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use xtask_tree::entry::{Digest, Entries, Entry, Mode};
use xtask_tree::identity::Timestamp;
use xtask_tree::stat_cache::{Conditions, SETTLING, StatCache};
use xtask_tree::walk::{self, Everything};

const SEQUENCES: usize = 10_000;
/// There are many, because a sequence mostly waits for the clock to tick.
const THREADS: usize = 20;

/// A folder that is not on tmpfs, whose files are never cached.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Conditions without settling, because one tick of the clock must be enough where no process
/// writes any more.
fn conditions() -> Conditions {
    Conditions {
        settling: Duration::ZERO,
        ..Conditions::here().unwrap()
    }
}

fn read(root: &Path, cache: StatCache) -> Entries {
    let entries = walk::read(root, &Everything, &cache).unwrap();
    cache.save().unwrap();
    entries
}

/// What is found by reading plainly and recursively, by path.
fn oracle(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for item in fs::read_dir(folder).unwrap() {
        let item = item.unwrap();
        let path = format!("{prefix}{}", item.file_name().to_str().unwrap());
        let metadata = item.metadata().unwrap();
        let text = if metadata.is_symlink() {
            format!("link {}", fs::read_link(item.path()).unwrap().display())
        } else if metadata.is_dir() {
            oracle(&item.path(), &format!("{path}/"), found);
            "directory".to_owned()
        } else {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let hash = Sha256::digest(fs::read(item.path()).unwrap());
            format!("file {executable} {hash:?}")
        };
        found.insert(path, text);
    }
}

fn expected(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    oracle(root, "", &mut found);
    found
}

/// The entries in the words of the oracle.
fn described(entries: &Entries) -> BTreeMap<String, String> {
    let describe = |entry: &Entry| match entry {
        Entry::Directory { .. } => "directory".to_owned(),
        Entry::Symlink { target } => format!("link {target}"),
        Entry::File { mode, digest } => {
            let hash = sha2::digest::Output::<Sha256>::from(*digest.as_bytes());
            format!("file {} {hash:?}", *mode == Mode::Executable)
        }
    };
    entries
        .iter()
        .map(|(path, entry)| (path.clone(), describe(entry)))
        .collect()
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let scrambled = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(scrambled).unwrap() % bound
    }

    fn content(&mut self) -> String {
        // There are few texts with few lengths, so that an edit often looks as if nothing changed.
        ["one", "two", "six", "", "seven", "eight"][self.below(6)].to_owned()
    }

    /// A name that may or may not exist, of a file or a directory.
    fn path(&mut self, root: &Path) -> PathBuf {
        let folder = ["", "d", "d/e", "f"][self.below(4)];
        root.join(folder)
            .join(["a", "b", "c", "d", "e", "f"][self.below(6)])
    }
}

fn remove(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        let _ = fs::remove_dir_all(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

fn set_modified(path: &Path, time: SystemTime) {
    if !path.is_symlink() && path.is_file() {
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }
}

/// Makes one edit, unless the tree as it is does not allow it.
fn edit(random: &mut Random, root: &Path) {
    let path = random.path(root);
    let other = random.path(root);
    let is_file = path.is_file() && !path.is_symlink();
    match random.below(14) {
        0 | 1 => {
            let _ = fs::write(&path, random.content());
        }
        // The length and the time stay: only the kernel knows of the edit.
        2 | 3 if is_file => {
            let before = fs::metadata(&path).unwrap();
            let count = usize::try_from(before.len()).unwrap();
            let byte = b'a' + u8::try_from(random.below(4)).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.write_all_at(&vec![byte; count], 0).unwrap();
            file.set_modified(before.modified().unwrap()).unwrap();
        }
        4 if is_file => {
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            let temporary = root.join("temporary");
            fs::write(&temporary, random.content()).unwrap();
            set_modified(&temporary, time);
            fs::rename(&temporary, &path).unwrap();
        }
        5 => {
            remove(&path);
            let _ = symlink(["a", "../b", "nowhere", "."][random.below(4)], &path);
        }
        6 => {
            remove(&path);
            let _ = fs::create_dir_all(&path);
        }
        7 => remove(&path),
        8 => {
            let _ = fs::hard_link(&path, &other);
        }
        9 if is_file => {
            let mode = [0o644, 0o755, 0o664, 0o711, 0o700, 0o600][random.below(6)];
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        10 => {
            let now = SystemTime::now();
            let hour = Duration::from_secs(3600);
            set_modified(&path, [now, now - hour, now + hour][random.below(3)]);
        }
        11 => {
            let _ = fs::rename(&path, &other);
        }
        12 if is_file => {
            let content = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, content).unwrap();
        }
        _ => {
            if let Some(parent) = path.parent() {
                let _ = fs::create_dir_all(parent);
            }
            let _ = fs::write(&path, random.content());
        }
    }
}

/// What may happen to the cache itself between two keys.
fn damage(random: &mut Random, cache: &Path, older: &mut Vec<u8>) {
    let Ok(mut bytes) = fs::read(cache) else {
        return;
    };
    match random.below(12) {
        0 => fs::remove_file(cache).unwrap(),
        1 => {
            bytes.truncate(random.below(bytes.len()));
            fs::write(cache, bytes).unwrap();
        }
        2 => {
            let position = random.below(bytes.len());
            bytes[position] ^= 1 << random.below(8);
            fs::write(cache, bytes).unwrap();
        }
        3 => *older = bytes,
        4 if !older.is_empty() => fs::write(cache, older).unwrap(),
        5 => {
            bytes.extend_from_slice(b"more");
            fs::write(cache, bytes).unwrap();
        }
        _ => {}
    }
}

#[test]
fn random_edits_are_never_missed() {
    let seed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    println!("seed {seed}");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut random = Random(u64::from(seed) << 8 | (thread as u64 + 1));
                let folder = folder();
                let (root, cache) = (folder.path().join("tree"), folder.path().join("cache"));
                fs::create_dir(&root).unwrap();
                let (mut older, mut hits) = (Vec::new(), 0);
                let mut before = (expected(&root), Entries::new());
                for sequence in 0..SEQUENCES / THREADS {
                    for _ in 0..random.below(4) {
                        edit(&mut random, &root);
                    }
                    damage(&mut random, &cache, &mut older);
                    let expected = expected(&root);
                    let entries = read(&root, StatCache::open_at(&cache, conditions()));
                    let context = format!("seed {seed}, thread {thread}, sequence {sequence}");
                    assert_eq!(described(&entries), expected, "{context}");
                    assert_eq!(before.0 == expected, before.1 == entries, "{context}");
                    hits += usize::from(fs::metadata(&cache).is_ok_and(|file| file.len() > 200));
                    before = (expected, entries);
                }
                assert!(
                    hits > SEQUENCES / THREADS / 4,
                    "the cache was hardly used: {hits}"
                );
            });
        }
    });
}

/// A tree with one file and a cache with a wrong digest of it, which is returned where the cache is
/// believed.
struct FalseRecord {
    folder: tempfile::TempDir,
    conditions: Conditions,
}

impl FalseRecord {
    fn new() -> Self {
        let folder = folder();
        let root = folder.path().join("tree");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("file"), "truth").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let record = Self {
            folder,
            conditions: conditions(),
        };
        let cache = record.open(record.conditions.clone());
        let file = File::open(root.join("file")).unwrap();
        let identity = rustix::fs::fstat(&file).unwrap().into();
        cache.insert(&identity, Digest::of(b"falsified"), &file);
        assert!(cache.save().unwrap());
        record
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn open(&self, conditions: Conditions) -> StatCache {
        StatCache::open_at(&self.path(), conditions)
    }

    fn is_believed(&self, conditions: Conditions) -> bool {
        let root = self.folder.path().join("tree");
        let entries = walk::read(&root, &Everything, &self.open(conditions)).unwrap();
        let Entry::File { digest, .. } = entries["file"] else {
            panic!("{entries:?}");
        };
        assert!([Digest::of(b"falsified"), Digest::of(b"truth")].contains(&digest));
        digest == Digest::of(b"falsified")
    }
}

#[test]
fn a_cache_in_doubt_is_dropped_as_a_whole() {
    let record = FalseRecord::new();
    let whole = fs::read(record.path()).unwrap();
    assert!(record.is_believed(record.conditions.clone()));
    // Damage to any byte is noticed, and so is another length.
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 1 << (position % 8);
        fs::write(record.path(), damaged).unwrap();
        assert!(
            !record.is_believed(record.conditions.clone()),
            "byte {position}"
        );
        fs::write(record.path(), &whole[..position]).unwrap();
        assert!(
            !record.is_believed(record.conditions.clone()),
            "{position} bytes"
        );
    }
    fs::write(record.path(), [whole.as_slice(), b"\0"].concat()).unwrap();
    assert!(!record.is_believed(record.conditions.clone()));
    fs::write(record.path(), &whole).unwrap();
    assert!(record.is_believed(record.conditions.clone()));

    let another_boot = Digest::of(b"another boot");
    assert!(!record.is_believed(Conditions {
        boot: another_boot,
        ..record.conditions.clone()
    }));
    let set_back = Timestamp {
        secs: record.conditions.now.secs - 1,
        ..record.conditions.now
    };
    assert!(!record.is_believed(Conditions {
        now: set_back,
        ..record.conditions.clone()
    }));
    fs::remove_file(record.path()).unwrap();
    fs::create_dir(record.path()).unwrap();
    assert!(!record.is_believed(record.conditions.clone()));
    // The cache cannot be written either, which only makes the next key slower.
    let root = record.folder.path().join("tree");
    let cache = record.open(conditions());
    walk::read(&root, &Everything, &cache).unwrap();
    assert!(cache.save().is_err());
}

#[test]
fn what_changed_lately_is_not_kept_and_what_is_gone_is_forgotten() {
    let folder = folder();
    let (root, path) = (folder.path().join("tree"), folder.path().join("cache"));
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), "x").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let save = |settling| {
        let conditions = Conditions {
            settling,
            ..conditions()
        };
        let cache = StatCache::open_at(&path, conditions);
        walk::read(&root, &Everything, &cache).unwrap();
        cache.save().unwrap()
    };
    assert!(!save(SETTLING), "younger than a minute");
    assert!(save(Duration::ZERO));
    assert!(!save(Duration::ZERO), "nothing changed: nothing is written");
    let size = fs::metadata(&path).unwrap().len();
    fs::hard_link(root.join("file"), root.join("other name")).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(save(Duration::ZERO), "the link changed it");
    assert_eq!(
        fs::metadata(&path).unwrap().len(),
        size,
        "one file, one record"
    );
    fs::remove_file(root.join("file")).unwrap();
    fs::remove_file(root.join("other name")).unwrap();
    assert!(save(Duration::ZERO));
    assert!(fs::metadata(&path).unwrap().len() < size);
}

#[test]
fn an_edit_while_hashing_gives_one_of_the_states_or_an_error() {
    const SIZE: u64 = 1024 * 1024;
    let folder = folder();
    let (root, path) = (folder.path().join("tree"), folder.path().join("cache"));
    fs::create_dir(&root).unwrap();
    let file = File::create(root.join("file")).unwrap();
    file.set_len(SIZE).unwrap();
    // The writer counts at the start first, so that the end is never ahead of the start.
    let state = |start: u8, end: u8| {
        let mut bytes = vec![0; usize::try_from(SIZE).unwrap()];
        (bytes[0], *bytes.last_mut().unwrap()) = (start, end);
        Digest::of(&bytes)
    };
    let states: Vec<Digest> = (0..=255_u8)
        .flat_map(|count| [state(count, count), state(count.wrapping_add(1), count)])
        .collect();
    let done = AtomicBool::new(false);
    let (mut right, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut pause = Random(7);
            let mut count = 0_u8;
            while !done.load(Ordering::Relaxed) {
                count = count.wrapping_add(1);
                for position in [0, SIZE - 1] {
                    file.write_all_at(&[count], position).unwrap();
                    std::thread::sleep(Duration::from_millis(pause.below(30) as u64));
                }
            }
        });
        for _ in 0..40 {
            let cache = StatCache::open_at(&path, conditions());
            match walk::read(&root, &Everything, &cache) {
                Ok(entries) => {
                    let Entry::File { digest, .. } = entries["file"] else {
                        panic!("{entries:?}");
                    };
                    assert!(states.contains(&digest), "a mixture of two states");
                    cache.save().unwrap();
                    right += 1;
                }
                Err(error) => {
                    assert!(
                        error.to_string().contains("file changes while"),
                        "{error:#}"
                    );
                    refused += 1;
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{right} right, {refused} refused");
    let entries = read(&root, StatCache::open_at(&path, conditions()));
    assert_eq!(described(&entries), expected(&root));
}

#[test]
fn caches_of_contexts_that_are_gone_do_not_pile_up() {
    let folder = folder();
    let caches = folder.path().join("stat");
    let written = |name: &str| {
        let context = folder.path().join(name);
        fs::create_dir(&context).unwrap();
        fs::write(context.join("file"), name).unwrap();
        // A record is kept only after the tick of the last change.
        std::thread::sleep(Duration::from_millis(20));
        read(
            &context,
            StatCache::open_at(&caches.join(name), conditions()),
        );
        caches.join(name)
    };
    let day = Duration::from_secs(24 * 3600);
    let [old, recent] = [("old", 31), ("recent", 29)].map(|(name, days)| {
        let path = written(name);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - days * day).unwrap();
        path
    });
    let new = written("new");
    assert!(!old.exists());
    assert!(recent.exists() && new.exists());
}
