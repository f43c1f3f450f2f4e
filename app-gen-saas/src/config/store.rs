//! Where jobs and everything else is kept: in a database, or in DynamoDB.

use crate::config::{ConfigError, DatabaseConfig, Environment, environment};

/// Which store, and where.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// SQLite or PostgreSQL.
    Database(DatabaseConfig),
    /// A table of DynamoDB, and a queue of SQS that wakes who waits for jobs.
    DynamoDb(DynamoDbConfig),
}

/// Which table and queue. Region, address and credentials are those of every client of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamoDbConfig {
    /// The table's name.
    pub table: String,
    /// The queue's URL.
    pub queue_url: String,
}

impl StoreConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let variable = environment::STORAGE_MODE;
        match environment.get(variable).unwrap_or("database") {
            "database" => DatabaseConfig::from_environment(environment).map(Self::Database),
            "dynamodb" => DynamoDbConfig::from_environment(environment).map(Self::DynamoDb),
            other => Err(ConfigError::new(
                variable,
                format!("is {other:?}; it takes database or dynamodb"),
            )),
        }
    }
}

impl DynamoDbConfig {
    fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let table = environment.required(environment::DYNAMODB_TABLE, "the name of the table")?;
        let queue_url = environment.required(environment::JOB_QUEUE_URL, "the URL of the queue")?;
        Ok(Self {
            table: table.to_owned(),
            queue_url: queue_url.to_owned(),
        })
    }
}
