//! The containers in which the local cloud runs tasks.

use crate::ministack::installation::ACCOUNT;
use crate::programs::on_path;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_docker::engine;

/// Containers have the label `ministack.instance=INSTANCE:PORT`, which distinguishes ours from those
/// of others. An ARN does not, because all local clouds of a machine give the same ARNs.
pub(super) const INSTANCE: &str = "app-gen";

/// The container that runs a task, if there is one.
///
/// # Errors
/// The engine does not answer.
pub fn of_task(context: &Context, task_arn: &str) -> anyhow::Result<Option<String>> {
    let port = *context.platform.local.cloud_port.get_ref();
    let label = format!("com.amazonaws.ecs.task-arn={task_arn}");
    let containers = listing(port, Some(&label)).arg("--quiet").read()?;
    Ok(containers.lines().next().map(str::to_owned))
}

/// Removes the containers of a cluster's tasks that are left: MiniStack keeps the last one that
/// ended.
///
/// # Errors
/// The engine refuses.
pub fn remove_of_cluster(context: &Context, cluster: &str) -> anyhow::Result<Vec<String>> {
    let region = &context.platform.region;
    let label =
        format!("com.amazonaws.ecs.cluster=arn:aws:ecs:{region}:{ACCOUNT}:cluster/{cluster}");
    let port = *context.platform.local.cloud_port.get_ref();
    remove_labelled(port, Some(&label))
}

/// Removes the containers that are left of all tasks of the local cloud on this port. Returns their
/// names.
///
/// # Errors
/// The engine refuses.
pub fn remove(port: u16) -> anyhow::Result<Vec<String>> {
    remove_labelled(port, None)
}

fn remove_labelled(port: u16, label: Option<&str>) -> anyhow::Result<Vec<String>> {
    if on_path("docker").is_none() || engine::get("/version").is_err() {
        return Ok(Vec::new());
    }
    let names = listing(port, label)
        .args(["--all", "--format", "{{.Names}}"])
        .survives_interrupt()
        .read()?;
    let names: Vec<String> = names.lines().map(str::to_owned).collect();
    if !names.is_empty() {
        Cmd::new("docker")
            .args(["rm", "--force", "--volumes"])
            .args(&names)
            .survives_interrupt()
            .read()?;
    }
    Ok(names)
}

/// Lists the containers of the cloud on this port, or those of them that have a label, too.
fn listing(port: u16, label: Option<&str>) -> Cmd {
    let instance = format!("ministack.instance={INSTANCE}:{port}");
    [Some(instance.as_str()), label]
        .into_iter()
        .flatten()
        .fold(Cmd::new("docker").arg("ps"), |cmd, label| {
            cmd.arg("--filter").arg(format!("label={label}"))
        })
}
