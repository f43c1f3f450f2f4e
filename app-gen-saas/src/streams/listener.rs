//! One listener to a job's events.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::app::App;
use crate::stores::Store;
use crate::streams::chunk::Chunk;
use crate::streams::feed::{PAGE_BYTES, RETRY};
use crate::streams::hub::PAGES_BYTES;
use crate::streams::places::Place;
use crate::streams::ring::{self, End, Ring};

/// How long a listener waits for room for its page before it gives a sign of life.
const PAGE_WAIT: Duration = Duration::from_secs(10);

/// One listener to a job's events: gets each once and in order, however slow, late or often reconnected it
/// is, and holds one page at most.
#[derive(Debug)]
pub struct Listener {
    job_id: String,
    /// Number of the last event that it has.
    last: i64,
    ring: watch::Receiver<Ring>,
    /// The last sign of life that it gave.
    pulse: u64,
    /// It has once been up to date.
    was_live: bool,
    /// Since when it has not been, after that.
    behind_since: Option<Instant>,
    /// How long it may be so.
    behind: Duration,
    database: Arc<dyn Store>,
    pages: Arc<Semaphore>,
    shutdown: watch::Sender<bool>,
    _place: Place,
}

/// What a listener is to be sent.
#[derive(Debug)]
pub enum Next {
    /// These events.
    Events(Chunk),
    /// A sign of life: there has been none for a while.
    Quiet,
    /// Nothing more.
    End(End),
}

/// What reading a page brought.
enum Page {
    Chunk(Chunk),
    /// There is no room for it at the moment.
    NoRoom,
    /// There is nothing: the job was removed.
    Gone,
}

impl Listener {
    pub(super) fn new(
        app: &App,
        job_id: &str,
        after: i64,
        ring: watch::Receiver<Ring>,
        behind: Duration,
        place: Place,
    ) -> Self {
        let pulse = ring.borrow().pulse();
        Self {
            job_id: job_id.to_owned(),
            last: after,
            ring,
            pulse,
            was_live: false,
            behind_since: None,
            behind,
            database: Arc::clone(&app.database),
            pages: Arc::clone(&app.hub.pages),
            shutdown: app.shutdown.clone(),
            _place: place,
        }
    }

    /// The number of the last event that was handed out, from which a client can go on elsewhere.
    #[must_use]
    pub const fn last(&self) -> i64 {
        self.last
    }

    /// What comes next. May be given up at any point and called again.
    pub async fn next(&mut self) -> Next {
        loop {
            let (next, pulse) = {
                let ring = self.ring.borrow_and_update();
                (ring.after(self.last), ring.pulse())
            };
            match next {
                ring::Next::Send(chunk) => {
                    self.caught_up();
                    return self.hand_out(chunk);
                }
                ring::Next::Read => {
                    if *self.shutdown.borrow() {
                        return Next::End(End::Stopping);
                    }
                    if self.is_too_slow() {
                        return Next::End(End::TooSlow);
                    }
                    // Few are here at a time, and those who wait need not have room for it.
                    match Box::pin(self.read()).await {
                        Ok(Page::Chunk(chunk)) => return self.hand_out(chunk),
                        Ok(Page::NoRoom) => return Next::Quiet,
                        // The feed ends as well.
                        Ok(Page::Gone) => return Next::End(End::JobEnded),
                        Err(error) => {
                            tracing::warn!(
                                job_id = self.job_id,
                                error = format!("{error:#}"),
                                "failed to read events"
                            );
                            sleep(RETRY).await;
                        }
                    }
                }
                ring::Next::Wait => {
                    self.caught_up();
                    if pulse != self.pulse {
                        self.pulse = pulse;
                        return Next::Quiet;
                    }
                    if self.ring.changed().await.is_err() {
                        return Next::End(End::Stopping);
                    }
                }
                ring::Next::Stop(end) => return Next::End(end),
            }
        }
    }

    fn caught_up(&mut self) {
        self.was_live = true;
        self.behind_since = None;
    }

    /// Whether it fell behind long ago and has not caught up. Who begins far behind may take its time.
    fn is_too_slow(&mut self) -> bool {
        if !self.was_live {
            return false;
        }
        let since = self.behind_since.get_or_insert_with(Instant::now);
        since.elapsed() >= self.behind
    }

    fn hand_out(&mut self, chunk: Chunk) -> Next {
        self.last = chunk.last();
        // Events are a sign of life, too.
        self.pulse = self.ring.borrow().pulse();
        Next::Events(chunk)
    }

    /// The next page, as soon as the budget of all listeners has room for it.
    async fn read(&self) -> anyhow::Result<Page> {
        let (database, job_id) = (&self.database, &self.job_id);
        let Some(page) = database.next_page(job_id, self.last, PAGE_BYTES).await? else {
            return Ok(Page::Gone);
        };
        let bytes = u32::try_from(page.bytes.clamp(1, PAGES_BYTES as u64))?;
        let room = Arc::clone(&self.pages).acquire_many_owned(bytes);
        let Ok(permit) = timeout(PAGE_WAIT, room).await else {
            return Ok(Page::NoRoom);
        };
        let records = database
            .events_between(job_id, self.last, page.last)
            .await?;
        let chunk = Chunk::new(job_id, &records, Some(permit?))?;
        Ok(chunk.map_or(Page::Gone, Page::Chunk))
    }
}
