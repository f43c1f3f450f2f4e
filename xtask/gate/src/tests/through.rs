//! Requests through a gate that listens, to a server that records every byte it is sent.

use super::config;
use crate::access::{self, KEY_HEADER};
use crate::{Config, Registry, run, version};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(20);

/// A gate before a server. It ends with the test's process.
struct Gate {
    port: u16,
    key: String,
    received: Receiver<String>,
    _folder: tempfile::TempDir,
}

fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

impl Gate {
    fn of_cloud() -> Self {
        Self::start(|folder, port| Config::Cloud(Box::new(config(folder, port))))
    }

    fn of_registry() -> Self {
        Self::start(|folder, port| {
            Config::Registry(Registry {
                port,
                upstream: folder.join("upstream"),
                version: version(),
            })
        })
    }

    fn start(config: impl FnOnce(&Path, u16) -> Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, port) = (folder.path().join("key"), free_port());
        access::create_key(&key).unwrap();
        let received = record(UnixListener::bind(folder.path().join("upstream")).unwrap());
        let config = config(folder.path(), port);
        std::thread::spawn(move || run(config).unwrap());
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self {
            port,
            key: access::read_key(&key).unwrap(),
            received,
            _folder: folder,
        }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        client.set_read_timeout(Some(BOUND)).unwrap();
        client
    }

    /// The answer to these bytes. `HOST` and `KEY` are replaced by those of the gate.
    fn ask(&self, text: &str) -> String {
        let mut client = self.connect();
        let text = text
            .replace("HOST", &format!("127.0.0.1:{}", self.port))
            .replace("KEY", &format!("{KEY_HEADER}: {}", self.key));
        client.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    /// What the server behind was sent.
    fn received(&self) -> String {
        self.received.recv_timeout(BOUND).unwrap()
    }

    fn assert_nothing_came(&self) {
        assert!(
            self.received
                .recv_timeout(Duration::from_millis(200))
                .is_err()
        );
    }
}

/// Answers each connection once and hands over all that came on it.
fn record(listener: UnixListener) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, sender) = (client.unwrap(), sender.clone());
            std::thread::spawn(move || {
                // Long enough for whatever a gate would send by mistake after the request.
                client
                    .set_read_timeout(Some(Duration::from_millis(300)))
                    .unwrap();
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = client.read(&mut buffer) {
                    bytes.extend_from_slice(&buffer[..length]);
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let known = text.starts_with("POST / ") && text.contains("DescribeLoadBalancers");
                let body = match known && text.ends_with("=known") {
                    true => "<LoadBalancerName>known</LoadBalancerName>",
                    false => "hello",
                };
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                client.write_all(head.as_bytes()).unwrap();
                client.write_all(body.as_bytes()).unwrap();
                if !known {
                    sender.send(text).unwrap();
                }
            });
        }
    });
    receiver
}

#[test]
fn only_the_key_opens_the_gate() {
    let gate = Gate::of_cloud();
    let answer = gate.ask("GET /a HTTP/1.1\r\nHost: HOST\r\nKEY\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
        "{answer}"
    );
    let received = gate.received();
    assert!(!received.contains(&gate.key), "{received}");
    let answer = gate.ask("GET /_ministack/health HTTP/1.1\r\nHost: HOST\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    gate.received();

    let name = format!("127.0.0.1:{}", gate.port);
    for text in [
        "GET /a HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        format!("GET /a HTTP/1.1\r\nHost: HOST\r\n{KEY_HEADER}: 0\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: HOST\r\n{KEY_HEADER}:\r\n\r\n"),
        "POST /_ministack/reset HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET /_ministack/health?a HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET /_ministack/../a HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        // A name that points to this machine for a moment.
        format!("GET /a HTTP/1.1\r\nHost: evil.example:{}\r\nKEY\r\n\r\n", gate.port),
        format!("GET /a HTTP/1.1\r\nHost: {name}.evil.example\r\nKEY\r\n\r\n"),
        "GET /a HTTP/1.1\r\nHost: 127.0.0.1\r\nKEY\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: 127.0.0.1:1\r\nKEY\r\n\r\n".to_owned(),
        // A page, whatever it knows.
        "GET /a HTTP/1.1\r\nHost: HOST\r\nOrigin: http://evil.example\r\nKEY\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: HOST\r\nOrigin: null\r\nKEY\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\nKEY\r\n\r\n".to_owned(),
        "OPTIONS /a HTTP/1.1\r\nHost: HOST\r\nOrigin: http://a\r\nAccess-Control-Request-Method: PUT\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Site: cross-site\r\nKEY\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Site: same-site\r\nKEY\r\n\r\n".to_owned(),
        "GET /_ministack/health HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Site: cross-site\r\n\r\n".to_owned(),
    ] {
        let answer = gate.ask(&text);
        assert!(answer.starts_with("HTTP/1.1 403"), "{text}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
    }
    gate.assert_nothing_came();
}

#[test]
fn one_connection_carries_one_request() {
    let gate = Gate::of_cloud();
    let second = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    for (first, body) in [
        ("GET /a HTTP/1.1\r\nHost: HOST\r\nKEY\r\n\r\n", ""),
        (
            "PUT /a HTTP/1.1\r\nHost: HOST\r\nKEY\r\nContent-Length: 3\r\n\r\nabc",
            "abc",
        ),
        (
            "PUT /a HTTP/1.1\r\nHost: HOST\r\nKEY\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        // What is judged is read first and gets a length.
        (
            "POST / HTTP/1.1\r\nHost: HOST\r\nKEY\r\nX-Amz-Target: A.RegisterTaskDefinition\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "{}",
        ),
    ] {
        let answer = gate.ask(&format!("{first}{second}"));
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        let received = gate.received();
        let (head, rest) = received.split_once("\r\n\r\n").unwrap();
        assert_eq!(rest, body, "{received}");
        assert!(head.contains("connection: close"), "{head}");
        assert!(!received.contains("smuggled"), "{received}");
    }
    gate.assert_nothing_came();
}

#[test]
fn a_client_that_waits_is_asked_for_its_body_and_an_upgrade_is_refused() {
    let gate = Gate::of_cloud();
    let mut client = gate.connect();
    let head = format!(
        "PUT /a HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{KEY_HEADER}: {}\r\nContent-Length: 3\r\n\
         Expect: 100-continue\r\n\r\n",
        gate.port, gate.key
    );
    client.write_all(head.as_bytes()).unwrap();
    let mut word = [0; 25];
    client.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    let received = gate.received();
    assert!(
        received.ends_with("\r\n\r\nabc") && !received.contains("expect"),
        "{received}"
    );

    let refused = gate
        .ask("PUT /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let upgrade = gate.ask(
        "GET /a HTTP/1.1\r\nHost: HOST\r\nKEY\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert!(upgrade.starts_with("HTTP/1.1 400"), "{upgrade}");
    gate.assert_nothing_came();
}

#[test]
fn a_load_balancer_is_reached_and_nothing_else_through_it() {
    let gate = Gate::of_cloud();
    let port = gate.port;
    let page = format!("known.alb.localhost:{port}");
    for text in [
        format!("GET /_ministack/reset HTTP/1.1\r\nHost: {page}\r\nX-Amz-Target: ECS.A\r\n\r\n"),
        format!(
            "GET /x HTTP/1.1\r\nHost: {page}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b/c/ecs/aws4_request\r\n\r\n"
        ),
        format!(
            "POST /x HTTP/1.1\r\nHost: {page}\r\nOrigin: http://{page}\r\nSec-Fetch-Site: same-origin\r\n\r\n"
        ),
        format!(
            "GET /x HTTP/1.1\r\nHost: {page}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
        ),
        "GET /_alb/known/x HTTP/1.1\r\nHost: HOST\r\nX-Amz-Target: ECS.A\r\n\r\n".to_owned(),
    ] {
        let answer = gate.ask(&text);
        assert!(answer.starts_with("HTTP/1.1 200"), "{text}: {answer}");
        let received = gate.received();
        assert!(
            received
                .split(' ')
                .nth(1)
                .unwrap()
                .starts_with("/_alb/known/"),
            "{received}"
        );
        assert!(
            !received.contains("amz") && !received.contains("AWS4"),
            "{received}"
        );
    }
    for text in [
        format!(
            "GET / HTTP/1.1\r\nHost: unknown.alb.localhost:{port}\r\nX-Amz-Target: ECS.A\r\n\r\n"
        ),
        "GET /_alb/unknown/x HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "GET /_alb/%2e%2e/x HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        format!("POST /x HTTP/1.1\r\nHost: {page}\r\nOrigin: http://evil.example\r\n\r\n"),
        format!(
            "POST /x HTTP/1.1\r\nHost: {page}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
        ),
        format!(
            "GET /x HTTP/1.1\r\nHost: {page}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n\r\n"
        ),
    ] {
        let answer = gate.ask(&text);
        assert!(answer.starts_with("HTTP/1.1 4"), "{text}: {answer}");
    }
    while let Ok(received) = gate.received.recv_timeout(Duration::from_millis(200)) {
        assert!(received.contains("DescribeLoadBalancers"), "{received}");
    }
}

#[test]
fn a_preview_is_reached_under_a_name_of_its_own_also_in_a_frame() {
    let gate = Gate::of_cloud();
    let port = gate.port;
    let preview = format!("abc.preview.known.alb.localhost:{port}");
    let navigate =
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe";
    for text in [
        format!("GET /x HTTP/1.1\r\nHost: {preview}\r\n{navigate}\r\n\r\n"),
        format!(
            "POST /x HTTP/1.1\r\nHost: {preview}\r\nOrigin: http://{preview}\r\nSec-Fetch-Site: same-origin\r\n\r\n"
        ),
        // A name that somebody else made up is replaced.
        format!(
            "GET /x HTTP/1.1\r\nHost: {preview}\r\nX-App-Gen-Host: other.preview.localhost\r\n\r\n"
        ),
    ] {
        let answer = gate.ask(&text);
        assert!(answer.starts_with("HTTP/1.1 200"), "{text}: {answer}");
        let received = gate.received();
        assert!(
            received.split(' ').nth(1).unwrap() == "/_alb/known/x"
                && received.contains(&format!("x-app-gen-host: {preview}"))
                && !received.contains("other.preview.localhost"),
            "{received}"
        );
    }
    let page = format!("known.alb.localhost:{port}");
    let forged =
        format!("GET /x HTTP/1.1\r\nHost: {page}\r\nX-App-Gen-Host: abc.preview.localhost\r\n\r\n");
    assert!(gate.ask(&forged).starts_with("HTTP/1.1 200"));
    let received = gate.received();
    assert!(
        received.contains(&format!("x-app-gen-host: {page}")) && !received.contains("preview"),
        "{received}"
    );
    for text in [
        format!(
            "POST /x HTTP/1.1\r\nHost: {preview}\r\nOrigin: http://{page}\r\nSec-Fetch-Site: same-site\r\n\r\n"
        ),
        format!("GET /x HTTP/1.1\r\nHost: a.b.preview.known.alb.localhost:{port}\r\n\r\n"),
        format!("GET /x HTTP/1.1\r\nHost: abc.preview.unknown.alb.localhost:{port}\r\n\r\n"),
    ] {
        let answer = gate.ask(&text);
        assert!(answer.starts_with("HTTP/1.1 4"), "{text}: {answer}");
    }
}

#[test]
fn images_pass_without_a_key_and_nothing_else_does_below_their_path() {
    let gate = Gate::of_cloud();
    for path in [
        "/v2/",
        "/v2/a/b/manifests/key-1",
        "/v2/a/blobs/uploads/",
        "/v2/a/tags/list",
    ] {
        let answer = gate.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: HOST\r\nX-Amz-Target: ECS.A\r\nAuthorization: Basic QVdTOmE=\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        let received = gate.received();
        assert!(
            received.contains("Basic") && !received.contains("amz"),
            "{received}"
        );
    }
    for path in [
        "/v2/apis",
        "/v2/tags/a",
        "/v2/email/blobs/a",
        "/v2/../a/blobs/b",
        "/v2/%2e%2e/blobs/a",
        "/a/v2/blobs/b",
        "/v2/credentials/aaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let answer = gate.ask(&format!("GET {path} HTTP/1.1\r\nHost: HOST\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
    let page = "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nOrigin: http://a\r\n\r\n";
    assert!(gate.ask(page).starts_with("HTTP/1.1 403"));
    gate.assert_nothing_came();
}

#[test]
fn the_registry_answers_programs_of_this_machine() {
    let gate = Gate::of_registry();
    let port = gate.port;
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let answer = gate.ask(&format!(
            "PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(gate.received().ends_with("1\r\na\r\n0\r\n\r\n"));
    }
    for lines in [
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: 172.17.0.1:{port}\r\n"),
        "Host: HOST\r\nOrigin: http://evil.example\r\n".to_owned(),
        "Host: HOST\r\nSec-Fetch-Site: cross-site\r\n".to_owned(),
    ] {
        let answer = gate.ask(&format!("GET /v2/_catalog HTTP/1.1\r\n{lines}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403"), "{lines}: {answer}");
    }
    gate.assert_nothing_came();
}
