//! Programs in the place of an agent, for what no agent does on demand: each run ends, and nothing of it
//! is left.

use crate::task;
use app_gen_agent::{
    Claude, Exit, Limits, Outcome, Reason, Retry, StartError, Stop, Supervisor, Task, Verdict, run,
};
use app_gen_contract::Activity;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const INIT: &str =
    r#"{"type":"system","subtype":"init","session_id":"s","claude_code_version":"1"}"#;
const DONE: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"Done.","permission_denials":[]}"#;

struct Stage {
    folder: TempDir,
    program: PathBuf,
    limits: Limits,
}

impl Stage {
    /// A program that is a script of bash.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::create_dir(folder.path().join("workspace")).unwrap();
        fs::write(&program, format!("#!/bin/bash\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let limits = Limits {
            time: Duration::from_secs(60),
            after_last_word: Duration::from_millis(300),
            after_signal: Duration::from_millis(300),
            ..Limits::default()
        };
        Self {
            folder,
            program,
            limits,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("workspace").join(name)
    }

    fn task(&self) -> Task {
        task(self.folder.path())
    }

    fn run(&self) -> (Result<Outcome, StartError>, Vec<Activity>) {
        self.run_until(std::future::pending())
    }

    fn run_until(
        &self,
        stop: impl Future<Output = ()>,
    ) -> (Result<Outcome, StartError>, Vec<Activity>) {
        let claude = Claude {
            program: self.program.clone(),
        };
        let task = self.task();
        let result = Runtime::new().unwrap().block_on(async {
            let (sender, mut receiver) = mpsc::channel(10);
            let listen = tokio::spawn(async move {
                let mut all = Vec::new();
                while let Some(activity) = receiver.recv().await {
                    all.push(activity);
                }
                all
            });
            let outcome = run(&claude, &supervisor(), &task, &self.limits, stop, &sender).await;
            drop(sender);
            (outcome, listen.await.unwrap())
        });
        self.assert_nothing_is_left();
        result
    }

    fn assert_nothing_is_left(&self) {
        let left = processes_in(self.folder.path());
        assert!(left.is_empty(), "{left:?}");
    }
}

fn supervisor() -> Supervisor {
    Supervisor {
        program: env!("CARGO_BIN_EXE_supervise").into(),
        arguments: Vec::new(),
    }
}

/// Processes that live in a folder.
fn processes_in(folder: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap();
    let processes = processes.filter_map(|entry| Some(entry.ok()?.path()));
    processes
        .filter(|process| {
            fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(folder))
        })
        .collect()
}

fn verdict(result: Result<Outcome, StartError>) -> Verdict {
    result.unwrap().verdict
}

#[test]
fn a_program_that_lives_on_after_its_last_word_is_ended() {
    // It is deaf, and it fills the pipe that nobody empties any more.
    let script = format!(
        "trap '' TERM INT HUP; echo x > file; echo '{INIT}'; echo '{DONE}'; for _ in $(seq 600); do sleep 0.1; done"
    );
    let stage = Stage::new(&script);
    let (result, activities) = stage.run();
    let outcome = result.unwrap();
    assert_eq!(outcome.verdict, Verdict::Completed);
    assert_eq!(outcome.exit, Some(Exit::Signal(9)));
    assert_eq!(outcome.has_changed, Some(true));
    let kinds = activities.iter().map(|activity| match activity {
        Activity::Started { provider, .. } => provider,
        // Its version is another than the one that is pinned; that is told, and no more.
        Activity::Session {
            version: Some(version),
            is_pinned: false,
            ..
        } if version == "1" => "session",
        Activity::Used { .. } => "used",
        Activity::Ended { .. } => "ended",
        _ => "other",
    });
    let kinds: Vec<&str> = kinds.collect();
    assert_eq!(kinds, ["claude", "session", "used", "ended"]);
}

#[test]
fn everything_that_it_starts_ends_with_it() {
    // In sessions of their own, deaf, without their mark, and one that starts itself again and again.
    let script = format!(
        r#"
        trap '' TERM
        again() {{ for _ in $(seq 300); do (sleep 0.01; setsid sleep 60) & sleep 0.01; done; }}
        setsid nohup bash -c "trap '' TERM HUP INT; for _ in $(seq 60); do sleep 1; done" > /dev/null 2>&1 &
        env -i /bin/bash -c 'setsid sleep 120 & disown' &
        (setsid bash -c 'exec -a "evil) name" sleep 120' &)
        again > /dev/null 2>&1 &
        sleep 0.3
        echo x > file
        echo '{INIT}'; echo '{DONE}'"#
    );
    let stage = Stage::new(&script);
    let outcome = stage.run().0.unwrap();
    assert_eq!(outcome.verdict, Verdict::Completed);
    assert!(outcome.killed >= 4, "{outcome:?}");
    assert!(!outcome.has_survivors);
}

#[test]
fn a_run_has_an_end_whatever_the_program_does() {
    let silent = format!("echo '{INIT}'; sleep 120");
    let mut stage = Stage::new(&silent);
    stage.limits.silence = Duration::from_millis(500);
    let by = Stop::Silence;
    assert_eq!(verdict(stage.run().0), Verdict::Stopped { by });

    let chatty = format!("echo '{INIT}'; while :; do echo '{{}}'; sleep 0.05; done");
    let mut stage = Stage::new(&chatty);
    stage.limits.time = Duration::from_millis(1_000);
    stage.limits.silence = Duration::from_millis(700);
    let by = Stop::Time;
    assert_eq!(verdict(stage.run().0), Verdict::Stopped { by });

    let using = r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"'$RANDOM$RANDOM'","name":"Bash","input":{"command":"x"}}]}}"#;
    let busy = format!("echo '{INIT}'; while :; do echo '{using}'; done");
    let mut stage = Stage::new(&busy);
    stage.limits.tools = 50;
    let by = Stop::Tools;
    assert_eq!(verdict(stage.run().0), Verdict::Stopped { by });
}

#[test]
fn bytes_without_lines_and_without_end_are_read_within_bounds() {
    // 40 MB in one line, then what counts.
    let script = format!(
        "echo x > file; echo '{INIT}'; head -c 40000000 /dev/zero | tr '\\0' x; echo; echo '{DONE}'"
    );
    let (result, activities) = Stage::new(&script).run();
    assert_eq!(verdict(result), Verdict::Completed);
    let unknown = activities.iter().find_map(|activity| match activity {
        Activity::Unknown { line } => Some(&line.text),
        _ => None,
    });
    assert!(unknown.unwrap().ends_with("[… a line of 40000000 bytes …]"));
    // Standard error is kept apart, and its end only.
    let script = format!("seq 1 200000 >&2; echo x > file; echo '{INIT}'; echo '{DONE}'");
    let outcome = Stage::new(&script).run().0.unwrap();
    assert_eq!(outcome.verdict, Verdict::Completed);
    assert!(outcome.errors.ends_with("200000") && outcome.errors.len() <= 4_000);
}

#[test]
fn a_program_that_cannot_start_is_named() {
    let mut stage = Stage::new("");
    stage.program = "/nowhere/claude".into();
    let message = stage.run().0.unwrap_err().to_string();
    assert!(message.contains("/nowhere/claude"), "{message}");

    let (result, _) = Stage::new("echo 'it does not work as root' >&2; exit 1").run();
    let expected = Verdict::Failed {
        reason: Reason::DidNotStart,
        detail: "it does not work as root".to_owned(),
    };
    assert_eq!(verdict(result), expected);

    let stage = Stage::new("");
    fs::remove_dir(stage.path("")).unwrap();
    assert!(matches!(stage.run().0, Err(StartError::Agent(_))));
}

#[test]
fn a_run_that_is_stopped_ends_soon() {
    let script = format!("echo '{INIT}'; echo x > file; sleep 120 & wait");
    let stage = Stage::new(&script);
    let file = stage.path("file");
    let began = Instant::now();
    let (result, _) = stage.run_until(async move {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let by = Stop::Asked;
    let outcome = result.unwrap();
    assert_eq!(outcome.verdict, Verdict::Stopped { by });
    assert_eq!(outcome.exit, Some(Exit::Signal(15)));
    assert!(began.elapsed() < Duration::from_secs(20));

    // Before it began.
    let stage = Stage::new(&script);
    let (result, _) = stage.run_until(async {});
    assert_eq!(verdict(result), Verdict::Stopped { by });
}

/// Waits for what a run leaves when nobody waits for the run.
fn wait_until(is_reached: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_reached() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it never comes that far"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_that_is_dropped_leaves_nothing() {
    let script = format!("echo '{INIT}'; setsid sleep 120 & touch file; sleep 120");
    let stage = Stage::new(&script);
    let claude = Claude {
        program: stage.program.clone(),
    };
    let task = stage.task();
    let file = stage.path("file");
    // The runtime ends too, as it does in a generator that is killed.
    Runtime::new().unwrap().block_on(async {
        let (sender, _receiver) = mpsc::channel(10);
        let supervisor = supervisor();
        let run = run(
            &claude,
            &supervisor,
            &task,
            &stage.limits,
            std::future::pending(),
            &sender,
        );
        let reached = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            outcome = run => panic!("{outcome:?}"),
            () = reached => {}
        }
    });
    wait_until(|| processes_in(stage.folder.path()).is_empty());
}

#[test]
fn an_agent_that_kills_its_supervisor_does_not_survive_it() {
    let script =
        format!("echo '{INIT}'; setsid sleep 120 & echo x > file; kill -9 $PPID; sleep 120");
    let outcome = Stage::new(&script).run().0.unwrap();
    let is_crash = matches!(
        outcome.verdict,
        Verdict::Again {
            cause: Retry::Crashed,
            ..
        }
    );
    assert!(is_crash && outcome.exit.is_none(), "{outcome:?}");
    assert!(outcome.killed >= 2, "{outcome:?}");
}

#[test]
fn what_a_run_before_wrote_into_its_settings_is_gone() {
    let script = format!(
        r#"
        cd "$CLAUDE_CONFIG_DIR"
        find . | sort > "$HOME/found"
        mkdir -p projects/x agents
        echo x > projects/x/session.jsonl; echo '{{}}' > settings.json; ln -s / link
        echo x > "$OLDPWD/file"
        cat > "$OLDPWD/prompt"
        echo '{INIT}'; echo '{DONE}'"#
    );
    let stage = Stage::new(&script);
    for expected in [
        ".\n",
        ".\n./projects\n./projects/x\n./projects/x/session.jsonl\n",
    ] {
        stage.run().0.unwrap();
        let found = fs::read_to_string(stage.folder.path().join("agent/home/found")).unwrap();
        assert_eq!(found, expected);
    }
    assert_eq!(
        fs::read_to_string(stage.path("prompt")).unwrap(),
        "Make it."
    );
}
