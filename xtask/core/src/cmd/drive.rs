//! A run from the start of the child to its end: its output is handed over as it comes, and the
//! child is ended when its time is over or a signal interrupts the command.

use crate::cmd::Cmd;
use crate::cmd::child::{Stream, forward};
use crate::error::{Code, Failure};
use crate::interrupt;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long the output of a child may take to arrive after the child has ended.
const STREAM_GRACE: Duration = Duration::from_secs(5);

impl Cmd {
    /// As [`Cmd::drive`], line by line and without the newlines. The last line may not have had one.
    pub(super) fn drive_lines(
        self,
        mut on_line: impl FnMut(Stream, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitStatus> {
        let mut pending: [(Stream, Vec<u8>); 2] =
            [Stream::Stdout, Stream::Stderr].map(|stream| (stream, Vec::new()));
        let status = self.drive(|stream, bytes| {
            let buffer = &mut pending[stream as usize].1;
            buffer.extend_from_slice(&bytes);
            let mut start = 0;
            while let Some(length) = buffer[start..].iter().position(|&byte| byte == b'\n') {
                on_line(stream, &buffer[start..start + length])?;
                start += length + 1;
            }
            buffer.drain(..start);
            Ok(())
        })?;
        for (stream, rest) in &pending {
            if !rest.is_empty() {
                on_line(*stream, rest)?;
            }
        }
        Ok(status)
    }

    /// Runs the child to its end and hands over what it writes as it comes.
    pub(super) fn drive(
        mut self,
        mut on_bytes: impl FnMut(Stream, Vec<u8>) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitStatus> {
        let line = self.display();
        let mut running = self.start()?;
        let (sender, receiver) = mpsc::sync_channel(64);
        if let Some((stdout, stderr)) = running.pipes.take() {
            forward(stdout, Stream::Stdout, sender.clone());
            forward(stderr, Stream::Stderr, sender.clone());
        }
        drop(sender);

        let deadline = Instant::now() + self.timeout;
        let mut asked_to_end: Option<Instant> = None;
        let mut streams_open = true;
        let mut pause = Duration::from_millis(1);
        let mut why_ended = None;
        let status = 'running: loop {
            if streams_open {
                match receiver.recv_timeout(Duration::from_millis(20)) {
                    // The checks below follow also here: a child that never pauses is bounded.
                    Ok((stream, bytes)) => on_bytes(stream, bytes)?,
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => streams_open = false,
                }
            }
            if let Some(status) = running.try_wait()? {
                // Under load a reader may lag far behind the child, so this waits until both
                // streams have ended. It does not wait for ever, because a grandchild may hold a
                // stream open; time that `on_bytes` takes does not count.
                let mut grace = STREAM_GRACE;
                loop {
                    let asked = Instant::now();
                    let Ok((stream, bytes)) = receiver.recv_timeout(grace) else {
                        break 'running status;
                    };
                    grace = grace.saturating_sub(asked.elapsed());
                    on_bytes(stream, bytes)?;
                }
            }
            let now = Instant::now();
            match asked_to_end {
                None => {
                    if !self.survives_interrupt && interrupt::requested() {
                        asked_to_end = Some(now);
                        why_ended = Some(Failure::interrupted());
                        running.group.terminate();
                    } else if now >= deadline {
                        asked_to_end = Some(now);
                        why_ended = Some(Failure::new(
                            Code::Failed,
                            format!("it did not end within {} s", self.timeout.as_secs()),
                        ));
                        running.group.terminate();
                    }
                }
                Some(since) if now.duration_since(since) >= self.grace => running.group.kill(),
                Some(_) => {}
            }
            if !streams_open {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
        };
        if interrupt::insisted() || (!self.survives_interrupt && interrupt::requested()) {
            return Err(Failure::interrupted().into());
        }
        match why_ended {
            Some(failure) => {
                Err(anyhow::Error::new(failure).context(format!("failed to run {line}")))
            }
            None => Ok(status),
        }
    }
}
