//! Logs of `dev`: one file of the orchestrator, and one of each job, which its generator writes.

use crate::logs::log_line::LogLine;
use crate::logs::query::Query;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use xtask_aws_api::calls::logs::LogRecord;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_machine::orchestrator;

const POLL: Duration = Duration::from_millis(200);
/// How much of a file is read at once. A file may grow faster than it is read.
const CHUNK_BYTES: u64 = 256 * 1024;

/// As [`crate::logs::read`].
pub(super) fn read(
    context: &Context,
    query: &Query,
    mut on_line: impl FnMut(LogRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = orchestrator::dev_folder(context);
    if !folder.is_dir() {
        return Err(
            Failure::new(Code::Usage, "`dev` has never run in this checkout")
                .hint("cargo xtask dev")
                .into(),
        );
    }
    let mut tails = BTreeMap::new();
    let mut lines = Vec::new();
    read_new(&folder, &mut tails, |line| {
        lines.extend(Some(line).filter(|line| query.admits(line)));
        Ok(())
    })?;
    query
        .newest_of(lines)
        .into_iter()
        .try_for_each(&mut on_line)?;
    if !query.follow {
        return Ok(());
    }
    loop {
        interrupt::sleep(POLL)?;
        read_new(&folder, &mut tails, |line| match query.admits(&line) {
            true => on_line(line),
            false => Ok(()),
        })?;
    }
}

/// Hands over the lines that were written since the last call.
fn read_new(
    folder: &Path,
    tails: &mut BTreeMap<PathBuf, Tail>,
    mut on_line: impl FnMut(LogRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let api = folder.join(orchestrator::LOG);
    let mut found = vec![(api.clone(), "orchestrator")];
    for item in std::fs::read_dir(folder.join("logs")).into_iter().flatten() {
        let path = item?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let name = path.file_name();
            let is_preview =
                name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"preview-"));
            found.push((path, if is_preview { "preview" } else { "generator" }));
        }
    }
    for (path, source) in found {
        let tail = tails.entry(path.clone()).or_insert_with(|| Tail {
            source,
            offset: 0,
            time_ms: 0,
        });
        tail.read(&path, &mut on_line)
            .with_context(|| format!("failed to read {}", path.display()))?;
    }
    Ok(())
}

/// How far a file has been read: to the end of its last complete line.
struct Tail {
    source: &'static str,
    offset: u64,
    /// The time of the line before, for a line that does not name one.
    time_ms: i64,
}

impl Tail {
    fn read(
        &mut self,
        path: &Path,
        on_line: &mut impl FnMut(LogRecord) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Ok(mut file) = File::open(path) else {
            return Ok(());
        };
        let metadata = file.metadata()?;
        if metadata.len() < self.offset {
            // Another `dev` has begun the file again.
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
                // No line of ours is so long; it is handed over in pieces.
                None if bytes.len() as u64 == CHUNK_BYTES => bytes.len(),
                None => return Ok(()),
            };
            for line in bytes[..whole].split_inclusive(|&byte| byte == b'\n') {
                let raw = self.line(path, line);
                self.offset += line.len() as u64;
                on_line(raw)?;
            }
        }
    }

    fn line(&mut self, path: &Path, line: &[u8]) -> LogRecord {
        let name = |name: Option<&std::ffi::OsStr>| {
            name.map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let message = String::from_utf8_lossy(line);
        let message = message.trim_end_matches(['\n', '\r']).to_owned();
        if let Some(at) = LogLine::parse(&message).at {
            self.time_ms =
                i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(self.time_ms);
        }
        let stream = name(path.file_name());
        LogRecord {
            source: self.source.to_owned(),
            group: path
                .parent()
                .map_or_else(String::new, |folder| name(folder.file_name())),
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
            read_new(folder.path(), &mut tails, |line| {
                lines.push(line.message);
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
