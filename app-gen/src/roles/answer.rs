//! What an agent answered: the code block with which it ends.

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

/// Reads the last code block of a text that is marked `json`. An agent may think aloud before it.
///
/// # Errors
/// There is no such block, or it is not what was asked for. The words are for the agent.
pub(crate) fn json_block<T: DeserializeOwned>(words: &str) -> Result<T> {
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
    let block = block.context("the answer has no code block that is marked `json`")?;
    serde_json::from_str(&block).context("the code block is not what was asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Vec<u32>, String> {
        json_block(words).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_last_block_counts() {
        let words = "First:\n```json\n[1]\n```\nNo, rather:\n\n  ```json\n[2,\n 3]\n  ```\nDone.";
        assert_eq!(read(words), Ok(vec![2, 3]));
        assert_eq!(read("```json\n[1]\n```\n```js\n[2]\n```"), Ok(vec![1]));
    }

    #[test]
    fn what_is_missing_is_said() {
        let refused = |words| read(words).unwrap_err();
        assert!(refused("[1]").contains("no code block"));
        assert!(refused("```json\n[1]").contains("no end"));
        assert!(refused("```json\n{}\n```").contains("expected a sequence"));
        assert!(refused("").contains("no code block"));
    }
}
