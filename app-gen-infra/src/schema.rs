//! The shape of `platform.toml`. Units are in the names.

use crate::{Instance, ManifestError};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The whole manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Tag value and name prefix of everything that belongs to the project.
    pub project: String,
    /// Tag value: who is responsible for everything that belongs to the project.
    pub owner: String,
    /// AWS region of every environment.
    pub region: String,
    /// Platform of every image, as Docker writes it: `linux/amd64`.
    pub platform: String,
    /// The base of every image.
    pub base_image: String,
    /// Version of its libc; binaries that need a newer one are refused.
    pub base_libc: String,
    /// Images by name.
    pub images: BTreeMap<String, Image>,
    /// Always-on services by name.
    pub services: BTreeMap<String, Service>,
    /// Run-once tasks by name.
    pub tasks: BTreeMap<String, Task>,
    /// Bounds and ports of previews.
    pub previews: Previews,
    /// Names of services that are operated together, by group.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<Spanned<String>>>,
    /// Secrets by the name that services and tasks refer to.
    pub secrets: BTreeMap<String, Secret>,
    /// Ports and names on this machine, of the instance that the manifest was loaded for.
    pub local: Local,
    /// Those of the instance that the tests use.
    pub local_test: Local,
    /// Environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// Why an environment would be open to strangers, by its name.
    #[serde(skip)]
    pub(crate) exposed: BTreeMap<String, ManifestError>,
}

/// One image: a Docker context and what is built on the host before it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Repository in every registry.
    pub repository: String,
    /// Folder of the Docker context, relative to the checkout.
    pub context: Spanned<String>,
    /// Dockerfile, relative to the checkout.
    pub dockerfile: Spanned<String>,
    /// Stage to build; the last one if it is absent.
    pub target: Option<String>,
    /// Build arguments.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// A binary that cargo builds on the host.
    pub rust: Option<RustPrebuild>,
    /// A folder that npm builds on the host.
    pub npm: Option<NpmPrebuild>,
    /// Packages of Debian that the base image does not have.
    pub apt: Option<AptPrebuild>,
    /// Programs from packages of npm, which run in the image.
    pub npm_tools: Option<NpmToolsPrebuild>,
}

/// A binary compiled before the image and copied into its context.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RustPrebuild {
    /// Package of the workspace.
    pub package: String,
    /// Its binary target.
    pub binary: String,
    /// Path in the context.
    pub to: String,
    /// Programs of this machine that its build scripts start, besides the C compiler and its tools. A
    /// compile finds no others.
    #[serde(default)]
    pub tools: Vec<String>,
}

/// A web page built before the image and copied into its context.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpmPrebuild {
    /// Folder with `package.json` and its lock, relative to the checkout.
    pub folder: Spanned<String>,
    /// What the build script writes, relative to `folder`.
    pub output: String,
    /// Path in the context.
    pub to: String,
}

/// Packages of Debian, unpacked before the image and copied into its context, with all that they
/// depend on and the base image does not have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AptPrebuild {
    /// Names such as `git`. Which versions they are is in a lock file.
    pub packages: Vec<Spanned<String>>,
    /// Folder in the context; what is in it belongs at the root of the image.
    pub to: Spanned<String>,
}

/// Files of packages that npm installs before the image and that are copied into its context.
/// Nothing else of the packages is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpmToolsPrebuild {
    /// Folder with `package.json` and its lock, relative to the checkout.
    pub folder: Spanned<String>,
    /// Where they are in the context, and which file or folder below `node_modules` each of them is.
    pub files: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// A service that is always on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Image by name.
    pub image: Spanned<String>,
    /// Task definition family.
    pub family: String,
    /// Container in the task definition.
    pub container: String,
    /// CloudWatch log group.
    pub log_group: String,
    /// IAM role of the task.
    pub role: String,
    /// Port the container listens on.
    pub port: u16,
    /// Path that answers 200 while the service is healthy.
    pub health_path: Spanned<String>,
    /// Number of tasks that run side by side; `cargo xtask scale` returns to it.
    #[serde(default = "one_task")]
    pub desired_tasks: Spanned<u32>,
    /// Secret by name.
    pub secret: Option<Spanned<String>>,
    /// Environment variables that are not secret.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Size by environment.
    pub size: BTreeMap<String, Size>,
}

fn one_task() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

/// A container that runs once per job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Image by name.
    pub image: Spanned<String>,
    /// Task definition family.
    pub family: String,
    /// Container in the task definition.
    pub container: String,
    /// CloudWatch log group.
    pub log_group: String,
    /// IAM role that is lent to the task; one without a role has no rights at all.
    pub role: Option<Spanned<String>>,
    /// Secret by name.
    pub secret: Option<Spanned<String>>,
    /// Environment variables that are not secret.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Its tasks that deliver; without them, nothing is delivered.
    pub deliverer: Option<Deliverer>,
    /// Size by environment.
    pub size: BTreeMap<String, Size>,
}

/// Bounds and ports of previews.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previews {
    /// How long a preview runs at most.
    pub time_to_live_secs: Spanned<u32>,
    /// How many there may be at a time.
    pub max_previews: Spanned<u32>,
    /// Where the orchestrator hands the application over and asks how it is.
    pub control_port: Spanned<u16>,
    /// Where the application is.
    pub port: Spanned<u16>,
}

/// Tasks of the same container that deliver what others made, with a secret that no other task has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deliverer {
    /// Task definition family.
    pub family: String,
    /// Secret by name, in place of the task's own.
    pub secret: Spanned<String>,
    /// Environment variables that are not secret, beside those of the task.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// What a task may use.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// 1024 units are one vCPU.
    pub cpu_units: u32,
    /// Memory limit.
    pub memory_mib: u32,
}

/// One JSON secret in Secrets Manager.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Name in Secrets Manager.
    pub name: String,
    /// Its keys; each becomes an environment variable of the same name.
    pub keys: BTreeMap<String, SecretKey>,
}

/// When a key of a secret is required.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretKey {
    /// Environments that need it; empty means all.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Variables of the orchestrator's environment that must have these values.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// A name that several keys have where one of them is enough. Such a key is handed over wherever it has a
    /// value: a job can choose what only it needs.
    pub one_of: Option<String>,
}

/// Ports on the loopback interface, and names on this machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Local {
    /// The registry that images are pushed to.
    pub registry_port: Spanned<u16>,
    /// The local cloud.
    pub cloud_port: Spanned<u16>,
    /// The API of `cargo xtask dev`.
    pub api_port: Spanned<u16>,
    /// The page of `cargo xtask dev`.
    pub web_port: Spanned<u16>,
    /// The orchestrator that `cargo xtask validate` starts.
    pub validate_port: Spanned<u16>,
    /// PostgreSQL for what is deployed to the local cloud, on the Docker bridge.
    pub database_port: Spanned<u16>,
    /// Compose project of `cargo xtask validate`.
    pub compose_project: String,
    /// Whose they are.
    #[serde(skip)]
    pub instance: Instance,
}

impl Local {
    /// The registry as image references name it.
    #[must_use]
    pub fn registry(&self) -> String {
        format!("localhost:{}", self.registry_port.get_ref())
    }

    /// The key of the manifest that moves a port: `local.cloud_port`.
    #[must_use]
    pub fn key(&self, port: &str) -> String {
        format!("{}.{port}", self.instance.table())
    }
}

/// One environment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The only AWS account it may touch; absent for the local cloud.
    pub account: Option<Spanned<String>>,
    /// How long logs are kept; CloudWatch Logs accepts only some numbers.
    pub log_retention_days: u32,
    /// Addresses of its VPC.
    pub vpc_cidr: Spanned<String>,
    /// Whether its data outlives its stacks, nothing may destroy it, and nobody runs commands in its
    /// tasks.
    #[serde(default)]
    pub protected: bool,
    /// The most that a month may cost; absent for the local cloud.
    pub budget_usd_per_month: Option<Spanned<u32>>,
    /// Address for messages of alarms and of the budget; absent for the local cloud.
    pub alarm_email: Option<Spanned<String>>,
    /// ACM certificate of its load balancer, which speaks plain HTTP without one.
    pub certificate_arn: Option<Spanned<String>>,
    /// The name below which its previews have theirs, each one label more. Without one, an environment on AWS
    /// has no previews.
    pub preview_host: Option<Spanned<String>>,
    /// The addresses that reach its load balancer. Without any, everybody does, if the orchestrator
    /// asks who they are.
    #[serde(default)]
    pub allowed_cidrs: Vec<Spanned<String>>,
    /// A file of the checkout with certificates of authorities, as PEM, that generators trust besides those
    /// of their image. Without one, the local cloud's trust what this machine does.
    pub extra_certificates: Option<Spanned<String>>,
    /// Where its orchestrator keeps everything.
    #[serde(default)]
    pub storage_mode: StorageMode,
    /// What the provider of its PostgreSQL charges; absent for the local cloud, and where there is none.
    pub database_usd_per_month: Option<Spanned<u32>>,
    /// The expected use of one month.
    #[serde(default)]
    pub usage: Usage,
}

/// Where an orchestrator keeps everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageMode {
    /// In the database that its secret names.
    #[default]
    Database,
    /// In a table of DynamoDB with a queue of SQS, which the stacks make.
    DynamoDb,
}

impl StorageMode {
    /// The value of the orchestrator's variable `STORAGE_MODE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::DynamoDb => "dynamodb",
        }
    }
}

/// The expected use of an environment in one month. `cargo xtask cost` prices it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Hours that the orchestrator runs: the whole month unless it is scaled to zero.
    pub orchestrator_hours: u32,
    /// Jobs, where they are kept in DynamoDB.
    pub jobs: u32,
    /// Hours of all generator tasks together.
    pub generator_hours: u32,
    /// Hours of all previews together.
    pub preview_hours: u32,
    /// GB sent to the internet: pages and results through the load balancer, and pushes.
    pub traffic_gb: u32,
    /// GB that are added to all logs together.
    pub log_gb: u32,
    /// GB of images in ECR.
    pub image_gb: u32,
    /// GB of results and access logs in S3.
    pub artifact_gb: u32,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            orchestrator_hours: crate::HOURS_PER_MONTH,
            jobs: 1_000,
            generator_hours: 50,
            preview_hours: 50,
            traffic_gb: 10,
            log_gb: 1,
            image_gb: 5,
            artifact_gb: 5,
        }
    }
}
