//! Secret values: from standard input to a process's environment or a file of
//! mode 0600, and nowhere else.

use crate::common::command_lines::CommandLines;
use crate::common::processes::{Started, processes_of, wait_for};
use crate::common::{self, Checkout, Ran, instance};
use rustix::process::Signal;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

const KEY: &str = "CLAUDE_CODE_OAUTH_TOKEN";
const END_BOUND: Duration = Duration::from_secs(15);

/// A checkout in a mode that needs a secret, which is set.
struct Vault {
    checkout: Checkout,
    cloud: &'static str,
    value: String,
    watch: CommandLines,
}

impl Vault {
    fn new(name: &str) -> Self {
        let checkout = Checkout::new();
        checkout.replace(
            "app-gen-infra/platform.toml",
            "GENERATOR_PROVIDER = \"template\" }",
            "GENERATOR_PROVIDER = \"claude\" }",
        );
        // What a shell, JSON or an environment file could take for something else.
        let value = format!("{name}-{}-'\"$HOME`id`\\n#=ä", std::process::id());
        let vault = Self {
            cloud: instance::xtask_aws(),
            watch: CommandLines::watch(&[&format!("{name}-{}", std::process::id())]),
            checkout,
            value,
        };
        vault.set(&vault.value);
        vault
    }

    fn set(&self, value: &str) {
        let set = ["secrets", "set", "generator", KEY, "--verbose"];
        let ran = self.run_with_value(&set, value).expect_success();
        self.assert_silent(&ran);
    }

    /// Runs a command that reads the value from standard input.
    fn run_with_value(&self, arguments: &[&str], value: &str) -> Ran {
        let mut running = self
            .checkout
            .command(arguments)
            .envs(self.env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = running.stdin.take().unwrap();
        // The newline is the file's, not the value's.
        stdin.write_all(format!("{value}\n").as_bytes()).unwrap();
        drop(stdin);
        common::ran(&running.wait_with_output().unwrap())
    }

    /// What a person sees of a command about the key, once they have typed the answer.
    fn on_a_terminal(&self, command: &str, answer: &str) -> String {
        let line = format!("{} {command} {KEY}", env!("CARGO_BIN_EXE_xtask"));
        let mut running = std::process::Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(self.checkout.root())
            .envs(self.env())
            .envs([instance::VARIABLE])
            .env_remove("CI")
            .env_remove("GITHUB_ACTIONS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The question comes first: what is typed before, the terminal shows by itself.
        let mut output = running.stdout.take().unwrap();
        let mut seen = Vec::new();
        let mut byte = [0];
        let mut typed = false;
        let mut stdin = running.stdin.take().unwrap();
        while output.read(&mut byte).unwrap() == 1 {
            seen.push(byte[0]);
            if !typed && (seen.ends_with(b"not shown: ") || seen.ends_with(b"[y/N] ")) {
                stdin.write_all(answer.as_bytes()).unwrap();
                typed = true;
            }
        }
        drop(stdin);
        running.wait().unwrap();
        String::from_utf8(seen).unwrap()
    }

    fn env(&self) -> [(&str, &str); 1] {
        [("APP_GEN_XTASK_AWS", self.cloud)]
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.checkout.run_with(arguments, &self.env())
    }

    fn start(&self, arguments: &[&str]) -> Started {
        Started::new(&self.checkout, arguments, &self.env())
    }

    /// That a command wrote neither the value nor a recognisable part of it.
    fn assert_silent(&self, ran: &Ran) {
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(&self.value[..12]), "{ran:?}");
        }
    }

    /// The secrets files of the checkout.
    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.checkout.path("target/xtask/test/secrets"))
            .into_iter()
            .flatten()
            .map(|item| item.unwrap().path())
            .collect()
    }

    /// Starts to hold the secret in a file, and waits for it.
    fn materialize(&self) -> (Started, PathBuf) {
        let holder = self.start(&["secrets", "materialize", "generator", "--json"]);
        let line = wait_for("the file", || {
            Some(holder.stdout()).filter(|text| text.ends_with('\n'))
        });
        let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
        (holder, PathBuf::from(answer["file"].as_str().unwrap()))
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let removed = self.run(&["secrets", "remove", "generator", "--yes"]);
        if !std::thread::panicking() {
            removed.expect_success();
            let seen = self.watch.seen();
            assert!(seen.is_empty(), "in an argument: {seen:?}");
        }
    }
}

#[test]
fn the_watch_sees_an_argument() {
    let mut watch = CommandLines::watch(&["an-argument-in-plain-sight"]);
    let mut child = std::process::Command::new("sh")
        .args(["-c", "sleep 1", "an-argument-in-plain-sight"])
        .spawn()
        .unwrap();
    child.wait().unwrap();
    assert!(!watch.seen().is_empty());
}

#[test]
fn values_are_listed_in_no_mode() {
    let vault = Vault::new("list");
    for arguments in [
        &["secrets", "list"][..],
        &["secrets", "list", "--json"],
        &["secrets", "list", "--verbose"],
        &["secrets", "list", "--json", "--verbose"],
    ] {
        let ran = vault.run(arguments).expect_success();
        assert!(ran.stdout.contains(KEY), "{ran:?}");
        vault.assert_silent(&ran);
    }
    let listed = vault.run(&["secrets", "list", "--json"]).json();
    let generator = listed["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|secret| secret["name"].as_str().unwrap().ends_with("/generator"))
        .unwrap();
    assert_eq!(generator["keys"][0]["state"], "set");
    assert_eq!(generator["keys"][0]["required"], true);
}

#[test]
fn a_command_gets_the_value_and_nobody_else_does() {
    let vault = Vault::new("command");
    let script = format!("printf %s \"${KEY}\" > got");
    let ran = vault
        .run(&[
            "secrets",
            "materialize",
            "generator",
            "--verbose",
            "--",
            "sh",
            "-c",
            &script,
        ])
        .expect_success();
    vault.assert_silent(&ran);
    let got = fs::read_to_string(vault.checkout.path("got")).unwrap();
    assert_eq!(got, vault.value);
    assert_eq!(vault.files(), Vec::<PathBuf>::new());

    // The command's failure is ours, and says nothing either.
    let ran = vault.run(&[
        "secrets",
        "materialize",
        "generator",
        "--json",
        "--",
        "sh",
        "-c",
        "exit 3",
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(message, "`sh` ended with exit status: 3");
    vault.assert_silent(&ran);

    // Ctrl-C ends it with its children.
    let mut held = vault.start(&[
        "secrets",
        "materialize",
        "generator",
        "--",
        "sh",
        "-c",
        "touch runs; sleep 60; true",
    ]);
    wait_for("the command", || {
        vault.checkout.path("runs").exists().then_some(())
    });
    held.signal(Signal::INT);
    assert_eq!(held.ends_within(END_BOUND).code, 130);
    assert_eq!(processes_of(vault.checkout.root()), Vec::<String>::new());
}

#[test]
fn a_file_is_there_for_as_long_as_its_holder() {
    let vault = Vault::new("file");
    let (mut holder, file) = vault.materialize();
    assert_eq!(vault.files(), std::slice::from_ref(&file));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("{KEY}={}\n", vault.value));

    // Another command sweeps, and leaves what is held.
    vault.run(&["secrets", "list"]).expect_success();
    assert!(file.exists());
    holder.signal(Signal::INT);
    let ran = holder.ends_within(END_BOUND);
    assert_eq!(ran.code, 0, "{ran:?}");
    vault.assert_silent(&ran);
    assert_eq!(vault.files(), Vec::<PathBuf>::new());
}

#[test]
fn the_file_of_a_killed_holder_is_swept_by_the_next_command() {
    let vault = Vault::new("killed");
    for next in [
        &["secrets", "list"][..],
        &["build", "orchestrator"],
        &["preflight"],
    ] {
        let (mut holder, file) = vault.materialize();
        holder.signal(Signal::KILL);
        holder.ends_within(END_BOUND);
        assert!(file.exists());
        vault.run(next);
        assert_eq!(vault.files(), Vec::<PathBuf>::new(), "{next:?}");
    }
}

#[test]
fn placeholders_are_found_and_no_value_is_shown() {
    let vault = Vault::new("check");
    let checked = |code: i32, state: &str| {
        for arguments in [
            &["secrets", "check", "--json"][..],
            &["secrets", "check", "--verbose"],
        ] {
            let ran = vault.run(arguments);
            assert_eq!(ran.code, code, "{ran:?}");
            vault.assert_silent(&ran);
        }
        let answer = vault.run(&["secrets", "check", "--json"]).json();
        assert_eq!(answer["ok"], code == 0, "{answer}");
        let mut secrets = answer["secrets"].as_array().unwrap().iter();
        let generator = secrets.find(|secret| secret["id"] == "generator").unwrap();
        assert_eq!(generator["keys"][0]["state"], state);
    };
    checked(0, "set");
    for placeholder in ["changeme", "<token>", KEY] {
        vault.set(placeholder);
        checked(9, "placeholder");
    }
    let ran = vault.run(&["secrets", "check"]);
    assert!(ran.stdout.contains("placeholder"), "{ran:?}");
    assert!(
        ran.stderr.contains(&format!("{KEY} of secret")) && ran.stderr.contains("hint: "),
        "{ran:?}"
    );

    let remove = ["secrets", "remove", "generator", KEY, "--json"];
    // Nobody is there who could mean it.
    let refused = vault.run(&remove);
    assert_eq!(refused.code, 11, "{refused:?}");
    checked(9, "placeholder");
    let sure = [&remove[..], &["--yes"]].concat();
    for removed in [true, false] {
        let answer = vault.run(&sure).expect_success().json();
        assert_eq!(answer["removed"], removed);
    }
    checked(9, "missing");
}

#[test]
fn only_who_asks_for_a_value_by_name_gets_it() {
    let vault = Vault::new("get");
    let get = ["secrets", "get", "generator", KEY];
    for more in [&[][..], &["--json"], &["--json", "--yes"]] {
        let ran = vault.run(&[&get[..], more].concat());
        assert_eq!(ran.code, 11, "{ran:?}");
        vault.assert_silent(&ran);
    }
    // What CI prints is kept.
    let mut env = vault.env().to_vec();
    env.push(("CI", "true"));
    assert_eq!(vault.checkout.run_with(&get, &env).code, 11);
    let summary = vault.checkout.path("summary.md").display().to_string();
    env.extend([
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_STEP_SUMMARY", summary.as_str()),
    ]);
    let sure = [&get[..], &["--yes", "--verbose"]].concat();
    let ran = vault.checkout.run_with(&sure, &env).expect_success();
    assert_eq!(ran.stdout, format!("{}\n", vault.value));
    assert!(!ran.stderr.contains(&vault.value[..12]), "{ran:?}");
    assert!(!vault.checkout.path("summary.md").exists());
    let ran = vault.run(&["secrets", "get", "generator", "NO_SUCH_KEY", "--yes"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_person_is_asked_and_what_is_typed_is_not_shown() {
    let vault = Vault::new("typed");
    let typed = format!("typed-{}", std::process::id());
    let seen = vault.on_a_terminal("secrets set generator", &format!("{typed}\n"));
    assert!(seen.contains("not shown: "), "{seen}");
    assert!(seen.contains("is set in environment local"), "{seen}");
    assert!(!seen.contains(&typed), "{seen}");

    let get = "secrets get generator";
    let seen = vault.on_a_terminal(get, "n\n");
    assert!(
        seen.contains("[y/N]") && seen.contains("nothing was printed"),
        "{seen}"
    );
    assert!(!seen.contains(&typed), "{seen}");
    assert!(vault.on_a_terminal(get, "y\n").contains(&typed));

    // With --json a program reads: it is not asked.
    let seen = vault.on_a_terminal("secrets set --json generator", &format!("{typed}\n"));
    assert!(seen.contains("\"exit_code\":2"), "{seen}");

    // Where nothing is deployed, a rotation is a set.
    let rotated = vault.run_with_value(&["secrets", "rotate", "generator", KEY, "--json"], "newer");
    assert_eq!(
        rotated.expect_success().json()["restarted"],
        serde_json::json!([])
    );
    assert!(vault.on_a_terminal(get, "y\n").contains("newer"));
}

/// No command shows a value, in any form of its output.
#[test]
fn no_command_shows_a_value() {
    let vault = Vault::new("silence");
    let help = vault.run(&["help", "--json"]).json();
    for command in help["commands"].as_array().unwrap() {
        let name = command["name"].as_str().unwrap();
        // What changes more than this checkout has tests of its own; so has what prints values.
        if command["changes"] != "nothing" || name == "secrets get" {
            continue;
        }
        let mut line: Vec<&str> = name.split(' ').collect();
        if matches!(name, "why" | "inputs") {
            line.push("orchestrator");
        }
        for mode in [
            &[][..],
            &["--json"],
            &["--verbose"],
            &["--verbose", "--json"],
        ] {
            vault.assert_silent(&vault.run(&[&line[..], mode].concat()));
        }
    }
}

#[test]
fn a_key_that_tasks_may_lack_is_handed_over_by_the_next_deploy() {
    let vault = Vault::new("optional");
    vault.checkout.replace(
        "app-gen-infra/platform.toml",
        "{ when = { GENERATOR_PROVIDER",
        "{ one_of = \"claude\", when = { GENERATOR_PROVIDER",
    );
    let set = ["secrets", "set", "generator", KEY, "--json"];
    let remove = ["secrets", "remove", "generator", KEY, "--yes"];
    let removed = vault.run(&remove).expect_success();
    assert!(
        removed
            .stdout
            .contains("do not start before cargo xtask deploy"),
        "{removed:?}"
    );
    for needs_deploy in [true, false] {
        let answer = vault
            .run_with_value(&set, "another")
            .expect_success()
            .json();
        assert_eq!(answer["needs_deploy"], needs_deploy, "{answer:#}");
    }
    let answer = vault.run(&[&remove[..], &["--json"]].concat()).json();
    assert_eq!(answer["needs_deploy"], true, "{answer:#}");
    let answer = vault.run(&[&remove[..], &["--json"]].concat()).json();
    assert_eq!(
        (&answer["removed"], &answer["needs_deploy"]),
        (&false.into(), &false.into())
    );
    let value = vault.value.clone();
    vault.set(&value);
}

#[test]
fn wrong_input_is_refused_before_the_cloud_is_asked() {
    let checkout = Checkout::new();
    // Nothing on standard input.
    let ran = checkout.run(&["secrets", "set", "generator", KEY, "--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let hint = ran.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(
        hint.contains(&format!("secrets set generator {KEY} <")),
        "{hint}"
    );
    // A value where the key's name belongs is not repeated back.
    let ran = checkout.run(&["secrets", "set", "generator", "NO_SUCH_KEY", "--json"]);
    assert_eq!(ran.json()["error"]["hint"], format!("name one of: {KEY}"));
}
