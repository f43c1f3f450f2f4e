//! The state of an environment at one moment. All parts are asked side by side, each within a
//! bound; a part that cannot be asked is listed with the reason, and the others are shown.

pub mod answers;

use crate::deploy::release;
use crate::deploy::release::Release;
use crate::jobs;
use serde::Serialize;
use std::collections::BTreeMap;
use xtask_aws_api::calls::status::{Alarm, ServiceStatus, Status, Unanswered};
use xtask_aws_api::calls::tasks::Task;
use xtask_core::context::Context;
use xtask_core::error::Rendered;
use xtask_docker::reference::Parts;
use xtask_machine::ministack;

/// The state of an environment. This is what `status --json` prints.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// Name of the environment.
    pub environment: String,
    /// The last release that succeeded.
    pub release: Option<Deployed>,
    /// The selected services.
    pub services: Vec<Serving>,
    /// Tasks that run, and tasks that failed recently.
    pub tasks: Vec<Task>,
    /// `None` if the orchestrator does not answer.
    pub jobs: Option<Jobs>,
    /// The alarms of the project.
    pub alarms: Vec<Alarm>,
    /// `None` for an environment on AWS.
    pub local_cloud: Option<ministack::Status>,
    /// The parts that could not be asked.
    pub partial: Vec<Unanswered>,
}

/// The part of a release that a status shows.
#[derive(Debug, Clone, Serialize)]
pub struct Deployed {
    /// Its id.
    pub id: String,
    /// When it was released, RFC 3339.
    pub at: String,
    /// Git revision of the checkout that it was deployed from.
    pub git: Option<String>,
}

/// A service and the image that it runs.
#[derive(Debug, Serialize)]
pub struct Serving {
    /// The service as the cloud knows it.
    #[serde(flatten)]
    pub service: ServiceStatus,
    /// Key of its image; `None` if no release deployed that image.
    pub image_key: Option<String>,
    /// Git revision that the image was deployed from.
    pub git: Option<String>,
}

/// The newest jobs, counted by state.
#[derive(Debug, Serialize)]
pub struct Jobs {
    /// How many were counted. If it is [`jobs::NEWEST`], there may be more.
    pub newest: usize,
    /// How many are in each state.
    pub states: BTreeMap<String, usize>,
}

/// Asks all parts. Shows these services, and tasks of other kinds only with `all_tasks`.
#[must_use]
pub fn ask(context: &Context, services: &[String], all_tasks: bool) -> Overview {
    let mut partial = Vec::new();
    let local_cloud = context
        .is_local()
        .then(|| ministack::status(context))
        .and_then(|status| known("local cloud", status, &mut partial));
    let stopped = local_cloud
        .as_ref()
        .filter(|status| status.state != ministack::State::Running);
    if let Some(status) = stopped {
        partial.push(Unanswered {
            what: "everything in the local cloud".to_owned(),
            error: format!("{}; cargo xtask cloud up", status.detail),
        });
        return Overview {
            environment: context.environment.clone(),
            release: None,
            services: Vec::new(),
            tasks: Vec::new(),
            jobs: None,
            alarms: Vec::new(),
            local_cloud,
            partial,
        };
    }
    let (answer, (releases, jobs)) = std::thread::scope(|scope| {
        let answer = scope.spawn(|| answers::services(context));
        let releases = release::list(context);
        let jobs = match releases.as_deref().ok().and_then(release::current) {
            Some(current) => jobs(context, current).map(Some),
            None => Ok(None),
        };
        let answer = answer.join().unwrap_or_else(|_| {
            Err(anyhow::anyhow!(
                "the thread that asks for the services panicked"
            ))
        });
        (answer, (releases, jobs))
    });
    let Status {
        services: found,
        mut tasks,
        alarms,
        partial: unknown,
    } = known("services, tasks, alarms", answer, &mut partial).unwrap_or_default();
    partial.extend(unknown);
    let releases = known("releases", releases, &mut partial).unwrap_or_default();
    let jobs = known("jobs", jobs, &mut partial).flatten();
    tasks.retain(|task| {
        let wanted = all_tasks || services.contains(&task.kind);
        wanted && (!task.is_stopped() || task.has_failed())
    });
    Overview {
        environment: context.environment.clone(),
        release: release::current(&releases).map(|release| Deployed {
            id: release.id.clone(),
            at: release.at.clone(),
            git: release.git.clone(),
        }),
        services: found
            .into_iter()
            .filter(|service| services.contains(&service.service))
            .map(|service| serving(context, service, &releases))
            .collect(),
        tasks,
        jobs,
        alarms,
        local_cloud,
        partial,
    }
}

/// The answer of a part. If it has none, the reason is added to `partial`.
fn known<T>(what: &str, found: anyhow::Result<T>, partial: &mut Vec<Unanswered>) -> Option<T> {
    found
        .map_err(|error| {
            let Rendered {
                message, causes, ..
            } = Rendered::new(&error);
            partial.push(Unanswered {
                what: what.to_owned(),
                error: [vec![message], causes].concat().join(": "),
            });
        })
        .ok()
}

/// Finds the release of a service's image by the digest that runs, because somebody may have
/// changed the service without a release.
fn serving(context: &Context, service: ServiceStatus, releases: &[Release]) -> Serving {
    let name = context
        .platform
        .services
        .get(&service.service)
        .map(|service| service.image.get_ref().as_str());
    let digest = |reference: &str| Parts::of(reference).digest.map(str::to_owned);
    let runs = service.image.as_deref().and_then(digest);
    let deployed = releases.iter().find_map(|release| {
        let image = release.images.get(name?)?;
        let same = runs.is_some() && digest(&image.reference) == runs;
        same.then(|| (image.key.clone(), release.git.clone()))
    });
    let (image_key, git) = deployed.unzip();
    Serving {
        service,
        image_key,
        git: git.flatten(),
    }
}

/// How many of the newest jobs are in each state.
fn jobs(context: &Context, release: &Release) -> anyhow::Result<Jobs> {
    let newest = jobs::newest(context, release)?;
    let mut states = BTreeMap::new();
    for job in &newest {
        *states.entry(job.state.clone()).or_default() += 1;
    }
    Ok(Jobs {
        newest: newest.len(),
        states,
    })
}
