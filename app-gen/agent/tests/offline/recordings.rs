//! What the real agents wrote when they met the scripted model, shortened by what nobody reads.

use crate::task;
use app_gen_agent::{Claude, Codex, End, Exit, Lines, Provider, Reader, Reason, Stop, Verdict};
use app_gen_contract::{Activity, AgentUsage, Change};
use std::fs;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

fn provider(name: &str) -> Box<dyn Provider> {
    let program = PathBuf::from("/nowhere");
    match name.starts_with("claude") {
        true => Box::new(Claude { program }),
        false => Box::new(Codex { program }),
    }
}

fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offline/recorded");
    fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap()
}

/// Reads a text as that agent's, and gives what it says.
pub(crate) fn play(name: &str, text: &str) -> (Box<dyn Reader>, Vec<Activity>) {
    let mut reader = provider(name).reader(&task(Path::new("/")), "new");
    reader.version("codex-cli 0.171.0");
    let mut lines = Lines::default();
    let mut all = lines.push(text.as_bytes());
    all.extend(lines.end());
    let activities = all.iter().flat_map(|line| reader.read(line)).collect();
    (reader, activities)
}

/// The end of a run that nobody stopped, with files that changed.
pub(crate) fn end(code: i32) -> End {
    End {
        exit: Some(Exit::Code(code)),
        stop: None,
        has_changed: Some(true),
        must_change: true,
        is_resumed: false,
        errors: String::new(),
    }
}

/// The names of all recordings.
pub(crate) fn names() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/offline/recorded");
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    names.sort();
    names
}

/// A verdict without the agent's words.
fn kind(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Completed => "completed".to_owned(),
        Verdict::Wait { cause, until, .. } => {
            format!(
                "wait {cause:?} {:?}",
                until.map(OffsetDateTime::unix_timestamp)
            )
        }
        Verdict::Again { cause, .. } => format!("again {cause:?}"),
        Verdict::Failed { reason, .. } => format!("failed {reason:?}"),
        Verdict::Stopped { by } => format!("stopped {by:?}"),
    }
}

#[test]
fn every_recording_has_its_verdict() {
    let limit = text("claude-limit-until");
    let (_, reset) = limit.split_once("\"resetsAt\":").unwrap();
    let reset: String = reset.chars().take_while(char::is_ascii_digit).collect();
    let until = format!("wait Limit Some({reset})");
    // With the exit code that each of them really had.
    let expected = [
        ("claude-context-full", 1, "again ContextFull"),
        ("claude-credit-low", 1, "failed NoCredit"),
        ("claude-denied", 0, "failed Denied"),
        ("claude-done", 0, "completed"),
        ("claude-ended", 143, "again Crashed"),
        ("claude-forbidden", 1, "failed Forbidden"),
        ("claude-interrupted", 0, "again Interrupted"),
        ("claude-key-refused", 1, "failed KeyRefused"),
        ("claude-limit", 1, "wait Limit None"),
        ("claude-limit-until", 1, until.as_str()),
        ("claude-no-credit", 1, "failed NoCredit"),
        ("claude-no-model", 1, "failed NoModel"),
        ("claude-overloaded", 1, "wait Overloaded None"),
        ("claude-resumed", 0, "completed"),
        ("claude-session-lost", 1, "again SessionLost"),
        ("claude-turns", 1, "failed Turns"),
        ("claude-unreachable", 1, "wait Unreachable None"),
        ("codex-budget", 1, "failed NoCredit"),
        ("codex-capacity", 1, "wait Overloaded None"),
        ("codex-context-full", 1, "again ContextFull"),
        ("codex-cut", 1, "wait Unreachable None"),
        ("codex-done", 0, "completed"),
        ("codex-forbidden", 1, "failed Forbidden"),
        ("codex-interrupted", 1, "again Crashed"),
        ("codex-key-refused", 1, "failed KeyRefused"),
        ("codex-limit", 1, "wait Limit None"),
        ("codex-no-credit", 1, "failed NoCredit"),
        ("codex-no-model", 1, "failed NoModel"),
        ("codex-overloaded", 1, "wait Overloaded None"),
        ("codex-quota", 1, "failed NoCredit"),
        ("codex-unreachable", 1, "wait Unreachable None"),
        ("codex-usage-limit", 1, "wait Limit None"),
    ];
    assert_eq!(names(), expected.map(|(name, ..)| name));
    for (name, code, expected) in expected {
        let (reader, activities) = play(name, &text(name));
        let is_resumed = ["claude-resumed", "claude-session-lost"].contains(&name);
        let end = End {
            is_resumed,
            ..end(code)
        };
        assert_eq!(kind(&reader.verdict(&end)), expected, "{name}");
        let unknown = activities
            .iter()
            .find(|activity| matches!(activity, Activity::Unknown { .. }));
        assert_eq!(unknown, None, "{name}");
    }
}

#[test]
fn a_verdict_follows_neither_from_the_exit_code_nor_from_what_is_said() {
    for name in ["claude-done", "codex-done"] {
        let (reader, _) = play(name, &text(name));
        // It was killed in its grace, after its last word.
        for exit in [Some(Exit::Code(1)), Some(Exit::Signal(9)), None] {
            let end = End { exit, ..end(0) };
            assert_eq!(reader.verdict(&end), Verdict::Completed);
        }
        let unchanged = End {
            has_changed: Some(false),
            ..end(0)
        };
        assert_eq!(kind(&reader.verdict(&unchanged)), "failed NothingChanged");
        let answer = End {
            must_change: false,
            ..unchanged
        };
        assert_eq!(reader.verdict(&answer), Verdict::Completed);
        // Without its last line, it is not done, whatever the exit code.
        let text = text(name);
        let (cut, _) = text.trim_end().rsplit_once('\n').unwrap();
        let (reader, _) = play(name, cut);
        assert_eq!(kind(&reader.verdict(&end(0))), "again Crashed");
    }
}

#[test]
fn an_error_of_codex_is_no_end() {
    let text = text("codex-overloaded");
    let (until_error, _) = text.split_once("{\"type\":\"turn.failed\"").unwrap();
    assert!(until_error.contains("{\"type\":\"error\""));
    let (reader, _) = play("codex", until_error);
    assert!(!reader.is_over());
    assert_eq!(kind(&reader.verdict(&end(1))), "again Crashed");
}

#[test]
fn who_stopped_it_is_known_before_the_last_word_and_does_not_matter_after_it() {
    for by in [Stop::Asked, Stop::Loop, Stop::Time] {
        let stopped = |code| End {
            stop: Some(by),
            ..end(code)
        };
        for (name, code) in [
            ("claude-interrupted", 0),
            ("claude-ended", 143),
            ("codex-interrupted", 1),
        ] {
            let (reader, _) = play(name, &text(name));
            assert_eq!(reader.verdict(&stopped(code)), Verdict::Stopped { by });
        }
        let (reader, _) = play("codex-done", &text("codex-done"));
        assert_eq!(reader.verdict(&stopped(1)), Verdict::Completed);
    }
}

#[test]
fn a_program_that_says_nothing_did_not_start() {
    for name in ["claude", "codex"] {
        let (reader, _) = play(name, "");
        let failed = End {
            errors: "no such flag".to_owned(),
            ..end(1)
        };
        let expected = Verdict::Failed {
            reason: Reason::DidNotStart,
            detail: "no such flag".to_owned(),
        };
        assert_eq!(reader.verdict(&failed), expected);
        let resumed = End {
            is_resumed: true,
            ..failed.clone()
        };
        assert_eq!(kind(&reader.verdict(&resumed)), "again SessionLost");
        let killed = End {
            exit: Some(Exit::Signal(9)),
            ..resumed
        };
        assert_eq!(kind(&reader.verdict(&killed)), "again Crashed");
    }
}

#[test]
fn what_claude_does_is_told() {
    let (reader, activities) = play("claude", &text("claude-done"));
    let texts: Vec<String> = activities
        .iter()
        .filter_map(|activity| match activity {
            Activity::Session {
                version, is_pinned, ..
            } => Some(format!("session {version:?} {is_pinned}")),
            Activity::Thought { text, .. } => Some(format!("thought {}", text.text)),
            Activity::Said { text, .. } => Some(format!("said {}", text.text)),
            Activity::ToolStarted { name, input, .. } => Some(format!("{name} {}", input.text)),
            Activity::ToolEnded {
                result, is_error, ..
            } => Some(format!("{is_error} {}", result.text)),
            Activity::FileChanged { path, change } => Some(format!("{change:?} {path}")),
            Activity::Used { usage } => Some(format!("used {}", usage.output_tokens)),
            Activity::Ended { is_success, text } => Some(format!("{is_success} {}", text.text)),
            _ => None,
        })
        .collect();
    let expected = [
        "session Some(\"2.1.332\") true",
        "thought I think.",
        "said I write.",
        "Write {\"content\":\"x\\\\n\",\"file_path\":\"a.txt\"}",
        "Bash cat a.txt; exit 3",
        "false File created successfully at: a.txt (file state is current in your context — no need to Read it back)",
        "Created a.txt",
        "true Exit code 3\nx\\n",
        "said Done.",
        "used 200",
        "true Done.",
    ];
    assert_eq!(texts, expected);
    let usage = AgentUsage {
        input_tokens: 2_000,
        output_tokens: 200,
        micro_usd: Some(6_000),
        ..AgentUsage::default()
    };
    assert_eq!(reader.usage(), Some(usage));

    // The second run of a session counts itself only.
    let (reader, activities) = play("claude", &text("claude-resumed"));
    assert_eq!(reader.usage(), Some(usage));
    let change = Change::Edited;
    let path = "a.txt".to_owned();
    assert!(activities.contains(&Activity::FileChanged { path, change }));
}

#[test]
fn waits_and_limits_are_told() {
    let (_, activities) = play("claude", &text("claude-overloaded"));
    let waiting = activities
        .iter()
        .find(|activity| matches!(activity, Activity::Waiting { .. }));
    let Some(Activity::Waiting {
        status, attempts, ..
    }) = waiting
    else {
        panic!("{activities:?}")
    };
    assert_eq!((*status, *attempts), (Some(529), Some(1)));

    let (_, activities) = play("codex", &text("codex-overloaded"));
    let expected = Activity::Waiting {
        attempt: 1,
        attempts: Some(1),
        delay_millis: None,
        status: Some(529),
        reason: "unexpected status 529 <unknown status code>: Overloaded, url: http://127.0.0.1:8080/v1/responses".to_owned(),
    };
    assert!(activities.contains(&expected), "{activities:?}");

    let (_, activities) = play("claude", &text("claude-limit-until"));
    let limits: Vec<bool> = activities
        .iter()
        .filter_map(|activity| match activity {
            Activity::RateLimit { is_rejected, .. } => Some(*is_rejected),
            _ => None,
        })
        .collect();
    assert_eq!(limits, [false, true]);
}

#[test]
fn codex_counts_a_session_and_a_run_is_told() {
    let task = task(Path::new("/"));
    let codex = provider("codex");
    let read = |session| {
        let task = app_gen_agent::Task {
            session,
            ..task.clone()
        };
        let mut reader = codex.reader(&task, "new");
        let mut lines = Lines::default();
        for line in lines.push(text("codex-done").as_bytes()) {
            reader.read(&line);
        }
        (reader.session().unwrap(), reader.usage().unwrap())
    };
    let (mut session, first) = read(None);
    assert_eq!((first.input_tokens, first.output_tokens), (3_000, 300));
    assert_eq!(session.usage, first);
    session.usage.input_tokens = 2_000;
    session.usage.output_tokens = 100;
    let (_, second) = read(Some(session));
    assert_eq!((second.input_tokens, second.output_tokens), (1_000, 200));
}

#[test]
fn an_agent_that_goes_on_after_its_last_word_is_not_done() {
    let text = text("claude-done");
    let (init, _) = text.split_once('\n').unwrap();
    let (reader, _) = play("claude", &format!("{text}{init}\n"));
    assert!(!reader.is_over());
    assert_eq!(kind(&reader.verdict(&end(0))), "again Crashed");
    let (reader, _) = play("claude", &format!("{text}{text}"));
    assert!(reader.is_over());
    assert_eq!(reader.usage().unwrap().output_tokens, 400);
}
