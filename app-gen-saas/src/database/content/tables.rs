//! The tables that a backup has, in the order in which they can be filled.

/// A table, and what its rows are told apart by, in whose order they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    pub(super) key: &'static str,
}

const fn table(name: &'static str, key: &'static str) -> Table {
    Table { name, key }
}

/// A table comes after those that its rows refer to.
pub const TABLES: &[Table] = &[
    table("tenants", "id"),
    table("members", "tenant_id, user_id"),
    table("invitations", "id"),
    table("api_keys", "id"),
    table("projects", "id"),
    table("versions", "project_id, number"),
    table("deliveries", "id"),
    table("jobs", "id"),
    table("events", "job_id, sequence"),
    table("attempts", "job_id, number"),
    table("templates", "id"),
    table("template_folders", "folder"),
    table("uploads", "id"),
    table("tenant_limits", "tenant_id"),
    table("usage_days", "tenant_id, day"),
];

/// Tables of this moment alone, and why nobody misses their rows afterwards.
pub const NOT_COPIED: &[(&str, &str)] = &[
    (
        "previews",
        "a preview is a task of the environment that it was begun in, and ends within its time by itself",
    ),
    (
        "preview_turns",
        "a number that orders those who begin previews",
    ),
    (
        "stream_tickets",
        "a ticket opens one stream, within seconds",
    ),
    (
        "turns",
        "numbers that order whose job begins next; without them it is the turn of the oldest job",
    ),
    (
        "idempotency_keys",
        "a request that is repeated within a day is answered as it was; nobody repeats one over a restore",
    ),
    (
        "model_keys",
        "the keys themselves are in the store of secrets, which no backup reads; tenants bring theirs again",
    ),
    ("duties", "which of the running orchestrators does what"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseKind;
    use crate::database::migrations;
    use std::collections::BTreeSet;

    /// The names of all tables that the migrations make.
    fn made(kind: DatabaseKind) -> BTreeSet<String> {
        let migrations = migrations::of(kind);
        let words: Vec<String> = migrations
            .iter()
            .flat_map(|migration| migration.sql.as_str().lines())
            .map(|line| line.split("--").next().unwrap_or_default())
            .flat_map(str::split_whitespace)
            .map(str::to_owned)
            .collect();
        words
            .windows(3)
            .filter(|words| words[0] == "CREATE" && words[1] == "TABLE")
            .map(|words| words[2].trim_end_matches('(').to_owned())
            .collect()
    }

    #[test]
    fn every_table_is_copied_or_left_out_for_a_reason() {
        let copied = TABLES.iter().map(|table| table.name);
        let left_out = NOT_COPIED.iter().map(|(name, _)| *name);
        let listed: Vec<&str> = copied.chain(left_out).collect();
        let names: BTreeSet<String> = listed.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(listed.len(), names.len(), "a table is listed twice");
        for kind in [DatabaseKind::Sqlite, DatabaseKind::Postgres] {
            assert_eq!(made(kind), names, "{kind:?}");
        }
    }

    #[test]
    fn a_table_comes_after_those_that_it_refers_to() {
        let place = |name: &str| TABLES.iter().position(|table| table.name == name);
        for (table, of) in [
            ("members", "tenants"),
            ("invitations", "tenants"),
            ("api_keys", "tenants"),
            ("versions", "projects"),
            ("deliveries", "projects"),
            ("events", "jobs"),
            ("attempts", "jobs"),
        ] {
            assert!(place(table) > place(of), "{table} of {of}");
        }
    }
}
