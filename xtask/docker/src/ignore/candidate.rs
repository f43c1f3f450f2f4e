//! A path against which patterns are tried.

use std::borrow::Cow;

/// A path in both forms that patterns look at.
#[derive(Debug)]
pub(super) struct Candidate<'path> {
    /// As it is on disk.
    pub(super) bytes: &'path [u8],
    /// As a regular expression of Go sees it.
    pub(super) text: Cow<'path, str>,
}

impl<'path> Candidate<'path> {
    pub(super) fn new(bytes: &'path [u8]) -> Self {
        let text = decode(bytes);
        Self { bytes, text }
    }
}

/// Replaces each byte that is not part of UTF-8 by U+FFFD, as Go does. `from_utf8_lossy` of
/// the standard library replaces several such bytes by one.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let characters = bytes.utf8_chunks().flat_map(|chunk| {
        let replaced = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(replaced)
    });
    Cow::Owned(characters.collect())
}
