//! The reference as Markdown.

use std::fmt::Write as _;

use crate::reference::block::Block;

const NOTE: &str =
    "<!-- Made from the OpenAPI document: UPDATE=1 cargo test -p app-gen-saas api_md -->\n";

/// The document of `blocks`.
pub(super) fn document(blocks: &[Block]) -> String {
    let mut text = NOTE.to_owned();
    for block in blocks {
        text.push('\n');
        add(block, &mut text);
    }
    text
}

// Writing to a text cannot fail.
fn add(block: &Block, text: &mut String) {
    match block {
        Block::Heading {
            level,
            anchor,
            text: heading,
        } => {
            let marks = "#".repeat(usize::from(*level));
            let _ = writeln!(text, "{marks} <a id=\"{anchor}\"></a>{heading}");
        }
        Block::Text(words) => {
            let _ = writeln!(text, "{words}");
        }
        Block::List(items) => {
            for item in items {
                let _ = writeln!(text, "- {item}");
            }
        }
        Block::Table { head, rows } => {
            let _ = writeln!(text, "| {} |", head.join(" | "));
            let _ = writeln!(text, "|{}", " --- |".repeat(head.len()));
            for row in rows {
                let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
                let _ = writeln!(text, "| {} |", cells.join(" | "));
            }
        }
        Block::Code {
            label: _,
            language,
            text: code,
        } => {
            let _ = writeln!(text, "```{language}\n{code}\n```");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_does_not_end_its_row() {
        let table = Block::Table {
            head: vec!["one", "two"],
            rows: vec![vec!["a | b".to_owned(), "c".to_owned()]],
        };
        let text = document(&[table]);
        assert!(
            text.ends_with("| one | two |\n| --- | --- |\n| a \\| b | c |\n"),
            "{text}"
        );
    }
}
