//! A forwarder to the local cloud that records which calls pass. The test of the roles' rights
//! compares this recording with what the roles allow.
//!
//! Every byte is passed on unchanged. A request that cannot be read is recorded as unreadable, so
//! that no call is missed.

use crate::validation::compose::CloudPorts;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use xtask_core::atomic_file::write_atomically;
use xtask_core::context::Context;
use xtask_docker::engine;

const CONNECT_BOUND: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// A head of a request that is longer is not read.
const HEAD_BYTES: usize = 64 * 1024;

/// The recording, relative to the checkout. `test/iam` of the CDK app reads it.
const RECORDING: &str = "app-gen-infra/cdk/test/iam/recorded.json";

/// One recorder for the orchestrator, and one for the generators.
pub struct CallRecorders {
    orchestrator: CallRecorder,
    generator: CallRecorder,
}

impl CallRecorders {
    /// Starts both on the docker bridge, where containers reach this machine.
    ///
    /// # Errors
    /// The engine does not run on this machine.
    pub fn start(context: &Context) -> anyhow::Result<Self> {
        let bridge = engine::bridge_address()?;
        // The gate lets tasks in where they come from.
        let cloud = SocketAddr::from((bridge, *context.platform.local.cloud_port.get_ref()));
        Ok(Self {
            orchestrator: CallRecorder::start(bridge, cloud)?,
            generator: CallRecorder::start(bridge, cloud)?,
        })
    }

    /// The ports that they listen on.
    #[must_use]
    pub fn ports(&self) -> CloudPorts {
        CloudPorts {
            orchestrator: self.orchestrator.port,
            generator: self.generator.port,
        }
    }

    /// Writes the calls into the recording, by the role that makes them on AWS.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, context: &Context) -> anyhow::Result<()> {
        let platform = &context.platform;
        let calls = BTreeMap::from([
            (
                platform.orchestrator().role.as_str(),
                self.orchestrator.calls(),
            ),
            (platform.generator_role(), self.generator.calls()),
        ]);
        let mut text = serde_json::to_vec_pretty(&calls)?;
        text.push(b'\n');
        context.report.step(&format!("write {RECORDING}"));
        write_atomically(&context.root.join(RECORDING), &text)
    }
}

type Calls = Arc<Mutex<BTreeSet<String>>>;

/// A forwarder on a port of its own. Dropping this ends it.
struct CallRecorder {
    port: u16,
    calls: Calls,
    ended: Arc<AtomicBool>,
}

impl CallRecorder {
    /// Listens on `address` and forwards to `cloud`.
    fn start(address: Ipv4Addr, cloud: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0))
            .with_context(|| format!("failed to listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let calls = Calls::default();
        let ended = Arc::new(AtomicBool::new(false));
        let (noted, until) = (Arc::clone(&calls), Arc::clone(&ended));
        std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) => {
                        let calls = Arc::clone(&noted);
                        std::thread::spawn(move || forward(client, cloud, &calls));
                    }
                    Err(_) => std::thread::sleep(ACCEPT_PAUSE),
                }
            }
        });
        Ok(Self { port, calls, ended })
    }

    /// The calls so far, sorted and each once: `ecs:RunTask`, `s3:GetObject jobs/*/spec.json`.
    fn calls(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().cloned().collect()
    }
}

impl Drop for CallRecorder {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Connects the client with the cloud until one side ends. A failure ends both sides, as it would
/// without a forwarder.
fn forward(mut client: TcpStream, cloud: SocketAddr, calls: &Calls) {
    let joined = TcpStream::connect_timeout(&cloud, CONNECT_BOUND).and_then(|server| {
        // Unlike the listener, its connections wait for data.
        client.set_nonblocking(false)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        Ok((server.try_clone()?, server, client.try_clone()?))
    });
    let Ok((mut answers, mut server, mut back)) = joined else {
        return;
    };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut reader = Requests::default();
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        for call in reader.read(&buffer[..length]) {
            calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(call);
        }
        if server.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}

/// The requests of one connection, read from bytes that come in pieces.
#[derive(Debug, Default)]
struct Requests {
    pending: Vec<u8>,
    body: Body,
}

/// The part of a body that has not come yet.
#[derive(Debug, Default, PartialEq)]
enum Body {
    /// Nothing is left, so a head comes next.
    #[default]
    None,
    Bytes(u64),
    /// Pieces follow, each after its length.
    Chunked,
    /// The bytes are not HTTP that we understand. All others are passed on unread.
    Unknown,
}

impl Requests {
    /// The calls whose heads end within these bytes.
    fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut calls = Vec::new();
        self.pending.extend_from_slice(bytes);
        loop {
            match self.body {
                Body::None => {
                    let Some(head) = self.take_until(b"\r\n\r\n") else {
                        if self.pending.len() > HEAD_BYTES {
                            self.body = Body::Unknown;
                            calls.push("unreadable request".to_owned());
                        }
                        return calls;
                    };
                    let head = Head::new(&head);
                    self.body = head.body();
                    calls.push(head.call());
                }
                Body::Bytes(length) => {
                    let here = self
                        .pending
                        .len()
                        .min(usize::try_from(length).unwrap_or(usize::MAX));
                    self.pending.drain(..here);
                    let left = length - here as u64;
                    self.body = if left == 0 {
                        Body::None
                    } else {
                        Body::Bytes(left)
                    };
                    if left > 0 {
                        return calls;
                    }
                }
                Body::Chunked => {
                    let Some(end) = find(&self.pending, b"\r\n") else {
                        return calls;
                    };
                    let line = String::from_utf8_lossy(&self.pending[..end]).into_owned();
                    let size = line.split(';').next().unwrap_or_default().trim();
                    let Ok(size) = usize::from_str_radix(size, 16) else {
                        self.body = Body::Unknown;
                        continue;
                    };
                    // The length, the piece, and the line end after each.
                    let whole = end + 2 + size + 2;
                    if self.pending.len() < whole {
                        return calls;
                    }
                    self.pending.drain(..whole);
                    if size == 0 {
                        self.body = Body::None;
                    }
                }
                Body::Unknown => {
                    self.pending.clear();
                    return calls;
                }
            }
        }
    }

    fn take_until(&mut self, end: &[u8]) -> Option<String> {
        let at = find(&self.pending, end)?;
        let head = self.pending.drain(..at + end.len()).collect::<Vec<u8>>();
        Some(String::from_utf8_lossy(&head).into_owned())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// The head of a request.
struct Head<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(String, &'a str)>,
}

impl<'a> Head<'a> {
    fn new(text: &'a str) -> Self {
        let mut lines = text.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()));
        Self {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            headers: headers.collect(),
        }
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    fn body(&self) -> Body {
        let chunked = self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        match self.header("content-length").map(str::parse) {
            _ if chunked => Body::Chunked,
            Some(Ok(length)) => Body::Bytes(length),
            Some(Err(_)) => Body::Unknown,
            None => Body::None,
        }
    }

    /// The name of the call in IAM.
    fn call(&self) -> String {
        if let Some(target) = self.header("x-amz-target") {
            let (service, operation) = target.split_once('.').unwrap_or((target, ""));
            return match SERVICES.iter().find(|(name, _)| *name == service) {
                Some((_, prefix)) => format!("{prefix}:{operation}"),
                None => format!("unknown service: {target}"),
            };
        }
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let (_bucket, key) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((path, ""));
        match self.method {
            "GET" | "HEAD" if key.is_empty() => "s3:ListBucket".to_owned(),
            "GET" | "HEAD" => format!("s3:GetObject {}", pattern(key)),
            "PUT" if !key.is_empty() && query.is_empty() => {
                format!("s3:PutObject {}", pattern(key))
            }
            method => format!("unknown call: {method} {}", pattern(self.target)),
        }
    }
}

/// Names of services in `X-Amz-Target` and in IAM.
const SERVICES: [(&str, &str); 2] = [
    ("AmazonEC2ContainerServiceV20141113", "ecs"),
    ("Logs_20140328", "logs"),
];

/// The key, with `*` in place of what differs from run to run: ids, and what an agent's job has many of.
fn pattern(key: &str) -> String {
    const MANY: [&str; 2] = ["checkpoints", "events"];
    let mut parts = Vec::new();
    for part in key.split('/') {
        let is_id = part.len() >= 32 && part.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        parts.push(if is_id { "*" } else { part });
        if MANY.contains(&part) {
            parts.push("*");
            break;
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN_TASK: &str = "POST / HTTP/1.1\r\nHost: c\r\n\
        X-Amz-Target: AmazonEC2ContainerServiceV20141113.RunTask\r\nContent-Length: 5\r\n\r\n{...}";
    const PUT: &str = "PUT /bucket/jobs/01936f2e-7c1a-7000-8000-0123456789ab/app.zip HTTP/1.1\r\n\
        Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    const HEAD: &str = "HEAD /bucket/jobs/1/app.zip HTTP/1.1\r\n\r\n";
    const DELETE: &str = "DELETE /bucket/jobs/1/app.zip HTTP/1.1\r\n\r\n";

    #[test]
    fn calls_are_read_in_pieces_of_any_size() {
        let text = [RUN_TASK, PUT, HEAD, DELETE, RUN_TASK].concat();
        for size in 1..=text.len() {
            let mut requests = Requests::default();
            let calls: Vec<String> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| requests.read(piece))
                .collect();
            assert_eq!(
                calls,
                [
                    "ecs:RunTask",
                    "s3:PutObject jobs/*/app.zip",
                    "s3:GetObject jobs/1/app.zip",
                    "unknown call: DELETE /bucket/jobs/1/app.zip",
                    "ecs:RunTask",
                ],
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn what_differs_from_run_to_run_is_left_out() {
        let id = "01936f2e-7c1a-7000-8000-0123456789ab";
        assert_eq!(
            [
                format!("projects/{id}/{id}/app.zip"),
                format!("jobs/{id}/checkpoints/1/0002/history.bundle"),
                format!("jobs/{id}/events/000077.json"),
            ]
            .map(|key| pattern(&key)),
            [
                "projects/*/*/app.zip",
                "jobs/*/checkpoints/*",
                "jobs/*/events/*"
            ]
        );
    }

    #[test]
    fn bytes_that_are_not_a_request_are_recorded_once() {
        let mut requests = Requests::default();
        let noise = vec![b'x'; HEAD_BYTES + 1];
        assert_eq!(requests.read(&noise), ["unreadable request"]);
        assert_eq!(requests.read(&noise), Vec::<String>::new());
        assert!(requests.pending.is_empty());
    }

    #[test]
    fn bytes_pass_both_ways_unchanged() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let recorder =
            CallRecorder::start(Ipv4Addr::LOCALHOST, server.local_addr().unwrap()).unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, recorder.port)).unwrap();
        client.write_all(PUT.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        let mut received = String::new();
        accepted.read_to_string(&mut received).unwrap();
        assert_eq!(received, PUT);
        accepted.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        drop(accepted);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(recorder.calls(), ["s3:PutObject jobs/*/app.zip"]);
    }
}
