//! The forms of progress: text, one object a line, groups of a workflow, nothing.

use crate::common::Checkout;
use serde_json::Value;
use std::fs;

/// Standard error as it is, without the tests' own reading of it.
fn run(checkout: &Checkout, arguments: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let output = checkout
        .command(arguments)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A line that is an event, with what every event has.
fn event(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(event.as_object().unwrap().len(), 4, "{line}");
    assert!(event["seconds"].as_f64().unwrap() >= 0.0, "{line}");
    assert!(event["text"].is_string(), "{line}");
    assert_eq!(
        event["label"].is_string(),
        event["event"] == "line",
        "{line}"
    );
    event
}

#[test]
fn progress_is_an_object_a_line_with_json() {
    let checkout = Checkout::new();
    let (code, result, progress) = run(
        &checkout,
        &["build", "orchestrator", "--json", "--verbose"],
        &[],
    );
    assert_eq!(code, 0, "{progress}");
    assert_eq!(result.lines().count(), 1);
    let events: Vec<Value> = progress.lines().map(event).collect();
    for kind in ["step", "line", "debug"] {
        assert!(events.iter().any(|event| event["event"] == kind), "{kind}");
    }

    // Quiet: the result stays, in both forms, and nothing else.
    let (_, again, progress) = run(
        &checkout,
        &["build", "orchestrator", "--json", "--quiet"],
        &[],
    );
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(
        (&again["images"][0]["state"], &*progress),
        (&"present".into(), "")
    );
    checkout.write("server/src/main.rs", "fn main() {}\n");
    let (_, table, progress) = run(&checkout, &["build", "orchestrator", "--quiet"], &[]);
    assert!(table.contains("built"), "{table}");
    assert_eq!(progress, "");

    // An error is an event too, also where the command line is wrong.
    for (arguments, code) in [
        (&["build", "nonsense", "--json", "--quiet"][..], 2),
        (&["build", "--nonsense", "--json"], 2),
        (&["build", "orchestrator", "--json", "--env", "moon"], 2),
    ] {
        let (ended, result, progress) = run(&checkout, arguments, &[]);
        assert_eq!(ended, code, "{progress}");
        let error = serde_json::from_str::<Value>(&result).unwrap()["error"].clone();
        assert!(error["hint"].is_string(), "{error}");
        let last = event(progress.lines().last().unwrap());
        assert_eq!(last["event"], "error");
        let message = error["message"].as_str().unwrap();
        assert!(
            last["text"].as_str().unwrap().starts_with(message),
            "{last}"
        );
    }
}

#[test]
fn a_workflow_gets_groups_an_annotation_and_a_summary() {
    let checkout = Checkout::new();
    let summary = checkout.path("summary.md").display().to_string();
    let env = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_STEP_SUMMARY", summary.as_str()),
    ];
    let (code, table, progress) = run(&checkout, &["build", "orchestrator"], &env);
    assert_eq!(code, 0, "{progress}");
    let mut open = false;
    for line in progress.lines() {
        if line.starts_with("::group::") {
            assert!(!open, "{progress}");
            open = true;
        } else if line == "::endgroup::" {
            assert!(open, "{progress}");
            open = false;
        }
    }
    assert!(progress.contains("::group::") && !open, "{progress}");
    assert_eq!(
        fs::read_to_string(&summary).unwrap(),
        format!("```text\n{table}```\n")
    );

    checkout.replace(
        "app-gen-infra/platform.toml",
        "owner = \"test\"",
        "ownr = \"50%\"",
    );
    let (code, _, progress) = run(&checkout, &["build", "orchestrator"], &env);
    assert_eq!(code, 4);
    let last = progress.lines().last().unwrap();
    assert!(
        last.starts_with("::error::app-gen-infra/platform.toml:"),
        "{last}"
    );
    assert!(last.contains("%0Ahint: "), "{last}");

    // Elsewhere there are no commands of a workflow.
    let env = [("GITHUB_ACTIONS", "false")];
    let (_, _, progress) = run(&checkout, &["build", "orchestrator"], &env);
    assert!(progress.starts_with("error: "), "{progress}");
    assert!(!progress.contains("::"), "{progress}");
}
