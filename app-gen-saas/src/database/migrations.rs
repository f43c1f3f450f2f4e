//! The migrations of each database, compiled in.
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
];

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
}
