//! The body of a request: read by its framing and nothing further, bounded, and written anew.

use crate::head::Framing;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};
use std::time::Instant;

const PIECE: usize = 64 * 1024;
/// The line before a piece: its length, in at most sixteen digits.
const LENGTH_LINE: usize = 18;

/// A body that has not been read yet.
pub(crate) struct Body<'a, S> {
    /// Bytes that came together with the head.
    early: io::Cursor<Vec<u8>>,
    stream: &'a mut S,
    framing: Framing,
    /// Bytes that are left of the body, or of its present piece.
    left: u64,
    ended: bool,
    first: bool,
}

impl<'a, S: Read> Body<'a, S> {
    pub(crate) fn new(early: Vec<u8>, stream: &'a mut S, framing: Framing) -> Self {
        let left = match framing {
            Framing::Length(length) => length,
            Framing::None | Framing::Chunked => 0,
        };
        Self {
            early: io::Cursor::new(early),
            stream,
            framing,
            left,
            ended: framing == Framing::None,
            first: true,
        }
    }

    /// The next bytes of the content; nothing at its end.
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begin()?;
        if self.ended {
            return Ok(0);
        }
        let wanted = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.raw(&mut buffer[..wanted])?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= length as u64;
        Ok(length)
    }

    /// Makes sure that it is known how many bytes come next.
    fn begin(&mut self) -> io::Result<()> {
        match self.framing {
            _ if self.ended || self.left > 0 => Ok(()),
            Framing::Chunked => self.begin_piece(),
            Framing::None | Framing::Length(_) => {
                self.ended = true;
                Ok(())
            }
        }
    }

    /// The whole content, which may have so many bytes and has to come before the deadline. Nothing
    /// where it is longer.
    pub(crate) fn whole(&mut self, most: usize, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        let mut buffer = vec![0; PIECE];
        loop {
            self.begin()?;
            if self.left > most as u64 {
                return Ok(None);
            }
            let length = self.next(&mut buffer)?;
            if length == 0 {
                return Ok(Some(content));
            }
            content.extend_from_slice(&buffer[..length]);
            if content.len() > most {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Sends the content on in the same framing. Its last piece is held back until the content is
    /// known to have the digest.
    pub(crate) fn send(&mut self, to: &mut impl Write, digest: Option<&str>) -> io::Result<()> {
        let chunked = self.framing == Framing::Chunked;
        let mut hash = digest.map(|_| Sha256::new());
        let (mut held, mut buffer) = (Vec::new(), vec![0; PIECE]);
        loop {
            let length = self.next(&mut buffer)?;
            if length == 0 {
                break;
            }
            write_piece(to, &held, chunked)?;
            held.clear();
            held.extend_from_slice(&buffer[..length]);
            if let Some(hash) = &mut hash {
                hash.update(&held);
            }
        }
        if let (Some(hash), Some(digest)) = (hash, digest)
            && hex(&hash.finalize()) != digest
        {
            return Err(io::Error::other("the body is not the one that was signed"));
        }
        write_piece(to, &held, chunked)?;
        if chunked {
            to.write_all(b"0\r\n\r\n")?;
        }
        to.flush()
    }

    /// Reads the line before a piece. After the last piece, it reads the end of the body.
    fn begin_piece(&mut self) -> io::Result<()> {
        if !self.first {
            self.expect_line_end()?;
        }
        self.first = false;
        let mut line = Vec::with_capacity(LENGTH_LINE);
        while !line.ends_with(b"\r\n") {
            if line.len() == LENGTH_LINE {
                return Err(malformed());
            }
            line.push(self.byte()?);
        }
        let digits = &line[..line.len() - 2];
        let length = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(malformed)?;
        self.left = length;
        if length == 0 {
            // Trailers would be headers that no policy has seen.
            self.expect_line_end()?;
            self.ended = true;
        }
        Ok(())
    }

    fn expect_line_end(&mut self) -> io::Result<()> {
        match (self.byte()?, self.byte()?) {
            (b'\r', b'\n') => Ok(()),
            _ => Err(malformed()),
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        match self.raw(&mut byte)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(byte[0]),
        }
    }

    fn raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.early.read(buffer)? {
            0 => self.stream.read(buffer),
            length => Ok(length),
        }
    }
}

fn write_piece(to: &mut impl Write, piece: &[u8], chunked: bool) -> io::Result<()> {
    match (piece.is_empty(), chunked) {
        (true, _) => Ok(()),
        (false, false) => to.write_all(piece),
        (false, true) => {
            write!(to, "{:x}\r\n", piece.len())?;
            to.write_all(piece)?;
            to.write_all(b"\r\n")
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a piece of the body is malformed",
    )
}

/// Small letters, as signatures have them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
        text
    })
}
