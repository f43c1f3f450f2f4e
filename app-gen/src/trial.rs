//! What the tests of containers start: applications are put into cages, changed as a test says, and checked.
//! No program of the product calls it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use app_gen_cage::{Cage, Ended, Folders, Limits, Ports, USER, prepare, run_role, try_attacks};
use app_gen_gateway::{Certificates, Packages, PackagesSettings};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::checks::tests_kept::changed_tests;
use crate::checks::{Checks, Subject, criteria};
use crate::workshop::command::{Running, Variables, run};
use crate::workshop::snapshot::Snapshot;

/// Where the generator's folders are.
const STATE: &str = "/state";
/// Where the application is as it was before.
const APPLICATION: &str = "/app";
/// Where the certificates are that the machine trusts.
const CERTIFICATES: &str = "/certificates.pem";
/// How long a script that changes an application may take.
const CHANGE: Duration = Duration::from_secs(30);

/// One application to check.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// What a shell does in the workspace before it is checked.
    change: String,
    /// The text of the criteria.
    criteria: String,
    /// The last check that is made; all if it names none.
    last: Option<String>,
}

/// The whole program: its argument is a JSON array of cases, and its output is an object with what each came
/// to.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = run_role() {
        return code;
    }
    let (code, text) = match report() {
        Ok(report) => (ExitCode::SUCCESS, report.to_string()),
        Err(error) => (ExitCode::FAILURE, format!("{error:#}")),
    };
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn report() -> Result<Value> {
    let cases = std::env::args().nth(1).context("the cases are missing")?;
    let cases: Vec<Case> = serde_json::from_str(&cases)?;
    let (_, folders) = prepare(&[], Path::new(STATE))?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(check_all(&cases, &folders))
}

async fn check_all(cases: &[Case], folders: &Folders) -> Result<Value> {
    let certificates = std::fs::read_to_string(CERTIFICATES)?;
    let packages = Packages::start(PackagesSettings {
        extra_certificates: Certificates::from_pem(&certificates)?,
        ..PackagesSettings::default()
    });
    let packages = packages.await?;
    let cage = cage(folders, packages.address().port());
    // The mirror stands for the gateway, too: something has to listen there.
    try_attacks(&cage, &folders.private)?;
    let before = application(&cage, "").await?;
    let mut report = json!({});
    for case in cases {
        let checked = check(case, &cage, &packages, &before).await;
        report[&case.name] = checked.with_context(|| case.name.clone())?;
    }
    let counts = packages.counts();
    report["packages"] =
        json!({ "requests": counts.requests, "failed": counts.failed, "bytes": counts.bytes });
    report["dropped"] = dropped(&cage).await?;
    Ok(report)
}

fn cage(folders: &Folders, packages: u16) -> Cage {
    Cage {
        user: USER,
        folder: folders.agent.clone(),
        workspace: folders.agent.join("workspace"),
        writes_workspace: true,
        own: folders.agent.join("checks"),
        readable: vec![PathBuf::from(APPLICATION)],
        ports: Ports::with_gateway(packages).and_packages(packages),
        limits: Limits::default(),
    }
}

/// The application in the workspace of a cage, changed by a shell.
async fn application(cage: &Cage, change: &str) -> Result<Snapshot> {
    let script = format!(
        "set -e; find . -mindepth 1 -delete; cp -r {APPLICATION}/. .; rm -rf node_modules dist data; {change}"
    );
    let ran = run(
        cage,
        "bash",
        &["-c", &script],
        &Variables::default(),
        CHANGE,
    )
    .await?;
    ensure!(
        ran.ended == Ended::Code(0),
        "{:?}: {}",
        ran.ended,
        ran.output
    );
    Ok(Snapshot::read(cage).await??)
}

async fn check(case: &Case, cage: &Cage, packages: &Packages, before: &Snapshot) -> Result<Value> {
    let snapshot = application(cage, &case.change).await?;
    let criteria = criteria::parse(&case.criteria).map_err(anyhow::Error::msg)?;
    let packages_url = packages.url();
    let mut checks = Checks::of(Subject {
        cage,
        packages_url: &packages_url,
        snapshot: &snapshot,
        before: Some(before),
        criteria: &criteria,
    });
    let mut bodies = Vec::new();
    while let Some(checked) = checks.next().await? {
        bodies.push(serde_json::to_value(checked.to_body())?["body"].take());
        if case.last.as_deref() == Some(checked.name) {
            break;
        }
    }
    let signatures: BTreeMap<&str, String> = checks
        .made()
        .iter()
        .filter_map(|checked| Some((checked.name, checked.signature()?)))
        .collect();
    let changed = changed_tests(before, &snapshot);
    let changed: Vec<&str> = changed.iter().map(|(path, _)| *path).collect();
    Ok(json!({
        "checks": bodies,
        "signatures": signatures,
        "changed_tests": changed,
        "left": left()?,
    }))
}

/// A command whose future is dropped ends with all that it started.
async fn dropped(cage: &Cage) -> Result<Value> {
    let script = "setsid sleep 1000 & (trap '' TERM; sleep 1000) & echo started; sleep 1000";
    let began = std::time::Instant::now();
    let variables = Variables::default();
    let running = Running::start(cage, "bash", &["-c", script], &variables, CHANGE)?;
    while running.output().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = left()?.len();
    drop(running);
    while !left()?.is_empty() && began.elapsed() < CHANGE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let late = run(cage, "sleep", &["1000"], &variables, Duration::from_secs(1)).await?;
    Ok(json!({
        "before": before,
        "left": left()?,
        "seconds": began.elapsed().as_secs_f64(),
        "late": format!("{:?}", late.ended),
    }))
}

/// The processes of the cages' user.
fn left() -> Result<Vec<String>> {
    let mut left = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let is_there = line("State:").is_some_and(|state| !state.contains('Z'));
        let user = line("Uid:").and_then(|users| users.split_whitespace().next());
        if is_there && user == Some(&USER.to_string()) {
            left.push(line("Name:").unwrap_or_default().trim().to_owned());
        }
    }
    Ok(left)
}
