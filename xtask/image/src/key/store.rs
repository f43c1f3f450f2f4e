//! The inputs of keys that this checkout built or found, which are kept to be compared.
//!
//! Each key has a file with its name, and the file `latest` contains the last key. Another file has
//! the digest of the image that was found to be that of the key.

use crate::key::difference;
use crate::key::difference::Difference;
use crate::key::explain;
use crate::key::inputs::{FORM, Inputs};
use crate::key::{Key, TAG_PREFIX, short};
use anyhow::Context as _;
use app_gen_infra::Image;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::SystemTime;
use xtask_core::atomic_file::write_atomically;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure};

/// How many keys of an image are kept. The inputs of a large context take some megabytes.
const KEPT_KEYS: usize = 50;
/// A key can be named by its first characters, by at least this many.
const PREFIX_CHARACTERS: usize = 4;
/// How many keys a hint lists.
const LISTED_KEYS: usize = 8;

/// A key as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The last one that this checkout built or found.
    Latest,
    /// The key that begins with these characters.
    Prefix(String),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let prefix = text.strip_prefix(TAG_PREFIX).unwrap_or(text).to_lowercase();
        let is_hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && (PREFIX_CHARACTERS..=64).contains(&prefix.len()) {
            Ok(Self::Prefix(prefix))
        } else {
            Err(format!(
                "a key is `latest` or {PREFIX_CHARACTERS} to 64 hexadecimal digits, with or without `{TAG_PREFIX}`"
            ))
        }
    }
}

/// The inputs of a key that was kept.
#[derive(Debug)]
pub enum Kept {
    /// They have the form of this version.
    Inputs(Box<Inputs>),
    /// They have another form, which has this number.
    OtherForm(u32),
}

impl Kept {
    /// What differs between these inputs and later ones of the same image.
    #[must_use]
    pub fn differences(&self, image: &Image, after: &Inputs) -> Vec<Difference> {
        match self {
            Self::Inputs(before) => explain::differences(image, before, after),
            Self::OtherForm(before) => vec![Difference::of_form(*before, after.form)],
        }
    }
}

/// Why a key differs from the last one.
#[derive(Debug, Clone, Serialize)]
pub struct Reasons {
    /// The key that this checkout last built or found, if there is one.
    pub before: Option<String>,
    /// What differs from it.
    pub why: Vec<Difference>,
}

impl Reasons {
    /// A line with the first `shown` differences. It is `unchanged` if nothing differs.
    #[must_use]
    pub fn summary(&self, shown: usize, unchanged: &str) -> String {
        if !self.why.is_empty() {
            difference::summary(&self.why, shown)
        } else if self.before.is_none() {
            "not built here before".to_owned()
        } else {
            unchanged.to_owned()
        }
    }
}

/// The keys of one image.
#[derive(Debug, Clone)]
pub struct KeyStore {
    image: String,
    folder: PathBuf,
}

impl KeyStore {
    /// The keys of an image, in the cache folder of a checkout.
    #[must_use]
    pub fn new(cache_folder: &Path, image: &str) -> Self {
        Self {
            image: image.to_owned(),
            folder: cache_folder.join("keys").join(image),
        }
    }

    /// Keeps the inputs of a key, which becomes the last one.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn remember(&self, key: &Key) -> anyhow::Result<()> {
        let path = self.path(&key.hex);
        if !path.is_file() {
            write_atomically(&path, &key.inputs.bytes()?)?;
            self.forget_oldest();
        }
        if self.latest().as_deref() != Some(&key.hex) {
            write_atomically(&self.folder.join("latest"), key.hex.as_bytes())?;
        }
        Ok(())
    }

    /// Notes that the image with this digest is that of the key.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note_verified(&self, hex: &str, digest: &str) -> anyhow::Result<()> {
        if self.verified(hex).as_deref() == Some(digest) {
            return Ok(());
        }
        write_atomically(&self.verified_path(hex), digest.as_bytes())
    }

    /// The digest of the image that was found to be that of the key.
    #[must_use]
    pub fn verified(&self, hex: &str) -> Option<String> {
        fs::read_to_string(self.verified_path(hex)).ok()
    }

    /// The key that this checkout last built or found, if its inputs are kept.
    #[must_use]
    pub fn latest(&self) -> Option<String> {
        let hex = fs::read_to_string(self.folder.join("latest")).ok()?;
        self.path(&hex).is_file().then_some(hex)
    }

    /// What differs from the key that this checkout last built or found. If that one's file is
    /// damaged, there is no such key.
    #[must_use]
    pub fn reasons(&self, image: &Image, key: &Key) -> Reasons {
        let known = self.latest().and_then(|hex| {
            // In this usual case, inputs of some megabytes need not be read.
            let why = if hex == key.hex {
                Vec::new()
            } else {
                self.read(&hex).ok()?.differences(image, &key.inputs)
            };
            Some((hex, why))
        });
        let (before, why) = known.unzip();
        Reasons {
            before,
            why: why.unwrap_or_default(),
        }
    }

    /// The key that is wanted.
    ///
    /// # Errors
    /// No key is meant, or several are.
    pub fn find(&self, wanted: &Wanted) -> Result<String, Failure> {
        let newest_first = self.keys();
        let prefix = match wanted {
            Wanted::Latest => {
                return self.latest().ok_or_else(|| {
                    self.refusal("was neither built nor found by this checkout", &[])
                });
            }
            Wanted::Prefix(prefix) => prefix,
        };
        let mut meant = newest_first.clone();
        meant.retain(|hex| hex.starts_with(prefix.as_str()));
        match meant.as_slice() {
            [hex] => Ok(hex.clone()),
            [] => Err(self.refusal(&format!("has no kept key {prefix}"), &newest_first)),
            _ => Err(self.refusal(
                &format!("has {} kept keys that begin with {prefix}", meant.len()),
                &meant,
            )),
        }
    }

    /// The inputs of a kept key.
    ///
    /// # Errors
    /// They cannot be read, or their digest is not the key.
    pub fn read(&self, hex: &str) -> anyhow::Result<Kept> {
        /// Every form has this.
        #[derive(Deserialize)]
        struct Form {
            form: u32,
        }
        let path = self.path(hex);
        let bytes =
            fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let damaged = || {
            Failure::new(Code::Failed, format!("{} is damaged", path.display()))
                .hint(format!("rm {}", path.display()))
        };
        // Bytes with another digest are not the bytes that were hashed.
        if digest_bytes(&bytes) != hex {
            return Err(damaged().into());
        }
        match serde_json::from_slice::<Inputs>(&bytes) {
            Ok(inputs) if inputs.form == FORM => Ok(Kept::Inputs(Box::new(inputs))),
            _ => match serde_json::from_slice(&bytes) {
                Ok(Form { form }) if form != FORM => Ok(Kept::OtherForm(form)),
                _ => Err(damaged().into()),
            },
        }
    }

    fn refusal(&self, what: &str, keys: &[String]) -> Failure {
        let failure = Failure::new(Code::Usage, format!("image {} {what}", self.image));
        if keys.is_empty() {
            return failure.hint(format!("cargo xtask build {}", self.image));
        }
        let mut listed: Vec<&str> = keys
            .iter()
            .take(LISTED_KEYS)
            .map(|hex| short(hex))
            .collect();
        if keys.len() > LISTED_KEYS {
            listed.push("…");
        }
        failure.hint(format!("kept, newest first: {}", listed.join(", ")))
    }

    /// The keys that are kept, newest first.
    fn keys(&self) -> Vec<String> {
        let Ok(listing) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut keys: Vec<(SystemTime, String)> = listing
            .flatten()
            .filter_map(|item| {
                let hex = item.file_name().to_str()?.strip_suffix(".json")?.to_owned();
                Some((item.metadata().ok()?.modified().ok()?, hex))
            })
            .collect();
        keys.sort_unstable_by(|left, right| right.cmp(left));
        keys.into_iter().map(|(_, hex)| hex).collect()
    }

    fn forget_oldest(&self) {
        for hex in self.keys().iter().skip(KEPT_KEYS) {
            // A key that cannot be removed does no harm.
            let _ = fs::remove_file(self.path(hex));
            let _ = fs::remove_file(self.verified_path(hex));
        }
    }

    fn path(&self, hex: &str) -> PathBuf {
        self.folder.join(format!("{hex}.json"))
    }

    fn verified_path(&self, hex: &str) -> PathBuf {
        self.folder.join(format!("{hex}.digest"))
    }
}
