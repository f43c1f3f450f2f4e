//! Which database, and where.

use crate::config::{ConfigError, Environment, environment};

/// Which database, and where.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// The URL as the driver takes it; may hold a password.
    pub url: String,
    /// The kind of database.
    pub kind: DatabaseKind,
}

impl std::fmt::Debug for DatabaseConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DatabaseConfig")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The supported databases. The tests run on both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file, for a single orchestrator.
    Sqlite,
    /// A server, through which orchestrators share the jobs.
    Postgres,
}

impl DatabaseConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let variable = environment::DATABASE_URL;
        let forms = "sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME";
        let url = environment.required(variable, forms)?;
        // Messages contain only the scheme: the rest may hold a password.
        let scheme = url.split(':').next().unwrap_or_default();
        let kind = match scheme {
            "sqlite" => DatabaseKind::Sqlite,
            "postgres" | "postgresql" => DatabaseKind::Postgres,
            _ => {
                return Err(ConfigError::new(
                    variable,
                    format!("has an unknown scheme; it takes {forms}"),
                ));
            }
        };
        let in_container = environment.get(environment::RUNNING_IN_CONTAINER) == Some("1");
        if in_container && kind == DatabaseKind::Sqlite {
            return Err(ConfigError::new(
                variable,
                "names a SQLite file, but this runs in a container, whose disk is lost with it; \
                 use postgres://USER:PASSWORD@HOST/NAME",
            ));
        }
        Ok(Self {
            url: url.to_owned(),
            kind,
        })
    }
}
