//! A way to the registry of the tests' instance that sees each request, and may answer instead. It is
//! where a gate on a port of its own looks for the registry.

use super::behind_gate::BehindGate;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

/// What a client asks, without the body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    head: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The tag of a manifest that it sends.
    pub(crate) fn pushed_tag(&self) -> Option<&str> {
        let (_, reference) = self.path.split_once("/manifests/")?;
        (self.method == "PUT").then_some(reference)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// The registry answers it.
    Pass,
    /// The registry never sees it; the client gets these lines of a head and this body.
    Answer(String, String),
    /// The registry does what it asks, and the client gets this instead of the answer.
    PassAndAnswer(String, String),
}

/// What ECR answers where a tag exists in a repository whose tags are immutable.
pub(crate) fn immutable() -> (String, String) {
    let body = "{\"errors\":[{\"code\":\"TAG_INVALID\",\"message\":\"The image tag already exists in the \
                repository and cannot be overwritten because the tag is immutable.\"}]}";
    (
        "400 Bad Request\r\nContent-Type: application/json".to_owned(),
        body.to_owned(),
    )
}

/// The gateway, which runs until the test ends.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    _place: BehindGate,
}

impl Gateway {
    pub(crate) fn new(decide: impl Fn(&Request) -> Verdict + Send + Sync + 'static) -> Self {
        let (place, listener) = BehindGate::new();
        let gateway = Self {
            port: place.port,
            seen: Arc::default(),
            _place: place,
        };
        let (seen, decide) = (Arc::clone(&gateway.seen), Arc::new(decide));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, decide) = (Arc::clone(&seen), Arc::clone(&decide));
                std::thread::spawn(move || serve(client, &seen, &*decide));
            }
        });
        gateway
    }

    /// The requests since the last call, as `METHOD PATH`.
    pub(crate) fn seen(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.seen.lock().unwrap());
        requests
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }
}

/// One request of a connection, which then ends.
fn serve(
    client: UnixStream,
    seen: &Mutex<Vec<Request>>,
    decide: &(impl Fn(&Request) -> Verdict + ?Sized),
) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    // The engine tries HTTPS first, and HTTP where the answer is none of that.
    if !reader.fill_buf().ok()?.first()?.is_ascii_uppercase() {
        return reply(&client, "400 Bad Request", "not HTTP");
    }
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ').map(str::to_owned);
    let request = Request {
        method: words.next()?,
        path: words.next()?,
        head: head.clone(),
    };
    seen.lock().unwrap().push(request.clone());
    let length = request.header("content-length").unwrap_or("0");
    let mut body = reader.take(length.parse().ok()?);
    match decide(&request) {
        Verdict::Pass => {
            let mut server = forward(&head, &mut body)?;
            std::io::copy(&mut server, &mut &client).ok()?;
        }
        Verdict::Answer(head, text) => {
            std::io::copy(&mut body, &mut std::io::sink()).ok()?;
            reply(&client, &head, &text)?;
        }
        Verdict::PassAndAnswer(answer, text) => {
            let mut server = forward(&head, &mut body)?;
            std::io::copy(&mut server, &mut std::io::sink()).ok()?;
            reply(&client, &answer, &text)?;
        }
    }
    client.shutdown(Shutdown::Both).ok()
}

/// Sends the request to the registry, which ends the connection after its answer.
fn forward(head: &str, body: &mut impl std::io::Read) -> Option<UnixStream> {
    let mut server = BehindGate::registry().ok()?;
    let kept = head
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let lines: Vec<&str> = kept.chain(["Connection: close", "", ""]).collect();
    server.write_all(lines.join("\r\n").as_bytes()).ok()?;
    std::io::copy(body, &mut server).ok()?;
    Some(server)
}

fn reply(mut client: &UnixStream, head: &str, body: &str) -> Option<()> {
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()
}
