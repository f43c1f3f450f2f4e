//! The head of a request, read strictly: what two readers could understand differently is refused.

use crate::refusal::Refusal;
use std::io::{self, Read};
use std::time::Instant;

/// A longer head is refused.
pub(crate) const HEAD_BYTES: usize = 32 * 1024;
const HEADERS: usize = 96;
const TARGET_BYTES: usize = 8 * 1024;

/// Headers that may come twice: clients of registries send a list of media types so.
const REPEATABLE: [&str; 1] = ["accept"];

/// Headers about one connection. The gate has two of its own, so these are not passed on.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
];

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    None,
    /// So many bytes follow.
    Length(u64),
    /// Pieces follow, each after its length.
    Chunked,
}

/// A head that has exactly one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query as they came; begins with `/`.
    pub(crate) target: String,
    /// Names in lower case, in the order in which they came. Values are visible ASCII.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    /// The client waits for a word before it sends the body.
    pub(crate) expects_continue: bool,
}

impl Head {
    /// Reads a head. Bytes that came after it are returned with it.
    ///
    /// # Errors
    /// `Ok(Err)` is a head that is refused; `Err` is a connection that broke off or took too long.
    pub(crate) fn read(
        stream: &mut impl Read,
        deadline: Instant,
    ) -> io::Result<Result<(Self, Vec<u8>), Refusal>> {
        let mut bytes = Vec::with_capacity(2048);
        let mut buffer = [0; 4096];
        loop {
            let from = bytes.len().saturating_sub(3);
            let length = stream.read(&mut buffer)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes.extend_from_slice(&buffer[..length]);
            // A client that speaks TLS waits for an answer: the engine tries that first.
            if !bytes[0].is_ascii_uppercase() {
                return Ok(Err(Refusal::malformed("this is not a request of HTTP")));
            }
            if let Some(end) = find_end(&bytes[from..]).map(|end| from + end) {
                let rest = bytes.split_off(end);
                return Ok(Self::parse(&bytes).map(|head| (head, rest)));
            }
            if bytes.len() > HEAD_BYTES {
                let why = format!("the head of the request is longer than {HEAD_BYTES} bytes");
                return Ok(Err(Refusal::new(431, why)));
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Reads a head that ends with an empty line.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > HEAD_BYTES {
            let why = format!("the head of the request is longer than {HEAD_BYTES} bytes");
            return Err(Refusal::new(431, why));
        }
        only_whole_line_ends(bytes)?;
        let mut fields = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Refusal::malformed("the head of the request is incomplete")),
            Err(error) => {
                return Err(Refusal::malformed(format!(
                    "the head of the request cannot be read: {error}"
                )));
            }
        }
        if request.version != Some(1) {
            return Err(Refusal::new(505, "the request is not HTTP/1.1"));
        }
        let method = request.method.unwrap_or_default().to_owned();
        let target = request.path.unwrap_or_default().to_owned();
        if !method.bytes().all(|byte| byte.is_ascii_uppercase()) || method == "CONNECT" {
            return Err(Refusal::malformed("the method of the request is unknown"));
        }
        only_origin_form(&target)?;
        let mut headers: Vec<(String, String)> = Vec::with_capacity(request.headers.len());
        for field in request.headers.iter() {
            let name = field.name.to_ascii_lowercase();
            if headers.iter().any(|(known, _)| *known == name)
                && !REPEATABLE.contains(&name.as_str())
            {
                return Err(Refusal::malformed(format!(
                    "the header {name} comes twice in the request"
                )));
            }
            let value = std::str::from_utf8(field.value).unwrap_or("\0").trim();
            if !value.chars().all(|sign| matches!(sign, ' '..='~' | '\t')) {
                return Err(Refusal::malformed(format!(
                    "the value of the header {name} is not visible ASCII"
                )));
            }
            headers.push((name, value.to_owned()));
        }
        let mut head = Self {
            method,
            target,
            headers,
            framing: Framing::None,
            expects_continue: false,
        };
        head.framing = head.read_framing()?;
        head.expects_continue = match head.header("expect") {
            None => false,
            Some(value) if value.eq_ignore_ascii_case("100-continue") => true,
            Some(_) => {
                return Err(Refusal::new(
                    417,
                    "the request expects what is unknown here",
                ));
            }
        };
        if head.header("upgrade").is_some() {
            return Err(Refusal::malformed("the gate passes no other protocol on"));
        }
        if head.header("host").is_none_or(str::is_empty) {
            return Err(Refusal::malformed("the request names no host"));
        }
        Ok(head)
    }

    fn read_framing(&self) -> Result<Framing, Refusal> {
        match (
            self.header("transfer-encoding"),
            self.header("content-length"),
        ) {
            (Some(_), Some(_)) => Err(Refusal::malformed(
                "the request has both Content-Length and Transfer-Encoding",
            )),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
            (Some(_), None) => Err(Refusal::malformed("the Transfer-Encoding is not chunked")),
            (None, Some(length)) => {
                let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
                match length.parse() {
                    Ok(length) if digits => Ok(Framing::Length(length)),
                    _ => Err(Refusal::malformed("the Content-Length is not a number")),
                }
            }
            (None, None) => Ok(Framing::None),
        }
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Gives a header another value.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value));
    }

    pub(crate) fn remove(&mut self, is_removed: impl Fn(&str) -> bool) {
        self.headers.retain(|(name, _)| !is_removed(name));
    }

    /// The part of the target before `?`.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The part of the target after `?`.
    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The head as it is sent on: one connection for one request.
    pub(crate) fn to_bytes(&self, framing: Framing) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            if !HOP_BY_HOP.contains(&name.as_str()) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        match framing {
            Framing::None => {}
            Framing::Length(length) => text.push_str(&format!("content-length: {length}\r\n")),
            Framing::Chunked => text.push_str("transfer-encoding: chunked\r\n"),
        }
        text.push_str("connection: close\r\n\r\n");
        text.into_bytes()
    }
}

/// The place after the first empty line.
fn find_end(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    bytes
        .windows(END.len())
        .position(|window| window == END)
        .map(|at| at + END.len())
}

/// A lone `\n` or `\r` ends a line for some readers only.
fn only_whole_line_ends(bytes: &[u8]) -> Result<(), Refusal> {
    let odd = bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'\n' => at == 0 || bytes[at - 1] != b'\r',
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        0 => true,
        _ => false,
    });
    match odd || bytes.starts_with(b"\r\n") {
        true => Err(Refusal::malformed(
            "a line of the head does not end with CR LF",
        )),
        false => Ok(()),
    }
}

/// A path, as every client of a server sends it; not the absolute form that a proxy would read.
fn only_origin_form(target: &str) -> Result<(), Refusal> {
    if target.len() > TARGET_BYTES {
        return Err(Refusal::new(414, "the path of the request is too long"));
    }
    let plain = target.bytes().all(|byte| byte.is_ascii_graphic())
        && !target.contains(['#', '\\', '"', '<', '>']);
    match plain && target.starts_with('/') {
        true => Ok(()),
        false => Err(Refusal::malformed(
            "the target of the request is not a path",
        )),
    }
}
