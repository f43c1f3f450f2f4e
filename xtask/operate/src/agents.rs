//! The coding agents that the generator's image has. platform.toml says which: the line of each can be deleted.

use app_gen_infra::Platform;

/// The beginning and the end of what an agent is in its package, and the provider that starts it.
const AGENTS: [(&str, &str, &str); 2] = [
    ("@anthropic-ai/claude-code-", "/claude", "claude"),
    ("@openai/codex-", "/bin", "codex"),
];

/// The providers whose agent is in the image.
#[must_use]
pub fn of_image(platform: &Platform) -> Vec<&'static str> {
    let image = platform.generator().image.get_ref();
    let tools = platform.images[image].npm_tools.as_ref();
    let files = tools.into_iter().flat_map(|tools| tools.files.values());
    let files: Vec<&str> = files.map(|from| from.get_ref().as_str()).collect();
    let found = AGENTS.into_iter().filter(|(package, program, _)| {
        let is_program = |from: &&str| from.starts_with(package) && from.ends_with(program);
        files.iter().any(is_program)
    });
    found.map(|(.., provider)| provider).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_agent_whose_line_is_deleted_is_not_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        let text = std::fs::read_to_string(root.join(app_gen_infra::MANIFEST_PATH)).unwrap();
        let agents = |left_out: &str| {
            let lines = text.lines().filter(|line| !line.contains(left_out));
            let text = lines.collect::<Vec<_>>().join("\n");
            of_image(&Platform::parse(&text, root).unwrap())
        };
        assert_eq!(agents("nothing of it"), ["claude", "codex"]);
        assert_eq!(agents("\"tools/claude/"), ["codex"]);
        assert_eq!(agents("\"tools/codex/"), ["claude"]);
    }
}
