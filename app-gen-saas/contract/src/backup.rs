//! What a backup says of itself: the orchestrator writes it, and who operates it reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The folder of the store below which backups are, each in a folder that is named by its id.
pub const BACKUPS: &str = "backups";
/// The manifest of a backup. It is written last: a folder without it is no backup.
pub const MANIFEST: &str = "manifest.json";
/// The form of backups that this version writes and reads.
pub const FORM: u32 = 1;
/// The start of the names of files that list the objects.
pub const OBJECTS: &str = "objects";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of the backup.
    pub form: u32,
    /// Its id.
    pub id: String,
    /// When its rows were read, in milliseconds since 1970.
    pub at: i64,
    /// The version of the orchestrator that wrote it.
    pub version: String,
    /// The version of the tables: the newest migration.
    pub schema: i64,
    /// The rows of each table.
    pub tables: BTreeMap<String, Files>,
    /// The list of objects.
    pub objects: Files,
    /// Bytes of all objects.
    pub objects_bytes: u64,
    /// Files of versions that were not there, or were removed while the backup was made.
    pub missing: u64,
}

/// Lines in files whose names end with their number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// How many lines: rows, or objects.
    pub count: u64,
    /// How many files they are in.
    pub files: u32,
    /// The SHA-256 of all lines, one file after the other.
    pub sha256: String,
}

/// An object, as the list of a backup has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Its name in the store, and below `objects` in the backup.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.count).sum()
    }

    /// The start of the names of the files of each list of lines, with what they hold: all tables, then the objects.
    pub fn lists(&self) -> impl Iterator<Item = (String, &Files)> {
        let tables = self.tables.iter();
        let tables = tables.map(|(table, files)| (table_files(table), files));
        tables.chain([(OBJECTS.to_owned(), &self.objects)])
    }
}

/// The start of the names of the files with the rows of a table.
#[must_use]
pub fn table_files(table: &str) -> String {
    format!("tables/{table}")
}

/// The name of a file with lines, by its number from 1.
#[must_use]
pub fn file_name(start: &str, number: u32) -> String {
    format!("{start}-{number:06}.jsonl")
}

/// Whether the text can be the id of a backup: a part of names of files and objects.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
