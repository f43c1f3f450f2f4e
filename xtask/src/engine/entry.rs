//! Files, directories and links as the key sees them, and reading them from disk.

use super::error::{Code, Failure};
use super::ignore::{Matches, Rules};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// One file, directory or symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// A regular file.
    File {
        /// `755` where the owner may execute it, else `644`.
        mode: Mode,
        /// SHA-256 of its content, hexadecimal.
        digest: String,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it points to, [`escape`]d.
        target: String,
    },
}

/// The two modes that survive a checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// `rw-r--r--`
    #[serde(rename = "644")]
    Plain,
    /// `rwxr-xr-x`
    #[serde(rename = "755")]
    Executable,
}

impl Mode {
    /// As a number.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }
}

/// Entries by [`escape`]d relative path.
pub type Entries = BTreeMap<String, Entry>;

/// Paths as text without loss: a backslash becomes `\\`, a byte that is not UTF-8 `\xNN`.
#[must_use]
pub fn escape(path: &[u8]) -> String {
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

/// The bytes that [`escape`] was given.
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

/// Lower-case hexadecimal.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of the bytes, hexadecimal.
#[must_use]
pub fn digest_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// SHA-256 of a file's content, hexadecimal.
///
/// # Errors
/// It cannot be read.
pub fn digest_file(path: &Path) -> anyhow::Result<String> {
    let read = || -> std::io::Result<String> {
        let mut file = fs::File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hexadecimal(&hasher.finalize())),
                count => hasher.update(&buffer[..count]),
            }
        }
    };
    read().with_context(|| format!("failed to read {}", path.display()))
}

/// One entry, links not followed.
///
/// # Errors
/// It cannot be read, or is neither file, directory nor link.
pub fn read_entry(path: &Path) -> anyhow::Result<Entry> {
    let metadata = fs::symlink_metadata(path)
        .with_context(|| format!("failed to look at {}", path.display()))?;
    let kind = metadata.file_type();
    if kind.is_file() {
        let executable = metadata.permissions().mode() & 0o100 != 0;
        Ok(Entry::File {
            mode: if executable {
                Mode::Executable
            } else {
                Mode::Plain
            },
            digest: digest_file(path)?,
        })
    } else if kind.is_dir() {
        Ok(Entry::Directory)
    } else if kind.is_symlink() {
        let target =
            fs::read_link(path).with_context(|| format!("failed to read {}", path.display()))?;
        Ok(Entry::Symlink {
            target: escape(target.as_os_str().as_bytes()),
        })
    } else {
        Err(Failure::new(
            Code::Build,
            format!(
                "{} is neither a file, a directory nor a link",
                path.display()
            ),
        )
        .hint("remove it, or name it in .dockerignore or in `package.exclude`")
        .into())
    }
}

/// All of a folder that the rules leave in. A directory that is ignored is kept
/// only where something below it is.
///
/// # Errors
/// Something cannot be read.
pub fn read_tree(root: &Path, rules: &Rules) -> anyhow::Result<Entries> {
    let mut entries = Entries::new();
    walk(
        root,
        &mut Vec::new(),
        rules,
        &Matches::default(),
        &mut entries,
    )?;
    Ok(entries)
}

fn walk(
    folder: &Path,
    prefix: &mut Vec<u8>,
    rules: &Rules,
    parent: &Matches,
    entries: &mut Entries,
) -> anyhow::Result<()> {
    let listing =
        fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    for item in listing {
        let item = item.with_context(|| format!("failed to list {}", folder.display()))?;
        let length_before = prefix.len();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        prefix.extend_from_slice(item.file_name().as_bytes());
        let matches = rules.matches(prefix, parent)?;
        let path = item.path();
        if item.file_type()?.is_dir() {
            let count_before = entries.len();
            if !matches.ignored || rules.may_keep_below(prefix) {
                walk(&path, prefix, rules, &matches, entries)?;
            }
            if !matches.ignored || entries.len() > count_before {
                entries.insert(escape(prefix), Entry::Directory);
            }
        } else if !matches.ignored {
            let mut entry = read_entry(&path)?;
            if let Entry::File { digest, .. } = &mut entry
                && matches.emptied
            {
                *digest = digest_bytes(b"");
            }
            entries.insert(escape(prefix), entry);
        }
        prefix.truncate(length_before);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_tree_has_modes_links_and_empty_directories() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("empty")).unwrap();
        fs::create_dir_all(root.join("hidden/kept")).unwrap();
        fs::write(root.join("hidden/kept/file"), "x").unwrap();
        fs::write(root.join("hidden/other"), "x").unwrap();
        fs::write(root.join("run"), "x").unwrap();
        fs::set_permissions(root.join("run"), fs::Permissions::from_mode(0o775)).unwrap();
        std::os::unix::fs::symlink("run", root.join("link")).unwrap();
        let rules = Rules::parse(b"hidden\n!hidden/kept\n").unwrap();
        insta::assert_json_snapshot!(read_tree(root, &rules).unwrap(), @r#"
        {
          "empty": {
            "kind": "directory"
          },
          "hidden": {
            "kind": "directory"
          },
          "hidden/kept": {
            "kind": "directory"
          },
          "hidden/kept/file": {
            "kind": "file",
            "mode": "644",
            "digest": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
          },
          "link": {
            "kind": "symlink",
            "target": "run"
          },
          "run": {
            "kind": "file",
            "mode": "755",
            "digest": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
          }
        }
        "#);
    }

    #[test]
    fn an_unreadable_entry_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            folder.path().join("pipe"),
            rustix::fs::Mode::RUSR,
        )
        .unwrap();
        assert!(read_tree(folder.path(), &Rules::default()).is_err());
    }
}
