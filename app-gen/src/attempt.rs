//! One attempt of a job, from its spec to its end.

use crate::approval::{self, Next};
use crate::config::{Source, load_spec};
use crate::emitter::{Emitter, HEARTBEAT_INTERVAL};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::location::Location;
use crate::stop::Stop;
use crate::workshop::Rights;
use crate::workshop::repository::{MAIN, MAX_BUNDLE_BYTES, Message, Repository};
use crate::{deliver, pipeline, publish, template};
use anyhow::Context as _;
use app_gen_contract::{
    ApprovalPoint, Body, JobKind, JobSpec, LogLevel, StageState, StartFrom, spec_name,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::task::JoinSet;

/// The provider that asks no model.
const TEMPLATE: &str = "template";

/// Does the work of one attempt and returns how it ends. This function emits all events but the last; the
/// caller emits that one.
pub(crate) async fn run(
    source: Source,
    emitter: Arc<Emitter>,
    rights: Rights,
    stop: Stop,
) -> Result<Ending, Failure> {
    let spec = load_spec(&source).await?;
    let folder = Location::open(&spec.artifact_uri)?;
    emitter.set_job(&spec, folder.clone()).await;
    if spec.kind == JobKind::Deliver {
        let versions = BTreeMap::from([(spec.provider.clone(), None)]);
        let _heartbeat = begin(&spec, &source, &folder, &emitter, versions).await?;
        return deliver::run(&spec, &folder, &emitter, rights, stop).await;
    }
    if spec.provider == TEMPLATE {
        let work = async {
            // It runs no program that has a version of its own.
            let versions = BTreeMap::from([(spec.provider.clone(), None)]);
            let _heartbeat = begin(&spec, &source, &folder, &emitter, versions).await?;
            from_template(&spec, &folder, &emitter).await
        };
        return tokio::select! {
            ending = work => ending,
            // It takes a moment to make again, so there is nothing to keep.
            () = stop.wanted() => Ok(Ending::Stopped),
        };
    }
    let open = async {
        let opened = pipeline::open(&spec, rights).await?;
        let heartbeat = begin(&spec, &source, &folder, &emitter, opened.versions()).await?;
        Ok::<_, Failure>((opened, heartbeat))
    };
    let (opened, _heartbeat) = tokio::select! {
        opened = open => opened?,
        () = stop.wanted() => return Ok(Ending::Stopped),
    };
    pipeline::run(spec, folder, emitter, opened, stop).await
}

/// Reports the start, which is the first event of every attempt, and then a sign of life now and then
/// until what is returned is dropped. A spec that came from elsewhere is put beside the results.
async fn begin(
    spec: &JobSpec,
    source: &Source,
    folder: &Location,
    emitter: &Arc<Emitter>,
    providers: BTreeMap<String, Option<String>>,
) -> Result<JoinSet<()>, Failure> {
    emitter
        .emit(Body::Started {
            generator_version: env!("CARGO_PKG_VERSION").to_owned(),
            attempt: spec.attempt.number,
            providers,
            request_id: spec.origin.as_ref().map(|origin| origin.request_id.clone()),
        })
        .await;
    let heartbeat = emitter.start_heartbeat(HEARTBEAT_INTERVAL);
    let copy = folder.child(&spec_name(spec.attempt.number));
    if *source != Source::Uri(copy.uri().to_owned()) {
        copy.write(spec.to_json().into_bytes()).await?;
    }
    Ok(heartbeat)
}

/// Makes an application from the catalogue, or of the template that a person made.
async fn from_template(
    spec: &JobSpec,
    folder: &Location,
    emitter: &Emitter,
) -> Result<Ending, Failure> {
    if spec.kind == JobKind::Change {
        return Err(Failure::job(
            format!("provider {TEMPLATE:?} cannot change an application"),
            "choose another provider for the change: claude or codex",
        ));
    }
    if asks(ApprovalPoint::BeforeBuild, spec)? {
        let question = match &spec.start_from {
            Some(_) => "May the template be taken over as it is, without an AI model?".to_owned(),
            None => template::plan(spec)?,
        };
        return Ok(Ending::WaitingApproval {
            point: ApprovalPoint::BeforeBuild,
            question,
            artifact_uri: None,
        });
    }
    if !spec.attachments.is_empty() {
        let message = "nobody looks at the files that were attached: no AI model is asked";
        emitter.log(LogLevel::Warn, message).await;
    }
    emitter.stage("build", StageState::Running, None).await;
    let scratch = tempfile::tempdir().context("there is no place for the history")?;
    let repository = Repository::create(&scratch.path().join("application")).await?;
    let Made {
        commit,
        name,
        summary,
    } = match &spec.start_from {
        Some(start) => take_over(start, &repository, emitter).await?,
        None => make(spec, &repository, emitter).await?,
    };
    emitter.stage("build", StageState::Done, Some(name)).await;
    if asks(ApprovalPoint::BeforePublish, spec)? {
        let artifact_uri = publish::publish(folder, emitter, &repository, &commit).await?;
        return Ok(Ending::WaitingApproval {
            point: ApprovalPoint::BeforePublish,
            question: format!("{summary}. May it be published?"),
            artifact_uri: Some(artifact_uri),
        });
    }
    emitter.stage("publish", StageState::Running, None).await;
    publish::publish(folder, emitter, &repository, &commit).await?;
    emitter.stage("publish", StageState::Done, None).await;
    Ok(Ending::Succeeded { summary })
}

/// What came of a template.
struct Made {
    commit: String,
    /// Its name for people.
    name: String,
    /// One sentence for the job's last event.
    summary: String,
}

/// Makes an application of the catalogue.
async fn make(spec: &JobSpec, repository: &Repository, emitter: &Emitter) -> Result<Made, Failure> {
    let application = template::make(spec)?;
    for message in application.messages {
        emitter.log(LogLevel::Info, message).await;
    }
    let message = Message {
        role: TEMPLATE,
        text: &spec.description,
        time: OffsetDateTime::now_utc().unix_timestamp(),
    };
    let commit = repository
        .commit(MAIN, None, &application.files, message)
        .await?;
    Ok(Made {
        commit,
        name: application.name,
        summary: application.summary,
    })
}

/// Takes over what somebody made a template of: nobody is there to make anything else of it.
async fn take_over(
    start: &StartFrom,
    repository: &Repository,
    emitter: &Emitter,
) -> Result<Made, Failure> {
    let StartFrom { bundle_uri, commit } = start;
    let bundle = Location::open(bundle_uri)?.read(MAX_BUNDLE_BYTES).await?;
    repository.take(&bundle).await?;
    repository.point(MAIN, commit).await?;
    let message = "the template is taken over as it is: nobody looks at the description, because no AI model is asked";
    emitter.log(LogLevel::Warn, message).await;
    Ok(Made {
        commit: commit.clone(),
        name: "The template".to_owned(),
        summary: "The application is ready: the template as it is, without an AI model".to_owned(),
    })
}

/// Whether a person is asked at this point.
///
/// # Errors
/// A person decided against the application, and the template makes the same from the same words.
fn asks(point: ApprovalPoint, spec: &JobSpec) -> Result<bool, Failure> {
    match approval::at(point, spec)? {
        Next::GoOn => Ok(false),
        Next::Ask => Ok(true),
        Next::Rework(notes) => Err(Failure::job(
            format!("provider {TEMPLATE:?} cannot take up what is still to be done: {notes}"),
            "describe the application in other words, in a new job",
        )),
    }
}
