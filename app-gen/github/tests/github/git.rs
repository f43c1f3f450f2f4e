//! Repositories by the real `git http-backend`.

use crate::hub::{Shared, TOKEN};
use crate::process::command;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("LC_ALL", "C.UTF-8"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
];
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Somebody"),
    ("GIT_AUTHOR_EMAIL", "somebody@example.com"),
    ("GIT_COMMITTER_NAME", "Somebody"),
    ("GIT_COMMITTER_EMAIL", "somebody@example.com"),
];

/// What git says, without white space around it, or nothing where it fails.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = command("git", folder);
    git.env_clear().envs(ENVIRONMENT).envs(IDENTITY);
    let output = git.args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| text.trim().to_owned())
}

/// Answers a request of git, as GitHub does: nothing without a token that is known.
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !has_token(&parts.headers) {
        let realm = HeaderValue::from_static("Basic realm=\"GitHub\"");
        let words = "Invalid username or token.";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, realm)], words).into_response();
    }
    let body = to_bytes(body, 64 * 1024 * 1024).await.unwrap();
    let header = |name: &str| {
        let value = parts.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let mut backend = Command::new("git");
    backend
        .arg("http-backend")
        .env_clear()
        .envs(ENVIRONMENT)
        .env("GIT_PROJECT_ROOT", shared.root())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path().strip_prefix("/git").unwrap())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        // Whoever is known may also write.
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    for (variable, name) in [
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("GIT_PROTOCOL", "git-protocol"),
    ] {
        if let Some(value) = header(name) {
            backend.env(variable, value);
        }
    }
    let mut child = backend.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let write = async {
        // It does not read what it does not need.
        let _ = stdin.write_all(&body).await;
        drop(stdin);
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    response(&output.unwrap().stdout)
}

fn has_token(headers: &HeaderMap) -> bool {
    let Some(presented) = headers.get(AUTHORIZATION) else {
        return false;
    };
    let presented = presented.to_str().unwrap().strip_prefix("Basic ").unwrap();
    let decoded = String::from_utf8(STANDARD.decode(presented).unwrap()).unwrap();
    let (_, password) = decoded.split_once(':').unwrap();
    password == TOKEN
}

/// What a CGI program answers: headers, an empty line, the body.
fn response(output: &[u8]) -> Response {
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, body) = output.split_at(end.unwrap() + 4);
    let mut answer = Response::new(Body::from(body.to_vec()));
    for line in std::str::from_utf8(head).unwrap().trim_end().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            let (code, _) = value.split_once(' ').unwrap();
            *answer.status_mut() = code.parse().unwrap();
        } else {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_str(value).unwrap();
            answer.headers_mut().insert(name, value);
        }
    }
    assert!(answer.headers().contains_key(CONTENT_TYPE), "{head:?}");
    answer
}
