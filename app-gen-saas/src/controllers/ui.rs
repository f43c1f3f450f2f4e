//! The web page: files of a folder, with `index.html` for every path that belongs to the page. Scripts and
//! styles are compressed where the page is built; here is only chosen which of their forms is sent.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use tower_http::services::{ServeDir, ServeFile};

/// Serves the built page from `folder`.
pub fn files(folder: &Path) -> Router {
    let index = ServeFile::new(folder.join("index.html"));
    let assets = ServeDir::new(folder.join("assets"))
        .precompressed_br()
        .precompressed_gzip();
    Router::new()
        // A missing script must not be answered with a page.
        .nest_service("/assets", assets)
        .fallback_service(ServeDir::new(folder).fallback(index))
        .layer(middleware::from_fn(cache_control))
}

/// Names of files under `/assets/` carry a hash of their content; everything else may change. Of the
/// former there are several forms, so whoever keeps an answer must not give it to everybody.
async fn cache_control(request: Request, next: Next) -> Response {
    let hashed = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    if hashed {
        response
            .headers_mut()
            .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let value = if hashed && response.status().is_success() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    response
}
