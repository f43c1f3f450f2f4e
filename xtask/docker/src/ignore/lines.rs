//! Reads the lines of an ignore file as `ignorefile.ReadAll` of `moby/patternmatcher` does.

use crate::ignore::error::PatternError;

/// Where Go's `bufio.Scanner` gives up.
const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// A line that holds a pattern.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Trimmed and cleaned, perhaps with a `!` before it.
    pub pattern: Vec<u8>,
}

impl Line {
    /// The error that refuses it.
    pub(super) fn error(&self, reason: &str) -> PatternError {
        let pattern = String::from_utf8_lossy(&self.pattern);
        PatternError::new(self.number, &pattern, reason)
    }
}

/// The patterns of a file, in order.
///
/// # Errors
/// A line is too long, or Docker's client cannot send it to the engine.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Line>, PatternError> {
    let mut lines = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        if line.len() >= LINE_LIMIT_BYTES {
            let beginning = String::from_utf8_lossy(&line[..32]);
            let reason = "Docker does not read a line of 64 KiB or more";
            return Err(PatternError::new(number, &format!("{beginning}…"), reason));
        }
        let byte_order_mark = if index == 0 { "\u{feff}" } else { "" };
        let line = line
            .strip_prefix(byte_order_mark.as_bytes())
            .unwrap_or(line);
        // A comment begins in the first column.
        if line.starts_with(b"#") {
            continue;
        }
        let pattern = match trim(line) {
            [] => continue,
            [b'!', rest @ ..] => [b"!", relative(trim(rest)).as_slice()].concat(),
            line => relative(line),
        };
        lines.push(Line { number, pattern });
    }
    check_sendable(&lines)?;
    Ok(lines)
}

/// Docker's client sends the patterns in a header. Where one of them is not ASCII, it encodes all
/// of them; otherwise it sends them as they are, and a header cannot hold control characters.
fn check_sendable(lines: &[Line]) -> Result<(), PatternError> {
    if lines.iter().any(|line| !line.pattern.is_ascii()) {
        return Ok(());
    }
    match lines
        .iter()
        .find(|line| line.pattern.iter().any(u8::is_ascii_control))
    {
        None => Ok(()),
        Some(line) => Err(line.error("Docker cannot send a control character")),
    }
}

/// Cleans a pattern, and removes the slash that means the root of the context.
fn relative(pattern: &[u8]) -> Vec<u8> {
    if pattern.is_empty() {
        return Vec::new();
    }
    let mut pattern = clean(pattern);
    if pattern.len() > 1 && pattern[0] == b'/' {
        pattern.remove(0);
    }
    pattern
}

/// As Go's `strings.TrimSpace`: removes all that Unicode calls white space.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    if let Some(first) = bytes.utf8_chunks().next() {
        let blank = first.valid().len() - first.valid().trim_start().len();
        bytes = &bytes[blank..];
    }
    if let Some(last) = bytes.utf8_chunks().last()
        && last.invalid().is_empty()
    {
        let blank = last.valid().len() - last.valid().trim_end().len();
        bytes = &bytes[..bytes.len() - blank];
    }
    bytes
}

/// As Go's `path.Clean`: removes empty and `.` elements, and resolves `..` where possible.
pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    // Most patterns are one name, and ignore files can have many lines.
    if !path.contains(&b'/') {
        return path.to_vec();
    }
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(&last) if last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            _ => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    if rooted {
        [b"/", joined.as_slice()].concat()
    } else if joined.is_empty() {
        b".".to_vec()
    } else {
        joined
    }
}
