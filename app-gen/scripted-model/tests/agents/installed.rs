//! Where the agents are among the tools of the generator's image.

#[path = "tools.rs"]
mod tools;

use std::env::consts::ARCH;
use std::path::PathBuf;

/// The two programs. Each is one native binary of its package and needs no Node.
pub(crate) struct Installed {
    pub(crate) claude: PathBuf,
    pub(crate) codex: PathBuf,
}

impl Installed {
    pub(crate) fn get() -> Self {
        let (npm, triple) = match ARCH {
            "aarch64" => ("linux-arm64", "aarch64-unknown-linux-musl"),
            _ => ("linux-x64", "x86_64-unknown-linux-musl"),
        };
        let modules = tools::modules();
        let claude = modules.join(format!("@anthropic-ai/claude-code-{npm}/claude"));
        let codex = modules.join(format!("@openai/codex-{npm}/vendor/{triple}/bin/codex"));
        for program in [&claude, &codex] {
            assert!(program.is_file(), "there is no {}", program.display());
        }
        Self { claude, codex }
    }
}
