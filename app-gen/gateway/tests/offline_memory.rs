//! Memory is the same however long an answer is. It is a process of its own, because it is measured.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use app_gen_gateway::{
    Budget, Credential, Gateway, Place, Protocol, Scope, Settings, Upstream, Upstreams,
};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use tokio::runtime::Runtime;

const MEGABYTE: usize = 1024 * 1024;

/// Bytes that this process has in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A provider that sends so many megabytes: a megabyte in small events, and the rest as one.
fn provider(megabytes: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = Vec::new();
            let mut piece = [0; 4096];
            while !asked.ends_with(b"\"stream\":true}") {
                let count = stream.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..count]);
            }
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let event = format!(
                "data: {{\"type\":\"response.output_text.delta\",\"delta\":\"{}\"}}\n\n",
                "x".repeat(200)
            );
            for _ in 0..MEGABYTE / event.len() {
                stream.write_all(event.as_bytes()).unwrap();
            }
            stream
                .write_all(b"data: {\"type\":\"response.completed\",\"response\":{\"output\":\"")
                .unwrap();
            let piece = vec![b'y'; MEGABYTE];
            for _ in 1..megabytes {
                stream.write_all(&piece).unwrap();
            }
            stream
                .write_all(b"\",\"usage\":{\"input_tokens\":5,\"output_tokens\":6}}}\n\n")
                .unwrap();
        }
    });
    address
}

/// The most memory that passing so many megabytes took, beyond what there was before.
fn growth(megabytes: usize) -> usize {
    let runtime = Runtime::new().unwrap();
    let url = format!("http://{}/v1", provider(megabytes));
    let upstream = Upstream::new(&url, Credential::None).unwrap();
    let upstreams = Upstreams {
        anthropic: None,
        openai: Some(upstream),
    };
    let gateway = runtime
        .block_on(Gateway::start(Settings::new(upstreams).unwrap()))
        .unwrap();
    let place = Place {
        role: "builder".to_owned(),
        stage: "build".to_owned(),
    };
    let budget = Budget::default();
    let pass = gateway.admit(Scope { place, budget }).unwrap();
    let before = resident();
    let mut most = 0;
    let body = "{\"model\":\"gpt-6-sol\",\"stream\":true}";
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    let head = format!(
        "POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        pass.token().reveal(),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut piece = vec![0; 65536];
    let mut received = 0;
    loop {
        let count = stream.read(&mut piece).unwrap();
        received += count;
        most = most.max(resident());
        if count == 0 {
            break;
        }
    }
    assert!(received > (megabytes - 1) * MEGABYTE);
    assert_eq!(
        gateway.base_url(Protocol::OpenAi),
        format!("http://{}/v1", gateway.address())
    );
    assert_eq!(gateway.bill()[0].spent.usage.total(), 11);
    most.saturating_sub(before)
}

#[test]
fn a_long_answer_takes_no_more_memory_than_a_short_one() {
    // What allocators and runtimes take once is not what this is about.
    growth(2);
    let (ten, hundred) = (growth(10), growth(100));
    assert!(
        ten < 4 * MEGABYTE && hundred < 4 * MEGABYTE,
        "{ten} and {hundred} bytes"
    );
}
