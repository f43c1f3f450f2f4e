//! What the reference consists of, whatever its notation.

/// A part of the reference. Texts may have code between backquotes, and links `[text](#anchor)`.
pub(super) enum Block {
    Heading {
        level: u8,
        anchor: String,
        text: String,
    },
    Text(String),
    List(Vec<String>),
    Table {
        head: Vec<&'static str>,
        rows: Vec<Vec<String>>,
    },
    Code {
        /// What it is an example of: `curl`, `TypeScript`, `Rust`.
        label: &'static str,
        /// As Markdown names it.
        language: &'static str,
        text: String,
    },
}

impl Block {
    pub(super) fn heading(level: u8, anchor: &str, text: &str) -> Self {
        Self::Heading {
            level,
            anchor: anchor.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}
