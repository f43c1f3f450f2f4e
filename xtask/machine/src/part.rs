//! Everything that commands need on this machine. Each part can be looked for and described, and
//! most can be installed or started.

use crate::api_tester;
use crate::base_image;
use crate::cdk;
use crate::engine;
use crate::finding::{Finding, State};
use crate::ministack;
use crate::postgres_image;
use crate::registry;
use crate::setup_lock;
use crate::tools;
use crate::tools::Tool;
use crate::venv;
use crate::version::Version;
use serde::Serialize;
use xtask_core::context::Context;
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
    /// Python with its module `venv`.
    Python,
    /// git.
    Git,
    /// The Docker Engine and its client.
    Engine,
    /// The client's plugin for builds.
    Buildx,
    /// The client's plugin for compose projects.
    Compose,
    /// The base image of every image.
    BaseImage,
    /// The image of PostgreSQL for the compose project.
    PostgresImage,
    /// The registry of the environment `local`.
    Registry,
    /// MiniStack and its gate.
    Cloud,
    /// The npm packages that the lock files of the page, of its tests in a browser and of the CDK app
    /// name.
    NpmDependencies,
    /// The programs that check the templates of the CDK app, the workflows and the API.
    Linters,
    /// The browser for the test of the page.
    Chromium,
}

// Only the last list has the npm packages: each command installs those that a lock file names and
// that are missing.

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
/// What `test` needs and `setup` installs, which is every part.
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
            Self::Registry => registry::NAME,
            Self::Cloud => ministack::NAME,
            Self::NpmDependencies => "npm packages",
            Self::Linters => "linters",
            Self::Chromium => "chromium",
        }
    }

    /// Looks for it, which takes seconds at worst. With `thorough`, each tool is started and asked
    /// for its version, too.
    #[must_use]
    pub fn probe(self, context: &Context, thorough: bool) -> Finding {
        if let Some(tool) = self.tool() {
            return tool.probe(thorough);
        }
        match self {
            Self::Engine => engine::probe(),
            Self::Buildx => engine::probe_plugin("buildx", BUILDX, thorough),
            Self::Compose => engine::probe_plugin("compose", COMPOSE, thorough),
            Self::BaseImage => base_image::probe(context),
            Self::PostgresImage => postgres_image::probe(context),
            Self::Registry => registry::probe(context),
            Self::Cloud => ministack::probe(context),
            Self::Linters => venv::probe(context, &[cdk::REQUIREMENTS, api_tester::REQUIREMENTS]),
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
            Self::PostgresImage => postgres_image::NAME.to_owned(),
            Self::Registry => registry::needed(context),
            Self::Cloud => ministack::needed(context),
            Self::Linters => format!(
                "the packages that {} and {} name",
                cdk::REQUIREMENTS,
                api_tester::REQUIREMENTS
            ),
            _ => "the packages that each package-lock.json names".to_owned(),
        }
    }

    /// What `setup` would do about it, or nothing where only a person can do something.
    #[must_use]
    pub fn plan(self, context: &Context, finding: &Finding) -> Option<String> {
        if let Some(tool) = self.tool() {
            return tool.plan();
        }
        let stopped = finding.state == State::Stopped;
        Some(match self {
            _ if finding.state == State::Blocked => return None,
            _ if finding.state == State::Unknown => "look for it again when the engine runs".to_owned(),
            Self::Engine if stopped => "start the Docker Engine".to_owned(),
            Self::Engine => {
                "install iptables with apt-get, unpack Docker Engine, containerd, runc and tini \
                 from Debian in the state folder, and start the engine"
                    .to_owned()
            }
            Self::Buildx | Self::Compose => {
                "unpack buildx and compose from Debian sid in the state folder, and link them where \
                 the docker client looks for plugins"
                    .to_owned()
            }
            Self::BaseImage => {
                "pull it, or make it with debootstrap if its registry does not answer".to_owned()
            }
            Self::PostgresImage => "build it from the files in ci/postgres".to_owned(),
            Self::Registry if stopped => "start the registry".to_owned(),
            Self::Registry => {
                "unpack Debian's docker-registry in the state folder, and start it".to_owned()
            }
            Self::Cloud if stopped => "start MiniStack and its gate".to_owned(),
            Self::Cloud => format!(
                "install MiniStack {} in a virtual environment in the state folder, and start it \
                 and its gate",
                ministack::VERSION
            ),
            Self::Linters => format!(
                "install them with pip in virtual environments in {}",
                context.cache_folder().join("venv").display()
            ),
            _ => format!(
                "install them with npm ci in {}",
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
            _ => setup_lock::FIX.to_owned(),
        }
    }

    pub(crate) fn install(self, context: &Context) -> anyhow::Result<()> {
        if let Some(tool) = self.tool() {
            return tool.install(context);
        }
        match self {
            Self::Engine => engine::ensure(context),
            Self::Buildx | Self::Compose => engine::install_plugins(context),
            Self::BaseImage => base_image::ensure(context),
            Self::PostgresImage => postgres_image::ensure(context),
            Self::Registry => registry::start(context),
            Self::Cloud => ministack::up(context).map(|_| ()),
            Self::Linters => {
                cdk::linters(context)?;
                api_tester::ensure(context).map(|_| ())
            }
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

/// Older versions do not have `--metadata-file`, `--provenance` and the cache options that we use
/// together.
const BUILDX: Version = Version(0, 13, 0);
const COMPOSE: Version = Version(2, 20, 0);

fn probe_npm_packages(context: &Context) -> Finding {
    match packages::first_missing(context) {
        Ok(None) => Finding::ok("installed from the lock files"),
        Ok(Some(project)) => Finding::missing(format!("not installed for {project}")),
        Err(error) => Finding::missing(format!("{error:#}")),
    }
}
