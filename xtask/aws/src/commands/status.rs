//! `status`: everything at a glance. The parts are asked side by side, and one that does
//! not answer is told as such beside the others.

use super::service::EVENTS;
use crate::alarms::alarms;
use crate::config::Cloud;
use crate::ecs::Ecs;
use crate::error::CloudError;
use crate::load_balancing::{Target, targets};
use crate::names::{Consumer, Deployed};
use crate::report::Outcome;
use crate::tasks;
use crate::time::rfc3339;
use serde::Serialize;
use serde_json::{Value, json};

/// What could not be asked, and why.
#[derive(Debug, Serialize)]
struct Unknown {
    what: String,
    error: String,
}

/// Collects what could not be asked.
#[derive(Debug, Default)]
struct Partial(Vec<Unknown>);

impl Partial {
    /// The value, or its default where there is none.
    fn take<T: Default>(&mut self, what: &str, result: Result<T, CloudError>) -> T {
        result.unwrap_or_else(|error| {
            self.0.push(Unknown {
                what: what.to_owned(),
                error: error.to_string(),
            });
            T::default()
        })
    }
}

/// # Errors
/// The answer cannot be written; a part that fails is an answer.
pub(crate) async fn run(cloud: &Cloud) -> anyhow::Result<Outcome> {
    let deployed = Deployed::new(cloud);
    let (services, tasks, alarms) = tokio::join!(
        services(&deployed, cloud),
        tasks::list_deployed(cloud, None),
        alarms(cloud.sdk(), &deployed.alarm_prefix),
    );
    let (services, mut partial) = services?;
    let tasks = partial.take("tasks", tasks);
    let alarms = partial.take("alarms", alarms);
    Outcome::success(json!({
        "services": services,
        "tasks": tasks,
        "alarms": alarms,
        "partial": partial.0,
    }))
}

async fn services(deployed: &Deployed, cloud: &Cloud) -> anyhow::Result<(Vec<Value>, Partial)> {
    let ecs = Ecs::new(cloud.sdk());
    let mut partial = Partial::default();
    let mut services = Vec::new();
    for (consumer, name) in deployed.services() {
        services.push(service(consumer, name, deployed, &ecs, cloud, &mut partial).await?);
    }
    Ok((services, partial))
}

async fn service(
    consumer: &Consumer,
    name: &str,
    deployed: &Deployed,
    ecs: &Ecs,
    cloud: &Cloud,
    partial: &mut Partial,
) -> anyhow::Result<Value> {
    let called = format!("service {}", consumer.name);
    let identity = json!({ "service": consumer.name, "name": name, "cluster": deployed.cluster });
    let found = match ecs.service(&deployed.cluster, name).await {
        Ok(found) => found,
        Err(error) => {
            partial.take::<()>(&called, Err(error));
            return Ok(with(identity, json!({ "exists": null })));
        }
    };
    let Some(mut found) = found else {
        return Ok(with(identity, json!({ "exists": false })));
    };
    found.events.truncate(EVENTS);
    let (image, targets) = tokio::join!(
        ecs.image(&found.task_definition),
        all_targets(&found.target_groups, cloud)
    );
    let image = partial.take(&format!("image of {called}"), image);
    let targets = partial.take(&format!("targets of {called}"), targets);
    let primary = found.primary();
    let more = json!({
        "exists": true,
        "image": image,
        "targets": targets,
        "rollout_state": primary.and_then(|primary| primary.rollout_state.as_ref()),
        "created_at": primary.and_then(|primary| primary.created_at.as_ref()).and_then(rfc3339),
    });
    Ok(with(with(identity, serde_json::to_value(&found)?), more))
}

async fn all_targets(groups: &[String], cloud: &Cloud) -> Result<Vec<Target>, CloudError> {
    let mut all = Vec::new();
    for group in groups {
        all.extend(targets(cloud.sdk(), group).await?);
    }
    Ok(all)
}

/// The fields of both objects.
fn with(mut value: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}
