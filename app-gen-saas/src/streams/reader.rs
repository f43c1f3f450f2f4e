//! The one reader of a job that somebody listens to: a task that brings what is new into the job's ring.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::database::Database;
use crate::streams::feed::{Answer, Feed, RETRY};
use crate::streams::hub::{EventHub, POLL};
use crate::streams::ring::{End, Ring};

/// For so long after its beginning a feed asks often: who stores the job's events may not know yet that
/// somebody listens.
const UNKNOWN: Duration = Duration::from_secs(5);
/// Maximum silence of a stream; proxies cut streams that are silent for longer.
const BEAT: Duration = Duration::from_secs(10);
/// Events that come within this time for each listener are sent together: waking and writing costs about so
/// much of a processor, whatever is written.
const COST_OF_A_LISTENER: Duration = Duration::from_micros(25);
/// No event waits for longer than this for others.
const LONGEST_TICK: Duration = Duration::from_millis(50);
/// Shorter waits than this are none: timers are no finer.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// How long events wait for others, with so many listeners.
fn tick(listeners: usize) -> Duration {
    let listeners = u32::try_from(listeners).unwrap_or(u32::MAX);
    COST_OF_A_LISTENER
        .saturating_mul(listeners)
        .min(LONGEST_TICK)
}

/// Brings events into the ring until the job has ended or nobody listens any more.
pub(super) async fn run(hub: &EventHub, feed: &Feed, database: &Database) {
    let begun = Instant::now();
    let mut asked = begun;
    let mut pause = Duration::ZERO;
    let mut flushed: Option<Instant> = None;
    let mut sounded = Instant::now();
    loop {
        let mut answer = Answer::All;
        let is_asked = feed.takes_question();
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
                feed.ask();
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

    #[test]
    fn ticks() {
        assert_eq!(tick(0), Duration::ZERO);
        assert_eq!(tick(100), Duration::from_micros(2500));
        assert_eq!(tick(1000), Duration::from_millis(25));
        assert_eq!(tick(usize::MAX), LONGEST_TICK);
    }
}
