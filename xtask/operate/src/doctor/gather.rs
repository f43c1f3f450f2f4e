//! Asks every source that knows something about an environment, side by side and each within a
//! bound. Nothing is started, created or changed.

use crate::deploy::release;
use crate::deploy::release::Release;
use crate::destination;
use crate::destination::Registry;
use crate::doctor::evidence::{
    Answer, Container, Disk, Evidence, Focus, ImageFound, PartFound, Reply, Serving, Source,
};
use crate::jobs::{self, Job};
use crate::providers;
use crate::status::answers;
use app_gen_saas_contract::Health;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use time::OffsetDateTime;
use ureq::Agent;
use xtask_aws_api::Timestamp;
use xtask_aws_api::calls::Call;
use xtask_aws_api::calls::logs::{LogRecord, LogSource, ReadLogs};
use xtask_aws_api::calls::rights::CheckRights;
use xtask_aws_api::calls::secrets::ListSecrets;
use xtask_aws_api::calls::status::Status;
use xtask_aws_api::calls::stream_item::StreamItem;
use xtask_aws_api::calls::tasks::{ListTasks, Task, WhichTasks};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, unknown};
use xtask_core::{http, interrupt, paths};
use xtask_docker::engine;
use xtask_docker::registry::Repository;
use xtask_machine::aws;
use xtask_machine::ministack::database;
use xtask_machine::part::Part;

/// The parts of this machine that the environment `local` depends on.
const PARTS: [Part; 3] = [Part::Engine, Part::Registry, Part::Cloud];
/// A question to the cloud consists of many calls, each of which may be retried.
const CLOUD_BOUND: Duration = Duration::from_secs(30);
const REGISTRY_BOUND: Duration = Duration::from_secs(5);
/// The orchestrator waits some seconds for its database before it answers.
const HEALTH_BOUND: Duration = Duration::from_secs(10);
/// How many of the last lines of each failed task are read.
const LOG_LINES: u32 = 30;
/// Errors that were logged before are not reported.
const ERRORS_SINCE: Duration = Duration::from_secs(5 * 60);
/// More errors would not show anything new.
const ERRORS_KEPT: usize = 10_000;
/// How the orchestrator writes the level into a line.
const ERROR_LEVEL: &str = "\"level\":\"ERROR\"";
const TASK_ID_CHARACTERS: usize = 6;

/// Gathers everything that is known about the environment. `about` names the only service, kind of
/// task or task that is asked about.
///
/// # Errors
/// Nothing has the name `about`, or we were interrupted. A source that does not answer is not an
/// error.
pub fn gather(context: &Context, about: Option<&str>) -> anyhow::Result<Evidence> {
    let mut evidence = Evidence {
        platform: context.platform.clone(),
        environment: context.environment.clone(),
        now: OffsetDateTime::now_utc(),
        focus: None,
        parts: Vec::new(),
        disks: Vec::new(),
        status: Source::Unasked,
        tasks: Source::Unasked,
        secrets: Source::Unasked,
        providers: Source::Unasked,
        jobs: Source::Unasked,
        rights: Source::Unasked,
        release: Source::Unasked,
        health: Source::Unasked,
        images: Vec::new(),
        database: Source::Unasked,
        errors: Source::Unasked,
    };
    if context.is_local() {
        look_at_machine(context, &mut evidence);
    }
    interrupt::check()?;
    // A cloud that does not run, or has no engine to run tasks, cannot answer.
    let is_ok = |part| evidence.part(part).is_none_or(|found| found.is_ok());
    if is_ok(Part::Engine) && is_ok(Part::Cloud) {
        ask_cloud(context, &mut evidence);
    }
    interrupt::check()?;
    evidence.focus = match about {
        Some(name) => focus(&evidence, name)?,
        None => None,
    };
    Ok(evidence)
}

fn look_at_machine(context: &Context, evidence: &mut Evidence) {
    thread::scope(|scope| {
        let parts = PARTS.map(|part| {
            scope.spawn(move || {
                let finding = part.probe(context, false);
                PartFound {
                    part,
                    state: finding.state,
                    fix: part.fix(&finding),
                    found: finding.found,
                }
            })
        });
        evidence.disks = disks(context);
        evidence.parts = parts
            .into_iter()
            .filter_map(|probe| probe.join().ok())
            .collect();
    });
}

/// The file systems that the engine, the services and builds write to.
fn disks(context: &Context) -> Vec<Disk> {
    let engine = engine::info().map_or_else(|_| engine::DATA.into(), |engine| engine.data);
    let folders = [
        ("images and containers", Some(engine)),
        ("registry, local cloud and logs", paths::state().ok()),
        ("this checkout", Some(context.root.clone())),
    ];
    let mut disks: BTreeMap<u64, Disk> = BTreeMap::new();
    for (what, folder) in folders {
        let Some((device, disk)) = folder.and_then(|folder| disk_of(what, folder)) else {
            continue;
        };
        disks
            .entry(device)
            .and_modify(|known| known.holds.push(what))
            .or_insert(disk);
    }
    disks.into_values().collect()
}

/// The file system of a folder. If the folder does not exist, that of the nearest one above it.
fn disk_of(what: &'static str, folder: PathBuf) -> Option<(u64, Disk)> {
    let path = folder.ancestors().find(|path| path.is_dir())?.to_owned();
    let device = path.metadata().ok()?.dev();
    let found = rustix::fs::statvfs(&path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some((
        device,
        Disk {
            holds: vec![what],
            free_bytes: bytes(found.f_bavail),
            total_bytes: bytes(found.f_blocks),
            path,
        },
    ))
}

fn ask_cloud(context: &Context, evidence: &mut Evidence) {
    thread::scope(|scope| {
        let status = scope.spawn(|| answers::services(context));
        let tasks = scope.spawn(|| {
            ask(
                context,
                ListTasks {
                    which: WhichTasks::Deployed,
                    log_lines: Some(LOG_LINES),
                },
            )
        });
        let secrets = scope.spawn(|| ask(context, ListSecrets {}));
        let providers = scope.spawn(|| providers::ask_all(context));
        let rights = (!context.is_local()).then(|| {
            scope.spawn(|| {
                ask(
                    context,
                    CheckRights {
                        principal: None,
                        command: None,
                    },
                )
            })
        });
        let errors = scope.spawn(|| errors(context));
        let served = scope.spawn(|| served(context));
        if context.is_local() {
            evidence.database = database::container(context)
                .map(|found| found.map(|(name, state)| Container { name, state }))
                .into();
        }
        evidence.status = joined(status);
        let (release, health, jobs) =
            served
                .join()
                .unwrap_or((Source::Unasked, Source::Unasked, Source::Unasked));
        evidence.jobs = jobs;
        evidence.images = images(context, release.known(), &evidence.status);
        evidence.release = release.map(|release| release.as_ref().map(serving));
        evidence.health = health;
        evidence.tasks = joined(tasks).map(|answer| answer.tasks);
        evidence.secrets = joined(secrets).map(|answer| answer.secrets);
        evidence.providers = joined(providers);
        evidence.errors = joined(errors);
        if let Some(rights) = rights {
            evidence.rights = joined(rights).map(|answer| answer.rights);
        }
    });
}

fn ask<R: Call>(context: &Context, request: R) -> anyhow::Result<R::Answer> {
    aws::call(context, request).timeout(CLOUD_BOUND).read()
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, anyhow::Result<T>>) -> Source<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that asks panicked")))
        .into()
}

/// The current release, its answer to `/health`, and its newest jobs.
fn served(context: &Context) -> (Source<Option<Release>>, Source<Answer>, Source<Vec<Job>>) {
    let release = match release::list(context) {
        Ok(releases) => release::current(&releases).cloned(),
        Err(error) => return (Err(error).into(), Source::Unasked, Source::Unasked),
    };
    // One that does not answer is found by its health.
    let jobs = match &release {
        Some(release) => jobs::newest(context, release).map_or(Source::Unasked, Source::Known),
        None => Source::Unasked,
    };
    let health = match &release {
        Some(release) => release
            .service
            .addresses(context)
            .map(|(_, base)| health(context, &base))
            .into(),
        None => Source::Unasked,
    };
    (Source::Known(release), health, jobs)
}

fn serving(release: &Release) -> Serving {
    let images = release.images.iter();
    Serving {
        id: release.id.clone(),
        keys: images
            .map(|(name, image)| (name.clone(), image.key.clone()))
            .collect(),
    }
}

/// Makes one request as a user does.
fn health(context: &Context, base: &str) -> Answer {
    let url = format!(
        "{base}{}",
        context.platform.orchestrator().health_path.get_ref()
    );
    let agent: Agent = http::config(&url, HEALTH_BOUND)
        .max_redirects(0)
        .build()
        .into();
    let outcome = agent
        .get(&url)
        .call()
        .map_err(|error| error.to_string())
        .map(|mut response| Reply {
            status: response.status().as_u16(),
            health: response.body_mut().read_json::<Health>().ok(),
        });
    Answer { url, outcome }
}

/// Looks up the image of each consumer in the registry that its tasks pull from.
fn images(
    context: &Context,
    release: Option<&Option<Release>>,
    status: &Source<Status>,
) -> Vec<ImageFound> {
    let platform = &context.platform;
    let names = (platform.services.iter())
        .map(|(name, service)| (name, service.image.get_ref()))
        .chain((platform.tasks.iter()).map(|(name, task)| (name, task.image.get_ref())));
    let mut wanted: Vec<(String, String)> = names
        .filter_map(|(consumer, image)| {
            let release = release?.as_ref()?;
            // If ECS runs another image than that of the release, it is looked up instead.
            let running = status.known().and_then(|status| {
                let service = status
                    .services
                    .iter()
                    .find(|found| found.service == *consumer);
                service.and_then(|service| service.image.clone())
            });
            let recorded = || Some(release.images.get(image)?.reference.clone());
            Some((consumer.clone(), running.or_else(recorded)?))
        })
        .filter(|(_, reference)| reference.contains('@'))
        .collect();
    wanted.dedup();
    if wanted.is_empty() {
        return Vec::new();
    }
    // A registry of AWS answers only after a login.
    let ready = destination::asked(context, Registry::Environment).map(|_| ());
    let refused = ready.err().map(|error| format!("{error:#}"));
    thread::scope(|scope| {
        let threads: Vec<_> = wanted
            .into_iter()
            .map(|(consumer, reference)| {
                let refused = refused.clone();
                scope.spawn(move || {
                    let platform = match refused {
                        Some(why) => Err(anyhow::Error::msg(why)),
                        None => platform_of(&reference),
                    };
                    ImageFound {
                        consumer,
                        reference,
                        platform: platform.into(),
                    }
                })
            })
            .collect();
        let found = threads.into_iter();
        found.filter_map(|thread| thread.join().ok()).collect()
    })
}

/// `os/architecture` of an image by digest; `None` if its registry does not have it.
fn platform_of(reference: &str) -> anyhow::Result<Option<String>> {
    let (repository, digest) = Repository::of_reference(reference)?;
    let repository = Repository::bounded(&repository.registry, &repository.name, REGISTRY_BOUND);
    if repository.digest_of(&digest)?.is_none() {
        return Ok(None);
    }
    let configuration = repository.configuration(&digest)?;
    Ok(Some(format!(
        "{}/{}",
        configuration.os(),
        configuration.architecture()
    )))
}

/// The service, kind of task or task that `about` names.
fn focus(evidence: &Evidence, about: &str) -> anyhow::Result<Option<Focus>> {
    let platform = &evidence.platform;
    if platform.services.contains_key(about) || platform.tasks.contains_key(about) {
        return Ok(Some(Focus {
            consumer: about.to_owned(),
            task: None,
        }));
    }
    let Some(tasks) = evidence.tasks.known() else {
        // Nobody knows whether there is such a task; the findings say why.
        return Ok(None);
    };
    let id = about.rsplit('/').next().unwrap_or(about);
    let found: Vec<&Task> = tasks
        .iter()
        .filter(|task| id.len() >= TASK_ID_CHARACTERS && task.id.starts_with(id))
        .collect();
    if let [task] = found[..] {
        return Ok(Some(Focus {
            consumer: task.kind.clone(),
            task: Some(task.id.clone()),
        }));
    }
    let known: Vec<&str> = platform
        .services
        .keys()
        .chain(platform.tasks.keys())
        .map(String::as_str)
        .chain(tasks.iter().map(|task| task.id.as_str()))
        .collect();
    if found.is_empty() {
        return Err(unknown("service, kind of task or task", about, known).into());
    }
    let message = format!("the ids of several tasks begin with `{about}`");
    Err(Failure::new(Code::Usage, message)
        .hint(format!("name one of: {}", known.join(", ")))
        .into())
}

/// The errors that the orchestrator logged recently.
fn errors(context: &Context) -> anyhow::Result<Vec<LogRecord>> {
    let since = OffsetDateTime::now_utc() - ERRORS_SINCE;
    let request = ReadLogs {
        of: LogSource::Some {
            services: vec!["orchestrator".to_owned()],
            task_kinds: Vec::new(),
        },
        job: None,
        since_ms: Some(Timestamp::from(since).unix_ms()),
        filter: Some(ERROR_LEVEL.to_owned()),
        follow: false,
        tail: None,
    };
    let mut lines = Vec::new();
    aws::call(context, request)
        .timeout(CLOUD_BOUND)
        .stream("log", |item| {
            // If the call fails, its last item is not a line, and the call is an error.
            if lines.len() < ERRORS_KEPT
                && let StreamItem::Line(line) = item
            {
                lines.push(line);
            }
            Ok(())
        })?;
    Ok(lines)
}
