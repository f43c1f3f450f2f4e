//! What an agent answered: the code block with which it ends.

use anyhow::{Context as _, Result, bail};

/// The last code block of a text that is marked `json`. An agent may think aloud before it.
///
/// # Errors
/// There is no such block. The words are for the agent.
pub(crate) fn json_block(words: &str) -> Result<String> {
    let mut block: Option<String> = None;
    let mut open: Option<String> = None;
    for line in words.lines() {
        let mark = line.trim();
        match &mut open {
            None if mark == "```json" => open = Some(String::new()),
            None => {}
            Some(_) if mark == "```" => block = open.take(),
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    if open.is_some() {
        bail!("the last code block has no end");
    }
    block.context("the answer has no code block that is marked `json`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_counts() {
        let words = "First:\n```json\n[1]\n```\nNo, rather:\n\n  ```json\n[2,\n 3]\n  ```\nDone.";
        assert_eq!(json_block(words).unwrap(), "[2,\n 3]\n");
        assert_eq!(
            json_block("```json\n[1]\n```\n```js\n[2]\n```").unwrap(),
            "[1]\n"
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let refused = |words| json_block(words).unwrap_err().to_string();
        assert!(refused("[1]").contains("no code block"));
        assert!(refused("```json\n[1]").contains("no end"));
        assert!(refused("").contains("no code block"));
    }
}
