//! What needs no agent: recordings, noise, and programs that behave as no agent does on demand.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod fuzz;
mod pins;
mod programs;
mod recordings;

use app_gen_agent::{Credential, Task};
use std::path::Path;

/// A task whose files are in `folder`.
pub(crate) fn task(folder: &Path) -> Task {
    Task {
        prompt: "Make it.".to_owned(),
        instructions: None,
        workspace: folder.join("workspace"),
        folder: folder.join("agent"),
        session: None,
        model: "claude-sonnet-5-5".to_owned(),
        base_url: "http://127.0.0.1:9".to_owned(),
        token: "a-token".to_owned(),
        credential: Credential::Key,
        environment: std::collections::BTreeMap::new(),
        max_turns: None,
        must_change: true,
        began_with: None,
    }
}
