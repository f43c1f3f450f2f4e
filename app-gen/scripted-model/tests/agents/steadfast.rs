//! Faults, limits and kills: the work is done in the end.

use crate::agent::{Agent, Kind, files};
use app_gen_scripted_model::Script;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn parse(text: &str) -> Script {
    Script::parse(text, Path::new(".")).unwrap()
}

#[test]
fn faults_that_go_away_are_survived() {
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::of(kind, "unsteady");
        let run = agent.run("Make six files.");
        assert!(run.succeeded(), "{run:?}");
        assert_eq!(files(&agent.workspace()).len(), 6);
        // Each turn but the last had its fault once.
        let requests = agent.requests();
        let faulty = requests
            .iter()
            .filter(|request| request["is_faulty"] == true);
        let turns: Vec<&Value> = faulty.map(|request| &request["turn"]).collect();
        assert_eq!(turns, [1, 2, 3, 4, 5, 6]);
        assert_eq!(requests.len(), 7 + 4, "{kind:?}");
        // After an error in a stream, Claude Code asks for none.
        let second = requests.iter().filter(|request| request["turn"] == 2);
        let streams: Vec<bool> = second.map(asks_for_stream).collect();
        assert_eq!(streams, [true, kind == Kind::Codex]);
    }
}

fn asks_for_stream(request: &Value) -> bool {
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    body["stream"] == true
}

#[test]
fn a_stream_that_breaks_between_text_and_calls_loses_none_of_them() {
    // Each turn breaks one event later than the one before, and the last behind its end.
    let mut script = "about = ''\n[[parts]]\n".to_owned();
    for cut in 1..=14 {
        script.push_str(&format!(
            "[[parts.turns]]\ntext = 'Two files.'\nactions = [\n\
             {{ do = 'write', path = '{cut}-1', content = 'x' }},\n\
             {{ do = 'write', path = '{cut}-2', content = 'x' }},\n]\n\
             fault = {{ kind = 'cut', times = 1, after_events = {cut} }}\n"
        ));
    }
    script.push_str("[[parts.turns]]\ntext = 'Done.'\n");
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::new(kind, parse(&script));
        let run = agent.run("Make files.");
        assert!(run.succeeded() && run.text().contains("Done."), "{run:?}");
        assert_eq!(files(&agent.workspace()).len(), 28, "{kind:?}");
    }
}

#[test]
fn a_limit_ends_a_run_and_the_session_goes_on_after_it() {
    let script = r#"
        about = ""
        [[parts]]
        [[parts.turns]]
        actions = [{ do = "write", path = "before", content = "x" }]
        [[parts.turns]]
        actions = [{ do = "write", path = "after", content = "x" }]
        [parts.turns.fault]
        kind = "status"
        for_seconds = 15
        status = 429
        error_type = "rate_limit_error"
        message = "again in {seconds_left} s"
        headers = { retry-after = "{seconds_left}" }
        [[parts.turns]]
        text = "Done."
    "#;
    for kind in [Kind::Claude, Kind::Codex] {
        let agent = Agent::new(kind, parse(script));
        let mut run = agent.run("Make two files.");
        for _ in 0..20 {
            if run.succeeded() {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
            run = agent.resume("Go on.");
        }
        assert!(run.succeeded(), "{run:?}");
        assert_eq!(files(&agent.workspace()).len(), 2);
    }
}

#[test]
fn a_session_that_was_killed_in_a_command_runs_it_again() {
    let script = r#"
        about = ""
        [[parts]]
        [[parts.turns]]
        text = "One."
        actions = [{ do = "write", path = "one", content = "x" }]
        [[parts.turns]]
        text = "Two."
        actions = [{ do = "run", command = "if [ -e pid ]; then echo x > two; else echo $$ > new; mv new pid; tail -f /dev/null; fi" }]
        [[parts.turns]]
        text = "Three."
    "#;
    for kind in [Kind::Claude, Kind::Codex] {
        for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
            let agent = Agent::new(kind, parse(script));
            let pid = agent.workspace().join("pid");
            let mut running = agent.start("Make two files.");
            running.wait_until(|| pid.exists());
            kill_process(Pid::from_child(&running.child), signal).unwrap();
            let run = running.end();
            let command = fs::read_to_string(pid).unwrap();
            let command = Pid::from_raw(command.trim().parse().unwrap()).unwrap();
            // A command has a session of its own and outlives a kill of its agent.
            if test_kill_process(command).is_ok() {
                kill_tree(command);
            }
            assert!(!agent.workspace().join("two").exists(), "{run:?}");
            let run = agent.resume("Go on.");
            let requests = agent.requests();
            let turns: Vec<&Value> = requests.iter().map(|request| &request["turn"]).collect();
            let body = &requests[2]["body"];
            assert_eq!(turns, [1, 2, 2, 3], "{kind:?} {signal:?} {body}");
            assert!(run.succeeded() && run.text().contains("Three."), "{run:?}");
            let names = files(&agent.workspace()).into_iter().map(|(name, _)| name);
            let names: Vec<_> = names.collect();
            assert_eq!(
                names,
                ["one", "pid", "two"].map(Path::new),
                "{kind:?} {signal:?} {run:?}"
            );
        }
    }
}

/// Ends a shell and what it runs.
fn kill_tree(shell: Pid) {
    let children = format!("/proc/{0}/task/{0}/children", shell.as_raw_nonzero());
    let children = fs::read_to_string(children).unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|child| Pid::from_raw(child.parse().ok()?));
    for process in children.chain([shell]) {
        // Gone already is fine too.
        let _ = kill_process(process, Signal::KILL);
    }
}
