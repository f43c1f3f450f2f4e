//! SHA-256, of bytes and of what passes through.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io;

/// `sha256:…` of bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    name(&Sha256::digest(bytes))
}

/// `sha256:…` of what a hash has seen.
pub(crate) fn finish(hash: Sha256) -> String {
    name(&hash.finalize())
}

fn name(bytes: &[u8]) -> String {
    bytes.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a text is a digest of this kind.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        digits.len() == 64 && digits.bytes().all(is_digit)
    })
}

/// Passes bytes on, counts and hashes them.
pub(crate) struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// What it wrote to, the digest, and how many bytes there were.
    pub(crate) fn finish(self) -> (W, String, u64) {
        (self.inner, finish(self.hash), self.bytes)
    }
}

impl<W: io::Write> io::Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hash.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_passes_through_has_the_digest_of_its_bytes() {
        let mut hashing = Hashing::new(Vec::new());
        hashing.write_all(b"one").unwrap();
        hashing.write_all(b"two").unwrap();
        let (bytes, digest, count) = hashing.finish();
        assert_eq!(
            (&*bytes, &*digest, count),
            (&b"onetwo"[..], &*digest_of(b"onetwo"), 6)
        );
        assert!(is_digest(&digest));
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_of(b""), empty);
        assert!(!is_digest(&empty.to_uppercase()) && !is_digest(&empty[..70]));
    }
}
