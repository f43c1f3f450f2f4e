//! The command lines of all processes of the machine, and what may be in none of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often all are read. A process that lives shorter may slip through; what is given a
/// secret lives longer.
const EVERY: Duration = Duration::from_millis(10);

/// Reads them again and again, for as long as it lives.
pub(crate) struct CommandLines {
    stop: Arc<AtomicBool>,
    watcher: Option<JoinHandle<Vec<String>>>,
}

impl CommandLines {
    pub(crate) fn watch(texts: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let told = Arc::clone(&stop);
        let watcher = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !told.load(Ordering::Relaxed) {
                seen.extend(
                    all()
                        .map(|process| command_line(&process))
                        .filter(|line| texts.iter().any(|text| line.contains(text))),
                );
                std::thread::sleep(EVERY);
            }
            seen
        });
        Self {
            stop,
            watcher: Some(watcher),
        }
    }

    /// Ends the watch; those that held one of the texts.
    pub(crate) fn seen(&mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let watcher = self.watcher.take();
        watcher.map_or_else(Vec::new, |watcher| watcher.join().unwrap())
    }
}

impl Drop for CommandLines {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Folders of the machine's processes.
pub(crate) fn all() -> impl Iterator<Item = PathBuf> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|item| item.path())
        .filter(|path| path.join("cmdline").exists())
}

/// The command line of a process by its folder, with spaces between the arguments.
pub(crate) fn command_line(process: &Path) -> String {
    let bytes = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
