//! Runs that succeed, lie, loop, linger, crash and are stopped.

use crate::world::{BOTH, Kind, World, exists};
use app_gen_agent::{Exit, Reason, Retry, Stop, Task, Verdict};
use app_gen_contract::Activity;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Writes a file, then runs a command that ends only when it is started again.
const WAITS: &str = r#"
    [[parts]]
    [[parts.turns]]
    text = "One."
    actions = [{ do = "write", path = "one", content = "x" }]
    [[parts.turns]]
    text = "Two."
    actions = [{ do = "run", command = "if [ -e here ]; then echo x > two; else (setsid sleep 1000 &) ; touch here; tail -f /dev/null; fi" }]
    [[parts.turns]]
    text = "Three."
"#;

#[test]
fn what_an_agent_does_is_told_and_it_succeeds() {
    for kind in BOTH {
        let world = World::new(
            kind,
            r#"
            [[parts]]
            [[parts.turns]]
            thinking = "I think first."
            text = "I write."
            actions = [
              { do = "write", path = "a.txt", content = "x\n", replace = true },
              { do = "run", command = "cat a.txt; exit 3" },
            ]
            [[parts.turns]]
            text = "It is done."
            "#,
        );
        let task = Task {
            instructions: Some("You are the builder of a plant diary.".to_owned()),
            ..world.task("Make a file.")
        };
        let ran = world.run(&task);
        assert_eq!(ran.outcome.verdict, Verdict::Completed, "{ran:?}");
        assert_eq!(ran.outcome.has_changed, Some(true));
        assert_eq!(ran.outcome.exit, Some(Exit::Code(0)));
        let session = ran.outcome.session.as_ref().unwrap();
        let said_session = ran.activities.iter().find_map(|activity| match activity {
            Activity::Session {
                id,
                version,
                is_pinned,
                ..
            } => Some((id, version.as_deref(), *is_pinned)),
            _ => None,
        });
        let version = match kind {
            Kind::Claude => "2.1.332",
            Kind::Codex => "0.171.0",
        };
        assert_eq!(said_session, Some((&session.id, Some(version), true)));
        for text in ["I think first.", "I write.", "It is done.", "a.txt"] {
            assert!(ran.text().contains(text), "{text}: {ran:?}");
        }
        let failed = ran.activities.iter().find_map(|activity| match activity {
            Activity::ToolEnded {
                result,
                is_error: true,
                ..
            } => Some(result.text.contains('x')),
            _ => None,
        });
        assert_eq!(failed, Some(true), "{ran:?}");
        assert!(ran.outcome.usage.unwrap().output_tokens > 0);
        // What it was told is what the model got.
        let requests = world.requests();
        let body = requests[0]["body"].as_str().unwrap();
        assert!(body.contains("You are the builder of a plant diary."));
        assert!(body.contains("Make a file."));
        assert!(requests.iter().all(|request| request["status"] == 200));
    }
}

#[test]
fn an_agent_that_lies_fails() {
    for kind in BOTH {
        let world = World::of(kind, "lies");
        let ran = world.run(&world.task("Make a plant diary."));
        let is_caught = matches!(
            ran.outcome.verdict,
            Verdict::Failed {
                reason: Reason::NothingChanged,
                ..
            }
        );
        assert!(is_caught, "{ran:?}");
        assert!(ran.text().contains("all 24 tests pass"));
        // Somebody who only answers has nothing to write.
        let task = Task {
            must_change: false,
            ..world.task("Review it.")
        };
        assert_eq!(world.run(&task).outcome.verdict, Verdict::Completed);
    }
}

#[test]
fn an_agent_that_loops_is_stopped() {
    for kind in BOTH {
        let world = World::of(kind, "loops");
        let ran = world.run(&world.task("Make a plant diary."));
        let by = Stop::Loop;
        assert_eq!(ran.outcome.verdict, Verdict::Stopped { by }, "{ran:?}");
        assert!(world.requests().len() <= 8, "{}", world.requests().len());
    }
    let world = World::of(Kind::Claude, "loops");
    let task = Task {
        max_turns: Some(2),
        ..world.task("Make a plant diary.")
    };
    let ran = world.run(&task);
    let is_caught = matches!(
        ran.outcome.verdict,
        Verdict::Failed {
            reason: Reason::Turns,
            ..
        }
    );
    assert!(is_caught, "{ran:?}");
}

#[test]
fn servers_that_an_agent_leaves_end_with_it() {
    for kind in BOTH {
        let world = World::of(kind, "lingers");
        let ran = world.run(&world.task("Make a plant diary."));
        assert_eq!(ran.outcome.verdict, Verdict::Completed, "{ran:?}");
        let text = fs::read_to_string(world.workspace("lingering")).unwrap();
        assert!(
            text.lines().count() >= 3 && ran.outcome.killed >= 3,
            "{ran:?}"
        );
    }
}

#[test]
fn an_agent_that_is_killed_goes_on_in_its_session() {
    for kind in BOTH {
        let world = World::new(kind, WAITS);
        let here = world.workspace("here");
        let kill = async {
            exists(here).await;
            let program = world.program().unwrap();
            let number = program.file_name().unwrap().to_str().unwrap().parse();
            kill_process(Pid::from_raw(number.unwrap()).unwrap(), Signal::KILL).unwrap();
            // It is the end of the agent that ends the run.
            std::future::pending::<()>().await;
        };
        let ran = world.run_until(&world.task("Make two files."), kill);
        let is_crash = matches!(
            ran.outcome.verdict,
            Verdict::Again {
                cause: Retry::Crashed,
                ..
            }
        );
        assert!(is_crash, "{kind:?} {ran:?}");
        assert_eq!(ran.outcome.exit, Some(Exit::Signal(9)));
        assert!(ran.outcome.killed >= 2, "{ran:?}");

        let again = world.run(&world.after(&ran, "Go on."));
        assert_eq!(again.outcome.verdict, Verdict::Completed, "{again:?}");
        assert!(again.text().contains("Three."));
        assert!(world.workspace("two").exists());
        let (first, second) = (&ran.outcome.session, &again.outcome.session);
        assert_eq!(first.as_ref().unwrap().id, second.as_ref().unwrap().id);
    }
}

#[test]
fn an_agent_that_is_stopped_leaves_nothing_and_can_go_on() {
    for kind in BOTH {
        let world = World::new(kind, WAITS);
        let stop = exists(world.workspace("here"));
        let ran = world.run_until(&world.task("Make two files."), stop);
        let by = Stop::Asked;
        assert_eq!(ran.outcome.verdict, Verdict::Stopped { by }, "{ran:?}");
        assert_eq!(ran.outcome.has_changed, Some(true));
        assert!(!world.workspace("two").exists());
        let again = world.run(&world.after(&ran, "Go on."));
        assert_eq!(again.outcome.verdict, Verdict::Completed, "{again:?}");

        // It had written all that it was to write before: that counts, since its task began then.
        let world = World::new(
            kind,
            r#"
            [[parts]]
            [[parts.turns]]
            text = "All of it."
            actions = [{ do = "run", command = "if [ ! -e all ]; then touch all; tail -f /dev/null; fi" }]
            [[parts.turns]]
            text = "Done."
            "#,
        );
        let ran = world.run_until(&world.task("Make a file."), exists(world.workspace("all")));
        let again = world.run(&world.after(&ran, "Go on."));
        assert_eq!(again.outcome.verdict, Verdict::Completed, "{again:?}");
        assert_eq!(again.outcome.has_changed, Some(true));
    }
}

#[test]
fn a_session_that_is_lost_is_begun_anew() {
    for kind in BOTH {
        let world = World::of(kind, "lies");
        let ran = world.run(&world.task("Make a plant diary."));
        fs::remove_dir_all(world.folder.path().join("agent")).unwrap();
        let again = world.run(&world.after(&ran, "Go on."));
        let is_lost = matches!(
            again.outcome.verdict,
            Verdict::Again {
                cause: Retry::SessionLost,
                ..
            }
        );
        assert!(is_lost, "{kind:?} {again:?}");
    }
}
