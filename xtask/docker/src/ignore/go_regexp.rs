//! Go's syntax of regular expressions (`regexp/syntax` with Perl flags), as far as patterns
//! reach it, translated to the syntax of the `regex` crate.
//!
//! The two differ where it matters here: Go refuses escapes, ranges and repetitions that the
//! crate takes and the other way round, `\d`, `\s`, `\w` and `\b` are ASCII in Go, and the
//! crate gives a meaning to `[`, `&&`, `--` and `~~` within a class. So what Go reads as a
//! character is written as an escaped one, and what Go refuses is refused.

/// The most repetitions that Go allows.
const REPETITIONS: u16 = 1000;
const UNICODE_CLASS: &str = "Unicode classes (`\\p`, `\\P`) are not supported";
/// The class without characters. Go lets a pattern name a surrogate, which is in no text.
const NO_CHARACTER: &str = r"[^\x{0}-\x{10FFFF}]";
/// The names that `[:…:]` can have. They mean the same to the crate.
const CLASS_NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// One step of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) kind: Kind,
    /// In the syntax of the `regex` crate, with its repetition.
    pub(super) text: String,
}

/// What a step matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The beginning of the path.
    Start,
    /// The end of the path.
    End,
    /// Another position, or one of the two above where it is repeated.
    Position,
    /// This character, once.
    Literal(char),
    /// A character of a class, once.
    Class,
    /// What cannot be repeated again: a repetition, or `(.*/)?`.
    Repeated,
}

impl Atom {
    fn new(kind: Kind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, text }
    }

    /// The character with this number; a surrogate matches nothing.
    fn point(point: u32) -> Self {
        match char::from_u32(point) {
            Some(character) => Self::literal(character),
            None => Self::new(Kind::Class, NO_CHARACTER),
        }
    }

    fn literal(character: char) -> Self {
        let text = regex::escape(character.encode_utf8(&mut [0; 4]));
        Self::new(Kind::Literal(character), text)
    }

    /// Lets it match as often as the bounds say.
    fn repeat(&mut self, bounds: &str) -> Result<(), &'static str> {
        self.kind = match self.kind {
            Kind::Literal(_) | Kind::Class => Kind::Repeated,
            // Go allows that only with `\Q\E` between the two.
            Kind::Repeated => return Err("a repetition of a repetition is not supported"),
            Kind::Start | Kind::End | Kind::Position => Kind::Position,
        };
        self.text = format!("(?:{}){bounds}", self.text);
        Ok(())
    }
}

/// The alternatives of an expression, each a sequence of steps.
///
/// # Errors
/// Go refuses the expression, or it is not supported here.
pub(super) fn parse(text: &str) -> Result<Vec<Vec<Atom>>, &'static str> {
    let mut parser = Parser { rest: text };
    let mut alternatives = Vec::new();
    let mut atoms: Vec<Atom> = Vec::new();
    let mut is_repetition = false;
    while let Some(character) = parser.next() {
        let was_repetition = std::mem::take(&mut is_repetition);
        let bounds = match character {
            '*' => Some("*".to_owned()),
            '{' => parser.bounds()?,
            _ => None,
        };
        if let Some(bounds) = bounds {
            if was_repetition {
                return Err("it repeats a repetition");
            }
            atoms
                .last_mut()
                .ok_or("it repeats nothing")?
                .repeat(&bounds)?;
            is_repetition = true;
            continue;
        }
        match character {
            '|' => alternatives.push(std::mem::take(&mut atoms)),
            '\\' => parser.escape(&mut atoms)?,
            // The only group that a pattern turns into.
            '(' => {
                parser.rest = parser.rest.strip_prefix(".*/)?").ok_or("it has a group")?;
                atoms.push(Atom::new(Kind::Repeated, "(?:.*/)?"));
                is_repetition = true;
            }
            '[' => atoms.push(Atom::new(Kind::Class, parser.class()?)),
            '.' => atoms.push(Atom::new(Kind::Class, ".")),
            '^' => atoms.push(Atom::new(Kind::Start, "^")),
            '$' => atoms.push(Atom::new(Kind::End, "$")),
            literal => atoms.push(Atom::literal(literal)),
        }
    }
    alternatives.push(atoms);
    Ok(alternatives)
}

struct Parser<'text> {
    rest: &'text str,
}

impl Iterator for Parser<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }
}

impl<'text> Parser<'text> {
    fn skip(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What follows `{`, if it is `2}`, `2,}` or `2,4}`; the brace is a character otherwise.
    /// Returned with both braces.
    fn bounds(&mut self) -> Result<Option<String>, &'static str> {
        let Some((inner, rest)) = self.rest.split_once('}') else {
            return Ok(None);
        };
        let (least, most) = match inner.split_once(',') {
            None => (inner, Some(inner)),
            Some((least, "")) => (least, None),
            Some((least, most)) => (least, Some(most)),
        };
        let is_number = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text == "0" || !text.starts_with('0'))
        };
        if !is_number(least) || !most.is_none_or(is_number) {
            return Ok(None);
        }
        let number = |text: &str| match text.parse::<u16>() {
            Ok(number) if number <= REPETITIONS => Ok(number),
            _ => Err("it repeats something more than 1000 times"),
        };
        let (least, most) = (number(least)?, most.map(number).transpose()?);
        if most.is_some_and(|most| most < least) {
            return Err("the upper bound of a repetition is below its lower bound");
        }
        self.rest = rest;
        Ok(Some(format!("{{{inner}}}")))
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self, atoms: &mut Vec<Atom>) -> Result<(), &'static str> {
        let before = self.rest;
        let atom = match self.next() {
            Some('A') => Atom::new(Kind::Start, r"\A"),
            Some('z') => Atom::new(Kind::End, r"\z"),
            Some('b') => Atom::new(Kind::Position, r"(?-u:\b)"),
            Some('B') => Atom::new(Kind::Position, r"(?-u:\B)"),
            Some('Q') => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                atoms.extend(quoted.chars().map(Atom::literal));
                self.rest = rest;
                return Ok(());
            }
            _ => {
                self.rest = before;
                match self.letter_class()? {
                    Some(class) => Atom::new(Kind::Class, class),
                    None => Atom::point(self.escaped_character()?),
                }
            }
        };
        atoms.push(atom);
        Ok(())
    }

    /// The class that the letter behind a backslash means, if it means one.
    fn letter_class(&mut self) -> Result<Option<&'static str>, &'static str> {
        let class = match self.rest.chars().next() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('s') => r"[\t\n\f\r ]",
            Some('S') => r"[^\t\n\f\r ]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('p' | 'P') => return Err(UNICODE_CLASS),
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(class))
    }

    /// The number of the character that is escaped.
    fn escaped_character(&mut self) -> Result<u32, &'static str> {
        const UNKNOWN: &str = "a backslash precedes a letter or digit that it gives no meaning to";
        let character = self.next().ok_or("it ends with a backslash")?;
        let is_octal = |digit: char| digit.is_digit(8);
        let point = match character {
            '0'..='7' => {
                // One digit alone would be a reference to a group.
                if character != '0' && !self.rest.starts_with(is_octal) {
                    return Err(UNKNOWN);
                }
                let mut point = u32::from(character) - u32::from('0');
                for _ in 0..2 {
                    let digit = self.rest.chars().next().and_then(|digit| digit.to_digit(8));
                    let Some(digit) = digit else { break };
                    point = point * 8 + digit;
                    self.next();
                }
                point
            }
            'x' => self.hexadecimal().ok_or(UNKNOWN)?,
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            // More than Go's documentation says: also `\_`.
            _ if character.is_ascii() && !character.is_ascii_alphanumeric() => u32::from(character),
            _ => return Err(UNKNOWN),
        };
        Ok(point)
    }

    /// `41` or `{1F600}`.
    fn hexadecimal(&mut self) -> Option<u32> {
        if !self.skip("{") {
            let high = self.next()?.to_digit(16)?;
            return Some(high * 16 + self.next()?.to_digit(16)?);
        }
        let (digits, rest) = self.rest.split_once('}')?;
        self.rest = rest;
        let mut point = 0;
        for digit in digits.chars() {
            point = point * 16 + digit.to_digit(16)?;
            if point > u32::from(char::MAX) {
                return None;
            }
        }
        (!digits.is_empty()).then_some(point)
    }

    /// What follows `[`.
    fn class(&mut self) -> Result<String, &'static str> {
        let mut class = String::from("[");
        if self.skip("^") {
            class.push('^');
        }
        loop {
            match self.class_within_class()? {
                Some(inner) => class.push_str(&inner),
                None => class.push_str(&self.class_range()?),
            }
            if self.skip("]") {
                class.push(']');
                return Ok(class);
            }
        }
    }

    /// `[:alpha:]` or `\d`.
    fn class_within_class(&mut self) -> Result<Option<String>, &'static str> {
        let named = self.rest.strip_prefix("[:");
        if let Some((name, rest)) = named.and_then(|named| named.split_once(":]")) {
            if !CLASS_NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                return Err("a class `[:…:]` does not have such a name");
            }
            self.rest = rest;
            return Ok(Some(format!("[:{name}:]")));
        }
        let before = self.rest;
        if self.skip("\\")
            && let Some(class) = self.letter_class()?
        {
            return Ok(Some(class.to_owned()));
        }
        self.rest = before;
        Ok(None)
    }

    /// `a` or `a-z`.
    fn class_range(&mut self) -> Result<String, &'static str> {
        let first = self.class_character()?;
        let mut last = first;
        // `[a-]` is `a` or `-`.
        if !self.rest.starts_with("-]") && self.rest != "-" && self.skip("-") {
            last = self.class_character()?;
            if last < first {
                return Err("a character class has a range that ends before it begins");
            }
        }
        // The crate takes no surrogates, and no text has any.
        let first = if is_surrogate(first) { 0xe000 } else { first };
        let last = if is_surrogate(last) { 0xd7ff } else { last };
        Ok(if first > last {
            NO_CHARACTER.to_owned()
        } else {
            format!(r"\x{{{first:X}}}-\x{{{last:X}}}")
        })
    }

    fn class_character(&mut self) -> Result<u32, &'static str> {
        match self.next() {
            Some('\\') => self.escaped_character(),
            Some(character) => Ok(u32::from(character)),
            None => Err("a character class is not closed"),
        }
    }
}

fn is_surrogate(point: u32) -> bool {
    (0xd800..=0xdfff).contains(&point)
}

#[cfg(test)]
mod tests {
    use crate::ignore::go_regexp::{Kind, parse};

    fn translated(text: &str) -> String {
        let alternatives = parse(text).unwrap();
        let texts = alternatives.iter().map(|atoms| {
            let texts: Vec<_> = atoms.iter().map(|atom| atom.text.as_str()).collect();
            texts.concat()
        });
        texts.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_go_means_is_written_as_the_crate_reads_it() {
        for (go, expected) in [
            ("^a$", "^a$"),
            (r"^(.*/)?a\.b$", r"^(?:.*/)?a\.b$"),
            ("[^/]*", r"(?:[^\x{2F}-\x{2F}])*"),
            (
                "[&&~~]",
                r"[\x{26}-\x{26}\x{26}-\x{26}\x{7E}-\x{7E}\x{7E}-\x{7E}]",
            ),
            ("[[a]", r"[\x{5B}-\x{5B}\x{61}-\x{61}]"),
            (r"[\d[:^alpha:]]", "[[0-9][:^alpha:]]"),
            (r"\Qa.\E\d\s\b", r"a\.[0-9][\t\n\f\r ](?-u:\b)"),
            ("a{2,}|{b}", r"(?:a){2,}|\{b\}"),
            (r"[\x{D7FF}-\x{D801}]", r"[\x{D7FF}-\x{D7FF}]"),
            (
                r"[^\x{D800}]\x{DFFF}",
                r"[^[^\x{0}-\x{10FFFF}]][^\x{0}-\x{10FFFF}]",
            ),
        ] {
            assert_eq!(translated(go), expected, "{go}");
            assert!(regex::Regex::new(expected).is_ok(), "{go}");
        }
    }

    #[test]
    fn only_a_character_alone_is_literal() {
        let atoms = &parse(r"^a\x62*\Qc\E[d]$").unwrap()[0];
        let kinds: Vec<_> = atoms.iter().map(|atom| atom.kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::Start,
                Kind::Literal('a'),
                Kind::Repeated,
                Kind::Literal('c'),
                Kind::Class,
                Kind::End
            ]
        );
    }
}
