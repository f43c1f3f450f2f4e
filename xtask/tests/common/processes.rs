//! A run of `xtask` that a test watches, signals and kills, and what it leaves behind.

use super::command_lines::{all, command_line};
use super::events::readable;
use super::{Checkout, Ran};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// `xtask` at work, as the leader of a process group, its output in files.
pub(crate) struct Started {
    child: Child,
    output: PathBuf,
}

impl Started {
    /// Starts it; its output lies outside the checkout, which may have no space.
    pub(crate) fn new(checkout: &Checkout, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let output = std::env::temp_dir().join(format!(
            "xtask-run-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        ));
        let create = |ending| fs::File::create(output.with_extension(ending)).unwrap();
        let child = checkout
            .command(arguments)
            .envs(env.iter().copied())
            .stdout(create("out"))
            .stderr(create("err"))
            .process_group(0)
            .spawn()
            .unwrap();
        Self { child, output }
    }

    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.output.with_extension("out")).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        readable(&fs::read_to_string(self.output.with_extension("err")).unwrap())
    }

    /// Waits until its standard error holds the text.
    pub(crate) fn says(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.stderr().contains(text) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "it never said `{text}` ({ended:?}):\n{}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether it has the file open at this moment.
    pub(crate) fn has_open(&self, path: &Path) -> bool {
        let handles = fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        handles.is_ok_and(|mut handles| {
            handles.any(|handle| {
                handle.is_ok_and(|it| fs::read_link(it.path()).is_ok_and(|to| to == path))
            })
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// What a terminal does on Ctrl-C.
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ends_within(&mut self, bound: Duration) -> Ran {
        let deadline = Instant::now() + bound;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "still there after {bound:?}:\n{}",
                self.stderr()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        Ran {
            code: status.code().unwrap_or(-1),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Already over in a test that passes.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for ending in ["out", "err"] {
            let _ = fs::remove_file(self.output.with_extension(ending));
        }
    }
}

/// Waits until `probe` gives something.
pub(crate) fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The command lines of all processes that work in the checkout or were told of it.
pub(crate) fn processes_of(root: &Path) -> Vec<String> {
    let needle = root.to_str().unwrap().as_bytes();
    all()
        .filter(|process| {
            let holds = |file: &str| {
                fs::read(process.join(file))
                    .is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
            };
            let inside =
                fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(root));
            inside || holds("cmdline") || holds("environ")
        })
        .map(|process| command_line(&process))
        .collect()
}

/// The command lines of the machine's processes that hold the text.
pub(crate) fn command_lines_with(text: &str) -> Vec<String> {
    all()
        .map(|process| command_line(&process))
        .filter(|line| line.contains(text))
        .collect()
}
