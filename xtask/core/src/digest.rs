//! SHA-256 of bytes in memory. Files and trees are hashed by `xtask-tree`.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The SHA-256 of the bytes in hexadecimal.
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
