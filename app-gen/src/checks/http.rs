//! A request to an application that runs in a cage: to a port of this machine, and to nobody else.

use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take, from the connection to its last byte.
const ANSWER: Duration = Duration::from_secs(10);
/// Bytes of an answer's body.
const BODY_BYTES: usize = 2 * 1024 * 1024;

/// What an application answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) is_html: bool,
    /// Where it sends who asks.
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// Why there is no answer, as the end of a sentence about the application.
pub(crate) type NoAnswer = String;

/// Asks the application at a port of 127.0.0.1.
pub(crate) async fn ask(
    port: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, NoAnswer> {
    match timeout(ANSWER, exchange(port, method, path, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "gave no whole answer within {} s",
            ANSWER.as_secs()
        )),
    }
}

async fn exchange(
    port: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, NoAnswer> {
    let broke = |error: hyper::Error| format!("broke the connection without an answer: {error}");
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    let stream = stream.map_err(|_| format!("does not listen at 127.0.0.1:{port}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    let text = body.map(Value::to_string);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .header(header::ACCEPT, "*/*");
    if text.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(Full::new(Bytes::from(text.unwrap_or_default())))
        .map_err(|error| format!("cannot be asked for {path}: {error}"))?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(broke)?;
        let (head, body) = response.into_parts();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let is_html = text(header::CONTENT_TYPE).is_some_and(|form| form.starts_with("text/html"));
        let location = text(header::LOCATION).map(str::to_owned);
        let body = Limited::new(body, BODY_BYTES).collect().await;
        let body = body.map_err(|error| format!("did not end its answer: {error}"))?;
        Ok(Answer {
            status: head.status.as_u16(),
            is_html,
            location,
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        })
    };
    // The connection works while the answer is waited for, and is closed behind it.
    let mut connection = std::pin::pin!(connection);
    let mut asked = std::pin::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        // It has ended, so what has come of the answer is all there is.
        _ = &mut connection => asked.await,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives one answer, and what it was asked.
    async fn asked(bytes: Vec<u8>) -> (Result<Answer, NoAnswer>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut piece = vec![0; 4_096];
            let count = stream.read(&mut piece).await.unwrap();
            // Whoever has enough leaves.
            let _ = stream.write_all(&bytes).await;
            String::from_utf8_lossy(&piece[..count]).into_owned()
        });
        let answer = ask(port, "POST", "/api?x=1", Some(&json!({"a": 1}))).await;
        (answer, server.await.unwrap())
    }

    #[tokio::test]
    async fn an_answer_is_read_whole() {
        let text = "HTTP/1.1 201 Created\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 5\r\n\
                    location: /b\r\n\r\n<p>a\n";
        let (answer, request) = asked(text.into()).await;
        let expected = Answer {
            status: 201,
            is_html: true,
            location: Some("/b".to_owned()),
            body: "<p>a\n".to_owned(),
        };
        assert_eq!(answer, Ok(expected));
        assert!(
            request.starts_with("POST /api?x=1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains("content-type: application/json\r\n"),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_said() {
        let large = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            BODY_BYTES + 1
        );
        let mut large = large.into_bytes();
        large.resize(large.len() + BODY_BYTES + 1, b'x');
        for (bytes, words) in [
            (b"".to_vec(), "broke the connection"),
            (b"nonsense\r\n\r\n".to_vec(), "broke the connection"),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx".to_vec(),
                "did not end",
            ),
            (large, "did not end its answer: length limit exceeded"),
        ] {
            let (answer, _) = asked(bytes).await;
            let error = answer.unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let error = ask(free, "GET", "/", None).await.unwrap_err();
        assert!(error.starts_with("does not listen"), "{error}");
    }
}
