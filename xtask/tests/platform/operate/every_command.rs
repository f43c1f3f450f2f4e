//! Every command in every form of its output: it shows no secret value, and gives none to what it
//! starts as an argument, neither while all goes well nor while the secret is what is wrong. With
//! `--json` it answers in the fields that AGENTS.md names.

use super::{orchestrators, served};
use crate::cloud::{DATABASE_URL, ORCHESTRATOR, Replaced, secret};
use crate::common::command_lines::CommandLines;
use crate::common::sh;
use crate::live::{Started, alone, platform, root, run};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// In the address of the database, which the orchestrator is started with.
const PASSWORD: &str = "canary-5f0d8e21c7b94a36";
/// The generator's, which is kept for it alone.
const TOKEN: &str = "canary-93ab6c04e1d2f785";
const GENERATOR: &str = "generator";
const TOKEN_KEY: &str = "CLAUDE_CODE_OAUTH_TOKEN";

/// Each command ends sooner, also where it follows a service that cannot start.
const BOUND: Duration = Duration::from_secs(300);

/// A form of the output: what asks for it, and whether a workflow of GitHub does.
type Form = (&'static [&'static str], bool);

const JSON: Form = (&["--json", "--verbose"], false);
const WORKFLOW: Form = (&["--verbose"], true);
const FORMS: [Form; 4] = [JSON, WORKFLOW, (&[], false), (&["--quiet"], false)];

/// Command lines with what they end with.
type Lines<'a> = &'a [(&'a str, i32)];

/// What only looks, or is refused: while the orchestrator cannot start, for its secret is wrong.
const WHILE_BROKEN: Lines = &[
    ("bases", 0),
    ("build", 0),
    ("cleanup", 0),
    ("cloud status", 0),
    ("cloud up", 0),
    ("cost", 0),
    ("deploy --image orchestrator=nonsense", 2),
    ("destroy", 11),
    ("doctor", 12),
    ("help", 0),
    ("inputs orchestrator", 0),
    ("logs", 0),
    ("logs orchestrator --level warn", 0),
    ("open", 0),
    ("outputs", 0),
    ("plan", 0),
    ("preflight", 0),
    ("redrive", 2),
    ("releases", 0),
    ("rollback --to nothing", 2),
    ("secrets check", 0),
    ("secrets get orchestrator DATABASE_URL", 11),
    ("secrets list", 0),
    ("secrets remove orchestrator SUPABASE_URL", 11),
    ("status", 0),
    ("tasks --all", 0),
    ("unlock", 0),
    ("why orchestrator", 0),
];

/// Objects of a list that a row of AGENTS.md does not describe in full.
const ELSEWHERE: [&str; 6] = [
    "…",
    "[DIFFERENCE]",
    "[IMAGE]",
    "[RELEASE]",
    "[RESOURCE]",
    "[TASK]",
];

/// What is not run, and why.
const NOT_RUN: [(&str, &str); 4] = [
    ("cloud down", "it ends what this test looks at"),
    ("cloud reset", "it ends what this test looks at"),
    ("dev", "no mode of this manifest gives it a secret"),
    ("test", "it runs this test"),
];

/// Runs commands and looks at all that they write.
struct Listener {
    page: Page,
    /// Every command by its name, as the command line knows it.
    names: Vec<String>,
    driven: BTreeSet<String>,
    folder: tempfile::TempDir,
}

impl Listener {
    fn new() -> Self {
        let help = run(&["help", "--json"]).expect_success();
        let commands = help["commands"].as_array().unwrap().iter();
        Self {
            page: Page(fs::read_to_string(root().join("AGENTS.md")).unwrap()),
            names: commands
                .map(|command| command["name"].as_str().unwrap().to_owned())
                .collect(),
            driven: BTreeSet::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// What GitHub would show on the page of the run.
    fn summary(&self) -> PathBuf {
        self.folder.path().join("summary.md")
    }

    fn hear_all(&mut self, lines: Lines, forms: &[Form]) {
        for (line, code) in lines {
            for form in forms {
                self.hear(line, *form, Stdio::null(), *code);
            }
        }
    }

    /// What a user does: with a project of its own, which is deleted at the end.
    fn hear_the_product(&mut self, form: Form) {
        let create = ["jobs", "create", "list", "--wait", "--yes", "--json"];
        let made = run(&create).expect_success();
        let [job, project] = ["id", "project"].map(|field| made[field].as_str().unwrap());
        let folder = self.folder.path().join(job);
        fs::create_dir(&folder).unwrap();
        let folder = folder.display();
        fs::write(format!("{folder}/notes.md"), "A list of plants.").unwrap();
        let template = ["templates", "create", project, "Plants", "--yes", "--json"];
        let template = run(&template).expect_success()["id"].clone();
        let template = template.as_str().unwrap();
        for (line, code) in [
            ("jobs create list --wait --yes".to_owned(), 0),
            (
                format!(
                    "jobs create list --template board --attach {folder}/notes.md --wait --yes"
                ),
                0,
            ),
            (
                format!("jobs create list --template {template} --wait --yes"),
                0,
            ),
            (format!("jobs create list --attach {folder} --yes"), 2),
            ("templates list --search plants".to_owned(), 0),
            ("templates show list".to_owned(), 0),
            (
                format!("templates create {project} More --description more --yes"),
                0,
            ),
            (
                format!("templates update {template} --name Ferns --version 1 --yes"),
                0,
            ),
            ("templates update list --name Ferns --yes".to_owned(), 1),
            ("jobs list --limit 3".to_owned(), 0),
            (format!("jobs show {job}"), 0),
            (format!("jobs download {job} --to {folder}/job.zip"), 0),
            // It has ended.
            (format!("jobs cancel {job} --yes"), 0),
            (format!("jobs approve {job} --yes"), 1),
            (format!("jobs reject {job} because --yes"), 1),
            (format!("jobs defer {job} first --yes"), 1),
            // A template cannot be changed without a model.
            (
                format!("jobs change {project} more --provider template --wait --yes"),
                1,
            ),
            ("projects list".to_owned(), 0),
            (format!("projects show {project}"), 0),
            (format!("projects files {project}"), 0),
            (format!("projects files {project} --path README.md"), 0),
            (format!("projects diff {project}"), 0),
            // Nobody has set a token, which the delivery says.
            (
                format!("projects deliver {project} github --owner octo --wait --yes"),
                1,
            ),
            (format!("projects deliveries {project}"), 0),
            (format!("projects restore {project} 1 --wait --yes"), 0),
            (
                format!("projects download {project} --to {folder}/project.zip"),
                0,
            ),
            (format!("projects preview {project} --wait --yes"), 0),
            (format!("projects preview {project} --end --yes"), 0),
            (format!("projects preview {project} --end --yes"), 1),
            (format!("projects rename {project} plants --yes"), 0),
            (format!("projects archive {project} --yes"), 0),
            (format!("jobs change {project} more --yes"), 1),
            (format!("projects unarchive {project} --yes"), 0),
            (format!("projects delete {project} --yes"), 0),
            (format!("templates show {template}"), 0),
            (format!("templates remove {template} --yes"), 0),
            (format!("templates remove {template} --yes"), 1),
            (format!("projects show {project}"), 1),
        ] {
            self.hear(&line, form, Stdio::null(), code);
        }
    }

    /// A command that reads a value from standard input.
    fn hear_with_value(&mut self, line: &str, form: Form, value: &str, code: i32) {
        let file = self.folder.path().join("value");
        fs::write(&file, value).unwrap();
        self.hear(line, form, File::open(&file).unwrap().into(), code);
    }

    fn hear(&mut self, line: &str, (form, by_workflow): Form, stdin: Stdio, code: i32) {
        let name = self.names.iter().find(|name| {
            let rest = line.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let name = name.unwrap();
        self.driven.insert(name.clone());
        // First: what comes after `--` is not ours.
        let arguments: Vec<&str> = form.iter().copied().chain(line.split(' ')).collect();
        let summary = self.summary().display().to_string();
        let env = match by_workflow {
            true => ("GITHUB_ACTIONS", "true"),
            false => ("GITHUB_ACTIONS", "false"),
        };
        let env = [env, ("GITHUB_STEP_SUMMARY", &summary)];
        let started = Started::given(&root(), &arguments, &env, stdin);
        let ran = started.ends_within(BOUND);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:#?}");
        assert_silent(&format!("{arguments:?}"), &ran.stdout);
        assert_silent(&format!("{arguments:?}"), &ran.stderr);
        if form.contains(&"--json") {
            let row = self.page.row(name);
            for answer in ran.objects() {
                row.assert_has(&answer);
            }
        }
    }
}

/// AGENTS.md.
struct Page(String);

impl Page {
    /// What it says that a command answers.
    fn row(&self, name: &str) -> Row<'_> {
        let is_of = |line: &&str| {
            let mut cells = line.split(" | ");
            cells.next().unwrap() == format!("| `{name}`")
        };
        let row = self.0.lines().find(is_of).unwrap();
        let text = match row.contains("see below") {
            true => &self.0,
            false => row,
        };
        Row {
            fields: text.split('"').skip(1).step_by(2).collect(),
            is_whole: !ELSEWHERE.iter().any(|object| row.contains(object)),
            text: row,
        }
    }
}

struct Row<'a> {
    fields: BTreeSet<&'a str>,
    /// Whether it leaves nothing out of the objects of a list.
    is_whole: bool,
    text: &'a str,
}

impl Row<'_> {
    fn assert_has(&self, answer: &Value) {
        let answer = answer.as_object().unwrap();
        if answer.contains_key("error") {
            return;
        }
        let lists = answer.values().filter_map(Value::as_array).flatten();
        let of_lists = lists
            .filter(|_| self.is_whole)
            .filter_map(Value::as_object)
            .flat_map(Map::keys);
        for field in answer.keys().chain(of_lists) {
            assert!(
                self.fields.contains(field.as_str()),
                "AGENTS.md does not name {field}: {}",
                self.text
            );
        }
    }
}

fn assert_silent(what: &str, text: &str) {
    for value in [PASSWORD, TOKEN] {
        assert!(!text.contains(value), "{what}: {text}");
    }
}

#[test]
fn every_command_is_silent_of_secrets_and_answers_as_documented() {
    let _alone = alone();
    served();
    let mut seen = CommandLines::watch(&[PASSWORD, TOKEN]);
    let token = Replaced::with(GENERATOR, TOKEN_KEY, TOKEN);
    let password = Replaced::password_of_the_database(PASSWORD);
    let address = secret(ORCHESTRATOR, DATABASE_URL).unwrap();
    let mut listener = Listener::new();

    // The orchestrator reads it, and its log says what is wrong with it.
    let (before_port, _) = address.rsplit_once(':').unwrap();
    let broken = format!("{before_port}:no-port/app");
    let rotate = "secrets rotate orchestrator DATABASE_URL";
    listener.hear_with_value(rotate, JSON, &broken, 10);
    listener.hear_all(WHILE_BROKEN, &FORMS);
    // There is no JSON of it.
    listener.hear_all(&[("logs orchestrator --raw", 0)], &FORMS[1..]);
    listener.hear_with_value(rotate, WORKFLOW, &address, 0);
    let name = format!("name={}", platform().orchestrator().container);
    let task = sh!("docker ps --quiet --filter {name}");
    let inspected = sh!("docker inspect --format '{{.Config.Env}}' {task}");
    assert!(
        inspected.contains(PASSWORD),
        "it is not injected into {task}"
    );

    // AWS replaces a task that is stopped; the local cloud only those that end by themselves.
    for (form, again) in [
        (JSON, "scale orchestrator"),
        (WORKFLOW, "restart orchestrator"),
    ] {
        let set = format!("secrets set {GENERATOR} {TOKEN_KEY}");
        listener.hear_with_value(&set, form, TOKEN, 0);
        let stop = format!("stop {} --yes", orchestrators()[0]);
        listener.hear_all(
            &[
                ("exec orchestrator -- true", 0),
                ("exec orchestrator -- false", 1),
                ("prune --dry-run", 0),
                ("prune", 0),
                ("promote", 0),
                ("secrets materialize generator -- true", 0),
                ("validate", 0),
                ("deploy", 0),
                (&stop, 0),
                (again, 0),
            ],
            &[form],
        );
    }
    for form in [JSON, WORKFLOW] {
        listener.hear_the_product(form);
    }
    // What takes long, where most is shown.
    let long = [
        ("diff", 0),
        ("run generator list", 0),
        ("setup --yes", 0),
        ("validate --force", 0),
    ];
    listener.hear_all(&long, &[WORKFLOW]);

    assert_silent(
        "the summary",
        &fs::read_to_string(listener.summary()).unwrap(),
    );
    assert_eq!(seen.seen(), Vec::<String>::new());
    let not_run = NOT_RUN.map(|(name, _)| name.to_owned());
    listener.driven.extend(not_run);
    assert_eq!(listener.driven, listener.names.into_iter().collect());
    drop((token, password));
    // Tasks of the generator were deployed with the key that is gone.
    run(&["deploy", "--yes", "--json"]).expect_success();
    run(&["restart", "--json"]).expect_success();
}
