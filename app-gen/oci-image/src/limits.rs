//! How much an image may have.

/// How much an image may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, folders and links of the application.
    pub entries: usize,
    /// Bytes of the application's files.
    pub application_bytes: u64,
    /// Bytes of all layers of the base, as they are sent.
    pub base_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            application_bytes: 1024 * 1024 * 1024,
            base_bytes: 2 * 1024 * 1024 * 1024,
        }
    }
}
