//! Requests that are answered once: what makes the thing remembers, in the same transaction, by which key it was asked
//! for. So there is no moment at which one of both is there without the other, and nothing to be tidied up after a
//! death in between. Whoever asks again at the same time waits for that transaction's end.

use sqlx::{Any, Transaction};

use crate::clock::now_millis;
use crate::database::{Database, bounded, changed};

/// How long a key is remembered.
const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// By what a request is known if it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnceKey {
    /// As whoever asks chose it.
    pub name: String,
    /// SHA-256 of what is asked, in hexadecimal.
    pub hash: String,
}

/// A request that was answered before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It was the same request.
    Same {
        /// The status of its answer.
        status: i64,
        /// The id of what it made.
        result: String,
    },
    /// The key belongs to another request.
    Other,
}

impl Answered {
    fn of(key: &OnceKey, (hash, status, result): (String, i64, String)) -> Self {
        match hash == key.hash {
            true => Self::Same { status, result },
            false => Self::Other,
        }
    }
}

/// Takes the key for a request that makes `result`, unless it was answered before.
pub(in crate::database) async fn take(
    transaction: &mut Transaction<'_, Any>,
    tenant: &str,
    key: &OnceKey,
    result: &str,
    now: i64,
) -> sqlx::Result<Option<Answered>> {
    let taken = sqlx::query(
        "INSERT INTO idempotency_keys (tenant_id, name, hash, status, result_id, created_at) \
         VALUES ($1, $2, $3, 201, $4, $5) ON CONFLICT (tenant_id, name) DO UPDATE \
         SET hash = excluded.hash, status = excluded.status, result_id = excluded.result_id, \
         created_at = excluded.created_at WHERE idempotency_keys.created_at < $6",
    )
    .bind(tenant)
    .bind(&key.name)
    .bind(&key.hash)
    .bind(result)
    .bind(now)
    .bind(now - KEPT_MILLIS)
    .execute(&mut **transaction)
    .await?;
    if changed(&taken) {
        return Ok(None);
    }
    let found = sqlx::query_as(
        "SELECT hash, status, result_id FROM idempotency_keys WHERE tenant_id = $1 AND name = $2",
    )
    .bind(tenant)
    .bind(&key.name)
    .fetch_one(&mut **transaction)
    .await?;
    Ok(Some(Answered::of(key, found)))
}

/// Says how a request with a key that was taken in this transaction is answered.
pub(in crate::database) async fn answer(
    transaction: &mut Transaction<'_, Any>,
    tenant: &str,
    key: &OnceKey,
    (status, result): (i64, &str),
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE idempotency_keys SET status = $1, result_id = $2 \
         WHERE tenant_id = $3 AND name = $4",
    )
    .bind(status)
    .bind(result)
    .bind(tenant)
    .bind(&key.name)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Database {
    /// How a request with this key was answered, if it was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answered(&self, tenant: &str, key: &OnceKey) -> sqlx::Result<Option<Answered>> {
        bounded(async {
            let found: Option<(String, i64, String)> = sqlx::query_as(
                "SELECT hash, status, result_id FROM idempotency_keys \
                 WHERE tenant_id = $1 AND name = $2 AND created_at >= $3",
            )
            .bind(tenant)
            .bind(&key.name)
            .bind(now_millis() - KEPT_MILLIS)
            .fetch_optional(&self.pool)
            .await?;
            Ok(found.map(|found| Answered::of(key, found)))
        })
        .await
    }

    /// Forgets keys that are a day old.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_old_keys(&self, now: i64) -> sqlx::Result<()> {
        bounded(async {
            sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
                .bind(now - KEPT_MILLIS)
                .execute(&self.pool)
                .await?;
            Ok(())
        })
        .await
    }
}
