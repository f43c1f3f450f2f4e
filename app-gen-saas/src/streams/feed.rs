//! The feed of a job that somebody listens to: one task that brings what is new into the job's ring.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use crate::database::EventRecord;
use crate::stores::Store;
use crate::streams::chunk::{Chunk, estimate};
use crate::streams::hub::{EventHub, POLL};
use crate::streams::ring::{End, Ring, Total};

/// For so long after its beginning a feed asks often: who stores the job's events may not know yet that
/// somebody listens.
const UNKNOWN: Duration = Duration::from_secs(5);
/// Pause after the database failed.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// Bytes that are read at once, if that is more than one event.
pub(super) const PAGE_BYTES: u64 = 64 * 1024;
/// Bytes of one chunk of the ring, likewise. A listener that takes nothing keeps a whole chunk in memory.
const CHUNK_BYTES: usize = 16 * 1024;
/// Bytes of events that wait to be put into the ring. What is more is read from the database.
const INCOMING_BYTES: usize = 512 * 1024;
/// Maximum silence of a stream; proxies cut streams that are silent for longer.
const BEAT: Duration = Duration::from_secs(10);
/// Events that come within this time for each listener are sent together: waking and writing costs about so
/// much of a processor, whatever is written.
const COST_OF_A_LISTENER: Duration = Duration::from_micros(25);
/// No event waits for longer than this for others.
const LONGEST_TICK: Duration = Duration::from_millis(50);
/// Shorter waits than this are none: timers are no finer.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// The feed of one job.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) job_id: String,
    pub(super) ring: watch::Sender<Ring>,
    incoming: Mutex<Incoming>,
    wake: Notify,
}

/// Events on their way into the ring.
#[derive(Debug, Default)]
struct Incoming {
    records: VecDeque<EventRecord>,
    bytes: usize,
    /// Number of the last event that is in the ring or on its way.
    last: i64,
    /// The database may have events that are not.
    ask: bool,
}

impl Incoming {
    /// Takes what continues the events that are known; whether nothing is missing in between.
    fn take(&mut self, records: impl IntoIterator<Item = EventRecord>) -> bool {
        for record in records {
            if record.sequence <= self.last {
                continue;
            }
            let bytes = estimate(&record);
            if record.sequence != self.last.saturating_add(1) || !self.has_room(bytes) {
                return false;
            }
            self.add(record, bytes);
        }
        true
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.records.is_empty() || self.bytes + bytes <= INCOMING_BYTES
    }

    fn add(&mut self, record: EventRecord, bytes: usize) {
        self.last = record.sequence;
        self.bytes += bytes;
        self.records.push_back(record);
    }

    /// The next events that make a chunk.
    fn next(&mut self) -> Vec<EventRecord> {
        let (mut records, mut taken) = (Vec::new(), 0);
        while let Some(record) = self.records.front() {
            let bytes = estimate(record);
            if !records.is_empty() && taken + bytes > CHUNK_BYTES {
                break;
            }
            taken += bytes;
            records.extend(self.records.pop_front());
        }
        self.bytes -= taken;
        records
    }
}

/// What the database said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// All that is stored is known now.
    All,
    /// There is more.
    More,
    /// All is known, and nothing more will come.
    Ended,
}

impl Feed {
    /// The feed of a job whose events up to `head` its listeners read by themselves.
    pub(super) fn new(job_id: &str, head: i64, total: Total) -> Self {
        Self {
            job_id: job_id.to_owned(),
            ring: watch::Sender::new(Ring::new(head, false, total)),
            incoming: Mutex::new(Incoming {
                last: head,
                ask: true,
                ..Incoming::default()
            }),
            wake: Notify::new(),
        }
    }

    /// Has the database asked for what is new.
    pub(super) fn ask(&self) {
        self.incoming().ask = true;
        self.wake.notify_one();
    }

    /// Takes events that have just been stored.
    pub(super) fn publish(&self, records: Vec<EventRecord>) {
        let mut incoming = self.incoming();
        let is_whole = incoming.take(records);
        incoming.ask |= !is_whole;
        drop(incoming);
        self.wake.notify_one();
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the database for one page of what is not known yet.
    async fn ask_database(&self, database: &dyn Store) -> anyhow::Result<Answer> {
        // A job can also have been removed, because it ended long ago.
        let Some(progress) = database.progress(&self.job_id).await? else {
            return Ok(Answer::Ended);
        };
        let known = self.incoming().last;
        if known < progress.last_sequence
            && let Some(page) = database.next_page(&self.job_id, known, PAGE_BYTES).await?
        {
            let records = database
                .events_between(&self.job_id, known, page.last)
                .await?;
            let mut incoming = self.incoming();
            for record in records {
                // A worker may have brought the same meanwhile. A number that is not stored is passed over.
                if record.sequence > incoming.last {
                    let bytes = estimate(&record);
                    incoming.add(record, bytes);
                }
            }
            if incoming.last < progress.last_sequence {
                return Ok(Answer::More);
            }
        }
        Ok(match progress.ended {
            true => Answer::Ended,
            false => Answer::All,
        })
    }

    /// Puts what has come into the ring, and wakes the listeners once; whether anything had come.
    fn flush(&self) -> bool {
        let mut chunks = Vec::new();
        loop {
            let records = self.incoming().next();
            let Some(last) = records.last() else {
                break;
            };
            chunks.push(match Chunk::new(&self.job_id, &records, None) {
                Ok(chunk) => chunk.ok_or(last.sequence),
                Err(error) => {
                    // Listeners will find it in the database, and fail there one by one.
                    tracing::error!(job_id = self.job_id, %error, "an event is damaged");
                    Err(last.sequence)
                }
            });
        }
        let has_come = !chunks.is_empty();
        if has_come {
            self.ring.send_modify(|ring| {
                for chunk in chunks {
                    match chunk {
                        Ok(chunk) => ring.push(chunk),
                        Err(last) => ring.skip_to(last),
                    }
                }
            });
        }
        has_come
    }
}

/// How long events wait for others, with so many listeners.
fn tick(listeners: usize) -> Duration {
    let listeners = u32::try_from(listeners).unwrap_or(u32::MAX);
    COST_OF_A_LISTENER
        .saturating_mul(listeners)
        .min(LONGEST_TICK)
}

/// Brings events into the ring until the job has ended or nobody listens any more.
pub(super) async fn run(hub: &EventHub, feed: &Feed, database: &dyn Store) {
    let begun = Instant::now();
    let mut asked = begun;
    let mut pause = Duration::ZERO;
    let mut flushed: Option<Instant> = None;
    let mut sounded = Instant::now();
    loop {
        let mut answer = Answer::All;
        let is_asked = std::mem::take(&mut feed.incoming().ask);
        if is_asked || asked.elapsed() >= pause {
            asked = Instant::now();
            pause = match begun.elapsed() < UNKNOWN {
                true => POLL,
                false => hub.poll(),
            };
            match feed.ask_database(database).await {
                Ok(said) => answer = said,
                Err(error) => {
                    pause = RETRY;
                    tracing::warn!(
                        job_id = feed.job_id,
                        error = format!("{error:#}"),
                        "failed to read events"
                    );
                }
            }
        }
        // The first event after a silence does not wait.
        let early = flushed.map_or(Duration::ZERO, |at| {
            tick(feed.ring.receiver_count()).saturating_sub(at.elapsed())
        });
        if answer == Answer::All && early >= SHORTEST_TICK {
            sleep(early).await;
        }
        if feed.flush() {
            hub.trim();
            flushed = Some(Instant::now());
            sounded = Instant::now();
        }
        match answer {
            Answer::Ended => {
                hub.remove(&feed.job_id);
                feed.ring.send_modify(|ring| ring.end(End::JobEnded));
                return;
            }
            Answer::More => {
                feed.incoming().ask = true;
                continue;
            }
            Answer::All => {}
        }
        let rest = pause
            .saturating_sub(asked.elapsed())
            .min(BEAT.saturating_sub(sounded.elapsed()));
        tokio::select! {
            () = feed.wake.notified() => {}
            () = sleep(rest) => {}
            () = feed.ring.closed() => {}
        }
        if sounded.elapsed() >= BEAT {
            feed.ring.send_modify(Ring::beat);
            sounded = Instant::now();
        }
        if hub.removed(feed) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(numbers: impl IntoIterator<Item = i64>, bytes: usize) -> Vec<EventRecord> {
        let record = |sequence| EventRecord {
            sequence,
            time: String::new(),
            kind: "log".to_owned(),
            body: format!("\"{}\"", "x".repeat(bytes)),
        };
        numbers.into_iter().map(record).collect()
    }

    fn numbers(incoming: &mut Incoming) -> Vec<i64> {
        let next = incoming.next();
        next.iter().map(|record| record.sequence).collect()
    }

    #[test]
    fn only_what_continues_the_stream_is_taken() {
        let mut incoming = Incoming {
            last: 10,
            ..Incoming::default()
        };
        assert!(incoming.take(records(9..=12, 1)));
        assert!(incoming.take(records(11..=13, 1)));
        assert!(!incoming.take(records([15], 1)));
        assert!(incoming.take(records([14], 1)));
        assert_eq!(numbers(&mut incoming), [11, 12, 13, 14]);
        assert_eq!(numbers(&mut incoming), [0; 0]);
        assert_eq!(incoming.bytes, 0);
    }

    #[test]
    fn what_waits_is_bounded_and_comes_in_pieces() {
        let mut incoming = Incoming::default();
        // One is taken however large it is.
        assert!(incoming.take(records([1], INCOMING_BYTES)));
        assert!(!incoming.take(records([2], 1)));
        assert_eq!(incoming.last, 1);
        assert_eq!(numbers(&mut incoming), [1]);
        assert!(incoming.take(records(2..=9, 7000)));
        assert_eq!(numbers(&mut incoming), [2, 3]);
        assert_eq!(numbers(&mut incoming), [4, 5]);
    }

    #[test]
    fn ticks() {
        assert_eq!(tick(0), Duration::ZERO);
        assert_eq!(tick(100), Duration::from_micros(2500));
        assert_eq!(tick(1000), Duration::from_millis(25));
        assert_eq!(tick(usize::MAX), LONGEST_TICK);
    }
}
