//! Passes an answer on as it comes: each piece is looked at and handed over, never copied or kept.

use crate::exchange::End;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Why an answer ends in the middle. The agent sees that the connection breaks, as it would see it of
/// the provider.
#[derive(Debug, thiserror::Error)]
#[error("the answer of the provider broke")]
pub(crate) struct Broken;

/// Who keeps account of an answer that passes.
pub(crate) trait Watcher {
    /// A piece is about to be handed over. An end stops the answer before that.
    fn passed(&mut self, piece: &[u8]) -> Option<End>;

    /// Nothing more comes. Only the first end counts.
    fn ended(&mut self, end: End);
}

pub(crate) struct Relay<W> {
    body: reqwest::Body,
    watcher: W,
    /// When the last piece came.
    latest: Instant,
    silence: Duration,
    until: Instant,
    alarm: Pin<Box<Sleep>>,
    is_over: bool,
}

impl<W: Watcher> Relay<W> {
    /// `silence` is how long no piece may come, and `until` is when the whole answer must have come.
    pub(crate) fn new(body: reqwest::Body, watcher: W, silence: Duration, until: Instant) -> Self {
        let latest = Instant::now();
        Self {
            body,
            watcher,
            latest,
            silence,
            until,
            alarm: Box::pin(sleep_until(until.min(latest + silence))),
            is_over: false,
        }
    }

    fn end(&mut self, end: End) {
        self.is_over = true;
        self.watcher.ended(end);
        // This closes the connection to the provider, unless it was read to its end.
        self.body = reqwest::Body::from(Bytes::new());
    }

    /// Whether the provider has been silent, or has talked, for too long.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Option<End> {
        // The alarm is not moved with each piece: it looks when the last one was.
        while self.alarm.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            let silent = self.latest + self.silence;
            if now >= self.until {
                return Some(End::TooLong);
            }
            if now >= silent {
                return Some(End::Silent);
            }
            self.alarm.as_mut().reset(self.until.min(silent));
        }
        None
    }
}

impl<W: Watcher + Unpin> Body for Relay<W> {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let relay = self.get_mut();
        loop {
            if relay.is_over {
                return Poll::Ready(None);
            }
            match Pin::new(&mut relay.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    relay.latest = Instant::now();
                    // Trailers belong to the connection.
                    let Ok(piece) = frame.into_data() else {
                        continue;
                    };
                    if let Some(end) = relay.watcher.passed(&piece) {
                        relay.end(end);
                        return Poll::Ready(Some(Err(Broken)));
                    }
                    // Nobody asks again where the head said how long the body is.
                    if relay.body.is_end_stream() {
                        relay.end(End::Answered);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Poll::Ready(None) => relay.end(End::Answered),
                Poll::Ready(Some(Err(_))) => {
                    relay.end(End::Cut);
                    return Poll::Ready(Some(Err(Broken)));
                }
                Poll::Pending => {
                    let Some(end) = relay.poll_alarm(context) else {
                        return Poll::Pending;
                    };
                    relay.end(end);
                    return Poll::Ready(Some(Err(Broken)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
