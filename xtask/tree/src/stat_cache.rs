//! Digests of files that need not be read again, by what `stat` tells of them.
//!
//! A record says: the file with this device and inode, while it had this size, mode,
//! `modified` and `changed`, had this content. It is found by device and inode, so
//! that a file with several names is one record and a rename loses nothing, and it
//! holds only if all the rest is equal too. One cache belongs to one key and holds
//! what the last computation of that key saw.
//!
//! Why a record is true:
//! - `changed` (`ctime`) is set by the kernel whenever content or attributes change, and by
//!   nobody else. A record is kept only if it lay [`SETTLING`] before the first read of
//!   its run: whatever changes the file from then on gives it another `changed`. So an
//!   edit in the same tick of the clock as the read is not missed, and neither is a
//!   `write` in flight, which is stamped before its bytes arrive.
//! - Only file systems that take their times from this kernel and stamp every kind of
//!   write are trusted ([`is_trusted`]); files of others are read each time.
//! - A cache is of one boot. A crash may lose the bytes of a write and keep its times,
//!   and device numbers are given out anew; besides, this tells machines apart.
//! - A cache from the future is dropped: the clock has been set back, and could come to
//!   the same times again. So is one of another form, length or checksum.
//!
//! Known limits, both of writers that work while a key is computed, and both the reason why
//! [`SETTLING`] is as long as it is:
//! - A process that writes through a shared mapping stamps the file when it first touches a
//!   page; writes to that page go unstamped until the kernel has written it back, which it
//!   does after 30 to 35 s. Only where it has not by then (a disk under heavy load) is a
//!   later write of that process missed, and stays missed until the file is changed again.
//! - One `write` call into the middle of a file that takes longer than [`SETTLING`].
//!
//! Beyond them: who writes to the block device below the file system, or sets the clock
//! to the nanosecond, can fool it. `target/xtask/stat` can be removed at any time.

use crate::content;
use crate::entry::Digest;
use crate::identity::{Identity, Timestamp};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use xtask_core::atomic_file;

/// How long a file must have been left alone for its digest to be kept.
pub const SETTLING: Duration = Duration::from_secs(60);

/// A cache that was not written for this long belongs to a context that is gone, or is read
/// again soon enough.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names the layout below; another layout gets another number.
const MAGIC: &[u8; 16] = b"xtask stat    1\n";
const HEADER_BYTES: usize = MAGIC.len() + 32 + 12 + 8;
const CHECKSUM_BYTES: usize = 32;
/// Device and inode, by which records are sorted and found.
const NAME_BYTES: usize = 16;
const IDENTITY_BYTES: usize = NAME_BYTES + 36;
const RECORD_BYTES: usize = IDENTITY_BYTES + 32;

type Record = [u8; RECORD_BYTES];

/// What the truth of records depends on, besides the files.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Names the machine and its boot.
    pub boot: Digest,
    /// A time before the first read of this run.
    pub now: Timestamp,
    /// [`SETTLING`].
    pub settling: Duration,
}

impl Conditions {
    /// Those of now and here, unless the kernel does not tell.
    #[must_use]
    pub fn here() -> Option<Self> {
        let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self {
            boot: Digest::of(&boot),
            now: Timestamp::now(),
            settling: SETTLING,
        })
    }
}

/// Digests from the last computation of a key, and those that this one adds.
#[derive(Debug)]
pub struct StatCache {
    /// Nothing is looked up or kept without.
    file: Option<(PathBuf, Conditions)>,
    old: Vec<Record>,
    /// Which of `old` this computation has met.
    met: Vec<AtomicBool>,
    new: Mutex<Vec<Record>>,
    trusted_devices: Mutex<BTreeMap<u64, bool>>,
}

impl StatCache {
    /// The cache of the key with this name. Where there is none, or it cannot be
    /// believed, it starts empty.
    #[must_use]
    pub fn open(cache_folder: &Path, name: &str) -> Self {
        let name = Digest::of(name.as_bytes()).to_string();
        match Conditions::here() {
            Some(conditions) => {
                Self::open_at(&cache_folder.join("stat").join(&name[..16]), conditions)
            }
            None => Self::none(),
        }
    }

    /// The cache in this file, under conditions of one's own.
    #[must_use]
    pub fn open_at(path: &Path, conditions: Conditions) -> Self {
        let old = load(path, &conditions).unwrap_or_default();
        Self {
            met: old.iter().map(|_| AtomicBool::new(false)).collect(),
            old,
            file: Some((path.to_owned(), conditions)),
            ..Self::none()
        }
    }

    /// For trees that are read only once.
    #[must_use]
    pub fn none() -> Self {
        Self {
            file: None,
            old: Vec::new(),
            met: Vec::new(),
            new: Mutex::default(),
            trusted_devices: Mutex::default(),
        }
    }

    /// The digest of a file in this state.
    #[must_use]
    pub fn get(&self, identity: &Identity) -> Option<Digest> {
        let wanted = encode(identity);
        let index = self
            .old
            .binary_search_by(|record| record[..NAME_BYTES].cmp(&wanted[..NAME_BYTES]))
            .ok()?;
        let (state, digest) = self.old[index].split_at(IDENTITY_BYTES);
        if *state != wanted {
            return None;
        }
        self.met[index].store(true, Ordering::Relaxed);
        Some(Digest::new(digest.try_into().ok()?))
    }

    /// Keeps the digest of an open file that was in this state before and after it
    /// was read, if the state will not come again with other content.
    pub fn insert(&self, identity: &Identity, digest: Digest, file: impl AsFd) {
        let Some((_, conditions)) = &self.file else {
            return;
        };
        let settled = identity.changed < conditions.now
            && conditions.now.distance(identity.changed) >= conditions.settling;
        if !settled || !self.trusts(identity.device, file) {
            return;
        }
        let mut record = [0; RECORD_BYTES];
        record[..IDENTITY_BYTES].copy_from_slice(&encode(identity));
        record[IDENTITY_BYTES..].copy_from_slice(digest.as_bytes());
        lock(&self.new).push(record);
    }

    fn trusts(&self, device: u64, file: impl AsFd) -> bool {
        *lock(&self.trusted_devices)
            .entry(device)
            .or_insert_with(|| is_trusted(file))
    }

    /// Writes what this computation has met, if that is not what the file holds.
    /// Returns whether it wrote.
    ///
    /// # Errors
    /// The file cannot be written. The digests that were given out hold all the same.
    pub fn save(self) -> anyhow::Result<bool> {
        let Some((path, conditions)) = self.file else {
            return Ok(false);
        };
        let mut kept = self
            .new
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() && self.met.iter().all(|met| met.load(Ordering::Relaxed)) {
            return Ok(false);
        }
        let met = self.old.iter().zip(&self.met);
        kept.extend(met.filter_map(|(record, met)| met.load(Ordering::Relaxed).then_some(record)));
        kept.sort_unstable();
        // A file with several names may have been read by each of them.
        kept.dedup_by(|left, right| left[..NAME_BYTES] == right[..NAME_BYTES]);
        let mut bytes = header(&conditions, kept.len() as u64);
        bytes.extend_from_slice(kept.as_flattened());
        let checksum = Digest::of(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        let is_first = !path.exists();
        atomic_file::write_atomically(&path, &bytes)?;
        if is_first && let Some(folder) = path.parent() {
            forget_unused(folder);
        }
        Ok(true)
    }
}

/// Removes caches of contexts that nobody has asked for in a long time, as far as possible.
fn forget_unused(folder: &Path) {
    let is_unused = |path: &Path| -> std::io::Result<bool> {
        let modified = path.metadata()?.modified()?;
        Ok(modified.elapsed().is_ok_and(|age| age > UNUSED))
    };
    for item in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_unused(&item.path()).unwrap_or(false) {
            let _ = std::fs::remove_file(item.path());
        }
    }
}

/// The records of a cache that can be believed.
fn load(path: &Path, conditions: &Conditions) -> Option<Vec<Record>> {
    let mut file = content::open(rustix::fs::CWD, path).ok()?;
    let size_bytes = usize::try_from(file.metadata().ok()?.len()).ok()?;
    let mut head = [0; HEADER_BYTES];
    file.read_exact(&mut head).ok()?;
    let (count_offset, now_offset) = (HEADER_BYTES - 8, HEADER_BYTES - 8 - 12);
    let count = usize::try_from(u64::from_be_bytes(*head.last_chunk()?)).ok()?;
    let expected_bytes = count
        .checked_mul(RECORD_BYTES)?
        .checked_add(HEADER_BYTES + CHECKSUM_BYTES)?;
    // Before anything large is read.
    if size_bytes != expected_bytes || head[..now_offset] != header(conditions, 0)[..now_offset] {
        return None;
    }
    let (secs, nanos) = head[now_offset..count_offset].split_at(8);
    let written = Timestamp {
        secs: i64::from_be_bytes(secs.try_into().ok()?),
        nanos: u32::from_be_bytes(nanos.try_into().ok()?),
    };
    if written > conditions.now {
        return None;
    }
    let mut old = vec![[0; RECORD_BYTES]; count];
    file.read_exact(old.as_flattened_mut()).ok()?;
    let mut checksum = [0; CHECKSUM_BYTES];
    file.read_exact(&mut checksum).ok()?;
    let found = content::digest_parts(&[&head, old.as_flattened()]);
    (*found.as_bytes() == checksum).then_some(old)
}

fn header(conditions: &Conditions, count: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(conditions.boot.as_bytes());
    bytes.extend_from_slice(&conditions.now.secs.to_be_bytes());
    bytes.extend_from_slice(&conditions.now.nanos.to_be_bytes());
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes
}

/// Fixed size, and in the order of device and inode.
fn encode(identity: &Identity) -> [u8; IDENTITY_BYTES] {
    let mut bytes = [0; IDENTITY_BYTES];
    let (modified, changed) = (identity.modified, identity.changed);
    bytes[..8].copy_from_slice(&identity.device.to_be_bytes());
    bytes[8..16].copy_from_slice(&identity.inode.to_be_bytes());
    bytes[16..24].copy_from_slice(&identity.size_bytes.to_be_bytes());
    bytes[24..28].copy_from_slice(&identity.mode.to_be_bytes());
    bytes[28..36].copy_from_slice(&modified.secs.to_be_bytes());
    bytes[36..40].copy_from_slice(&modified.nanos.to_be_bytes());
    bytes[40..48].copy_from_slice(&changed.secs.to_be_bytes());
    bytes[48..].copy_from_slice(&changed.nanos.to_be_bytes());
    bytes
}

/// Whether every change of a file of this file system is stamped, by this kernel's
/// clock, before it can be read.
///
/// Not those whose times come from elsewhere (NFS, SMB, FUSE, 9p, virtiofs). Not tmpfs,
/// which does not stamp a store into a mapped page that has been read before, and not ZFS,
/// which stamps such a store when it is written back. An overlay is taken for what it
/// nearly always lies on.
fn is_trusted(file: impl AsFd) -> bool {
    const EXT: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683e;
    const F2FS: u64 = 0xf2f5_2010;
    const BCACHEFS: u64 = 0xca45_1a4e;
    const OVERLAY: u64 = 0x794c_7630;
    rustix::fs::fstatfs(file).is_ok_and(|system| {
        u64::try_from(system.f_type)
            .is_ok_and(|kind| [EXT, XFS, BTRFS, F2FS, BCACHEFS, OVERLAY].contains(&kind))
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
