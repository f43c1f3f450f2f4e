//! What the commands need on this machine, each as something that can be looked
//! for, described, and installed or started.

use crate::tools;
use crate::tools::Tool;
use crate::version::Version;
use crate::{cdk, engine, images, ministack, registry};
use serde::Serialize;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_image::packages;

/// Something a command needs on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// rustc and cargo.
    Rust,
    /// Node.js.
    Node,
    /// npm.
    Npm,
    /// Python with venv.
    Python,
    /// git.
    Git,
    /// Docker Engine and client.
    Engine,
    /// The client's build plugin.
    Buildx,
    /// The client's compose plugin.
    Compose,
    /// The base of every image.
    BaseImage,
    /// PostgreSQL for the compose project.
    PostgresImage,
    /// The registry of the environment `local`.
    Registry,
    /// The local cloud and its forwarder.
    Cloud,
    /// What the lock files of the page and of the CDK app ask for.
    NpmDependencies,
    /// What checks the CDK app's templates and the workflows.
    Linters,
    /// A browser for the test of the page.
    Chromium,
}

// Packages of npm are in neither: each command installs them when a lock file asks
// for others.

/// What building an image needs.
pub const FOR_BUILD: &[Part] = &[
    Part::Rust,
    Part::Node,
    Part::Npm,
    Part::Engine,
    Part::Buildx,
    Part::BaseImage,
];
/// What `validate` needs.
pub const FOR_VALIDATE: &[Part] = &[
    Part::Rust,
    Part::Node,
    Part::Npm,
    Part::Python,
    Part::Engine,
    Part::Buildx,
    Part::Compose,
    Part::BaseImage,
    Part::PostgresImage,
    Part::Registry,
    Part::Cloud,
];
/// What `dev` needs.
pub const FOR_DEV: &[Part] = &[Part::Rust, Part::Node, Part::Npm];
/// What `test --fast` needs.
pub const FOR_FAST_TEST: &[Part] = &[
    Part::Rust,
    Part::Node,
    Part::Npm,
    Part::Git,
    Part::NpmDependencies,
];
/// Everything: what `test` needs and `setup` installs.
pub const FOR_TEST: &[Part] = &[
    Part::Rust,
    Part::Node,
    Part::Npm,
    Part::Python,
    Part::Git,
    Part::Engine,
    Part::Buildx,
    Part::Compose,
    Part::BaseImage,
    Part::PostgresImage,
    Part::Registry,
    Part::Cloud,
    Part::NpmDependencies,
    Part::Linters,
    Part::Chromium,
];

impl Part {
    /// What a person calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Node => "node",
            Self::Npm => "npm",
            Self::Python => "python",
            Self::Git => "git",
            Self::Engine => "docker engine",
            Self::Buildx => "docker buildx",
            Self::Compose => "docker compose",
            Self::BaseImage => "base image",
            Self::PostgresImage => "postgres image",
            Self::Registry => "registry",
            Self::Cloud => "local cloud",
            Self::NpmDependencies => "npm packages",
            Self::Linters => "linters",
            Self::Chromium => "chromium",
        }
    }

    /// Looks for it, within seconds at worst. `thorough` also asks tools for their versions,
    /// which costs a process each.
    #[must_use]
    pub fn probe(self, context: &Context, thorough: bool) -> Finding {
        if let Some(tool) = self.tool() {
            return tool.probe(thorough);
        }
        match self {
            Self::Engine => engine::probe(),
            Self::Buildx => engine::probe_plugin("buildx", BUILDX, thorough),
            Self::Compose => engine::probe_plugin("compose", COMPOSE, thorough),
            Self::BaseImage => images::probe_base(context),
            Self::PostgresImage => images::probe_postgres(context),
            Self::Registry => registry::probe(context),
            Self::Cloud => ministack::probe(context),
            Self::Linters => cdk::probe_linters(context),
            _ => probe_npm_packages(context),
        }
    }

    /// What it must be.
    #[must_use]
    pub fn needed(self, context: &Context) -> String {
        if let Some(tool) = self.tool() {
            return tool.needed();
        }
        match self {
            Self::Engine => engine::needed(),
            Self::Buildx => format!("{BUILDX} or newer"),
            Self::Compose => format!("{COMPOSE} or newer"),
            Self::BaseImage => context.platform.base_image.clone(),
            Self::PostgresImage => images::POSTGRES_IMAGE.to_owned(),
            Self::Registry => format!("a registry on {}", registry::address(context)),
            Self::Cloud => format!(
                "MiniStack {} on {}",
                ministack::VERSION,
                ministack::endpoint(context)
            ),
            Self::Linters => format!("what {} names", cdk::REQUIREMENTS),
            _ => "what package-lock.json names".to_owned(),
        }
    }

    /// What `setup` would do about it; nothing where only a person can.
    #[must_use]
    pub fn plan(self, context: &Context, finding: &Finding) -> Option<String> {
        if let Some(tool) = self.tool() {
            return tool.plan();
        }
        let stopped = finding.state == State::Stopped;
        Some(match self {
            _ if finding.state == State::Blocked => return None,
            _ if finding.state == State::Unknown => "look again once the engine runs".to_owned(),
            Self::Engine if stopped => "start dockerd".to_owned(),
            Self::Engine => {
                "install iptables with apt-get; unpack Docker Engine, containerd, runc \
                             and tini from Debian in the state folder; start dockerd"
                    .to_owned()
            }
            Self::Buildx | Self::Compose => {
                "unpack buildx and compose from Debian sid in the state folder and link them"
                    .to_owned()
            }
            Self::BaseImage => {
                "pull it, or make it with debootstrap where no registry has it".to_owned()
            }
            Self::PostgresImage => "build it from ci/postgres".to_owned(),
            Self::Registry if stopped => "start it".to_owned(),
            Self::Registry => {
                "unpack Debian's docker-registry in the state folder and start it".to_owned()
            }
            Self::Cloud if stopped => "start it and its forwarder".to_owned(),
            Self::Cloud => format!(
                "install MiniStack {} in a virtual environment in the state folder, start it and \
                 its forwarder (socat)",
                ministack::VERSION
            ),
            Self::Linters => format!(
                "pip install in a virtual environment below {}",
                context.cache_folder().join("venv").display()
            ),
            _ => format!(
                "npm ci below {}",
                context.cache_folder().join("npm").display()
            ),
        })
    }

    /// What a person types to get it.
    #[must_use]
    pub fn fix(self, finding: &Finding) -> String {
        if let Some(fix) = &finding.fix {
            return fix.clone();
        }
        match self.tool() {
            Some(tool) if tool.plan().is_none() => tool.fix.to_owned(),
            _ => "cargo xtask setup".to_owned(),
        }
    }

    pub(super) fn install(self, context: &Context) -> anyhow::Result<()> {
        if let Some(tool) = self.tool() {
            return tool.install(context);
        }
        match self {
            Self::Engine => engine::ensure(context),
            Self::Buildx | Self::Compose => engine::install_plugins(context),
            Self::BaseImage => images::ensure_base(context),
            Self::PostgresImage => images::ensure_postgres(context),
            Self::Registry => registry::start(context),
            Self::Cloud => ministack::up(context).map(|_| ()),
            Self::Linters => cdk::linters(context).map(|_| ()),
            _ => packages::ensure_all(context),
        }
    }

    fn tool(self) -> Option<&'static Tool> {
        match self {
            Self::Rust => Some(&tools::RUST),
            Self::Node => Some(&tools::NODE),
            Self::Npm => Some(&tools::NPM),
            Self::Python => Some(&tools::PYTHON),
            Self::Git => Some(&tools::GIT),
            Self::Chromium => Some(&tools::CHROMIUM),
            _ => None,
        }
    }
}

/// `--metadata-file` together with `--provenance` and cache options as we use them.
const BUILDX: Version = Version(0, 13, 0);
const COMPOSE: Version = Version(2, 20, 0);

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As needed.
    Ok,
    /// Installed, but does not run.
    Stopped,
    /// Not there, or not as needed.
    Missing,
    /// Something that is not ours is in its place.
    Blocked,
    /// Cannot be told before another part is there.
    Unknown,
}

/// What was found of a part.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// What is there, in a few words.
    pub found: String,
    fix: Option<String>,
    pub(super) failure: Option<Failure>,
}

impl Finding {
    fn new(state: State, found: impl Into<String>) -> Self {
        Self {
            state,
            found: found.into(),
            fix: None,
            failure: None,
        }
    }

    pub(crate) fn ok(found: impl Into<String>) -> Self {
        Self::new(State::Ok, found)
    }

    pub(crate) fn stopped(found: impl Into<String>) -> Self {
        Self::new(State::Stopped, found)
    }

    pub(crate) fn missing(found: impl Into<String>) -> Self {
        Self::new(State::Missing, found)
    }

    pub(crate) fn unknown(found: impl Into<String>) -> Self {
        Self::new(State::Unknown, found)
    }

    /// Something else is in its place; `failure` says what, and its hint what to do.
    pub(crate) fn blocked(failure: Failure, way_out: String) -> Self {
        Self {
            fix: Some(way_out),
            failure: Some(failure.clone()),
            ..Self::new(State::Blocked, failure.to_string())
        }
    }

    /// The exit code of a command that cannot do without.
    #[must_use]
    pub fn code(&self) -> Code {
        match self.state {
            State::Blocked => Code::Service,
            _ => Code::Prerequisite,
        }
    }

    /// Whether nothing needs to be done.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.state == State::Ok
    }
}

fn probe_npm_packages(context: &Context) -> Finding {
    match packages::first_missing(context) {
        Ok(None) => Finding::ok("installed from the lock files"),
        Ok(Some(project)) => Finding::missing(format!("not installed for {project}")),
        Err(error) => Finding::missing(format!("{error:#}")),
    }
}
