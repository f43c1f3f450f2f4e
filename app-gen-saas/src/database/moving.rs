//! Everything that is kept, row by row, to be moved into another store.
//!
//! Kinds of rows are the tables, in an order in which nothing is needed that comes later. What lives for moments
//! (tickets, duties, turns) is left behind.

use sqlx::AssertSqlSafe;

use crate::database::record::{Columns as _, Record, Value};
use crate::database::{Database, bounded};

/// Rows of a page.
const PAGE: usize = 200;

/// A kind of row.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The table.
    pub name: &'static str,
    /// What its rows are known by: texts first.
    keys: &'static [&'static str],
    texts: &'static [&'static str],
    integers: &'static [&'static str],
}

impl Kind {
    /// The columns of a record that a row of this kind has.
    #[must_use]
    pub fn row(&self, record: &Record) -> Record {
        let columns = self.texts.iter().chain(self.integers);
        let columns = columns.filter_map(|column| {
            let value = record.0.get(*column)?;
            Some(((*column).to_owned(), value.clone()))
        });
        Record(columns.collect())
    }

    /// The kind with this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

/// All kinds of rows.
pub static KINDS: [Kind; 14] = [
    Kind {
        name: "tenants",
        keys: &["id"],
        texts: &["id", "name", "kind"],
        integers: &["created_at", "deleted_at"],
    },
    Kind {
        name: "members",
        keys: &["tenant_id", "user_id"],
        texts: &["tenant_id", "user_id", "email", "role"],
        integers: &["joined_at"],
    },
    Kind {
        name: "invitations",
        keys: &["id"],
        texts: &["id", "tenant_id", "email", "hash"],
        integers: &["created_at", "expires_at"],
    },
    Kind {
        name: "api_keys",
        keys: &["id"],
        texts: &[
            "id",
            "tenant_id",
            "user_id",
            "name",
            "prefix",
            "hash",
            "scopes",
        ],
        integers: &["created_at", "last_used_at", "revoked_at"],
    },
    Kind {
        name: "templates",
        keys: &["id"],
        texts: &[
            "id",
            "name",
            "searched_text",
            "description",
            "project_id",
            "commit_id",
            "folder",
            "tenant_id",
        ],
        integers: &["version", "created_at", "updated_at", "deleted_at"],
    },
    Kind {
        name: "template_folders",
        keys: &["folder"],
        texts: &["folder", "template_id"],
        integers: &["created_at"],
    },
    Kind {
        name: "uploads",
        keys: &["id"],
        texts: &["id", "name", "media_type", "sha256", "tenant_id"],
        integers: &["size_bytes", "created_at"],
    },
    Kind {
        name: "projects",
        keys: &["id"],
        texts: &["id", "name", "slug", "searched_name", "tenant_id"],
        integers: &[
            "created_at",
            "archived_at",
            "deleted_at",
            "used_micro_usd",
            "used_task_micro_usd",
        ],
    },
    Kind {
        name: "jobs",
        keys: &["id"],
        texts: &[
            "id",
            "description",
            "provider",
            "state",
            "reason",
            "launcher",
            "task",
            "task_handle",
            "log_position",
            "outcome",
            "outcome_text",
            "stop_state",
            "stop_reason",
            "artifact_name",
            "artifact_sha256",
            "owner",
            "artifact_e_tag",
            "waiting",
            "decision",
            "checkpoint",
            "wishes",
            "resources",
            "project_id",
            "kind",
            "artifact_commit",
            "tenant_id",
        ],
        integers: &[
            "launch_attempt",
            "created_at",
            "started_at",
            "finished_at",
            "last_sequence",
            "generator_sequence",
            "artifact_size_bytes",
            "lease_expires_at",
            "event_bytes",
            "reading_deaths",
            "attempt",
            "attempt_after_sequence",
            "attempt_after_launch",
            "attempt_started_at",
            "interruptions",
            "resume_at",
            "used_micro_usd",
            "used_tokens",
            "used_unpriced_tokens",
            "used_iterations",
            "used_millis",
            "task_micro_usd_per_hour",
            "used_task_micro_usd",
            "start_version",
        ],
    },
    Kind {
        name: "attempts",
        keys: &["job_id", "number"],
        texts: &["job_id", "ending", "detail", "decision", "resources"],
        integers: &["number", "started_at", "ended_at"],
    },
    Kind {
        name: "events",
        keys: &["job_id", "sequence"],
        texts: &["job_id", "time", "type", "body"],
        integers: &["sequence", "generator_sequence"],
    },
    Kind {
        name: "versions",
        keys: &["project_id", "number"],
        texts: &[
            "project_id",
            "commit_id",
            "folder",
            "job_id",
            "kind",
            "description",
            "provider",
            "sha256",
            "checks",
        ],
        integers: &["number", "parent", "created_at", "size_bytes"],
    },
    Kind {
        name: "deliveries",
        keys: &["id"],
        texts: &[
            "id",
            "project_id",
            "commit_id",
            "target",
            "place",
            "state",
            "job_id",
            "url",
            "shown_commit",
            "error",
            "tenant_id",
        ],
        integers: &[
            "version",
            "attempts",
            "check_only",
            "created_at",
            "updated_at",
        ],
    },
    Kind {
        name: "previews",
        keys: &["id"],
        texts: &[
            "id",
            "project_id",
            "commit_id",
            "folder",
            "sha256",
            "label",
            "phase",
            "reason",
            "task",
            "task_handle",
            "address",
            "owner",
            "tenant_id",
        ],
        integers: &[
            "version",
            "size_bytes",
            "created_at",
            "expires_at",
            "ready_at",
            "ended_at",
            "gone_at",
            "tries",
            "unclear",
            "task_at",
            "lease_expires_at",
            "next_step_at",
        ],
    },
];

/// Some of everything that is kept, and where the rest begins.
#[derive(Debug, Default)]
pub struct Exported {
    /// Rows with the names of their kinds, each row once over all pages.
    pub rows: Vec<(&'static str, Record)>,
    /// What to ask for next; nothing after the last page.
    pub next: Option<String>,
}

impl Database {
    /// The rows after a place, which is empty at first.
    ///
    /// # Errors
    /// When the database fails, or the place is none that it gave.
    pub async fn export(&self, place: &str) -> sqlx::Result<Exported> {
        let (name, after) = match place.split_once('\n') {
            Some(place) => place,
            None => (KINDS[0].name, ""),
        };
        let mut kinds = KINDS.iter().skip_while(|kind| kind.name != name);
        let kind = kinds
            .next()
            .ok_or_else(|| sqlx::Error::Protocol(format!("there is no kind of rows {name}")))?;
        let rows = bounded(self.rows(kind, after)).await?;
        let next = match rows.last() {
            Some(last) if rows.len() == PAGE => {
                Some(format!("{}\n{}", kind.name, place_of(kind, last)))
            }
            _ => kinds.next().map(|next| format!("{}\n", next.name)),
        };
        Ok(Exported {
            rows: rows.into_iter().map(|row| (kind.name, row)).collect(),
            next,
        })
    }

    async fn rows(&self, kind: &Kind, after: &str) -> sqlx::Result<Vec<Record>> {
        let columns: Vec<&str> = kind.texts.iter().chain(kind.integers).copied().collect();
        let keys = kind.keys.join(", ");
        let condition = match after.is_empty() {
            true => String::new(),
            false => {
                let places: Vec<String> = (1..=kind.keys.len())
                    .map(|number| format!("${number}"))
                    .collect();
                format!("WHERE ({keys}) > ({}) ", places.join(", "))
            }
        };
        let statement = format!(
            "SELECT {} FROM {} {condition}ORDER BY {keys} LIMIT {PAGE}",
            columns.join(", "),
            kind.name
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        if !after.is_empty() {
            for (key, text) in kind.keys.iter().zip(after.split('\t')) {
                query = match kind.integers.contains(key) {
                    true => query.bind(text.parse::<i64>().unwrap_or(i64::MAX)),
                    false => query.bind(text.to_owned()),
                };
            }
        }
        let mut records = Vec::new();
        for row in query.fetch_all(&self.pool).await? {
            let mut record = Record::default();
            for column in kind.texts {
                let value: Option<String> = row.try_get(*column)?;
                record.set_or_clear(column, value);
            }
            for column in kind.integers {
                let value: Option<i64> = row.try_get(*column)?;
                record.set_or_clear(column, value);
            }
            records.push(record);
        }
        Ok(records)
    }

    /// Inserts rows of one kind, which must not be there: all of them, or none.
    ///
    /// # Errors
    /// When the database fails, or one of them is there.
    pub async fn import(&self, kind: &'static Kind, rows: &[Record]) -> sqlx::Result<()> {
        bounded(async {
            let mut transaction = self.pool.begin().await?;
            for row in rows {
                let columns: Vec<&str> = row.0.keys().map(String::as_str).collect();
                let places: Vec<String> = (1..=columns.len())
                    .map(|number| format!("${number}"))
                    .collect();
                // Only columns of the kind are in a row of it.
                let statement = format!(
                    "INSERT INTO {} ({}) VALUES ({})",
                    kind.name,
                    columns.join(", "),
                    places.join(", ")
                );
                let mut query = sqlx::query(AssertSqlSafe(statement));
                for value in row.0.values() {
                    query = match value {
                        Value::Text(text) => query.bind(text.clone()),
                        Value::Integer(number) => query.bind(*number),
                    };
                }
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await
        })
        .await
    }
}

/// The keys of a row, with tabs between them: no key has one.
fn place_of(kind: &Kind, row: &Record) -> String {
    let keys = kind.keys.iter().map(|key| match row.0.get(*key) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Integer(number)) => number.to_string(),
        None => String::new(),
    });
    keys.collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DatabaseConfig, DatabaseKind};
    use std::collections::BTreeSet;

    /// What lives for moments.
    const LEFT_BEHIND: [&str; 4] = [
        "_sqlx_migrations",
        "duties",
        "preview_turns",
        "stream_tickets",
    ];

    #[tokio::test]
    async fn every_column_of_every_table_moves() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::connect(&DatabaseConfig {
            url: format!("sqlite://{}/test.db", folder.path().display()),
            kind: DatabaseKind::Sqlite,
        })
        .await
        .unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'")
                .fetch_all(&database.pool)
                .await
                .unwrap();
        for table in tables
            .iter()
            .filter(|table| !LEFT_BEHIND.contains(&table.as_str()))
        {
            let kind = Kind::of(table).unwrap_or_else(|| panic!("{table} does not move"));
            let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
                .bind(table)
                .fetch_all(&database.pool)
                .await
                .unwrap();
            let moved = kind
                .texts
                .iter()
                .chain(kind.integers)
                .map(|column| (*column).to_owned());
            assert_eq!(
                moved.collect::<BTreeSet<_>>(),
                columns.into_iter().collect::<BTreeSet<_>>(),
                "{table}"
            );
        }
    }
}
