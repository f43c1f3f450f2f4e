//! A command in a cage: its output within bounds, its end, and that it does end.
//!
//! The keeper of the cage bounds its time and ends all that it started. Whoever drops what is here tells the
//! keeper to do so at once; the generator's own end does the same.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app_gen_cage::{Cage, Ended};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Bytes that are kept of an output's beginning.
const HEAD_BYTES: usize = 4 * 1024;
/// Bytes that are kept of its end, where a test or a build says how it went.
const TAIL_BYTES: usize = 28 * 1024;
/// How long the last piece of an output may take when its writers have ended.
const LAST_PIECE: Duration = Duration::from_secs(5);

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    /// What it wrote to standard output and standard error, in the order in which it came: all of it, or the
    /// beginning and the end with a line between them. Without colours.
    pub(crate) output: String,
    pub(crate) seconds: u64,
}

/// The variables of a command besides those of every cage.
///
/// The keeper, which runs as root, gets them too. So a stranger's value may not be among them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(Vec<(String, String)>);

impl Variables {
    /// Those by which npm finds its packages in a cage, and asks and tells nobody anything else. npm puts
    /// them before what an application's `.npmrc` says.
    pub(crate) fn of_npm(cage: &Cage, packages_url: &str) -> Self {
        let cache = cage.own.join("npm").display().to_string();
        Self::default()
            .and("npm_config_registry", packages_url)
            // Lock files name the addresses of a registry that cannot be reached from a cage.
            .and("npm_config_replace_registry_host", "always")
            .and("npm_config_cache", cache)
            .and("npm_config_audit", "false")
            .and("npm_config_fund", "false")
            .and("npm_config_update_notifier", "false")
            .and("npm_config_progress", "false")
            // Runners of tests that would watch for changes run once then.
            .and("CI", "true")
            .and("NO_COLOR", "1")
    }

    /// Their names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// These, and one more.
    pub(crate) fn and(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Names and values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Runs a command to its end, for so long at most. If the future is dropped, everything that it started ends.
pub(crate) async fn run(
    cage: &Cage,
    program: &str,
    arguments: &[&str],
    variables: &Variables,
    time: Duration,
) -> io::Result<Ran> {
    let running = Running::start(cage, program, arguments, variables, time)?;
    running.end().await
}

/// A command that runs. All that it started ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    keeper: Child,
    kept: Arc<Mutex<Kept>>,
    reading: JoinHandle<()>,
    began: Instant,
}

impl Running {
    /// Starts a command with nothing to read, for so long at most.
    pub(crate) fn start(
        cage: &Cage,
        program: &str,
        arguments: &[&str],
        variables: &Variables,
        time: Duration,
    ) -> io::Result<Self> {
        let mut cage = cage.clone();
        cage.limits.seconds = cage.limits.seconds.min(time.as_secs().max(1));
        let (reader, writer) = io::pipe()?;
        let mut command = cage.command(program)?;
        command
            .args(arguments)
            .envs(variables.pairs())
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let output = Receiver::from_owned_fd(OwnedFd::from(reader))?;
        // The command is dropped here, and with it our own ends for writing.
        let keeper = Command::from(command).spawn()?;
        let kept = Arc::default();
        Ok(Self {
            keeper,
            reading: tokio::spawn(keep(output, Arc::clone(&kept))),
            kept,
            began: Instant::now(),
        })
    }

    /// Asks everything that it is to end, and lets it.
    pub(crate) fn ask_to_end(&self) {
        self.signal(Signal::USR1);
    }

    /// Waits until nothing of it is left. Whoever stops waiting can wait again.
    pub(crate) async fn ended(&mut self) -> io::Result<Ended> {
        Ok(Ended::of(self.keeper.wait().await?))
    }

    /// What it wrote so far.
    pub(crate) fn output(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.text()
    }

    /// Waits until nothing of it is left, and says how it went.
    pub(crate) async fn end(mut self) -> io::Result<Ran> {
        let ended = self.ended().await?;
        // Every writer is gone, so this is what the pipe still holds.
        let _ = timeout(LAST_PIECE, &mut self.reading).await;
        Ok(Ran {
            ended,
            output: self.output(),
            seconds: self.began.elapsed().as_secs(),
        })
    }

    /// Ends all of it at once, and waits until nothing is left. The keeper's patience is the bound.
    pub(crate) async fn end_now(mut self) -> io::Result<()> {
        self.signal(Signal::TERM);
        self.ended().await?;
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // One that was waited for has no number any more, and until then the number is its own.
        let number = self.keeper.id().and_then(|id| i32::try_from(id).ok());
        if let Some(keeper) = number.and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process(keeper, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        self.reading.abort();
    }
}

async fn keep(mut output: Receiver, kept: Arc<Mutex<Kept>>) {
    let mut piece = vec![0; 16 * 1024];
    // A pipe that cannot be read is one that nobody writes to any more.
    while let Ok(count @ 1..) = output.read(&mut piece).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.add(&piece[..count]);
    }
}

/// The beginning and the end of an output.
#[derive(Debug, Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    missing: usize,
}

impl Kept {
    fn add(&mut self, piece: &[u8]) {
        let room = HEAD_BYTES - self.head.len();
        let (head, rest) = piece.split_at(room.min(piece.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..surplus);
        self.missing += surplus;
    }

    fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.missing == 0 {
            return plain(&[self.head.as_slice(), &tail].concat());
        }
        let (head, tail) = (plain(&self.head), plain(&tail));
        format!("{head}\n[… {} bytes …]\n{tail}", self.missing)
    }
}

/// Text as a reader without a terminal sees it: no colours, no movements of a cursor, no control characters
/// but ends of lines and tabs.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                // Parameters, then the letter that ends them.
                for inner in characters.by_ref() {
                    if ('@'..='~').contains(&inner) {
                        break;
                    }
                }
            }
            '\n' | '\t' => plain.push(character),
            character if character.is_control() => {}
            character => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_keeps_its_beginning_and_its_end() {
        let mut kept = Kept::default();
        for number in 0..20_000 {
            kept.add(format!("line {number}\n").as_bytes());
        }
        let text = kept.text();
        assert!(text.starts_with("line 0\nline 1\n"), "{text}");
        assert!(text.ends_with("line 19998\nline 19999\n"), "{text}");
        assert!(text.len() < HEAD_BYTES + TAIL_BYTES + 100);
        let all: usize = (0..20_000)
            .map(|number: u32| format!("line {number}\n").len())
            .sum();
        let missing = all - HEAD_BYTES - TAIL_BYTES;
        assert!(text.contains(&format!("[… {missing} bytes …]")), "{text}");
    }

    #[test]
    fn a_short_output_is_whole_and_without_colours() {
        let mut kept = Kept::default();
        kept.add("\u{1b}[32m✔ a\u{1b}[39m\r\n\u{1b}[2K\tb\u{7}".as_bytes());
        assert_eq!(kept.text(), "✔ a\n\tb");
    }
}
