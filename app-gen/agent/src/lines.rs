//! Lines of bytes, within a bound.

/// Longest line that is read. The longest of Claude Code holds a file of the application twice, those of
/// Codex 1 MiB of a command's output.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// What is kept of a longer one.
const START_BYTES: usize = 2_000;

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// One that was too long.
    TooLong {
        /// Its beginning.
        start: Vec<u8>,
        /// Its length.
        bytes: u64,
    },
}

/// Cuts what arrives into lines. It never holds more than one line of the greatest length.
#[derive(Debug)]
pub struct Lines {
    line: Vec<u8>,
    max_bytes: usize,
    /// Length of a line that is too long, of which `line` is the beginning.
    too_long: Option<u64>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(MAX_LINE_BYTES)
    }
}

impl Lines {
    /// Lines of at most `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            max_bytes,
            too_long: None,
        }
    }

    /// Takes the next bytes and gives the lines that end in them. Empty lines are none.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        // There is always one: what comes after the last end, or everything.
        let rest = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.append(piece);
            lines.extend(self.end());
        }
        self.append(rest);
        lines
    }

    /// What came after the last end of a line: a line that somebody who was killed began.
    pub fn end(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.line);
        match self.too_long.take() {
            Some(bytes) => Some(Line::TooLong { start: line, bytes }),
            None if line.trim_ascii().is_empty() => None,
            None => Some(Line::Whole(line)),
        }
    }

    fn append(&mut self, piece: &[u8]) {
        if let Some(bytes) = &mut self.too_long {
            *bytes += piece.len() as u64;
        } else if self.line.len() + piece.len() > self.max_bytes {
            self.too_long = Some((self.line.len() + piece.len()) as u64);
            let missing = START_BYTES.saturating_sub(self.line.len());
            self.line
                .extend_from_slice(&piece[..missing.min(piece.len())]);
            self.line.truncate(START_BYTES);
            self.line.shrink_to_fit();
        } else {
            self.line.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn bytes_become_lines_wherever_they_are_cut() {
        let bytes = b"one\n\ntwo\r\nthree";
        for cut in 0..bytes.len() {
            let mut lines = Lines::new(100);
            let mut all = lines.push(&bytes[..cut]);
            all.extend(lines.push(&bytes[cut..]));
            assert_eq!(all, [whole("one"), whole("two\r")]);
            assert_eq!(lines.end(), Some(whole("three")));
            assert_eq!(lines.end(), None);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_named_and_the_next_one_read() {
        let mut lines = Lines::new(3_000);
        let mut all = Vec::new();
        for _ in 0..100 {
            all.extend(lines.push(&[b'x'; 1_000]));
            assert!(lines.line.len() <= 3_000);
        }
        all.extend(lines.push(b"\nnext\n"));
        let start = vec![b'x'; START_BYTES];
        let bytes = 100_000;
        assert_eq!(all, [Line::TooLong { start, bytes }, whole("next")]);
    }
}
