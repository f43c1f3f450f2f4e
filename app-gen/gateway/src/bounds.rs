//! How long and how large anything may be.

use std::time::Duration;

/// Bounds of requests to a provider. An agent repeats what they end, as often as it wants to.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Until a streamed answer begins. Providers send its head at once.
    pub first_byte: Duration,
    /// Until an answer begins that is not streamed: it is made first.
    pub first_byte_unstreamed: Duration,
    /// Between two pieces of an answer. Providers send `ping` or something like it every few seconds.
    pub silence: Duration,
    /// The whole answer.
    pub whole: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(120),
            first_byte_unstreamed: Duration::from_secs(600),
            // Less than the 300 s after which both agents give up by themselves.
            silence: Duration::from_secs(180),
            whole: Duration::from_secs(3600),
        }
    }
}

/// Connections at once. Others wait.
pub(crate) const CONNECTIONS: usize = 64;
/// Bytes of a request. Anthropic takes no more.
pub(crate) const BODY_BYTES: usize = 32 * 1024 * 1024;
/// Kilobytes of all requests at once. Others wait.
pub(crate) const BODIES_KILOBYTES: usize = 4 * BODY_BYTES / 1024;
/// How long a head, a body, or an agent that takes nothing may last.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
