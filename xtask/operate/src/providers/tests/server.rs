//! An HTTP server on loopback, for one test.

use serde_json::json;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Headers that every client sends.
const USUAL: [&str; 5] = [
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "connection",
];
/// A connection that is left open is left in the end.
const HELD: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// Status and body.
    Whole(u16, String),
    /// To this URL.
    Redirect(String),
    /// The connection is closed.
    Nothing,
    /// The connection is held.
    Silence,
    /// A body that goes on as fast as it is read.
    Endless(u16),
    /// A body of which a byte arrives now and then.
    Trickle(u16),
}

/// A request: its first line without the version, then its headers in the order of their names, without those
/// of every client, separated by `; `.
pub(super) type Request = String;

/// A server that remembers what it was asked.
pub(super) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(super) fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    let request = read(&stream);
                    seen.lock().unwrap().push(request.clone());
                    // The client may have what it needs, and be gone.
                    let _ = write(stream, answer(&request));
                });
            }
        });
        Self { port, requests }
    }

    /// One that accepts a key, knows a model, and answers as each provider does.
    pub(super) fn of_providers(key: &'static str, model: &'static str) -> Self {
        Self::new(move |request| {
            let is_anthropic = request.contains("anthropic-version");
            let refusal = |status, kind: &str, code: &str, message: String| {
                let error = match is_anthropic {
                    true => json!({"type": kind, "message": message}),
                    false => {
                        json!({"type": "invalid_request_error", "code": code, "message": message})
                    }
                };
                Reply::Whole(status, json!({"type": "error", "error": error}).to_string())
            };
            let mut headers = request.split("; ");
            let path = headers.next().unwrap_or_default();
            let sent = |header: &str| {
                header == format!("x-api-key: {key}")
                    || header == format!("authorization: Bearer {key}")
            };
            if !headers.any(sent) {
                // As OpenAI does, it says what it got.
                let message = format!("Incorrect API key provided: {request}");
                return refusal(401, "authentication_error", "invalid_api_key", message);
            }
            let wanted = path.strip_prefix("GET /v1/models/");
            let wanted = wanted.map(|wanted| wanted.replace("%2F", "/"));
            match wanted {
                Some(name) if name != model => {
                    let message = format!("model: {name}");
                    refusal(404, "not_found_error", "model_not_found", message)
                }
                _ => Reply::Whole(200, "{}".to_owned()),
            }
        })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(super) fn last_request(&self) -> Request {
        self.requests.lock().unwrap().last().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let first = first.trim_end_matches(" HTTP/1.1").to_owned();
    let headers = lines.take_while(|line| !line.is_empty());
    let headers = headers.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}: {}", name.to_lowercase(), value.trim())
    });
    let mut headers: Vec<String> = headers
        .filter(|line| {
            !USUAL
                .iter()
                .any(|name| line.starts_with(&format!("{name}:")))
        })
        .collect();
    headers.sort();
    headers.insert(0, first);
    headers.join("; ")
}

fn write(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Whole(status, body) => write!(
            stream,
            "HTTP/1.1 {status} So\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        Reply::Redirect(target) => write!(
            stream,
            "HTTP/1.1 307 There\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        ),
        Reply::Nothing => Ok(()),
        Reply::Silence => {
            thread::sleep(HELD);
            Ok(())
        }
        Reply::Endless(status) => {
            write!(stream, "HTTP/1.1 {status} So\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 4096])?;
            }
        }
        Reply::Trickle(status) => {
            write!(stream, "HTTP/1.1 {status} So\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
}
