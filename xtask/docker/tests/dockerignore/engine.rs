//! Puts cases on disk, and sends them through our walk and through the real engine.

use crate::case;
use crate::case::{Case, Tree};
use crate::walk;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// What arrives of a context, or why nothing does.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Arrived(Tree),
    Refused(String),
}

impl Outcome {
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Arrived(_) => None,
            Self::Refused(why) => Some(why),
        }
    }

    /// What differs between the engine's outcome and ours.
    pub(crate) fn differs_from(&self, ours: &Self) -> Option<String> {
        match (self, ours) {
            (Self::Refused(_), Self::Refused(_)) => None,
            (Self::Arrived(engines), Self::Arrived(ours)) => {
                let paths = engines.keys().chain(ours.keys());
                let differing = paths.filter(|&path| engines.get(path) != ours.get(path));
                let first = differing.min()?;
                Some(format!(
                    "`{}`: the engine has {:?}, we have {:?}",
                    first.escape_ascii(),
                    engines.get(first),
                    ours.get(first)
                ))
            }
            (Self::Refused(why), Self::Arrived(_)) => {
                Some(format!("only the engine refuses: {why}"))
            }
            (Self::Arrived(_), Self::Refused(why)) => Some(format!("only we refuse: {why}")),
        }
    }
}

/// Cases in fresh folders, which end with it. The builder keeps what it was sent
/// by the name of the context's folder and trusts size and time, so that every
/// context has a name that no other ever had. What it keeps of the copies is removed:
/// thousands of records would slow down every question to the engine. The records of the contexts
/// look like those of other builds, so they are left to the engine's garbage collection.
pub(crate) struct Workspace<'cases> {
    root: TempDir,
    cases: &'cases [Case],
}

impl<'cases> Workspace<'cases> {
    pub(crate) fn new(cases: &'cases [Case]) -> Self {
        let root = tempfile::Builder::new()
            .prefix("xtask-dockerignore-")
            .tempdir()
            .unwrap();
        let workspace = Self { root, cases };
        for (index, case) in cases.iter().enumerate() {
            case.write(&workspace.folder(index), &workspace.context_name(index));
        }
        workspace
    }

    fn folder(&self, index: usize) -> PathBuf {
        self.root.path().join(index.to_string())
    }

    fn context_name(&self, index: usize) -> String {
        let unique = self.root.path().file_name().unwrap().to_string_lossy();
        format!("{unique}-{index}")
    }

    pub(crate) fn context(&self, index: usize) -> PathBuf {
        self.folder(index).join(self.context_name(index))
    }

    fn dockerfile(&self, index: usize) -> PathBuf {
        let path = &self.cases[index].dockerfile;
        case::place(&self.folder(index), &self.context_name(index), path)
    }

    fn output(&self, index: usize) -> PathBuf {
        self.folder(index).join("output")
    }

    fn arrived(&self, index: usize) -> Outcome {
        let output = self.output(index).join(case::DESTINATION);
        // Where nothing arrives the builder does not even create it.
        let tree = if output.exists() {
            case::read(&output)
        } else {
            Tree::new()
        };
        Outcome::Arrived(tree)
    }

    /// The outcome of our walk. It counts as a refusal where a name is not UTF-8, which no builder
    /// can send.
    pub(crate) fn ours(&self, index: usize) -> Outcome {
        match walk::tree(&self.context(index), &self.dockerfile(index)) {
            Err(error) => Outcome::Refused(format!("{error:#}")),
            Ok(tree) => {
                let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
                let is_sendable = tree.iter().all(|(path, found)| match found {
                    case::Found::Link(target) => is_text(path) && is_text(target),
                    _ => is_text(path),
                });
                if is_sendable {
                    Outcome::Arrived(tree)
                } else {
                    Outcome::Refused("a name is not UTF-8".to_owned())
                }
            }
        }
    }

    /// The engine's outcome, by a build for this case alone.
    pub(crate) fn build(&self, index: usize) -> Outcome {
        let mut command = Command::new("docker");
        command
            .args(["buildx", "build", "--progress=plain", "--provenance=false"])
            .arg("--file")
            .arg(self.dockerfile(index))
            .arg(format!(
                "--output=type=local,dest={}",
                self.output(index).display()
            ))
            .arg(self.context(index));
        match run(&mut command) {
            Ok(()) => self.arrived(index),
            Err(why) => Outcome::Refused(why),
        }
    }

    /// Our outcome and the engine's for each case. One command builds all cases that we accept; if
    /// it fails, each of them is built alone, as is each case that we refuse.
    pub(crate) fn outcomes(&self) -> Vec<(Outcome, Outcome)> {
        let ours: Vec<Outcome> = (0..self.cases.len())
            .map(|index| self.ours(index))
            .collect();
        let (together, alone): (Vec<usize>, Vec<usize>) =
            (0..ours.len()).partition(|&index| ours[index].refusal().is_none());
        let mut engines = std::thread::scope(|scope| {
            let refused = scope.spawn(|| self.build_each(&alone));
            let mut engines = if self.bake(&together) {
                let arrived = together.iter().map(|&index| (index, self.arrived(index)));
                arrived.collect()
            } else {
                self.build_each(&together)
            };
            engines.extend(refused.join().unwrap());
            engines
        });
        engines.sort_by_key(|&(index, _)| index);
        let engines = engines.into_iter().map(|(_, outcome)| outcome);
        ours.into_iter().zip(engines).collect()
    }

    fn build_each(&self, indices: &[usize]) -> Vec<(usize, Outcome)> {
        let built = |index: &usize| (*index, self.build(*index));
        indices.iter().map(built).collect()
    }

    /// Builds many at once, and returns whether all of them succeeded.
    fn bake(&self, indices: &[usize]) -> bool {
        if indices.is_empty() {
            return true;
        }
        let name = |index: &usize| format!("case-{index}");
        let targets: serde_json::Map<_, _> = indices
            .iter()
            .map(|index| {
                let output = format!("type=local,dest={}", self.output(*index).display());
                let target = serde_json::json!({
                    "context": self.context(*index),
                    "dockerfile": self.dockerfile(*index),
                    "output": [output],
                    "attest": ["type=provenance,disabled=true"],
                });
                (name(index), target)
            })
            .collect();
        let names: Vec<_> = indices.iter().map(name).collect();
        let file = self.root.path().join("bake.json");
        let bake = serde_json::json!({"group": {"default": {"targets": names}}, "target": targets});
        std::fs::write(&file, bake.to_string()).unwrap();
        let mut command = Command::new("docker");
        command
            .args(["buildx", "bake", "--progress=plain", "--file"])
            .arg(&file)
            // Buildx asks before it reads a folder that is not below this one.
            .current_dir(self.root.path());
        let outcome = run(&mut command);
        if outcome.is_err() {
            // Something may have arrived from a build that was cut off.
            for index in indices {
                let _ = std::fs::remove_dir_all(self.output(*index));
            }
        }
        outcome.is_ok()
    }
}

impl Drop for Workspace<'_> {
    fn drop(&mut self) {
        let filter = format!("description~={}", case::DESTINATION);
        let mut command = Command::new("docker");
        command.args(["buildx", "prune", "--force", "--filter", &filter]);
        let removed = run(&mut command);
        // A test that fails already must not abort.
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_error = |line: &&str| line.contains("ERROR") || line.starts_with("panic:");
    let errors: Vec<_> = said.lines().filter(is_error).collect();
    Err(errors.join("; "))
}
