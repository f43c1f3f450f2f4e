//! Who asks: the operator of this machine, or a task of the platform.
//!
//! There is one random key, which only its user can read. The operator signs with it. A task signs
//! with a secret that is made of the key and of the task's own id, and its id says what it may reach:
//! `generator~BUCKET~jobs~ID`. So nothing has to be remembered about tasks, and no task can make the
//! secret of another one. A job whose tenant brings keys of model providers has that tenant in its id:
//! `keyed-generator~TENANT~BUCKET~jobs~ID`.

use crate::body::hex;
use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// The access key id of the operator.
pub const OPERATOR: &str = "operator";
/// A header with the operator's key, for requests that no SDK signs.
pub const KEY_HEADER: &str = "x-app-gen-key";

const KEY_BYTES: usize = 32;
const ONLY_OWNER: u32 = 0o600;
/// Between the parts of a task's id. `/` would end the id within a signature.
const BETWEEN: char = '~';

/// The role of a generator that may read keys of its job's tenant.
const KEYED: &str = "keyed-generator";

/// What a client signs with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`; not secret.
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({})", self.id)
    }
}

/// Makes the key unless there is one, and sees to it that only its user can read it.
///
/// # Errors
/// The file cannot be read or written.
pub fn create_key(path: &Path) -> anyhow::Result<()> {
    let named = || format!("failed to make the access key {}", path.display());
    if let Ok(file) = File::open(path) {
        file.set_permissions(std::fs::Permissions::from_mode(ONLY_OWNER))
            .with_context(named)?;
        if read_key(path).is_ok() {
            return Ok(());
        }
    }
    let mut random = [0; KEY_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .with_context(named)?;
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(ONLY_OWNER)
            .open(&temporary)?;
        file.write_all(hex(&random).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written.with_context(named)
}

/// The key.
///
/// # Errors
/// There is none, or the file holds something else.
pub fn read_key(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read the access key {}", path.display()))?;
    let is_key = text.len() == 2 * KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    anyhow::ensure!(is_key, "{} does not hold an access key", path.display());
    Ok(text)
}

/// The credentials of the operator.
#[must_use]
pub fn operator(key: &str) -> Credentials {
    credentials(key, OPERATOR.to_owned())
}

/// The credentials of an orchestrator whose artifacts are at `s3://BUCKET` or below a folder of it.
#[must_use]
pub fn orchestrator(key: &str, artifacts: &str) -> Option<Credentials> {
    task(key, "orchestrator", artifacts)
}

/// The credentials of a generator whose job's folder is `s3://BUCKET/…/ID`, and whose tenant brings keys, if it does.
pub(crate) fn generator(key: &str, folder: &str, tenant: Option<&str>) -> Option<Credentials> {
    match tenant {
        None => task(key, "generator", folder),
        Some(tenant) => task(key, &format!("{KEYED}{BETWEEN}{tenant}"), folder),
    }
}

fn task(key: &str, role: &str, uri: &str) -> Option<Credentials> {
    let place = uri.strip_prefix("s3://")?.trim_end_matches('/');
    if place.contains(BETWEEN) {
        return None;
    }
    let between = BETWEEN.to_string();
    let id = format!("{role}{BETWEEN}{}", place.replace('/', &between));
    // What cannot be read back is no id.
    Caller::of(&id).map(|_| credentials(key, id))
}

fn credentials(key: &str, id: String) -> Credentials {
    Credentials {
        secret: secret_of(key, &id),
        id,
    }
}

/// The secret that belongs to an id.
pub(crate) fn secret_of(key: &str, id: &str) -> String {
    match id {
        id if is_operator(id) => key.to_owned(),
        task => hex(&hmac(key.as_bytes(), task.as_bytes())),
    }
}

/// MiniStack takes an id of twelve digits for the account to act in.
fn is_operator(id: &str) -> bool {
    id == OPERATOR || id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `given` is the key, in a time that does not depend on where they differ.
pub(crate) fn is_key(key: &str, given: &str) -> bool {
    let tag = |text: &str| {
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).map(|mac| mac.chain_update(text))
    };
    match (tag(key), tag(given)) {
        (Ok(expected), Ok(found)) => found.verify(&expected.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

pub(crate) fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // An HMAC takes a key of any length.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// Whose request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The user of this machine.
    Operator,
    /// The service.
    Orchestrator(Place),
    /// One job.
    Generator(Place),
}

/// A part of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) bucket: String,
    /// Empty, or a folder without a `/` at either end.
    pub(crate) prefix: String,
    /// The tenant whose keys of model providers it may read.
    pub(crate) tenant: Option<String>,
}

impl Caller {
    /// The caller that an id names.
    pub(crate) fn of(id: &str) -> Option<Self> {
        if is_operator(id) {
            return Some(Self::Operator);
        }
        let mut parts = id.split(BETWEEN);
        let role = parts.next()?;
        let tenant = match role {
            KEYED => Some(parts.next().filter(|tenant| is_plain(tenant))?.to_owned()),
            _ => None,
        };
        let bucket = parts.next()?;
        let folders: Vec<&str> = parts.collect();
        let place = Place {
            bucket: bucket.to_owned(),
            prefix: folders.join("/"),
            tenant,
        };
        if !folders.iter().chain([&bucket]).all(|part| is_plain(part)) {
            return None;
        }
        match role {
            "orchestrator" => Some(Self::Orchestrator(place)),
            // Without a folder it could reach every job.
            "generator" | KEYED if !folders.is_empty() => Some(Self::Generator(place)),
            _ => None,
        }
    }
}

/// A part of a path that every reader takes for the same.
pub(crate) fn is_plain(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}
