//! How long and how large an answer of the registry may be.

use std::time::Duration;

/// Bounds of an answer of the registry. npm repeats what they end.
#[derive(Debug, Clone, Copy)]
pub struct PackagesBounds {
    /// Until it begins.
    pub first_byte: Duration,
    /// Between two pieces of it.
    pub silence: Duration,
    /// The whole answer.
    pub whole: Duration,
    /// Its bytes.
    pub bytes: u64,
}

impl Default for PackagesBounds {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            silence: Duration::from_secs(60),
            whole: Duration::from_secs(600),
            // The largest packages are browsers and coding agents.
            bytes: 512 * 1024 * 1024,
        }
    }
}
