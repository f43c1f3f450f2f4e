//! Which database, and where.

use crate::config::{ConfigError, Environment, environment};

/// Which database, and where.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// The URL as the driver takes it; may hold a password.
    pub url: String,
    /// Which of the two.
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

/// The databases that hold the same tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file; for one orchestrator.
    Sqlite,
    /// A server; orchestrators share the jobs.
    Postgres,
}

impl DatabaseConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let variable = environment::DATABASE_URL;
        let forms = "sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME";
        let url = environment.required(variable, forms)?;
        // The scheme alone goes into messages: the rest may hold a password.
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
                "names a SQLite file, but this runs in a container whose disk dies with it; \
                 use postgres://USER:PASSWORD@HOST/NAME",
            ));
        }
        Ok(Self {
            url: url.to_owned(),
            kind,
        })
    }
}
