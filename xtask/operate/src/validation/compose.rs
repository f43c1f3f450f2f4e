//! The compose project of a validation: PostgreSQL, and the orchestrator's image by digest. It is
//! generated from the manifest.

use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_aws_api::calls::validation::ValidationParts;
use xtask_aws_api::names::{Deployed, LOCAL};
use xtask_core::atomic_file::write_atomically;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_machine::gate::Credentials;
use xtask_machine::ministack;
use xtask_machine::postgres_image;

const UP_TIMEOUT: Duration = Duration::from_secs(180);
/// The engine does it at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const DOWN_TIMEOUT: Duration = Duration::from_secs(120);
/// Nobody follows the logs for longer.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The variable of the SDKs that is secret.
const SECRET_VARIABLE: &str = "AWS_SECRET_ACCESS_KEY";
/// Within the network of the project, which does not publish the database.
const DATABASE_URL: &str = "postgres://app@database:5432/app";

/// The ports of the docker bridge on which the parts of the platform reach the local cloud.
#[derive(Debug, Clone, Copy)]
pub struct CloudPorts {
    /// The port for the orchestrator.
    pub orchestrator: u16,
    /// The port for the tasks that it starts.
    pub generator: u16,
}

/// The environment variables of an orchestrator that runs in a container and uses the local cloud:
/// those of the manifest, and the names of the parts in the cloud. The secret that belongs to
/// `credentials` is not among them: [`up`] hands it over, so that no file has it.
#[must_use]
pub fn orchestrator_environment(
    context: &Context,
    parts: &ValidationParts,
    ports: CloudPorts,
    credentials: &Credentials,
) -> BTreeMap<String, String> {
    let platform = &context.platform;
    let previews = &platform.previews;
    let endpoint = |port: u16| format!("http://host.docker.internal:{port}");
    let cloud = |port: u16, credentials: &Credentials| {
        ministack::client_environment(&platform.region, &endpoint(port), credentials)
    };
    // The local cloud does not give tasks a region, nor credentials that the SDK accepts. Its gate
    // puts real ones in the place of these.
    let mut generator = platform.generator().environment.clone();
    generator.extend(cloud(ports.generator, &ministack::shown_credentials()));
    // It also replaces this address with its own, but not those of the only services that a generator uses.
    for service in ["S3", "SECRETS_MANAGER"] {
        let variable = format!("AWS_ENDPOINT_URL_{service}");
        generator.insert(variable, endpoint(ports.generator));
    }
    let mut environment = platform.orchestrator().environment.clone();
    environment.extend(cloud(ports.orchestrator, credentials));
    environment.remove(SECRET_VARIABLE);
    let settings = [
        ("PORT", platform.orchestrator().port.to_string()),
        ("DATABASE_URL", DATABASE_URL.to_owned()),
        ("ARTIFACT_URI", format!("s3://{}", parts.bucket)),
        (
            "MODEL_KEYS_URI",
            format!(
                "secretsmanager://{}",
                Deployed::new(platform, LOCAL).tenant_secrets
            ),
        ),
        ("ECS_CLUSTER", parts.cluster.clone()),
        ("GENERATOR_TASK_DEFINITION", parts.task_definition.clone()),
        ("GENERATOR_CONTAINER", parts.container.clone()),
        ("GENERATOR_LOG_GROUP", parts.log_group.clone()),
        (
            "GENERATOR_LOG_STREAM_PREFIX",
            parts.log_stream_prefix.clone(),
        ),
        ("GENERATOR_SUBNETS", parts.subnets.join(",")),
        ("GENERATOR_SECURITY_GROUPS", parts.security_groups.join(",")),
        ("GENERATOR_ENVIRONMENT", json!(generator).to_string()),
        ("PREVIEW_MAX", previews.max_previews.get_ref().to_string()),
        (
            "PREVIEW_TIME_TO_LIVE_SECS",
            previews.time_to_live_secs.get_ref().to_string(),
        ),
        (
            "PREVIEW_TASK_DEFINITION",
            parts.preview_task_definition.clone(),
        ),
        ("PREVIEW_CONTAINER", platform.preview().container.clone()),
        (
            "PREVIEW_CONTROL_PORT",
            previews.control_port.get_ref().to_string(),
        ),
        ("PREVIEW_PORT", previews.port.get_ref().to_string()),
        ("PREVIEW_SECURITY_GROUPS", parts.security_groups.join(",")),
    ];
    environment.extend(
        settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    environment
}

/// The project file in JSON, which is YAML too.
#[must_use]
pub fn project(
    context: &Context,
    orchestrator_image: &str,
    environment: &BTreeMap<String, String>,
    secrets_file: Option<&Path>,
) -> Value {
    let service = context.platform.orchestrator();
    let size = service.size["local"];
    let mut orchestrator = json!({
        "image": orchestrator_image,
        "environment": escape_dollars(environment)
            .into_iter()
            .map(|(name, value)| (name, Some(value)))
            // Compose takes the value of a variable without one from its own environment.
            .chain([(SECRET_VARIABLE, None)])
            .collect::<BTreeMap<_, _>>(),
        "ports": [format!(
            "127.0.0.1:{}:{}",
            context.platform.local.validate_port.get_ref(),
            service.port
        )],
        "depends_on": { "database": { "condition": "service_healthy" } },
        "extra_hosts": ["host.docker.internal:host-gateway"],
        "mem_limit": format!("{}m", size.memory_mib),
        "read_only": true,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    });
    if let Some(path) = secrets_file {
        orchestrator["env_file"] = json!([{ "path": path, "format": "raw" }]);
    }
    json!({
        "services": {
            "orchestrator": orchestrator,
            "database": {
                "image": postgres_image::NAME,
                "healthcheck": {
                    "test": ["CMD", "pg_isready", "--username", "app", "--host", "127.0.0.1"],
                    "interval": "500ms",
                    "timeout": "5s",
                    "retries": 120,
                },
            },
        },
    })
}

/// Compose would replace `$NAME` in a value by a variable of its own.
fn escape_dollars(environment: &BTreeMap<String, String>) -> BTreeMap<&str, String> {
    environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.replace('$', "$$")))
        .collect()
}

/// A project that runs. Dropping this takes it down.
pub struct Project<'a> {
    context: &'a Context,
    file: PathBuf,
    keep: bool,
}

/// Starts the project and waits for the database.
///
/// # Errors
/// A port is taken, an image is missing, or a container ends.
pub fn up<'a>(
    context: &'a Context,
    project: &Value,
    credentials: &Credentials,
) -> anyhow::Result<Project<'a>> {
    let file = file(context);
    write_atomically(&file, &serde_json::to_vec_pretty(project)?)?;
    // From here on containers may exist, even if `up` fails.
    let running = Project {
        context,
        file,
        keep: false,
    };
    running
        .compose(&["up", "--detach", "--remove-orphans", "--quiet-pull"])
        .env(SECRET_VARIABLE, &credentials.secret)
        .timeout(UP_TIMEOUT)
        .read()
        .map_err(|error| {
            let hint = hint(&error.to_string());
            let failure = Failure::new(Code::Service, "failed to start the compose project");
            failure.hint(hint).because(error)
        })?;
    running.reach_tasks()?;
    Ok(running)
}

/// What to do where the project does not start, by what compose wrote.
fn hint(text: &str) -> &'static str {
    // The engine's words where a registry has a manifest and has lost a layer, with containerd's
    // image store and without it.
    let lost = ["could not fetch content descriptor", "unknown blob"];
    if lost.iter().any(|words| text.contains(words)) {
        "the registry has lost a part of the image; cargo xtask build --force pushes all of it again"
    } else {
        "cargo xtask cleanup, then try again; ports are in app-gen-infra/platform.toml"
    }
}

impl Project<'_> {
    /// Tasks of the local cloud are in the engine's own network, and the project is in one of its own, from which
    /// no other is reached: the orchestrator is put into both, since it forwards requests to previews.
    fn reach_tasks(&self) -> anyhow::Result<()> {
        let id = self.compose(&["ps", "--quiet", "orchestrator"]).read()?;
        Cmd::new("docker")
            .args(["network", "connect", "bridge", id.trim()])
            .timeout(CONNECT_TIMEOUT)
            .read()
            .context("failed to put the orchestrator where tasks are")
            .map(drop)
    }

    /// Leaves the project running.
    pub fn keep(mut self) {
        self.keep = true;
    }

    /// Whether the container of the orchestrator runs.
    ///
    /// # Errors
    /// The engine does not answer.
    pub fn orchestrator_runs(&self) -> anyhow::Result<bool> {
        let id = self
            .compose(&["ps", "--status", "running", "--quiet", "orchestrator"])
            .read()?;
        Ok(!id.is_empty())
    }

    /// Writes the log of the project to a file in `folder`, and returns its path.
    ///
    /// # Errors
    /// The engine does not answer, or the file cannot be written.
    pub fn save_log(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join("compose.log");
        let log = self
            .compose(&["logs", "--no-color", "--timestamps"])
            .survives_interrupt()
            .output()?;
        write_atomically(&path, &log.stdout)
            .with_context(|| format!("failed to keep the log in {}", path.display()))?;
        Ok(path)
    }

    fn compose(&self, arguments: &[&str]) -> Cmd {
        command(self.context, &self.file).args(arguments)
    }
}

impl Drop for Project<'_> {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let report = &self.context.report;
        report.step("take the compose project down");
        if let Err(error) = down(self.context) {
            report.step(&format!(
                "failed to stop the compose project: {error:#}; run `cargo xtask cleanup`"
            ));
        }
    }
}

/// Stops and removes the containers, networks and volumes of the project, if there are any.
///
/// # Errors
/// The engine does not answer.
pub fn down(context: &Context) -> anyhow::Result<()> {
    command(context, &file(context))
        .args(["down", "--volumes", "--remove-orphans", "--timeout", "5"])
        .timeout(DOWN_TIMEOUT)
        .survives_interrupt()
        .read()
        .map(|_| ())
}

/// Names of the containers of the project, whether they run or not.
///
/// # Errors
/// The engine does not answer.
pub fn containers(context: &Context) -> anyhow::Result<Vec<String>> {
    let label = format!(
        "label=com.docker.compose.project={}",
        context.platform.local.compose_project
    );
    let listing = Cmd::new("docker")
        .args(["ps", "--all", "--filter", &label, "--format", "{{.Names}}"])
        .survives_interrupt()
        .read()?;
    Ok(listing.lines().map(str::to_owned).collect())
}

/// Hands over the log lines of the project. Each begins with its container and its time. The
/// containers follow one after the other; with `follow`, lines come as they are written.
///
/// # Errors
/// The engine does not answer, or `on_line` fails.
pub fn logs(
    context: &Context,
    follow: bool,
    on_line: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut logs = command(context, &file(context)).args(["logs", "--no-color", "--timestamps"]);
    if follow {
        logs = logs.arg("--follow").timeout(FOLLOW_TIMEOUT);
    }
    let status = logs.all_lines(on_line)?;
    anyhow::ensure!(status.success(), "docker compose logs ended with {status}");
    Ok(())
}

fn file(context: &Context) -> PathBuf {
    context.work_folder().join("validate/compose.json")
}

fn command(context: &Context, file: &Path) -> Cmd {
    let mut command = Cmd::new("docker").args([
        "compose",
        "--project-name",
        &context.platform.local.compose_project,
        "--progress",
        "plain",
    ]);
    // Without the file, `down` still finds everything by the name of the project.
    if file.is_file() {
        command = command.arg("--file").arg(file);
    }
    command
}
