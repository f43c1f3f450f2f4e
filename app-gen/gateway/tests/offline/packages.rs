//! The mirror of packages before a server whose every byte the test chooses.

use crate::support::{Got, send, wire};
use app_gen_gateway::{Packages, PackagesBounds, PackagesCounts, PackagesSettings};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A mirror that serves until this is dropped, and the heads of the requests that came through.
struct Mirrored {
    packages: Packages,
    heads: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Mirrored {
    fn before(
        bounds: PackagesBounds,
        answer: impl Fn(&str, TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let address = wire(move |head, _, stream| {
            seen.lock().unwrap().push(head.to_owned());
            answer(head, stream);
        });
        let runtime = Runtime::new().unwrap();
        let settings = PackagesSettings {
            registry: format!("http://{address}/npm/"),
            bounds,
            ..PackagesSettings::default()
        };
        let packages = runtime.block_on(Packages::start(settings)).unwrap();
        Self {
            packages,
            heads,
            _runtime: runtime,
        }
    }

    fn get(&self, path: &str) -> Got {
        self.ask("GET", path)
    }

    fn ask(&self, method: &str, path: &str) -> Got {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: mirror\r\nconnection: close\r\naccept: application/json\r\n\
             accept-encoding: gzip\r\nif-none-match: \"1\"\r\nauthorization: Bearer secret\r\ncookie: a=secret\r\n\
             npm-session: secret\r\nuser-agent: secret\r\nx-words: secret\r\n\r\n"
        );
        send(self.packages.address(), &[head.as_bytes()])
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn answered(bytes: &'static str) -> impl Fn(&str, TcpStream) + Send + Sync + 'static {
    move |_, mut stream| stream.write_all(bytes.as_bytes()).unwrap()
}

#[test]
fn nothing_but_the_question_passes_and_nothing_but_the_answer_returns() {
    let mirrored = Mirrored::before(
        PackagesBounds::default(),
        answered(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\netag: \"2\"\r\nx-own: 1\r\n\
             content-length: 2\r\n\r\n{}",
        ),
    );
    let got = mirrored.get("/@scope%2fname");
    assert_eq!((got.status, got.body.as_slice()), (200, &b"{}"[..]));
    assert!(got.is_whole);
    assert_eq!(got.header("etag"), Some("\"2\""));
    assert_eq!(got.header("set-cookie").or(got.header("x-own")), None);
    let head = mirrored.heads().remove(0).to_ascii_lowercase();
    assert!(
        head.starts_with("get /npm/@scope%2fname http/1.1\r\n"),
        "{head}"
    );
    assert!(!head.contains("secret"), "{head}");
    for line in [
        "accept: application/json",
        "accept-encoding: gzip",
        "if-none-match: \"1\"",
        "user-agent: app-gen/",
    ] {
        assert!(head.contains(line), "{head}");
    }
    assert_eq!(
        mirrored.packages.counts(),
        PackagesCounts {
            requests: 1,
            bytes: 2,
            ..PackagesCounts::default()
        }
    );
}

#[test]
fn only_packages_are_read() {
    let mirrored = Mirrored::before(
        PackagesBounds::default(),
        answered("HTTP/1.1 200 OK\r\n\r\n"),
    );
    for (method, path) in [
        ("POST", "/-/npm/v1/security/advisories/bulk"),
        ("GET", "/-/v1/search?text=a"),
        ("PUT", "/name"),
        ("POST", "/name"),
        ("DELETE", "/name/-/name-1.0.0.tgz"),
        ("PUT", "/-/user/org.couchdb.user:a"),
        ("GET", "/npm/../../etc/passwd"),
        ("GET", "http://example.com/-/whoami"),
        ("CONNECT", "example.com:443"),
    ] {
        let got = mirrored.ask(method, path);
        assert_eq!(got.status, 404, "{method} {path}");
        assert!(got.json()["error"].is_string());
    }
    assert!(mirrored.heads().is_empty());
    assert_eq!(mirrored.packages.counts().refused, 9);
}

#[test]
fn a_registry_may_redirect_within_itself_only() {
    let elsewhere = wire(|_, _, _| panic!("somebody else was asked"));
    let mirrored = Mirrored::before(PackagesBounds::default(), move |head, mut stream| {
        let host = head
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap();
        let to = |address: &str| {
            format!(
                "HTTP/1.1 302 Found\r\nlocation: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
        };
        let answer = match head.split(' ').nth(1).unwrap() {
            "/npm/near" => to(&format!("http://{host}/there")),
            "/there" => "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere".to_owned(),
            "/npm/far" => to(&format!("http://{elsewhere}/secret")),
            _ => to("/npm/round"),
        };
        stream.write_all(answer.as_bytes()).unwrap();
    });
    assert_eq!(mirrored.get("/near").body, b"there");
    for path in ["/far", "/round"] {
        let got = mirrored.get(path);
        assert_eq!(got.status, 502, "{path}");
        let error = got.json();
        assert_eq!(
            error["error"],
            "App-Gen: the registry redirects to another host"
        );
    }
}

#[test]
fn what_does_not_begin_or_end_is_ended() {
    let bounds = PackagesBounds {
        first_byte: Duration::from_millis(500),
        silence: Duration::from_millis(500),
        whole: Duration::from_secs(2),
        bytes: 1_000,
    };
    let mirrored = Mirrored::before(bounds, |head, mut stream| {
        let begin = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n";
        // Whoever is cut off notices it here.
        let _ = match head.split(' ').nth(1).unwrap() {
            "/npm/silent" => stream.write_all(begin.as_bytes()),
            "/npm/large" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n"),
            "/npm/growing" => stream.write_all(begin.as_bytes()).and_then(|()| {
                stream.write_all(format!("400\r\n{}\r\n", "x".repeat(1_024)).as_bytes())
            }),
            "/npm/slow" => stream.write_all(begin.as_bytes()).and_then(|()| {
                loop {
                    thread::sleep(Duration::from_millis(100));
                    stream.write_all(b"1\r\na\r\n")?;
                }
            }),
            "/npm/closed" => Ok(()),
            _ => {
                thread::sleep(Duration::from_secs(3));
                Ok(())
            }
        };
        thread::sleep(Duration::from_secs(1));
        drop(stream);
    });
    for (path, status, is_whole) in [
        ("/never", 504, true),
        ("/silent", 200, false),
        ("/large", 502, true),
        ("/growing", 200, false),
        ("/slow", 200, false),
    ] {
        let began = Instant::now();
        let got = mirrored.get(path);
        assert_eq!((got.status, got.is_whole), (status, is_whole), "{path}");
        assert!(
            began.elapsed() < Duration::from_millis(2_900),
            "{path}: {:?}",
            began.elapsed()
        );
    }
    assert_eq!(mirrored.packages.counts().failed, 5);
}

#[test]
fn an_archive_passes_without_being_kept() {
    const MEBIBYTE: usize = 1024 * 1024;
    let mirrored = Mirrored::before(PackagesBounds::default(), |_, mut stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            64 * MEBIBYTE
        )
        .unwrap();
        for _ in 0..64 {
            stream.write_all(&vec![7; MEBIBYTE]).unwrap();
        }
    });
    let got = mirrored.get("/name/-/name-1.0.0.tgz");
    assert!(got.is_whole && got.body.iter().all(|byte| *byte == 7));
    assert_eq!(mirrored.packages.counts().bytes, 64 * MEBIBYTE as u64);
}

#[test]
fn a_registry_that_cannot_be_used_is_refused_in_words() {
    let runtime = Runtime::new().unwrap();
    let start = |registry: &str| {
        let settings = PackagesSettings {
            registry: registry.to_owned(),
            ..PackagesSettings::default()
        };
        runtime.block_on(Packages::start(settings))
    };
    for (registry, words) in [
        ("http://registry.npmjs.org", "must begin with https://"),
        ("https://user:secret@example.com", "must not have a user"),
        ("registry", "the registry of packages is not a URL"),
    ] {
        let error = start(registry).unwrap_err().to_string();
        assert!(
            error.contains(words) && !error.contains("secret"),
            "{error}"
        );
    }
    let first = start("http://127.0.0.1:9").unwrap();
    let settings = PackagesSettings {
        port: first.address().port(),
        ..PackagesSettings::default()
    };
    let error = runtime.block_on(Packages::start(settings)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the mirror of packages cannot listen on 127.0.0.1:")
    );
    let nobody: SocketAddr = first.address();
    let got = send(
        nobody,
        &[b"GET /name HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"],
    );
    assert_eq!(got.status, 502);
}
