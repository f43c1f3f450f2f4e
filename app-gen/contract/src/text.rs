//! Text from outside, made fit for a one-line message.

/// Maximum number of characters of an [`excerpt`], the ellipsis included.
pub const EXCERPT_CHARS: usize = 200;

/// The start of `bytes` as one printable line of at most [`EXCERPT_CHARS`] characters: what is not
/// UTF-8 becomes U+FFFD, control characters and the invisible ones that reorder text become spaces.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    // A character has at most four bytes, so this prefix always holds enough of them.
    let prefix = &bytes[..bytes.len().min(4 * (EXCERPT_CHARS + 1))];
    let text = String::from_utf8_lossy(prefix);
    let mut characters = text
        .trim_end_matches(['\r', '\n'])
        .chars()
        .map(|character| {
            if is_unprintable(character) {
                ' '
            } else {
                character
            }
        });
    let mut result: String = characters.by_ref().take(EXCERPT_CHARS).collect();
    if characters.next().is_some() || prefix.len() < bytes.len() {
        if result.chars().count() == EXCERPT_CHARS {
            result.pop();
        }
        result.push('…');
    }
    result
}

/// An amount of US dollars, `0.50` for example, as whole millionths; `None` for what is no amount below a
/// billion.
#[must_use]
pub fn micro_usd(text: &str) -> Option<u64> {
    let dollars: f64 = text.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the bounds are checked"
    )]
    (0.0..1e9)
        .contains(&dollars)
        .then(|| (dollars * 1e6).round() as u64)
}

/// Control characters, line and paragraph separators, zero-width and bidirectional formatting.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_millionths() {
        assert_eq!(micro_usd("0.1"), Some(100_000));
        assert_eq!(micro_usd("25"), Some(25_000_000));
        for text in ["", "-1", "NaN", "inf", "1e9", "1 $"] {
            assert_eq!(micro_usd(text), None, "{text}");
        }
    }

    #[test]
    fn is_one_short_printable_line() {
        assert_eq!(excerpt(b"plain\n"), "plain");
        assert_eq!(excerpt(b"a\tb\x1b[31m\xff"), "a b [31m\u{fffd}");
        assert_eq!(excerpt("x\u{202e}y".as_bytes()), "x y");
        let long = excerpt("é".repeat(5000).as_bytes());
        assert_eq!(long.chars().count(), EXCERPT_CHARS);
        assert!(long.ends_with('…'));
        assert_eq!(
            excerpt("é".repeat(EXCERPT_CHARS).as_bytes()),
            "é".repeat(EXCERPT_CHARS)
        );
    }
}
