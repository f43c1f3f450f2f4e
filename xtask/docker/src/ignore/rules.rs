//! The rules of an ignore file, applied to one path after the other.

use crate::ignore::candidate::Candidate;
use crate::ignore::error::PatternError;
use crate::ignore::lines;
use crate::ignore::pattern::Pattern;

/// The patterns of one ignore file.
#[derive(Debug, Default)]
pub struct Rules {
    patterns: Vec<Pattern>,
    exceptions: Exceptions,
}

/// Where the exceptions of an ignore file may reach.
#[derive(Debug, Default)]
enum Exceptions {
    #[default]
    None,
    /// Only to these paths and below them; sorted, each with a slash at its end.
    Below(Vec<Vec<u8>>),
    Anywhere,
}

/// What the patterns say about a path, and what of it holds for what is below.
#[derive(Debug, Clone, Default)]
pub struct Matches {
    /// Whether the path is ignored.
    pub ignored: bool,
    /// Whether a file that is not ignored arrives empty all the same.
    ///
    /// Docker decides twice. Its walk does not try a pattern that could not change
    /// the verdict, and forgets that pattern for all that is below; when a file is
    /// opened, the last pattern that matches it or a directory above it decides. Of
    /// `d`, `!d/a`, `d` the walk keeps `d/a`, and opening it finds it ignored: the
    /// image has an empty `d/a`.
    pub emptied: bool,
    /// Patterns, by index, that the walk found to match the path or a directory above it.
    found: Vec<usize>,
    /// Patterns, by index, that match too but that the walk did not try.
    overlooked: Vec<usize>,
}

impl Rules {
    /// Parses the bytes of an ignore file.
    ///
    /// # Errors
    /// A pattern is malformed in a way that Docker notices before it tries any.
    pub fn parse(bytes: &[u8]) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for line in lines::read(bytes)? {
            patterns.extend(Pattern::parse(&line)?);
        }
        let exceptions = Exceptions::of(&patterns);
        Ok(Self {
            patterns,
            exceptions,
        })
    }

    /// Whether `path` (relative, `/`-separated) is ignored, given the result of
    /// its parent directory (default for the top level).
    ///
    /// # Errors
    /// A pattern is malformed in a way that Docker notices only when it tries it.
    pub fn matches(&self, path: &[u8], parent: &Matches) -> Result<Matches, PatternError> {
        let path = Candidate::new(path);
        let has_exceptions = !matches!(self.exceptions, Exceptions::None);
        let mut result = Matches::default();
        let mut found_above = parent.found.iter().peekable();
        let mut overlooked_above = parent.overlooked.iter().peekable();
        for (index, pattern) in self.patterns.iter().enumerate() {
            let was_found = found_above.next_if_eq(&&index).is_some();
            let was_overlooked = overlooked_above.next_if_eq(&&index).is_some();
            let is_tried = pattern.is_exception() == result.ignored;
            if was_found || (is_tried && pattern.matches(&path)?) {
                result.ignored = !pattern.is_exception();
                result.found.push(index);
            } else if has_exceptions
                && (was_overlooked || (!is_tried && pattern.matches(&path).unwrap_or(false)))
            {
                result.overlooked.push(index);
            }
        }
        result.emptied = !result.ignored
            && result.overlooked.last() > result.found.last()
            && result
                .overlooked
                .last()
                .is_some_and(|&last| !self.patterns[last].is_exception());
        Ok(result)
    }

    /// Whether something below an ignored directory may still be wanted. Docker
    /// does not look into it otherwise.
    #[must_use]
    pub fn may_keep_below(&self, directory: &[u8]) -> bool {
        match &self.exceptions {
            Exceptions::None => false,
            Exceptions::Anywhere => true,
            Exceptions::Below(paths) => {
                let directory = [directory, b"/"].concat();
                let next = paths.partition_point(|path| *path < directory);
                paths
                    .get(next)
                    .is_some_and(|path| path.starts_with(&directory))
            }
        }
    }
}

impl Exceptions {
    fn of(patterns: &[Pattern]) -> Self {
        let mut paths = Vec::new();
        for pattern in patterns.iter().filter(|pattern| pattern.is_exception()) {
            let path = pattern.without_trailing_stars();
            if path.contains(['*', '[', ']', '?', '^', '\\']) {
                return Self::Anywhere;
            }
            paths.push(format!("{path}/").into_bytes());
        }
        if paths.is_empty() {
            return Self::None;
        }
        paths.sort_unstable();
        Self::Below(paths)
    }
}
