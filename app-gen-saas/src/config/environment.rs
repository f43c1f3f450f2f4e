//! Names of the environment variables, and the snapshot of them that the configuration is read from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::config::ConfigError;

/// Port to listen on; default 5013, 0 takes a free one.
pub const PORT: &str = "PORT";
/// Address to listen on; default 127.0.0.1. The image sets 0.0.0.0.
pub const HOST: &str = "HOST";
/// Optional: names of hosts under which the orchestrator may be asked, separated by commas. Addresses,
/// `localhost` and names below it always work.
pub const ALLOWED_HOSTS: &str = "ALLOWED_HOSTS";
/// How many proxies stand in front of the orchestrator, each of which adds the address of who asks it to
/// `X-Forwarded-For`; default 0: the header is not read. The load balancer on AWS is one.
pub const TRUSTED_PROXIES: &str = "TRUSTED_PROXIES";
/// Maximum number of live streams of events; default 1024. More are answered with 503 and `Retry-After`.
pub const STREAM_LIMIT: &str = "STREAM_LIMIT";
/// Maximum number of live streams to one client, by its address; default 256. More are answered with 429
/// and `Retry-After`.
pub const STREAM_LIMIT_PER_CLIENT: &str = "STREAM_LIMIT_PER_CLIENT";
/// Maximum number of live streams of one job; default `STREAM_LIMIT`. More are answered with 503 and
/// `Retry-After`.
pub const STREAM_LIMIT_PER_JOB: &str = "STREAM_LIMIT_PER_JOB";
/// `sqlite://path` or `postgres://user:password@host/name`.
pub const DATABASE_URL: &str = "DATABASE_URL";
/// Where jobs and everything else is kept: in a database (`database`, the default, with `DATABASE_URL`), or in
/// DynamoDB (`dynamodb`, with `DYNAMODB_TABLE` and `JOB_QUEUE_URL`).
pub const STORAGE_MODE: &str = "STORAGE_MODE";
/// With `STORAGE_MODE=dynamodb`: the name of the table.
pub const DYNAMODB_TABLE: &str = "DYNAMODB_TABLE";
/// With `STORAGE_MODE=dynamodb`: the URL of the queue of SQS that wakes who waits for jobs.
pub const JOB_QUEUE_URL: &str = "JOB_QUEUE_URL";
/// Who may use the API: everybody who reaches it (`none`, the default), or users of a Supabase project
/// (`supabase`) and programs with keys that they made.
pub const AUTH_MODE: &str = "AUTH_MODE";
/// With `AUTH_MODE=supabase`: the address of the project, `https://PROJECT.supabase.co` for example.
pub const SUPABASE_URL: &str = "SUPABASE_URL";
/// With `AUTH_MODE=supabase`: its key for pages (anon or publishable), which the page signs in with. It is no secret.
pub const SUPABASE_ANON_KEY: &str = "SUPABASE_ANON_KEY";
/// With `AUTH_MODE=supabase`, optional: whom access tokens are for; default `authenticated`.
pub const SUPABASE_JWT_AUDIENCE: &str = "SUPABASE_JWT_AUDIENCE";
/// What starts generators: `process` (default) or `ecs`.
pub const LAUNCHER: &str = "LAUNCHER";
/// Provider of jobs that do not name one: `template` (default), `claude` or `codex`. `GENERATOR_MODEL`, if it
/// is set, is the model of those jobs. `MODEL_SCRIPT`, if it is set, is passed on to generators.
pub const GENERATOR_PROVIDER: &str = "GENERATOR_PROVIDER";
/// `s3://bucket[/prefix]` or `file:///folder`; jobs are kept under `<ARTIFACT_URI>/jobs/<id>/`.
pub const ARTIFACT_URI: &str = "ARTIFACT_URI";
/// Optional: folder of the built web page, served with `index.html` as fallback.
pub const UI_DIR: &str = "UI_DIR";
/// Optional: key of the image this runs from, shown by `/health`.
pub const IMAGE_KEY: &str = "IMAGE_KEY";
/// `1` in the image: a SQLite database is refused, because a task's disk is lost with the task.
pub const RUNNING_IN_CONTAINER: &str = "RUNNING_IN_CONTAINER";
/// Process launcher: path of the generator's binary.
pub const GENERATOR_COMMAND: &str = "GENERATOR_COMMAND";
/// Process launcher: folder for the generators' logs; must outlive the orchestrator.
pub const GENERATOR_LOG_DIR: &str = "GENERATOR_LOG_DIR";
/// Optional JSON object of strings: more environment for the generator.
pub const GENERATOR_ENVIRONMENT: &str = "GENERATOR_ENVIRONMENT";
/// ECS launcher, optional JSON object of strings: tags of every task, beside `job` with the job's id.
pub const GENERATOR_TAGS: &str = "GENERATOR_TAGS";
/// ECS launcher: cluster name or ARN.
pub const ECS_CLUSTER: &str = "ECS_CLUSTER";
/// ECS launcher: task definition, `family` or `family:revision`.
pub const GENERATOR_TASK_DEFINITION: &str = "GENERATOR_TASK_DEFINITION";
/// ECS launcher, optional: the task definition of tasks that deliver. They alone have its secrets. Without it,
/// deliveries are refused.
pub const DELIVERER_TASK_DEFINITION: &str = "DELIVERER_TASK_DEFINITION";
/// Process launcher, optional JSON object of strings: more environment for generators that deliver, such as
/// `GITHUB_BOT_TOKEN` and `FLY_API_TOKEN`. No other generator has it.
pub const DELIVERER_ENVIRONMENT: &str = "DELIVERER_ENVIRONMENT";
/// ECS launcher: the generator's container in that definition; default `app-generator`.
pub const GENERATOR_CONTAINER: &str = "GENERATOR_CONTAINER";
/// ECS launcher: the log group of the generator's container.
pub const GENERATOR_LOG_GROUP: &str = "GENERATOR_LOG_GROUP";
/// ECS launcher: the `awslogs-stream-prefix` of the generator's container.
pub const GENERATOR_LOG_STREAM_PREFIX: &str = "GENERATOR_LOG_STREAM_PREFIX";
/// ECS launcher, optional: subnet ids, separated by commas. Empty: no network configuration is sent.
pub const GENERATOR_SUBNETS: &str = "GENERATOR_SUBNETS";
/// ECS launcher, optional: security group ids, separated by commas.
pub const GENERATOR_SECURITY_GROUPS: &str = "GENERATOR_SECURITY_GROUPS";
/// ECS launcher, optional: ARN of the role that each job borrows, with rights to its own objects alone.
pub const GENERATOR_ROLE_ARN: &str = "GENERATOR_ROLE_ARN";
/// ECS launcher, optional: what an hour of a generator's task costs on demand, in US dollars.
pub const GENERATOR_USD_PER_HOUR: &str = "GENERATOR_USD_PER_HOUR";
/// ECS launcher: `spot` runs generators that keep their work on spare capacity, which AWS may take back;
/// default `on_demand`.
pub const GENERATOR_CAPACITY: &str = "GENERATOR_CAPACITY";
/// ECS launcher: how many times a second the orchestrator reads logs at most, for all jobs together; default
/// 22. AWS takes 25 from an account in a region; when it refuses one, the orchestrator gives way by itself.
pub const LOG_READS_PER_SECOND: &str = "LOG_READS_PER_SECOND";
/// Number of previews that there may be at a time; default 10.
pub const PREVIEW_MAX: &str = "PREVIEW_MAX";
/// How long a preview runs at most, in seconds; default 1800.
pub const PREVIEW_TIME_TO_LIVE_SECS: &str = "PREVIEW_TIME_TO_LIVE_SECS";
/// The name below which previews have theirs, `preview.app.example.com` for example: everything below it must lead
/// here. Without it they are below `preview.localhost`, on this machine only.
pub const PREVIEW_HOST: &str = "PREVIEW_HOST";
/// ECS launcher: task definition of previews, `family` or `family:revision`. Without it there are none.
pub const PREVIEW_TASK_DEFINITION: &str = "PREVIEW_TASK_DEFINITION";
/// ECS launcher: the container in that definition; default `app-preview`.
pub const PREVIEW_CONTAINER: &str = "PREVIEW_CONTAINER";
/// ECS launcher, optional: security group ids of previews, separated by commas.
pub const PREVIEW_SECURITY_GROUPS: &str = "PREVIEW_SECURITY_GROUPS";
/// ECS launcher: the port at which a preview is given its application; default 5080.
pub const PREVIEW_CONTROL_PORT: &str = "PREVIEW_CONTROL_PORT";
/// ECS launcher: the port of the application of a preview; default 5081.
pub const PREVIEW_PORT: &str = "PREVIEW_PORT";
/// US dollars that models may cost for a job that names no amount; default 5.
pub const JOB_BUDGET_USD: &str = "JOB_BUDGET_USD";
/// Most US dollars that a job may name; default 25.
pub const JOB_MAX_BUDGET_USD: &str = "JOB_MAX_BUDGET_USD";
/// Maximum duration of a job from its start, in seconds; default 1800.
pub const JOB_TIMEOUT_SECS: &str = "JOB_TIMEOUT_SECS";
/// Longest silence of a running generator, in seconds; default 120.
pub const JOB_IDLE_TIMEOUT_SECS: &str = "JOB_IDLE_TIMEOUT_SECS";
/// Maximum number of events of a job's generator; default 20000. One that writes more is stopped.
pub const JOB_MAX_EVENTS: &str = "JOB_MAX_EVENTS";
/// Maximum size in bytes of all event bodies of a job; default 33554432 (32 MiB). A generator that
/// writes more is stopped, as is one whose log is larger than its events can be.
pub const JOB_MAX_EVENT_BYTES: &str = "JOB_MAX_EVENT_BYTES";
/// Maximum number of jobs that one orchestrator starts side by side; default 4.
pub const JOB_CONCURRENCY: &str = "JOB_CONCURRENCY";
/// Maximum number of jobs that wait for their start; default 1000. More are refused.
pub const JOB_QUEUE_LIMIT: &str = "JOB_QUEUE_LIMIT";
/// Days after its end for which a job and its events are kept; default 30.
pub const JOB_RETENTION_DAYS: &str = "JOB_RETENTION_DAYS";
/// Maximum number of files that are attached to a job; default 8, at most 16.
pub const JOB_MAX_ATTACHMENTS: &str = "JOB_MAX_ATTACHMENTS";
/// Maximum size in bytes of a file that is attached to a job; default 5242880 (5 MiB), at most 16777216.
pub const JOB_MAX_ATTACHMENT_BYTES: &str = "JOB_MAX_ATTACHMENT_BYTES";
/// Maximum size in bytes of all files of a job together; default 20971520 (20 MiB).
pub const JOB_MAX_ATTACHMENTS_BYTES: &str = "JOB_MAX_ATTACHMENTS_BYTES";
/// Maximum size in bytes of all files together that were uploaded within a day; default 1073741824 (1 GiB).
/// More are refused.
pub const UPLOADS_MAX_BYTES: &str = "UPLOADS_MAX_BYTES";
/// `emf` writes metrics into the log, in the embedded format of CloudWatch, once a minute; `emf-alarms` writes the same
/// lines, of which only what alarms watch are metrics; default `none`.
pub const METRICS: &str = "METRICS";
/// Namespace of the metrics; default `app-gen`.
pub const METRICS_NAMESPACE: &str = "METRICS_NAMESPACE";
/// Optional: a collector that takes traces by OTLP in JSON over HTTP, `http://localhost:4318` for example. Without
/// it, and without `OTEL_TRACES_FILE`, there are no traces.
pub const OTEL_EXPORTER_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Optional: a file at whose end traces are written, a batch of OTLP in JSON in each line.
pub const OTEL_TRACES_FILE: &str = "OTEL_TRACES_FILE";
/// Optional: what is logged, in the syntax of `tracing_subscriber::EnvFilter`; default `info`.
pub const RUST_LOG: &str = "RUST_LOG";

/// A snapshot of environment variables. Tests make their own instead of changing the process's.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's variables; those that are not UTF-8 are left out.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    /// The value, unless it is missing or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The value, or an error that names the variable.
    pub(super) fn required(
        &self,
        name: &'static str,
        what: &'static str,
    ) -> Result<&str, ConfigError> {
        self.get(name)
            .ok_or_else(|| ConfigError::new(name, format!("is not set; it takes {what}")))
    }

    /// The value read as `T`, or `default` when there is none.
    pub(super) fn parsed<T>(&self, name: &'static str, default: T) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.get(name).map_or(Ok(default), |text| {
            text.parse()
                .map_err(|error| ConfigError::new(name, format!("holds {text:?}: {error}")))
        })
    }

    /// An amount of US dollars in millionths, if there is one.
    pub(super) fn micro_usd(&self, name: &'static str) -> Result<Option<u64>, ConfigError> {
        let amount = |text: &str| {
            app_gen_contract::micro_usd(text).ok_or_else(|| {
                ConfigError::new(
                    name,
                    format!("is {text:?}; it takes an amount, 0.50 for example"),
                )
            })
        };
        self.get(name).map(amount).transpose()
    }

    /// Items of a comma-separated list; empty when the variable is not set.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.get(name)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// All variables whose name begins with `prefix`.
    pub(super) fn with_prefix(&self, prefix: &str) -> BTreeMap<String, String> {
        self.0
            .iter()
            .filter(|(name, value)| name.starts_with(prefix) && !value.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

impl<Name: Into<String>, Value: Into<String>> FromIterator<(Name, Value)> for Environment {
    fn from_iter<I: IntoIterator<Item = (Name, Value)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
