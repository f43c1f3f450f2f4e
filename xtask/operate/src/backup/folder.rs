//! A backup in a folder of this machine. Nobody but its user reads it: it holds what users wrote.

use anyhow::{Context as _, bail, ensure};
use app_gen_saas_contract::backup::{Files, MANIFEST, Manifest, OBJECTS, Object, file_name};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_core::paths::remove_folder;
use xtask_core::report::Report;

/// Bytes of a file that are held at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// A line is a row: an event with its body, at most.
const LINE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Whether there is a whole backup in the folder.
#[must_use]
pub fn is_folder_of_backup(folder: &Path) -> bool {
    folder.join(MANIFEST).is_file()
}

/// Refuses a folder that exists.
///
/// # Errors
/// [`Code::Refused`].
pub(super) fn refuse_existing(folder: &Path) -> Result<(), Failure> {
    match folder.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => Err(Failure::new(
            Code::Refused,
            format!("{} exists already", folder.display()),
        )
        .hint("name a folder that does not exist: a backup is never mixed with something else")),
    }
}

/// Has the folder filled, checks what is in it, and gives it its name: there is a whole backup, or none.
///
/// # Errors
/// `fill` fails, or what it wrote is not what its manifest says.
pub(super) fn write(
    folder: &Path,
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut partial = folder.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // What an interrupted copy left.
    remove_folder(partial)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(partial)
        .with_context(|| format!("failed to create {}", partial.display()))?;
    let filled = fill(partial).and_then(|()| check(partial).map(|_| ()));
    let named = filled.and_then(|()| {
        fs::rename(partial, folder)
            .with_context(|| format!("failed to create {}", folder.display()))
    });
    if named.is_err() {
        // The first error is the one to report.
        let _ = remove_folder(partial);
    }
    named
}

/// The manifest of a folder, once everything in it is what the manifest says.
///
/// # Errors
/// Something is missing, or was changed.
pub(super) fn verified(folder: &Path, report: &Report) -> anyhow::Result<Vec<u8>> {
    report.step(&format!("check {}", folder.display()));
    check(folder).map_err(|error| {
        Failure::new(Code::Failed, format!("{error:#}; nothing was changed"))
            .hint("restore another backup: this one is not what was written")
            .into()
    })
}

fn check(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(MANIFEST);
    let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .with_context(|| format!("failed to read {}", path.display()))?;
    for (start, files) in manifest.lists() {
        check_lines(folder, &start, files)?;
    }
    let mut size_bytes = 0;
    for number in 1..=manifest.objects.files {
        let list = folder.join(file_name(OBJECTS, number));
        let mut lines = BufReader::new(File::open(&list)?);
        let mut line = Vec::new();
        while {
            line.clear();
            (&mut lines)
                .take(LINE_LIMIT_BYTES)
                .read_until(b'\n', &mut line)?
                > 0
        } {
            let object: Object = serde_json::from_slice(&line)
                .with_context(|| format!("failed to read {}", list.display()))?;
            check_object(folder, &object)?;
            size_bytes += object.size_bytes;
        }
    }
    ensure!(
        size_bytes == manifest.objects_bytes,
        "the backup in {} was changed: its objects have {size_bytes} bytes, not {}",
        folder.display(),
        manifest.objects_bytes
    );
    Ok(text)
}

fn check_lines(folder: &Path, start: &str, files: &Files) -> anyhow::Result<()> {
    let mut digest = Sha256::new();
    for number in 1..=files.files {
        add(&mut digest, &folder.join(file_name(start, number)))?;
    }
    ensure!(
        hexadecimal(&digest.finalize()) == files.sha256,
        "the backup in {} was changed: {start} does not have the digest of the manifest",
        folder.display()
    );
    Ok(())
}

fn check_object(folder: &Path, object: &Object) -> anyhow::Result<()> {
    let name = &object.name;
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    ensure!(
        name.split('/').all(is_plain),
        "the backup in {} was changed: it has an object {name:?}",
        folder.display()
    );
    let path = folder.join(OBJECTS).join(name);
    let mut digest = Sha256::new();
    let size_bytes = add(&mut digest, &path)?;
    ensure!(
        size_bytes == object.size_bytes && hexadecimal(&digest.finalize()) == object.sha256,
        "the backup in {} was changed: {name} is not what the list says",
        folder.display()
    );
    Ok(())
}

/// Adds the bytes of a file, and returns how many.
fn add(digest: &mut Sha256, path: &Path) -> anyhow::Result<u64> {
    let unread = || format!("failed to read {}", path.display());
    let mut file = File::open(path).with_context(unread)?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut size_bytes = 0;
    loop {
        if interrupt::requested() {
            bail!("interrupted");
        }
        let read = file.read(&mut piece).with_context(unread)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(size_bytes);
        };
        digest.update(bytes);
        size_bytes += read as u64;
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use xtask_core::digest::digest_bytes;

    /// A backup with one table and one object.
    fn backup(folder: &Path) {
        let row = "{\"id\":\"1\"}\n";
        let object = Object {
            name: "jobs/1/app.zip".to_owned(),
            size_bytes: 2,
            sha256: digest_bytes(b"PK"),
        };
        let objects = format!("{}\n", serde_json::to_string(&object).unwrap());
        let files = |text: &str| Files {
            count: 1,
            files: 1,
            sha256: digest_bytes(text.as_bytes()),
        };
        let manifest = Manifest {
            form: 1,
            id: "first".to_owned(),
            at: 0,
            version: "0.0.0".to_owned(),
            schema: 1,
            tables: BTreeMap::from([("jobs".to_owned(), files(row))]),
            objects: files(&objects),
            objects_bytes: 2,
            missing: 0,
        };
        fs::create_dir_all(folder.join("tables")).unwrap();
        fs::create_dir_all(folder.join("objects/jobs/1")).unwrap();
        fs::write(folder.join("tables/jobs-000001.jsonl"), row).unwrap();
        fs::write(folder.join("objects-000001.jsonl"), objects).unwrap();
        fs::write(folder.join("objects/jobs/1/app.zip"), "PK").unwrap();
        fs::write(
            folder.join(MANIFEST),
            serde_json::to_vec(&manifest).unwrap(),
        )
        .unwrap();
    }

    #[test]
    fn a_folder_is_written_whole_or_not_at_all() {
        let here = tempfile::tempdir().unwrap();
        let folder = here.path().join("a/b");
        write(&folder, |partial| {
            backup(partial);
            Ok(())
        })
        .unwrap();
        assert!(is_folder_of_backup(&folder));
        assert!(refuse_existing(&folder).is_err());
        let other = here.path().join("other");
        let broken = write(&other, |partial| {
            backup(partial);
            fs::write(partial.join("objects/jobs/1/app.zip"), "KP")?;
            Ok(())
        });
        assert!(broken.unwrap_err().to_string().contains("jobs/1/app.zip"));
        let left: Vec<_> = fs::read_dir(here.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn what_was_changed_is_found() {
        let here = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("tables/jobs-000001.jsonl", "{\"id\":\"2\"}\n"),
            ("objects/jobs/1/app.zip", "PKK"),
            ("objects-000001.jsonl", "{}\n"),
            (MANIFEST, "{}"),
        ] {
            let folder = here.path().join(file.replace('/', "-"));
            backup(&folder);
            assert!(check(&folder).is_ok());
            fs::write(folder.join(file), text).unwrap();
            assert!(check(&folder).is_err(), "{file}");
            fs::remove_file(folder.join(file)).unwrap();
            assert!(check(&folder).is_err(), "{file}");
        }
    }
}
