//! The feeds of the jobs that are watched. Each asks the database for what is new, once for all readers
//! of its job: when a worker of this process says that there is something, and once a second for what
//! another orchestrator stores.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::database::{Database, Job};
use crate::streams::frame::Frame;

/// How often the database is asked when nobody says that there is something new, and after it failed.
pub(super) const POLL: Duration = Duration::from_secs(1);
/// Bytes that are read at once, if that is more than one event.
pub(super) const PAGE_BYTES: u64 = 64 * 1024;
/// Bytes of the last events of a job that are kept for its readers.
const WINDOW_BYTES: usize = 256 * 1024;
/// Bytes that the pages of all readers may have together, those included that are being sent.
pub(super) const BUDGET_BYTES: usize = 64 * 1024 * 1024;

/// The feeds of the jobs that are watched, and the room for readers.
#[derive(Debug)]
pub struct EventHub {
    feeds: Mutex<HashMap<String, Arc<Feed>>>,
    readers: Arc<Semaphore>,
    budget: Arc<Semaphore>,
}

#[derive(Debug)]
struct Feed {
    wake: Notify,
    recent: watch::Sender<Recent>,
}

/// What a feed knows of its job: the end of the stream so far.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Number of the last known event.
    head: i64,
    /// Whether that is the last one for good.
    ended: bool,
    /// The last events without gaps, as far as they are kept.
    window: VecDeque<Frame>,
    bytes: usize,
}

/// What a reader has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send this event.
    Send(Frame),
    /// Read what is not kept any more.
    Read,
    /// Wait.
    Wait,
    /// Stop: there is nothing more.
    Stop,
}

impl Recent {
    /// What a reader does that has everything up to number `last`.
    pub(super) fn after(&self, last: i64) -> Next {
        if last >= self.head {
            return if self.ended { Next::Stop } else { Next::Wait };
        }
        let first = self.window.front().map(|frame| frame.sequence);
        first
            .and_then(|first| usize::try_from(last.saturating_add(1).saturating_sub(first)).ok())
            .and_then(|index| self.window.get(index))
            .map_or(Next::Read, |frame| Next::Send(frame.clone()))
    }

    fn push(&mut self, frame: Frame) {
        self.head = frame.sequence;
        self.bytes += frame.size();
        self.window.push_back(frame);
        while self.bytes > WINDOW_BYTES
            && let Some(oldest) = self.window.pop_front()
        {
            self.bytes -= oldest.size();
        }
    }
}

/// What one reader holds: the feed of its job, and its place among the readers.
#[derive(Debug)]
pub struct Subscription {
    pub(super) recent: watch::Receiver<Recent>,
    pub(super) budget: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

impl EventHub {
    /// With room for so many readers.
    #[must_use]
    pub fn new(readers: usize) -> Self {
        Self {
            feeds: Mutex::default(),
            readers: Arc::new(Semaphore::new(readers)),
            budget: Arc::new(Semaphore::new(BUDGET_BYTES)),
        }
    }

    /// Says that there are new events of this job.
    pub fn notify(&self, job_id: &str) {
        if let Some(feed) = self.feeds().get(job_id) {
            feed.wake.notify_one();
        }
    }

    /// A reader of the job's events; `None` when there is no room for another.
    #[must_use]
    pub fn subscribe(
        self: &Arc<Self>,
        database: &Database,
        shutdown: &watch::Sender<bool>,
        job: &Job,
    ) -> Option<Subscription> {
        let place = Arc::clone(&self.readers).try_acquire_owned().ok()?;
        let known = Recent {
            head: job.last_sequence,
            ended: job.finished_at.is_some(),
            ..Recent::default()
        };
        let recent = if known.ended {
            watch::channel(known).1
        } else {
            self.feed(database, shutdown, &job.id, known)
        };
        Some(Subscription {
            recent,
            budget: Arc::clone(&self.budget),
            _place: place,
        })
    }

    fn feed(
        self: &Arc<Self>,
        database: &Database,
        shutdown: &watch::Sender<bool>,
        job_id: &str,
        known: Recent,
    ) -> watch::Receiver<Recent> {
        let mut feeds = self.feeds();
        if let Some(feed) = feeds.get(job_id) {
            return feed.recent.subscribe();
        }
        let (recent, receiver) = watch::channel(known);
        let feed = Arc::new(Feed {
            wake: Notify::new(),
            recent,
        });
        feeds.insert(job_id.to_owned(), Arc::clone(&feed));
        drop(feeds);
        let mut shutdown = shutdown.subscribe();
        let (hub, database, job_id) = (Arc::clone(self), database.clone(), job_id.to_owned());
        tokio::spawn(async move {
            tokio::select! {
                () = run(&hub, &feed, &database, &job_id) => {}
                _ = shutdown.wait_for(|stop| *stop) => { hub.feeds().remove(&job_id); }
            }
        });
        receiver
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<String, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the feed if nobody reads it; nobody can begin to meanwhile.
    fn removed(&self, feed: &Feed, job_id: &str) -> bool {
        let mut feeds = self.feeds();
        let unread = feed.recent.is_closed();
        if unread {
            feeds.remove(job_id);
        }
        unread
    }
}

/// Reads on until the job has ended or nobody reads any more.
async fn run(hub: &EventHub, feed: &Feed, database: &Database, job_id: &str) {
    loop {
        match read(feed, database, job_id).await {
            Ok(false) => {}
            Ok(true) => {
                hub.feeds().remove(job_id);
                feed.recent.send_modify(|recent| recent.ended = true);
                return;
            }
            Err(error) => tracing::warn!(
                job_id,
                error = format!("{error:#}"),
                "failed to read events"
            ),
        }
        tokio::select! {
            () = feed.wake.notified() => {}
            () = tokio::time::sleep(POLL) => {}
            () = feed.recent.closed() => {}
        }
        if hub.removed(feed, job_id) {
            return;
        }
    }
}

/// Reads what is new; whether the job has ended and nothing more can come.
async fn read(feed: &Feed, database: &Database, job_id: &str) -> anyhow::Result<bool> {
    // A job can also have been removed, because it ended long ago.
    let Some(progress) = database.progress(job_id).await? else {
        return Ok(true);
    };
    let mut head = feed.recent.borrow().head;
    while head < progress.last_sequence {
        let Some(page) = database.next_page(job_id, head, PAGE_BYTES).await? else {
            break;
        };
        let mut frames = Vec::new();
        for record in database.events_between(job_id, head, page.last).await? {
            frames.push(Frame::new(job_id, &record, None)?);
        }
        head = page.last;
        feed.recent.send_modify(|recent| {
            frames.into_iter().for_each(|frame| recent.push(frame));
        });
    }
    Ok(progress.ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::EventRecord;

    fn frame(sequence: i64, bytes: usize) -> Frame {
        let record = EventRecord {
            sequence,
            time: String::new(),
            kind: "log".to_owned(),
            body: format!("{:?}", "x".repeat(bytes)),
        };
        Frame::new("job", &record, None).unwrap()
    }

    fn sent(next: Next) -> Option<i64> {
        match next {
            Next::Send(frame) => Some(frame.sequence),
            _ => None,
        }
    }

    #[test]
    fn readers_get_recent_events_and_read_older_ones() {
        let mut recent = Recent {
            head: 10,
            ..Recent::default()
        };
        assert_eq!(recent.after(0), Next::Read);
        assert_eq!(recent.after(10), Next::Wait);
        assert_eq!(recent.after(99), Next::Wait);
        recent.push(frame(11, 1));
        recent.push(frame(12, 1));
        assert_eq!(recent.after(9), Next::Read);
        assert_eq!(sent(recent.after(10)), Some(11));
        assert_eq!(sent(recent.after(11)), Some(12));
        assert_eq!(recent.after(12), Next::Wait);
        recent.ended = true;
        assert_eq!(sent(recent.after(11)), Some(12));
        for last in [12, 99, i64::MAX] {
            assert_eq!(recent.after(last), Next::Stop);
        }
        assert_eq!(recent.after(i64::MIN), Next::Read);
    }

    #[test]
    fn the_window_is_bounded_by_bytes() {
        let mut recent = Recent::default();
        for sequence in 1..=20 {
            recent.push(frame(sequence, WINDOW_BYTES / 4));
            assert!(recent.bytes <= WINDOW_BYTES);
        }
        assert_eq!(recent.after(0), Next::Read);
        assert_eq!(sent(recent.after(19)), Some(20));
        // Larger than the whole window: every reader reads it alone.
        recent.push(frame(21, WINDOW_BYTES));
        assert_eq!((recent.bytes, recent.after(20)), (0, Next::Read));
        recent.push(frame(22, 1));
        assert_eq!(recent.after(20), Next::Read);
        assert_eq!(sent(recent.after(21)), Some(22));
    }
}
