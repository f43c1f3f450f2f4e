//! A child that runs: asked to end, killed where it does not, its output handed over.

use crate::interrupt::Group;
use crate::report::Report;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A child that was asked to end has this long before it is killed.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A grandchild may hold a pipe open for ever: what it says after this is not waited for.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A child left running; its whole group ends when this is dropped.
pub struct Running {
    pub(super) child: Child,
    pub(super) group: Group,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(super) fn new(child: Child, group: Group) -> Self {
        Self {
            child,
            group,
            readers: Vec::new(),
        }
    }

    /// Shows what it writes, line by line under `label`, and keeps it in the file too.
    pub(super) fn show(
        &mut self,
        report: &Report,
        label: &str,
        copy: Option<&File>,
    ) -> std::io::Result<()> {
        let file = || copy.map(File::try_clone).transpose();
        if let Some(pipe) = self.child.stdout.take() {
            self.readers.push(show(pipe, report, label, file()?));
        }
        if let Some(pipe) = self.child.stderr.take() {
            self.readers.push(show(pipe, report, label, file()?));
        }
        Ok(())
    }

    /// How it ended, or nothing while it runs. What it wrote has been shown by then.
    ///
    /// # Errors
    /// The operating system refuses to tell.
    pub fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.finish_reading();
        }
        Ok(status)
    }

    /// Asks the group to end, waits, and kills what is left after ten seconds.
    pub fn stop(&mut self) {
        self.group.terminate();
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // Also where the leader has ended: its children are in the group.
        self.group.kill();
        let _ = self.child.wait();
        self.finish_reading();
    }

    fn finish_reading(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.readers.clear();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        } else {
            self.group.kill();
        }
    }
}

/// A child that works while we do, shows its progress and answers at its end.
pub struct Answering {
    running: Running,
    answer: mpsc::Receiver<Vec<u8>>,
}

impl Answering {
    pub(super) fn new(mut running: Running, report: &Report, label: &str) -> Self {
        if let Some(pipe) = running.child.stderr.take() {
            running.readers.push(show(pipe, report, label, None));
        }
        let (sender, answer) = mpsc::channel();
        if let Some(mut pipe) = running.child.stdout.take() {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                // What came before a broken pipe is what there is to say.
                let _ = pipe.read_to_end(&mut bytes);
                let _ = sender.send(bytes);
            });
        }
        Self { running, answer }
    }

    /// Its standard output and how it ended, or nothing while it runs.
    ///
    /// # Errors
    /// The operating system refuses to tell.
    pub fn try_wait(&mut self) -> std::io::Result<Option<(Vec<u8>, ExitStatus)>> {
        let Some(status) = self.running.try_wait()? else {
            return Ok(None);
        };
        Ok(Some((
            self.answer.recv_timeout(GRACE).unwrap_or_default(),
            status,
        )))
    }
}

fn show(
    pipe: impl Read + Send + 'static,
    report: &Report,
    label: &str,
    mut copy: Option<File>,
) -> JoinHandle<()> {
    let (report, label) = (report.clone(), label.to_owned());
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(mut line) = line else { break };
            let text = String::from_utf8_lossy(&line);
            if !text.trim().is_empty() {
                report.line(&label, text.trim_end());
            }
            if let Some(file) = &mut copy {
                line.push(b'\n');
                // A full disk must not end what is shown.
                let _ = file.write_all(&line);
            }
        }
    })
}

/// What a child reads.
#[derive(Debug)]
pub(super) enum Input {
    Nothing,
    Bytes(Vec<u8>),
    File(File),
}

impl Input {
    pub(super) fn stdio(&self) -> std::io::Result<Stdio> {
        Ok(match self {
            Self::Nothing => Stdio::null(),
            Self::Bytes(_) => Stdio::piped(),
            Self::File(file) => file.try_clone()?.into(),
        })
    }
}

/// Which of its outputs a child wrote to.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Stdout = 0,
    Stderr = 1,
}

/// Hands over what comes out of a pipe, from a thread of its own.
pub(super) fn forward(
    pipe: Option<impl Read + Send + 'static>,
    stream: Stream,
    sender: mpsc::SyncSender<(Stream, Vec<u8>)>,
) {
    let Some(mut pipe) = pipe else { return };
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = pipe.read(&mut buffer) {
            if count == 0 || sender.send((stream, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}
