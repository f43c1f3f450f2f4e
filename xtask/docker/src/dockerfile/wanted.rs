//! What decides the meaning of a Dockerfile besides its text.

use std::collections::BTreeMap;

/// What a Dockerfile's meaning depends on, besides its text.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Build arguments. They count where an `ARG` before the first `FROM` names them.
    pub arguments: &'a BTreeMap<String, String>,
    /// Stage to build; the last one where absent.
    pub target: Option<&'a str>,
    /// Platform to build for, as Docker writes it.
    pub platform: &'a str,
}
