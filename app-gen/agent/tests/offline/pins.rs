//! The versions that are pinned here are those that the tests install and the image gets.

use app_gen_agent::{Claude, Codex, Provider};
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn the_pinned_versions_are_those_that_tests_run() {
    let manifest = include_str!("../../../tools/package.json");
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    let program = PathBuf::new;
    let (claude, codex) = (Claude { program: program() }, Codex { program: program() });
    let installed = &manifest["dependencies"];
    assert_eq!(
        installed["@anthropic-ai/claude-code"],
        claude.pinned_version()
    );
    assert_eq!(installed["@openai/codex"], codex.pinned_version());
}
