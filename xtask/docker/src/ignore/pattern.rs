//! One pattern, as `moby/patternmatcher` reads and matches it.

use crate::ignore::candidate::{Candidate, decode};
use crate::ignore::error::PatternError;
use crate::ignore::expression::Expression;
use crate::ignore::filepath_match;
use crate::ignore::lines::{Line, clean, trim};

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
    /// `a/**`: all that begins with the pattern minus its stars.
    Prefix,
    /// `**/a`: all that ends with the pattern minus its stars.
    Suffix,
    Expression(Expression),
    /// What Docker finds when it first tries the pattern, because it compiles it only then.
    Malformed(&'static str),
}

impl Pattern {
    /// Nothing where no pattern is left once the line is cleaned.
    pub(super) fn parse(line: &Line) -> Result<Option<Self>, PatternError> {
        // Docker cleans a second time, and this time the `!` is part of a name:
        // `!../../a` ends up as `a`, and `./!a` as an exception.
        let trimmed = trim(&line.pattern);
        if trimmed.is_empty() {
            return Ok(None);
        }
        let cleaned = clean(trimmed);
        let (is_exception, text) = match cleaned.strip_prefix(b"!") {
            Some([]) => return Err(line.error("it is an exception without a pattern")),
            Some(rest) => (true, rest),
            None => (false, cleaned.as_slice()),
        };
        filepath_match::check(text).map_err(|reason| line.error(reason))?;
        // Docker's client, which does the matching, gets the pattern as JSON, which is UTF-8.
        let text: Box<str> = decode(text).into();
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

    /// Whether it matches the path itself, whatever it says about the directories above.
    pub(super) fn matches(&self, path: &Candidate) -> Result<bool, PatternError> {
        let text = self.text.as_bytes();
        Ok(match &self.matcher {
            Matcher::Exact => path.bytes == text,
            Matcher::Prefix => path.bytes.starts_with(&text[..text.len() - 2]),
            Matcher::Suffix => {
                let suffix = &text[2..];
                path.bytes.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path.bytes)
            }
            Matcher::Expression(expression) => expression
                .matches(&path.text)
                .map_err(|reason| self.error(reason))?,
            Matcher::Malformed(reason) => return Err(self.error(reason)),
        })
    }

    fn error(&self, reason: &str) -> PatternError {
        let mark = if self.is_exception { "!" } else { "" };
        PatternError::new(self.line, &format!("{mark}{}", self.text), reason)
    }

    /// The beginning of all paths that an exception without other wildcards can keep.
    pub(super) fn without_trailing_stars(&self) -> &str {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        text.strip_suffix("/*").unwrap_or(text)
    }
}

impl Matcher {
    /// Docker writes a pattern as a regular expression of Go, or finds on the way that a comparison
    /// of bytes is enough. What it does not escape has its meaning there: `|`, `{2}`, `\d`, `^`.
    fn of(pattern: &str) -> Result<Self, &'static str> {
        enum Kind {
            Exact,
            Prefix,
            Suffix,
            Expression,
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
                        _ => Kind::Expression,
                    };
                }
                '*' => {
                    text.push_str("[^/]*");
                    kind = Kind::Expression;
                }
                '?' => {
                    text.push_str("[^/]");
                    kind = Kind::Expression;
                }
                '.' | '+' | '(' | ')' | '$' => text.extend(['\\', character]),
                '\\' => {
                    text.push('\\');
                    if let Some(escaped) = characters.next() {
                        text.push(escaped);
                        kind = Kind::Expression;
                    }
                }
                '[' | ']' => {
                    text.push(character);
                    kind = Kind::Expression;
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
            Kind::Expression => Self::Expression(Expression::parse(&text)?),
        })
    }
}
