//! The reference of the API for people, made from the OpenAPI document: a page that the orchestrator
//! serves, and `docs/api.md` of the repository. Both are the same blocks, in two notations.

mod block;
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

/// Where the style of the page is.
pub const STYLE_PATH: &str = html::STYLE_PATH;

const STYLE: &str = include_str!("reference.css");

/// The page of the reference.
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
