//! Connections that somebody opens and keeps, and requests that are not for us.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};

async fn orchestrator(options: Options<'_>) -> Orchestrator {
    let options = Options {
        without_worker: true,
        ..options
    };
    Orchestrator::with(TestDatabase::sqlite(), options).await
}

/// Sends this and reads until the other side closes the connection.
async fn until_closed(orchestrator: &Orchestrator, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(orchestrator.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the connection stayed open")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let orchestrator = orchestrator(Options {
        change: Some(|config| {
            config.server.limits.first_request = Duration::from_millis(300);
            config.server.limits.idle = Duration::from_millis(600);
        }),
        ..Options::default()
    })
    .await;
    assert_eq!(until_closed(&orchestrator, b"").await, "");
    assert_eq!(
        until_closed(&orchestrator, b"GET /health HTTP/1.1\r\nHost: 127").await,
        ""
    );
    let whole = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    for rest in ["", "GET /health HTTP/1.1\r\n"] {
        let answer = until_closed(&orchestrator, format!("{whole}{rest}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn connections_are_bounded() {
    let orchestrator = orchestrator(Options {
        change: Some(|config| {
            config.server.limits.connections = 2;
            config.server.limits.first_request = Duration::from_millis(500);
        }),
        ..Options::default()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(orchestrator.address).await.unwrap());
    }
    // It waits until one of them is closed, and is served then.
    assert_eq!(
        orchestrator.client.get("/health").await.status(),
        StatusCode::OK
    );
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn hosts_and_pages() {
    let orchestrator = orchestrator(Options {
        variables: vec![("ALLOWED_HOSTS", "app.example".to_owned())],
        ..Options::default()
    })
    .await;
    let client = &orchestrator.client;
    let id = client.submit("cancel me").await;
    let send = async |method: &str, path: &str, headers: &[(&'static str, &str)]| {
        let url = format!("{}{path}", client.base);
        let mut request = client.http.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    };
    for host in ["app.example", "localhost", "10.0.0.7:5013"] {
        let response = send("GET", "/health", &[("host", host)]).await;
        assert_eq!(response.status(), StatusCode::OK, "{host}");
    }
    let response = send("GET", "/api/jobs", &[("host", "evil.example")]).await;
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    assert!(response.headers().contains_key("content-security-policy"));
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["code"], "misdirected");

    let cancel = format!("/api/jobs/{id}/cancel");
    let evil = ("origin", "https://evil.example");
    for headers in [
        &[evil][..],
        &[("sec-fetch-site", "cross-site")],
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "http://localhost:3000"),
        ],
        &[("origin", "http://localhost:3000")],
    ] {
        let response = send("POST", &cancel, headers).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert_eq!(client.job(&id).await["state"], "queued");
    let own = format!("http://{}", orchestrator.address);
    let response = send("POST", &cancel, &[("origin", &own)]).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_full_queue() {
    let orchestrator = orchestrator(Options {
        variables: vec![("JOB_QUEUE_LIMIT", "2".to_owned())],
        ..Options::default()
    })
    .await;
    let client = &orchestrator.client;
    let first = client.submit("one").await;
    client.submit("two").await;
    let three = json!({ "description": "three" });
    let response = client.post("/api/jobs", &three).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "60");
    let error: Value = response.json().await.unwrap();
    let message = "too many jobs wait for their start; try again later";
    assert_eq!(error["code"], "busy", "{error}");
    assert_eq!(error["detail"], message);
    assert_eq!(error["retry_after_secs"], 60);
    client.cancel(&first).await;
    client.submit("three").await;
}
