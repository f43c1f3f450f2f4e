//! The migrations of each database, compiled in.
//!
//! Migrations only add: tables, columns that may be left out, indexes. So the version before still works on
//! a database that a newer one has migrated, and a deploy can be taken back. A test reads the files.
//!
//! They are listed here by hand. The macro that would read the folders needs a second copy of `sqlx`
//! and of SQLite for the compiler, which would add half a minute to every fresh build.

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::config::DatabaseKind;

/// Version and description, as the file's name has them, and the text for each database.
struct Texts {
    version: i64,
    description: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const MIGRATIONS: &[Texts] = &[
    Texts {
        version: 1,
        description: "jobs and events",
        sqlite: include_str!("../../migrations/sqlite/0001_jobs_and_events.sql"),
        postgres: include_str!("../../migrations/postgres/0001_jobs_and_events.sql"),
    },
    Texts {
        version: 2,
        description: "bounds of generators",
        sqlite: include_str!("../../migrations/sqlite/0002_bounds_of_generators.sql"),
        postgres: include_str!("../../migrations/postgres/0002_bounds_of_generators.sql"),
    },
    Texts {
        version: 3,
        description: "verified results",
        sqlite: include_str!("../../migrations/sqlite/0003_verified_results.sql"),
        postgres: include_str!("../../migrations/postgres/0003_verified_results.sql"),
    },
    Texts {
        version: 4,
        description: "attempts",
        sqlite: include_str!("../../migrations/sqlite/0004_attempts.sql"),
        postgres: include_str!("../../migrations/postgres/0004_attempts.sql"),
    },
    Texts {
        version: 5,
        description: "resources",
        sqlite: include_str!("../../migrations/sqlite/0005_resources.sql"),
        postgres: include_str!("../../migrations/postgres/0005_resources.sql"),
    },
    Texts {
        version: 6,
        description: "projects",
        sqlite: include_str!("../../migrations/sqlite/0006_projects.sql"),
        postgres: include_str!("../../migrations/postgres/0006_projects.sql"),
    },
    Texts {
        version: 7,
        description: "deliveries",
        sqlite: include_str!("../../migrations/sqlite/0007_deliveries.sql"),
        postgres: include_str!("../../migrations/postgres/0007_deliveries.sql"),
    },
    Texts {
        version: 8,
        description: "previews",
        sqlite: include_str!("../../migrations/sqlite/0008_previews.sql"),
        postgres: include_str!("../../migrations/postgres/0008_previews.sql"),
    },
    Texts {
        version: 9,
        description: "templates and attachments",
        sqlite: include_str!("../../migrations/sqlite/0009_templates_and_attachments.sql"),
        postgres: include_str!("../../migrations/postgres/0009_templates_and_attachments.sql"),
    },
    Texts {
        version: 10,
        description: "tenants",
        sqlite: include_str!("../../migrations/sqlite/0010_tenants.sql"),
        postgres: include_str!("../../migrations/postgres/0010_tenants.sql"),
    },
    Texts {
        version: 11,
        description: "duties",
        sqlite: include_str!("../../migrations/sqlite/0011_duties.sql"),
        postgres: include_str!("../../migrations/postgres/0011_duties.sql"),
    },
    Texts {
        version: 12,
        description: "model keys",
        sqlite: include_str!("../../migrations/sqlite/0012_model_keys.sql"),
        postgres: include_str!("../../migrations/postgres/0012_model_keys.sql"),
    },
    Texts {
        version: 13,
        description: "limits",
        sqlite: include_str!("../../migrations/sqlite/0013_limits.sql"),
        postgres: include_str!("../../migrations/postgres/0013_limits.sql"),
    },
];

/// The newest version that there is.
pub(super) fn newest() -> i64 {
    MIGRATIONS
        .iter()
        .map(|texts| texts.version)
        .max()
        .unwrap_or_default()
}

/// The migrations of one kind of database.
pub(super) fn of(kind: DatabaseKind) -> Migrator {
    let migration = |texts: &Texts| {
        let text = match kind {
            DatabaseKind::Sqlite => texts.sqlite,
            DatabaseKind::Postgres => texts.postgres,
        };
        Migration::new(
            texts.version,
            texts.description.into(),
            MigrationType::Simple,
            SqlStr::from_static(text),
            false,
        )
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[tokio::test]
    async fn every_file_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        for (kind, name) in [
            (DatabaseKind::Sqlite, "sqlite"),
            (DatabaseKind::Postgres, "postgres"),
        ] {
            let files = Migrator::new(folder.join(name).as_path()).await.unwrap();
            let facts = |migrator: &Migrator| -> Vec<_> {
                let fact = |migration: &Migration| {
                    let Migration {
                        version,
                        description,
                        migration_type,
                        checksum,
                        no_tx,
                        ..
                    } = migration.clone();
                    (version, description, migration_type, checksum, no_tx)
                };
                migrator.iter().map(fact).collect()
            };
            assert_eq!(facts(&of(kind)), facts(&files), "{name}");
        }
    }

    /// What of a migration would break the version before, or nothing.
    fn breaks(text: &str) -> Option<String> {
        let without_comments: String = text
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default().to_owned() + "\n")
            .collect();
        let mut own_tables = Vec::new();
        for statement in without_comments.split(';') {
            let words: Vec<String> = statement
                .replace(['(', ')', ','], " ")
                .split_whitespace()
                .map(str::to_uppercase)
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let adds = match words[..] {
                [] => true,
                // Of a table that it does not know, the version before cannot remove rows.
                ["CREATE", "TABLE", table, ref columns @ ..] => {
                    own_tables.push(table.to_owned());
                    let refers = |pair: &&[&str]| {
                        pair[0] == "REFERENCES" && !own_tables.iter().any(|own| own == pair[1])
                    };
                    columns.contains(&"CASCADE") || !columns.windows(2).any(|pair| refers(&pair))
                }
                ["CREATE", "INDEX", _, "ON", ..] => true,
                // Two rows that the version before may write must not suddenly collide.
                ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] => {
                    own_tables.iter().any(|own| own == table)
                }
                // The version before leaves out every column that it does not know.
                ["ALTER", "TABLE", _, "ADD", "COLUMN", _, ref rest @ ..] => {
                    let has = |word| rest.contains(&word);
                    let required = has("NOT") && !has("DEFAULT");
                    let others = [
                        "ADD",
                        "ALTER",
                        "CHECK",
                        "DROP",
                        "PRIMARY",
                        "REFERENCES",
                        "RENAME",
                        "UNIQUE",
                    ];
                    !required && !others.into_iter().any(has)
                }
                _ => false,
            };
            if !adds {
                return Some(statement.trim().to_owned());
            }
        }
        None
    }

    #[test]
    fn migrations_only_add() {
        for texts in MIGRATIONS {
            for text in [texts.sqlite, texts.postgres] {
                assert_eq!(breaks(text), None, "{}", texts.version);
            }
        }
    }

    #[test]
    fn what_does_not_only_add_is_found() {
        for good in [
            "CREATE TABLE a (b TEXT NOT NULL); CREATE UNIQUE INDEX c ON a (b);",
            "CREATE TABLE a (b TEXT REFERENCES jobs (id) ON DELETE CASCADE);",
            "ALTER TABLE jobs ADD COLUMN a TEXT; -- DROP TABLE jobs",
            "ALTER TABLE jobs ADD COLUMN a BIGINT NOT NULL DEFAULT 0;",
        ] {
            assert_eq!(breaks(good), None);
        }
        for bad in [
            "CREATE TABLE a (b TEXT REFERENCES jobs (id));",
            "DROP TABLE jobs;",
            "drop index jobs_by_state;",
            "ALTER TABLE jobs RENAME COLUMN task TO work;",
            "ALTER TABLE jobs DROP COLUMN task;",
            "ALTER TABLE jobs ALTER COLUMN task SET NOT NULL;",
            "ALTER TABLE jobs ADD COLUMN a TEXT NOT NULL;",
            "ALTER TABLE jobs ADD COLUMN a TEXT, DROP COLUMN task;",
            "ALTER TABLE jobs ADD COLUMN a TEXT REFERENCES others (id);",
            "ALTER TABLE jobs ADD COLUMN a TEXT DEFAULT 'x' CHECK (a <> 'y');",
            "ALTER TABLE jobs ADD CONSTRAINT a UNIQUE (task);",
            "CREATE UNIQUE INDEX a ON jobs (task);",
            "CREATE TRIGGER a BEFORE INSERT ON jobs BEGIN SELECT 1; END;",
            "UPDATE jobs SET state = 'waiting';",
            "DELETE FROM events;",
        ] {
            assert!(breaks(bad).is_some(), "{bad}");
        }
    }
}
