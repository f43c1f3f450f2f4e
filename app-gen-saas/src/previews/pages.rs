//! What is answered under the host of a preview that does not run: short pages without any script, in the page's
//! own words.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::database::Preview;

/// How often the page of a preview that starts looks again, in seconds.
const REFRESH_SECS: u16 = 2;

/// Nothing of another origin, and no script.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;color:#1c2024;background:#fff;margin:0;display:grid;\
min-height:100vh;place-items:center;text-align:center}main{max-width:34rem;padding:1.5rem}\
h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:.25rem 0;overflow-wrap:anywhere;white-space:pre-line}\
@media(prefers-color-scheme:dark){body{color:#edeef0;background:#111113}}";

/// A page.
struct Page<'a> {
    status: StatusCode,
    title: &'a str,
    text: &'a str,
    /// Whether it looks again by itself.
    refreshes: bool,
}

/// The application starts.
pub(super) fn waiting(request: &HeaderMap, preview: &Preview) -> Response {
    let phase = match preview.phase.as_deref() {
        Some("installing") => "Its packages are being installed.",
        Some("building") => "It is being built.",
        Some("starting") => "It is being started.",
        Some("waiting") => "There is no room for it at this moment; it is tried again.",
        _ => "Its place is being prepared.",
    };
    let page = Page {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "The application is starting",
        text: phase,
        refreshes: true,
    };
    page.answer(request)
}

/// The application does not answer, or has too much to do.
pub(super) fn unreachable(request: &HeaderMap) -> Response {
    let page = Page {
        status: StatusCode::BAD_GATEWAY,
        title: "The application does not answer",
        text: "This page looks again by itself.",
        refreshes: true,
    };
    page.answer(request)
}

/// The preview is over.
pub(super) fn ended(request: &HeaderMap, preview: &Preview) -> Response {
    let reason = preview.reason.as_deref().unwrap_or("its time is over");
    let page = Page {
        status: StatusCode::GONE,
        title: "This preview has ended",
        text: &format!("The reason: {reason}\nStart another one on the page of the version."),
        refreshes: false,
    };
    page.answer(request)
}

/// There never was one, or nobody remembers it.
pub(super) fn unknown(request: &HeaderMap) -> Response {
    let page = Page {
        status: StatusCode::NOT_FOUND,
        title: "There is no preview here",
        text: "Start one on the page of a version.",
        refreshes: false,
    };
    page.answer(request)
}

impl Page<'_> {
    /// As HTML for who reads that, and as text for programs.
    fn answer(&self, request: &HeaderMap) -> Response {
        let reads_html = request
            .get_all(header::ACCEPT)
            .iter()
            .any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")));
        let (kind, text) = match reads_html {
            true => ("text/html; charset=utf-8", self.html()),
            false => (
                "text/plain; charset=utf-8",
                format!("{}. {}\n", self.title, self.text),
            ),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        );
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if self.refreshes {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(REFRESH_SECS));
        }
        response
    }

    fn html(&self) -> String {
        let refresh = match self.refreshes {
            true => format!("<meta http-equiv=\"refresh\" content=\"{REFRESH_SECS}\">"),
            false => String::new(),
        };
        let (title, text) = (escaped(self.title), escaped(self.text));
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{refresh}\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <style>{STYLE}</style></head><body><main role=\"status\"><h1>{title}</h1>\
             <p>{text}</p></main></body></html>"
        )
    }
}

/// An application may have written a part of a reason.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_wrote_is_text() {
        let page = Page {
            status: StatusCode::GONE,
            title: "Ended",
            text: "<script>alert(1)</script>",
            refreshes: true,
        };
        let html = page.html();
        assert!(
            html.contains("&lt;script&gt;") && !html.contains("<script"),
            "{html}"
        );
        assert!(html.contains("http-equiv=\"refresh\""), "{html}");
    }
}
