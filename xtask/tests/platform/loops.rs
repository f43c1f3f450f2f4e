//! The loops of AGENTS.md, line by line as they stand there, on the real checkout against the
//! local cloud: by JSON and exit codes alone.

use crate::cloud::{self, Replaced};
use crate::images::Workshop;
use crate::live::{self, alone, jobs, root, run};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;

/// What a line of a loop may end with besides 0: what it is there to find.
const FINDINGS: [i32; 2] = [9, 12];

/// The command lines of a loop, each without what `cargo xtask` and the comment are.
fn lines_of(name: &str) -> VecDeque<String> {
    let page = fs::read_to_string(root().join("AGENTS.md")).unwrap();
    let (_, section) = page.split_once("\n## Loops\n").unwrap();
    let (_, part) = section.split_once(&format!("\n{name}: ")).unwrap();
    let block = part.split("```").nth(1).unwrap();
    block
        .lines()
        .filter_map(|line| line.strip_prefix("cargo xtask "))
        .map(|line| line.split(" #").next().unwrap().trim().to_owned())
        .collect()
}

/// What a line ends with, and its answer: the last object on standard output.
fn follow(line: &str, stdin: Stdio) -> (i32, Value) {
    let output = live::command(&root(), &line.split_whitespace().collect::<Vec<_>>())
        .stdin(stdin)
        .output()
        .unwrap();
    let [answer, progress] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    let mut objects = answer.lines().chain(progress.lines()).map(|text| {
        assert!(!text.contains("no-log-shows"), "{line}: {text}");
        let parsed = serde_json::from_str::<Value>(text);
        let object = parsed.ok().filter(Value::is_object);
        object.unwrap_or_else(|| panic!("{line}: {text}"))
    });
    let last = objects.by_ref().take(answer.lines().count()).last();
    assert_eq!(objects.count(), progress.lines().count());
    let code = output.status.code().unwrap();
    let last = last.unwrap_or_default();
    // That of a delivery is a text.
    if let Some(error) = last.get("error").filter(|error| error.is_object()) {
        assert_eq!(error["exit_code"], code, "{line}: {error}");
        assert!(error["hint"].is_string(), "{line}: {error}");
    }
    (code, last)
}

/// A file of the checkout with a text replaced; as before when this is dropped.
struct Edit {
    path: PathBuf,
    before: String,
}

impl Edit {
    fn of(file: &str, from: &str, to: &str) -> Self {
        let path = root().join(file);
        let before = fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{file} has no {from}");
        fs::write(&path, before.replace(from, to)).unwrap();
        Self { path, before }
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        fs::write(&self.path, &self.before).unwrap();
    }
}

#[test]
fn an_application_is_made_and_looked_at() {
    let _alone = alone();
    run(&["deploy", "--yes", "--json"]).expect_success();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.zip").display().to_string();
    let mut project = String::new();
    let mut answers = Vec::new();
    for line in lines_of("Use") {
        let line = line
            .replace("DESCRIPTION", "plants")
            .replace("PROJECT", &project)
            .replace("FILE", &file);
        let (code, answer) = follow(&line, Stdio::null());
        if line.starts_with("projects deliver") {
            // Nobody has given this platform a token.
            assert_ne!(code, 0, "{line}: {answer:#}");
            continue;
        }
        assert_eq!(code, 0, "{line}: {answer:#}");
        if project.is_empty() {
            answer["project"].as_str().unwrap().clone_into(&mut project);
        }
        answers.push(answer);
    }
    let [made, shown, diff, readme, restored, taken] = &answers[..] else {
        panic!("{answers:#?}");
    };
    assert_eq!(
        (&made["state"], &made["version"]),
        (&"succeeded".into(), &1.into())
    );
    assert_eq!(shown["versions"][0]["job"], made["id"]);
    let files = diff["files"].as_array().unwrap();
    assert!(
        files.iter().any(|file| file["path"] == "package.json"),
        "{diff:#}"
    );
    assert!(
        readme["text"].as_str().unwrap().contains("template"),
        "{readme:#}"
    );
    assert_eq!(restored["version"], 2);
    assert_eq!(taken["version"], 2);
    let bytes = fs::read(&file).unwrap();
    assert_eq!(made["artifact"]["size_bytes"], bytes.len());
    let listed = run(&["jobs", "list", "--project", &project, "--json"]).expect_success();
    let made_versions = |job: &&Value| job["kind"] != "deliver";
    let jobs = listed["jobs"].as_array().unwrap().iter();
    assert_eq!(jobs.filter(made_versions).count(), 2, "{listed:#}");
    run(&["projects", "delete", &project, "--yes", "--json"]).expect_success();
}

#[test]
fn an_edit_goes_to_users_and_what_does_not_serve_is_taken_back() {
    let _alone = alone();
    let first = run(&["deploy", "--yes", "--json"]).expect_success()["release"].clone();
    let base = cloud::address(&first);
    let mut ship = lines_of("Ship");
    let mut next = |verb: &str| {
        let line = ship.pop_front().unwrap();
        assert!(line.starts_with(verb), "`{line}` where `{verb}` is due");
        line
    };
    let asked = |line: &str| follow(line, Stdio::null());
    let page = || jobs::page(&format!("{base}/"));
    let title = "<title>App-Gen</title>";
    // Of this run alone: what was built once is there.
    let edited_title = format!("<title>Edited {}</title>", std::process::id());

    // The page alone: no Rust compiles.
    let edited = Edit::of("app-gen-saas/web/index.html", title, &edited_title);
    let (code, plan) = asked(&next("plan"));
    let app = &plan["images"][1];
    assert_eq!((code, &app["state"]), (0, &"build".into()), "{plan:#}");
    let steps: Vec<&str> = app["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["do"].as_str().unwrap())
        .collect();
    assert!(
        steps.ends_with(&["build-page", "pack", "push"]),
        "{steps:?}"
    );

    // One that does not start reaches no user.
    let validate = next("validate");
    let entrypoint = r#"ENTRYPOINT ["/usr/local/bin/app-gen-saas"]"#;
    let broken = Edit::of(
        "app-gen-saas/Dockerfile",
        entrypoint,
        r#"ENTRYPOINT ["/bin/false"]"#,
    );
    let (code, answer) = asked(&validate);
    assert_eq!(code, 6, "{answer:#}");
    drop(broken);
    let (code, answer) = asked(&validate);
    assert_eq!((code, &answer["state"]), (0, &"validated".into()));
    let key = &answer["images"][1]["key"];

    let (code, deployed) = asked(&next("deploy"));
    assert_eq!((code, &deployed["state"]), (0, &"deployed".into()));
    let release = &deployed["release"];
    assert_eq!(release["images"]["orchestrator"]["key"], *key);
    assert!(page().contains(&edited_title));

    // Nor does an image that nobody proved.
    let crashes = r#"ENTRYPOINT ["/bin/sh", "-c", "echo no luck today; exit 1"]"#;
    let workshop = Workshop::new(release);
    let (code, refused) = asked(&workshop.make("c4a5", crashes).deploy().join(" "));
    assert_eq!(code, 10, "{refused:#}");
    let causes = refused["error"]["causes"].to_string();
    assert!(causes.contains("exited with code 1"), "{causes}");
    assert!(page().contains(&edited_title));

    let (code, status) = asked(&next("status"));
    assert_eq!((code, &status["release"]["id"]), (0, &release["id"]));
    let service = &status["services"][0];
    assert_eq!(service["running"], service["desired"], "{service:#}");
    let (code, found) = asked(&next("doctor"));
    assert!([0, 12].contains(&code), "{found:#}");
    let (code, back) = asked(&next("rollback"));
    assert_eq!((code, &back["release"]["images"]), (0, &first["images"]));
    assert!(page().contains(title));
    assert_eq!(ship, VecDeque::new());

    // Mended: what serves is what the checkout has.
    drop(edited);
    let (code, again) = asked("deploy --yes --json");
    assert_eq!(
        (code, &again["state"]),
        (0, &"unchanged".into()),
        "{again:#}"
    );
}

#[test]
fn the_loops_of_the_page_for_agents_are_true() {
    let _alone = alone();
    if run(&["open", "--json"]).code == 10 {
        run(&["deploy", "--yes", "--json"]).expect_success();
    }
    let _token = Replaced::with("generator", "CLAUDE_CODE_OAUTH_TOKEN", "another");
    let value = tempfile::NamedTempFile::new().unwrap();
    fs::write(&value, "a-value-that-no-log-shows\n").unwrap();
    for name in ["Repair", "Rotate a secret", "Save money"] {
        let lines = lines_of(name);
        assert!(lines.len() >= 3, "{lines:#?}");
        for line in &lines {
            let (arguments, stdin) = match line.split_once(" < ") {
                Some((arguments, _)) => (arguments, File::open(&value).unwrap().into()),
                None => (line.as_str(), Stdio::null()),
            };
            let (code, answer) = follow(arguments, stdin);
            assert!(
                code == 0 || FINDINGS.contains(&code),
                "{line}: {code}\n{answer}"
            );
        }
    }
}
