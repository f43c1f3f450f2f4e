//! The commands explain themselves to a person and to a program, and no command waits for an
//! answer where there is nobody to give it.

use crate::common::processes::Started;
use crate::common::{Checkout, Ran, ran};
use serde_json::Value;
use std::net::TcpListener;
use std::time::Duration;

/// The longest that a command may take to find out that everything it needs is missing.
const REFUSAL_BOUND: Duration = Duration::from_secs(30);

fn help(checkout: &Checkout) -> Value {
    checkout.run(&["help", "--json"]).expect_success().json()
}

fn commands(help: &Value) -> Vec<(Vec<&str>, &Value)> {
    let commands = help["commands"].as_array().unwrap();
    commands
        .iter()
        .map(|command| {
            let name = command["name"].as_str().unwrap();
            (name.split(' ').collect(), command)
        })
        .collect()
}

/// The lines of AGENTS.md from a heading on that are rows of a table, as cells.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../AGENTS.md"));
    let text = text.unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    section
        .lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').replace("\\|", "¦");
            cells
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

/// The root, with its commands below the headings of their groups.
#[test]
fn the_commands_are_grouped() {
    let checkout = Checkout::without_services();
    let help = checkout.run(&["help"]).expect_success().stdout;
    for other in ["-h", "--help"] {
        assert_eq!(checkout.run(&[other]).expect_success().stdout, help);
    }
    insta::assert_snapshot!(help);
}

#[test]
fn every_command_explains_itself() {
    let checkout = Checkout::without_services();
    let help = help(&checkout);
    let mut lines: Vec<Vec<&str>> = Vec::new();
    for (name, _) in commands(&help) {
        for words in 1..=name.len() {
            let line = name[..words].to_vec();
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    let mut text = String::new();
    for line in lines {
        let explained = checkout.run(&[&["help"], &line[..]].concat());
        let explained = explained.expect_success().stdout;
        let by_flag = checkout.run(&[&line[..], &["--help"]].concat());
        assert_eq!(by_flag.expect_success().stdout, explained);
        let (own, _) = explained
            .split_once("\n\nOptions of every command:\n")
            .unwrap();
        text.push_str(&format!("$ cargo xtask help {}\n{own}\n\n", line.join(" ")));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_program_learns_all_commands_and_may_ask_for_one() {
    let checkout = Checkout::without_services();
    // A faulty manifest does not matter.
    checkout.write("app-gen-infra/platform.toml", "nonsense");
    let help = help(&checkout);
    for (name, command) in commands(&help) {
        assert!(!command["about"].as_str().unwrap().is_empty(), "{name:?}");
        let one = [&["help", "--json"], &name[..]].concat();
        let one = checkout.run(&one).expect_success().json();
        assert_eq!(one["commands"], serde_json::json!([command]));
    }
    let set = checkout.run(&["help", "secrets", "set", "--json"]).json();
    let expected = serde_json::json!({
        "name": "key", "long": null, "short": null, "value": "KEY", "required": true,
        "multiple": false, "default": null, "values": [], "help": "Key of that secret",
    });
    assert_eq!(set["commands"][0]["arguments"][1], expected);
    let global: Vec<&str> = help["global"]
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument["long"].as_str().unwrap())
        .collect();
    assert_eq!(global, ["env", "json", "yes", "setup", "quiet", "verbose"]);
    let unknown = checkout.run(&["help", "secrets", "moon", "--json"]);
    assert_eq!(unknown.code, 2);
    let hint = unknown.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.starts_with("commands: list, check"), "{hint}");
}

#[test]
fn the_page_for_agents_has_all_exit_codes() {
    let checkout = Checkout::without_services();
    let help = help(&checkout);
    let known: Vec<(String, String)> = help["exit_codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| {
            let meaning = code["meaning"].as_str().unwrap();
            (code["code"].to_string(), meaning.to_owned())
        })
        .collect();
    let written: Vec<(String, String)> = rows("## Exit codes")
        .into_iter()
        .map(|cells| (cells[0].clone(), cells[1].clone()))
        .collect();
    assert_eq!(written, known);
}

/// Runs every command with all of its required arguments where everything it needs is missing.
#[test]
fn no_command_asks_where_nobody_is() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let checkout = Checkout::with_registry_port(port);
    checkout.set_cloud_port(port + 1);
    let state = checkout.path("state").display().to_string();
    let env = [
        ("XDG_STATE_HOME", state.as_str()),
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
        ("CI", "false"),
    ];
    let help = help(&checkout);
    let codes: Vec<i64> = help["exit_codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code["code"].as_i64().unwrap())
        .collect();
    for (name, command) in commands(&help) {
        // These two would work: on the whole workspace, and on an installation.
        if matches!(&name[..], ["test"] | ["cloud", "up"]) {
            continue;
        }
        let mut line = name.clone();
        for argument in command["arguments"].as_array().unwrap() {
            if argument["required"] == true {
                line.push(argument["values"][0].as_str().unwrap_or("nonsense"));
            }
        }
        line.push("--json");
        let ran = Started::new(&checkout, &line, &env).ends_within(REFUSAL_BOUND);
        assert!(codes.contains(&i64::from(ran.code)), "{line:?}: {ran:?}");
        assert_eq!(ran.stdout.lines().count(), 1, "{line:?}: {ran:?}");
        expect_hint(&ran);

        // An unknown flag.
        let line = [&name[..], &["--nonsense", "--json"]].concat();
        let ran = checkout.run(&line);
        assert_eq!(ran.code, 2, "{ran:?}");
        expect_hint(&ran);
    }
}

fn expect_hint(ran: &Ran) {
    let error = &ran.json()["error"];
    if !error.is_null() {
        assert_eq!(error["exit_code"], ran.code, "{ran:?}");
        assert!(error["hint"].is_string(), "{ran:?}");
    }
}

/// Otherwise it would push images to an account, or work an environment's queue, before it fails.
#[test]
fn a_verb_of_this_machine_refuses_an_environment_on_aws_before_anything_is_done() {
    // Only the manifest of this checkout has environments on AWS.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let empty = tempfile::tempdir().unwrap();
    for (line, instead) in [
        (&["validate"][..], "cargo xtask deploy --env dev"),
        (&["validate", "--force"], "cargo xtask deploy --env dev"),
        (&["dev"], "cargo xtask logs --follow --env dev"),
        (&["test", "format"], "cargo xtask test"),
        (&["cloud", "status"], "cargo xtask cloud status"),
        (&["cloud", "down"], "cargo xtask cloud down"),
    ] {
        let output = Checkout::without_services()
            .command(&[line, &["--env", "dev", "--json"]].concat())
            .current_dir(root)
            // A command that were not refused would find no program and no service.
            .env("PATH", empty.path())
            .env("XDG_STATE_HOME", empty.path())
            .output()
            .unwrap();
        let refused = ran(&output);
        assert_eq!(refused.code, 2, "{line:?}: {refused:#?}");
        let error = &refused.json()["error"];
        assert_eq!(
            error["message"],
            "this command works on this machine only, and environment dev is on AWS",
            "{line:?}"
        );
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.contains(instead), "{line:?}: {hint}");
        assert_eq!(refused.stderr.lines().count(), 2, "{refused:#?}");
    }
}
