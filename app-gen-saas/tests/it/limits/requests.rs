//! What a request may be: how fast they come, from which pages, how large and how slow one is.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::accounts::{Asker, World};
use crate::support::PATIENCE;
use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};

async fn with(variables: &[(&'static str, &str)]) -> Orchestrator {
    let owned = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
    let options = Options {
        variables: variables.iter().map(owned).collect(),
        without_worker: true,
        change: Some(|config| config.server.limits.body = Duration::from_millis(400)),
        ..Options::default()
    };
    Orchestrator::with(TestDatabase::sqlite(), options).await
}

async fn send(
    orchestrator: &Orchestrator,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let client = &orchestrator.client;
    let mut request = client
        .http
        .request(method, format!("{}{path}", client.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn each_address_has_its_rate() {
    let variables = [
        ("REQUESTS_PER_SECOND", "1"),
        ("REQUESTS_BURST", "10"),
        ("TRUSTED_PROXIES", "1"),
    ];
    let orchestrator = with(&variables).await;
    let from = async |address: &str, path: &str| {
        send(
            &orchestrator,
            Method::GET,
            path,
            &[("x-forwarded-for", address)],
        )
        .await
    };
    let mut refused = None;
    for _ in 0..30 {
        let response = from("192.0.2.1", "/api/jobs").await;
        if response.status().as_u16() == 429 {
            refused = Some(response);
            break;
        }
        assert_eq!(response.status().as_u16(), 200);
    }
    let refused = refused.expect("30 requests at once go through");
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.headers().contains_key("content-security-policy"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("too_fast"), &json!(429))
    );
    // Whatever is asked, and whatever the client itself says of where it is.
    assert_eq!(
        from("6.6.6.6, 192.0.2.1", "/nothing")
            .await
            .status()
            .as_u16(),
        429
    );
    // Nobody else is kept back, and it is over after a while.
    assert_eq!(from("192.0.2.2", "/api/jobs").await.status().as_u16(), 200);
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(from("192.0.2.1", "/api/jobs").await.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_known_has_a_rate_of_their_own_wherever_they_are() {
    let variables = [("REQUESTS_PER_SECOND", "1"), ("REQUESTS_BURST", "20")];
    let world = World::with(TestDatabase::sqlite(), &variables).await;
    let (_, ann) = world.user("ann@example.com");
    let (_, busy) = world.key(&ann, &["read"]).await;
    let (_, quiet) = world.key(&ann, &["read"]).await;
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(world.get(&busy, "/api/jobs").await.0);
    }
    assert_eq!(statuses.first(), Some(&200));
    assert_eq!(statuses.last(), Some(&429));
    // All of them come from the same address.
    assert_eq!(world.get(&quiet, "/api/jobs").await.0, 200);
    assert_eq!(world.get(&ann, "/api/jobs").await.0, 200);
    // Whoever is not let in is counted by address, and no longer looked up at some time.
    let unknown = Asker::with("agk_nobody".to_owned());
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(world.get(&unknown, "/api/jobs").await.0);
    }
    assert_eq!(statuses.first(), Some(&401));
    assert_eq!(statuses.last(), Some(&429));
    // What everybody may see is counted apart from that.
    assert_eq!(world.get(&Asker::default(), "/api/config").await.0, 200);
}

#[tokio::test]
async fn a_stream_is_one_request() {
    let variables = [("REQUESTS_PER_SECOND", "1"), ("REQUESTS_BURST", "3")];
    let orchestrator = with(&variables).await;
    let id = orchestrator.client.submit("watch me").await;
    let path = format!("/api/jobs/{id}/events");
    let mut stream = send(&orchestrator, Method::GET, &path, &[]).await;
    assert_eq!(stream.status().as_u16(), 200);
    assert!(stream.chunk().await.unwrap().is_some());
    // However long it is read.
    let job = send(&orchestrator, Method::GET, &format!("/api/jobs/{id}"), &[]).await;
    assert_eq!(job.status().as_u16(), 200);
}

const OTHER: (&str, &str) = ("origin", "https://app.example");

#[tokio::test]
async fn pages_of_listed_origins_may_ask() {
    let orchestrator = with(&[(
        "ALLOWED_ORIGINS",
        "https://app.example, http://localhost:5173",
    )])
    .await;
    let asks = ("access-control-request-method", "POST");
    let headers = (
        "access-control-request-headers",
        "authorization,content-type,idempotency-key",
    );
    let cross = ("sec-fetch-site", "cross-site");
    let preflight = send(
        &orchestrator,
        Method::OPTIONS,
        "/api/jobs",
        &[OTHER, asks, headers, cross, ("sec-fetch-mode", "cors")],
    )
    .await;
    assert_eq!(preflight.status().as_u16(), 200);
    let said = preflight.headers();
    assert_eq!(said["access-control-allow-origin"], OTHER.1);
    let list = |name: &str| said[name].to_str().unwrap().to_lowercase();
    assert!(list("access-control-allow-methods").contains("post"));
    assert!(list("access-control-allow-headers").contains("idempotency-key"));
    assert!(!said.contains_key("access-control-allow-credentials"));
    // The answers, too, and refusals among them.
    for (path, status) in [
        ("/api/jobs", 200),
        ("/api/jobs?more=1", 400),
        ("/api/no", 404),
    ] {
        let response = send(&orchestrator, Method::GET, path, &[OTHER, cross]).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(
            response.headers()["access-control-allow-origin"],
            OTHER.1,
            "{path}"
        );
        let exposed = response.headers()["access-control-expose-headers"]
            .to_str()
            .unwrap();
        assert!(exposed.contains("retry-after"), "{exposed}");
    }
    // Others may not, whether the browser says where they are from or not.
    let evil = ("origin", "https://app.example.evil.example");
    let refused = send(
        &orchestrator,
        Method::OPTIONS,
        "/api/jobs",
        &[evil, asks, cross],
    )
    .await;
    assert_eq!(refused.status().as_u16(), 403);
    let told = send(&orchestrator, Method::OPTIONS, "/api/jobs", &[evil, asks]).await;
    assert!(!told.headers().contains_key("access-control-allow-origin"));
    let refused = send(&orchestrator, Method::POST, "/api/jobs", &[evil]).await;
    assert_eq!(refused.status().as_u16(), 403);
}

#[tokio::test]
async fn without_a_list_no_page_of_another_origin_may_ask() {
    let orchestrator = with(&[]).await;
    let asks = ("access-control-request-method", "POST");
    let cross = ("sec-fetch-site", "cross-site");
    let preflight = send(
        &orchestrator,
        Method::OPTIONS,
        "/api/jobs",
        &[OTHER, asks, cross],
    )
    .await;
    assert_eq!(preflight.status().as_u16(), 403);
    let response = send(&orchestrator, Method::GET, "/api/jobs", &[OTHER]).await;
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn a_head_has_a_bound() {
    let orchestrator = with(&[]).await;
    let header = |bytes| "x".repeat(bytes);
    let good = send(
        &orchestrator,
        Method::GET,
        "/api/jobs",
        &[("x-long", &header(20_000))],
    )
    .await;
    assert_eq!(good.status().as_u16(), 200);
    let large = send(
        &orchestrator,
        Method::GET,
        "/api/jobs",
        &[("x-long", &header(40_000))],
    )
    .await;
    assert_eq!(large.status().as_u16(), 431);
    let problem: Value = large.json().await.unwrap();
    assert_eq!(problem["code"], "head_too_large", "{problem}");
    let path = format!("/api/jobs?before={}", header(40_000));
    let long = send(&orchestrator, Method::GET, &path, &[]).await;
    assert_eq!(long.status().as_u16(), 431);
    // More than so many the server itself does not read.
    let client = &orchestrator.client;
    let mut many = client.http.get(format!("{}/api/jobs", client.base));
    for number in 0..150 {
        many = many.header(format!("x-{number}"), "1");
    }
    assert_eq!(many.send().await.unwrap().status().as_u16(), 431);
}

/// What is answered to this, until the connection is closed.
async fn raw(orchestrator: &Orchestrator, request: &str) -> String {
    let mut stream = TcpStream::connect(orchestrator.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the connection stayed open")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_has_a_bound() {
    let orchestrator = with(&[]).await;
    let body = json!({ "description": "x".repeat(70_000) });
    let response = orchestrator.client.post("/api/jobs", &body).await;
    assert_eq!(response.status().as_u16(), 413);
    // One that stops coming is given up, and its sender is told so.
    let head = "Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n";
    for (path, more) in [
        ("/api/jobs", ""),
        ("/api/jobs", "Idempotency-Key: slow\r\n"),
        ("/api/attachments?name=a.txt", ""),
    ] {
        let request = format!("POST {path} HTTP/1.1\r\n{head}{more}\r\n{{\"description\":");
        let answer = raw(&orchestrator, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 408 "),
            "{path} {more}: {answer}"
        );
        assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    }
}
