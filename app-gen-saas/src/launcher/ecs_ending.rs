//! The ending of an ECS task, and the meaning of its stop reasons.

use aws_sdk_ecs::types::Task;

use crate::launcher::Ending;
use crate::launcher::ecs_run::passes;

/// Texts of ECS, and advice for each. The first match is used.
const MEANINGS: [(&str, &str); 8] = [
    (
        "descriptor matching platform",
        "the image is of another architecture: build it for linux/amd64",
    ),
    (
        "exec format error",
        "the image is of another architecture: build it for linux/amd64",
    ),
    (
        "CannotPullContainerError",
        "the image cannot be pulled: see whether its digest is still in the registry",
    ),
    (
        "unable to pull image",
        "the image cannot be pulled: see whether its digest is still in the registry",
    ),
    (
        "ResourceInitializationError",
        "see the route to AWS (public subnet and address), the execution role and the secret's keys",
    ),
    ("OutOfMemory", "give the task more memory"),
    ("SpotInterruption", "the capacity was taken back"),
    (
        "Capacity is unavailable",
        "ECS has no capacity at this moment",
    ),
];

/// The ending of a stopped task: the exit code of `container`, and every reason that ECS gives.
pub(super) fn ending(task: &Task, container: &str) -> Ending {
    let container = task
        .containers()
        .iter()
        .find(|candidate| candidate.name() == Some(container));
    let mut reasons: Vec<String> = Vec::new();
    let given = [
        task.stopped_reason(),
        container.and_then(|container| container.reason()),
    ];
    for reason in given.into_iter().flatten() {
        // Every ordinary end has these texts, so they are of no use.
        if reason != "Essential container in task exited" && reason != "Essential container exited"
        {
            reasons.push(reason.to_owned());
        }
    }
    let text = reasons.join("; ");
    let exit_code = container.and_then(|container| container.exit_code());
    let no_room = exit_code.is_none() && task.started_at().is_none() && passes(&text);
    if let Some((_, meaning)) = MEANINGS.iter().find(|(sign, _)| text.contains(sign)) {
        // The advice comes first, because the rest may be long and be cut.
        reasons.insert(0, (*meaning).to_owned());
    }
    Ending {
        exit_code,
        no_room,
        detail: Some(reasons.join("; ")).filter(|text| !text.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::Container;

    fn task(stopped: &str, reason: Option<&str>, exit_code: Option<i32>) -> Task {
        Task::builder()
            .stopped_reason(stopped)
            .containers(Container::builder().name("sidecar").exit_code(9).build())
            .containers(
                Container::builder()
                    .name("app-generator")
                    .set_reason(reason.map(str::to_owned))
                    .set_exit_code(exit_code)
                    .build(),
            )
            .build()
    }

    #[test]
    fn endings() {
        let ended =
            |stopped, reason, exit_code| ending(&task(stopped, reason, exit_code), "app-generator");
        assert_eq!(
            ended("Essential container in task exited", None, Some(1)),
            Ending {
                exit_code: Some(1),
                detail: None,
                no_room: false,
            }
        );
        assert_eq!(
            ended(
                "Essential container in task exited",
                Some("OutOfMemoryError: Container killed due to memory usage"),
                Some(137)
            )
            .detail
            .as_deref(),
            Some(
                "give the task more memory; OutOfMemoryError: Container killed due to memory usage"
            )
        );
        let pull = ended("CannotPullContainerError: x not found", None, None);
        assert_eq!(pull.exit_code, None);
        assert!(pull.detail.unwrap().contains("digest"));
    }
}
