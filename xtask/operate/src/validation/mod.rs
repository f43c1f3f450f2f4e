//! A validation: the platform runs in containers of this machine and is used as a user does.

pub mod call_recorder;
pub mod cloud_parts;
pub mod compose;
mod proof;
mod successes;

use crate::agents;
use crate::destination;
use crate::providers;
use crate::providers::{Chosen, NamedIn, Provider};
use crate::secrets;
use crate::secrets::file::SecretsFile;
use crate::smoke::{Seen, Wanted};
use crate::validation::call_recorder::CallRecorders;
use crate::validation::cloud_parts::Tasks;
use crate::validation::compose::CloudPorts;
use crate::validation::proof::{Expected, base_url, prove};
use crate::validation::successes::Success;
use app_gen_infra::Platform;
use serde::Serialize;
use std::net::Ipv4Addr;
use std::thread;
use xtask_core::context::Context;
use xtask_core::error::{Code, Rendered};
use xtask_core::lock::Lock;
use xtask_image::build;
use xtask_image::build::Outcome;
use xtask_machine::{aws, gate, net};

/// How to validate.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Who answers agents: the one they are to ask, or the scripted model with this script.
    pub model: Model,
    /// Validate even if the same images were validated before.
    pub force: bool,
    /// Leave the containers running.
    pub keep: bool,
    /// Record which calls the orchestrator and the generator make of the cloud.
    pub record_calls: bool,
}

/// Who answers the agents of a validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Model {
    /// Nobody: no agent is started.
    None,
    /// A model of the provider, with the key of the generator's secret.
    Named(String),
    /// The scripted model, which plays this script and needs no key.
    Scripted(String),
}

impl Default for Model {
    /// The script that makes a whole application.
    fn default() -> Self {
        Self::Scripted("create".to_owned())
    }
}

/// Whether anything had to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The platform was started and used.
    Validated,
    /// The same images were validated before.
    Unchanged,
}

/// The result of `validate --json`.
#[derive(Debug, Serialize)]
pub struct Validated {
    /// Whether anything had to be started.
    pub state: State,
    /// When these images were validated, RFC 3339.
    pub at: String,
    /// Where the platform can be used, if its containers were left running.
    pub url: Option<String>,
    /// One for each image.
    pub images: Vec<Outcome>,
    /// What the smoke test saw; `None` if it did not run.
    pub smoke: Option<Seen>,
    /// What it saw of each agent that the image has.
    pub agents: Vec<Seen>,
    /// From the start of the command to the result.
    pub seconds: f64,
}

/// Builds the images, and validates them unless that has been done.
///
/// # Errors
/// The first step that fails. If that is the smoke test, the last lines of the log are shown.
pub fn validate(context: &Context, options: Options) -> anyhow::Result<Validated> {
    let _lock = hold(context, "a validate")?;
    secrets::require_all(context)?;
    let names = build::select(context, &[])?;
    let registry = destination::registry(context, destination::Registry::Environment, &names)?;
    let images = thread::scope(|scope| {
        build::all(
            context,
            &names,
            &registry,
            || destination::reach(context, destination::Registry::Environment),
            || {
                xtask_machine::require(context, xtask_machine::FOR_BUILD)?;
                // Two compiles leave less of two cores idle than one, and this one is needed next.
                scope.spawn(|| aws::compile_ahead(context));
                Ok(())
            },
        )
    })?;
    let digest = successes::digest(context, &images, &options.model)?;
    if !options.force
        && !options.keep
        && let Some(last) = Success::of(context, &digest)
    {
        return Ok(Validated {
            state: State::Unchanged,
            at: last.at,
            url: None,
            images,
            smoke: None,
            agents: Vec::new(),
            seconds: context.report.elapsed_secs(),
        });
    }
    let used = use_platform(context, &options, &images, digest.clone());
    if let Err(error) = &used
        && Rendered::new(error).exit_code == Code::Smoke as u8
    {
        // It worked before and does not any more: the next validation must not believe the record.
        Success::forget(context, &digest)?;
    }
    let (mut seen, success) = used?;
    let agents = seen.split_off(1);
    Ok(Validated {
        state: State::Validated,
        at: success.at,
        url: options.keep.then(|| base_url(context)),
        images,
        smoke: seen.pop(),
        agents,
        seconds: context.report.elapsed_secs(),
    })
}

/// Holds what validations use in the local cloud, and the ports of this machine, until the lock is dropped.
pub(crate) fn hold(context: &Context, holder: &str) -> anyhow::Result<Lock> {
    Lock::try_take(&context.state_folder()?.join("locks/validate"), holder)
}

/// Starts the platform, uses it, records the success, and takes the platform down unless it is
/// kept.
fn use_platform(
    context: &Context,
    options: &Options,
    images: &[Outcome],
    digest: String,
) -> anyhow::Result<(Vec<Seen>, Success)> {
    let platform = &context.platform;
    xtask_machine::require(context, xtask_machine::FOR_VALIDATE)?;
    if let Model::Named(model) = &options.model {
        ask_providers(context, model)?;
    }
    remove_earlier(context)?;
    let secrets_file = secrets::file::materialize(context, "orchestrator")?;
    let orchestrator = outcome(images, platform.orchestrator().image.get_ref())?;
    let generator = outcome(images, platform.generator().image.get_ref())?;
    let parts = cloud_parts::ensure(context, &generator.reference)?;
    // Declared before the project, so that they are stopped after the orchestrator, which starts
    // them.
    let mut tasks = Tasks::new(context);
    let recorders = options
        .record_calls
        .then(|| CallRecorders::start(context))
        .transpose()?;
    let cloud_port = *platform.local.cloud_port.get_ref();
    let ports = recorders.as_ref().map_or(
        CloudPorts {
            orchestrator: cloud_port,
            generator: cloud_port,
        },
        CallRecorders::ports,
    );
    let credentials = gate::orchestrator(context, &format!("s3://{}", parts.bucket))?;
    let mut environment = compose::orchestrator_environment(context, &parts, ports, &credentials);
    if let Model::Scripted(script) = &options.model {
        environment.insert("MODEL_SCRIPT".to_owned(), script.clone());
    }
    let project = compose::project(
        context,
        &orchestrator.reference,
        &environment,
        secrets_file.as_ref().map(SecretsFile::path),
    );
    context
        .report
        .step("start the orchestrator and PostgreSQL with docker compose");
    let project = compose::up(context, &project, &credentials)?;
    let expected = Expected {
        orchestrator,
        generator,
        cluster: &parts.cluster,
        wanted: &wanted(platform, &options.model),
    };
    let seen = prove(context, &project, &expected)?;
    tasks.ended();
    if let Some(recorders) = &recorders {
        recorders.save(context)?;
    }
    let success = Success::save(context, digest)?;
    if options.keep {
        project.keep();
    }
    Ok((seen, success))
}

/// Asks the providers of all agents that are about to be paid for.
fn ask_providers(context: &Context, model: &str) -> anyhow::Result<()> {
    let agents = agents::of_image(&context.platform).into_iter();
    for provider in agents.filter_map(Provider::named) {
        let model = Some(model.to_owned());
        let chosen = Chosen { provider, model };
        providers::require(context, &chosen, NamedIn::CommandLine)?;
    }
    Ok(())
}

/// Who makes an application: the template first, then each agent that the image has.
fn wanted(platform: &Platform, model: &Model) -> Vec<Wanted> {
    let model = match model {
        Model::None => return vec![Wanted::FROM_TEMPLATE],
        Model::Named(model) => Some(model.clone()),
        Model::Scripted(_) => None,
    };
    let agents = agents::of_image(platform).into_iter();
    let agents = agents.map(|provider| Wanted {
        provider,
        model: model.clone(),
    });
    std::iter::once(Wanted::FROM_TEMPLATE)
        .chain(agents)
        .collect()
}

/// Removes what an earlier validation left (`--keep`, `kill -9`), because its database must not be
/// used.
fn remove_earlier(context: &Context) -> anyhow::Result<()> {
    if !compose::containers(context)?.is_empty() {
        context
            .report
            .step("remove the containers of an earlier validation");
        compose::down(context)?;
    }
    let local = &context.platform.local;
    let (port, key) = (*local.validate_port.get_ref(), local.key("validate_port"));
    net::require_free(Ipv4Addr::LOCALHOST.into(), port, &key)?;
    Ok(())
}

fn outcome<'a>(images: &'a [Outcome], name: &str) -> anyhow::Result<&'a Outcome> {
    images
        .iter()
        .find(|image| image.image == name)
        .ok_or_else(|| anyhow::anyhow!("image {name} was not built"))
}
