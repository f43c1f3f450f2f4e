//! Sets of characters in a regular expression of Go.

/// Code points from the first to the last.
pub(super) type Range = (u32, u32);

const LAST: u32 = char::MAX as u32;

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// This code point; one that is no character (a surrogate) matches nothing.
    One(u32),
    NotSlash,
    NotNewline,
    /// All in the ranges, or all that is not.
    Ranges {
        is_negated: bool,
        ranges: Box<[Range]>,
    },
}

impl Class {
    pub(super) fn contains(&self, character: char) -> bool {
        let point = u32::from(character);
        match self {
            Self::One(only) => point == *only,
            Self::NotSlash => character != '/',
            Self::NotNewline => character != '\n',
            Self::Ranges { is_negated, ranges } => {
                ranges
                    .iter()
                    .any(|&(first, last)| (first..=last).contains(&point))
                    != *is_negated
            }
        }
    }
}

const DIGIT: &[Range] = &[range('0', '9')];
const SPACE: &[Range] = &[range('\t', '\n'), range('\x0c', '\r'), range(' ', ' ')];
const WORD: &[Range] = &[
    range('0', '9'),
    range('A', 'Z'),
    range('_', '_'),
    range('a', 'z'),
];

const fn range(first: char, last: char) -> Range {
    (first as u32, last as u32)
}

/// `\d` and its like, by their letter.
pub(super) fn perl(letter: char) -> Option<Vec<Range>> {
    let ranges = match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    Some(signed(ranges, letter.is_ascii_uppercase()))
}

/// `[:alpha:]` and its like, by their name; `^` before it for all else.
pub(super) fn posix(name: &str) -> Option<Vec<Range>> {
    let (is_negated, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let ranges: &[Range] = match name {
        "alnum" => &[range('0', '9'), range('A', 'Z'), range('a', 'z')],
        "alpha" => &[range('A', 'Z'), range('a', 'z')],
        "ascii" => &[range('\0', '\x7f')],
        "blank" => &[range('\t', '\t'), range(' ', ' ')],
        "cntrl" => &[range('\0', '\x1f'), range('\x7f', '\x7f')],
        "digit" => DIGIT,
        "graph" => &[range('!', '~')],
        "lower" => &[range('a', 'z')],
        "print" => &[range(' ', '~')],
        "punct" => &[
            range('!', '/'),
            range(':', '@'),
            range('[', '`'),
            range('{', '~'),
        ],
        "space" => &[range('\t', '\r'), range(' ', ' ')],
        "upper" => &[range('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[range('0', '9'), range('A', 'F'), range('a', 'f')],
        _ => return None,
    };
    Some(signed(ranges, is_negated))
}

/// The ranges, which are sorted, or what lies between them.
fn signed(ranges: &[Range], is_negated: bool) -> Vec<Range> {
    if !is_negated {
        return ranges.to_vec();
    }
    let mut between = Vec::new();
    let mut next = 0;
    for &(first, last) in ranges {
        if next < first {
            between.push((next, first - 1));
        }
        next = last + 1;
    }
    between.push((next, LAST));
    between
}

/// What `\b` calls part of a word.
pub(super) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
