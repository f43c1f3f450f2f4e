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
        assert_eq!(response.headers()["content-type"], "application/json");
    }
    let response = orchestrator.client.get("/../../etc/passwd").await;
    assert_eq!(response.text().await.unwrap(), "<!doctype html>page");
}
