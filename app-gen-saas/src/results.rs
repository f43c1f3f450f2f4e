//! Which stored object is the result of a job: the one whose bytes have the SHA-256 that its generator
//! named. That is computed once. From then on, the store's own mark of that object is compared, and every
//! part of a download names it, so that an object that somebody puts in its place is never served.

use object_store::ObjectMeta;

use crate::artifacts::Artifacts;
use crate::database::Artifact;
use crate::stores::{Store, StoreError};

/// What is stored under the name of a result.
#[derive(Debug)]
pub enum Found {
    /// The result.
    Result(ObjectMeta),
    /// Something else.
    Replaced,
    /// Nothing.
    Missing,
}

/// Why a result could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The store does not answer.
    #[error("the artifact store does not answer")]
    Store(#[source] anyhow::Error),
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] StoreError),
}

/// Looks at what is stored under the name of the job's result.
///
/// # Errors
/// When the store or the database fails.
pub async fn find(
    artifacts: &Artifacts,
    database: &dyn Store,
    job_id: &str,
    artifact: &Artifact,
) -> Result<Found, FindError> {
    let object = artifacts.find(job_id, &artifact.name).await;
    let Some(object) = object.map_err(FindError::Store)? else {
        return Ok(Found::Missing);
    };
    let Some(e_tag) = object.e_tag.clone() else {
        let error = anyhow::anyhow!("it gives no ETag for {}", object.location);
        return Err(FindError::Store(error));
    };
    if i64::try_from(object.size) != Ok(artifact.size_bytes) {
        return Ok(Found::Replaced);
    }
    match &artifact.e_tag {
        Some(verified) if *verified == e_tag => Ok(Found::Result(object)),
        Some(_) => Ok(Found::Replaced),
        None => {
            let sha256 = artifacts.sha256(object.clone()).await;
            if sha256.map_err(FindError::Store)?.as_ref() != Some(&artifact.sha256) {
                return Ok(Found::Replaced);
            }
            database
                .set_verified(job_id, &artifact.sha256, &e_tag)
                .await?;
            Ok(Found::Result(object))
        }
    }
}
