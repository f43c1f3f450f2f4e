//! What all machines have to agree on about an environment: who works on it, and what was
//! released to it.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who works on an environment, and until when at the latest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// No other lock has the same one.
    pub id: String,
    /// `user@host`, or who started which run of GitHub Actions.
    pub owner: String,
    /// The machine of the owner.
    pub host: String,
    /// What the owner does with the lock.
    pub command: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// When it ends, unless its owner renews it.
    pub expires_at: Timestamp,
}

/// Takes the lock of the environment. The lock of somebody else ends the call with
/// [`Busy`](crate::ExitCode::Busy), unless it has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeLock {
    /// What the lock is taken for; whoever is refused is shown this.
    pub command: String,
    /// How long the lock lasts unless it is renewed: from 1 second to 1 day.
    pub ttl_secs: u64,
}

/// Keeps the lock for longer. One that somebody else has taken meanwhile ends the call with
/// [`Busy`](crate::ExitCode::Busy).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewLock {
    /// The id of our lock.
    pub id: String,
    /// How long the lock lasts from now unless it is renewed: from 1 second to 1 day.
    pub ttl_secs: u64,
}

/// The lock is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockTaken {
    /// Our lock.
    pub lock: Lock,
}

/// Releases the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLock {
    /// Which lock.
    pub which: WhichLock,
}

/// Which lock is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichLock {
    /// The lock with this id, and no other one.
    Id(String),
    /// Whatever lock there is, also one that cannot be read.
    Any,
}

/// The lock is not held any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockReleased {
    /// Whether it was held.
    pub released: bool,
    /// What was released: a [`Lock`], unless it was damaged.
    pub lock: Option<Value>,
}

/// Asks who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowLock {}

/// The lock as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundLock {
    /// `None` where nobody holds it. It may have expired.
    pub lock: Option<Lock>,
}

/// Keeps a record. A key has up to 512 letters, digits and `-_./:`, and does not begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutRecord {
    /// The key.
    pub key: String,
    /// The record, at most 1 MiB of JSON.
    pub value: Value,
    /// Whether a record that has the key already is replaced.
    pub replace: bool,
}

/// A record is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordKept {
    /// Its key.
    pub key: String,
}

/// Asks for one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRecord {
    /// Its key.
    pub key: String,
}

/// A record, where it exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRecord {
    /// `None` where no record has the key.
    pub value: Option<Value>,
}

/// Asks for the records whose keys begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRecords {
    /// What their keys begin with.
    pub prefix: String,
    /// How many records at most.
    pub limit: usize,
}

/// Records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRecords {
    /// The one with the last key first.
    pub values: Vec<Value>,
}

/// Removes records with all their earlier versions, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveRecords {
    /// Their keys, in the order of their removal.
    pub keys: Vec<String>,
}

/// Records do not exist any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsRemoved {
    /// The keys of the request.
    pub removed: Vec<String>,
}
