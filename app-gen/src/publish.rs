//! Puts a packed application where its owner gets it.

use crate::emitter::Emitter;
use crate::location::Location;
use crate::package::Package;
use anyhow::{Context as _, Result};
use app_gen_contract::{ARTIFACT_NAME, Body, LogLevel};

/// Writes the archive into the job's folder, reports it, and returns its URI. What is shown to somebody who
/// must still approve it is in the same place: a result that nobody approved is not the result of a job
/// that succeeded.
pub(crate) async fn artifact(
    folder: &Location,
    emitter: &Emitter,
    package: Package,
) -> Result<String> {
    let artifact = folder.child(ARTIFACT_NAME);
    let size_bytes = u64::try_from(package.bytes.len()).context("the package is too large")?;
    artifact.write(package.bytes).await?;
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
    Ok(artifact.uri().to_owned())
}
