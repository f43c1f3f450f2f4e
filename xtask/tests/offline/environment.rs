//! Every environment variable of every program is in docs/environment.md, which is made of the constants of the sources
//! and their comments. `UPDATE=1 cargo test -p xtask --test offline environment` writes the page anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

const PAGE: &str = "docs/environment.md";
/// A test run with this variable writes the page.
const UPDATE: &str = "UPDATE";

const INTRODUCTION: &str = "# Environment variables\n\n\
    Every variable that a program of App-Gen reads. This page is written from the comments of the sources: do not edit it, but\n\
    run `UPDATE=1 cargo test -p xtask --test offline environment`. *Set by* says what gives it its value in an environment on\n\
    AWS: a key of a secret, the templates of CDK, the image, or `environment` of the program in `platform.toml`; where it says\n\
    nothing, the default holds until `platform.toml` has a value. [operations.md](operations.md) says more about most of them.\n";

/// A program, and the files whose constants name its variables.
struct Program {
    name: &'static str,
    about: &'static str,
    files: &'static [&'static str],
    /// Where it has its values from in an environment on AWS.
    deployed: Deployment,
}

#[derive(Clone, Copy, PartialEq)]
enum Deployment {
    /// It is not deployed.
    No,
    /// A task of its own definition.
    Service,
    /// A task that somebody starts with variables of their own.
    Task,
}

const PROGRAMS: [Program; 5] = [
    Program {
        name: "The orchestrator",
        about: "`app-gen-saas`, also for `backup` and `restore`. The variables of the AWS SDKs (`AWS_REGION`, \
                `AWS_ENDPOINT_URL`, …) hold for it, too.",
        files: &["app-gen-saas/src/config/environment.rs"],
        deployed: Deployment::Service,
    },
    Program {
        name: "The generator",
        about: "`app-gen`, for jobs, deliveries and previews. The variables of the AWS SDKs hold for it, too. Whoever \
                starts a task gives it the variables that nothing here sets. What agents and applications are started with is chosen by it, and none of these is among them.",
        files: &[
            "app-gen/contract/src/env.rs",
            "app-gen/gateway/src/upstream.rs",
        ],
        deployed: Deployment::Task,
    },
    Program {
        name: "The model gateway, by itself",
        about: "`app-gen-gateway` on this machine, for a trial. In a job it is a part of the generator. The keys and the servers \
                are those of the generator.",
        files: &["app-gen/gateway/src/main.rs"],
        deployed: Deployment::No,
    },
    Program {
        name: "The scripted model",
        about: "`scripted-model`, which answers in place of a provider.",
        files: &["app-gen/scripted-model/src/main.rs"],
        deployed: Deployment::No,
    },
    Program {
        name: "The build system",
        about: "`cargo xtask`. It also follows `CI` (`true` answers questions with yes), `NO_COLOR`, `GITHUB_ACTIONS`, \
                `DOCKER_HOST`, `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, and the variables of cargo, npm and the AWS SDKs, as \
                those programs do.",
        files: &[
            "xtask/operate/src/api_key.rs",
            "xtask/operate/src/certificates.rs",
            "xtask/aws/src/config.rs",
            "xtask/machine/src/aws.rs",
            "xtask/docker/src/user_config.rs",
            "app-gen-infra/src/instance.rs",
        ],
        deployed: Deployment::No,
    },
];

/// What looks like the name of a variable and is none that a person sets.
const NOT_ASKED_FOR: [(&str, &str); 8] = [
    ("APP_GEN_MODEL_TOKEN", "the generator makes it for an agent"),
    ("APP_GEN_RUN", "the generator marks its agents with it"),
    (
        "APP_GEN_STARTED_BY_CHECKOUT",
        "xtask marks what it starts with it",
    ),
    (
        "AWS_SSM_START_SESSION_RESPONSE",
        "xtask makes it for the session plugin",
    ),
    ("PREVIEWS", "xtask makes it for the tests of the page"),
    ("PREVIEW_ID", "the orchestrator marks its previews with it"),
    ("UNKNOWN", "a state of CloudFormation"),
    ("UPDATE_AGENTS", "of a test"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn is_variable(text: &str) -> bool {
    text.len() > 2
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The constants of a file that name variables, in their order, with their comments.
fn constants(text: &str) -> Vec<(String, String)> {
    let (mut found, mut comment) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push(words.trim().to_owned());
            continue;
        }
        let value = line
            .split_once("const ")
            .and_then(|(_, rest)| rest.split_once(": &str = \""))
            .and_then(|(_, rest)| rest.strip_suffix("\";"));
        if let Some(value) = value.filter(|value| is_variable(value)) {
            found.push((value.to_owned(), comment.join(" ")));
        }
        comment.clear();
    }
    found
}

/// What gives a variable its value on AWS.
struct Deployed {
    manifest: toml::Table,
    templates: String,
    image: String,
}

impl Deployed {
    fn new() -> Self {
        let folder = root().join("app-gen-infra/cdk/lib");
        let files = WalkDir::new(folder).sort_by_file_name().into_iter();
        let templates = files
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ts"))
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        Self {
            manifest: read("app-gen-infra/platform.toml").parse().unwrap(),
            templates,
            image: read("app-gen-saas/Dockerfile"),
        }
    }

    fn by(&self, variable: &str, deployed: Deployment) -> String {
        let secrets = self.manifest["secrets"].as_table().unwrap();
        let secret = secrets
            .iter()
            .find(|(_, secret)| secret["keys"].get(variable).is_some());
        if let Some((name, _)) = secret {
            return format!("secret `{name}`");
        }
        let orchestrator = &self.manifest["services"]["orchestrator"]["environment"];
        let generator = &self.manifest["tasks"]["generator"];
        let environments = [
            orchestrator,
            &generator["environment"],
            &generator["deliverer"]["environment"],
        ];
        if environments
            .iter()
            .any(|environment| environment.get(variable).is_some())
        {
            return "`platform.toml`".to_owned();
        }
        if deployed == Deployment::Task {
            return String::new();
        }
        let set = [format!(" {variable}: "), format!("[{variable}, ")];
        if set.iter().any(|set| self.templates.contains(set.as_str())) {
            return "the templates".to_owned();
        }
        match self.image.contains(&format!(" {variable}=")) {
            true => "the image".to_owned(),
            false => String::new(),
        }
    }
}

fn page() -> String {
    let deployed = Deployed::new();
    let mut page = INTRODUCTION.to_owned();
    let mut of_deployed = BTreeSet::new();
    for Program {
        name,
        about,
        files,
        deployed: how,
    } in PROGRAMS
    {
        let is_deployed = how != Deployment::No;
        let head = match is_deployed {
            true => "| variable | set by | what it is |\n| --- | --- | --- |\n",
            false => "| variable | what it is |\n| --- | --- |\n",
        };
        page.push_str(&format!("\n## {name}\n\n{about}\n\n{head}"));
        let mut seen = BTreeSet::new();
        for file in files {
            for (variable, comment) in constants(&read(file)) {
                // What is deployed has them, and the other programs pass them on.
                let is_passed_on = !is_deployed && of_deployed.contains(&variable);
                if is_passed_on || !seen.insert(variable.clone()) {
                    continue;
                }
                let comment = comment.replace('|', "\\|");
                let row = match is_deployed {
                    true => format!(
                        "| `{variable}` | {} | {comment} |\n",
                        deployed.by(&variable, how)
                    ),
                    false => format!("| `{variable}` | {comment} |\n"),
                };
                page.push_str(&row);
            }
        }
        if is_deployed {
            of_deployed.append(&mut seen);
        }
    }
    page
}

#[test]
fn the_page_has_every_variable_of_the_sources() {
    let (written, page) = (read(PAGE), page());
    if std::env::var_os(UPDATE).is_some() {
        fs::write(root().join(PAGE), page).unwrap();
        return;
    }
    let rows = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (old, new) = (rows(&written), rows(&page));
    assert!(
        written == page,
        "run this test with {UPDATE}=1\nmissing: {:#?}\nwrong: {:#?}",
        new.difference(&old).collect::<Vec<_>>(),
        old.difference(&new).collect::<Vec<_>>()
    );
}

#[test]
fn every_variable_is_explained() {
    for program in PROGRAMS {
        for file in program.files {
            for (variable, comment) in constants(&read(file)) {
                assert!(
                    comment.ends_with('.') && comment.contains(' '),
                    "{file}: {variable}: {comment:?}"
                );
            }
        }
    }
}

/// A constant that names a variable, and is in no file of the page, would be missing on it.
#[test]
fn no_program_reads_a_variable_that_the_page_does_not_have() {
    let page = page();
    let not_asked_for: BTreeMap<&str, &str> = NOT_ASKED_FOR.into();
    let mut found = BTreeSet::new();
    for folder in ["app-gen", "app-gen-saas", "xtask", "app-gen-infra"] {
        let is_kept = |entry: &walkdir::DirEntry| {
            let name = entry.file_name().to_string_lossy();
            !matches!(
                &*name,
                "tests" | "tests.rs" | "target" | "node_modules" | "attacks.rs" | "trial.rs"
            )
        };
        for entry in WalkDir::new(root().join(folder))
            .into_iter()
            .filter_entry(is_kept)
        {
            let path = entry.unwrap().into_path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // Tests at the end of a file set what they want.
            let text = text.split("#[cfg(test)]").next().unwrap();
            let constants = constants(text).into_iter().map(|(variable, _)| variable);
            let literals = ["env::var(\"", "env::var_os(\""].iter().flat_map(|call| {
                let calls = text.split(call).skip(1);
                calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            });
            for variable in constants.chain(literals) {
                let is_known = page.contains(&format!("`{variable}`"))
                    || not_asked_for.contains_key(variable.as_str())
                    // Every program has them, and none gives them a meaning of its own.
                    || matches!(variable.as_str(), "PATH" | "HOME" | "CARGO_TARGET_DIR" | "GITHUB_STEP_SUMMARY")
                    || variable.starts_with("AWS_");
                assert!(is_known, "{}: {variable} is not in {PAGE}", path.display());
                found.insert(variable);
            }
        }
    }
    for (variable, why) in NOT_ASKED_FOR {
        assert!(found.contains(variable), "{variable} ({why}) is gone");
    }
}
