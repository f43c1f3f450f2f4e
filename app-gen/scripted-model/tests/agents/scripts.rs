//! What the agents make of the scripts.

use crate::agent::{Agent, Kind, files, scripts};
use crate::process::{Running, command, npm};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Starts the application, uses it, and ends it.
fn use_application(folder: &Path) {
    let logs = tempfile::tempdir().unwrap();
    let mut start = command("npm", folder);
    start.arg("start").env("PORT", "0").env_remove("HOST");
    let mut server = Running::start(start, logs.path());
    let address = || {
        let text = fs::read_to_string(logs.path().join("output")).unwrap();
        let address = text
            .lines()
            .find_map(|line| line.strip_prefix("listening on http://"));
        address.map(str::to_owned)
    };
    server.wait_until(|| address().is_some());
    let address = address().unwrap();
    let ask = |method: &str, path: &str, body: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n"
        );
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET", "/api/health", "").contains(r#"{"status":"ok"}"#));
    let page = ask("GET", "/", "");
    assert!(page.contains("<h1>Plant diary</h1>"), "{page}");
    let (_, script) = page.split_once("src=\"").unwrap();
    let script = ask("GET", script.split('"').next().unwrap(), "");
    assert!(
        script.starts_with("HTTP/1.1 200") && script.contains("last watered"),
        "{script}"
    );
    let added = ask("POST", "/api/plants", r#"{"name":"Fern"}"#);
    assert!(
        added.starts_with("HTTP/1.1 201") && added.contains("Fern"),
        "{added}"
    );
    assert!(ask("POST", "/api/plants", r#"{"name":""}"#).starts_with("HTTP/1.1 400"));
    assert!(ask("GET", "/api/plants", "").contains("Fern"));
}

fn create(kind: Kind) {
    let agent = Agent::of(kind, "create");
    let run = agent.run("Make a plant diary.\nRole: builder");
    assert!(run.succeeded(), "{run:?}");
    let workspace = agent.workspace();
    assert_eq!(files(&workspace), files(&scripts().join("plant-diary")));
    // Its own commands worked; ours say that what it made is right.
    assert!(workspace.join("dist/index.html").exists() && run.text().contains("pass 3"));
    npm(&workspace, &["ci", "--no-audit", "--no-fund"]);
    npm(&workspace, &["run", "build"]);
    npm(&workspace, &["test"]);
    use_application(&workspace);
    // What the script says is thought, said and used is what the agent shows.
    assert!(run.text().contains("see whether they work"));
    let usage = &run.last()["usage"];
    match kind {
        Kind::Claude => {
            assert_eq!(usage["input_tokens"], 17_000);
            assert_eq!(usage["cache_read_input_tokens"], 48_000);
            assert_eq!(usage["output_tokens"], 10_800);
        }
        Kind::Codex => {
            // It asks once more, since commands are given to it one by one.
            assert_eq!(usage["cached_input_tokens"], 60_000);
            assert_eq!(usage["input_tokens"], 60_000 + 21_000);
            assert_eq!(usage["output_tokens"], 11_400);
        }
    }
}

#[test]
fn claude_makes_an_application_that_works() {
    create(Kind::Claude);
}

#[test]
fn codex_makes_an_application_that_works() {
    create(Kind::Codex);
}

fn copy(from: &Path, to: &Path) {
    for (path, text) in files(from) {
        let path = to.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn a_change_is_made_and_tested() {
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::of(kind, "change");
        copy(&scripts().join("plant-diary"), &agent.workspace());
        let run = agent.run("Plants need notes.\nRole: builder");
        assert!(run.succeeded() && run.text().contains("pass 4"), "{run:?}");
        let store = fs::read_to_string(agent.workspace().join("server/store.js")).unwrap();
        assert!(
            store.contains("async add(name, note = '') {")
                && store.contains("name, note, watered_at")
        );
    }
}

#[test]
fn a_repair_follows_when_the_test_that_fails_is_shown() {
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::of(kind, "repair");
        let run = agent.run("Make a plant diary.\nRole: builder");
        assert!(run.succeeded(), "{run:?}");
        let logs = tempfile::tempdir().unwrap();
        let mut test = command("npm", &agent.workspace());
        test.arg("test");
        let failed = Running::start(test, logs.path()).end();
        assert!(!failed.status.success());
        let prompt = format!(
            "The check `npm test` failed:\n{}\nRole: builder",
            failed.output
        );
        let run = agent.resume(&prompt);
        assert!(run.succeeded() && run.text().contains("pass 3"), "{run:?}");
        assert_eq!(
            files(&agent.workspace()),
            files(&scripts().join("plant-diary"))
        );
    }
}

#[test]
fn bad_agents_are_as_bad_as_they_say() {
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::of(kind, "lies");
        let run = agent.run("Make a plant diary.");
        assert!(run.succeeded() && run.text().contains("all 24 tests pass"));
        assert_eq!(files(&agent.workspace()), []);

        let agent = Agent::of(kind, "deletes-tests");
        let run = agent.run("Make a plant diary.");
        assert!(
            run.succeeded() && run.text().contains("'  Fern '"),
            "{run:?}"
        );
        let workspace = agent.workspace();
        assert!(!workspace.join("server/app.test.js").exists());
        npm(&workspace, &["test"]);
    }
}

#[test]
fn an_agent_that_loops_goes_on_until_it_is_ended() {
    let agent = Agent::of(Kind::Claude, "loops");
    let command = agent.claude(&["--max-turns", "5", "Make a plant diary."]);
    let logs = tempfile::tempdir().unwrap();
    let run = agent.finish(Running::start(command, logs.path()));
    assert_eq!(run.last()["subtype"], "error_max_turns");
    assert_eq!(agent.requests().len(), 5);

    let agent = Agent::of(Kind::Codex, "loops");
    let mut running = agent.start("Make a plant diary.");
    running.wait_until(|| agent.requests_so_far() >= 8);
    assert!(
        running.child.try_wait().unwrap().is_none(),
        "it ended by itself"
    );
}

#[test]
fn servers_that_an_agent_leaves_live_on() {
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::of(kind, "lingers");
        let run = agent.run("Make a plant diary.");
        let text = fs::read_to_string(agent.workspace().join("lingering")).unwrap();
        let servers: Vec<Pid> = text
            .lines()
            .filter_map(|line| Pid::from_raw(line.parse().ok()?))
            .collect();
        let living = servers
            .iter()
            .filter(|server| test_kill_process(**server).is_ok())
            .count();
        for server in &servers {
            // One that is gone is what the next assertion is about.
            let _ = kill_process(*server, Signal::KILL);
        }
        assert!(run.succeeded(), "{run:?}");
        assert_eq!((servers.len(), living), (3, 3), "{kind:?}");
    }
}

#[test]
fn huge_results_and_files_arrive() {
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::of(kind, "huge");
        let run = agent.run("Make something huge.");
        assert!(run.succeeded(), "{:?}", run.ended.status);
        let large = fs::read_to_string(agent.workspace().join("large.txt")).unwrap();
        assert_eq!(large.lines().count(), 45_000);
        let longest = run
            .lines
            .iter()
            .map(|line: &Value| line.to_string().len())
            .max();
        assert!(longest.unwrap() > 1_000_000, "{longest:?}");
    }
}
