//! Backups of an environment: everything that the orchestrator keeps, in its own store below `backups/<id>`.
//!
//! `app-gen-saas backup ID` writes one and `app-gen-saas restore ID` brings one back, with the variables of an
//! orchestrator, because on AWS only its tasks reach the database. It is no dump of a database's own program: there is
//! nothing else to install, no version of a server to match, and the same rows fit every kind of database. A backup is a
//! folder:
//!
//! ```text
//! manifest.json               what there is, with counts and digests; written last
//! tables/jobs-000001.jsonl    the rows of a table, one JSON object a line, in the order of its key
//! objects-000001.jsonl        name, size and SHA-256 of each object, one a line
//! objects/projects/…          the objects, under the names that they had
//! ```
//!
//! **Rows first, then objects.** The rows are those of one moment, because they are read in one transaction. An
//! object is written before a row names it, so each object that a row names is there at that moment; what is copied
//! later can only be more. The other way round, a version that is made meanwhile would have a row and no files. What
//! is removed between the two moments was removed by somebody: it is counted as missing.
//!
//! **All or nothing.** Without its manifest a folder is no backup. A restore checks every digest before it writes
//! rows, writes objects before rows, and all rows in one transaction. Interrupted, it leaves objects that no row
//! names, and the next try finds them and goes on.
//!
//! Memory is bounded: a piece of an object, a file of rows or a few rows are held at a time.

mod files;
mod manifest;
mod restore;
mod save;

pub use restore::{Restored, Target, restore};
pub use save::save;
