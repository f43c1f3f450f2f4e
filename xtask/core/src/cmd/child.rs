//! A child that runs, and the threads that read what it writes.

use crate::interrupt::Group;
use crate::report::Report;
use crate::wait;
use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeReader, Read as _, Write as _};
use std::process::ExitStatus;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a child has to end after it was asked to, before it is killed.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How long the last output of a child that has ended may take. It is bounded because a grandchild
/// can hold the pipe open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A child that was left running; its whole group ends when this is dropped.
pub struct Running {
    handle: duct::Handle,
    pub(super) group: Group,
    pub(super) pipes: Option<(PipeReader, PipeReader)>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    pub(super) fn new(
        handle: duct::Handle,
        group: Group,
        pipes: Option<(PipeReader, PipeReader)>,
    ) -> Self {
        Self {
            handle,
            group,
            pipes,
            readers: Vec::new(),
        }
    }

    /// Shows what it writes, line by line under `label`, and appends it to the file as well.
    pub(super) fn show(
        &mut self,
        report: &Report,
        label: &str,
        copy: Option<&File>,
    ) -> std::io::Result<()> {
        let file = || copy.map(File::try_clone).transpose();
        if let Some((stdout, stderr)) = self.pipes.take() {
            self.readers.push(show(stdout, report, label, file()?));
            self.readers.push(show(stderr, report, label, file()?));
        }
        Ok(())
    }

    /// How it ended, or `None` while it runs. What it wrote has been shown by then.
    ///
    /// # Errors
    /// The operating system does not answer.
    pub fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        let status = self.handle.try_wait()?.map(|output| output.status);
        if status.is_some() {
            self.finish_reading();
        }
        Ok(status)
    }

    /// Asks the group to end, and kills what is left of it after ten seconds.
    pub fn stop(&mut self) {
        self.group.terminate();
        let ended = || !matches!(self.handle.try_wait(), Ok(None));
        wait::within(GRACE, Duration::from_millis(10), ended);
        // This is also for a leader that has ended, because its children are in the group.
        self.group.kill();
        // The bound is for a process that left the group and holds the input open.
        wait::within(GRACE, Duration::from_millis(1), ended);
        self.finish_reading();
    }

    fn finish_reading(&mut self) {
        wait::within(LAST_WORDS, Duration::from_millis(2), || {
            self.readers.iter().all(JoinHandle::is_finished)
        });
        self.readers.clear();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.handle.try_wait(), Ok(None)) {
            self.stop();
        } else {
            self.group.kill();
        }
    }
}

/// A child that was left running, shows its progress, and answers at its end.
pub struct Answering {
    running: Running,
    answer: mpsc::Receiver<Vec<u8>>,
}

impl Answering {
    pub(super) fn new(mut running: Running, report: &Report, label: &str) -> Self {
        let (sender, answer) = mpsc::channel();
        if let Some((mut pipe, stderr)) = running.pipes.take() {
            running.readers.push(show(stderr, report, label, None));
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                // Where the pipe breaks, the answer is what came before.
                let _ = pipe.read_to_end(&mut bytes);
                let _ = sender.send(bytes);
            });
        }
        Self { running, answer }
    }

    /// Its standard output and how it ended, or `None` while it runs.
    ///
    /// # Errors
    /// The operating system does not answer.
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

fn show(pipe: PipeReader, report: &Report, label: &str, mut copy: Option<File>) -> JoinHandle<()> {
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
                // On a full disk the lines are still shown.
                let _ = file.write_all(&line);
            }
        }
    })
}

/// The standard input of a child.
#[derive(Debug)]
pub(super) enum Input {
    Nothing,
    Bytes(Vec<u8>),
    File(File),
}

/// The stream that a child wrote to.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Stdout = 0,
    Stderr = 1,
}

/// Reads the pipe on a thread of its own and sends what comes.
pub(super) fn forward(
    mut pipe: PipeReader,
    stream: Stream,
    sender: mpsc::SyncSender<(Stream, Vec<u8>)>,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = pipe.read(&mut buffer) {
            if count == 0 || sender.send((stream, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}
