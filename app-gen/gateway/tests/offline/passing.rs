//! What passes: every byte, at once, and counted.

use crate::support::{BOTH, KEY, PATIENCE, REQUEST_ID, Random, Served, ask, head, request, wire};
use app_gen_gateway::{Bounds, Budget, End, Protocol, Usage, Usd};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

const SCRIPT: &str = "about = ''\n[usage]\ninput_tokens = 10\ncache_read_tokens = 20\ncache_write_tokens = 30\noutput_tokens = 40\nthinking_tokens = 5\n\
    [[parts]]\nturns = [{ thinking = 'I think.', text = 'Grüße 🌱, at some length so that it comes in several pieces.', actions = [{ do = 'run', command = 'true' }] }]";

#[test]
fn both_protocols_pass_unchanged_and_are_counted() {
    let (served, model) = Served::before_script(SCRIPT, Budget::default(), Bounds::default());
    let mut count = 0;
    for protocol in BOTH {
        for is_streamed in [true, false] {
            let body = request(protocol, "x", is_streamed);
            let straight = ask(model, protocol, KEY, &body);
            let passed = served.post(protocol, &body);
            assert_eq!((passed.status, passed.is_whole), (200, true));
            assert_eq!(passed.body, straight.body);
            assert_eq!(
                passed.header("content-type"),
                straight.header("content-type")
            );
            count += 1;
            let exchange = served.exchanges(count).remove(count - 1);
            assert_eq!((exchange.end, exchange.status), (End::Answered, Some(200)));
            assert_eq!(exchange.request_id.as_deref(), Some(REQUEST_ID));
            assert_eq!(exchange.answer_bytes, passed.body.len() as u64);
            let expected = Usage {
                input: 10,
                cache_read: 20,
                cache_write: 30,
                cache_write_long: 0,
                output: 40,
                // Only one of the protocols says it.
                thinking: if protocol == Protocol::OpenAi { 5 } else { 0 },
            };
            assert_eq!(exchange.spent.usage, expected);
            assert_eq!(exchange.spent.estimated, Usage::default());
        }
    }
    let bill = served.gateway.bill();
    let dollars: Vec<(&str, u64, Usd)> = bill
        .iter()
        .map(|line| (&*line.model, line.spent.requests, line.spent.usd))
        .collect();
    let usd = |dollars| Usd::new(dollars).unwrap();
    assert_eq!(
        dollars,
        [
            ("claude-sonnet-5-5", 2, usd(2.0 * 0.000_497)),
            ("gpt-6-sol", 2, usd(2.0 * 0.000_499))
        ]
    );
}

/// A stream that is cut anywhere, in the middle of a character or of a frame.
#[test]
fn however_the_network_cuts_it_a_stream_passes_and_counts_the_same() {
    let stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-opus-5-5\",\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n\
        data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"🌱🌱🌱 data: {}\\n\\n\"}}\r\n\r\n\
        : \u{1f331}\n\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let random = Mutex::new(Random(7));
    let address = wire(move |_, _, mut connection| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        let mut rest = stream.as_bytes();
        while !rest.is_empty() {
            let length = 1 + random.lock().unwrap().below(9);
            let (piece, after) = rest.split_at(length.min(rest.len()));
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            connection.write_all(&chunk).unwrap();
            rest = after;
        }
        connection.write_all(b"0\r\n\r\n").unwrap();
    });
    let served = Served::before_wire(address);
    for count in 1..=40 {
        let got = served.post(
            Protocol::Anthropic,
            &request(Protocol::Anthropic, "x", true),
        );
        assert_eq!((got.is_whole, &*got.body), (true, stream.as_bytes()));
        let exchange = served.exchanges(count).remove(count - 1);
        let usage = exchange.spent.usage;
        assert_eq!(
            (usage.input, usage.output, exchange.end),
            (7, 9, End::Answered)
        );
    }
}

#[test]
fn a_compressed_answer_passes_unchanged_and_is_counted() {
    let text = "data: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-6-sol\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    let sent = bytes.clone();
    let heads = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&heads);
    let address = wire(move |head, _, mut connection| {
        seen.lock().unwrap().push_str(head);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            sent.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&sent).unwrap();
    });
    let served = Served::before_wire(address);
    let got = served.post(Protocol::OpenAi, &request(Protocol::OpenAi, "x", true));
    assert_eq!(
        (got.is_whole, &got.body, got.header("content-encoding")),
        (true, &bytes, Some("gzip"))
    );
    assert_eq!(served.exchange().spent.usage.total(), 5);
    // The agent of these tests accepts gzip, and the provider must not know it.
    let heads = heads.lock().unwrap();
    assert!(
        heads.contains("accept-encoding: identity\r\n") && !heads.contains("gzip"),
        "{heads}"
    );
}

/// Each piece is with the agent before the provider sends the next.
#[test]
fn nothing_waits_for_what_comes_later() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let address = wire(move |_, _, mut connection| {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 6\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        for piece in [b"a", b"b", b"c", b"d", b"e", b"f"] {
            gone.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            connection.write_all(piece).unwrap();
        }
    });
    let served = Served::before_wire(address);
    let body = request(Protocol::OpenAi, "x", true).to_string();
    let mut stream = TcpStream::connect(served.gateway.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = head(Protocol::OpenAi, served.token(), body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut byte = [0];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    for expected in b"abcdef" {
        go.send(()).unwrap();
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], *expected);
    }
}

/// A body whose length the head says ends with its last byte, and is not asked for its end.
#[test]
fn an_answer_with_a_length_ends_as_it_should() {
    for (status, body, end) in [
        (
            429,
            "{\"error\":{\"type\":\"rate_limit_error\"}}",
            End::Answered,
        ),
        (
            200,
            "{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}",
            End::Answered,
        ),
        (200, "{\"usage\":{\"input_tokens\":1", End::Incomplete),
    ] {
        let address = wire(move |_, _, mut connection| {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            connection.write_all(head.as_bytes()).unwrap();
            connection.write_all(body.as_bytes()).unwrap();
        });
        let served = Served::before_wire(address);
        let got = served.post(Protocol::OpenAi, &request(Protocol::OpenAi, "x", false));
        assert_eq!((got.is_whole, &*got.body), (true, body.as_bytes()));
        assert_eq!(served.exchange().end, end, "{body}");
    }
}

#[test]
fn bodies_are_seen_by_nobody_who_does_not_want_them() {
    let answer = |_: &str, _: &[u8], mut connection: TcpStream| {
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        connection.write_all(answer.as_bytes()).unwrap();
    };
    let body = request(Protocol::OpenAi, "x", false);
    let (served, other) = (
        Served::before_wire(wire(answer)),
        Served::with_bodies(wire(answer)),
    );
    for served in [&served, &other] {
        assert_eq!(served.post(Protocol::OpenAi, &body).status, 200);
        served.exchange();
    }
    assert!(served.bodies().is_empty());
    assert_eq!(other.bodies(), format!("{body}{{}}").into_bytes());
}
