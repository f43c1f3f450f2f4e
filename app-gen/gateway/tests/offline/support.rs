//! A gateway with what is behind it, and a client that sees bytes as they come.

use app_gen_gateway::{
    Bounds, Budget, Credential, Exchange, Gateway, Observer, Pass, Place, Protocol, Refusal, Scope,
    Secret, Settings, Upstream, Upstreams,
};
use app_gen_scripted_model as model;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Longer than any answer of these tests takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const BOTH: [Protocol; 2] = [Protocol::Anthropic, Protocol::OpenAi];
/// The key that no agent may see.
pub(crate) const KEY: &str = "sk-the-key-of-the-platform";

/// Remembers all that happens.
#[derive(Default)]
pub(crate) struct Seen {
    exchanges: Mutex<Vec<Exchange>>,
    refusals: Mutex<Vec<Refusal>>,
    wants_bodies: bool,
    bodies: Mutex<Vec<u8>>,
}

impl Observer for Seen {
    fn ended(&self, exchange: &Exchange) {
        let printed = format!("{exchange:?} {}", json!(exchange));
        assert!(!printed.contains(KEY), "{printed}");
        self.exchanges.lock().unwrap().push(exchange.clone());
    }

    fn refused(&self, _: Option<&Place>, refusal: Refusal, message: &str) {
        assert!(!message.contains(KEY), "{message}");
        self.refusals.lock().unwrap().push(refusal);
    }

    fn wants_bodies(&self) -> bool {
        self.wants_bodies
    }

    fn request_body(&self, _: u64, body: &[u8]) {
        self.bodies.lock().unwrap().extend_from_slice(body);
    }

    fn answer_piece(&self, _: u64, piece: &[u8]) {
        self.bodies.lock().unwrap().extend_from_slice(piece);
    }
}

/// A gateway that serves until this is dropped.
pub(crate) struct Served {
    pub(crate) gateway: Gateway,
    pub(crate) pass: Option<Pass>,
    seen: Arc<Seen>,
    /// The file with the requests that reached the scripted model.
    record: Option<PathBuf>,
    folder: tempfile::TempDir,
    runtime: Runtime,
}

pub(crate) fn scope(role: &str, budget: Budget) -> Scope {
    Scope {
        place: Place {
            role: role.to_owned(),
            stage: "build".to_owned(),
        },
        budget,
    }
}

fn upstream(protocol: Protocol, address: SocketAddr) -> Upstream {
    let url = match protocol {
        Protocol::Anthropic => format!("http://{address}"),
        Protocol::OpenAi => format!("http://{address}/v1"),
    };
    Upstream::new(&url, Credential::ApiKey(Secret::new(KEY))).unwrap()
}

/// A server whose every byte a test chooses: it is given the request's head and body, and the connection.
pub(crate) fn wire(answer: impl Fn(&str, &[u8], TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut bytes = Vec::new();
                let mut piece = [0; 65536];
                let end = loop {
                    if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                        break end + 4;
                    }
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => return,
                        Ok(count) => bytes.extend_from_slice(&piece[..count]),
                    }
                };
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.parse().unwrap());
                while bytes.len() < end + length {
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => return,
                        Ok(count) => bytes.extend_from_slice(&piece[..count]),
                    }
                }
                answer(&head, &bytes[end..], stream);
            });
        }
    });
    address
}

/// Of the person for whom all is asked.
pub(crate) const REQUEST_ID: &str = "click-7";

impl Served {
    pub(crate) fn before(address: SocketAddr, budget: Budget, bounds: Bounds) -> Self {
        Self::observed(address, budget, bounds, Seen::default())
    }

    /// One whose observer wants bodies.
    pub(crate) fn with_bodies(address: SocketAddr) -> Self {
        let seen = Seen {
            wants_bodies: true,
            ..Seen::default()
        };
        Self::observed(address, Budget::default(), Bounds::default(), seen)
    }

    fn observed(address: SocketAddr, budget: Budget, bounds: Bounds, seen: Seen) -> Self {
        let upstreams = Upstreams {
            anthropic: Some(upstream(Protocol::Anthropic, address)),
            openai: Some(upstream(Protocol::OpenAi, address)),
        };
        let seen = Arc::new(seen);
        let mut settings = Settings::new(upstreams).unwrap();
        settings.budget = budget;
        settings.bounds = bounds;
        settings.request_id = Some(REQUEST_ID.to_owned());
        settings.observer = Arc::clone(&seen) as Arc<dyn Observer>;
        let runtime = Runtime::new().unwrap();
        let gateway = runtime.block_on(Gateway::start(settings)).unwrap();
        let pass = gateway.admit(scope("builder", Budget::default())).unwrap();
        Self {
            gateway,
            pass: Some(pass),
            seen,
            record: None,
            folder: tempfile::tempdir().unwrap(),
            runtime,
        }
    }

    pub(crate) fn before_wire(address: SocketAddr) -> Self {
        Self::before(address, Budget::default(), Bounds::default())
    }

    /// A gateway before the scripted model, which accepts nothing but the key of the platform.
    pub(crate) fn before_script(text: &str, budget: Budget, bounds: Bounds) -> (Self, SocketAddr) {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripted-model/scripts");
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("record");
        let settings = model::Settings {
            key: Some(KEY.to_owned()),
            record: Some(record.clone()),
            ..model::Settings::default()
        };
        let script = model::Script::parse(text, &scripts).unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let played = Arc::new(model::Model::new(script, settings).unwrap());
        runtime.spawn(async move {
            model::serve(listener, played).await;
        });
        let mut served = Self::before(address, budget, bounds);
        served.record = Some(record);
        served.folder = folder;
        // The model lives as long as the gateway.
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        (served, address)
    }

    pub(crate) fn token(&self) -> &str {
        self.pass.as_ref().unwrap().token().reveal()
    }

    pub(crate) fn post(&self, protocol: Protocol, body: &Value) -> Got {
        ask(self.gateway.address(), protocol, self.token(), body)
    }

    /// Requests that reached the scripted model.
    pub(crate) fn recorded(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.record.as_ref().unwrap()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What was told of so many requests, when they have all ended.
    pub(crate) fn exchanges(&self, count: usize) -> Vec<Exchange> {
        let began = Instant::now();
        loop {
            let exchanges = self.seen.exchanges.lock().unwrap().clone();
            if exchanges.len() >= count {
                assert_eq!(exchanges.len(), count, "{exchanges:#?}");
                return exchanges;
            }
            assert!(began.elapsed() < PATIENCE, "{exchanges:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn exchange(&self) -> Exchange {
        self.exchanges(1).remove(0)
    }

    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.seen.refusals.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<u8> {
        self.seen.bodies.lock().unwrap().clone()
    }

    /// Tasks of the gateway that have not ended.
    pub(crate) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }
}

pub(crate) const fn path(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Anthropic => "/v1/messages?beta=true",
        Protocol::OpenAi => "/v1/responses",
    }
}

/// A request as an agent sends it.
pub(crate) fn request(protocol: Protocol, prompt: &str, is_streamed: bool) -> Value {
    let messages = json!([{"role": "user", "content": prompt}]);
    match protocol {
        Protocol::Anthropic => {
            json!({"model": "claude-sonnet-5-5", "messages": messages, "stream": is_streamed, "max_tokens": 100})
        }
        Protocol::OpenAi => json!({"model": "gpt-6-sol", "input": messages, "stream": is_streamed}),
    }
}

pub(crate) fn head(protocol: Protocol, token: &str, length: usize) -> String {
    let credential = match protocol {
        Protocol::Anthropic => format!("x-api-key: {token}\r\nanthropic-version: 2023-06-01"),
        Protocol::OpenAi => format!("authorization: Bearer {token}"),
    };
    let path = path(protocol);
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\naccept-encoding: gzip, br\r\n\
         content-type: application/json\r\n{credential}\r\ncontent-length: {length}\r\n\r\n"
    )
}

pub(crate) fn ask(address: SocketAddr, protocol: Protocol, token: &str, body: &Value) -> Got {
    let body = body.to_string();
    send(
        address,
        &[
            head(protocol, token, body.len()).as_bytes(),
            body.as_bytes(),
        ],
    )
}

/// Sends bytes and reads until the connection is closed.
pub(crate) fn send(address: SocketAddr, pieces: &[&[u8]]) -> Got {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for piece in pieces {
        // A server that refuses does not read to the end.
        let _ = stream.write_all(piece);
    }
    let mut bytes = Vec::new();
    // A connection that is reset has brought what it brought.
    let _ = stream.read_to_end(&mut bytes);
    Got::of(&bytes)
}

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Got {
    /// 0 where nothing came.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The body ended as it should.
    pub(crate) is_whole: bool,
}

impl Got {
    fn of(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Self::default();
        };
        let head = String::from_utf8(bytes[..end].to_vec())
            .unwrap()
            .to_ascii_lowercase();
        let mut rest = &bytes[end + 4..];
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut got = Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: rest.to_vec(),
            is_whole: length.is_some_and(|length| length.parse() == Ok(rest.len())),
            head,
        };
        if got.head.contains("transfer-encoding: chunked") {
            got.body.clear();
            while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
                let size = std::str::from_utf8(&rest[..line]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                let Some(chunk) = rest.get(line + 2..line + 2 + size) else {
                    break;
                };
                got.is_whole = size == 0;
                got.body.extend_from_slice(chunk);
                rest = rest.get(line + 4 + size..).unwrap_or_default();
            }
        }
        got
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Pseudo-random numbers (`SplitMix64`), the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }
}
