//! One pattern, as `moby/patternmatcher` reads and matches it.

use crate::ignore::PatternError;
use crate::ignore::lines::{Line, clean, trim};
use crate::ignore::regexp::Regexp;
use crate::ignore::syntax;
use std::cell::OnceCell;

/// One pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Without the `!` of an exception.
    text: Box<str>,
    line: usize,
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
    Regexp(Regexp),
    /// Docker compiles a pattern when it first tries it, and only then finds this.
    Malformed(&'static str),
}

/// A path against which patterns are tried.
pub(super) struct Candidate<'path> {
    pub bytes: &'path [u8],
    characters: OnceCell<Vec<char>>,
}

impl<'path> Candidate<'path> {
    pub(super) fn new(bytes: &'path [u8]) -> Self {
        Self {
            bytes,
            characters: OnceCell::new(),
        }
    }

    /// As a regular expression of Go sees it: each byte that is not UTF-8 is U+FFFD.
    pub(super) fn characters(&self) -> &[char] {
        self.characters.get_or_init(|| decode(self.bytes).collect())
    }
}

impl Pattern {
    /// Nothing where the line holds none after all.
    pub(super) fn parse(line: &Line) -> Result<Option<Self>, PatternError> {
        // Docker cleans a second time, and this time the `!` is part of a name:
        // `!../../a` ends up as `a`, and `./!a` as an exception.
        let trimmed = trim(&line.pattern);
        if trimmed.is_empty() {
            return Ok(None);
        }
        let cleaned = clean(trimmed);
        let (is_exception, text) = match cleaned.strip_prefix(b"!") {
            Some([]) => return Err(line.error("an exception without a pattern")),
            Some(rest) => (true, rest),
            None => (false, cleaned.as_slice()),
        };
        syntax::check(text).map_err(|reason| line.error(reason))?;
        // The way to the client, which matches, is JSON: no other bytes survive it.
        let text: Box<str> = decode(text).collect();
        let matcher = Matcher::of(&text).unwrap_or_else(Matcher::Malformed);
        Ok(Some(Self {
            text,
            line: line.number,
            is_exception,
            matcher,
        }))
    }

    /// It began with `!`.
    pub(super) fn is_exception(&self) -> bool {
        self.is_exception
    }

    /// The path itself, not what is above it.
    pub(super) fn matches(&self, path: &Candidate) -> Result<bool, PatternError> {
        let text = self.text.as_bytes();
        Ok(match &self.matcher {
            Matcher::Exact => path.bytes == text,
            Matcher::Prefix => path.bytes.starts_with(&text[..text.len() - 2]),
            Matcher::Suffix => {
                let suffix = &text[2..];
                path.bytes.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path.bytes)
            }
            Matcher::Regexp(regexp) => regexp.matches(path),
            Matcher::Malformed(reason) => {
                let mark = if self.is_exception { "!" } else { "" };
                return Err(PatternError::new(
                    self.line,
                    &format!("{mark}{}", self.text),
                    reason,
                ));
            }
        })
    }

    /// What all paths that an exception without other wildcards can keep begin with.
    pub(super) fn without_trailing_stars(&self) -> &str {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        text.strip_suffix("/*").unwrap_or(text)
    }
}

impl Matcher {
    /// Docker writes a pattern down as a regular expression and gives it to Go,
    /// unless it finds on the way that a comparison will do. What it does not think
    /// of escaping keeps its meaning there: `|`, `{2}`, `\d`, `^`.
    fn of(pattern: &str) -> Result<Self, &'static str> {
        enum Kind {
            Exact,
            Prefix,
            Suffix,
            Regexp,
        }
        if !pattern.contains(['*', '?', '[', ']', '\\']) {
            return Ok(Self::Exact);
        }
        let mut kind = Kind::Exact;
        let mut text = String::from("^");
        // Go's scanner leaves out a byte order mark.
        let unmarked = pattern.strip_prefix('\u{feff}').unwrap_or(pattern);
        let mut characters = unmarked.chars().peekable();
        let mut is_first = true;
        while let Some(character) = characters.next() {
            match character {
                '*' if characters.next_if_eq(&'*').is_some() => {
                    // `**/` is `**`: the slash is part of what it matches.
                    characters.next_if_eq(&'/');
                    let is_last = characters.peek().is_none();
                    text.push_str(if is_last { ".*" } else { "(.*/)?" });
                    kind = match kind {
                        _ if is_first => Kind::Suffix,
                        Kind::Exact if is_last => Kind::Prefix,
                        _ => Kind::Regexp,
                    };
                }
                '*' => {
                    text.push_str("[^/]*");
                    kind = Kind::Regexp;
                }
                '?' => {
                    text.push_str("[^/]");
                    kind = Kind::Regexp;
                }
                '.' | '+' | '(' | ')' | '$' => text.extend(['\\', character]),
                '\\' => {
                    text.push('\\');
                    if let Some(escaped) = characters.next() {
                        text.push(escaped);
                        kind = Kind::Regexp;
                    }
                }
                '[' | ']' => {
                    text.push(character);
                    kind = Kind::Regexp;
                }
                _ => text.push(character),
            }
            is_first = false;
        }
        text.push('$');
        Ok(match kind {
            Kind::Exact => Self::Exact,
            Kind::Prefix => Self::Prefix,
            Kind::Suffix => Self::Suffix,
            Kind::Regexp => Self::Regexp(Regexp::parse(&text)?),
        })
    }
}

/// Each byte that is not part of UTF-8 becomes U+FFFD, as in Go.
fn decode(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let replaced = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(replaced)
    })
}
