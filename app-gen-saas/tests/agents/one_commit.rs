//! A change is one commit, wherever somebody looks: its history, its difference, its download and its preview.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;
use zip::ZipArchive;

use crate::containers::Containers;
use crate::image::{command, docker};
use crate::orchestrator::Orchestrator;
use crate::previews::{ALONE, digest, end, eventually, host, read, ready};

/// Proves it of a job that changed the plant diary by the script `change`. `artifacts` has the files of all jobs.
pub async fn is_one_commit(
    orchestrator: &Orchestrator,
    containers: &Containers,
    artifacts: &Path,
    job: &Value,
) {
    let project = job["project"].as_str().unwrap();
    let number = job["version"].as_i64().unwrap();
    let path = |number: i64| format!("/api/projects/{project}/versions/{number}");
    let before = read(orchestrator, &path(number - 1)).await;
    let version = read(orchestrator, &path(number)).await;
    let commit = version["commit"].as_str().unwrap();
    let path = path(number);
    let difference = read(orchestrator, &format!("{path}/diff")).await;
    let zip = orchestrator.get(&format!("{path}/download")).await;
    let digest = digest(&zip);
    assert_eq!(version["sha256"], digest.as_str());

    let folder = artifacts.join("jobs").join(job["id"].as_str().unwrap());
    block_in_place(|| {
        let history = History::of(&folder.join("app.bundle"));
        assert_eq!(history.text(&["rev-parse", "origin/main"]), commit);
        history.has_difference(before["commit"].as_str().unwrap(), commit, &difference);
        history.has_files(commit, zip);
    });
    is_shown(orchestrator, containers, &path, commit, &digest).await;
}

/// The history that the generator packed, as whoever clones it has it.
struct History(TempDir);

impl History {
    fn of(bundle: &Path) -> Self {
        let history = Self(tempfile::tempdir().unwrap());
        let bundle = bundle.to_str().unwrap();
        history.git(&["clone", "--quiet", "--no-checkout", bundle, "."]);
        history
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        let mut git = command("git");
        let git = git.env("GIT_CONFIG_NOSYSTEM", "1");
        let git = git.env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = git.arg("-C").arg(self.0.path()).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        output.stdout
    }

    fn text(&self, arguments: &[&str]) -> String {
        let text = String::from_utf8(self.git(arguments)).unwrap();
        text.trim().to_owned()
    }

    /// The difference that the API shows makes the one commit of the other.
    fn has_difference(&self, before: &str, after: &str, difference: &Value) {
        self.git(&["merge-base", "--is-ancestor", before, after]);
        let mut patch = String::new();
        for file in difference["files"].as_array().unwrap() {
            let path = file["path"].as_str().unwrap();
            let hunks = file["patch"].as_str().unwrap();
            let head = match file["change"].as_str().unwrap() {
                "added" => format!("new file mode 100644\n--- /dev/null\n+++ b/{path}\n"),
                "changed" => format!("--- a/{path}\n+++ b/{path}\n"),
                other => panic!("{path} is {other}"),
            };
            write!(patch, "diff --git a/{path} b/{path}\n{head}{hunks}").unwrap();
        }
        fs::write(self.0.path().join("difference"), patch).unwrap();
        self.git(&["read-tree", before]);
        self.git(&["apply", "--cached", "difference"]);
        let tree = self.text(&["rev-parse", &format!("{after}^{{tree}}")]);
        assert_eq!(self.text(&["write-tree"]), tree, "{difference:#}");
    }

    /// The zip file has the files of a commit.
    fn has_files(&self, commit: &str, zip: Vec<u8>) {
        let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
        let mut packed = BTreeSet::new();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).unwrap();
            let name = file.name().unwrap().into_owned();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            let committed = self.git(&["show", &format!("{commit}:{name}")]);
            assert!(content == committed, "{name} is another one");
            packed.insert(name);
        }
        let listed = self.text(&["ls-tree", "-r", "--name-only", commit]);
        let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
        assert_eq!(packed, listed);
    }
}

/// The preview is of the commit: it says so, it was started for the zip file of it, and it does what is new in it.
async fn is_shown(
    orchestrator: &Orchestrator,
    containers: &Containers,
    version: &str,
    commit: &str,
    digest: &str,
) {
    let _alone = ALONE.lock().await;
    let path = format!("{version}/preview");
    let client = orchestrator.client().await;
    let begun = client.post(&path, &json!({})).await;
    assert_eq!(begun.status(), StatusCode::CREATED);
    let preview = ready(orchestrator, &path).await;
    assert_eq!(preview["commit"], commit);
    let started = block_in_place(|| containers.previews());
    let [container] = started.as_slice() else {
        panic!("{started:?}")
    };
    let format = "{{json .Config.Env}}";
    let inspected = block_in_place(|| docker(&["inspect", "--format", format, container]));
    let environment: Vec<String> = serde_json::from_slice(&inspected.stdout).unwrap();
    let given = format!("PREVIEW_SHA256={digest}");
    assert!(environment.contains(&given), "{environment:?}");

    let plants = format!("{}/api/plants", client.base);
    let request = client.http.post(plants).header("host", host(&preview));
    let request = request.json(&json!({ "name": "Fern", "note": " likes shade " }));
    let added = request.send().await.unwrap();
    assert_eq!(added.status(), StatusCode::CREATED);
    assert_eq!(added.headers()["x-app-gen-commit"], commit);
    let plant: Value = added.json().await.unwrap();
    assert_eq!(plant["note"], "likes shade", "{plant}");

    end(orchestrator, &path).await;
    eventually("the end of its container", async || {
        let is_over = block_in_place(|| containers.previews()).is_empty();
        is_over.then_some(())
    })
    .await;
}
