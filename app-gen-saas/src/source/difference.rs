//! What differs between two versions, file by file.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};
use utoipa::ToSchema;

use crate::source::{MAX_SHOWN_BYTES, Source, language, text};

/// Maximum number of bytes of all patches. Files beyond that are named without one.
const MAX_PATCH_BYTES: usize = 1024 * 1024;
/// Maximum number of files.
const MAX_FILES: usize = 1_000;
/// How long lines are compared for the shortest patch; after that, a longer one will do.
const COMPARE_TIME: Duration = Duration::from_secs(3);
/// Lines before and after each change.
const CONTEXT_LINES: usize = 3;
/// Bytes that are compared at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The earlier version does not have it.
    Added,
    /// The later version does not have it.
    Removed,
    /// Both have it, with other content.
    Changed,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileDifference {
    /// Its path, with slashes.
    path: String,
    /// What happened to it.
    change: Change,
    /// The language that it is written in, by its name: `typescript` for example.
    #[schema(required)]
    language: Option<&'static str>,
    /// Lines that the later version has, and the earlier one has not.
    added_lines: usize,
    /// Lines that the earlier version has, and the later one has not.
    removed_lines: usize,
    /// The hunks of a unified diff; null if it is no text, or too long to be shown.
    #[schema(required)]
    patch: Option<String>,
}

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// Sorted by path.
    files: Vec<FileDifference>,
    /// Whether more files differ than are listed.
    truncated: bool,
}

/// Compares the files of two versions.
///
/// # Errors
/// A zip file is damaged.
pub fn difference(earlier: &mut Source, later: &mut Source) -> Result<Difference> {
    let end = Instant::now() + COMPARE_TIME;
    let paths: BTreeSet<String> = earlier
        .files
        .keys()
        .chain(later.files.keys())
        .cloned()
        .collect();
    let (mut files, mut bytes) = (Vec::new(), 0);
    for path in paths {
        let (before, after) = (earlier.files.get(&path), later.files.get(&path));
        let change = match (before.copied(), after.copied()) {
            (Some(before), Some(after)) if same(earlier, before, later, after)? => continue,
            (Some(_), Some(_)) => Change::Changed,
            (Some(_), None) => Change::Removed,
            (None, _) => Change::Added,
        };
        if files.len() == MAX_FILES {
            return Ok(Difference {
                files,
                truncated: true,
            });
        }
        let mut file = FileDifference {
            language: language::of(&path),
            change,
            added_lines: 0,
            removed_lines: 0,
            patch: None,
            path,
        };
        let before = whole_text(earlier, &file.path)?;
        let after = whole_text(later, &file.path)?;
        if let (Some(before), Some(after)) = (before, after) {
            compare(&before, &after, end, &mut file);
        }
        bytes += file.patch.as_ref().map_or(0, String::len);
        if bytes > MAX_PATCH_BYTES {
            file.patch = None;
        }
        files.push(file);
    }
    Ok(Difference {
        files,
        truncated: false,
    })
}

fn compare(before: &str, after: &str, end: Instant, file: &mut FileDifference) {
    let diff = TextDiff::configure()
        .deadline(end)
        .diff_lines(before, after);
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => file.added_lines += 1,
            ChangeTag::Delete => file.removed_lines += 1,
            ChangeTag::Equal => {}
        }
    }
    let patch = diff
        .unified_diff()
        .context_radius(CONTEXT_LINES)
        .to_string();
    file.patch = Some(patch);
}

/// The text of a file that is text and short enough to be shown whole; of one that is not there, nothing.
fn whole_text(source: &mut Source, path: &str) -> Result<Option<String>> {
    let Some(index) = source.files.get(path).copied() else {
        return Ok(Some(String::new()));
    };
    if source.archive.by_index(index)?.size() > MAX_SHOWN_BYTES {
        return Ok(None);
    }
    Ok(text(source.beginning(index)?))
}

/// Whether two files have the same content.
fn same(earlier: &mut Source, before: usize, later: &mut Source, after: usize) -> Result<bool> {
    let before = earlier.archive.by_index(before)?;
    let after = later.archive.by_index(after)?;
    let size = before.size();
    if size != after.size() {
        return Ok(false);
    }
    // Never more than the directory of the zip file says, which is bounded.
    let (mut before, mut after) = (before.take(size), after.take(size));
    let (mut left, mut right) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    loop {
        let (left_length, right_length) =
            (fill(&mut before, &mut left)?, fill(&mut after, &mut right)?);
        if left[..left_length] != right[..right_length] {
            return Ok(false);
        }
        if left_length < CHUNK_BYTES {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or nothing is left.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::source;

    #[test]
    fn files_are_added_removed_and_changed() {
        let mut earlier = source(&[
            ("a.ts", b"one\ntwo\nthree\n"),
            ("gone.txt", b"x\n"),
            ("logo.png", b"\0one"),
            ("same.txt", b"same\n"),
        ]);
        let mut later = source(&[
            ("a.ts", b"one\n2\nthree\n"),
            ("logo.png", b"\0two"),
            ("new.txt", b"no newline"),
            ("same.txt", b"same\n"),
        ]);
        let found = difference(&mut earlier, &mut later).unwrap();
        let facts: Vec<_> = found
            .files
            .iter()
            .map(|file| {
                let lines = (file.added_lines, file.removed_lines);
                (&*file.path, file.change, lines, file.patch.as_deref())
            })
            .collect();
        assert_eq!(
            facts,
            [
                (
                    "a.ts",
                    Change::Changed,
                    (1, 1),
                    Some("@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")
                ),
                (
                    "gone.txt",
                    Change::Removed,
                    (0, 1),
                    Some("@@ -1 +0,0 @@\n-x\n")
                ),
                ("logo.png", Change::Changed, (0, 0), None),
                (
                    "new.txt",
                    Change::Added,
                    (1, 0),
                    Some("@@ -0,0 +1 @@\n+no newline\n\\ No newline at end of file\n")
                ),
            ]
        );
        assert!(!found.truncated);
    }

    #[test]
    fn what_is_long_is_named_without_a_patch() {
        let long = vec![b'x'; 600 * 1024];
        let mut longer = long.clone();
        longer.push(b'y');
        let mut earlier = source(&[("long.txt", &long), ("z.txt", b"a\n")]);
        let mut later = source(&[("long.txt", &longer), ("z.txt", b"b\n")]);
        let found = difference(&mut earlier, &mut later).unwrap();
        let patches: Vec<_> = found
            .files
            .iter()
            .map(|file| file.patch.is_some())
            .collect();
        assert_eq!(patches, [false, true]);
    }

    #[test]
    fn the_list_has_an_end() {
        let names: Vec<String> = (0..1_100).map(|number| format!("{number:05}")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"x\n"[..])).collect();
        let found = difference(&mut source(&[]), &mut source(&files)).unwrap();
        assert_eq!((found.files.len(), found.truncated), (1_000, true));
    }
}
