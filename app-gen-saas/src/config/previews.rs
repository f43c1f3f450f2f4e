//! Previews: how many there may be, how long each runs, under which name, and what starts them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::launcher::{INHERITED, object_of_texts};
use crate::config::{ConfigError, Environment, LauncherConfig, ProcessConfig, environment};

/// How previews are run.
#[derive(Debug, Clone)]
pub struct PreviewsConfig {
    /// How many there may be at a time.
    pub max: u32,
    /// How long each runs at most.
    pub time_to_live: Duration,
    /// The name below which they have theirs; `None` on this machine, where it is `preview.localhost`.
    pub host: Option<String>,
    /// What starts them.
    pub starter: PreviewStarter,
    /// How long whoever looks after a preview may be silent.
    pub lease: Duration,
    /// Pause between two looks at a preview that starts or ends, and at one that runs.
    pub poll: Duration,
    /// See `poll`.
    pub ready_poll: Duration,
    /// Pause before another try where there was no room for its task.
    pub room_pause: Duration,
    /// How long its start may take, from the start of its task.
    pub start_timeout: Duration,
    /// How long the task of a try is looked for whose outcome was not kept.
    pub search: Duration,
    /// Pause between two looks for tasks whose preview has ended.
    pub leftovers: Duration,
}

/// What starts previews.
#[derive(Debug, Clone)]
pub enum PreviewStarter {
    /// They are processes of this machine.
    Process(ProcessConfig),
    /// They are tasks on ECS.
    Ecs(EcsPreviewConfig),
}

/// Previews as tasks on ECS.
#[derive(Debug, Clone)]
pub struct EcsPreviewConfig {
    /// Name or ARN.
    pub cluster: String,
    /// `family` or `family:revision`.
    pub task_definition: String,
    /// The container in it.
    pub container: String,
    /// Subnet ids; empty when the cloud does not need them.
    pub subnets: Vec<String>,
    /// Security group ids.
    pub security_groups: Vec<String>,
    /// Tags of every task.
    pub tags: BTreeMap<String, String>,
    /// Where the container is given the application and asked how it is.
    pub control_port: u16,
    /// Where the application is.
    pub port: u16,
}

impl PreviewsConfig {
    /// `None` where the environment has no previews: on ECS without a task definition of theirs.
    pub(super) fn from_environment(
        environment: &Environment,
        launcher: &LauncherConfig,
    ) -> Result<Option<Self>, ConfigError> {
        let starter = match launcher {
            LauncherConfig::Process(config) => PreviewStarter::Process(process(config)),
            LauncherConfig::Ecs(_) => match ecs(environment)? {
                Some(config) => PreviewStarter::Ecs(config),
                None => return Ok(None),
            },
        };
        let from_one = |variable, default| match environment.parsed::<u32>(variable, default)? {
            0 => Err(ConfigError::new(variable, "is 0; it takes a number from 1")),
            number => Ok(number),
        };
        let host = environment
            .get(environment::PREVIEW_HOST)
            .map(str::to_ascii_lowercase);
        if let Some(host) = &host {
            let is_name = host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
            if !is_name || !host.contains('.') {
                return Err(ConfigError::new(
                    environment::PREVIEW_HOST,
                    format!("is {host:?}; it takes a name such as preview.app.example.com"),
                ));
            }
        }
        let seconds = from_one(environment::PREVIEW_TIME_TO_LIVE_SECS, 1800)?;
        Ok(Some(Self {
            max: from_one(environment::PREVIEW_MAX, 10)?,
            time_to_live: Duration::from_secs(seconds.into()),
            host,
            starter,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            ready_poll: Duration::from_secs(10),
            room_pause: Duration::from_secs(15),
            start_timeout: Duration::from_secs(600),
            search: Duration::from_secs(75),
            leftovers: Duration::from_secs(30),
        }))
    }
}

/// The same program, with none of the generator's credentials.
fn process(generator: &ProcessConfig) -> ProcessConfig {
    let mut config = generator.clone();
    let is_harmless = |name: &str| INHERITED.contains(&name) || name == "npm_config_registry";
    config.environment.retain(|name, _| is_harmless(name));
    config
}

fn ecs(environment: &Environment) -> Result<Option<EcsPreviewConfig>, ConfigError> {
    let Some(task_definition) = environment.get(environment::PREVIEW_TASK_DEFINITION) else {
        return Ok(None);
    };
    let port = |variable, default| match environment.parsed::<u16>(variable, default)? {
        0 => Err(ConfigError::new(variable, "is 0; it takes a port")),
        port => Ok(port),
    };
    let cluster = environment.required(environment::ECS_CLUSTER, "the name of the cluster")?;
    Ok(Some(EcsPreviewConfig {
        cluster: cluster.to_owned(),
        task_definition: task_definition.to_owned(),
        container: environment
            .get(environment::PREVIEW_CONTAINER)
            .unwrap_or("app-preview")
            .to_owned(),
        subnets: environment.list(environment::GENERATOR_SUBNETS),
        security_groups: environment.list(environment::PREVIEW_SECURITY_GROUPS),
        tags: object_of_texts(environment, environment::GENERATOR_TAGS)?,
        control_port: port(environment::PREVIEW_CONTROL_PORT, 5080)?,
        port: port(environment::PREVIEW_PORT, 5081)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn with(changes: &[(&str, &str)]) -> Result<Option<PreviewsConfig>, ConfigError> {
        let base = [
            ("DATABASE_URL", "sqlite:///tmp/app-gen.db"),
            ("ARTIFACT_URI", "file:///tmp/artifacts"),
            ("GENERATOR_COMMAND", "/bin/true"),
            ("GENERATOR_LOG_DIR", "/tmp/logs"),
            ("GENERATOR_ENVIRONMENT", r#"{"OPENAI_API_KEY":"sk-hidden"}"#),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
            ("PATH", "/bin"),
        ];
        let variables = base.iter().chain(changes).copied();
        Ok(Config::from_environment(&variables.collect())?.previews)
    }

    const ECS: [(&str, &str); 5] = [
        ("LAUNCHER", "ecs"),
        ("ECS_CLUSTER", "c"),
        ("GENERATOR_TASK_DEFINITION", "g"),
        ("GENERATOR_LOG_GROUP", "l"),
        ("GENERATOR_LOG_STREAM_PREFIX", "p"),
    ];

    #[test]
    fn a_process_is_given_no_credentials() {
        let config = with(&[]).unwrap().unwrap();
        assert_eq!((config.max, config.time_to_live.as_secs()), (10, 1800));
        let PreviewStarter::Process(process) = config.starter else {
            panic!("it is a process");
        };
        let names: Vec<&str> = process.environment.keys().map(String::as_str).collect();
        assert_eq!(names, ["PATH"]);
    }

    #[test]
    fn on_ecs_there_are_previews_where_they_have_a_task_definition() {
        assert!(with(&ECS).unwrap().is_none());
        let more = [
            ("PREVIEW_TASK_DEFINITION", "app-preview:3"),
            ("PREVIEW_HOST", "Preview.app.example.com"),
            ("PREVIEW_MAX", "3"),
        ];
        let config = with(&[&ECS[..], &more[..]].concat()).unwrap().unwrap();
        assert_eq!(config.host.as_deref(), Some("preview.app.example.com"));
        assert_eq!(config.max, 3);
        let PreviewStarter::Ecs(ecs) = config.starter else {
            panic!("it is a task");
        };
        assert_eq!((ecs.control_port, ecs.port), (5080, 5081));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (variable, value) in [
            ("PREVIEW_MAX", "0"),
            ("PREVIEW_TIME_TO_LIVE_SECS", "soon"),
            ("PREVIEW_HOST", "*.example.com"),
            ("PREVIEW_HOST", "preview"),
        ] {
            let error = with(&[(variable, value)]).unwrap_err();
            assert_eq!(error.variable, variable, "{error}");
        }
    }
}
