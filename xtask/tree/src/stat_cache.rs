//! Keeps digests of files, so that a file whose `stat` did not change need not be read again.
//!
//! A record says that the file with this device and inode had this content while it had this size,
//! mode, `modified` and `changed`. It is found by device and inode, so that a file with several
//! names has one record and keeps it when it is renamed, and it is used only if everything else is
//! equal, too. A cache belongs to one key and holds what the last computation of that key saw.
//!
//! Why a record is true:
//! - The kernel, and nobody else, sets `changed` (`ctime`) whenever content or attributes change. A
//!   record is kept only if `changed` was at least [`SETTLING`] before the first read of its run:
//!   whatever changes the file from then on gives it another `changed`. This covers an edit within
//!   the same tick of the clock as the read, and a `write` whose bytes have not all arrived, because
//!   the kernel stamps it before.
//! - Only file systems that use the clock of this kernel and stamp every kind of write are trusted
//!   ([`is_trusted`]). Files of other file systems are read each time.
//! - A cache is valid during one boot. A crash may lose the bytes of a write and keep its times, and
//!   device numbers may differ after it. This also keeps the caches of two machines apart.
//! - A cache from the future is dropped, because the clock was set back and may reach the same times
//!   again. A cache with another layout, length or checksum is dropped, too.
//!
//! Two limits are known, both with a process that writes while a key is computed. They are the
//! reason for the length of [`SETTLING`]:
//! - A process that writes through a shared mapping stamps the file when it first touches a page.
//!   More writes to that page are not stamped until the kernel has written the page back, which it
//!   does after 30 to 35 s. Where it takes longer than [`SETTLING`] (a disk under heavy load), a
//!   later write of that process is missed until the file is changed again.
//! - A single `write` into the middle of a file that takes longer than [`SETTLING`] is missed.
//!
//! Apart from that, who writes to the block device below the file system, or sets the clock to the
//! nanosecond, can defeat the cache. `target/xtask/stat` can be removed at any time.

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

/// How long a file must have been left alone before its digest is kept.
pub const SETTLING: Duration = Duration::from_secs(60);

/// How old a cache is removed. Its context does not exist any more, or its files never change, and
/// then reading them once more costs little.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names the layout that follows; another layout must get another number.
const MAGIC: &[u8; 16] = b"xtask stat    1\n";
const HEADER_BYTES: usize = MAGIC.len() + 32 + 12 + 8;
const CHECKSUM_BYTES: usize = 32;
/// The bytes of device and inode, by which records are sorted and found.
const NAME_BYTES: usize = 16;
const IDENTITY_BYTES: usize = NAME_BYTES + 36;
const RECORD_BYTES: usize = IDENTITY_BYTES + 32;

type Record = [u8; RECORD_BYTES];

/// What decides whether a record is true, apart from the files.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Identifies the machine and its boot.
    pub boot: Digest,
    /// A time that is before the first read of this run.
    pub now: Timestamp,
    /// [`SETTLING`], except in tests.
    pub settling: Duration,
}

impl Conditions {
    /// The conditions of this moment on this machine; `None` where the kernel does not name its boot.
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

/// The digests of the last computation of a key, and those that this one adds.
#[derive(Debug)]
pub struct StatCache {
    /// Without a file nothing is kept.
    file: Option<(PathBuf, Conditions)>,
    old: Vec<Record>,
    /// Which of the `old` records this computation has used.
    met: Vec<AtomicBool>,
    new: Mutex<Vec<Record>>,
    trusted_devices: Mutex<BTreeMap<u64, bool>>,
}

impl StatCache {
    /// The cache of the key with this name. It is empty where there is none, or where the one that
    /// is there cannot be trusted.
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

    /// The cache in this file under these conditions.
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

    /// A cache that keeps nothing, for trees that are read only once.
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

    /// The digest of the file in this state, where it is known.
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

    /// Keeps the digest of an open file that was in this state before and after it was read. It does
    /// nothing where other content could later be in the same state.
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

    /// Writes the records that this computation has used or added, unless the file holds exactly
    /// them. Returns whether it wrote.
    ///
    /// # Errors
    /// The file cannot be written. The digests that were given out are right all the same.
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
        // A file with several names may have been read by more than one of them.
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

/// Removes caches that were not written for a long time. What cannot be removed stays.
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

/// The records of the cache; `None` where it cannot be trusted.
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
    // This comes before anything large is read.
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

/// The state in a fixed number of bytes, which sort by device and inode.
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

/// Whether the file system of the file stamps every change by the clock of this kernel before the
/// change can be read.
///
/// The times of NFS, SMB, FUSE, 9p and virtiofs come from elsewhere. tmpfs does not stamp a store
/// into a mapped page that was read before, and ZFS stamps it only when it is written back. An
/// overlay is trusted, because the file system below it nearly always is one of these.
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
