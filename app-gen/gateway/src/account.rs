//! Keeps account of one request, from the moment a budget let it begin until it has ended, however it
//! ends: what is dropped is settled too.

use crate::budget::{self, Spent};
use crate::exchange::{End, Exchange};
use crate::limit::Limit;
use crate::meter::{Form, Meter};
use crate::pass::Scope;
use crate::protocol::Protocol;
use crate::relay::Watcher;
use crate::shared::Shared;
use crate::usage::Usage;
use hyper::HeaderMap;
use std::sync::Arc;
use std::time::Instant;
use time::OffsetDateTime;

/// Bytes of a token, roughly, in English and in code.
const TOKEN_BYTES: u64 = 4;

pub(crate) struct Account {
    pub(crate) shared: Arc<Shared>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) number: u64,
    pub(crate) protocol: Protocol,
    /// The model that was asked for.
    pub(crate) model: String,
    pub(crate) request_bytes: u64,
    began: Instant,
    first_byte: Option<Instant>,
    answer: Option<Answer>,
    answer_bytes: u64,
    is_settled: bool,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    meter: Meter,
    /// What the ledger knows of it, so that it is told only of what is new.
    told: Usage,
}

impl Account {
    pub(crate) fn new(
        shared: Arc<Shared>,
        scope: Arc<Scope>,
        number: u64,
        protocol: Protocol,
        model: String,
        request_bytes: u64,
    ) -> Self {
        Self {
            shared,
            scope,
            number,
            protocol,
            model,
            request_bytes,
            began: Instant::now(),
            first_byte: None,
            answer: None,
            answer_bytes: 0,
            is_settled: false,
        }
    }

    /// An answer has begun.
    pub(crate) fn answered(&mut self, status: u16, headers: HeaderMap, is_streamed: bool) {
        let text = |name: &str| {
            headers
                .get(name)?
                .to_str()
                .ok()
                .map(str::to_ascii_lowercase)
        };
        let form = match text("content-type").as_deref() {
            Some(form) if form.starts_with("text/event-stream") => Form::Events,
            Some(form) if form.starts_with("application/json") => Form::Object,
            // Whoever names no form sends what was asked for.
            _ if is_streamed && status < 300 => Form::Events,
            _ => Form::Object,
        };
        let coding = text("content-encoding");
        self.first_byte = Some(Instant::now());
        self.answer = Some(Answer {
            status,
            meter: Meter::new(self.protocol, form, coding.as_deref()),
            headers,
            told: Usage::default(),
        });
    }

    /// Some of the answer has passed.
    fn count(&mut self, piece: &[u8]) {
        self.answer_bytes = self.answer_bytes.saturating_add(piece.len() as u64);
        if self.shared.observer.wants_bodies() {
            self.shared.observer.answer_piece(self.number, piece);
        }
        let Some(answer) = &mut self.answer else {
            return;
        };
        answer.meter.read(piece);
        let usage = answer.meter.known().usage;
        if usage != answer.told {
            answer.told = usage;
            let so_far = self.spent(true);
            self.shared.ledger.update(self.number, &so_far);
        }
    }

    /// It has ended. Only the first end counts.
    pub(crate) fn settle(&mut self, end: End) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        if let Some(answer) = &mut self.answer {
            answer.meter.end();
        }
        let is_whole = self.is_whole() || end == End::Unreachable;
        let end = match end {
            End::Answered if !is_whole => End::Incomplete,
            // Some agents leave when they have the last event that they need.
            End::Abandoned | End::Cut if is_whole && self.is_good() => End::Answered,
            end => end,
        };
        let mut spent = self.spent(is_whole);
        if !is_whole {
            spent = self.with_estimate(end);
        }
        let known = self.answer.as_ref().map(|answer| answer.meter.known());
        let error = known.and_then(|known| known.error.clone());
        let limit = self.answer.as_ref().and_then(|answer| {
            let known = answer.meter.known();
            let now = OffsetDateTime::now_utc();
            Limit::read(
                answer.status,
                &answer.headers,
                error.as_deref(),
                known.reset,
                now,
            )
        });
        let model = self.answered_by().to_owned();
        self.shared
            .ledger
            .end(self.number, &self.model, &model, &spent);
        let exchange = Exchange {
            number: self.number,
            request_id: self.shared.request_id.clone(),
            place: self.scope.place.clone(),
            protocol: self.protocol,
            model,
            status: self.answer.as_ref().map(|answer| answer.status),
            end,
            error,
            limit,
            spent,
            request_bytes: self.request_bytes,
            answer_bytes: self.answer_bytes,
            first_byte: self.first_byte.map(|at| at - self.began),
            took: Some(self.began.elapsed()),
        };
        self.shared.learn(&exchange);
        self.shared.observer.ended(&exchange);
    }

    fn is_good(&self) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|answer| answer.status < 300)
    }

    /// What it took is known: the provider said it, or refused, or was never reached.
    fn is_whole(&self) -> bool {
        match &self.answer {
            Some(answer) if answer.status < 300 => answer.meter.known().is_whole,
            // Nobody charges for an error.
            Some(_) => true,
            None => false,
        }
    }

    fn answered_by(&self) -> &str {
        let known = self.answer.as_ref().map(|answer| answer.meter.known());
        known
            .and_then(|known| known.model.as_deref())
            .unwrap_or(&self.model)
    }

    fn spent(&self, is_whole: bool) -> Spent {
        let known = self.answer.as_ref().filter(|answer| answer.status < 300);
        let usage = known.map_or_else(Usage::default, |answer| answer.meter.known().usage);
        self.priced(usage, Usage::default(), is_whole)
    }

    /// What it took where nobody said all of it. Without an estimate, an agent that always leaves before
    /// the end would never reach its budget.
    fn with_estimate(&self, end: End) -> Spent {
        let known = self.answer.as_ref().filter(|_| self.is_good());
        let (usage, has_input, said) = match known.map(|answer| answer.meter.known()) {
            Some(known) => (known.usage, known.has_input, known.said_bytes),
            None => (Usage::default(), false, 0),
        };
        // A provider that could not be reached, or that broke before it answered, charges nothing.
        let is_charged = known.is_some() || matches!(end, End::Abandoned | End::NoAnswer);
        let mut estimated = Usage::default();
        if is_charged && !has_input {
            estimated.input = self.request_bytes / TOKEN_BYTES;
        }
        estimated.output = (said / TOKEN_BYTES).saturating_sub(usage.output);
        self.priced(usage, estimated.bounded(), false)
    }

    fn priced(&self, usage: Usage, estimated: Usage, is_whole: bool) -> Spent {
        let prices = &self.shared.prices;
        // A name that the provider made up of the one that was asked for has the price of that one.
        let price = prices
            .find(self.answered_by())
            .or_else(|| prices.find(&self.model));
        budget::spent(price, usage, estimated, is_whole)
    }
}

impl Watcher for Account {
    fn passed(&mut self, piece: &[u8]) -> Option<End> {
        self.count(piece);
        None
    }

    fn ended(&mut self, end: End) {
        self.settle(end);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.settle(End::Abandoned);
    }
}
