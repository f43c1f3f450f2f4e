//! What `cargo xtask dev` needs to run its jobs as tasks of the local cloud: agents run in containers only.
//!
//! They use what a validation uses in the cloud, so the two exclude each other.

use crate::destination;
use crate::validation;
use crate::validation::cloud_parts;
use crate::validation::compose;
use crate::validation::compose::CloudPorts;
use std::collections::BTreeMap;
use xtask_core::context::Context;
use xtask_core::lock::Lock;
use xtask_image::build;
use xtask_machine::{gate, ministack};

/// Holds the cloud's parts of validations until the lock is dropped.
///
/// # Errors
/// A validation runs.
pub fn hold(context: &Context) -> anyhow::Result<Lock> {
    validation::hold(context, "a dev with an agent")
}

/// Builds the generator's image unless the registry has it, and returns the variables with which an
/// orchestrator on this machine runs it as tasks, in place of those for processes.
///
/// # Errors
/// The build fails, or the cloud does not answer.
pub fn environment(context: &Context) -> anyhow::Result<BTreeMap<String, String>> {
    let platform = &context.platform;
    let names = [platform.generator().image.get_ref().clone()];
    let registry = destination::registry(context, destination::Registry::Environment, &names)?;
    let images = build::all(
        context,
        &names,
        &registry,
        || destination::reach(context, destination::Registry::Environment),
        || xtask_machine::require(context, xtask_machine::FOR_BUILD),
    )?;
    let [image] = images.as_slice() else {
        anyhow::bail!("{} images were built in place of one", images.len());
    };
    let parts = cloud_parts::ensure(context, &image.reference)?;
    let port = *platform.local.cloud_port.get_ref();
    let ports = CloudPorts {
        orchestrator: port,
        generator: port,
    };
    let credentials = gate::orchestrator(context, &format!("s3://{}", parts.bucket))?;
    let mut environment = compose::orchestrator_environment(context, &parts, ports, &credentials);
    // It is no container, so it reaches the cloud on loopback, and has a port and a database of its own.
    for name in ["DATABASE_URL", "PORT"] {
        environment.remove(name);
    }
    let endpoint = ministack::endpoint(context);
    let client = ministack::client_environment(&platform.region, &endpoint, &credentials);
    environment.extend(client);
    environment.insert("LAUNCHER".to_owned(), "ecs".to_owned());
    Ok(environment)
}

/// Stops the tasks of jobs that still run.
///
/// # Errors
/// The cloud or the engine refuses.
pub fn stop(context: &Context) -> anyhow::Result<()> {
    cloud_parts::stop(context)
}
