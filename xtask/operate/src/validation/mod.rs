//! The platform in containers of this machine, to be used as a user would.

pub mod compose;
pub mod recorder;

use serde::Deserialize;
use xtask_core::context::Context;
use xtask_machine::aws::call;
use xtask_machine::ministack::{self, task_containers};

/// Stops the tasks that `validate` started; their logs and results stay.
///
/// # Errors
/// The cloud or the engine refuses.
pub fn stop(context: &Context) -> anyhow::Result<()> {
    end(context, "stop").map(|_| ())
}

/// Takes away what `validate` made, running tasks first. What was removed, by name.
///
/// # Errors
/// The cloud or the engine refuses.
pub fn remove(context: &Context) -> anyhow::Result<Vec<String>> {
    end(context, "remove")
}

fn end(context: &Context, how: &str) -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Ended {
        #[serde(alias = "stopped")]
        removed: Vec<String>,
    }
    if !ministack::answers(context) {
        // It forgets its tasks when it ends, their containers stay.
        return task_containers::remove(*context.platform.local.cloud_port.get_ref());
    }
    let ended: Ended = call(context, ["validate", how])
        .survives_interrupt()
        .read()?;
    Ok(ended.removed)
}
