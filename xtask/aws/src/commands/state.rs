//! `state lock|renew|unlock|show`: one owner at a time for an environment.
//! `state put|get|list|remove`: its records, for instance of releases.

use crate::config::Cloud;
use crate::error::{CloudError, Kind};
use crate::report::Outcome;
use crate::state::{LOCK_KEY, Lock, State};
use crate::time;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use std::time::Duration;

/// A record is some lines of JSON.
const RECORD_LIMIT_BYTES: u64 = 1 << 20;

/// Who works on the environment, and what was released to it
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Take the environment's lock
    Lock {
        /// What it is taken for; shown to whoever is refused
        #[arg(long, value_name = "TEXT")]
        command: String,
        #[command(flatten)]
        ttl: Ttl,
    },
    /// Keep the lock for longer
    Renew {
        #[arg(long)]
        id: String,
        #[command(flatten)]
        ttl: Ttl,
    },
    /// Release the lock
    Unlock {
        /// The lock to release; another one is left alone
        #[arg(long, required_unless_present = "force")]
        id: Option<String>,
        /// Release whatever lock there is
        #[arg(long, conflicts_with = "id")]
        force: bool,
    },
    /// The lock
    Show,
    /// Keep a record: JSON on stdin
    Put {
        #[arg(value_parser = parse_key)]
        key: String,
        /// Also where there is one of that key
        #[arg(long)]
        replace: bool,
    },
    /// One record
    Get {
        #[arg(value_parser = parse_key)]
        key: String,
    },
    /// Records whose keys begin alike, the last key first
    List {
        #[arg(value_parser = parse_key)]
        prefix: String,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Remove records for good, in this order
    Remove {
        #[arg(value_parser = parse_key, required = true)]
        keys: Vec<String>,
    },
}

/// How long a lock lasts unless it is renewed.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Ttl {
    /// The lock lasts this long unless it is renewed
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ttl_secs: u64,
}

impl Ttl {
    fn duration(self) -> Duration {
        Duration::from_secs(self.ttl_secs)
    }
}

/// # Errors
/// Somebody else holds the lock, stdin holds no JSON, or a call fails.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    let state = State::new(cloud);
    match command {
        Command::Lock { command, ttl } => {
            let lock = state.lock(ours(command, ttl.duration())).await?;
            Outcome::success(json!({ "lock": lock }))
        }
        Command::Renew { id, ttl } => {
            let lock = state.renew(&id, ttl.duration()).await?;
            Outcome::success(json!({ "lock": lock }))
        }
        Command::Unlock { id, .. } => {
            let lock = state.unlock(id.as_deref()).await?;
            Outcome::success(json!({ "released": lock.is_some(), "lock": lock }))
        }
        Command::Show => Outcome::success(json!({ "lock": state.current().await? })),
        Command::Put { key, replace } => {
            state.put(&key, &value_from_stdin()?, replace).await?;
            Outcome::success(json!({ "key": key }))
        }
        Command::Get { key } => Outcome::success(json!({ "value": state.get(&key).await? })),
        Command::List { prefix, limit } => {
            Outcome::success(json!({ "values": state.list(&prefix, limit).await? }))
        }
        Command::Remove { keys } => {
            state.remove(&keys).await?;
            Outcome::success(json!({ "removed": keys }))
        }
    }
}

fn ours(command: String, ttl: Duration) -> Lock {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let owner = match (set("GITHUB_ACTOR"), set("GITHUB_RUN_ID")) {
        (Some(actor), Some(run)) => format!("{actor} (run {run})"),
        _ => {
            // Neither is set in some containers.
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
        taken_at: time::from_now(Duration::ZERO),
        expires_at: time::from_now(ttl),
    }
}

fn parse_key(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if text.is_empty() || text.len() > 512 || text.starts_with('/') || !text.bytes().all(allowed) {
        return Err("a key is up to 512 letters, digits and -_./: and begins with no /".to_owned());
    }
    if text == LOCK_KEY {
        return Err("that is the lock".to_owned());
    }
    Ok(text.to_owned())
}

fn value_from_stdin() -> Result<Value, CloudError> {
    let wrong = |why: String| {
        CloudError::new(Kind::Usage, format!("stdin holds no record: {why}"))
            .hint("give the record as JSON on stdin")
    };
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(wrong("it is a terminal".to_owned()));
    }
    let mut bytes = Vec::new();
    stdin
        .lock()
        .take(RECORD_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > RECORD_LIMIT_BYTES {
        return Err(wrong(format!("more than {RECORD_LIMIT_BYTES} bytes")));
    }
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_their_bucket_and_off_the_lock() {
        assert!(parse_key("releases/2026-11-02T10:00:00Z-0f").is_ok());
        for wrong in ["", "/a", "a b", "lock.json", &"a".repeat(513)] {
            assert!(parse_key(wrong).is_err(), "{wrong}");
        }
    }
}
