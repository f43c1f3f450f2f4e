//! What decides the meaning of a Dockerfile besides its text.

use std::collections::BTreeMap;

/// The build that a Dockerfile is read for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Build arguments by name. They count where an `ARG` before the first `FROM` names them.
    pub arguments: &'a BTreeMap<String, String>,
    /// The stage to build; the last one where absent.
    pub target: Option<&'a str>,
    /// The platform to build for, such as `linux/amd64`.
    pub platform: &'a str,
}
