//! What starts generators: processes of this machine, or tasks on ECS.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use app_gen_contract::env::MODEL_SCRIPT;

use crate::config::{ConfigError, Environment, environment};

/// Which launcher, and what it needs.
#[derive(Debug, Clone)]
pub enum LauncherConfig {
    /// Generators are processes of this machine.
    Process(ProcessConfig),
    /// Generators are tasks on ECS.
    Ecs(EcsConfig),
}

/// The process launcher.
#[derive(Clone)]
pub struct ProcessConfig {
    /// The generator's binary.
    pub command: PathBuf,
    /// Folder of the generators' logs.
    pub log_dir: PathBuf,
    /// The generator's whole environment without the job's own variable; may hold credentials.
    pub environment: BTreeMap<String, String>,
    /// What processes that deliver have beside it: the tokens for that.
    pub delivery_environment: BTreeMap<String, String>,
}

/// The ECS launcher.
#[derive(Clone)]
pub struct EcsConfig {
    /// Name or ARN.
    pub cluster: String,
    /// `family` or `family:revision`.
    pub task_definition: String,
    /// That of tasks which deliver, with the same container and the tokens for it; without one, nothing is
    /// delivered.
    pub delivery_task_definition: Option<String>,
    /// The generator's container in both.
    pub container: String,
    /// Its log group.
    pub log_group: String,
    /// Streams are `<prefix>/<container>/<task id>`.
    pub log_stream_prefix: String,
    /// Subnet ids; empty when the cloud does not need them.
    pub subnets: Vec<String>,
    /// Security group ids.
    pub security_groups: Vec<String>,
    /// ARN of the role that each job borrows, with rights to its own objects; `None` where the
    /// container has credentials of its own.
    pub role_arn: Option<String>,
    /// Millionths of a US dollar that an hour of a task costs on demand, where that is known.
    pub micro_usd_per_hour: Option<i64>,
    /// How many times a second logs are read at most, for all jobs together.
    pub log_reads_per_second: u32,
    /// Whether generators that keep their work run on spare capacity.
    pub spot: bool,
    /// Tags of every task.
    pub tags: BTreeMap<String, String>,
    /// More environment of the container; may hold credentials.
    pub environment: BTreeMap<String, String>,
}

impl std::fmt::Debug for ProcessConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ProcessConfig")
            .field("command", &self.command)
            .field("log_dir", &self.log_dir)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for EcsConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EcsConfig")
            .field("cluster", &self.cluster)
            .field("task_definition", &self.task_definition)
            .field("log_group", &self.log_group)
            .finish_non_exhaustive()
    }
}

/// How long the rights last that a job borrows: the longest session that AWS gives to a role which
/// takes on another one.
pub const JOB_RIGHTS_TIME: Duration = Duration::from_secs(3600);

/// Of 25 that AWS takes from an account in a region, unless it was asked for more.
const LOG_READS_PER_SECOND: u32 = 22;

/// Variables that a generator inherits: enough to find its tools and S3, but no secret of the
/// orchestrator, because the generator works on texts of strangers.
pub(super) const INHERITED: [&str; 6] = ["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ"];

impl LauncherConfig {
    /// `process` or `ecs`, as jobs show it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Process(_) => "process",
            Self::Ecs(_) => "ecs",
        }
    }

    /// Millionths of a US dollar that an hour of a task costs on demand, where that is known. Nobody pays for
    /// a process by the hour.
    #[must_use]
    pub const fn micro_usd_per_hour(&self) -> Option<i64> {
        match self {
            Self::Process(_) => None,
            Self::Ecs(config) => config.micro_usd_per_hour,
        }
    }

    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.get(environment::LAUNCHER).unwrap_or("process") {
            "process" => process(environment).map(Self::Process),
            "ecs" => ecs(environment).map(Self::Ecs),
            other => Err(ConfigError::new(
                environment::LAUNCHER,
                format!("is {other:?}; it takes process or ecs"),
            )),
        }
    }
}

fn process(environment: &Environment) -> Result<ProcessConfig, ConfigError> {
    let variable = environment::GENERATOR_COMMAND;
    let command = PathBuf::from(environment.required(variable, "the path of the app-gen binary")?);
    let executable = command
        .metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    if !executable || !command.is_absolute() {
        return Err(ConfigError::new(
            variable,
            format!(
                "is {}, which is not the absolute path of an executable file",
                command.display()
            ),
        ));
    }
    let log_dir = environment.required(environment::GENERATOR_LOG_DIR, "a folder")?;
    let mut inherited = environment.with_prefix("AWS_");
    for name in INHERITED {
        if let Some(value) = environment.get(name) {
            inherited.insert(name.to_owned(), value.to_owned());
        }
    }
    inherited.extend(extra_environment(environment)?);
    Ok(ProcessConfig {
        command,
        log_dir: PathBuf::from(log_dir),
        environment: inherited,
        delivery_environment: object_of_texts(environment, environment::DELIVERER_ENVIRONMENT)?,
    })
}

fn ecs(environment: &Environment) -> Result<EcsConfig, ConfigError> {
    let required = |variable, what| environment.required(variable, what).map(str::to_owned);
    Ok(EcsConfig {
        cluster: required(environment::ECS_CLUSTER, "the name of the cluster")?,
        task_definition: required(
            environment::GENERATOR_TASK_DEFINITION,
            "a task definition, FAMILY or FAMILY:REVISION",
        )?,
        delivery_task_definition: environment
            .get(environment::DELIVERER_TASK_DEFINITION)
            .map(str::to_owned),
        container: environment
            .get(environment::GENERATOR_CONTAINER)
            .unwrap_or("app-generator")
            .to_owned(),
        log_group: required(
            environment::GENERATOR_LOG_GROUP,
            "the container's log group",
        )?,
        log_stream_prefix: required(
            environment::GENERATOR_LOG_STREAM_PREFIX,
            "the container's awslogs-stream-prefix",
        )?,
        subnets: environment.list(environment::GENERATOR_SUBNETS),
        security_groups: environment.list(environment::GENERATOR_SECURITY_GROUPS),
        role_arn: environment
            .get(environment::GENERATOR_ROLE_ARN)
            .map(str::to_owned),
        micro_usd_per_hour: environment
            .micro_usd(environment::GENERATOR_USD_PER_HOUR)?
            .and_then(|price| i64::try_from(price).ok()),
        log_reads_per_second: match environment
            .parsed(environment::LOG_READS_PER_SECOND, LOG_READS_PER_SECOND)?
        {
            0 => {
                return Err(ConfigError::new(
                    environment::LOG_READS_PER_SECOND,
                    "is 0; it takes a number from 1",
                ));
            }
            number => number,
        },
        spot: match environment.get(environment::GENERATOR_CAPACITY) {
            None | Some("on_demand") => false,
            Some("spot") => true,
            Some(other) => {
                return Err(ConfigError::new(
                    environment::GENERATOR_CAPACITY,
                    format!("is {other:?}; it takes on_demand or spot"),
                ));
            }
        },
        tags: object_of_texts(environment, environment::GENERATOR_TAGS)?,
        environment: extra_environment(environment)?,
    })
}

/// What generators get beside their spec and the rights of their job. Whoever runs an orchestrator with a
/// scripted model runs its generators with it.
fn extra_environment(environment: &Environment) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut extra = object_of_texts(environment, environment::GENERATOR_ENVIRONMENT)?;
    if let Some(script) = environment.get(MODEL_SCRIPT) {
        extra.insert(MODEL_SCRIPT.to_owned(), script.to_owned());
    }
    Ok(extra)
}

pub(super) fn object_of_texts(
    environment: &Environment,
    variable: &'static str,
) -> Result<BTreeMap<String, String>, ConfigError> {
    // The reader's own message could quote a value, and values may be credentials.
    environment.get(variable).map_or_else(
        || Ok(BTreeMap::new()),
        |text| {
            serde_json::from_str(text)
                .map_err(|_| ConfigError::new(variable, "is not a JSON object of strings"))
        },
    )
}
