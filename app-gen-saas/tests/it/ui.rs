//! The web page: files, the fallback to `index.html`, and what is not the page's.

use reqwest::StatusCode;

use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};

#[tokio::test]
async fn files_and_fallback() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    write("index.html", "<!doctype html>page");
    write("assets/index-1a2b.js", "script");
    let options = Options {
        without_worker: true,
        variables: vec![("UI_DIR", folder.path().display().to_string())],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    for (path, status, kind, cache, text) in [
        ("/", 200, "text/html", "no-cache", "<!doctype html>page"),
        (
            "/jobs/17",
            200,
            "text/html",
            "no-cache",
            "<!doctype html>page",
        ),
        (
            "/assets/index-1a2b.js",
            200,
            "text/javascript",
            "public, max-age=31536000, immutable",
            "script",
        ),
    ] {
        let response = orchestrator.client.get(path).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        let headers = response.headers();
        assert_eq!(headers["content-type"], kind, "{path}");
        assert_eq!(headers["cache-control"], cache, "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'self';"),
            "{path}: {policy}"
        );
        assert_eq!(response.text().await.unwrap(), text, "{path}");
    }
    let response = orchestrator.client.get("/assets/gone.js").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    for path in ["/api/nothing", "/api"] {
        let response = orchestrator.client.get(path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
    let response = orchestrator.client.get("/../../etc/passwd").await;
    assert_eq!(response.text().await.unwrap(), "<!doctype html>page");
}

/// What is in a file is the business of the page's build; here each form has other bytes.
#[tokio::test]
async fn a_client_gets_the_smallest_form_that_it_understands() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    for (name, text) in [
        ("index.html", "<!doctype html>page"),
        ("assets/index-1a2b.js", "plain"),
        ("assets/index-1a2b.js.br", "brotli"),
        ("assets/index-1a2b.js.gz", "gzip"),
        ("assets/logo-3c4d.svg", "<svg/>"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let options = Options {
        without_worker: true,
        variables: vec![("UI_DIR", folder.path().display().to_string())],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    let script = "/assets/index-1a2b.js";
    for (path, accepted, encoding, text) in [
        (
            script,
            Some("gzip, deflate, br, zstd"),
            Some("br"),
            "brotli",
        ),
        (script, Some("gzip"), Some("gzip"), "gzip"),
        (script, Some("br;q=0, gzip;q=0.5"), Some("gzip"), "gzip"),
        (script, Some("zstd, identity"), None, "plain"),
        (script, Some("br;q=0"), None, "plain"),
        (script, None, None, "plain"),
        ("/assets/logo-3c4d.svg", Some("br, gzip"), None, "<svg/>"),
    ] {
        let address = format!("{}{path}", orchestrator.client.base);
        let mut request = orchestrator.client.http.get(address);
        if let Some(accepted) = accepted {
            request = request.header("accept-encoding", accepted);
        }
        let response = request.send().await.unwrap();
        let headers = response.headers();
        assert_eq!(response.status(), StatusCode::OK, "{path} {accepted:?}");
        assert_eq!(
            headers
                .get("content-encoding")
                .map(|value| value.to_str().unwrap()),
            encoding,
            "{path} {accepted:?}"
        );
        assert_eq!(headers["vary"], "accept-encoding", "{path} {accepted:?}");
        let kind = headers["content-type"].to_str().unwrap();
        let expected = match path == script {
            true => "text/javascript",
            false => "image/svg+xml",
        };
        assert_eq!(kind, expected, "{path} {accepted:?}");
        assert_eq!(response.text().await.unwrap(), text, "{path} {accepted:?}");
    }
    let page = orchestrator.client.get("/").await;
    assert_eq!(page.headers().get("vary"), None);
}
