//! Values that somebody meant to replace, and did not.

/// What people write for "later".
const LATER: [&str; 15] = [
    "change-me",
    "change_me",
    "changeme",
    "dummy",
    "example",
    "fixme",
    "none",
    "null",
    "placeholder",
    "replace-me",
    "replace_me",
    "replaceme",
    "tbd",
    "todo",
    "undefined",
];
/// Fewer characters than this can be a value.
const FILLERS: usize = 3;

/// Whether the value only keeps the place of another one. This is never so of what could be a
/// token, an address or a password of some length.
pub(super) fn is(key: &str, value: &str) -> bool {
    let value = value.trim();
    let word = value.to_ascii_lowercase();
    let within = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close);
    let fills = |filler: char| value.len() >= FILLERS && word.chars().all(|found| found == filler);
    word.is_empty()
        || LATER.contains(&word.as_str())
        || word.starts_with("todo ")
        || word.starts_with("your-")
        || word.starts_with("your_")
        || within("<", ">")
        || ['x', '*', '.', '?'].into_iter().any(fills)
        // The name of the key, also where a shell should have put the value in its place.
        || word.trim_matches(['$', '{', '}']) == key.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_recognised_and_values_are_not_taken_for_them() {
        for value in [
            "",
            "  \n",
            "changeme",
            "ChangeMe",
            "TODO",
            "todo ask Kim",
            "xxx",
            "XXXXXXXX",
            "***",
            "...",
            "<token>",
            "<your token here>",
            "your-token-here",
            "API_KEY",
            "api_key",
            "$API_KEY",
            "${API_KEY}",
        ] {
            assert!(is("API_KEY", value), "{value:?}");
        }
        for value in [
            "x",
            "xx",
            "xxxy",
            "todos",
            "sk-xxxxxxxxxxxx1",
            "postgres://user:changeme@host/db",
            "<html>no",
            "API_KEY_2",
            "nonesuch",
        ] {
            assert!(!is("API_KEY", value), "{value:?}");
        }
    }
}
