//! One job, from its spec to its published result.

use std::sync::Arc;

use anyhow::Context as _;
use app_gen_contract::{ARTIFACT_NAME, Body, LogLevel, SPEC_NAME, StepState};

use crate::config::{Source, load_spec};
use crate::emitter::{Emitter, HEARTBEAT_INTERVAL};
use crate::failure::Failure;
use crate::location::Location;
use crate::{package, providers};

/// Does the job and returns the summary for its last event. This function emits all other events; the
/// caller emits the last one.
pub(crate) async fn run(source: Source, emitter: Arc<Emitter>) -> Result<String, Failure> {
    let spec = load_spec(&source).await?;
    let folder = Location::open(&spec.artifact_uri)?;
    emitter.set_job(&spec.job_id, folder.clone()).await;
    let generator_version = env!("CARGO_PKG_VERSION").to_owned();
    emitter
        .emit(Body::Started {
            generator_version,
            provider: spec.provider.clone(),
        })
        .await;
    let _heartbeat = emitter.start_heartbeat(HEARTBEAT_INTERVAL);

    let provider = providers::find(&spec.provider)?;
    let spec_copy = folder.child(SPEC_NAME);
    if source != Source::Uri(spec_copy.uri().to_owned()) {
        spec_copy.write(spec.to_json().into_bytes()).await?;
    }

    emitter.step("build", StepState::Running, None).await;
    let workspace = tempfile::tempdir().context("cannot make a workspace")?;
    let application = provider.write(&spec, workspace.path(), &emitter).await?;
    emitter
        .step("build", StepState::Done, Some(application.name.clone()))
        .await;

    emitter.step("package", StepState::Running, None).await;
    let packed_folder = workspace.path().to_owned();
    let package = tokio::task::spawn_blocking(move || package::pack(&packed_folder))
        .await
        .context("packing did not finish")??;
    let detail = format!(
        "{} files, {} bytes",
        package.file_count,
        package.bytes.len()
    );
    emitter.step("package", StepState::Done, Some(detail)).await;
    drop(workspace);

    emitter.step("publish", StepState::Running, None).await;
    let artifact = folder.child(ARTIFACT_NAME);
    let size_bytes = u64::try_from(package.bytes.len()).context("package is too large")?;
    artifact.write(package.bytes).await?;
    emitter.step("publish", StepState::Done, None).await;
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
    Ok(application.summary)
}
