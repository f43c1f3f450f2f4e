//! What the orchestrator answers to the programs that operate it.

pub mod backup;

use serde::{Deserialize, Serialize};

/// The service that answers, and its condition. The answer has status 200 whatever the condition: who
/// ends a process because of it would end all of them whenever the database is away for a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, or `unavailable` while the database does not answer.
    pub status: String,
    /// `orchestrator`.
    pub service: String,
    /// Version of the program.
    pub version: String,
    /// Key of the image it runs from; null outside of an image.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub image_key: Option<String>,
    /// `ok` or `unreachable`.
    pub database: String,
}

impl Health {
    /// The condition of a process that serves, which depends on its database.
    #[must_use]
    pub fn new(version: &str, image_key: Option<String>, database_answers: bool) -> Self {
        let (status, database) = match database_answers {
            true => ("ok", "ok"),
            false => ("unavailable", "unreachable"),
        };
        Self {
            status: status.to_owned(),
            service: "orchestrator".to_owned(),
            version: version.to_owned(),
            image_key,
            database: database.to_owned(),
        }
    }

    /// Whether it can work, which is more than that it lives.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status == "ok"
    }
}
