//! Files, directories and links as a key sees them, and their form in JSON. [`crate::walk`] reads
//! them from disk.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStringExt as _;

/// A file, a directory or a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// A regular file.
    File {
        /// Its permissions, as far as [`Modes`] wants them.
        mode: Mode,
        /// The SHA-256 of its content.
        digest: Digest,
    },
    /// A directory.
    Directory {
        /// Its permissions, as far as [`Modes`] wants them. JSON leaves out the usual ones.
        #[serde(default = "usual_of_directories", skip_serializing_if = "is_usual")]
        mode: Mode,
    },
    /// A symbolic link.
    Symlink {
        /// The path that it points to, [`escape`]d.
        target: String,
    },
}

fn usual_of_directories() -> Mode {
    Mode::Executable
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_usual(mode: &Mode) -> bool {
    *mode == Mode::Executable
}

/// Permissions. Text and JSON show them as octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `rw-r--r--`
    Plain,
    /// `rwxr-xr-x`
    Executable,
    /// Any others, with the bits for set-user-ID, set-group-ID and sticky.
    Other(u16),
}

/// Which part of a mode counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    /// Whether the owner may execute a file. Nothing else survives a checkout, or is packed.
    OfGit,
    /// All of it.
    Whole,
}

impl Modes {
    /// The part that counts of the mode of a file.
    #[must_use]
    pub fn of_file(self, bits: u32) -> Mode {
        match self {
            Self::OfGit => Mode::of(bits),
            Self::Whole => Mode::whole(bits),
        }
    }

    /// The part that counts of the mode of a directory.
    #[must_use]
    pub fn of_directory(self, bits: u32) -> Mode {
        match self {
            Self::OfGit => usual_of_directories(),
            Self::Whole => Mode::whole(bits),
        }
    }
}

impl Mode {
    /// The one of git's two that is closest to a mode of the operating system.
    #[must_use]
    pub fn of(bits: u32) -> Self {
        if bits & 0o100 == 0 {
            Self::Plain
        } else {
            Self::Executable
        }
    }

    /// A mode of the operating system, without the kind of file.
    #[must_use]
    pub fn whole(bits: u32) -> Self {
        match u16::try_from(bits & 0o7777).unwrap_or_default() {
            0o644 => Self::Plain,
            0o755 => Self::Executable,
            other => Self::Other(other),
        }
    }

    /// The permissions as a number.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
            Self::Other(bits) => bits.into(),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:03o}", self.bits())
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Nearly all files have one of these.
            Self::Plain => serializer.serialize_str("644"),
            Self::Executable => serializer.serialize_str("755"),
            Self::Other(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if bits <= 0o7777 => Ok(Self::whole(bits)),
            _ => Err(serde::de::Error::invalid_value(
                serde::de::Unexpected::Str(&text),
                &"the octal digits of a mode",
            )),
        }
    }
}

/// A SHA-256. Text and JSON show it as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes the bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes the 32 bytes of a digest that was computed elsewhere.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes that the text shows.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// Hands the digits over without an allocation, because a tree has tens of thousands of them.
    fn with_text<T>(self, use_text: impl FnOnce(&str) -> T) -> T {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ];
        }
        use_text(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| formatter.write_str(text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::invalid_value(
                serde::de::Unexpected::Str(&text),
                &"64 hexadecimal digits",
            )
        })
    }
}

/// Entries by their [`escape`]d relative path. In JSON this is an object with a field for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Entries(BTreeMap<String, Entry>);

impl Entries {
    /// A tree without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes the directories in which there is something. They follow from that, and a listing of
    /// files, such as an archive, does not name them. One in which nothing is follows from nothing.
    pub fn keep_leaves(&mut self) {
        let parent = |path: &String| path.rsplit_once('/').map(|(parent, _)| parent.to_owned());
        let parents: BTreeSet<String> = self.0.keys().filter_map(parent).collect();
        self.0.retain(|path, entry| {
            !matches!(entry, Entry::Directory { .. }) || !parents.contains(path)
        });
    }

    /// The entries as a list of objects, each with its `path`.
    ///
    /// # Errors
    /// JSON can hold every entry, so this does not fail.
    pub fn rows(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&Rows(&self.0))
    }

    /// Because this is not generic, it is compiled, and so optimised, as part of this crate.
    fn json(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::value::to_raw_value(&self.0)
    }
}

struct Rows<'a>(&'a BTreeMap<String, Entry>);

struct Row<'a>(&'a str, &'a Entry);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(path, entry)| Row(path, entry)))
    }
}

/// Written by hand, because serde's `flatten` copies every entry before it writes it.
impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(path, entry) = self;
        let mut row = serializer.serialize_map(None)?;
        row.serialize_entry("path", path)?;
        match entry {
            Entry::File { mode, digest } => {
                row.serialize_entry("kind", "file")?;
                row.serialize_entry("mode", mode)?;
                row.serialize_entry("digest", digest)?;
            }
            Entry::Directory { mode } => {
                row.serialize_entry("kind", "directory")?;
                if !is_usual(mode) {
                    row.serialize_entry("mode", mode)?;
                }
            }
            Entry::Symlink { target } => {
                row.serialize_entry("kind", "symlink")?;
                row.serialize_entry("target", target)?;
            }
        }
        row.end()
    }
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json()
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl Deref for Entries {
    type Target = BTreeMap<String, Entry>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Entries {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl FromIterator<(String, Entry)> for Entries {
    fn from_iter<I: IntoIterator<Item = (String, Entry)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for Entries {
    type Item = (String, Entry);
    type IntoIter = std::collections::btree_map::IntoIter<String, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = (&'a String, &'a Entry);
    type IntoIter = std::collections::btree_map::Iter<'a, String, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A path as text, without loss: a backslash becomes `\\`, and a byte that is not UTF-8 `\xNN`.
#[must_use]
pub fn escape(path: &[u8]) -> String {
    // Nearly all paths need no escape.
    if !path.contains(&b'\\')
        && let Ok(text) = std::str::from_utf8(path)
    {
        return text.to_owned();
    }
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The path that [`escape`] made the text of.
#[must_use]
pub fn unescape(text: &str) -> OsString {
    let bytes = text.as_bytes();
    let mut path = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        match bytes[position..] {
            [b'\\', b'\\', ..] => {
                path.push(b'\\');
                position += 2;
            }
            [b'\\', b'x', high, low, ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
                path.push(u8::try_from(digit(high) * 16 + digit(low)).unwrap_or(0));
                position += 4;
            }
            [byte, ..] => {
                path.push(byte);
                position += 1;
            }
            [] => break,
        }
    }
    OsString::from_vec(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn paths_survive_escaping() {
        for path in [
            &b"plain/name"[..],
            b"back\\slash",
            b"\xff\xfe/x",
            "ä".as_bytes(),
        ] {
            assert_eq!(unescape(&escape(path)).as_bytes(), path);
        }
    }

    #[test]
    fn modes_survive_json_and_usual_ones_of_directories_are_left_out() {
        let directory = |bits| Entry::Directory {
            mode: Mode::whole(bits),
        };
        for (entry, text) in [
            (directory(0o40_755), r#"{"kind":"directory"}"#),
            (directory(0o41_777), r#"{"kind":"directory","mode":"1777"}"#),
            (directory(0o40_005), r#"{"kind":"directory","mode":"005"}"#),
        ] {
            assert_eq!(serde_json::to_string(&entry).unwrap(), text);
            assert_eq!(serde_json::from_str::<Entry>(text).unwrap(), entry);
        }
        for (bits, text) in [(0o100_644, "644"), (0o104_755, "4755"), (0o100_000, "000")] {
            let mode = Mode::whole(bits);
            assert_eq!(serde_json::to_value(mode).unwrap(), text);
            assert_eq!(serde_json::from_value::<Mode>(text.into()).unwrap(), mode);
        }
        assert!(serde_json::from_str::<Mode>("\"10000\"").is_err());
        assert!(serde_json::from_str::<Mode>("\"rw\"").is_err());
    }

    #[test]
    fn digests_survive_json() {
        let digest = Digest::of(b"abc");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(
            text,
            "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""
        );
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        for wrong in [&text[..64], "\"\"", &text.replace('b', "g")] {
            assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
        }
    }
}
