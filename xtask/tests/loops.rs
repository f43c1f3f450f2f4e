//! The loops of AGENTS.md, line by line as they stand there, on the real checkout against the
//! local cloud: by JSON and exit codes alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests drive the built binary from outside"
)]

mod live;

use live::{alone, root, run};
use serde_json::Value;
use std::fs::{self, File};
use std::process::{Command, Stdio};

/// What a line of a loop may end with besides 0: what it is there to find.
const FINDINGS: [i32; 2] = [9, 12];

/// The command lines of the section, each without what `cargo xtask` and the comment are.
fn loops() -> Vec<String> {
    let page = fs::read_to_string(root().join("AGENTS.md")).unwrap();
    let (_, section) = page.split_once("\n## Loops\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("cargo xtask "))
        .map(|line| line.split(" #").next().unwrap().trim().to_owned())
        .collect()
}

#[test]
fn the_loops_of_the_page_for_agents_are_true() {
    let _alone = alone();
    if run(&["open", "--json"]).code == 10 {
        run(&["deploy", "--yes", "--json"]).expect_success();
    }
    let value = std::env::temp_dir().join(format!("xtask-loops-{}", std::process::id()));
    fs::write(&value, "a-value-that-no-log-shows\n").unwrap();
    let lines = loops();
    assert!(lines.len() >= 12, "{lines:#?}");
    for line in &lines {
        let (arguments, stdin) = match line.split_once(" < ") {
            Some((arguments, _)) => (arguments, File::open(&value).unwrap().into()),
            None => (line.as_str(), Stdio::null()),
        };
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(arguments.split_whitespace())
            .current_dir(root())
            .env_remove("CI")
            .stdin(stdin)
            .output()
            .unwrap();
        let [answer, progress] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        let code = output.status.code().unwrap();
        assert!(
            code == 0 || FINDINGS.contains(&code),
            "{line}: {code}\n{answer}\n{progress}"
        );
        for text in answer.lines().chain(progress.lines()) {
            let parsed = serde_json::from_str::<Value>(text);
            assert!(
                parsed.is_ok_and(|value| value.is_object()),
                "{line}: {text}"
            );
            assert!(!text.contains("no-log-shows"), "{line}: {text}");
        }
    }
    fs::remove_file(value).unwrap();
    let remove = ["secrets", "remove", "generator", "CLAUDE_CODE_OAUTH_TOKEN"];
    let removed = run(&[&remove[..], &["--yes", "--json"]].concat()).expect_success();
    assert_eq!(removed["removed"], true);
}
