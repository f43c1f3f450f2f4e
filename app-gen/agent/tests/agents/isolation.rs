//! What a stranger put into the workspace configures no agent, and nothing of ours reaches it.

use crate::world::{BOTH, Kind, World};
use app_gen_agent::{Task, Verdict};
use std::fs;
use std::path::Path;

const WRITES: &str = r#"
    [[parts]]
    [[parts.turns]]
    text = "I write."
    actions = [{ do = "run", command = "env > environment; env -0 | tr '\\0' '\\n' | grep -c . > count" }]
    [[parts.turns]]
    text = "Done."
"#;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn files_of_the_workspace_configure_nothing() {
    for kind in BOTH {
        let world = World::new(kind, WRITES);
        let mark = world.folder.path().join("marked");
        let touch = format!("touch {}", mark.display());
        let hook =
            format!(r#"[{{"matcher":"","hooks":[{{"type":"command","command":"{touch}"}}]}}]"#);
        let hooks = format!(
            r#"{{"hooks":{{"SessionStart":{hook},"UserPromptSubmit":{hook},"PreToolUse":{hook},"Stop":{hook}}},"env":{{"STRANGE":"1"}}}}"#
        );
        let server = format!(
            r#"{{"mcpServers":{{"strange":{{"command":"/bin/sh","args":["-c","{touch}"]}}}}}}"#
        );
        let codex = format!(
            "developer_instructions = 'STRANGE-WORDS'\n[mcp_servers.strange]\ncommand = '/bin/sh'\nargs = ['-c', '{touch}']\n"
        );
        let skill = "---\nname: strange\ndescription: STRANGE-WORDS\n---\nSTRANGE-WORDS\n";
        let place = |name: &str| world.workspace(name);
        // In a repository, as the workspace is one.
        write(&place(".git/HEAD"), "ref: refs/heads/main\n");
        write(
            &place(".git/config"),
            "[core]\n\trepositoryformatversion = 0\n",
        );
        fs::create_dir_all(place(".git/objects")).unwrap();
        fs::create_dir_all(place(".git/refs")).unwrap();
        for name in [
            "CLAUDE.md",
            "CLAUDE.local.md",
            "AGENTS.md",
            "AGENTS.override.md",
            ".claude/CLAUDE.md",
        ] {
            write(&place(name), "STRANGE-WORDS\n");
        }
        write(&place(".claude/settings.json"), &hooks);
        write(&place(".claude/settings.local.json"), &hooks);
        write(&place(".claude/skills/strange/SKILL.md"), skill);
        write(&place(".claude/agents/strange.md"), skill);
        write(&place(".claude/commands/strange.md"), "STRANGE-WORDS\n");
        write(&place(".claude/rules/strange.md"), "STRANGE-WORDS\n");
        write(&place(".mcp.json"), &server);
        write(&place(".codex/config.toml"), &codex);
        write(&place(".codex/hooks.json"), &hooks);
        write(&place(".codex/AGENTS.md"), "STRANGE-WORDS\n");
        write(&place(".agents/skills/strange/SKILL.md"), skill);
        write(&place(".codex/skills/strange/SKILL.md"), skill);
        // And above it.
        for name in ["CLAUDE.md", "AGENTS.md"] {
            write(&world.folder.path().join(name), "STRANGE-WORDS\n");
        }
        // What a run before may have left where its settings are.
        let state = world.folder.path().join("agent/state");
        for name in ["CLAUDE.md", "AGENTS.md", "AGENTS.override.md"] {
            write(&state.join(name), "STRANGE-WORDS\n");
        }
        write(&state.join("settings.json"), &hooks);
        write(&state.join("hooks.json"), &hooks);
        write(&state.join("skills/strange/SKILL.md"), skill);
        let name = world.folder.path().join("workspace");
        let name = name.display().to_string().replace(['/', '.'], "-");
        write(
            &state.join(format!("projects/{name}/memory/MEMORY.md")),
            "STRANGE-WORDS\n",
        );

        let ran = world.run(&world.task("Make a file."));
        assert_eq!(ran.outcome.verdict, Verdict::Completed, "{ran:?}");
        let again = world.run(&world.after(&ran, "Once more."));
        assert_eq!(again.outcome.verdict, Verdict::Completed, "{again:?}");
        assert!(!mark.exists(), "{kind:?}");
        for request in world.requests() {
            let body = request["body"].as_str().unwrap();
            let at = body.find("STRANGE-WORDS");
            let around = at.map(|at| &body[at.saturating_sub(300)..(at + 100).min(body.len())]);
            assert_eq!(around, None, "{kind:?}");
        }
        let environment = fs::read_to_string(world.workspace("environment")).unwrap();
        assert!(!environment.contains("STRANGE"), "{environment}");
    }
}

#[test]
fn its_environment_is_what_is_allowed() {
    for kind in BOTH {
        let world = World::new(kind, WRITES);
        let mut task = world.task("Make a file.");
        for (name, value) in [
            ("AWS_SECRET_ACCESS_KEY", "a-secret"),
            ("OPENAI_API_KEY", "a-secret"),
            ("npm_config_registry", "http://127.0.0.1:7"),
        ] {
            task.environment.insert(name.to_owned(), value.to_owned());
        }
        let ran = world.run(&task);
        assert_eq!(ran.outcome.verdict, Verdict::Completed, "{ran:?}");
        let environment = fs::read_to_string(world.workspace("environment")).unwrap();
        let value = |name: &str| {
            let start = format!("{name}=");
            environment
                .lines()
                .find_map(|line| line.strip_prefix(&start))
        };
        // Of this process, cargo's variables above all, it has nothing.
        assert!(
            !environment.contains("a-secret") && !environment.contains("CARGO"),
            "{environment}"
        );
        assert_eq!(value("npm_config_registry"), Some("http://127.0.0.1:7"));
        let home = world.folder.path().join("agent/home");
        assert_eq!(value("HOME").map(Path::new), Some(home.as_path()));
        let temporary = world.folder.path().join("agent/tmp");
        assert_eq!(value("TMPDIR").map(Path::new), Some(temporary.as_path()));
        if kind == Kind::Codex {
            // Claude Code hands its token of the gateway to its tools; Codex can be kept from it.
            assert!(!environment.contains(&task.token), "{environment}");
        }
        let Task { token, .. } = &task;
        assert!(!format!("{task:?}").contains(token.as_str()));
    }
}
