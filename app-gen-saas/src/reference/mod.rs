//! The reference of the API for people, made from the OpenAPI document: a page that the orchestrator
//! serves, and `docs/api.md` of the repository. Both are the same blocks, in two notations.

mod content;
mod data;
mod examples;
mod html;
mod markdown;
mod operation;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Html;
use bytes::Bytes;
use utoipa::openapi::OpenApi;

/// Where the style of the page is; the page's policy allows none within it.
pub const STYLE_PATH: &str = "/api/reference.css";

const STYLE: &str = include_str!("reference.css");

/// A part of the reference. Texts may have code between backquotes, and links `[text](#anchor)`.
enum Block {
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
    fn heading(level: u8, anchor: &str, text: &str) -> Self {
        Self::Heading {
            level,
            anchor: anchor.to_owned(),
            text: text.to_owned(),
        }
    }

    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// The page of the reference.
#[must_use]
pub fn page(document: &OpenApi) -> Html<Bytes> {
    Html(html::page(&content::blocks(document)).into())
}

/// The style of that page.
pub async fn style() -> ([(HeaderName, HeaderValue); 1], &'static str) {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], STYLE)
}

/// The reference as the repository has it, `docs/api.md`.
#[must_use]
pub fn markdown(document: &OpenApi) -> String {
    markdown::document(&content::blocks(document))
}
