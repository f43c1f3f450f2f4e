//! `.dockerignore` in Docker's own semantics.
//!
//! The reference is `moby/patternmatcher` as BuildKit's file walk uses it: a
//! pattern that matched a directory also holds for what is below it, decided
//! pattern by pattern ([`Rules::matches`] takes and returns those results).

use regex::bytes::Regex;

/// The patterns of one ignore file.
#[derive(Debug, Default)]
pub struct Rules {
    patterns: Vec<Pattern>,
}

/// Per pattern, whether it matched a path or one of its parents.
#[derive(Debug, Clone, Default)]
pub struct Matches {
    /// Whether the path is ignored.
    pub ignored: bool,
    by_pattern: Vec<bool>,
}

#[derive(Debug)]
struct Pattern {
    text: Vec<u8>,
    /// It began with `!`.
    is_exception: bool,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Exact,
    /// `a/**`: all that begins with the pattern less its stars.
    Prefix,
    /// `**/a`: all that ends with the pattern less its stars.
    Suffix,
    Regex(Regex),
}

/// A pattern that Docker refuses too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern `{pattern}` is malformed: {reason}")]
pub struct PatternError {
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Rules {
    /// Parses the bytes of an ignore file.
    ///
    /// # Errors
    /// A pattern is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, PatternError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut patterns = Vec::new();
        for line in bytes.split(|&byte| byte == b'\n') {
            // Only the first column makes a comment.
            if line.starts_with(b"#") {
                continue;
            }
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            patterns.push(Pattern::parse(line)?);
        }
        Ok(Self { patterns })
    }

    /// Whether `path` (relative, `/`-separated) is ignored, given the result of
    /// its parent directory (default for the top level).
    ///
    /// # Errors
    /// None yet: a malformed pattern is found when it is parsed.
    pub fn matches(&self, path: &[u8], parent: &Matches) -> Result<Matches, PatternError> {
        let mut result = Matches {
            ignored: false,
            by_pattern: vec![false; self.patterns.len()],
        };
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.by_pattern.get(index).copied().unwrap_or(false);
            // A pattern that could not change the verdict is not even tried, so
            // that what is below does not inherit it either.
            let matched =
                inherited || (pattern.is_exception == result.ignored && pattern.matches(path));
            result.by_pattern[index] = matched;
            if matched {
                result.ignored = !pattern.is_exception;
            }
        }
        Ok(result)
    }

    /// Whether something below an ignored directory may still be kept.
    #[must_use]
    pub fn may_keep_below(&self, _directory: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }
}

impl Pattern {
    fn parse(line: &[u8]) -> Result<Self, PatternError> {
        let fail = |reason: &str| PatternError {
            pattern: String::from_utf8_lossy(line).into_owned(),
            reason: reason.to_owned(),
        };
        let (is_exception, text) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest.trim_ascii()),
            None => (false, line),
        };
        if text.is_empty() {
            return Err(fail("an exception without a pattern"));
        }
        let mut text = clean(text);
        if text.len() > 1 && text[0] == b'/' {
            text.remove(0);
        }
        check_syntax(&text).map_err(fail)?;
        let matcher = compile(&text).map_err(|error| fail(&error))?;
        Ok(Self {
            text,
            is_exception,
            matcher,
        })
    }

    fn matches(&self, path: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text,
            Matcher::Prefix => path.starts_with(&self.text[..self.text.len() - 2]),
            Matcher::Suffix => {
                let suffix = &self.text[2..];
                path.ends_with(suffix) || suffix.strip_prefix(b"/").is_some_and(|rest| path == rest)
            }
            Matcher::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Go's `path.Clean`: no empty or `.` elements, `..` resolved where it can be.
fn clean(path: &[u8]) -> Vec<u8> {
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

/// What Go's `filepath.Match` refuses: Docker asks it before compiling.
fn check_syntax(pattern: &[u8]) -> Result<(), &'static str> {
    const UNCLOSED: &str = "a character class is not closed";
    let mut rest = pattern;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'\\' => rest = rest.get(1..).ok_or("it ends with a backslash")?,
            b'[' => {
                rest = rest.strip_prefix(b"^").unwrap_or(rest);
                let mut ranges = 0;
                loop {
                    if ranges > 0
                        && let Some(tail) = rest.strip_prefix(b"]")
                    {
                        rest = tail;
                        break;
                    }
                    rest = class_character(rest)?;
                    if let Some(tail) = rest.strip_prefix(b"-") {
                        rest = class_character(tail)?;
                    }
                    ranges += 1;
                    if rest.is_empty() {
                        return Err(UNCLOSED);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn class_character(rest: &[u8]) -> Result<&[u8], &'static str> {
    let (&first, tail) = rest
        .split_first()
        .ok_or("a character class is not closed")?;
    match first {
        b'-' | b']' => Err("a character class has an empty range"),
        b'\\' => tail.get(1..).ok_or("it ends with a backslash"),
        _ => Ok(tail),
    }
}

fn compile(pattern: &[u8]) -> Result<Matcher, String> {
    let mut regex = String::from("(?s-u)^");
    let mut matcher = Matcher::Exact;
    let mut needs_regex = false;
    let mut position = 0;
    let mut elements = 0;
    while position < pattern.len() {
        let byte = pattern[position];
        position += 1;
        match byte {
            b'*' if pattern.get(position) == Some(&b'*') => {
                position += 1;
                // `**/` is `**`: the slash is part of what it matches.
                if pattern.get(position) == Some(&b'/') {
                    position += 1;
                }
                if position == pattern.len() {
                    if matches!(matcher, Matcher::Exact) && !needs_regex {
                        matcher = Matcher::Prefix;
                    } else {
                        regex.push_str(".*");
                        needs_regex = true;
                    }
                } else {
                    regex.push_str("(.*/)?");
                    needs_regex = true;
                }
                if elements == 0 {
                    matcher = Matcher::Suffix;
                    needs_regex = false;
                }
            }
            b'*' => {
                regex.push_str("[^/]*");
                needs_regex = true;
            }
            b'?' => {
                regex.push_str("[^/]");
                needs_regex = true;
            }
            b'\\' if position < pattern.len() => {
                push_literal(&mut regex, pattern[position]);
                position += 1;
                needs_regex = true;
            }
            b'[' | b']' => {
                regex.push(char::from(byte));
                needs_regex = true;
            }
            b'^' | b'-' => regex.push(char::from(byte)),
            _ => push_literal(&mut regex, byte),
        }
        elements += 1;
    }
    if !needs_regex {
        return Ok(matcher);
    }
    regex.push('$');
    Regex::new(&regex)
        .map(Matcher::Regex)
        .map_err(|_| "it is not a pattern".to_owned())
}

fn push_literal(regex: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'_' {
        regex.push(char::from(byte));
    } else {
        regex.push_str(&format!("\\x{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the paths are ignored, parents decided first as the walk does.
    fn ignored(file: &str, paths: &[&str]) -> Vec<bool> {
        let rules = Rules::parse(file.as_bytes()).unwrap();
        paths
            .iter()
            .map(|path| {
                let mut matches = Matches::default();
                for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
                    matches = rules.matches(&path.as_bytes()[..end], &matches).unwrap();
                }
                matches.ignored
            })
            .collect()
    }

    #[test]
    fn inheritance_is_per_pattern() {
        assert_eq!(ignored("**/*.log\n!logs", &["logs/a.log"]), [true]);
        assert_eq!(ignored("**/*.log\n!logs/**", &["logs/a.log"]), [false]);
        assert_eq!(ignored("d/f\n!d", &["d", "d/f"]), [false, true]);
        // The second `d` is not tried on `d`, which is ignored already: Docker keeps `d/a`.
        assert_eq!(ignored("d\n!d/a\nd", &["d/a", "d/b"]), [false, true]);
    }

    #[test]
    fn star_star_and_friends() {
        assert_eq!(
            ignored("*\n!keep/**\n", &["x", "keep/y/z", "other/k"]),
            [true, false, true]
        );
        assert_eq!(
            ignored(
                "**/node_modules",
                &["node_modules/a", "b/node_modules", "nodes"]
            ),
            [true, true, false]
        );
        assert_eq!(
            ignored("a/**", &["a/b", "ab", "a/b/c"]),
            [true, false, true]
        );
        assert_eq!(
            ignored("/x/../y?z\n[^b]at", &["y1z", "cat", "bat"]),
            [true, true, false]
        );
    }

    #[test]
    fn comments_marks_and_blanks() {
        assert_eq!(
            ignored("\u{feff}a  \r\n#b\n #c\n", &["a", "#b", "#c"]),
            [true, false, true]
        );
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["!", "[a", "a[]", "\\", "[a-]", "[-a]"] {
            assert!(Rules::parse(pattern.as_bytes()).is_err(), "{pattern}");
        }
    }
}
