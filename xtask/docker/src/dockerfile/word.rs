//! Words of a Dockerfile: quotes, escapes and `$` as BuildKit reads them.
//!
//! BuildKit's grammar is a part of a shell's. What this file leaves out, BuildKit leaves out.

use crate::dockerfile::pattern;
use crate::dockerfile::pattern::MalformedPattern;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

/// Why a word cannot be read, as a text that follows "in `WORD`: ".
#[derive(Debug, thiserror::Error)]
pub(super) enum WordError {
    /// A quote or brace is not closed.
    #[error("the {0} is not closed")]
    Unclosed(&'static str),
    /// `${…}` without a name, or with an operator that Docker does not know.
    #[error("Docker does not know the substitution `{0}`")]
    Substitution(String),
    /// `${NAME?text}` without a value.
    #[error("{0}: {1}")]
    Required(String, String),
    /// The pattern of `#`, `%` or `/`.
    #[error(transparent)]
    Pattern(#[from] MalformedPattern),
}

/// How words are read, and the values of variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    /// Backslash, unless the file's `escape` directive says otherwise.
    pub(super) escape: char,
    pub(super) raw: Raw,
    /// Values by name.
    pub(super) values: &'a BTreeMap<String, String>,
}

/// What stays as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raw {
    /// Nothing: a variable without a value is empty.
    Nothing,
    /// Variables without a value.
    Variables,
    /// Variables without a value, quotes and escapes.
    All,
}

/// A word as read, and which of its variables had no value.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) without_value: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    /// The whole text as one word.
    pub(super) fn word(&self, text: &'a str) -> Result<Word, WordError> {
        let mut scanner = Scanner::new(self, text);
        let (text, _) = scanner.until(None, self.raw == Raw::All)?;
        Ok(Word {
            text,
            without_value: scanner.without_value,
        })
    }

    /// The text split at blanks outside of quotes.
    pub(super) fn words(&self, text: &'a str) -> Result<Vec<String>, WordError> {
        let (_, words) = Scanner::new(self, text).until(None, self.raw == Raw::All)?;
        Ok(words)
    }
}

struct Scanner<'a> {
    reader: &'a Reader<'a>,
    rest: Peekable<Chars<'a>>,
    /// The word being read. One for all depths: a substitution with a word of its own
    /// discards the text before it, as in BuildKit.
    current: String,
    without_value: BTreeSet<String>,
}

/// The words that are complete at one depth.
#[derive(Default)]
struct Words {
    ended: Vec<String>,
    in_word: bool,
}

impl<'a> Scanner<'a> {
    fn new(reader: &'a Reader<'a>, text: &'a str) -> Self {
        Self {
            reader,
            rest: text.chars().peekable(),
            current: String::new(),
            without_value: BTreeSet::new(),
        }
    }

    fn keeps_variables(&self) -> bool {
        self.reader.raw != Raw::Nothing
    }

    /// Reads up to `stop`, or to the end where there is no `stop`. Returns the text and its words.
    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), WordError> {
        self.current.clear();
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(&next) = self.rest.peek() {
            match next {
                _ if Some(next) == stop => {
                    self.rest.next();
                    return Ok((text, self.end(words)));
                }
                '\'' | '"' => {
                    let quoted = if next == '"' {
                        self.double_quoted(raw_escapes)?
                    } else {
                        self.single_quoted()?
                    };
                    self.add_raw(&mut words, &quoted);
                    text.push_str(&quoted);
                }
                '$' => {
                    let value = self.variable()?;
                    for character in value.chars() {
                        self.add(&mut words, character);
                    }
                    text.push_str(&value);
                }
                '<' => {
                    let mark = self.possible_heredoc();
                    self.add_raw(&mut words, &mark);
                    text.push_str(&mark);
                }
                _ => {
                    self.rest.next();
                    if next != self.reader.escape {
                        self.add(&mut words, next);
                        text.push(next);
                        continue;
                    }
                    if raw_escapes {
                        self.add_raw(&mut words, next.encode_utf8(&mut [0; 4]));
                        text.push(next);
                    }
                    // At the end an escape escapes nothing.
                    if let Some(escaped) = self.rest.next() {
                        self.add_raw(&mut words, escaped.encode_utf8(&mut [0; 4]));
                        text.push(escaped);
                    }
                }
            }
        }
        match stop {
            Some('/') => Err(WordError::Unclosed("`/` of a `${`")),
            Some(_) => Err(WordError::Unclosed("`${`")),
            None => Ok((text, self.end(words))),
        }
    }

    fn add(&mut self, words: &mut Words, character: char) {
        if !character.is_whitespace() {
            self.current.push(character);
            words.in_word = true;
        } else if words.in_word && !self.current.is_empty() {
            words.ended.push(std::mem::take(&mut self.current));
            words.in_word = false;
        }
    }

    fn add_raw(&mut self, words: &mut Words, text: &str) {
        self.current.push_str(text);
        words.in_word = true;
    }

    fn end(&mut self, mut words: Words) -> Vec<String> {
        if !self.current.is_empty() {
            words.ended.push(std::mem::take(&mut self.current));
        }
        words.ended
    }

    fn single_quoted(&mut self) -> Result<String, WordError> {
        let mut text = String::new();
        self.quote(&mut text);
        loop {
            match self.rest.peek() {
                None => return Err(WordError::Unclosed("`'`")),
                Some('\'') => {
                    self.quote(&mut text);
                    return Ok(text);
                }
                Some(&other) => {
                    self.rest.next();
                    text.push(other);
                }
            }
        }
    }

    fn double_quoted(&mut self, raw_escapes: bool) -> Result<String, WordError> {
        let mut text = String::new();
        self.quote(&mut text);
        while let Some(&next) = self.rest.peek() {
            match next {
                '"' => {
                    self.quote(&mut text);
                    return Ok(text);
                }
                '$' => text.push_str(&self.variable()?),
                _ => {
                    self.rest.next();
                    if next != self.reader.escape {
                        text.push(next);
                        continue;
                    }
                    if raw_escapes {
                        text.push(next);
                    }
                    match self.rest.peek() {
                        None => {}
                        Some(&escaped) if ['"', '$', self.reader.escape].contains(&escaped) => {
                            self.rest.next();
                            text.push(escaped);
                        }
                        Some(_) => text.push(next),
                    }
                }
            }
        }
        Err(WordError::Unclosed("`\"`"))
    }

    /// Passes over a quote.
    fn quote(&mut self, text: &mut String) {
        let quote = self.rest.next();
        if self.reader.raw == Raw::All {
            text.extend(quote);
        }
    }

    /// `<<` takes the blanks after it into its word.
    fn possible_heredoc(&mut self) -> String {
        self.rest.next();
        if self.rest.next_if_eq(&'<').is_none() {
            return "<".to_owned();
        }
        let mut mark = "<<".to_owned();
        while let Some(blank) = self.rest.next_if(|next| matches!(next, ' ' | '\t' | '\r')) {
            mark.push(blank);
        }
        mark
    }

    fn variable(&mut self) -> Result<String, WordError> {
        self.rest.next();
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(match self.value(&name) {
                _ if name.is_empty() => "$".to_owned(),
                None if self.keeps_variables() => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        if let Some(wrong) = self.rest.next_if(|next| matches!(next, '{' | '}' | ':')) {
            return Err(WordError::Substitution(format!("${{{wrong}")));
        }
        let name = self.name();
        let unknown = |operator: String| WordError::Substitution(format!("${{{name}{operator}"));
        let operator = self.rest.next().ok_or(WordError::Unclosed("`${`"))?;
        if operator == '}' {
            return Ok(match self.value(&name) {
                None if self.keeps_variables() => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            });
        }
        if operator == '/' {
            return self.replace(&name);
        }
        // After a colon, an empty value counts as a missing one.
        let empty_is_missing = operator == ':';
        let operator = if empty_is_missing {
            self.rest.next().ok_or(WordError::Unclosed("`${`"))?
        } else {
            operator
        };
        let is_trim = matches!(operator, '#' | '%');
        if !(is_trim && !empty_is_missing || matches!(operator, '+' | '-' | '?')) {
            let colon = if empty_is_missing { ":" } else { "" };
            return Err(unknown(format!("{colon}{operator}")));
        }
        let (word, _) = self.until(Some('}'), is_trim)?;
        let value = self.value(&name);
        if value.is_none() && self.keeps_variables() {
            let colon = if empty_is_missing { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{operator}{word}}}"));
        }
        let given = value.filter(|value| !(empty_is_missing && value.is_empty()));
        match operator {
            '-' => Ok(given.unwrap_or(word)),
            '+' => Ok(given.map(|_| word).unwrap_or_default()),
            '?' => given.ok_or_else(|| {
                let message = match word.as_str() {
                    "" if empty_is_missing => "must not be empty".to_owned(),
                    "" => "must be set".to_owned(),
                    text => text.to_owned(),
                };
                WordError::Required(name, message)
            }),
            _ => Ok(pattern::trim(&given.unwrap_or_default(), &word, operator)?),
        }
    }

    /// `${NAME/pattern/replacement}`, `//` for all.
    fn replace(&mut self, name: &str) -> Result<String, WordError> {
        let all = self.rest.next_if_eq(&'/').is_some();
        let (pattern, _) = self.until(Some('/'), true)?;
        let (replacement, _) = self.until(Some('}'), true)?;
        let Some(value) = self.value(name) else {
            return Ok(if self.keeps_variables() {
                format!("${{{name}/{pattern}/{replacement}}}")
            } else {
                String::new()
            });
        };
        Ok(pattern::replace(&value, &pattern, &replacement, all)?)
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.reader.values.get(name).cloned();
        if value.is_none() && !name.is_empty() {
            self.without_value.insert(name.to_owned());
        }
        value
    }

    /// Reads letters, digits and `_`; only digits where the first is one; or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.rest.peek() {
            Some(first) if first.is_numeric() => {
                while let Some(digit) = self.rest.next_if(|next| next.is_numeric()) {
                    name.push(digit);
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.rest.next()),
            _ => {
                while let Some(next) = self
                    .rest
                    .next_if(|next| next.is_alphanumeric() || *next == '_')
                {
                    name.push(next);
                }
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let values = BTreeMap::from(
            [
                ("V", "a/b-c.tar.gz"),
                ("EMPTY", ""),
                ("STAR", "a*b"),
                ("B", "}"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let reader = Reader {
            escape: '\\',
            raw: Raw::Nothing,
            values: &values,
        };
        reader
            .word(text)
            .map(|word| word.text)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn substitutions() {
        for (text, expected) in [
            ("$V", "a/b-c.tar.gz"),
            ("x${V}y", "xa/b-c.tar.gzy"),
            ("$NO${NO}.", "."),
            ("$", "$"),
            ("$.", "$."),
            (r"\$V", "$V"),
            ("'$V'", "$V"),
            ("\"$V\"", "a/b-c.tar.gz"),
            (r#""\$V \x""#, r"$V \x"),
            (r"a\", "a"),
            ("${NO-d}${EMPTY-d}", "d"),
            ("${NO:-d}${EMPTY:-e}", "de"),
            ("${NO:-${EMPTY:-${V%%/*}}}", "a"),
            ("${NO+d}${EMPTY+e}", "e"),
            ("${NO:+d}${EMPTY:+e}${V:+f}", "f"),
            ("${V#*/}", "b-c.tar.gz"),
            ("${V##*.}", "gz"),
            ("${V%.*}", "a/b-c.tar"),
            ("${V%%.*}", "a/b-c"),
            ("${V%?z}", "a/b-c.tar."),
            ("${V#nothing}", "a/b-c.tar.gz"),
            (r"${STAR#a\*}", "b"),
            (r"${STAR%\*b}", "a"),
            (r"${B#\}}.", "."),
            ("${V/-/_}", "a/b_c.tar.gz"),
            (r"${V//[.]/_}", "a/b-c.tar.gz"),
            ("${V//./_}", "a/b-c_tar_gz"),
            (r"${V/\//_}", "a_b-c.tar.gz"),
            ("${V?no}", "a/b-c.tar.gz"),
            ("$1$10x", "x"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, part) in [
            ("${", "not closed"),
            ("${V", "not closed"),
            ("${V:", "not closed"),
            ("${V:-x", "not closed"),
            ("${V/a", "not closed"),
            ("${V/a/b", "not closed"),
            ("${}", "does not know"),
            ("${{V}}", "does not know"),
            ("${V!x}", "does not know"),
            ("${V:#x}", "does not know"),
            ("${V:}", "does not know"),
            ("'a", "not closed"),
            ("\"a", "not closed"),
            ("${NO?}", "NO: must be set"),
            ("${NO?give it}", "NO: give it"),
            ("${EMPTY:?}", "EMPTY: must not be empty"),
            (r"${V#\a}", "not a pattern"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(read("${EMPTY?}").as_deref(), Ok(""));
    }

    #[test]
    fn words_of_a_line() {
        let values = BTreeMap::new();
        let words = |raw, text: &str| {
            let reader = Reader {
                escape: '\\',
                raw,
                values: &values,
            };
            reader.words(text).map_err(|error| error.to_string())
        };
        assert_eq!(
            words(Raw::All, r#"RUN  <<EOF 3<<-'A B' a\ b "c d" $x ${y:-z}"#).unwrap(),
            [
                "RUN",
                "<<EOF",
                "3<<-'A B'",
                r"a\ b",
                "\"c d\"",
                "$x",
                "${y:-z}"
            ]
        );
        assert_eq!(words(Raw::All, "cat << EOF").unwrap(), ["cat", "<< EOF"]);
        assert_eq!(words(Raw::Variables, "'A B'").unwrap(), ["A B"]);
        assert!(words(Raw::All, "it's").is_err());
    }
}
