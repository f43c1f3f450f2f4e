//! A load test of what serves: many listen to the live events of one job, as a page does, and what each of them got is
//! compared. It is bounded in number and time, and takes away what it made.

use crate::product::Product;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;

/// What the job is asked for; the provider without an agent costs nothing but its task.
const DESCRIPTION: &str = "A list, for a load test";
const PROVIDER: &str = "template";
/// No such job writes so many. A listener keeps a time for each.
const EVENTS_LIMIT: usize = 10_000;
/// How long the last listeners may take after the job's time.
const GRACE: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The job that they listened to.
    pub job: String,
    /// Listeners that were let in.
    pub listeners: usize,
    /// Listeners that were refused, because there were too many.
    pub refused: usize,
    /// Events of the job.
    pub events: u64,
    /// Events that a listener did not get, or got twice or in another order, over all listeners.
    pub lost: u64,
    /// From the first listener who got an event to another one who got it, over all events and listeners.
    pub spread_ms: Spread,
    /// From the first event to the last.
    pub seconds: f64,
}

/// A distribution of times in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of them are not longer.
    pub p50: f64,
    /// 99 of 100 are not longer.
    pub p99: f64,
    /// The longest.
    pub most: f64,
}

/// What one listener got: the number of each event, and when.
type Heard = Vec<(u64, Instant)>;

/// What became of one listener.
enum End {
    Refused(String),
    Heard(Heard),
}

#[derive(Deserialize)]
struct Event {
    sequence: u64,
}

/// Has so many listen to a job of its own until it ends, for this time at most.
///
/// # Errors
/// The job is not accepted or does not end in time, or nobody was let in.
pub fn streams(
    context: &Context,
    product: &Arc<Product>,
    listeners: usize,
    bound: Duration,
) -> anyhow::Result<Measured> {
    let wanted = json!({ "description": DESCRIPTION, "provider": PROVIDER });
    let job = product.post("/api/jobs", Some(&wanted))?;
    let field = |name: &str| job[name].as_str().map(str::to_owned);
    let id = field("id").context("the job has no id")?;
    context
        .report
        .step(&format!("{listeners} listen to job {id}"));
    let heard = listen(product, &id, listeners, bound);
    // The application is nobody's wish.
    let removed =
        field("project").map(|project| product.delete(&format!("/api/projects/{project}")));
    if let Some(Err(error)) = removed {
        context
            .report
            .step(&format!("the project of job {id} stays: {error:#}"));
    }
    judged(id, heard?)
}

fn listen(
    product: &Arc<Product>,
    job: &str,
    listeners: usize,
    bound: Duration,
) -> anyhow::Result<Vec<End>> {
    let deadline = Instant::now() + bound + GRACE;
    let (sender, receiver) = mpsc::channel();
    for _ in 0..listeners {
        let (sender, product) = (sender.clone(), Arc::clone(product));
        let path = format!("/api/jobs/{job}/events");
        std::thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(move || {
                // Nobody waits any more where this fails.
                let _ = sender.send(hear(&product, &path, bound));
            })
            .context("failed to start a listener")?;
    }
    drop(sender);
    let mut ends = Vec::with_capacity(listeners);
    while ends.len() < listeners {
        interrupt::check()?;
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(end) => ends.push(end),
            Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
            Err(_) => {
                return Err(Failure::new(
                    Code::Failed,
                    format!("job {job} did not end within {} s", bound.as_secs()),
                )
                .hint(
                    "raise --timeout-secs, or look at what the job does: cargo xtask jobs show JOB",
                )
                .into());
            }
        }
    }
    Ok(ends)
}

/// Listens until the stream ends.
fn hear(product: &Product, path: &str, bound: Duration) -> End {
    let lines = match product.stream(path, bound) {
        Ok(stream) => stream.lines(),
        Err(error) => return End::Refused(format!("{error:#}")),
    };
    let mut heard = Heard::new();
    // A stream that breaks off lacks its last events, which is how it is found out.
    for line in lines.map_while(Result::ok) {
        let now = Instant::now();
        let event = line.strip_prefix("data:");
        if let Some(Ok(event)) = event.map(|data| serde_json::from_str::<Event>(data.trim())) {
            heard.push((event.sequence, now));
        }
        if heard.len() == EVENTS_LIMIT {
            break;
        }
    }
    End::Heard(heard)
}

fn judged(job: String, ends: Vec<End>) -> anyhow::Result<Measured> {
    let (mut all, mut refusals) = (Vec::new(), Vec::new());
    for end in ends {
        match end {
            End::Heard(heard) => all.push(heard),
            End::Refused(why) => refusals.push(why),
        }
    }
    let mut first: BTreeMap<u64, Instant> = BTreeMap::new();
    for &(sequence, at) in all.iter().flatten() {
        let known = first.entry(sequence).or_insert(at);
        *known = at.min(*known);
    }
    let (Some(begin), Some(end), Some(&events)) = (
        first.values().min(),
        all.iter().flatten().map(|(_, at)| at).max(),
        first.keys().max(),
    ) else {
        let why = refusals
            .into_iter()
            .next()
            .unwrap_or_else(|| "no event came".to_owned());
        return Err(Failure::new(
            Code::Failed,
            format!("nobody heard anything of job {job}: {why}"),
        )
        .hint("cargo xtask doctor")
        .into());
    };
    let mut spread: Vec<f64> = all
        .iter()
        .flatten()
        .filter_map(|(sequence, at)| {
            Some(at.duration_since(*first.get(sequence)?).as_secs_f64() * 1000.0)
        })
        .collect();
    spread.sort_by(f64::total_cmp);
    Ok(Measured {
        listeners: all.len(),
        refused: refusals.len(),
        events,
        lost: all.iter().map(|heard| lost(heard, events)).sum(),
        spread_ms: Spread {
            p50: percentile(&spread, 50),
            p99: percentile(&spread, 99),
            most: spread.last().copied().unwrap_or_default(),
        },
        seconds: end.duration_since(*begin).as_secs_f64(),
        job,
    })
}

/// How many of the events 1 to `events` were not in their place.
fn lost(heard: &Heard, events: u64) -> u64 {
    let mut expected = 1;
    let mut wrong = 0;
    for (sequence, _) in heard {
        if *sequence < expected {
            wrong += 1;
        } else {
            wrong += sequence - expected;
            expected = sequence + 1;
        }
    }
    wrong + (events + 1).saturating_sub(expected)
}

/// Of sorted values.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(begin: Instant, events: &[(u64, u64)]) -> End {
        let event = |&(sequence, after_ms)| (sequence, begin + Duration::from_millis(after_ms));
        End::Heard(events.iter().map(event).collect())
    }

    #[test]
    fn what_listeners_got_is_compared() {
        let begin = Instant::now();
        let measured = judged(
            "1".to_owned(),
            vec![
                heard(begin, &[(1, 0), (2, 100), (3, 200)]),
                heard(begin, &[(1, 10), (2, 100), (3, 240)]),
                End::Refused("too many".to_owned()),
            ],
        )
        .unwrap();
        let counts = (
            measured.listeners,
            measured.refused,
            measured.events,
            measured.lost,
        );
        assert_eq!(counts, (2, 1, 3, 0));
        let Spread { p50, p99, most } = measured.spread_ms;
        assert!(
            p50 < 0.1 && (39.0..41.0).contains(&p99) && (39.0..41.0).contains(&most),
            "{measured:?}"
        );
        assert!((0.239..0.241).contains(&measured.seconds), "{measured:?}");
    }

    #[test]
    fn nothing_that_is_lost_is_overlooked() {
        let now = Instant::now();
        let got = |numbers: &[u64]| lost(&numbers.iter().map(|&number| (number, now)).collect(), 4);
        assert_eq!(got(&[1, 2, 3, 4]), 0);
        assert_eq!(got(&[1, 2, 4]), 1);
        assert_eq!(got(&[2, 3, 4]), 1);
        assert_eq!(got(&[1, 2]), 2);
        assert_eq!(got(&[]), 4);
        assert_eq!(got(&[1, 2, 2, 3, 4]), 1);
        assert!(judged("1".to_owned(), vec![End::Heard(Heard::new())]).is_err());
    }
}
