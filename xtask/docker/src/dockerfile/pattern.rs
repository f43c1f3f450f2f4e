//! The patterns of `${NAME#…}`, `${NAME%…}` and `${NAME/…/…}`.

use regex::{NoExpand, Regex};

/// A pattern that BuildKit refuses.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a pattern")]
pub(super) struct MalformedPattern(String);

/// The value with the first match replaced, or all.
pub(super) fn replace(
    value: &str,
    pattern: &str,
    replacement: &str,
    all: bool,
) -> Result<String, MalformedPattern> {
    let expression = expression(pattern, true, false)?;
    Ok(if all {
        // Here, and only here, `$1` in the replacement means something to BuildKit.
        expression.replace_all(value, replacement)
    } else {
        expression.replace(value, NoExpand(replacement))
    }
    .into_owned())
}

/// The value without the shortest match at its beginning (`#`) or its end (`%`). Where the
/// operator is doubled, the longest match is removed.
pub(super) fn trim(value: &str, pattern: &str, operator: char) -> Result<String, MalformedPattern> {
    let (pattern, greedy) = match pattern.strip_prefix(operator) {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    if operator == '#' {
        let expression = expression(pattern, greedy, true)?;
        return Ok(expression.replace(value, "").into_owned());
    }
    // The shortest match at the end is the leftmost one of everything reversed.
    let reversed: String = value.chars().rev().collect();
    let expression = expression(&reversed_pattern(pattern), greedy, true)?;
    let left = expression.replace(&reversed, "");
    Ok(left.chars().rev().collect())
}

/// The pattern backwards, with each escape still before what it escapes.
fn reversed_pattern(pattern: &str) -> String {
    let mut pieces: Vec<String> = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let mut piece = character.to_string();
        if character == '\\' {
            piece.extend(characters.next());
        }
        pieces.push(piece);
    }
    pieces.into_iter().rev().collect()
}

/// A shell pattern (`*`, `?`, escapes) as an expression.
fn expression(pattern: &str, greedy: bool, anchored: bool) -> Result<Regex, MalformedPattern> {
    let wrong = || MalformedPattern(pattern.to_owned());
    let mut text = if anchored { "^" } else { "" }.to_owned();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if greedy => text.push_str(".*"),
            '*' => text.push_str(".*?"),
            '?' => text.push('.'),
            // This backslash belongs to the syntax of `${…}`, not to the pattern.
            '\\' if matches!(characters.peek(), Some('}' | '/')) => {}
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '?' | '\\')) => text.extend(['\\', escaped]),
                _ => return Err(wrong()),
            },
            literal => text.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4]))),
        }
    }
    Regex::new(&text).map_err(|_| wrong())
}
