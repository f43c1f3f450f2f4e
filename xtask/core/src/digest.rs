//! Names for bytes.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// SHA-256 of the bytes, hexadecimal.
#[must_use]
pub fn digest_bytes(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::with_capacity(2 * digest.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
