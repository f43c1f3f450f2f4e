//! Sources of web applications, told apart into code, texts and comments.
//!
//! It is no parser: it knows where comments, texts and regular expressions begin and end, and forgets a
//! mistake at the end of the line.

use crate::workshop::snapshot::extension;

/// Which signs begin a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// JavaScript and what becomes of it.
    Script,
    /// The same inside of HTML.
    Markup,
    Style,
}

impl Language {
    /// That of a file by its name; nothing for what is no source.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match extension(path).as_str() {
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => Some(Self::Script),
            "html" | "htm" | "vue" | "svelte" | "astro" => Some(Self::Markup),
            "css" | "scss" | "less" => Some(Self::Style),
            _ => None,
        }
    }
}

/// A source, read.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// It with spaces in place of comments.
    pub(crate) code: String,
    /// The same with spaces in place of what is in texts, too.
    pub(crate) bare: String,
    /// Lines of comments without the signs of a comment, each with its number from 1.
    pub(crate) comments: Vec<(usize, String)>,
}

impl Source {
    pub(crate) fn read(text: &str, language: Language) -> Self {
        let mut reader = Reader {
            source: Self::default(),
            rest: text,
            language,
            line: 1,
            before: ' ',
            word: String::new(),
            is_apart: false,
            depth: 0,
            templates: Vec::new(),
        };
        while !reader.rest.is_empty() {
            reader.step();
        }
        reader.source
    }
}

/// The number of the line in which a byte of a text is, from 1.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

/// Words after which a slash begins a regular expression.
const BEFORE_REGEX: [&str; 6] = ["return", "typeof", "case", "in", "of", "await"];

struct Reader<'text> {
    source: Source,
    rest: &'text str,
    language: Language,
    line: usize,
    /// The last character of code that is no space.
    before: char,
    /// The word that it ends.
    word: String,
    /// Whether something other than code came after it.
    is_apart: bool,
    /// Braces that are open.
    depth: usize,
    /// How many were when a template's expression began.
    templates: Vec<usize>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let starts = |sign: &str| self.rest.starts_with(sign);
        let has_lines = self.language != Language::Style;
        if starts("/*") {
            return self.comment("/*", "*/");
        }
        if self.language == Language::Markup && starts("<!--") {
            return self.comment("<!--", "-->");
        }
        if has_lines && starts("//") {
            return self.comment("//", "\n");
        }
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.text(quote),
            Some('`') if has_lines => {
                self.code(1);
                self.template();
            }
            Some('/') if has_lines && self.is_regex() => self.regex(),
            Some('{') => {
                self.depth += 1;
                self.code(1);
            }
            Some('}') if self.templates.last() == Some(&self.depth) => {
                self.templates.pop();
                self.code(1);
                self.template();
            }
            Some('}') => {
                self.depth = self.depth.saturating_sub(1);
                self.code(1);
            }
            Some(other) => self.code(other.len_utf8()),
            None => {}
        }
    }

    /// Takes so many bytes and gives them to each of the two: as they are, or as spaces.
    fn take(&mut self, bytes: usize, is_code: bool, is_bare: bool) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        for character in taken.chars() {
            self.line += usize::from(character == '\n');
            let shown = |is_shown: bool| {
                if is_shown || character == '\n' {
                    character
                } else {
                    ' '
                }
            };
            self.source.code.push(shown(is_code));
            self.source.bare.push(shown(is_bare));
        }
    }

    fn code(&mut self, bytes: usize) {
        for character in self.rest[..bytes].chars() {
            if character.is_whitespace() {
                self.is_apart = true;
                continue;
            }
            let goes_on = is_of_word(character) && is_of_word(self.before) && !self.is_apart;
            if !goes_on {
                self.word.clear();
            }
            self.is_apart = false;
            self.word.push(character);
            self.before = character;
        }
        self.take(bytes, true, true);
    }

    fn comment(&mut self, begin: &str, end: &str) {
        let inner = &self.rest[begin.len()..];
        let length = inner.find(end).unwrap_or(inner.len());
        for (place, line) in inner[..length].lines().enumerate() {
            let text = line.trim().trim_start_matches(['*', '/']).trim();
            if !text.is_empty() {
                let line = (self.line + place, text.to_owned());
                self.source.comments.push(line);
            }
        }
        // The end of a line is not the comment's.
        let closing = if end == "\n" { 0 } else { end.len() };
        let bytes = (begin.len() + length + closing).min(self.rest.len());
        self.take(bytes, false, false);
    }

    /// A text, which ends with its line if nothing else ends it.
    fn text(&mut self, quote: char) {
        let mut is_escaped = false;
        let end = self.rest[1..].find(|character| {
            let ends = !is_escaped && (character == quote || character == '\n');
            is_escaped = !is_escaped && character == '\\';
            ends
        });
        self.code(1);
        let end = end.unwrap_or(self.rest.len());
        self.take(end, true, false);
        if self.rest.starts_with(quote) {
            self.code(1);
        }
    }

    /// A template, up to its end or to an expression in it.
    fn template(&mut self) {
        let mut is_escaped = false;
        let mut before = ' ';
        let mut opens = false;
        let end = self.rest.find(|character| {
            opens = !is_escaped && before == '$' && character == '{';
            let ends = !is_escaped && character == '`';
            is_escaped = !is_escaped && character == '\\';
            before = character;
            opens || ends
        });
        self.take(end.unwrap_or(self.rest.len()), true, false);
        if self.rest.is_empty() {
            return;
        }
        if opens {
            self.depth += 1;
            self.templates.push(self.depth);
        }
        self.code(1);
    }

    /// Whether a slash begins a regular expression: where a value is expected.
    fn is_regex(&self) -> bool {
        "(,=:[!&|?;+*%~^".contains(self.before)
            || self.source.bare.trim_end().ends_with("=>")
            || BEFORE_REGEX.contains(&self.word.as_str())
    }

    fn regex(&mut self) {
        let mut is_escaped = false;
        let mut is_class = false;
        let end = self.rest[1..].find(|character| {
            let ends = character == '\n' || (!is_escaped && !is_class && character == '/');
            match character {
                _ if is_escaped => {}
                '[' => is_class = true,
                ']' => is_class = false,
                _ => {}
            }
            is_escaped = !is_escaped && character == '\\';
            ends
        });
        self.code(1);
        let end = end.unwrap_or(self.rest.len());
        self.take(end, true, false);
        if self.rest.starts_with('/') {
            // What follows is no other one.
            self.take(1, true, true);
            self.before = ')';
            self.word.clear();
        }
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> String {
        Source::read(text, Language::Script).bare
    }

    #[test]
    fn comments_are_found_with_their_lines() {
        let text = "a // one\n/* two\n * three */ b\n{/* four */}\nurl = 'http://x' // five";
        let source = Source::read(text, Language::Script);
        let comments: Vec<(usize, &str)> = source
            .comments
            .iter()
            .map(|(line, text)| (*line, text.as_str()))
            .collect();
        assert_eq!(
            comments,
            [
                (1, "one"),
                (2, "two"),
                (3, "three"),
                (4, "four"),
                (5, "five")
            ]
        );
        assert_eq!(source.code.lines().count(), 5);
        assert!(source.code.contains("'http://x'"));
        assert!(source.bare.contains("'        '"));
    }

    #[test]
    fn texts_regular_expressions_and_templates_hide_what_is_in_them() {
        for (text, shown) in [
            (r"a('it\'s // no', b)", "a('           ', b)"),
            ("x = /[/'\"]\\/*/g; y", "x = /        /g; y"),
            ("a / b // c", "a / b     "),
            ("return /'/.test(x)", "return / /.test(x)"),
            ("`a ${f('b')} // c` + d", "`   {f(' ')}     ` + d"),
            ("`${ {a: `x`} }` //", "` { {a: ` `} }`   "),
            ("<p>Don't</p>\ntest(", "<p>Don'     \ntest("),
            ("x => /'/", "x => / /"),
        ] {
            assert_eq!(bare(text), shown, "{text}");
        }
    }

    #[test]
    fn each_language_has_its_comments() {
        let page = Source::read("<p>a</p><!-- b\nc --><i>", Language::Markup);
        assert_eq!(page.comments, [(1, "b".to_owned()), (2, "c".to_owned())]);
        let style = Source::read("a { b: url(//x) } /* c */", Language::Style);
        assert_eq!(style.comments, [(1, "c".to_owned())]);
        assert!(style.code.contains("//x"));
        assert_eq!(Language::of("a/b.test.TSX"), Some(Language::Script));
        assert_eq!(Language::of("README.md"), None);
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        // The signs that mean something, in every order of four.
        let signs = [
            "'", "`", "/", "*", "\n", "\\", "${", "}", "[", "ä", "<!--", "x",
        ];
        for number in 0..signs.len().pow(4) {
            let pick = |place: u32| signs[number / signs.len().pow(place) % signs.len()];
            let text: String = (0..4).map(pick).collect();
            for language in [Language::Script, Language::Markup, Language::Style] {
                let source = Source::read(&text, language);
                let count = text.chars().count();
                assert_eq!(source.code.chars().count(), count, "{text:?}");
                assert_eq!(source.bare.chars().count(), count, "{text:?}");
            }
        }
    }
}
