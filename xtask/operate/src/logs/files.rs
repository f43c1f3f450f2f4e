//! Logs of `dev`: the API's file, and one for each job, which its generator writes.

use crate::logs::log_line::Record;
use crate::logs::{Entry, Wanted, newest};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_machine::orchestrator;

const POLL: Duration = Duration::from_millis(200);
/// Held at once of a file that grows faster than it is read.
const CHUNK_BYTES: u64 = 256 * 1024;

/// As [`crate::logs::read`].
pub(super) fn read(
    context: &Context,
    wanted: &Wanted,
    mut on_entry: impl FnMut(Entry) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = orchestrator::dev_folder(context);
    if !folder.is_dir() {
        return Err(Failure::new(Code::Usage, "dev never ran in this checkout")
            .hint("cargo xtask dev")
            .into());
    }
    let mut tails = BTreeMap::new();
    let mut entries = Vec::new();
    grown(&folder, &mut tails, |entry| {
        entries.extend(Some(entry).filter(|entry| wanted.admits(entry)));
        Ok(())
    })?;
    newest(entries, wanted)
        .into_iter()
        .try_for_each(&mut on_entry)?;
    if !wanted.follow {
        return Ok(());
    }
    loop {
        interrupt::sleep(POLL)?;
        grown(&folder, &mut tails, |entry| match wanted.admits(&entry) {
            true => on_entry(entry),
            false => Ok(()),
        })?;
    }
}

/// Hands over what came to the files since the last time.
fn grown(
    folder: &Path,
    tails: &mut BTreeMap<PathBuf, Tail>,
    mut on_entry: impl FnMut(Entry) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let api = folder.join(orchestrator::LOG);
    let mut found = vec![(api.clone(), "orchestrator")];
    for item in std::fs::read_dir(folder.join("logs")).into_iter().flatten() {
        let path = item?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            found.push((path, "generator"));
        }
    }
    for (path, source) in found {
        let tail = tails.entry(path.clone()).or_insert_with(|| Tail {
            source,
            offset: 0,
            time_ms: 0,
        });
        tail.read(&path, &mut on_entry)
            .with_context(|| format!("failed to read {}", path.display()))?;
    }
    Ok(())
}

/// How far a file was read: to the end of its last whole line.
struct Tail {
    source: &'static str,
    offset: u64,
    /// Of the line before, for one that says no time.
    time_ms: i64,
}

impl Tail {
    fn read(
        &mut self,
        path: &Path,
        on_entry: &mut impl FnMut(Entry) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Ok(mut file) = File::open(path) else {
            return Ok(());
        };
        let metadata = file.metadata()?;
        if metadata.len() < self.offset {
            // Another `dev` began it anew.
            self.offset = 0;
        }
        if self.time_ms == 0 {
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH)?;
            self.time_ms = i64::try_from(modified.as_millis())?;
        }
        loop {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(self.offset))?;
            (&mut file).take(CHUNK_BYTES).read_to_end(&mut bytes)?;
            let whole = match bytes.iter().rposition(|&byte| byte == b'\n') {
                Some(end) => end + 1,
                // Longer than any line of ours.
                None if bytes.len() as u64 == CHUNK_BYTES => bytes.len(),
                None => return Ok(()),
            };
            for line in bytes[..whole].split_inclusive(|&byte| byte == b'\n') {
                let entry = self.entry(path, line);
                self.offset += line.len() as u64;
                on_entry(entry)?;
            }
        }
    }

    fn entry(&mut self, path: &Path, line: &[u8]) -> Entry {
        let name = |name: Option<&std::ffi::OsStr>| {
            name.map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let message = String::from_utf8_lossy(line);
        let message = message.trim_end_matches(['\n', '\r']).to_owned();
        if let Some(at) = Record::parse(&message).at {
            self.time_ms =
                i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(self.time_ms);
        }
        let stream = name(path.file_name());
        Entry {
            source: self.source.to_owned(),
            group: path.parent().map(|folder| name(folder.file_name())),
            task: None,
            id: format!("{stream}:{}", self.offset),
            stream,
            time_ms: self.time_ms,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_file_that_grows_is_read_by_whole_lines_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(orchestrator::LOG);
        let mut file = File::create(&path).unwrap();
        let mut tails = BTreeMap::new();
        let mut read = || {
            let mut lines = Vec::new();
            grown(folder.path(), &mut tails, |entry| {
                lines.push(entry.message);
                Ok(())
            })
            .unwrap();
            lines
        };
        write!(file, "one\ntw").unwrap();
        assert_eq!(read(), ["one"]);
        assert_eq!(read(), Vec::<String>::new());
        writeln!(file, "o\r\nthree").unwrap();
        assert_eq!(read(), ["two", "three"]);
        let many: String = (0..100_000).map(|line| format!("{line}\n")).collect();
        file.write_all(many.as_bytes()).unwrap();
        assert_eq!(read().len(), 100_000);
        std::fs::write(&path, "anew\n").unwrap();
        assert_eq!(read(), ["anew"]);
    }
}
