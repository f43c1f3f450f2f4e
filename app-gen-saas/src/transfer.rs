//! Everything that a store keeps, as a file: to move into another store.
//!
//! Each line is a row with its kind, and the last one says how many rows of each kind there are and what their digest
//! is, whatever their order. After an import the rows of the new store are counted and digested, too, and compared.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::database::record::Record;
use crate::database::{KINDS, Kind};
use crate::stores::Store;

/// Rows that are written at once.
const BATCH: usize = 100;
/// The longest line: an item of DynamoDB has 400 KB, and JSON may take twice as much for it.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: String,
    row: Record,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    all: Sum,
}

/// How many rows of each kind there are, and their digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum(BTreeMap<String, Rows>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rows {
    count: u64,
    /// The digests of all rows, each bit added without carrying: no order is part of it.
    sha256: String,
}

impl Sum {
    fn add(&mut self, kind: &str, row: &Record) -> anyhow::Result<()> {
        let digest = Sha256::digest(serde_json::to_vec(row)?);
        let rows = self.0.entry(kind.to_owned()).or_default();
        rows.count += 1;
        let mut sum = String::with_capacity(64);
        for (position, byte) in digest.iter().enumerate() {
            let known = rows
                .sha256
                .get(position * 2..position * 2 + 2)
                .unwrap_or("00");
            sum.push_str(&format!("{:02x}", byte ^ u8::from_str_radix(known, 16)?));
        }
        rows.sha256 = sum;
        Ok(())
    }

    /// How many rows there are of all kinds.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().map(|rows| rows.count).sum()
    }
}

/// Writes everything that a store keeps.
///
/// # Errors
/// The store does not answer, or nothing can be written.
pub async fn export(store: &dyn Store, file: &mut (impl Write + Send)) -> anyhow::Result<Sum> {
    let mut all = Sum::default();
    let mut place = Some(String::new());
    while let Some(from) = place {
        let exported = store.export(&from).await?;
        for (kind, row) in exported.rows {
            all.add(kind, &row)?;
            let kind = kind.to_owned();
            serde_json::to_writer(&mut *file, &Line { kind, row })?;
            file.write_all(b"\n")?;
        }
        place = exported.next;
    }
    serde_json::to_writer(&mut *file, &End { all: all.clone() })?;
    file.write_all(b"\n")?;
    file.flush()?;
    Ok(all)
}

/// Writes everything of a file into a store that is empty, and makes sure that it is all there.
///
/// # Errors
/// The store is not empty or does not answer, the file is not whole, or the store then holds something else than the
/// file.
pub async fn import(
    store: &dyn Store,
    file: &mut (impl Read + Seek + Send),
) -> anyhow::Result<Sum> {
    let found = sum(store).await?;
    ensure!(
        found.count() == 0,
        "the store is not empty: it has {} rows; import into a new one",
        found.count()
    );
    let mut expected = None;
    for kind in &KINDS {
        file.seek(SeekFrom::Start(0))?;
        expected = import_kind(store, kind, &mut Lines::of(&mut *file)).await?;
    }
    let expected = expected.context("the file is not whole: its last line is missing")?;
    let found = sum(store).await?;
    ensure!(
        found == expected,
        "the store holds something else than the file: {found:?} in place of {expected:?}; delete it and import again"
    );
    Ok(found)
}

/// What a store holds.
async fn sum(store: &dyn Store) -> anyhow::Result<Sum> {
    export(store, &mut std::io::sink()).await
}

/// Writes the rows of a kind; the file's last line, if it has one.
async fn import_kind<R: Read + Send>(
    store: &dyn Store,
    kind: &'static Kind,
    lines: &mut Lines<R>,
) -> anyhow::Result<Option<Sum>> {
    loop {
        let mut rows = Vec::with_capacity(BATCH);
        while rows.len() < BATCH
            && let Some(row) = lines.next(kind)?
        {
            rows.push(row);
        }
        if rows.is_empty() {
            return Ok(lines.end.take());
        }
        store
            .import(kind, &rows)
            .await
            .with_context(|| format!("failed to import {}", kind.name))?;
    }
}

/// The lines of a file.
struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    /// The last line, once it was read.
    end: Option<Sum>,
}

impl<R: Read> Lines<R> {
    fn of(file: R) -> Self {
        Self {
            reader: BufReader::new(file),
            number: 0,
            end: None,
        }
    }

    /// The next row of a kind; nothing at the end.
    fn next(&mut self, kind: &Kind) -> anyhow::Result<Option<Record>> {
        let begins = format!("{{\"kind\":\"{}\",", kind.name);
        while self.end.is_none() {
            let mut text = String::new();
            self.number += 1;
            let number = self.number;
            let mut bounded = self.reader.by_ref().take(MAX_LINE_BYTES);
            if bounded.read_line(&mut text)? == 0 {
                break;
            }
            let damaged = || format!("line {number} of the file is damaged");
            if text.starts_with(&begins) {
                let line: Line = serde_json::from_str(&text).with_context(damaged)?;
                return Ok(Some(kind.row(&line.row)));
            }
            if text.starts_with("{\"all\":") {
                let end: End = serde_json::from_str(&text).with_context(damaged)?;
                self.end = Some(end.all);
            } else if !text.starts_with("{\"kind\":") {
                bail!("line {number} of the file is no row");
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> Record {
        let mut row = Record::default();
        row.set("id", id).set("created_at", 5);
        row
    }

    #[test]
    fn a_digest_knows_rows_and_no_order() {
        let sum = |ids: &[&str]| {
            let mut sum = Sum::default();
            for id in ids {
                sum.add("jobs", &row(id)).unwrap();
            }
            sum
        };
        assert_eq!(sum(&["a", "b"]), sum(&["b", "a"]));
        assert_ne!(sum(&["a", "b"]), sum(&["a", "c"]));
        assert_ne!(sum(&["a"]), sum(&["a", "a", "a"]));
        assert_eq!(sum(&["a", "b"]).count(), 2);
    }

    #[test]
    fn a_file_without_its_end_is_noticed() {
        let kind = Kind::of("jobs").unwrap();
        let line = Line {
            kind: "jobs".to_owned(),
            row: row("a"),
        };
        let text = format!("{}\n", serde_json::to_string(&line).unwrap());
        let mut lines = Lines::of(text.as_bytes());
        assert_eq!(lines.next(kind).unwrap(), Some(row("a")));
        assert_eq!(lines.next(kind).unwrap(), None);
        assert_eq!(lines.end, None);
        Lines::of("nothing\n".as_bytes()).next(kind).unwrap_err();
    }
}
