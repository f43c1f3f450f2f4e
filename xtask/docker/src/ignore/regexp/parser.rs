//! Go's syntax of regular expressions (`regexp/syntax`, Perl flags), as far as
//! patterns reach it.

use crate::ignore::class;
use crate::ignore::class::{Class, Range};
use crate::ignore::regexp::Step;

/// The most repetitions Go allows.
const REPETITIONS: u16 = 1000;
const UNICODE_CLASS: &str = "Unicode classes (`\\p`, `\\P`) are not supported";

/// The alternatives, each a sequence of steps.
///
/// # Errors
/// The text is malformed, or not supported.
pub(super) fn parse(text: &str) -> Result<Vec<Vec<Step>>, &'static str> {
    let mut parser = Parser { rest: text };
    let mut alternatives = Vec::new();
    let mut steps = Vec::new();
    let mut is_repetition = false;
    while let Some(character) = parser.next() {
        let was_repetition = std::mem::take(&mut is_repetition);
        let bounds = match character {
            '*' => Some((0, None)),
            '{' => parser.bounds()?,
            _ => None,
        };
        if let Some((least, most)) = bounds {
            if was_repetition {
                return Err("it repeats a repetition");
            }
            repeat(&mut steps, least, most)?;
            is_repetition = true;
            continue;
        }
        match character {
            '|' => alternatives.push(std::mem::take(&mut steps)),
            '\\' => parser.escape(&mut steps)?,
            // The only group that is ever written.
            '(' => {
                parser.rest = parser.rest.strip_prefix(".*/)?").ok_or("it has a group")?;
                steps.push(Step::Directories);
                is_repetition = true;
            }
            '[' => steps.push(Step::one(parser.class()?)),
            '.' => steps.push(Step::one(Class::NotNewline)),
            '^' => steps.push(Step::Start),
            '$' => steps.push(Step::End),
            literal => steps.push(Step::one(Class::One(u32::from(literal)))),
        }
    }
    alternatives.push(steps);
    Ok(alternatives)
}

/// Repeats the last step.
fn repeat(steps: &mut [Step], least: u16, most: Option<u16>) -> Result<(), &'static str> {
    match steps.last_mut().ok_or("it repeats nothing")? {
        Step::Characters {
            least: old_least @ 1,
            most: old_most @ Some(1),
            ..
        } => {
            *old_least = least;
            *old_most = most;
        }
        // Go allows that only with `\Q\E` between the two.
        Step::Characters { .. } | Step::Directories => {
            return Err("a repetition of a repetition is not supported");
        }
        // Once is as good as often.
        anchor if least == 0 => *anchor = Step::Nothing,
        _ => {}
    }
    Ok(())
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

impl Parser<'_> {
    fn skip(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `2}`, `2,}` or `2,4}`. Nothing, and nothing read, where it is none of them.
    fn bounds(&mut self) -> Result<Option<(u16, Option<u16>)>, &'static str> {
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
        let number = |text: &str| match text.parse() {
            Ok(number) if number <= REPETITIONS => Ok(number),
            _ => Err("it repeats something more than 1000 times"),
        };
        let (least, most): (u16, _) = (number(least)?, most.map(number).transpose()?);
        if most.is_some_and(|most| most < least) {
            return Err("it repeats something at most less often than at least");
        }
        self.rest = rest;
        Ok(Some((least, most)))
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self, steps: &mut Vec<Step>) -> Result<(), &'static str> {
        let before = self.rest;
        let step = match self.next() {
            Some('A') => Step::Start,
            Some('z') => Step::End,
            Some('b') => Step::WordBoundary(true),
            Some('B') => Step::WordBoundary(false),
            Some('Q') => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                let literals = quoted.chars();
                steps.extend(literals.map(|literal| Step::one(Class::One(u32::from(literal)))));
                self.rest = rest;
                return Ok(());
            }
            _ => {
                self.rest = before;
                Step::one(match self.group()? {
                    Some(ranges) => Class::Ranges {
                        is_negated: false,
                        ranges: ranges.into(),
                    },
                    None => Class::One(self.escaped_character()?),
                })
            }
        };
        steps.push(step);
        Ok(())
    }

    /// The characters that the letter behind a backslash stands for, where it does.
    fn group(&mut self) -> Result<Option<Vec<Range>>, &'static str> {
        let Some(letter) = self.rest.chars().next() else {
            return Ok(None);
        };
        if matches!(letter, 'p' | 'P') {
            return Err(UNICODE_CLASS);
        }
        let ranges = class::perl(letter);
        if ranges.is_some() {
            self.next();
        }
        Ok(ranges)
    }

    /// The character that what is behind a backslash stands for.
    fn escaped_character(&mut self) -> Result<u32, &'static str> {
        const UNKNOWN: &str = "a backslash stands before a letter or digit without meaning";
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
    fn class(&mut self) -> Result<Class, &'static str> {
        if self.skip("^/]") {
            return Ok(Class::NotSlash);
        }
        let is_negated = self.skip("^");
        let mut ranges: Vec<Range> = Vec::new();
        loop {
            if let Some(group) = self.class_group()? {
                ranges.extend(group);
            } else {
                ranges.push(self.class_range()?);
            }
            if self.skip("]") {
                return Ok(Class::Ranges {
                    is_negated,
                    ranges: ranges.into(),
                });
            }
        }
    }

    /// `[:alpha:]` or `\d`.
    fn class_group(&mut self) -> Result<Option<Vec<Range>>, &'static str> {
        let named = self.rest.strip_prefix("[:");
        if let Some((name, rest)) = named.and_then(|named| named.split_once(":]")) {
            self.rest = rest;
            let group = class::posix(name);
            return group.ok_or("a class `[:…:]` has no such name").map(Some);
        }
        let before = self.rest;
        if self.skip("\\")
            && let Some(group) = self.group()?
        {
            return Ok(Some(group));
        }
        self.rest = before;
        Ok(None)
    }

    /// `a` or `a-z`.
    fn class_range(&mut self) -> Result<Range, &'static str> {
        let first = self.class_character()?;
        // `[a-]` is `a` or `-`.
        if self.rest.starts_with("-]") || self.rest == "-" || !self.skip("-") {
            return Ok((first, first));
        }
        let last = self.class_character()?;
        if last < first {
            return Err("a character class has a range that ends before it begins");
        }
        Ok((first, last))
    }

    fn class_character(&mut self) -> Result<u32, &'static str> {
        match self.next() {
            Some('\\') => self.escaped_character(),
            Some(character) => Ok(u32::from(character)),
            None => Err("a character class is not closed"),
        }
    }
}
