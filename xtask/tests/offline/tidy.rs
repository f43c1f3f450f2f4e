//! Rules of the repository, as tests.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn manifest(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn members() -> Vec<String> {
    manifest(&root().join("Cargo.toml"))["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_member_follows_the_workspace() {
    for member in members() {
        let table = manifest(&root().join(&member).join("Cargo.toml"));
        assert_eq!(
            table["lints"]["workspace"],
            toml::Value::Boolean(true),
            "{member}"
        );
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, value) in dependencies {
                assert_eq!(
                    value.get("workspace"),
                    Some(&toml::Value::Boolean(true)),
                    "{member}: {section}: {name} names a version of its own"
                );
            }
        }
    }
}

#[test]
fn the_changelog_knows_the_version() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains("## Unreleased"));
}

#[test]
fn ci_runs_the_test_command_of_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    let command = "cargo xtask test --setup";
    assert!(readme.contains(command));
    assert!(script.lines().any(|line| line == format!("exec {command}")));
}

/// The workflows, by name.
fn workflows() -> Vec<(String, String)> {
    let folder = root().join(".github/workflows");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The values of all lines `key: value` or `- key: value`.
fn values<'a>(text: &'a str, key: &'a str) -> Vec<&'a str> {
    text.lines()
        .map(|line| line.trim().trim_start_matches("- "))
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
        .collect()
}

/// What a workflow may do besides commands of ours: make them, and carry files between jobs.
const CARRIERS: [&str; 3] = [
    "cargo build --locked --package xtask --package xtask-aws",
    "jq --raw-output ",
    "tar --",
];

/// What zizmor does not know: that a workflow is a command and nothing clever.
#[test]
fn workflows_run_commands_of_ours_within_bounds() {
    let workflows = workflows();
    assert_eq!(workflows.len(), 2);
    for (name, text) in &workflows {
        // A command of several lines is folded into one.
        let text = &text.replace(": >-\n", ": ");
        for line in values(text, "run") {
            let line = line.trim_start();
            let sets_up = line.contains(" --setup") && line.contains(" --yes");
            assert!(
                line.starts_with("cargo xtask ") && sets_up
                    || line.starts_with("target/debug/xtask ")
                    || CARRIERS.iter().any(|carrier| line.starts_with(carrier)),
                "{name}: {line}"
            );
        }
        let jobs = values(text, "runs-on").len();
        assert_eq!(values(text, "timeout-minutes").len(), jobs, "{name}");
        assert_eq!(values(text, "concurrency").len(), 1, "{name}");
        for action in values(text, "uses") {
            if action.starts_with("$/") {
                continue;
            }
            let (_, version) = action.split_once('@').unwrap();
            let (digest, version) = version.split_once(" # v").unwrap();
            assert_eq!(digest.len(), 40, "{name}: {action}");
            assert_eq!(version.split('.').count(), 3, "{name}: {action}");
        }
    }
}

#[test]
fn the_deployment_knows_the_environments_and_is_never_cut_off() {
    let workflows = workflows();
    let (_, deploy) = workflows.iter().find(|(name, _)| name == "deploy").unwrap();
    let manifest = manifest(&root().join("app-gen-infra/platform.toml"));
    let mut environments: Vec<&str> = manifest["environments"]
        .as_table()
        .unwrap()
        .iter()
        .filter(|(_, environment)| environment.get("account").is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    environments.sort_unstable();
    let options = values(deploy, "options")[0];
    let mut options: Vec<&str> = options.trim_matches(['[', ']']).split(", ").collect();
    options.sort_unstable();
    assert_eq!(options, environments);
    assert_eq!(
        values(deploy, "aws-region"),
        [manifest["region"].as_str().unwrap()]
    );
    assert_eq!(values(deploy, "cancel-in-progress"), ["false"]);
    assert_eq!(
        values(deploy, "group"),
        ["deploy-${{ inputs.environment || 'dev' }}"]
    );
    let rights: Vec<&str> = deploy
        .lines()
        .filter(|line| line.contains(": write"))
        .collect();
    assert_eq!(rights.len(), 1, "{rights:?}");
    assert!(rights[0].trim().starts_with("id-token: write"));
}

/// A clone without history has no release before to compile (`app-gen-saas/tests/release-before`).
#[test]
fn the_workflow_that_tests_has_the_history() {
    let workflows = workflows();
    let (_, validate) = workflows
        .iter()
        .find(|(name, _)| name == "validate")
        .unwrap();
    assert_eq!(values(validate, "fetch-depth"), ["0"]);
}

/// A tool of the tests in a browser that the page's lock names would be in the key of the image.
#[test]
fn the_page_and_its_tests_in_a_browser_share_versions_but_no_tools() {
    let read = |folder: &str, name: &str| -> serde_json::Value {
        let text = fs::read_to_string(root().join(folder).join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let page = read("app-gen-saas/web", "package.json");
    let browser = read(app_gen_infra::BROWSER_FOLDER, "package.json");
    let lock = read("app-gen-saas/web", "package-lock.json");
    let (mut shared, mut own) = (0, 0);
    for (name, version) in browser["devDependencies"].as_object().unwrap() {
        if let Some(of_page) = page["devDependencies"].get(name) {
            assert_eq!(of_page, version, "{name}");
            shared += 1;
        } else {
            assert!(
                lock["packages"]
                    .get(format!("node_modules/{name}"))
                    .is_none(),
                "the page's lock names {name}"
            );
            own += 1;
        }
    }
    assert!(shared > 0 && own > 0);
}

/// The compiler denies unsafe code, and one file says why it has some.
#[test]
fn one_file_may_be_unsafe_and_no_other() {
    let lint = ["unsafe", "_code"].concat();
    let manifest = manifest(&root().join("Cargo.toml"));
    assert_eq!(
        manifest["workspace"]["lints"]["rust"][&lint].as_str(),
        Some("deny")
    );
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = members().iter().map(|member| root().join(member)).collect();
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_symlink() || ["target", "node_modules"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && fs::read_to_string(&path).unwrap().contains(&lint)
            {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    // A folder may belong to two members.
    found.sort();
    found.dedup();
    assert_eq!(found, [Path::new("app-gen/cage/src/kernel.rs")]);
}

#[test]
fn source_files_stay_readable() {
    // Generated types and the lock files of others are not ours to split.
    let limit_lines = 500;
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_symlink() || ["target", "node_modules", ".git", "dist"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if ["rs", "ts", "tsx", "py", "sh"]
                .iter()
                .any(|ending| path.extension().is_some_and(|found| found == *ending))
                && name != "schema.d.ts"
            {
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                assert!(
                    lines <= limit_lines,
                    "{} has {lines} lines: look for the seam",
                    path.display()
                );
            }
        }
    }
}
