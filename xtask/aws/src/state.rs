//! What all machines have to agree on about an environment: who works on it, and what was released
//! to it. Both are objects in a bucket of their own, written conditionally.

use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::report;
use crate::s3::{Condition, S3};
use serde_json::{Value, json};
use std::time::Duration;
use xtask_aws_api::Timestamp;
use xtask_aws_api::calls::state::{Lock, WhichLock};

/// The key of the lock, which no record may have.
pub(crate) const LOCK_KEY: &str = "lock.json";

/// How often the lock may change while we try to take or release it.
const ATTEMPTS: u32 = 5;

/// Who holds the lock. The name of the owner may hold that of the host already.
fn holder(lock: &Lock) -> String {
    if lock.owner.ends_with(&format!("@{}", lock.host)) {
        lock.owner.clone()
    } else {
        format!("{} on {}", lock.owner, lock.host)
    }
}

/// The lock and the records of one environment.
#[derive(Debug)]
pub(crate) struct State<'a> {
    cloud: &'a Cloud,
    s3: S3,
    bucket: String,
}

impl<'a> State<'a> {
    pub(crate) fn new(cloud: &'a Cloud) -> Self {
        Self {
            cloud,
            s3: S3::new(cloud.sdk(), cloud.is_local()),
            bucket: cloud.deployed().state_bucket,
        }
    }

    /// Takes the lock. One that has expired is taken from its owner.
    ///
    /// # Errors
    /// Somebody else holds it ([`Kind::Busy`]), it cannot be read, or a call fails.
    pub(crate) async fn lock(&self, wanted: Lock) -> Result<Lock, CloudError> {
        self.ensure_bucket().await?;
        for _ in 0..ATTEMPTS {
            let condition = match self.held().await? {
                None => Condition::Absent,
                // We wrote it, and the answer was lost.
                Some((held, _)) if held.id == wanted.id => return Ok(wanted),
                Some((held, etag)) if held.expires_at.is_past() => {
                    report::step(&format!(
                        "taking over the lock of {}, which expired at {}",
                        holder(&held),
                        held.expires_at
                    ));
                    Condition::Unchanged(etag)
                }
                Some((held, _)) => return Err(self.busy(&held)),
            };
            match self.write(&wanted, &condition).await {
                Ok(()) => return Ok(wanted),
                Err(error) if error.kind == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(CloudError::new(
            Kind::Busy,
            format!(
                "the lock of environment {} changed hands {ATTEMPTS} times while we tried to take it",
                self.cloud.environment
            ),
        ))
    }

    /// Sets the end of the lock `id` to `ttl` from now.
    ///
    /// # Errors
    /// It is not ours any more ([`Kind::Busy`]), or a call fails.
    pub(crate) async fn renew(&self, id: &str, ttl: Duration) -> Result<Lock, CloudError> {
        match self.held().await? {
            Some((mut held, etag)) if held.id == id => {
                held.expires_at = Timestamp::from_now(ttl);
                match self.write(&held, &Condition::Unchanged(etag)).await {
                    Ok(()) => Ok(held),
                    Err(error) if error.kind == Kind::Conflict => Err(self.lost()),
                    Err(error) => Err(error),
                }
            }
            Some((held, _)) => Err(self.busy(&held)),
            None => Err(self.lost()),
        }
    }

    /// Releases a lock; returns what was released.
    ///
    /// # Errors
    /// It cannot be read, or a call fails.
    pub(crate) async fn unlock(&self, which: &WhichLock) -> Result<Option<Value>, CloudError> {
        for _ in 0..ATTEMPTS {
            let Some(object) = self.s3.read(&self.bucket, LOCK_KEY).await? else {
                return Ok(None);
            };
            let found: Value = serde_json::from_slice(&object.body).unwrap_or_default();
            if let WhichLock::Id(id) = which
                && found["id"] != json!(id)
            {
                return Ok(None);
            }
            match self.s3.remove(&self.bucket, LOCK_KEY, &object.etag).await {
                Ok(()) => return Ok(Some(found)),
                // Its owner has renewed or released it.
                Err(error) if error.kind == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(CloudError::new(
            Kind::Conflict,
            format!(
                "the lock of environment {} changed {ATTEMPTS} times while we tried to release it",
                self.cloud.environment
            ),
        ))
    }

    /// The lock as it is now. It may have expired.
    ///
    /// # Errors
    /// It cannot be read, or the call fails.
    pub(crate) async fn current(&self) -> Result<Option<Lock>, CloudError> {
        Ok(self.held().await?.map(|(lock, _)| lock))
    }

    /// Keeps a record. Without `replace`, a key is written only once; the same record once more
    /// changes nothing.
    ///
    /// # Errors
    /// Another record has the key ([`Kind::Exists`]), or a call fails.
    pub(crate) async fn put(
        &self,
        key: &str,
        value: &Value,
        replace: bool,
    ) -> Result<(), CloudError> {
        self.ensure_bucket().await?;
        let condition = if replace {
            Condition::Anything
        } else {
            Condition::Absent
        };
        let body = value.to_string().into_bytes();
        match self.s3.write(&self.bucket, key, body, &condition).await {
            Err(error) if error.kind == Kind::Conflict => {
                if self.get(key).await?.as_ref() == Some(value) {
                    return Ok(());
                }
                Err(CloudError::new(
                    Kind::Exists,
                    format!(
                        "environment {} has another record {key}",
                        self.cloud.environment
                    ),
                )
                .hint("choose another key, or set `replace`"))
            }
            written => written,
        }
    }

    /// The record of this key.
    ///
    /// # Errors
    /// It is not JSON, or the call fails.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Value>, CloudError> {
        match self.s3.read(&self.bucket, key).await? {
            None => Ok(None),
            Some(object) => serde_json::from_slice(&object.body)
                .map(Some)
                .map_err(|error| self.damaged(key, &error)),
        }
    }

    /// The records whose keys begin with `prefix`, the last key first.
    ///
    /// # Errors
    /// A record is not JSON, or a call fails.
    pub(crate) async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Value>, CloudError> {
        let keys = self.s3.keys(&self.bucket, prefix).await?;
        let records = keys.iter().rev().filter(|key| *key != LOCK_KEY);
        let mut values = Vec::new();
        for key in records.take(limit) {
            // The record may have been removed since it was listed.
            values.extend(self.get(key).await?);
        }
        Ok(values)
    }

    /// Removes records with all their earlier versions, one after the other. A record that does
    /// not exist counts as removed.
    ///
    /// # Errors
    /// A call fails. The records before that one are removed then.
    pub(crate) async fn remove(&self, keys: &[String]) -> Result<(), CloudError> {
        for key in keys {
            self.s3.delete_for_good(&self.bucket, key).await?;
        }
        Ok(())
    }

    /// Removes what the versioned bucket keeps of locks that were released or renewed: a version for
    /// each change. The lock as it is now stays.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn forget_old_locks(&self) -> Result<(), CloudError> {
        self.s3.delete_old_versions(&self.bucket, LOCK_KEY).await
    }

    async fn held(&self) -> Result<Option<(Lock, String)>, CloudError> {
        match self.s3.read(&self.bucket, LOCK_KEY).await? {
            None => Ok(None),
            Some(object) => serde_json::from_slice(&object.body)
                .map(|lock| Some((lock, object.etag)))
                .map_err(|error| self.damaged(LOCK_KEY, &error).hint(self.unlock_hint())),
        }
    }

    async fn write(&self, lock: &Lock, condition: &Condition) -> Result<(), CloudError> {
        let body = json!(lock).to_string().into_bytes();
        self.s3.write(&self.bucket, LOCK_KEY, body, condition).await
    }

    /// Versioning comes last: a process that dies while it makes the bucket leaves it without.
    async fn ensure_bucket(&self) -> Result<(), CloudError> {
        if self.s3.is_versioned(&self.bucket).await? {
            return Ok(());
        }
        report::step(&format!("bucket {}", self.bucket));
        self.s3
            .ensure_bucket(&self.bucket, self.cloud.region(), &self.cloud.tags())
            .await?;
        // The local cloud is reached by plain HTTP.
        let policy = (!self.cloud.is_local()).then(|| tls_only(&self.bucket).to_string());
        self.s3.protect_bucket(&self.bucket, policy).await
    }

    fn busy(&self, held: &Lock) -> CloudError {
        CloudError::new(
            Kind::Busy,
            format!(
                "environment {} is locked by {} since {}: {}; until {}",
                self.cloud.environment,
                holder(held),
                held.taken_at,
                held.command,
                held.expires_at
            ),
        )
        .hint(self.unlock_hint())
    }

    fn lost(&self) -> CloudError {
        CloudError::new(
            Kind::Busy,
            format!(
                "we do not hold the lock of environment {} any more: somebody released it",
                self.cloud.environment
            ),
        )
    }

    fn damaged(&self, key: &str, error: &dyn std::fmt::Display) -> CloudError {
        CloudError::new(
            Kind::Service,
            format!("s3://{}/{key} is damaged: {error}", self.bucket),
        )
    }

    fn unlock_hint(&self) -> String {
        format!("cargo xtask unlock --env {}", self.cloud.environment)
    }
}

fn tls_only(bucket: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
            "Condition": { "Bool": { "aws:SecureTransport": "false" } }
        }]
    })
}
