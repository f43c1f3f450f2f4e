//! How requests are read: what has two meanings is refused, and the rest means the same to whoever
//! reads it after the gate.

use super::{Random, head};
use crate::body::{Body, hex};
use crate::head::{Framing, Head};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Gives its bytes in pieces of these sizes.
struct Pieces<'a>(Vec<&'a [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.first_mut() else {
            return Ok(0);
        };
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        *piece = &piece[length..];
        if piece.is_empty() {
            self.0.remove(0);
        }
        Ok(length)
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    let lines = |lines: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
    let with_lines = [
        "content-length: 1\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 1\r\n",
        "content-length: 1\r\ncontent-length: 1\r\n",
        "content-length: 1\r\nContent-Length: 2\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding:\r\n",
        "content-length: +1\r\n",
        "content-length: -1\r\n",
        "content-length: 0x1\r\n",
        "content-length: 1, 1\r\n",
        "content-length: 1 1\r\n",
        "content-length:\r\n",
        "content-length: 99999999999999999999999\r\n",
        "content-length : 1\r\n",
        " content-length: 1\r\n",
        "x: a\r\n b\r\n",
        "x: a\r\n\tb\r\n",
        "x: a\nb: c\r\n",
        "x: a\rb: c\r\n",
        "x: a\0b\r\n",
        "x: caf\u{e9}\r\n",
        "x\r\n",
        ": a\r\n",
        "host: b\r\n",
        "Host: a\r\n",
        "x-amz-target: A\r\nX-Amz-Target: B\r\n",
        "authorization: A\r\nauthorization: B\r\n",
        "origin: null\r\norigin: http://a\r\n",
        "upgrade: websocket\r\nconnection: upgrade\r\n",
        "upgrade: h2c\r\nhttp2-settings: a\r\n",
        "expect: 200-ok\r\n",
    ];
    let whole = [
        "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
        "GET /\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:\r\n\r\n",
        "GET / HTTP/1.1\nhost: a\n\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
        "get / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /\t HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /#a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /\\a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    for text in with_lines
        .map(lines)
        .into_iter()
        .chain(whole.map(str::to_owned))
    {
        assert!(Head::parse(text.as_bytes()).is_err(), "{text:?} was read");
    }
    let many: String = (0..200).map(|number| format!("x{number}: a\r\n")).collect();
    let long = format!("x: {}\r\n", "a".repeat(40_000));
    let path = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(9_000));
    for text in [lines(&many), lines(&long), path] {
        assert!(Head::parse(text.as_bytes()).is_err());
    }
}

#[test]
fn a_head_reads_the_same_in_pieces_of_any_size() {
    let text = "PUT /a/b?c=d HTTP/1.1\r\nHost: a:1\r\nAccept: x\r\nAccept: y\r\n\
                Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody";
    let expected = head(text.strip_suffix("body").unwrap());
    assert_eq!(expected.framing, Framing::Length(4));
    assert!(expected.expects_continue);
    let bytes = text.as_bytes();
    for first in 0..bytes.len() {
        for second in [first, (first + 1).min(bytes.len()), bytes.len()] {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            let mut stream = Pieces(
                pieces
                    .into_iter()
                    .filter(|piece| !piece.is_empty())
                    .collect(),
            );
            let (found, mut rest) = Head::read(&mut stream, soon()).unwrap().unwrap();
            assert_eq!(found, expected);
            stream.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"body");
        }
    }
}

/// The engine asks a registry by TLS first, and waits for an answer.
#[test]
fn what_is_not_http_is_refused_at_once() {
    for first in [
        &b"\x16\x03\x01"[..],
        b"get / HTTP/1.1\r\n",
        b" ",
        b"\r\n",
        b"\0",
    ] {
        // Nothing comes after it, and the connection stays open.
        let mut stream = first.chain(Silence);
        let read = Head::read(&mut stream, soon()).unwrap();
        assert!(read.is_err(), "{first:?}");
    }
}

/// A connection on which nothing comes.
struct Silence;

impl Read for Silence {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("it was waited for more");
    }
}

/// Requests that differ a little from valid ones are refused, or have the meaning that they are sent
/// on with: whoever reads the new text reads the same.
#[test]
fn whatever_is_read_is_sent_on_with_one_meaning() {
    let seeds = [
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:4566\r\nX-Amz-Target: A.B\r\nContent-Length: 10\r\n\r\n",
        "PUT /b/k?x=1 HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n",
        "GET /v2/a/manifests/b HTTP/1.1\r\nHost: a\r\nAccept: a/b\r\nAccept: c/d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-amz-target\r\nX-Amz-Target: c\r\n\r\n",
    ];
    let splices = [
        "\r\n",
        "\n",
        "\r",
        "\0",
        " ",
        "\t",
        ":",
        ",",
        ";",
        "chunked",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Host: b\r\n",
        "\r\n\r\n",
        "GET /x HTTP/1.1\r\n",
        "HTTP/1.0",
        "%0d%0a",
        "\u{2028}",
        "http://",
        "..",
        "?",
        "Connection: close\r\n",
        "\x7f",
        "é",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut read = 0;
    for _ in 0..30_000 {
        let mut bytes = random.of(&seeds).as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                2 => {
                    let splice = random.of(&splices).bytes();
                    bytes.splice(at..at, splice);
                }
                _ => {
                    let to = at + random.below(bytes.len() - at);
                    let copy = bytes[at..to].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        let Ok(Ok((first, _))) = Head::read(&mut bytes.as_slice(), soon()) else {
            continue;
        };
        read += 1;
        let sent = first.to_bytes(first.framing);
        let text = String::from_utf8(sent.clone()).unwrap();
        let again = Head::parse(&sent).unwrap_or_else(|refusal| {
            panic!(
                "{:?}: {text:?}: {}",
                bytes.escape_ascii().to_string(),
                refusal.message
            )
        });
        assert_eq!(again.method, first.method);
        assert_eq!(again.target, first.target);
        assert_eq!(again.framing, first.framing);
        for name in ["host", "x-amz-target", "accept", "authorization", "origin"] {
            assert_eq!(again.header(name), first.header(name), "{text:?}");
        }
        // As a reader sees it who splits lines and looks at nothing else.
        assert_eq!(text.matches("\r\n\r\n").count(), 1, "{text:?}");
        let naive = |name: &str| {
            let lines = text.split("\r\n").skip(1);
            lines
                .filter(|line| line.split(':').next() == Some(name))
                .count()
        };
        assert_eq!(naive("host"), 1, "{text:?}");
        assert_eq!(naive("connection"), 1, "{text:?}");
        assert!(
            naive("content-length") + naive("transfer-encoding") <= 1,
            "{text:?}"
        );
    }
    assert!(read > 3_000, "only {read} of the requests were read");
}

/// What is sent on of a body whose first bytes came with the head.
fn passed(early: &[u8], rest: &[u8], framing: Framing) -> io::Result<Vec<u8>> {
    let mut stream = rest;
    let mut sent = Vec::new();
    Body::new(early.to_vec(), &mut stream, framing).send(&mut sent, None)?;
    Ok(sent)
}

#[test]
fn a_body_ends_where_its_framing_says() {
    let next = b"GET /secret HTTP/1.1\r\nhost: a\r\n\r\n";
    let body = [&b"12345"[..], next].concat();
    let chunks = [&b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n"[..], next].concat();
    for at in 0..=5 {
        let sent = passed(&body[..at], &body[at..], Framing::Length(5)).unwrap();
        assert_eq!(sent, b"12345");
        assert_eq!(
            passed(&body[..at], &body[at..], Framing::None).unwrap(),
            b""
        );
    }
    for at in 0..=chunks.len() {
        let sent = passed(&chunks[..at], &chunks[at..], Framing::Chunked).unwrap();
        let text = String::from_utf8(sent).unwrap();
        let read: String = text.split("\r\n").skip(1).step_by(2).collect();
        assert_eq!(read, "12345", "{text:?}");
        assert!(
            text.ends_with("0\r\n\r\n") && !text.contains("GET"),
            "{text:?}"
        );
    }
}

#[test]
fn a_malformed_body_is_an_error() {
    let malformed = [
        "1;extension\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        " 1\r\na\r\n0\r\n\r\n",
        "\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "00000000000000000000000001\r\na\r\n0\r\n\r\n",
        "1ffffffffffffffff\r\na\r\n0\r\n\r\n",
        "1\r\na\r\n0\r\nx-amz-target: b\r\n\r\n",
        "1\r\na\r\n0\r\n",
        "5\r\na",
        "",
    ];
    for text in malformed {
        let sent = passed(&[], text.as_bytes(), Framing::Chunked);
        assert!(sent.is_err(), "{text:?} was sent on");
    }
    assert!(passed(b"12", b"3", Framing::Length(4)).is_err());
}

#[test]
fn a_whole_body_is_bounded() {
    let read = |text: &[u8], framing| {
        let mut stream = text;
        Body::new(Vec::new(), &mut stream, framing)
            .whole(10, soon())
            .unwrap()
    };
    assert_eq!(
        read(b"0123456789", Framing::Length(10)).unwrap(),
        b"0123456789"
    );
    assert_eq!(read(b"", Framing::Length(11)), None);
    assert_eq!(read(b"", Framing::Length(u64::MAX)), None);
    assert_eq!(
        read(b"6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n", Framing::Chunked),
        None
    );
    assert_eq!(read(b"ffffffffffffffff\r\n", Framing::Chunked), None);
}

#[test]
fn the_end_of_a_body_waits_for_its_digest() {
    let body = vec![b'a'; 200_000];
    let right = hex(&Sha256::digest(&body));
    let wrong = hex(&Sha256::digest(b"another"));
    for (digest, whole) in [(right, true), (wrong, false)] {
        let (mut stream, mut sent) = (&body[..], Vec::new());
        let framing = Framing::Length(body.len() as u64);
        let passed = Body::new(Vec::new(), &mut stream, framing).send(&mut sent, Some(&digest));
        assert_eq!(passed.is_ok(), whole);
        assert_eq!(sent.len() == body.len(), whole);
    }
}
