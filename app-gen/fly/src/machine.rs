//! The machine of an app: made or updated, tried out, and brought back.

use crate::api::{Api, Created, Lease, Machine};
use crate::delivery::Delivery;
use crate::error::Error;
use crate::release::{MACHINE, Release, configuration};
use crate::step::Step;
use serde_json::json;
use tokio::time::{Instant, sleep};

/// A machine that has been given the version.
pub(crate) struct Given {
    pub(crate) machine: Machine,
    /// What to go back to.
    pub(crate) before: Option<Release>,
    /// Further machines of this project. There are none, unless somebody has cloned the machine.
    pub(crate) others: Vec<Machine>,
}

/// The machines of the project in its app.
///
/// # Errors
/// There is one of somebody else.
pub(crate) async fn find(
    api: &Api<'_>,
    app: &str,
    project_id: &str,
) -> Result<Vec<Machine>, Error> {
    let mut machines = api.machines(app).await?;
    machines.retain(Machine::is_there);
    if let Some(other) = machines.iter().find(|machine| !machine.is_of(project_id)) {
        return Err(Error::NotOurs {
            app: app.to_owned(),
            reason: format!("its machine {} runs something else", other.id),
        });
    }
    // The one that has our name first.
    machines.sort_by_cached_key(|machine| (machine.name != MACHINE, machine.id.clone()));
    Ok(machines)
}

/// Has the app's machine run a version.
pub(crate) async fn give(delivery: &Delivery<'_>, release: &Release) -> Result<Given, Error> {
    let Delivery {
        app,
        target,
        source,
        api,
        progress,
        ..
    } = delivery;
    let mut found = find(api, app, &source.project_id).await?;
    if found.is_empty() {
        progress(&Step::Create);
        let config = configuration(target, &source.project_id, release, None, false);
        let mut body = json!({ "name": MACHINE, "config": config, "skip_launch": false });
        if let Some(region) = &target.region {
            body["region"] = region.as_str().into();
        }
        if let Created::Yes(machine) = api.create_machine(app, body).await? {
            return Ok(Given {
                machine: *machine,
                before: None,
                others: Vec::new(),
            });
        }
        // A request of a call that was killed has come in between.
        found = find(api, app, &source.project_id).await?;
    }
    if found.is_empty() {
        return Err(Error::Unreachable {
            what: format!("see the machine of {app}"),
            reason: "Fly.io does not list it, although its name is in use".to_owned(),
        });
    }
    let machine = found.remove(0);
    let before = machine.before(release);
    let machine = match machine.runs(release, target) {
        true => resume(api, app, machine).await?,
        false => {
            progress(&Step::Update {
                from: machine.commit(),
            });
            update(delivery, &machine, release, before.as_ref(), false).await?
        }
    };
    Ok(Given {
        machine,
        before,
        others: found,
    })
}

/// Starts a machine that runs the version already, if it stands still.
async fn resume(api: &Api<'_>, app: &str, machine: Machine) -> Result<Machine, Error> {
    if matches!(
        &*machine.state,
        "stopped" | "suspended" | "created" | "failed"
    ) {
        api.start_machine(app, &machine.id).await?;
    }
    Ok(machine)
}

/// Gives a machine another version, while nobody else may change it.
pub(crate) async fn update(
    delivery: &Delivery<'_>,
    machine: &Machine,
    release: &Release,
    before: Option<&Release>,
    is_released: bool,
) -> Result<Machine, Error> {
    let Delivery {
        app,
        target,
        source,
        api,
        ..
    } = delivery;
    let lease = lease(delivery, machine).await?;
    let config = configuration(target, &source.project_id, release, before, is_released);
    let body = json!({ "config": config, "current_version": machine.instance_id });
    let updated = api
        .update_machine(app, &machine.id, body, &lease.nonce)
        .await;
    // A lease that cannot be given back ends by itself.
    let _ = api.release(app, &machine.id, &lease.nonce).await;
    updated
}

/// Waits for the right to change a machine: a call that was killed has it until its time is over.
async fn lease(delivery: &Delivery<'_>, machine: &Machine) -> Result<Lease, Error> {
    let patience = delivery.endpoints.patience;
    let began = Instant::now();
    loop {
        let leased = delivery
            .api
            .lease(&delivery.app, &machine.id, patience.lease);
        if let Some(lease) = leased.await? {
            return Ok(lease);
        }
        if delivery.api.is_lease_over(began) {
            return Err(Error::Busy {
                app: delivery.app.clone(),
                machine: machine.id.clone(),
            });
        }
        sleep(patience.pause).await;
    }
}
