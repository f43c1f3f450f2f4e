//! The Rust tests: binaries that cargo compiles, and that run one after the other or side by side,
//! each test with its time.

use crate::commands::test::clock::Clock;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::Instant;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};

/// Packages that are compiled together elsewhere too. One run over the whole
/// workspace would unify their features and compile most dependencies twice.
const PACKAGE_GROUPS: [&[&str]; 3] = [
    &[
        "app-gen-contract",
        "app-gen",
        "app-gen-agent",
        "app-gen-cage",
        "app-gen-fly",
        "app-gen-gateway",
        "app-gen-github",
        "app-gen-oci-image",
        "app-gen-scripted-model",
        "app-gen-saas-contract",
        "app-gen-saas",
    ],
    &["xtask-aws"],
    &[
        "app-gen-infra",
        "xtask-aws-api",
        "xtask-core",
        "xtask-tree",
        "xtask-docker",
        "xtask-gate",
        "xtask-image",
        "xtask-machine",
        "xtask-operate",
        "xtask",
    ],
];

/// How the names of targets begin whose tests need no engine, no service and no network. Unit tests
/// do not either.
const OFFLINE: &str = "offline";
/// The target whose tests need a part of this machine for themselves: one at a time.
const PLATFORM: &str = "platform";
/// The one whose tests stop and start what others need.
const SERVICES: &str = "services";
/// How many suites run side by side: they wait for an engine, an agent or the end of a job.
const LANES: usize = 2;
/// Suites whose tests mostly wait, for the time between two tries of an agent or for the end of a job:
/// two of them for each core.
const WAITING: [&str; 7] = [
    "app-gen::deliveries",
    "app-gen-agent::agents",
    "app-gen-fly::registry",
    "app-gen-gateway::agents",
    "app-gen-saas::agents",
    "app-gen-saas::it",
    "app-gen-scripted-model::agents",
];

/// What tests that need nothing run with: one that comes to need something fails.
const NOTHING: [(&str, &str); 9] = [
    ("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
    ("XDG_STATE_HOME", "/nonexistent"),
    ("CARGO_NET_OFFLINE", "true"),
    ("npm_config_offline", "true"),
    ("http_proxy", "http://127.0.0.1:9"),
    ("https_proxy", "http://127.0.0.1:9"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("HTTPS_PROXY", "http://127.0.0.1:9"),
    ("no_proxy", "127.0.0.1,localhost"),
];

/// Beside what a suite may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Company {
    /// Needs nothing of this machine but its cores, of which it takes all.
    Offline,
    /// Needs what can be shared.
    SideBySide,
    /// Changes what others need.
    Alone,
}

/// What the Rust tests of a run came to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Ran {
    pub(super) suites: Vec<SuiteTime>,
    pub(super) tests: Vec<TestTime>,
}

/// How long one binary took.
#[derive(Debug, Serialize)]
pub(super) struct SuiteTime {
    pub(super) suite: String,
    pub(super) tests: usize,
    pub(super) seconds: f64,
}

/// How long one test took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TestTime {
    pub(super) suite: String,
    pub(super) test: String,
    pub(super) seconds: f64,
}

/// A binary of tests.
struct Suite {
    package: String,
    target: String,
    is_unit: bool,
    program: PathBuf,
    /// Of the package: where its tests run.
    folder: PathBuf,
}

impl Suite {
    fn name(&self) -> String {
        match self.is_unit {
            true => self.package.clone(),
            false => format!("{}::{}", self.package, self.target),
        }
    }

    fn company(&self) -> Company {
        match &*self.target {
            _ if self.is_unit => Company::Offline,
            target if target.starts_with(OFFLINE) => Company::Offline,
            PLATFORM | SERVICES => Company::Alone,
            _ => Company::SideBySide,
        }
    }

    fn threads(&self, cores: usize) -> usize {
        match &*self.target {
            PLATFORM => 1,
            _ if WAITING.contains(&&*self.name()) => 2 * cores,
            _ => cores,
        }
    }

    fn command(&self) -> Cmd {
        let command = Cmd::new(&self.program)
            .folder(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder);
        match self.company() {
            Company::Offline => NOTHING
                .iter()
                .fold(command, |command, (name, value)| command.env(name, value)),
            Company::SideBySide | Company::Alone => command,
        }
    }

    /// What a person types to run one of its tests again.
    fn again(&self, test: &str) -> String {
        let Self {
            package, target, ..
        } = self;
        match self.is_unit {
            true => format!("cargo test --package {package} {test}"),
            false => format!("cargo test --package {package} --test {target} {test}"),
        }
    }
}

/// Compiles all tests and runs them; with `fast` those alone that need nothing. `cargo` and
/// `prepare` make commands as the steps do.
///
/// # Errors
/// They do not compile, or the first test that fails.
pub(super) fn run(
    context: &Context,
    fast: bool,
    cargo: impl Fn(&[&str]) -> Cmd,
    prepare: impl Fn(Cmd) -> Cmd + Sync,
) -> anyhow::Result<Ran> {
    let mut suites = Vec::new();
    for group in PACKAGE_GROUPS {
        suites.extend(compile(context, group, &cargo)?);
    }
    suites.retain(|suite| !fast || suite.company() == Company::Offline);
    // Cargo names them as they come to be linked. What fails soonest comes first, and of those that
    // run side by side the longest, so that the lanes end together.
    suites.sort_by_cached_key(|suite| {
        let is_waiting = WAITING.contains(&&*suite.name());
        (suite.company(), Reverse(is_waiting), suite.name())
    });
    let mut ran = Ran::default();
    for suites in suites.chunk_by(|one, other| one.company() == other.company()) {
        let lanes = match suites.first().map(Suite::company) {
            Some(Company::SideBySide) => LANES,
            _ => 1,
        };
        run_suites(context, suites, lanes, &prepare, &mut ran)?;
    }
    Ok(ran)
}

/// So many at once; none begins after one failed.
fn run_suites(
    context: &Context,
    suites: &[Suite],
    lanes: usize,
    prepare: impl Fn(Cmd) -> Cmd + Sync,
    ran: &mut Ran,
) -> anyhow::Result<()> {
    let waiting = Mutex::new(suites.iter());
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.next()
    };
    let lane = || {
        let mut ran = Ran::default();
        while let Some(suite) = next() {
            if let Err(error) = run_suite(context, suite, &prepare, &mut ran) {
                while next().is_some() {}
                return Err(error);
            }
        }
        Ok(ran)
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let ended: Vec<_> = lanes.into_iter().map(|lane| lane.join()).collect();
        for lane in ended {
            let lane = lane.map_err(|_panic| anyhow::anyhow!("a lane of tests ended early"))??;
            ran.suites.extend(lane.suites);
            ran.tests.extend(lane.tests);
        }
        Ok(())
    })
}

fn compile(
    context: &Context,
    packages: &[&str],
    cargo: impl Fn(&[&str]) -> Cmd,
) -> anyhow::Result<Vec<Suite>> {
    #[derive(Deserialize)]
    struct Message {
        manifest_path: Option<PathBuf>,
        target: Option<Target>,
        executable: Option<PathBuf>,
        #[serde(default)]
        profile: BTreeMap<String, serde_json::Value>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Vec<String>,
        name: String,
    }
    let mut suites = Vec::new();
    let status = cargo(&["test", "--locked", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .args(packages.iter().flat_map(|package| ["--package", package]))
        .lines(&context.report, "cargo", |line| {
            let message: Message = serde_json::from_slice(line)?;
            // Binaries that tests drive come too.
            let is_test = message.profile.get("test") == Some(&true.into());
            if let (true, Some(program), Some(target), Some(manifest)) = (
                is_test,
                message.executable,
                message.target,
                message.manifest_path,
            ) {
                suites.push(suite(program, &manifest, target.name, &target.kind)?);
            }
            Ok(())
        })?;
    if !status.success() {
        return Err(Failure::new(Code::Build, "the tests do not compile")
            .hint("the compiler's lines are above")
            .into());
    }
    Ok(suites)
}

fn suite(
    program: PathBuf,
    manifest: &Path,
    target: String,
    kind: &[String],
) -> anyhow::Result<Suite> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let text = std::fs::read_to_string(manifest)
        .with_context(|| format!("failed to read {}", manifest.display()))?;
    let manifest_read: Manifest = toml::from_str(&text)?;
    Ok(Suite {
        package: manifest_read.package.name,
        target,
        is_unit: !kind.iter().any(|kind| kind == "test"),
        program,
        folder: manifest.parent().unwrap_or(manifest).to_owned(),
    })
}

fn run_suite(
    context: &Context,
    suite: &Suite,
    prepare: impl Fn(Cmd) -> Cmd,
    ran: &mut Ran,
) -> anyhow::Result<()> {
    let name = suite.name();
    let threads = suite.threads(available_parallelism()?.get());
    let listing = prepare(suite.command()).arg("--list").read()?;
    let started = Instant::now();
    let mut clock = Clock::start(&listing, threads, started);
    let (before, mut failed) = (ran.tests.len(), None);
    context.report.step(&format!("test: rust: {name}"));
    let status = prepare(suite.command())
        .arg(format!("--test-threads={threads}"))
        .lines(&context.report, &name, |line| {
            let line = String::from_utf8_lossy(line);
            if let Some((test, took)) = clock.ended(&line, Instant::now()) {
                if line.ends_with("FAILED") {
                    failed.get_or_insert_with(|| test.to_owned());
                }
                ran.tests.push(TestTime {
                    suite: name.clone(),
                    test: test.to_owned(),
                    seconds: took.as_secs_f64(),
                });
            }
            if !line.is_empty() {
                context.report.line(&name, &line);
            }
            Ok(())
        })?;
    ran.suites.push(SuiteTime {
        suite: name.clone(),
        tests: ran.tests.len() - before,
        seconds: started.elapsed().as_secs_f64(),
    });
    if status.success() {
        return Ok(());
    }
    let test = failed.unwrap_or_default();
    let again = suite.again(&test);
    Err(Failure::new(Code::Failed, format!("{name}: {test} failed"))
        .hint(again.trim_end())
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_tested() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = |folder: &Path| -> toml::Table {
            let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            text.parse().unwrap()
        };
        let members = manifest(root)["workspace"]["members"].clone();
        let mut members: Vec<String> = members
            .as_array()
            .unwrap()
            .iter()
            .map(|member| {
                let member = manifest(&root.join(member.as_str().unwrap()));
                member["package"]["name"].as_str().unwrap().to_owned()
            })
            .collect();
        let mut tested = PACKAGE_GROUPS.concat();
        members.sort_unstable();
        tested.sort_unstable();
        assert_eq!(tested, members);
    }
}
