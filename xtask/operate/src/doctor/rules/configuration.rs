//! Rules about what tasks need before they can start: rights, secrets, a release, a database,
//! images.

use crate::doctor::evidence::{Evidence, ImageFound, PartFound, Source};
use crate::doctor::finding::Finding;
use app_gen_infra::StorageMode;
use xtask_aws_api::calls::secrets::SecretState;
use xtask_aws_api::calls::status::ServiceStatus;
use xtask_aws_api::{Rule, StopReason};
use xtask_core::error::Rendered;
use xtask_machine::part::Part;

/// How many missing rights are named.
const RIGHTS_SHOWN: usize = 5;

pub(super) fn unanswered(evidence: &Evidence) -> Vec<Finding> {
    let mut hints = Vec::new();
    let mut lines = Vec::new();
    let mut ask = |what: &str, failure: Option<&Rendered>| {
        if let Some(failure) = failure {
            lines.push(format!(
                "{what}: {}",
                std::iter::once(&failure.message)
                    .chain(&failure.causes)
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(": ")
            ));
            hints.extend(failure.hint.clone());
        }
    };
    ask("services and alarms", evidence.status.failure());
    ask("tasks", evidence.tasks.failure());
    ask("secrets", evidence.secrets.failure());
    ask("providers", evidence.providers.failure());
    ask("rights", evidence.rights.failure());
    ask("releases", evidence.release.failure());
    ask("/health", evidence.health.failure());
    ask("database", evidence.database.failure());
    ask("log", evidence.errors.failure());
    // There is another rule for a registry that does not run.
    if evidence.part(Part::Registry).is_none_or(PartFound::is_ok) {
        for image in &evidence.images {
            ask(&image.reference, image.platform.failure());
        }
    }
    let partial = evidence.status.known().map(|status| &status.partial);
    for partial in partial.into_iter().flatten() {
        // The local cloud cannot list alarms, and does not measure anything that could raise one.
        if partial.what == "alarms" && evidence.environment == "local" {
            continue;
        }
        lines.push(format!("{}: {}", partial.what, partial.error));
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let next = hints
        .into_iter()
        .next()
        .unwrap_or_else(|| evidence.command("preflight"));
    vec![
        Finding::whole(
            Rule::Unanswered,
            format!("environment {}", evidence.environment),
            "some sources did not answer, so other faults may not be found",
            next,
        )
        .evidence(lines)
        .warning(),
    ]
}

pub(super) fn rights(evidence: &Evidence) -> Vec<Finding> {
    let missing: Vec<String> = evidence
        .rights
        .known()
        .into_iter()
        .flatten()
        .filter(|right| !right.allowed)
        .map(|right| format!("{} on {}", right.action, right.resource))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let more = missing.len().saturating_sub(RIGHTS_SHOWN);
    let lines = missing.into_iter().take(RIGHTS_SHOWN);
    let rest = (more > 0).then(|| format!("and {more} more"));
    vec![
        Finding::whole(
            Rule::Rights,
            "your identity",
            "it does not have all rights that the commands need",
            evidence.command("preflight"),
        )
        .evidence(lines.chain(rest))
        .warning(),
    ]
}

pub(super) fn secrets(evidence: &Evidence) -> Vec<Finding> {
    let platform = &evidence.platform;
    let consumers = (platform.services.iter().map(|(name, service)| {
        let secret = service.secret.as_ref();
        (name, secret)
    }))
    .chain(
        platform
            .tasks
            .iter()
            .map(|(name, task)| (name, task.secret.as_ref())),
    );
    consumers
        .filter_map(|(consumer, secret)| {
            let id = secret?.get_ref();
            let name = &platform.secrets.get(id)?.name;
            let stored = evidence.secrets.known()?;
            let stored = stored.iter().find(|secret| secret.name == *name)?;
            let missing: Vec<&str> = stored
                .keys
                .iter()
                .filter(|key| key.required && key.state == SecretState::Missing)
                .map(|key| key.key.as_str())
                .collect();
            let first = *missing.first()?;
            let set = format!("secrets set {id} {first} < FILE");
            Some(if stored.exists {
                let says = format!("the secret {name} has no value for {}", missing.join(", "));
                Finding::about(
                    Rule::Stop(StopReason::SecretKey),
                    consumer,
                    says,
                    evidence.command(&set),
                )
            } else {
                let says = format!("the secret {name} does not exist");
                Finding::about(
                    Rule::Stop(StopReason::SecretMissing),
                    consumer,
                    says,
                    evidence.command(&set),
                )
                .evidence([format!("it needs {}", missing.join(", "))])
            })
        })
        .collect()
}

pub(super) fn not_deployed(evidence: &Evidence) -> Vec<Finding> {
    let Some(status) = evidence.status.known() else {
        return Vec::new();
    };
    let is_gone = |service: &ServiceStatus| service.exists == Some(false);
    if status.services.is_empty() || !status.services.iter().all(is_gone) {
        return Vec::new();
    }
    let environment = &evidence.environment;
    let release = evidence.release.known().and_then(Option::as_ref);
    let says = match release {
        None => format!("nothing is deployed to {environment}"),
        Some(_) => format!("the services that were deployed to {environment} no longer exist"),
    };
    vec![
        Finding::whole(
            Rule::NotDeployed,
            format!("environment {environment}"),
            says,
            evidence.command("deploy"),
        )
        .evidence(release.map(|release| format!("release {} served", release.id))),
    ]
}

pub(super) fn database(evidence: &Evidence) -> Vec<Finding> {
    let unreachable = evidence.health.known().and_then(|answer| {
        let reply = answer.outcome.as_ref().ok()?;
        let health = reply.health.as_ref()?;
        (health.database != "ok").then(|| {
            format!(
                "{} answers {} with \"database\": \"{}\"",
                answer.url, reply.status, health.database
            )
        })
    });
    // An orchestrator that never starts does not report its health, but logs why it ends.
    let consumer = "orchestrator";
    let given_up = || {
        let task = *evidence.tasks_of(consumer).first()?;
        task.meaning.as_ref()?;
        let line = task.log.iter().flatten().rev().find(|line| {
            let text = line.message.to_lowercase();
            text.contains("error") && text.contains("database")
        })?;
        Some(line.message.clone())
    };
    let container = evidence.database.known().and_then(Option::as_ref);
    let stopped = container.filter(|container| container.state != "running");
    let Some(line) = unreachable.or_else(given_up) else {
        return Vec::new();
    };
    let next = match (&stopped, evidence.environment.as_str()) {
        (Some(container), _) => format!("docker start {}", container.name),
        (None, "local") => evidence.command("deploy"),
        // No secret names a table: the stacks make it, with the rights to it.
        (None, _)
            if evidence.platform.storage_mode(&evidence.environment) == StorageMode::DynamoDb =>
        {
            evidence.command("deploy")
        }
        (None, _) => evidence.command("secrets list"),
    };
    let state =
        stopped.map(|container| format!("container {} is {}", container.name, container.state));
    vec![
        Finding::about(
            Rule::DatabaseDown,
            consumer,
            "its database does not answer",
            next,
        )
        .evidence(std::iter::once(line).chain(state)),
    ]
}

pub(super) fn image_missing(evidence: &Evidence) -> Vec<Finding> {
    images(evidence, |image, found| match found {
        Some(_) => None,
        None => Some(
            Finding::about(
                Rule::Stop(StopReason::ImageMissing),
                &image.consumer,
                "its image is not in the registry, so no new task can start",
                evidence.command("deploy --force"),
            )
            .evidence([format!("{} does not exist", image.reference)]),
        ),
    })
}

pub(super) fn image_platform(evidence: &Evidence) -> Vec<Finding> {
    let wanted = &evidence.platform.platform;
    images(evidence, |image, found| {
        let found = found.filter(|found| *found != wanted)?;
        Some(
            Finding::about(
                Rule::WrongPlatform,
                &image.consumer,
                format!("its image is for {found}, but tasks run on {wanted}"),
                evidence.command("deploy --force"),
            )
            .evidence([image.reference.clone()]),
        )
    })
}

fn images(
    evidence: &Evidence,
    judge: impl Fn(&ImageFound, Option<&String>) -> Option<Finding>,
) -> Vec<Finding> {
    evidence
        .images
        .iter()
        .filter_map(|image| match &image.platform {
            Source::Known(found) => judge(image, found.as_ref()),
            Source::Unasked | Source::Failed(_) => None,
        })
        .collect()
}
