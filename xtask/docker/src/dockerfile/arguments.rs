//! The arguments before the first `FROM`, and references that use their values.

use crate::dockerfile::lines::Instruction;
use crate::dockerfile::platform;
use crate::dockerfile::refusal::Refusal;
use crate::dockerfile::wanted::Wanted;
use crate::dockerfile::word::{Raw, Reader, Word};
use std::collections::BTreeMap;

/// Values that a `FROM` can use.
pub(super) struct Globals {
    values: BTreeMap<String, String>,
    /// Build arguments; they count once an `ARG` names them.
    given: BTreeMap<String, String>,
    /// What escapes a character in this file.
    pub(super) escape: char,
}

impl Globals {
    /// Begins with the values that need no `ARG`. Build arguments of the same names win.
    pub(super) fn new(wanted: &Wanted<'_>, last_stage: Option<&str>, escape: char) -> Self {
        let mut values = platform::arguments(wanted.platform, wanted.target.or(last_stage));
        for (name, value) in &mut values {
            if let Some(given) = wanted.arguments.get(name) {
                value.clone_from(given);
            }
        }
        Self {
            values,
            given: wanted.arguments.clone(),
            escape,
        }
    }

    /// Adds the variables that an `ARG` declares.
    pub(super) fn declare(&mut self, instruction: &Instruction) -> Result<(), Refusal> {
        let words = words(&instruction.arguments, self.escape);
        if words.is_empty() {
            return Err(instruction.refusal("it does not name a variable"));
        }
        for word in words {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, Some(default)),
                None => (word.as_str(), None),
            };
            if name.is_empty() {
                return Err(instruction.refusal("the name of a variable is blank"));
            }
            let value = match (self.given.get(name), default) {
                (Some(given), _) => given.clone(),
                (None, Some(default)) => self.resolve(instruction, default)?.text,
                (None, None) => continue,
            };
            self.values.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// A word of the instruction with quotes taken away and variables filled in.
    pub(super) fn resolve(&self, instruction: &Instruction, text: &str) -> Result<Word, Refusal> {
        let reader = Reader {
            escape: self.escape,
            raw: Raw::Nothing,
            values: &self.values,
        };
        reader
            .word(text)
            .map_err(|error| instruction.refusal(format!("in `{text}`: {error}")))
    }
}

/// Splits the text at white space outside of quotes. Quotes and escapes stay.
fn words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            _ if quote.is_none() && character.is_whitespace() => {
                words.push(std::mem::take(&mut word));
                continue;
            }
            _ if quote == Some(character) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(character),
            _ if character == escape && quote != Some('\'') => {
                // At the end an escape escapes nothing.
                let Some(escaped) = characters.next() else {
                    break;
                };
                word.extend([character, escaped]);
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use crate::dockerfile::arguments::words;

    #[test]
    fn quoted_blanks_do_not_split() {
        assert_eq!(
            words(r#"A B="c d"  E='f g'h I=\ j K="\" l" M\"#, '\\'),
            ["A", r#"B="c d""#, "E='f g'h", r"I=\ j", r#"K="\" l""#, "M"]
        );
    }
}
