//! Puts an application where its owner gets it: a zip file of its files, and its history for the next change.

use crate::emitter::Emitter;
use crate::location::Location;
use crate::package;
use crate::workshop::repository::Repository;
use anyhow::{Context as _, Result};
use app_gen_contract::{ARTIFACT_NAME, BUNDLE_NAME, Body, LogLevel};

/// Writes the files of a commit and the history into the job's folder, reports them, and returns the URI of
/// the zip file. What is shown to somebody who must still approve it is in the same place: a result that
/// nobody approved is not the result of a job that succeeded.
pub(crate) async fn publish(
    folder: &Location,
    emitter: &Emitter,
    repository: &Repository,
    commit: &str,
) -> Result<String> {
    let snapshot = repository.snapshot(commit).await?;
    let package = tokio::task::spawn_blocking(move || package::pack(&snapshot))
        .await
        .context("packing did not finish")??;
    let artifact = folder.child(ARTIFACT_NAME);
    let size_bytes = u64::try_from(package.bytes.len()).context("the package is too large")?;
    artifact.write(package.bytes).await?;
    let bundle = repository.bundle().await?;
    folder.child(BUNDLE_NAME).write(bundle).await?;
    emitter
        .emit(Body::Artifact {
            name: ARTIFACT_NAME.to_owned(),
            uri: artifact.uri().to_owned(),
            size_bytes,
            sha256: package.sha256,
            commit: Some(commit.to_owned()),
        })
        .await;
    emitter
        .log(
            LogLevel::Info,
            "unpack app.zip, then: npm ci && npm run build && npm start",
        )
        .await;
    Ok(artifact.uri().to_owned())
}
