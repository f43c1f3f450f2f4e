//! The logs of several groups as one: every line once, the oldest first, and late lines too.
//!
//! CloudWatch does not have a stream that can be followed and holds everything (Live Tail samples
//! what comes faster than 500 lines a second), so groups are read again and again in passes. Lines
//! become visible late, and not in the order of their times: each pass begins before the end of
//! the pass before it, and the reader knows by their ids which lines it has returned already.

mod seen;

use crate::error::{CloudError, Kind};
use crate::logs::{GroupLine, Logs, PAGE_LINES};
use crate::report;
use crate::time::now_ms;
use seen::Seen;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use xtask_aws_api::calls::logs::LogRecord;

/// Between the beginnings of two passes.
const PASS_INTERVAL: Duration = Duration::from_secs(1);

/// CloudWatch accepts five FilterLogEvents a second from an account, and we are not alone in it.
const CALL_INTERVAL: Duration = Duration::from_millis(220);

/// How far a pass begins before the end of the pass before it. Log drivers send what they have
/// every five seconds.
const OVERLAP_MS: i64 = 10_000;

/// The same for every [`LATE_PASS`]th pass, for lines that were delayed.
const LATE_MS: i64 = 60_000;
const LATE_PASS: u32 = 10;

/// How long the cloud may be out of reach, or refuse because it is asked too often, before we give up.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Name in `platform.toml` of the service or the kind of task.
    pub(crate) name: String,
    pub(crate) group: String,
    /// One stream; all streams of the group where this is absent.
    pub(crate) stream: Option<String>,
}

/// Reads once, or again and again.
#[derive(Debug)]
pub(crate) struct Reader {
    logs: Logs,
    cursors: Vec<Cursor>,
    follows: bool,
    passes: u32,
    pass_began: Option<Instant>,
    called: Option<Instant>,
}

/// How far a source has been read.
#[derive(Debug)]
struct Cursor {
    source: Source,
    /// Older lines are not wanted.
    since_ms: i64,
    /// What this pass reads: from when on, until when, and which page is next.
    start_ms: i64,
    end_ms: Option<i64>,
    token: Option<String>,
    is_done: bool,
    /// Lines that were read and not returned yet; at most one page.
    lines: VecDeque<GroupLine>,
    /// When the last request of the last pass was made. It saw everything that was visible then.
    complete_ms: Option<i64>,
    seen: Seen,
    /// Whether the source existed when it was last asked for.
    exists: bool,
}

impl Reader {
    /// Reads everything from `since_ms` on; with `follows`, pass after pass.
    pub(crate) fn new(logs: Logs, sources: Vec<Source>, since_ms: i64, follows: bool) -> Self {
        let since_ms = since_ms.max(0);
        let cursor = |source| Cursor {
            source,
            since_ms,
            start_ms: since_ms,
            end_ms: None,
            token: None,
            is_done: true,
            lines: VecDeque::new(),
            complete_ms: None,
            seen: Seen::default(),
            exists: false,
        };
        Self {
            logs,
            cursors: sources.into_iter().map(cursor).collect(),
            follows,
            passes: 0,
            pass_began: None,
            called: None,
        }
    }

    /// Whether any of the sources existed in the last pass.
    pub(crate) fn found_any(&self) -> bool {
        self.cursors.iter().any(|cursor| cursor.exists)
    }

    /// Waits until the next pass is due, and begins it.
    pub(crate) async fn begin_pass(&mut self) {
        if let Some(began) = self.pass_began {
            tokio::time::sleep(PASS_INTERVAL.saturating_sub(began.elapsed())).await;
        }
        self.pass_began = Some(Instant::now());
        let end_ms = (!self.follows).then(now_ms);
        let is_late = self.passes.is_multiple_of(LATE_PASS);
        let overlap_ms = if is_late { LATE_MS } else { OVERLAP_MS };
        self.passes = self.passes.wrapping_add(1);
        for cursor in &mut self.cursors {
            cursor.begin(overlap_ms, end_ms);
        }
    }

    /// The next line of this pass, the oldest of all sources; `None` at the end of the pass.
    ///
    /// # Errors
    /// A call fails. Where another try may help, it has failed for a while.
    pub(crate) async fn next(&mut self) -> Result<Option<LogRecord>, CloudError> {
        for index in 0..self.cursors.len() {
            while self.cursors[index].lines.is_empty() && !self.cursors[index].is_done {
                self.read_page(index).await?;
            }
        }
        let oldest = self
            .cursors
            .iter_mut()
            .filter(|cursor| !cursor.lines.is_empty())
            .min_by_key(|cursor| cursor.lines.front().map(|line| line.time_ms));
        Ok(oldest.and_then(Cursor::take))
    }

    async fn read_page(&mut self, index: usize) -> Result<(), CloudError> {
        let begin = Instant::now();
        let mut backoff = FIRST_BACKOFF;
        loop {
            if let Some(called) = self.called {
                tokio::time::sleep(CALL_INTERVAL.saturating_sub(called.elapsed())).await;
            }
            self.called = Some(Instant::now());
            let asked_ms = now_ms();
            let cursor = &mut self.cursors[index];
            let page = self.logs.filter(
                &cursor.source.group,
                cursor.source.stream.as_deref(),
                cursor.start_ms,
                cursor.end_ms,
                cursor.token.clone(),
            );
            match page.await {
                Ok(page) => {
                    cursor.exists = true;
                    cursor.accept(page.lines, page.next_token, asked_ms, self.follows);
                    return Ok(());
                }
                // Nothing is deployed yet, or nothing has been written yet.
                Err(error) if error.kind == Kind::NotFound => {
                    cursor.exists = false;
                    cursor.accept(Vec::new(), None, asked_ms, self.follows);
                    return Ok(());
                }
                Err(error) if error.kind == Kind::Unreachable && begin.elapsed() < PATIENCE => {
                    report::step(&format!("{error}; asking again"));
                    tokio::time::sleep(backoff).await;
                    backoff = MAX_BACKOFF.min(backoff * 2);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Cursor {
    fn begin(&mut self, overlap_ms: i64, end_ms: Option<i64>) {
        if let Some(complete_ms) = self.complete_ms {
            // What has been forgotten would be returned a second time.
            self.start_ms = (complete_ms - overlap_ms)
                .max(self.since_ms)
                .max(self.seen.forgotten_before_ms());
        }
        self.end_ms = end_ms;
        self.token = None;
        self.is_done = false;
    }

    /// Adds a page; `asked_ms` is when it was asked for.
    fn accept(
        &mut self,
        lines: Vec<GroupLine>,
        next_token: Option<String>,
        asked_ms: i64,
        follows: bool,
    ) {
        let is_full = lines.len() >= PAGE_LINES;
        let last_ms = lines.last().map(|line| line.time_ms);
        for line in lines {
            if self.seen.insert(line.time_ms, &line.id) {
                self.lines.push_back(line);
            }
        }
        self.token = next_token;
        match last_ms {
            // The local cloud ends a full page without a token, so the next page begins at
            // the time of the last line. Where a single millisecond fills a page, its other
            // lines are out of reach.
            Some(last_ms) if self.token.is_none() && is_full => {
                self.start_ms = last_ms.max(self.start_ms + 1);
            }
            _ if self.token.is_none() => {
                self.is_done = true;
                self.complete_ms = Some(asked_ms);
            }
            _ => {}
        }
        // No later request begins before this time.
        let again_ms = if follows {
            asked_ms - LATE_MS
        } else {
            i64::MAX
        };
        if let Some(last_ms) = last_ms {
            self.seen.forget_before(again_ms.min(last_ms));
        }
    }

    fn take(&mut self) -> Option<LogRecord> {
        let line = self.lines.pop_front()?;
        Some(LogRecord {
            source: self.source.name.clone(),
            group: self.source.group.clone(),
            // The name of a stream is `prefix/container/task id`.
            task: line.stream.rsplit_once('/').map(|(_, id)| id.to_owned()),
            stream: line.stream,
            id: line.id,
            time_ms: line.time_ms,
            message: line.message,
        })
    }
}

#[cfg(test)]
mod tests;
