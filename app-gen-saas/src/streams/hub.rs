//! The feeds of the jobs that somebody listens to, and who else is interested in a job.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, watch};

use crate::app::App;
use crate::config::StreamLimits;
use crate::database::{EventRecord, Job};
use crate::error::ApiError;
use crate::streams::chunk::OVERHEAD_BYTES;
use crate::streams::feed::{self, Feed};
use crate::streams::listener::Listener;
use crate::streams::places::Places;
use crate::streams::ring::{End, RING_BYTES, Ring, Total};

/// How often a feed asks the database when nobody says that there is something new, and when others would.
pub(super) const POLL: Duration = Duration::from_secs(1);
const POLL_WITH_NEWS: Duration = Duration::from_secs(5);
/// Bytes of the rings of all jobs together.
const ALL_RINGS_BYTES: usize = 64 * 1024 * 1024;
/// Bytes that the pages of all listeners may have together, those included that are being sent.
pub(super) const PAGES_BYTES: usize = 64 * 1024 * 1024;
/// How long another orchestrator's interest in a job lasts; it is renewed well before.
const INTEREST: Duration = Duration::from_secs(30);
/// Jobs of which others are to be told; beyond that they are told to ask for all that they follow.
const MAX_NEWS: usize = 2000;

/// The feeds of the jobs that somebody listens to, and the room for listeners.
#[derive(Debug)]
pub struct EventHub {
    feeds: Mutex<HashMap<String, Arc<Feed>>>,
    limits: StreamLimits,
    places: Places,
    pub(super) pages: Arc<Semaphore>,
    rings: Total,
    /// Jobs that somebody listens to at another orchestrator, and when that was last said.
    interest: Mutex<HashMap<String, Instant>>,
    unsaid: Mutex<News>,
    pub(super) to_say: Notify,
    /// Whether what other orchestrators say arrives here.
    hears: AtomicBool,
}

/// What other orchestrators are to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Jobs that have new events.
    pub(super) events: HashSet<String>,
    /// Jobs that somebody has begun to listen to.
    pub(super) interest: HashSet<String>,
    /// There is more than can be listed.
    pub(super) of_all: bool,
}

impl EventHub {
    /// With these limits of listeners.
    #[must_use]
    pub fn new(limits: StreamLimits) -> Self {
        Self {
            feeds: Mutex::default(),
            limits,
            places: Places::new(limits),
            pages: Arc::new(Semaphore::new(PAGES_BYTES)),
            rings: Total::default(),
            interest: Mutex::default(),
            unsaid: Mutex::default(),
            to_say: Notify::new(),
            hears: AtomicBool::new(false),
        }
    }

    /// Says that there are new events of this job in the database.
    pub fn notify(&self, job_id: &str) {
        if let Some(feed) = self.feed(job_id) {
            feed.ask();
        }
        self.say_events(job_id);
    }

    /// As [`EventHub::notify`], with the events that have just been stored.
    pub fn publish(&self, job_id: &str, records: Vec<EventRecord>) {
        if let Some(feed) = self.feed(job_id) {
            feed.publish(records);
        }
        self.say_events(job_id);
    }

    /// Whether what other orchestrators say is heard here.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    /// Whether somebody listens to the job, here or at another orchestrator.
    #[must_use]
    pub fn is_watched(&self, job_id: &str) -> bool {
        if self.feeds().contains_key(job_id) {
            return true;
        }
        self.is_watched_elsewhere(job_id)
    }

    fn is_watched_elsewhere(&self, job_id: &str) -> bool {
        let mut interest = lock(&self.interest);
        let watched = interest.get(job_id).map(|at| at.elapsed() < INTEREST);
        if watched == Some(false) {
            interest.remove(job_id);
        }
        watched == Some(true)
    }

    /// How many listeners there are.
    #[must_use]
    pub fn listeners(&self) -> usize {
        let feeds = self.feeds();
        feeds.values().map(|feed| feed.ring.receiver_count()).sum()
    }

    /// Begins to listen to the job's events after number `after`.
    ///
    /// # Errors
    /// [`ApiError::Busy`] or [`ApiError::TooMany`] when there are too many listeners.
    pub fn listen(
        self: &Arc<Self>,
        app: &App,
        job: &Job,
        after: i64,
        client: IpAddr,
    ) -> Result<Listener, ApiError> {
        let place = self.places.take(client, &job.id)?;
        let ring = match job.finished_at {
            Some(_) => watch::channel(Ring::new(job.last_sequence, true, self.rings.clone())).1,
            None => self.subscribe(app, job),
        };
        Ok(Listener::new(
            app,
            &job.id,
            after.max(0),
            ring,
            self.limits.behind,
            place,
        ))
    }

    /// The ring of a job that has not ended, as far as is known, with a feed.
    fn subscribe(self: &Arc<Self>, app: &App, job: &Job) -> watch::Receiver<Ring> {
        let mut feeds = self.feeds();
        if let Some(feed) = feeds.get(&job.id) {
            return feed.ring.subscribe();
        }
        let feed = Arc::new(Feed::new(&job.id, begin(job), self.rings.clone()));
        let ring = feed.ring.subscribe();
        feeds.insert(job.id.clone(), Arc::clone(&feed));
        drop(feeds);
        self.say_interest(&job.id);
        let mut shutdown = app.shutdown.subscribe();
        let (hub, database) = (Arc::clone(self), Arc::clone(&app.database));
        tokio::spawn(async move {
            tokio::select! {
                () = feed::run(&hub, &feed, &*database) => {}
                _ = shutdown.wait_for(|stop| *stop) => {
                    hub.remove(&feed.job_id);
                    feed.ring.send_modify(|ring| ring.end(End::Stopping));
                }
            }
        });
        ring
    }

    fn feed(&self, job_id: &str) -> Option<Arc<Feed>> {
        self.feeds().get(job_id).cloned()
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<String, Arc<Feed>>> {
        lock(&self.feeds)
    }

    pub(super) fn remove(&self, job_id: &str) {
        self.feeds().remove(job_id);
    }

    /// Removes the feed if nobody listens to it; nobody can begin to meanwhile.
    pub(super) fn removed(&self, feed: &Feed) -> bool {
        let mut feeds = self.feeds();
        let is_unheard = feed.ring.is_closed();
        if is_unheard {
            feeds.remove(&feed.job_id);
        }
        is_unheard
    }

    /// Takes from the largest rings until all of them together have no more than they may.
    pub(super) fn trim(&self) {
        while self.rings.bytes() > ALL_RINGS_BYTES {
            let feeds: Vec<Arc<Feed>> = self.feeds().values().cloned().collect();
            let largest = feeds
                .iter()
                .map(|feed| (feed.ring.borrow().bytes(), feed))
                .max_by_key(|(bytes, _)| *bytes);
            // What is left belongs to jobs that have ended, and goes with their last listeners.
            let Some((1.., feed)) = largest else {
                return;
            };
            feed.ring.send_if_modified(|ring| {
                ring.drop_oldest();
                false
            });
        }
    }

    /// How long a feed may wait before it asks by itself.
    pub(super) fn poll(&self) -> Duration {
        match self.hears() {
            true => POLL_WITH_NEWS,
            false => POLL,
        }
    }

    /// Sets whether what other orchestrators say arrives here. What was said meanwhile is asked for.
    pub(super) fn set_hears(&self, hears: bool) {
        if self.hears.swap(hears, Ordering::Relaxed) != hears {
            self.ask_all();
        }
    }

    /// Has all feeds ask the database.
    pub(super) fn ask_all(&self) {
        for feed in self.feeds().values() {
            feed.ask();
        }
    }

    /// Another orchestrator says that the job has new events.
    pub(super) fn heard_events(&self, job_id: &str) {
        if let Some(feed) = self.feed(job_id) {
            feed.ask();
        }
    }

    /// Another orchestrator says that somebody listens to the job there.
    pub(super) fn heard_interest(&self, job_id: &str) {
        let mut interest = lock(&self.interest);
        interest.retain(|_, at| at.elapsed() < INTEREST);
        interest.insert(job_id.to_owned(), Instant::now());
    }

    /// The jobs that somebody listens to here.
    pub(super) fn watched(&self) -> HashSet<String> {
        self.feeds().keys().cloned().collect()
    }

    /// Another orchestrator has begun to hear, and knows of no interest yet.
    pub(super) fn heard_question(&self) {
        let watched = self.watched();
        lock(&self.unsaid).interest.extend(watched);
        self.to_say.notify_one();
    }

    /// Takes what is to be said.
    pub(super) fn take_news(&self) -> News {
        std::mem::take(&mut *lock(&self.unsaid))
    }

    /// Has others told of new events, if they listen; who hears nothing cannot know.
    fn say_events(&self, job_id: &str) {
        if self.hears() && !self.is_watched_elsewhere(job_id) {
            return;
        }
        let mut unsaid = lock(&self.unsaid);
        if unsaid.events.len() >= MAX_NEWS {
            unsaid.events.clear();
            unsaid.of_all = true;
        }
        if !unsaid.of_all && unsaid.events.insert(job_id.to_owned()) {
            drop(unsaid);
            self.to_say.notify_one();
        }
    }

    fn say_interest(&self, job_id: &str) {
        // What does not fit is said with the next sign of life.
        let mut unsaid = lock(&self.unsaid);
        if unsaid.interest.len() < MAX_NEWS {
            unsaid.interest.insert(job_id.to_owned());
            drop(unsaid);
            self.to_say.notify_one();
        }
    }
}

/// After which event a ring begins: before the first one if all have room in it, so that listeners who come
/// late are served from it, too; else behind the last one.
fn begin(job: &Job) -> i64 {
    let overhead = job.last_sequence.saturating_mul(OVERHEAD_BYTES as i64);
    let bytes = job.event_bytes.saturating_add(overhead);
    match usize::try_from(bytes).is_ok_and(|bytes| bytes <= RING_BYTES) {
        true => 0,
        false => job.last_sequence,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interest_is_known() {
        let hub = EventHub::new(StreamLimits::default());
        assert!(!hub.is_watched("a"));
        hub.heard_interest("a");
        assert!(hub.is_watched("a"));
        assert!(!hub.is_watched("b"));
        // Only they are told of, unless it cannot be known.
        for job in ["a", "b"] {
            hub.notify(job);
        }
        assert_eq!(hub.take_news().events.len(), 2);
        hub.set_hears(true);
        for job in ["a", "b"] {
            hub.publish(job, Vec::new());
        }
        assert_eq!(hub.take_news().events, HashSet::from(["a".to_owned()]));
    }

    #[test]
    fn what_is_to_be_said_is_bounded() {
        let hub = EventHub::new(StreamLimits::default());
        for number in 0..3 {
            hub.notify(&format!("job {}", number % 2));
        }
        let news = hub.take_news();
        assert_eq!((news.events.len(), news.of_all), (2, false));
        for number in 0..3 * MAX_NEWS {
            hub.notify(&format!("job {number}"));
        }
        let news = hub.take_news();
        assert_eq!((news.events.len(), news.of_all), (0, true));
        assert!(hub.take_news().events.is_empty());
    }
}
