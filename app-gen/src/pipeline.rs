//! One attempt of a job, from its spec to its published result, or to a question before that.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use app_gen_contract::{
    ARTIFACT_NAME, ApprovalPoint, Body, JobKind, JobSpec, LogLevel, StageState, spec_name,
};
use tempfile::TempDir;

use crate::approval::{self, Next};
use crate::config::{Source, load_spec};
use crate::emitter::{Emitter, HEARTBEAT_INTERVAL};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::location::Location;
use crate::package::{self, Package};
use crate::providers;

/// Does the work of one attempt and returns how it ends. This function emits all events but the last; the
/// caller emits that one.
pub(crate) async fn run(source: Source, emitter: Arc<Emitter>) -> Result<Ending, Failure> {
    let spec = load_spec(&source).await?;
    let folder = Location::open(&spec.artifact_uri)?;
    emitter.set_job(&spec, folder.clone()).await;
    emitter
        .emit(Body::Started {
            generator_version: env!("CARGO_PKG_VERSION").to_owned(),
            attempt: spec.attempt.number,
            // The template runs no program that has a version of its own.
            providers: BTreeMap::from([(spec.provider.clone(), None)]),
        })
        .await;
    let _heartbeat = emitter.start_heartbeat(HEARTBEAT_INTERVAL);

    let provider = providers::find(&spec.provider)?;
    if spec.kind == JobKind::Change {
        return Err(Failure::job(
            format!("provider {:?} cannot change an application", spec.provider),
            "create a new one",
        ));
    }
    let spec_copy = folder.child(&spec_name(spec.attempt.number));
    if source != Source::Uri(spec_copy.uri().to_owned()) {
        spec_copy.write(spec.to_json().into_bytes()).await?;
    }
    if approval::at(ApprovalPoint::BeforeBuild, &spec)? == Next::Ask {
        return Ok(Ending::WaitingApproval {
            point: ApprovalPoint::BeforeBuild,
            question: provider.plan(&spec),
            artifact_uri: None,
        });
    }

    emitter.stage("build", StageState::Running, None).await;
    let workspace = tempfile::tempdir().context("cannot make a workspace")?;
    let application = provider.write(&spec, workspace.path(), &emitter).await?;
    emitter
        .stage("build", StageState::Done, Some(application.name.clone()))
        .await;
    let package = pack(workspace, &emitter).await?;
    publish(&spec, &folder, package, &emitter, application.summary).await
}

async fn pack(workspace: TempDir, emitter: &Emitter) -> Result<Package, Failure> {
    emitter.stage("package", StageState::Running, None).await;
    // The folder is removed when the thread has ended, also if nobody waits for it any more.
    let package = tokio::task::spawn_blocking(move || package::pack(workspace.path()))
        .await
        .context("packing did not finish")??;
    let detail = format!(
        "{} files, {} bytes",
        package.file_count,
        package.bytes.len()
    );
    emitter
        .stage("package", StageState::Done, Some(detail))
        .await;
    Ok(package)
}

/// Puts the application in place, or shows it and asks whether it may be published. What is shown is in
/// the same place: a result that nobody approved is not the result of a job that succeeded.
async fn publish(
    spec: &JobSpec,
    folder: &Location,
    package: Package,
    emitter: &Emitter,
    summary: String,
) -> Result<Ending, Failure> {
    let next = approval::at(ApprovalPoint::BeforePublish, spec)?;
    if next == Next::GoOn {
        emitter.stage("publish", StageState::Running, None).await;
    }
    let artifact = folder.child(ARTIFACT_NAME);
    let size_bytes = u64::try_from(package.bytes.len()).context("package is too large")?;
    artifact.write(package.bytes).await?;
    if next == Next::GoOn {
        emitter.stage("publish", StageState::Done, None).await;
    }
    emitter
        .emit(Body::Artifact {
            name: ARTIFACT_NAME.to_owned(),
            uri: artifact.uri().to_owned(),
            size_bytes,
            sha256: package.sha256,
        })
        .await;
    emitter
        .log(
            LogLevel::Info,
            "unpack app.zip, then: npm ci && npm run build && npm start",
        )
        .await;
    Ok(match next {
        Next::GoOn => Ending::Succeeded { summary },
        Next::Ask => Ending::WaitingApproval {
            point: ApprovalPoint::BeforePublish,
            question: format!("{summary}. May it be published?"),
            artifact_uri: Some(artifact.uri().to_owned()),
        },
    })
}
