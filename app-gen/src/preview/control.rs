//! The control port: who started the preview hands the application over and asks how it is.

use crate::preview::board::Board;
use app_gen_contract::{MAX_PREVIEW_ZIP_BYTES, PREVIEW_APPLICATION_PATH, PREVIEW_STATUS_PATH};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How many may ask at once: one does.
const CONNECTIONS: usize = 16;
/// How long a head may take, and a connection with all that it asks.
const HEAD: Duration = Duration::from_secs(10);
const CONNECTION: Duration = Duration::from_secs(60);
/// Pause after no connection could be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Answers until this future is dropped.
pub(super) async fn serve(listener: TcpListener, board: Arc<Board>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let board = Arc::clone(&board);
        connections.spawn(async move {
            let _place = place;
            // How a connection ends is the business of who asks.
            let _ = timeout(CONNECTION, connection(stream, board)).await;
        });
    }
}

async fn connection(stream: TcpStream, board: Arc<Board>) {
    let service = service_fn(move |request| {
        let board = Arc::clone(&board);
        async move { Ok::<_, Infallible>(answer(request, &board).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, board: &Board) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, PREVIEW_STATUS_PATH) => {
            // A status is text throughout, which JSON always has a form for.
            let status = serde_json::to_vec(&board.status()).unwrap_or_default();
            let mut response = Response::new(Full::new(Bytes::from(status)));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        (&Method::PUT, PREVIEW_APPLICATION_PATH) => empty(take(request.into_body(), board).await),
        _ => empty(StatusCode::NOT_FOUND),
    }
}

async fn take(body: Incoming, board: &Board) -> StatusCode {
    // What says that it is too large is not waited for.
    if body.size_hint().lower() > MAX_PREVIEW_ZIP_BYTES as u64 {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    let body = Limited::new(body, MAX_PREVIEW_ZIP_BYTES).collect().await;
    match body {
        Ok(body) => board.give(body.to_bytes()),
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_application_is_handed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let digest = Sha256::digest(b"zip");
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let (board, given) = Board::new(digest);
        let served = tokio::spawn(serve(listener, board));
        let head = "HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
        let status = format!("GET /status {head}\r\n");
        assert!(
            ask(address, &status)
                .await
                .ends_with(r#"{"phase":"empty","detail":null}"#)
        );
        let put = |zip: &str| {
            let length = zip.len();
            format!("PUT /application {head}content-length: {length}\r\n\r\n{zip}")
        };
        for (request, status) in [
            (put("other"), "422"),
            (put("zip"), "204"),
            (put("zip"), "409"),
            (
                format!("PUT /application {head}content-length: 33554433\r\n\r\n"),
                "413",
            ),
            (format!("GET /application {head}\r\n"), "404"),
        ] {
            let answer = ask(address, &request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
        }
        assert_eq!(given.await.unwrap(), "zip");
        served.abort();
    }
}
