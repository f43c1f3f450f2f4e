//! The configuration: read once at start from the environment into one struct per concern.

mod accounts;
mod attachments;
mod database;
pub mod environment;
mod jobs;
mod launcher;
mod observe;
mod previews;
mod server;
mod storage;
mod store;
mod streams;

pub use accounts::{AccountsConfig, SupabaseConfig};
pub use attachments::AttachmentsConfig;
pub use database::{DatabaseConfig, DatabaseKind};
pub use environment::Environment;
pub use jobs::JobsConfig;
pub use launcher::{EcsConfig, JOB_RIGHTS_TIME, LauncherConfig, ProcessConfig};
pub use observe::{MetricsConfig, ObserveConfig, TracesConfig};
pub use previews::{EcsPreviewConfig, PreviewStarter, PreviewsConfig};
pub use server::{ServerConfig, ServerLimits};
pub use storage::{StorageConfig, StorageLocation};
pub use store::{DynamoDbConfig, StoreConfig};
pub use streams::StreamLimits;

/// Everything that the orchestrator reads from its environment at start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may use the API.
    pub accounts: AccountsConfig,
    /// Where it listens and what it serves.
    pub server: ServerConfig,
    /// Where jobs and events are kept.
    pub store: StoreConfig,
    /// Where specs and results are kept.
    pub storage: StorageConfig,
    /// What starts generators.
    pub launcher: LauncherConfig,
    /// Limits of jobs.
    pub jobs: JobsConfig,
    /// Limits of files that are attached to jobs.
    pub attachments: AttachmentsConfig,
    /// What is told of it, and to whom.
    pub observe: ObserveConfig,
    /// How previews are run, where there are any.
    pub previews: Option<PreviewsConfig>,
}

/// A variable that is missing or holds what it must not. Values of secrets are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} {problem}")]
pub struct ConfigError {
    /// The variable's name.
    pub variable: &'static str,
    /// What is wrong with it and what it takes.
    pub problem: String,
}

impl ConfigError {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let accounts = AccountsConfig::from_environment(environment)?;
        // What every orchestrator needs is missed first.
        let server = ServerConfig::from_environment(environment)?;
        let store = StoreConfig::from_environment(environment)?;
        let storage = StorageConfig::from_environment(environment)?;
        let launcher = LauncherConfig::from_environment(environment)?;
        let config = Self {
            accounts,
            server,
            store,
            storage,
            previews: PreviewsConfig::from_environment(environment, &launcher)?,
            launcher,
            jobs: JobsConfig::from_environment(environment)?,
            attachments: AttachmentsConfig::from_environment(environment)?,
            observe: ObserveConfig::from_environment(environment)?,
        };
        config.jobs_end_before_their_rights()?;
        Ok(config)
    }

    /// Refuses jobs that may take longer than the rights that they borrow: their results would be lost.
    fn jobs_end_before_their_rights(&self) -> Result<(), ConfigError> {
        match &self.launcher {
            LauncherConfig::Ecs(ecs)
                if ecs.role_arn.is_some() && self.jobs.timeout >= JOB_RIGHTS_TIME =>
            {
                Err(ConfigError::new(
                    environment::JOB_TIMEOUT_SECS,
                    format!(
                        "is {}, but the rights of a job end after {} s",
                        self.jobs.timeout.as_secs(),
                        JOB_RIGHTS_TIME.as_secs()
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let base = [
            ("DATABASE_URL", "sqlite:///tmp/app-gen.db"),
            ("ARTIFACT_URI", "file:///tmp/artifacts"),
            ("GENERATOR_COMMAND", "/bin/true"),
            ("GENERATOR_LOG_DIR", "/tmp/logs"),
        ];
        let variables = base.iter().chain(changes).copied();
        Config::from_environment(&variables.collect())
    }

    fn problem(changes: &[(&str, &str)]) -> String {
        with(changes).unwrap_err().to_string()
    }

    #[test]
    fn defaults() {
        let config = with(&[]).unwrap();
        assert_eq!(config.server.address.to_string(), "127.0.0.1:5013");
        assert_eq!(config.server.ui_dir, None);
        assert_eq!(config.server.image_key, None);
        assert!(matches!(
            config.store,
            StoreConfig::Database(DatabaseConfig {
                kind: DatabaseKind::Sqlite,
                ..
            })
        ));
        assert_eq!(config.jobs.provider, "template");
        assert_eq!(config.jobs.timeout.as_secs(), 1800);
        assert_eq!(config.jobs.idle_timeout.as_secs(), 120);
        assert_eq!(config.jobs.concurrency, 4);
        assert_eq!(config.jobs.max_events, 20_000);
        assert_eq!(config.jobs.max_event_bytes, 33_554_432);
        assert!(matches!(config.launcher, LauncherConfig::Process(_)));
        let limits = config.server.limits;
        assert_eq!((limits.streams.all, limits.streams.per_client), (1024, 256));
        assert_eq!((limits.connections, limits.streams.per_job), (2048, 1024));
        assert_eq!(config.server.trusted_proxies, 0);
    }

    #[test]
    fn streams_have_room_for_their_connections() {
        let limits = with(&[("STREAM_LIMIT", "5000")]).unwrap().server.limits;
        assert_eq!((limits.connections, limits.streams.per_job), (6024, 5000));
        assert_eq!(limits.streams.per_client, 256);
    }

    #[test]
    fn refusals_name_the_variable() {
        for (changes, variable) in [
            (("AUTH_MODE", "login"), "AUTH_MODE"),
            (("AUTH_MODE", "supabase"), "SUPABASE_URL"),
            (("STORAGE_MODE", "memory"), "STORAGE_MODE"),
            (("STORAGE_MODE", "dynamodb"), "DYNAMODB_TABLE"),
            (("DATABASE_URL", "mysql://x/y"), "DATABASE_URL"),
            (("DATABASE_URL", ""), "DATABASE_URL"),
            (("RUNNING_IN_CONTAINER", "1"), "DATABASE_URL"),
            (("PORT", "70000"), "PORT"),
            (("HOST", "localhost"), "HOST"),
            (("LAUNCHER", "docker"), "LAUNCHER"),
            (("LAUNCHER", "ecs"), "ECS_CLUSTER"),
            (("ARTIFACT_URI", "/tmp"), "ARTIFACT_URI"),
            (("ARTIFACT_URI", "file:///"), "ARTIFACT_URI"),
            (("GENERATOR_COMMAND", "/no/such/file"), "GENERATOR_COMMAND"),
            (("GENERATOR_ENVIRONMENT", "[]"), "GENERATOR_ENVIRONMENT"),
            (("GENERATOR_PROVIDER", "a b"), "GENERATOR_PROVIDER"),
            (("JOB_CONCURRENCY", "0"), "JOB_CONCURRENCY"),
            (("JOB_MAX_EVENTS", "0"), "JOB_MAX_EVENTS"),
            (("JOB_MAX_EVENT_BYTES", "1 MB"), "JOB_MAX_EVENT_BYTES"),
            (("JOB_TIMEOUT_SECS", "soon"), "JOB_TIMEOUT_SECS"),
            (("UI_DIR", "/no/such/folder"), "UI_DIR"),
            (("ALLOWED_HOSTS", "https://app.example"), "ALLOWED_HOSTS"),
            (("JOB_QUEUE_LIMIT", "0"), "JOB_QUEUE_LIMIT"),
            (("STREAM_LIMIT", "0"), "STREAM_LIMIT"),
            (("STREAM_LIMIT_PER_CLIENT", "-1"), "STREAM_LIMIT_PER_CLIENT"),
            (("STREAM_LIMIT_PER_JOB", "0"), "STREAM_LIMIT_PER_JOB"),
            (("TRUSTED_PROXIES", "one"), "TRUSTED_PROXIES"),
            (("JOB_RETENTION_DAYS", "0"), "JOB_RETENTION_DAYS"),
            (("JOB_MAX_ATTACHMENTS", "17"), "JOB_MAX_ATTACHMENTS"),
            (
                ("JOB_MAX_ATTACHMENT_BYTES", "16777217"),
                "JOB_MAX_ATTACHMENT_BYTES",
            ),
            (("UPLOADS_MAX_BYTES", "0"), "UPLOADS_MAX_BYTES"),
        ] {
            let problem = problem(&[changes]);
            assert!(
                problem.starts_with(&format!("environment variable {variable} ")),
                "{changes:?}: {problem}"
            );
        }
    }

    #[test]
    fn a_password_is_not_part_of_the_error() {
        let problem = problem(&[("DATABASE_URL", "postgress://me:hunter2@host/name")]);
        assert!(!problem.contains("hunter2"), "{problem}");
    }

    #[test]
    fn ecs() {
        let config = with(&[
            ("RUNNING_IN_CONTAINER", "1"),
            ("DATABASE_URL", "postgres://me@host/name"),
            ("LAUNCHER", "ecs"),
            ("ECS_CLUSTER", "cluster"),
            ("GENERATOR_TASK_DEFINITION", "app-generator:3"),
            ("GENERATOR_LOG_GROUP", "/ecs/app-generator"),
            ("GENERATOR_LOG_STREAM_PREFIX", "generator"),
            ("GENERATOR_SUBNETS", "subnet-1, subnet-2,"),
            ("GENERATOR_ENVIRONMENT", r#"{"AWS_REGION":"us-east-1"}"#),
            ("GENERATOR_TAGS", r#"{"project":"app-gen-saas"}"#),
        ])
        .unwrap();
        let LauncherConfig::Ecs(ecs) = config.launcher else {
            panic!("not the ecs launcher");
        };
        assert_eq!(ecs.container, "app-generator");
        assert_eq!(ecs.subnets, ["subnet-1", "subnet-2"]);
        assert!(ecs.security_groups.is_empty());
        assert_eq!(ecs.environment["AWS_REGION"], "us-east-1");
        assert_eq!(ecs.role_arn, None);
        assert_eq!(ecs.tags["project"], "app-gen-saas");
        assert_eq!(ecs.log_reads_per_second, 22);
    }

    #[test]
    fn a_job_does_not_outlive_the_rights_that_it_borrows() {
        let ecs = |timeout, role| {
            with(&[
                ("LAUNCHER", "ecs"),
                ("ECS_CLUSTER", "cluster"),
                ("GENERATOR_TASK_DEFINITION", "app-generator:3"),
                ("GENERATOR_LOG_GROUP", "/ecs/app-generator"),
                ("GENERATOR_LOG_STREAM_PREFIX", "generator"),
                ("GENERATOR_ROLE_ARN", role),
                ("JOB_TIMEOUT_SECS", timeout),
            ])
        };
        let role = "arn:aws:iam::000000000001:role/app-generator-task-role";
        assert!(ecs("3599", role).is_ok());
        assert!(ecs("7200", "").is_ok());
        let refused = ecs("3600", role).unwrap_err().to_string();
        assert_eq!(
            refused,
            "environment variable JOB_TIMEOUT_SECS is 3600, but the rights of a job end after 3600 s"
        );
    }
}
