//! Reads what an answer says of itself while it passes: its model, its tokens, its end, its error.
//!
//! The bytes are only looked at. Memory is the same for every answer, and where a network cut it into
//! pieces makes no difference. Events that nobody knows and noise between events are skipped.

mod answer;
mod scan;
mod sse;

pub(crate) use crate::meter::answer::{Known, Reset};

use crate::meter::answer::Event;
use crate::meter::scan::Scanner;
use crate::meter::sse::{Frames, Part};
use crate::protocol::Protocol;
use flate2::write::GzDecoder;
use std::io::{self, Write};

/// What form the body of an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Events,
    Object,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Meter(Coding);

#[derive(Debug)]
enum Coding {
    Plain(Box<Reader>),
    /// A provider, or a proxy before it, compresses although it was asked not to.
    Gzip(Box<GzDecoder<Box<Reader>>>),
    /// Nothing can be known of it.
    Unknown(Box<Known>),
}

impl Meter {
    pub(crate) fn new(protocol: Protocol, form: Form, coding: Option<&str>) -> Self {
        let reader = Box::new(Reader::new(protocol, form));
        Self(match coding {
            None | Some("identity" | "") => Coding::Plain(reader),
            Some("gzip" | "x-gzip") => Coding::Gzip(Box::new(GzDecoder::new(reader))),
            Some(_) => Coding::Unknown(Box::default()),
        })
    }

    /// Reads on.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Coding::Plain(reader) => reader.read(bytes),
            Coding::Gzip(decoder) => {
                // What cannot be decoded adds nothing to what is known.
                let _ = decoder.write_all(bytes);
                let _ = decoder.flush();
            }
            Coding::Unknown(_) => {}
        }
    }

    /// The body has ended. An event that is whole counts even if its last line feed is missing.
    pub(crate) fn end(&mut self) {
        match &mut self.0 {
            Coding::Plain(reader) => reader.end(),
            Coding::Gzip(decoder) => decoder.get_mut().end(),
            Coding::Unknown(_) => {}
        }
    }

    /// What is known so far.
    pub(crate) fn known(&self) -> &Known {
        match &self.0 {
            Coding::Plain(reader) => &reader.known,
            Coding::Gzip(decoder) => &decoder.get_ref().known,
            Coding::Unknown(known) => known,
        }
    }
}

#[derive(Debug)]
struct Reader {
    protocol: Protocol,
    /// Nothing where the whole body is one object.
    frames: Option<Frames>,
    scanner: Scanner,
    event: Event,
    known: Known,
}

impl Reader {
    fn new(protocol: Protocol, form: Form) -> Self {
        Self {
            protocol,
            frames: (form == Form::Events).then(Frames::default),
            scanner: Scanner::default(),
            event: Event::default(),
            known: Known::default(),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        let Self {
            protocol,
            frames,
            scanner,
            event,
            known,
        } = self;
        let Some(frames) = frames else {
            known.said_bytes = known.said_bytes.saturating_add(bytes.len() as u64);
            scanner.read(bytes, &mut |path, value| event.note(path, value));
            return;
        };
        frames.read(bytes, &mut |part| match part {
            Part::Data(data) => scanner.read(data, &mut |path, value| event.note(path, value)),
            Part::End => {
                let event = std::mem::take(event);
                if scanner.is_whole() {
                    known.learn(*protocol, event);
                }
                scanner.reset();
            }
        });
    }

    fn end(&mut self) {
        let event = std::mem::take(&mut self.event);
        if self.scanner.is_whole() {
            match self.frames {
                Some(_) => self.known.learn(self.protocol, event),
                None => self.known.learn_object(event),
            }
        }
        self.scanner.reset();
    }
}

/// What a decoder writes is read.
impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.read(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
