//! The lock of an environment, and its records.

use crate::commands::{Handle, require_in};
use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::state::{LOCK_KEY, State};
use std::time::Duration;
use xtask_aws_api::Timestamp;
use xtask_aws_api::calls::state::{
    FoundLock, FoundRecord, FoundRecords, GetRecord, ListRecords, Lock, LockReleased, LockTaken,
    PutRecord, RecordKept, RecordsRemoved, ReleaseLock, RemoveRecords, RenewLock, ShowLock,
    TakeLock,
};

/// A record is some lines of JSON, or the templates of a release.
const RECORD_LIMIT_BYTES: usize = 1 << 20;

impl Handle for TakeLock {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<LockTaken> {
        let ours = ours(self.command, ttl(self.ttl_secs)?);
        let lock = State::new(cloud).lock(ours).await?;
        Ok(LockTaken { lock })
    }
}

impl Handle for RenewLock {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<LockTaken> {
        let ttl = ttl(self.ttl_secs)?;
        let lock = State::new(cloud).renew(&self.id, ttl).await?;
        Ok(LockTaken { lock })
    }
}

impl Handle for ReleaseLock {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<LockReleased> {
        let lock = State::new(cloud).unlock(&self.which).await?;
        Ok(LockReleased {
            released: lock.is_some(),
            lock,
        })
    }
}

impl Handle for ShowLock {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<FoundLock> {
        let lock = State::new(cloud).current().await?;
        Ok(FoundLock { lock })
    }
}

impl Handle for PutRecord {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<RecordKept> {
        check_key(&self.key)?;
        let size = self.value.to_string().len();
        require_in("size of the record in bytes", size, 0..=RECORD_LIMIT_BYTES)?;
        let state = State::new(cloud);
        state.put(&self.key, &self.value, self.replace).await?;
        Ok(RecordKept { key: self.key })
    }
}

impl Handle for GetRecord {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<FoundRecord> {
        check_key(&self.key)?;
        let value = State::new(cloud).get(&self.key).await?;
        Ok(FoundRecord { value })
    }
}

impl Handle for ListRecords {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<FoundRecords> {
        check_key(&self.prefix)?;
        let values = State::new(cloud).list(&self.prefix, self.limit).await?;
        Ok(FoundRecords { values })
    }
}

impl Handle for RemoveRecords {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<RecordsRemoved> {
        self.keys.iter().try_for_each(|key| check_key(key))?;
        State::new(cloud).remove(&self.keys).await?;
        Ok(RecordsRemoved { removed: self.keys })
    }
}

fn ttl(secs: u64) -> Result<Duration, CloudError> {
    require_in("ttl_secs", secs, 1..=86_400)?;
    Ok(Duration::from_secs(secs))
}

/// A lock of this process.
fn ours(command: String, ttl: Duration) -> Lock {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let owner = match (set("GITHUB_ACTOR"), set("GITHUB_RUN_ID")) {
        (Some(actor), Some(run)) => format!("{actor} (run {run})"),
        _ => {
            // Some containers set neither.
            let user = set("USER")
                .or_else(|| set("LOGNAME"))
                .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
            format!("{user}@{host}")
        }
    };
    Lock {
        id: uuid::Uuid::now_v7().to_string(),
        owner,
        host,
        command,
        taken_at: Timestamp::from_now(Duration::ZERO),
        expires_at: Timestamp::from_now(ttl),
    }
}

fn check_key(key: &str) -> Result<(), CloudError> {
    let refused = |why: &str| Err(CloudError::new(Kind::Usage, format!("key `{key}`: {why}")));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if key.is_empty() || key.len() > 512 || key.starts_with('/') || !key.bytes().all(allowed) {
        return refused("a key has up to 512 letters, digits and -_./: and does not begin with /");
    }
    if key == LOCK_KEY {
        return refused("this is the key of the lock");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_their_bucket_and_off_the_lock() {
        assert_eq!(check_key("releases/2026-11-02T10:00:00Z-0f"), Ok(()));
        for wrong in ["", "/a", "a b", "lock.json", &"a".repeat(513)] {
            assert!(check_key(wrong).is_err(), "{wrong}");
        }
    }
}
