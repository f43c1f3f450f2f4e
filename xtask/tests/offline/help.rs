//! What the commands say of themselves, to a person and to a program, and that none of them
//! waits for an answer where nobody sits.

use crate::common::processes::Started;
use crate::common::{Checkout, Ran};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

/// No command takes longer to find out that nothing of what it needs is there.
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

#[test]
fn every_command_explains_itself() {
    let checkout = Checkout::without_services();
    let help = help(&checkout);
    let mut texts = vec![(String::new(), checkout.run(&["-h"]))];
    for (name, _) in commands(&help) {
        let (verb, line) = (name[0].to_owned(), [name[0], "-h"]);
        if texts.iter().all(|(known, _)| *known != verb) {
            texts.push((verb, checkout.run(&line)));
        }
    }
    let mut text = String::new();
    for (verb, ran) in texts {
        let ran = ran.expect_success();
        let line = format!("{verb} -h");
        text.push_str(&format!("$ cargo xtask {}\n{}\n", line.trim(), ran.stdout));
        if !verb.is_empty() {
            assert_eq!(checkout.run(&["help", &verb]).stdout, ran.stdout);
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_program_learns_all_commands_and_may_ask_for_one() {
    let checkout = Checkout::without_services();
    // Also where the manifest is wrong.
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
fn the_page_for_agents_knows_all_exit_codes_and_answers() {
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

    let answers: BTreeSet<String> = rows("## What `--json` answers")
        .iter()
        .flat_map(|cells| {
            let names = cells[0].split('`').skip(1).step_by(2);
            let names: Vec<String> = names.map(|name| name.replace(" [VERB]", "")).collect();
            names
        })
        .collect();
    for (name, _) in commands(&help) {
        let name = name.join(" ");
        assert!(
            answers.contains(&name),
            "AGENTS.md does not say what `{name}` answers"
        );
    }
}

/// Every command, with what it requires filled in, where nothing that it needs is there.
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
        // Those go to work by themselves: on the whole workspace, with an installation.
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

        // A flag that there is not.
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
