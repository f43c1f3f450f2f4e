//! Puts the fault of a turn into its answer, and remembers how often it did.
//!
//! This is the only thing that the server remembers. A server that was restarted plays a fault again.

use crate::script::{Fault, FaultKind};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Turns whose faults are remembered.
const MAX_TURNS: usize = 100_000;

/// A turn of a conversation; a fault with a time is the same for all conversations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) conversation: String,
    pub(crate) part: usize,
    pub(crate) turn: usize,
}

#[derive(Debug, Clone, Copy)]
struct Met {
    times: u32,
    first: OffsetDateTime,
}

/// How often each turn's fault was met.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<Place, Met>>);

impl Memory {
    /// When the fault meets a request at `now`, and until when; nothing if it is over.
    pub(crate) fn meets(
        &self,
        mut place: Place,
        fault: &Fault,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        if fault.for_seconds.is_some() {
            place.conversation.clear();
        }
        // Nothing that panics happens while it is locked.
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MAX_TURNS && !memory.contains_key(&place) {
            memory.clear();
        }
        let met = memory.entry(place).or_insert(Met {
            times: 0,
            first: now,
        });
        met.times = met.times.saturating_add(1);
        let seconds = fault.for_seconds.unwrap_or_default();
        let until = met.first + Duration::from_secs(u64::from(seconds));
        let is_over = match (fault.times, fault.for_seconds) {
            (Some(times), _) => met.times > times,
            (None, Some(_)) => now >= until,
            (None, None) => false,
        };
        (!is_over).then_some(until)
    }
}

/// The steps in which an answer is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// The connection breaks here.
    Break,
}

/// Sends events with a pause before each.
pub(crate) fn steps(events: Vec<String>, pause: Duration) -> Vec<Step> {
    let mut steps = Vec::with_capacity(events.len());
    for event in events {
        if !pause.is_zero() {
            steps.push(Step::Wait(pause));
        }
        steps.push(Step::Send(event.into_bytes()));
    }
    steps
}

/// Puts what goes wrong in the middle of an answer into its steps. `error` makes the event of an error.
pub(crate) fn disturb(
    mut steps: Vec<Step>,
    kind: &FaultKind,
    error: impl Fn(&str, &str) -> String,
) -> Vec<Step> {
    // Time for what was sent to leave, since a connection that breaks takes with it what did not.
    const BEFORE_BREAK: Step = Step::Wait(Duration::from_millis(50));
    let at = |steps: &[Step], after_events: usize| {
        let events = steps.iter().enumerate();
        let mut events = events.filter(|(_, step)| matches!(step, Step::Send(_)));
        events.nth(after_events).map_or(steps.len(), |(at, _)| at)
    };
    match kind {
        FaultKind::ErrorEvent {
            after_events,
            error_type,
            message,
        } => {
            steps.truncate(at(&steps, *after_events));
            steps.push(Step::Send(error(error_type, message).into_bytes()));
        }
        FaultKind::Cut { after_events } => {
            steps.truncate(at(&steps, *after_events));
            steps.extend([BEFORE_BREAK, Step::Break]);
        }
        FaultKind::Stall {
            after_events,
            seconds,
        } => {
            let at = at(&steps, *after_events);
            steps.insert(at, wait(*seconds));
        }
        FaultKind::Garbage {
            after_events,
            bytes,
        } => {
            steps.truncate(at(&steps, *after_events));
            steps.push(Step::Send(garbage(*bytes)));
        }
        // These come before the answer.
        FaultKind::Silence { .. } | FaultKind::HangUp {} | FaultKind::Status { .. } => {}
    }
    steps
}

pub(crate) fn wait(seconds: u32) -> Step {
    Step::Wait(Duration::from_secs(seconds.into()))
}

/// The same bytes each time, of all values: a generator of pseudo-random numbers (`SplitMix64`).
fn garbage(bytes: usize) -> Vec<u8> {
    let mut state = 0_u64;
    let mut garbage = Vec::with_capacity(bytes + 8);
    while garbage.len() < bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        garbage.extend((mixed ^ (mixed >> 31)).to_le_bytes());
    }
    garbage.truncate(bytes);
    garbage
}

/// Puts the time at which a limit ends into a text.
pub(crate) fn with_reset(text: &str, now: OffsetDateTime, until: OffsetDateTime) -> String {
    // A client that comes back after so many seconds finds the limit gone.
    let left = (until - now).as_seconds_f64().ceil().max(0.0);
    let epoch = until.unix_timestamp() + i64::from(until.nanosecond() > 0);
    let reset = OffsetDateTime::from_unix_timestamp(epoch).unwrap_or(until);
    text.replace("{seconds_left}", &format!("{left:.0}"))
        .replace("{reset_epoch}", &epoch.to_string())
        .replace("{reset_time}", &reset.format(&Rfc3339).unwrap_or_default())
}
