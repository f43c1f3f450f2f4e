//! What a job of agents works in: cages around one workspace, and beside them, where agents do not
//! reach, the gateway to models, the mirror of packages, and the history of the application.

mod archive;
pub(crate) mod attachments;
pub(crate) mod command;
mod fill;
mod keys;
mod meter;
mod model;
pub(crate) mod repository;
mod rights;
mod secret;
pub(crate) mod snapshot;

use crate::failure::Failure;
use crate::workshop::command::Variables;
use crate::workshop::keys::Own;
use crate::workshop::meter::Meter;
use crate::workshop::model::ScriptedModel;
use crate::workshop::repository::Repository;
use anyhow::{Context as _, anyhow};
use app_gen_agent::{Claude, Codex, GatewayFacts, Provider, Supervisor};
use app_gen_cage::{Cage, Ended, Folders, Limits, Ports, USER, end_all, try_attacks};
use app_gen_contract::{Budget, JobKind, JobSpec, Used};
use app_gen_gateway::{
    Certificates, Gateway, Packages, PackagesSettings, Protocol, Settings, Upstreams, Usd,
};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use fill::{clear, fill};
pub(crate) use meter::Metered;
pub(crate) use rights::Rights;

/// The variable that names another registry of packages, as npm itself reads it.
pub(crate) const NPM_REGISTRY_VARIABLE: &str = "npm_config_registry";
/// What to do about a variable that cannot be used.
const UNSET: &str = "mend or unset the variable";

/// Ports of what serves agents. They are not among those at which the kernel lets an application listen or
/// connect: what an agent may use is not what the generator does.
const GATEWAY_PORT: u16 = 8_765;
pub(crate) const PACKAGES_PORT: u16 = 8_766;
const MODEL_PORT: u16 = 8_767;

/// The argument with which this program supervises an agent in its cage.
pub(crate) const SUPERVISE: &str = "supervise";

/// How long an agent's program may take to say its version.
const VERSION_TIME: Duration = Duration::from_secs(60);
/// How a command ended that somebody killed (SIGKILL).
const KILLED: Ended = Ended::Code(128 + 9);

/// The agents' programs in the image.
const CLAUDE: &str = "/opt/claude/claude";
const CODEX: &str = "/opt/codex/bin/codex";

/// A workshop. Dropping it ends everything that still runs in a cage.
pub(crate) struct Workshop {
    folders: Folders,
    ports: Ports,
    gateway: Gateway,
    packages: Packages,
    meter: Arc<Meter>,
    /// The history of the application.
    pub(crate) repository: Repository,
    /// What this machine does not keep agents from, in sentences.
    pub(crate) lacks: Vec<&'static str>,
    /// The script of a model that is not real.
    pub(crate) script: Option<String>,
    /// Whether there is a provider for the Messages API, and for the Responses API.
    has_upstream: [bool; 2],
    /// What the tenant pays for.
    own: Own,
    _model: Option<ScriptedModel>,
}

/// An agent's program, and how its provider is asked.
pub(crate) struct Agent {
    pub(crate) provider: Box<dyn Provider>,
    pub(crate) protocol: Protocol,
    program: &'static str,
}

impl Agent {
    /// The agent of a provider.
    pub(crate) fn find(name: &str) -> Result<Self, Failure> {
        let (provider, protocol, program): (Box<dyn Provider>, _, _) = match name {
            "claude" => {
                let program = PathBuf::from(CLAUDE);
                (Box::new(Claude { program }), Protocol::Anthropic, CLAUDE)
            }
            "codex" => {
                let program = PathBuf::from(CODEX);
                (Box::new(Codex { program }), Protocol::OpenAi, CODEX)
            }
            _ => {
                return Err(Failure::job(
                    format!("unknown provider {name:?}"),
                    "known providers: claude, codex, template",
                ));
            }
        };
        Ok(Self {
            provider,
            protocol,
            program,
        })
    }

    /// # Errors
    /// It is not in this image.
    fn must_be_here(&self) -> Result<(), Failure> {
        let (name, program) = (self.provider.name(), self.program);
        match Path::new(program).exists() {
            true => Ok(()),
            false => Err(Failure::job(
                format!(
                    "the agent of provider {name:?} is not in this image: {program} is missing"
                ),
                "name it in [images.generator.npm_tools] of app-gen-infra/platform.toml and build the image again",
            )),
        }
    }
}

impl Workshop {
    /// Opens a workshop and proves that its cages hold.
    ///
    /// What attempts before this one used counts against the job's budget. `lookup` reads the environment.
    ///
    /// # Errors
    /// Agents cannot be kept away from secrets here, or a part of the image is missing.
    pub(crate) async fn open(
        rights: Rights,
        lookup: &(dyn Fn(&str) -> Option<String> + Sync),
        spec: &JobSpec,
    ) -> Result<(Self, Metered), Failure> {
        let (secrets, folders) = rights.caged()?;
        let certificates = lookup(app_gen_contract::env::EXTRA_CA_CERTIFICATES).unwrap_or_default();
        let certificates = Certificates::from_pem(&certificates)
            .map_err(|error| Failure::bad_spec(error.to_string(), UNSET))?;
        let script = lookup(app_gen_contract::env::MODEL_SCRIPT).filter(|name| !name.is_empty());
        let model = match &script {
            Some(name) => Some(ScriptedModel::start(name, MODEL_PORT, spec.attempt.number).await?),
            None => None,
        };
        let mut upstreams = match &model {
            Some(model) => model.upstreams()?,
            None => Upstreams::from_environment(|name| {
                secrets
                    .get(name)
                    .map(str::to_owned)
                    .or_else(|| lookup(name))
            })
            .map_err(|error| Failure::bad_spec(error.to_string(), UNSET))?,
        };
        let own = match model.is_none() && spec.kind != JobKind::Deliver {
            true => keys::take(lookup, &mut upstreams, &certificates).await?,
            false => Own::default(),
        };
        let has_upstream = [upstreams.anthropic.is_some(), upstreams.openai.is_some()];
        let (meter, metered) = Meter::new(own.clone());
        let mut settings = Settings::new(upstreams).context("the table of prices is broken")?;
        settings.port = GATEWAY_PORT;
        settings.request_id = spec.origin.as_ref().map(|origin| origin.request_id.clone());
        settings.observer = Arc::clone(&meter) as _;
        settings.budget = remaining(&spec.budget, &spec.attempt.used);
        settings.extra_certificates = certificates.clone();
        let gateway = Gateway::start(settings)
            .await
            .context("the gateway does not start")?;
        let mut packages = PackagesSettings {
            extra_certificates: certificates,
            port: PACKAGES_PORT,
            ..PackagesSettings::default()
        };
        if let Some(registry) = lookup(NPM_REGISTRY_VARIABLE) {
            packages.registry = registry;
        }
        let packages = Packages::start(packages)
            .await
            .context("the mirror of packages does not start")?;
        let repository = Repository::create(&folders.private.join("application.git")).await?;
        let ports =
            Ports::with_gateway(gateway.address().port()).and_packages(packages.address().port());
        let mut workshop = Self {
            folders,
            ports,
            gateway,
            packages,
            meter,
            repository,
            lacks: Vec::new(),
            script,
            has_upstream,
            own,
            _model: model,
        };
        workshop.prove().await?;
        Ok((workshop, metered))
    }

    /// Tries all known attacks in a cage.
    async fn prove(&mut self) -> Result<(), Failure> {
        let (cage, private) = (self.cage("trial", true), self.folders.private.clone());
        let platform = tokio::task::spawn_blocking(move || try_attacks(&cage, &private))
            .await
            .context("the trial of the cage did not finish")?
            .map_err(|error| {
                Failure::job(
                    format!("no agent is started: {error}"),
                    "run the generator where its cages hold; app-gen/cage/README.md says what they need",
                )
            })?;
        self.lacks = platform.lacks().to_vec();
        Ok(())
    }

    /// The cage of a role. What it starts may not take longer than the job's longest command.
    pub(crate) fn cage(&self, role: &str, writes: bool) -> Cage {
        Cage {
            user: USER,
            folder: self.folders.agent.clone(),
            workspace: self.folders.agent.join("workspace"),
            writes_workspace: writes,
            own: self.folders.agent.join(role),
            readable: vec!["/opt".into(), attachments::folder()],
            ports: self.ports.clone(),
            limits: Limits::default(),
        }
    }

    /// The cage in which the workspace is read, and filled.
    pub(crate) fn porter(&self) -> Cage {
        self.cage("porter", true)
    }

    /// The cage in which an application is checked. It has a workspace of its own: what runs there leaves
    /// data and packages that belong into no commit, and nothing is there that an agent installed. What a person
    /// attached is not there either: it will be nowhere else.
    pub(crate) fn inspection(&self) -> Cage {
        let cage = self.cage("inspection", true);
        Cage {
            workspace: self.folders.agent.join("inspected"),
            readable: vec!["/opt".into()],
            ..cage
        }
    }

    /// How an agent is started in a cage: its supervisor goes in with it.
    pub(crate) fn supervisor(cage: &Cage, time: Duration) -> std::io::Result<Supervisor> {
        let mut cage = cage.clone();
        // The driver ends the run; the keeper is there for a driver that is gone.
        cage.limits.seconds = time.as_secs().saturating_add(120);
        let ourselves = "/proc/self/exe";
        let inside = [ourselves, SUPERVISE].map(OsString::from);
        let arguments = cage.arguments()?;
        Ok(Supervisor {
            program: ourselves.into(),
            arguments: arguments
                .into_iter()
                .map(Into::into)
                .chain(inside)
                .collect(),
        })
    }

    /// The gateway.
    pub(crate) const fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// A folder on the disk that agents and checks fill.
    pub(crate) fn place(&self) -> &Path {
        &self.folders.private
    }

    /// What npm calls its registry here.
    pub(crate) fn packages_url(&self) -> String {
        self.packages.url()
    }

    /// Whether the provider of a protocol can be asked.
    pub(crate) const fn has_upstream(&self, protocol: Protocol) -> bool {
        let [anthropic, openai] = self.has_upstream;
        match protocol {
            Protocol::Anthropic => anthropic,
            Protocol::OpenAi => openai,
        }
    }

    /// Whether the tenant pays the provider of a protocol, with a key of its own.
    pub(crate) fn is_paid_by_tenant(&self, protocol: Protocol) -> bool {
        self.own.contains(&protocol)
    }

    /// Variables for an agent and what it starts.
    pub(crate) fn variables(&self, cage: &Cage) -> BTreeMap<String, String> {
        let variables = Variables::of_npm(cage, &self.packages_url());
        variables
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// What the gateway knows about the end of an agent's run.
    pub(crate) fn facts(&self, protocol: Protocol) -> GatewayFacts {
        GatewayFacts {
            limit_until: self.gateway.limit(protocol).and_then(|limit| limit.until),
            is_budget_spent: self.meter.is_budget_spent(),
        }
    }

    /// The version of an agent's program.
    ///
    /// # Errors
    /// It is not in this image, or does not run.
    pub(crate) async fn version(&self, agent: &Agent) -> Result<String, Failure> {
        agent.must_be_here()?;
        let mut ran = Self::ask_version(&self.cage("trial", false), agent).await?;
        if ran.ended == KILLED {
            // Nothing of its own: an agent that meets this in its work is started again, too.
            ran = Self::ask_version(&self.cage("trial", false), agent).await?;
        }
        let version = ran.output.trim().to_owned();
        if ran.ended != Ended::Code(0) {
            let error = anyhow!(
                "{} --version ended with {:?}: {version}",
                agent.program,
                ran.ended
            );
            return Err(error.into());
        }
        Ok(version)
    }

    async fn ask_version(cage: &Cage, agent: &Agent) -> anyhow::Result<command::Ran> {
        let (arguments, variables) = (["--version"], Variables::default());
        command::run(cage, agent.program, &arguments, &variables, VERSION_TIME)
            .await
            .context("the agent's program does not start")
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Each keeper has ended what it started; this is for keepers that were killed. What resists even
        // that ends with the container.
        let _ = end_all();
    }
}

/// What is left of a job's budget in dollars and tokens.
fn remaining(budget: &Budget, used: &Used) -> app_gen_gateway::Budget {
    app_gen_gateway::Budget {
        usd: budget
            .micro_usd
            .map(|all| Usd::from_millionths(all.saturating_sub(used.micro_usd))),
        tokens: budget.tokens.map(|all| all.saturating_sub(used.tokens)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_attempts_used_is_not_there_again() {
        let budget = Budget {
            micro_usd: Some(50_000),
            tokens: Some(1_000),
            ..Budget::default()
        };
        let used = Used {
            micro_usd: 20_000,
            tokens: 2_000,
            ..Used::default()
        };
        let left = remaining(&budget, &used);
        assert_eq!((left.usd, left.tokens), (Usd::new(0.03), Some(0)));
        let without = remaining(&Budget::default(), &used);
        assert_eq!(without, app_gen_gateway::Budget::default());
    }

    #[test]
    fn an_agent_that_is_not_there_is_named() {
        let refused = Agent::find("gemini").err().unwrap();
        assert_eq!(refused.reason, "unknown provider \"gemini\"");
    }
}
