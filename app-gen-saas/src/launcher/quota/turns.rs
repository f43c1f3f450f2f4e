//! Turns of reading logs. Logs that somebody waits for are read quickly, the others with what is left, and
//! each of them in its order: by when it was due.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::launcher::Urgency;
use crate::launcher::quota::rate::Rate;

/// Pause between two readings of a log that somebody waits for, and of another one, where nothing is scarce.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(2);
/// How long a turn is waited for at once: a job has more to do than to read its log. Longer than `SOON`, so that
/// the turn of a log that somebody waits for is not missed by a moment.
const WAIT: Duration = Duration::from_millis(1500);
/// After so many turns of logs that somebody waits for, one of the others has its turn.
const SOON_IN_A_ROW: u32 = 3;
/// Logs that were not read for this long are forgotten, if there are many.
const FORGET_AFTER: Duration = Duration::from_secs(120);
const MANY: usize = 256;

/// Deals out the turns.
#[derive(Debug)]
pub(in crate::launcher) struct Turns {
    tickets: mpsc::UnboundedSender<Ticket>,
    rate: Arc<Mutex<Rate>>,
    logs: Mutex<HashMap<String, Log>>,
}

/// What is known of a log.
#[derive(Debug, Clone, Copy)]
struct Log {
    /// When it was last read, or first asked for.
    at: Instant,
    /// It has more to read at once.
    has_more: bool,
}

/// Somebody waits for a turn.
#[derive(Debug)]
struct Ticket {
    due: Instant,
    urgency: Urgency,
    turn: oneshot::Sender<()>,
}

impl Turns {
    /// With so many turns a second at most. Ends with its last turn.
    pub(in crate::launcher) fn new(per_second: f64) -> Self {
        let (tickets, waiting) = mpsc::unbounded_channel();
        let rate = Arc::new(Mutex::new(Rate::new(per_second, Instant::now())));
        tokio::spawn(deal(waiting, Arc::clone(&rate)));
        Self {
            tickets,
            rate,
            logs: Mutex::default(),
        }
    }

    /// Waits for the turn of this log; `false` if it did not come. Who asks again keeps its place.
    pub(in crate::launcher) async fn wait(&self, log: &str, urgency: Urgency) -> bool {
        let pause = match urgency {
            Urgency::Soon => SOON,
            Urgency::Later => LATER,
        };
        let known = self.known(log);
        let (turn, granted) = oneshot::channel();
        let ticket = Ticket {
            due: if known.has_more {
                known.at
            } else {
                known.at + pause
            },
            urgency,
            turn,
        };
        if self.tickets.send(ticket).is_err() {
            // Whoever dealt is gone with an error of its own. Nobody may spin for that.
            sleep(WAIT).await;
            return false;
        }
        let has_turn = matches!(timeout(WAIT, granted).await, Ok(Ok(())));
        if has_turn {
            self.set(log, false);
        }
        has_turn
    }

    /// The log has more to read at once.
    pub(in crate::launcher) fn has_more(&self, log: &str) {
        self.set(log, true);
    }

    /// The log is not read any more.
    pub(in crate::launcher) fn forget(&self, log: &str) {
        lock(&self.logs).remove(log);
    }

    fn known(&self, log: &str) -> Log {
        let mut logs = lock(&self.logs);
        if let Some(known) = logs.get(log) {
            return *known;
        }
        if logs.len() > MANY {
            logs.retain(|_, log| log.at.elapsed() < FORGET_AFTER);
        }
        let new = Log {
            at: Instant::now(),
            has_more: true,
        };
        logs.insert(log.to_owned(), new);
        new
    }

    fn set(&self, log: &str, has_more: bool) {
        let at = Instant::now();
        lock(&self.logs).insert(log.to_owned(), Log { at, has_more });
    }

    /// AWS refused a reading.
    pub(in crate::launcher) fn refused(&self) {
        lock(&self.rate).refused(Instant::now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those who wait, each kind by when it is due.
#[derive(Debug, Default)]
struct Queue {
    soon: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    later: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    number: u64,
    soon_in_a_row: u32,
    clean_at: usize,
}

impl Queue {
    fn add(&mut self, ticket: Ticket) {
        self.number += 1;
        let key = (ticket.due, self.number);
        match ticket.urgency {
            Urgency::Soon => self.soon.insert(key, ticket.turn),
            Urgency::Later => self.later.insert(key, ticket.turn),
        };
        // Those who gave up waiting are skipped in any case; this only bounds their number.
        if self.soon.len() + self.later.len() > self.clean_at {
            self.soon.retain(|_, turn| !turn.is_closed());
            self.later.retain(|_, turn| !turn.is_closed());
            self.clean_at = 2 * (self.soon.len() + self.later.len()) + MANY;
        }
    }

    /// When the first of them is due.
    fn first_due(&self) -> Option<Instant> {
        let first =
            |queue: &BTreeMap<(Instant, u64), _>| queue.first_key_value().map(|((due, _), _)| *due);
        match (first(&self.soon), first(&self.later)) {
            (Some(soon), Some(later)) => Some(soon.min(later)),
            (soon, later) => soon.or(later),
        }
    }

    /// Gives the turn to one that is due; `false` if there is none.
    fn grant(&mut self, now: Instant) -> bool {
        loop {
            let is_due = |queue: &BTreeMap<(Instant, u64), _>| {
                queue
                    .first_key_value()
                    .is_some_and(|((due, _), _)| *due <= now)
            };
            let (soon, later) = (is_due(&self.soon), is_due(&self.later));
            let takes_soon = soon && !(later && self.soon_in_a_row >= SOON_IN_A_ROW);
            let queue = if takes_soon {
                &mut self.soon
            } else if later {
                &mut self.later
            } else {
                return false;
            };
            let Some((_, turn)) = queue.pop_first() else {
                return false;
            };
            // One that gave up costs nothing.
            if turn.send(()).is_ok() {
                self.soon_in_a_row = if takes_soon {
                    self.soon_in_a_row + 1
                } else {
                    0
                };
                return true;
            }
        }
    }
}

/// Deals out turns until nobody can ask for one any more.
async fn deal(mut tickets: mpsc::UnboundedReceiver<Ticket>, rate: Arc<Mutex<Rate>>) {
    let mut queue = Queue::default();
    loop {
        while let Ok(ticket) = tickets.try_recv() {
            queue.add(ticket);
        }
        let now = Instant::now();
        let next = lock(&rate).next();
        if next <= now && queue.grant(now) {
            lock(&rate).take(now);
            continue;
        }
        let when = queue.first_due().map(|due| due.max(next));
        let ticket = match when {
            Some(when) => tokio::select! {
                ticket = tickets.recv() => ticket,
                () = sleep_until(when) => continue,
            },
            None => tickets.recv().await,
        };
        match ticket {
            Some(ticket) => queue.add(ticket),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(due: Instant, urgency: Urgency) -> (Ticket, oneshot::Receiver<()>) {
        let (turn, granted) = oneshot::channel();
        let ticket = Ticket { due, urgency, turn };
        (ticket, granted)
    }

    #[test]
    fn who_is_waited_for_is_first_and_nobody_is_forgotten() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let mut add = |seconds: u64, urgency| {
            let (ticket, granted) = ticket(now - Duration::from_secs(seconds), urgency);
            queue.add(ticket);
            granted
        };
        let mut waiting: Vec<(&str, oneshot::Receiver<()>)> = vec![
            ("later 9", add(9, Urgency::Later)),
            ("soon 1", add(1, Urgency::Soon)),
            ("soon 2", add(2, Urgency::Soon)),
            ("soon 3", add(3, Urgency::Soon)),
            ("soon 4", add(4, Urgency::Soon)),
            ("later 8", add(8, Urgency::Later)),
        ];
        // One that gave up.
        drop(add(99, Urgency::Soon));
        let mut order = Vec::new();
        while queue.grant(now) {
            let index = waiting
                .iter_mut()
                .position(|(_, turn)| turn.try_recv().is_ok());
            order.push(waiting.remove(index.unwrap()).0);
        }
        assert_eq!(
            order,
            ["soon 4", "soon 3", "soon 2", "later 9", "soon 1", "later 8"]
        );
    }

    #[test]
    fn nobody_has_a_turn_before_it_is_due() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut queue = Queue::default();
        let (ticket, mut granted) = ticket(later, Urgency::Soon);
        queue.add(ticket);
        assert!(!queue.grant(now));
        assert_eq!(queue.first_due(), Some(later));
        assert!(granted.try_recv().is_err());
        assert!(queue.grant(later));
        assert!(granted.try_recv().is_ok());
        assert_eq!(queue.first_due(), None);
    }

    #[test]
    fn those_who_gave_up_are_not_kept() {
        let mut queue = Queue::default();
        for _ in 0..100_000 {
            let (ticket, granted) = ticket(Instant::now(), Urgency::Later);
            drop(granted);
            queue.add(ticket);
        }
        assert!(queue.later.len() <= MANY + 1, "{}", queue.later.len());
    }

    #[tokio::test]
    async fn turns_come_at_their_rate_to_all_alike() {
        let turns = Turns::new(100.0);
        let logs: Vec<String> = (0..20).map(|number| format!("log {number}")).collect();
        let begun = Instant::now();
        let mut turns_of = HashMap::new();
        while begun.elapsed() < Duration::from_millis(500) {
            let waits = logs.iter().map(|log| turns.wait(log, Urgency::Soon));
            let granted = futures::future::join_all(waits).await;
            for (log, has_turn) in logs.iter().zip(granted) {
                *turns_of.entry(log).or_insert(0) += u32::from(has_turn);
                turns.has_more(log);
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        let all: u32 = turns_of.values().sum();
        assert!(
            f64::from(all) <= 100.0 * seconds + 2.0,
            "{all} in {seconds} s"
        );
        let (least, most) = (turns_of.values().min(), turns_of.values().max());
        assert_eq!(least, most, "{turns_of:?}");
    }
}
