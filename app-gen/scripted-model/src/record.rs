//! Keeps what was asked, for tests that must know what an agent or a gateway sent.

use hyper::http::request::Parts;
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Headers whose values are credentials. Somebody may point an agent with a real one here.
const SECRET_HEADERS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];

/// What answered a request, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) part: usize,
    pub(crate) turn: usize,
    pub(crate) is_faulty: bool,
}

/// A file with a line of JSON for each request.
#[derive(Debug)]
pub(crate) struct Record(Mutex<(File, u64)>);

impl Record {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Mutex::new((file, 0))))
    }

    /// Adds one request. It is on file before the answer begins.
    pub(crate) fn add(
        &self,
        request: &Parts,
        body: &[u8],
        played: Option<&Played>,
        status: u16,
    ) -> io::Result<()> {
        let headers = request.headers.iter().map(|(name, value)| {
            let value = match SECRET_HEADERS.contains(&name.as_str()) {
                true => "<secret>".into(),
                false => String::from_utf8_lossy(value.as_bytes()),
            };
            (name.to_string(), Value::from(value))
        });
        // Nothing that panics happens while it is locked.
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, number) = &mut *record;
        *number += 1;
        let line = json!({
            "number": *number,
            "method": request.method.as_str(),
            "path": request.uri.to_string(),
            "headers": headers.collect::<Map<_, _>>(),
            "body": String::from_utf8_lossy(body),
            "status": status,
            "part": played.map(|played| played.part),
            "turn": played.map(|played| played.turn),
            "is_faulty": played.is_some_and(|played| played.is_faulty),
        });
        file.write_all(format!("{line}\n").as_bytes())
    }
}
