//! Trees that are hard to read must give the right answer or a clear error, and never hang.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rustix::fs::{CWD, Mode as OpenMode, OFlags, mkdirat, openat};
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use xtask_core::cmd::Cmd;
use xtask_core::error::Rendered;
use xtask_tree::entry::{Digest, Entries, Entry, Mode};
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk::{self, Everything, Filter, Item, Verdict};

fn read(root: &Path) -> anyhow::Result<Entries> {
    walk::read(root, &Everything, &StatCache::none())
}

fn file(content: &[u8]) -> Entry {
    Entry::File {
        mode: Mode::Plain,
        digest: Digest::of(content),
    }
}

fn link(target: &str) -> Entry {
    Entry::Symlink {
        target: target.to_owned(),
    }
}

const SIBLINGS: usize = 6;

/// Makes directories within each other, each beside some empty ones.
fn make_deep(root: &Path, name: &str, levels: usize) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut directory = openat(CWD, root, flags, OpenMode::empty()).unwrap();
    for level in 0..levels {
        let name = format!("{level:03}{name}");
        mkdirat(&directory, &name, OpenMode::RWXU).unwrap();
        // Because one of these waits to be read, most levels stay open.
        for sibling in 0..SIBLINGS {
            mkdirat(&directory, format!("{sibling}-{level}"), OpenMode::RWXU).unwrap();
        }
        directory = openat(&directory, &name, flags, OpenMode::empty()).unwrap();
    }
    let file = openat(
        &directory,
        "file",
        OFlags::WRONLY | OFlags::CREATE,
        OpenMode::RUSR | OpenMode::WUSR,
    );
    rustix::io::write(file.unwrap(), b"deep").unwrap();
}

#[test]
fn links_are_read_and_never_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("d")).unwrap();
    let links = [
        ("d/up", ".."),
        ("self", "self"),
        ("ping", "pong"),
        ("pong", "ping"),
        ("out", "/proc/self/mem"),
        ("far", "../../../../../../etc"),
        ("d/nowhere", "\u{e4}\\"),
    ];
    for (name, target) in links {
        symlink(target, root.join(name)).unwrap();
    }
    let entries = read(root).unwrap();
    assert_eq!(entries.len(), links.len() + 1);
    for (name, target) in links {
        assert_eq!(entries[name], link(&target.replace('\\', "\\\\")));
    }
    // The root itself may be a link, as it may for Docker.
    symlink(root, root.join("root")).unwrap();
    assert_eq!(read(&root.join("root")).unwrap().len(), links.len() + 2);
}

#[test]
fn of_many_things_that_cannot_be_packed_the_first_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for directory in 0..40 {
        let directory = root.join(format!("d{directory:02}"));
        fs::create_dir_all(directory.join("deeper")).unwrap();
        fs::write(directory.join("file"), "x").unwrap();
    }
    let pipe = |name: &str| {
        rustix::fs::mkfifoat(CWD, root.join(name), OpenMode::RUSR).unwrap();
    };
    for directory in 3..40 {
        pipe(&format!("d{directory:02}/deeper/pipe"));
    }
    pipe("z");
    let socket = UnixListener::bind(root.join("d03/deeper/a")).unwrap();
    for _ in 0..50 {
        let rendered = Rendered::new(&read(root).unwrap_err());
        let path = root.join("d03/deeper/a");
        assert_eq!(
            rendered.message,
            format!(
                "{} is a socket, not a file, directory or link",
                path.display()
            )
        );
        assert!(rendered.hint.unwrap().contains(".dockerignore"));
    }
    drop(socket);
    // What is ignored may be of any kind.
    let entries = walk::read(root, &OnlyDirectories, &StatCache::none()).unwrap();
    assert_eq!(entries.len(), 40 * 2);
}

#[test]
fn what_may_not_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    let (root, expected) = if rustix::process::geteuid().is_root() {
        // Root may read everything except a file that is only for writing.
        (Path::new("/sys/bus/cpu"), "/sys/bus/cpu/")
    } else {
        (folder.path(), secret.to_str().unwrap())
    };
    let message = Rendered::new(&read(root).unwrap_err()).message;
    assert!(
        message.starts_with(&format!("failed to read {expected}")),
        "{message}"
    );
    let missing = folder.path().join("missing");
    let message = Rendered::new(&read(&missing).unwrap_err()).message;
    assert_eq!(message, format!("failed to open {}", missing.display()));
}

#[test]
fn paths_may_be_longer_than_the_operating_system_takes() {
    let folder = tempfile::tempdir().unwrap();
    let name = "n".repeat(252);
    make_deep(folder.path(), &name, 300);
    let entries = read(folder.path()).unwrap();
    assert_eq!(entries.len(), (SIBLINGS + 1) * 300 + 1);
    let deepest = entries.keys().max_by_key(|path| path.len()).unwrap();
    assert_eq!(deepest.len(), 300 * 256 + 4);
    assert_eq!(entries[deepest], file(b"deep"));
}

#[test]
fn names_may_be_any_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    for (bytes, escaped) in [
        (&b"\xff\xfe"[..], "\\xff\\xfe"),
        (b"new\nline", "new\nline"),
        (b"back\\slash", "back\\\\slash"),
        (&[b'x'; 255], &"x".repeat(255)),
    ] {
        fs::write(folder.path().join(OsStr::from_bytes(bytes)), escaped).unwrap();
        assert_eq!(
            read(folder.path()).unwrap()[escaped],
            file(escaped.as_bytes())
        );
    }
}

#[test]
fn a_large_sparse_file_needs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = File::create(folder.path().join("sparse")).unwrap();
    sparse.set_len(512 * 1024 * 1024).unwrap();
    let entries = read(folder.path()).unwrap();
    let Entry::File { digest, .. } = entries["sparse"] else {
        panic!("{entries:?}");
    };
    // This is what `sha256sum` prints for 512 MiB of zeros.
    assert_eq!(
        digest.to_string(),
        "9acca8e8c22201155389f65abbf6bc9723edc7384ead80503839f49dcc56d767"
    );
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 200 * 1024, "{peak}");
}

#[test]
fn a_tree_that_changes_is_read_as_it_was_at_one_time_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("stays")).unwrap();
    fs::write(root.join("stays/file"), "x").unwrap();
    fs::create_dir(root.join("moves")).unwrap();
    for number in 0..300 {
        fs::write(root.join(format!("moves/{number}")), "x").unwrap();
    }
    fs::write(root.join("moves/a"), "moved").unwrap();
    let done = AtomicBool::new(false);
    let (mut right, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_u64.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                // There is always exactly one of the two.
                fs::rename(root.join("moves/a"), root.join("moves/z")).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(round % 31));
                fs::rename(root.join("moves/z"), root.join("moves/a")).unwrap();
                // A file becomes a directory and then vanishes.
                let other = root.join("other");
                fs::write(&other, "x").unwrap();
                fs::remove_file(&other).unwrap();
                fs::create_dir(&other).unwrap();
                fs::remove_dir(&other).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(round % 17));
            }
        });
        for _ in 0..40 {
            match read(root) {
                Ok(entries) => {
                    let moved: BTreeSet<&str> = ["moves/a", "moves/z"]
                        .into_iter()
                        .filter(|path| entries.get(*path) == Some(&file(b"moved")))
                        .collect();
                    assert_eq!(moved.len(), 1, "{moved:?}");
                    assert_eq!(entries["stays/file"], file(b"x"));
                    right += 1;
                }
                Err(error) => {
                    let message = error.to_string();
                    assert!(
                        message.contains("changes while it is being read"),
                        "{message}"
                    );
                    refused += 1;
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{right} right, {refused} refused");
    assert!(right > 0);
}

/// The test below runs this one with few files that may be open.
#[test]
#[ignore = "its limits are set by `handles_are_few`"]
fn with_few_handles() {
    let folder = tempfile::tempdir().unwrap();
    make_deep(folder.path(), "n", 200);
    let entries = read(folder.path()).unwrap();
    assert_eq!(entries.len(), (SIBLINGS + 1) * 200 + 1);
}

/// The test below runs this one with few files that may be open.
#[test]
#[ignore = "its limits are set by `handles_are_few`"]
fn with_one_handle() {
    let folder = tempfile::tempdir().unwrap();
    make_deep(folder.path(), "n", 3);
    let mut taken = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        taken.push(file);
    }
    // One file may be open: the root, and nothing in it.
    taken.pop();
    let rendered = Rendered::new(&read(folder.path()).unwrap_err());
    drop(taken);
    assert!(
        rendered.message.starts_with("failed to open"),
        "{rendered:?}"
    );
    assert_eq!(rendered.hint.as_deref(), Some("ulimit -n 65536"));
}

#[test]
fn handles_are_few() {
    for (limits, test) in [
        ("64:4096", "with_few_handles"),
        ("64:64", "with_one_handle"),
    ] {
        let ran = Cmd::new("prlimit")
            .arg(format!("--nofile={limits}"))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(said.contains("1 passed"), "{ran:?}");
    }
}

/// A filter that skips everything but directories.
struct OnlyDirectories;

impl Filter for OnlyDirectories {
    type State = ();

    fn decide(&self, item: &Item<'_>, (): &()) -> anyhow::Result<Verdict<()>> {
        Ok(match item.is_directory {
            true => Verdict::Keep(()),
            false => Verdict::Skip,
        })
    }
}
