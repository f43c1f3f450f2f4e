//! Backups of what is deployed to the local cloud, and of `dev`: taken, lost, brought back and compared.

use crate::live::{Started, alone, jobs, platform, run, work_folder};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Longer than a task takes to stop.
const END: Duration = Duration::from_secs(120);

fn base() -> String {
    format!(
        "http://127.0.0.1:{}/_alb/{}",
        platform().local.cloud_port.get_ref(),
        platform().project
    )
}

/// What people see.
fn seen(base: &str) -> [Value; 2] {
    ["projects", "jobs"].map(|what| jobs::get(&format!("{base}/api/{what}")))
}

/// Rows of each table, with their digests.
fn tables(folder: &Path) -> Value {
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    manifest["tables"].clone()
}

/// Objects with sizes and digests.
fn objects(folder: &Path) -> BTreeSet<String> {
    let lines = fs::read_to_string(folder.join("objects-000001.jsonl")).unwrap();
    lines.lines().map(str::to_owned).collect()
}

fn stopped() {
    run(&["scale", "orchestrator", "--to", "0", "--yes", "--json"]).expect_success();
}

#[test]
fn an_environment_comes_back_from_its_backup() {
    let _alone = alone();
    run(&["deploy", "--yes", "--json"]).expect_success();
    run(&["scale", "--json"]).expect_success();
    let base = base();
    let job = jobs::submit(&base, "a list that is kept");
    jobs::whole_stream(&base, &job);
    let was = seen(&base);
    let here = tempfile::tempdir().unwrap();
    let folder = here.path().join("kept");
    let path = folder.to_str().unwrap();

    let kept = run(&["backup", "--output", path, "--json"]).expect_success();
    let id = kept["backup"].as_str().unwrap();
    assert_eq!(kept["missing"], 0);
    assert!(kept["rows"].as_u64().unwrap() > 10, "{kept:#}");
    assert!(kept["objects"].as_u64().unwrap() > 3, "{kept:#}");
    let mode = fs::metadata(&folder).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o700
    );
    let listed = run(&["backups", "--json"]).expect_success();
    assert_eq!(listed["backups"][0]["backup"], id);
    assert_eq!(listed["backups"][0]["sha256"], kept["sha256"]);
    let taken = run(&["backup", "--output", path, "--json"]).expect_error(11);
    assert!(
        taken["message"]
            .as_str()
            .unwrap()
            .ends_with("exists already"),
        "{taken}"
    );
    let running = run(&["restore", id, "--json"]).expect_error(11);
    assert_eq!(
        running["hint"],
        "cargo xtask scale orchestrator --to 0 --env local --yes"
    );

    // All is lost: database and bucket, and the backup in it. The new environment has what its smoke test made.
    run(&["destroy", "--yes", "--json"]).expect_success();
    run(&["deploy", "--yes", "--json"]).expect_success();
    stopped();
    let unknown = run(&["restore", id, "--json"]).expect_error(1);
    assert_eq!(unknown["hint"], "cargo xtask backups --env local");
    let full = run(&["restore", path, "--json"]).expect_error(1);
    assert!(
        full["message"]
            .as_str()
            .unwrap()
            .contains("the database is not empty"),
        "{full}"
    );
    assert!(
        full["hint"]
            .as_str()
            .unwrap()
            .ends_with("then add --replace"),
        "{full}"
    );

    // Whatever an interrupt met, the database has what it had, or what the backup has.
    let mut restore = Started::new(&["restore", path, "--replace", "--yes", "--json"]);
    restore.says("restore backup");
    restore.signal(Signal::INT);
    let interrupted = restore.ends_within(END);
    assert!([0, 130].contains(&interrupted.code), "{interrupted:#?}");

    let digest = kept["sha256"].as_str().unwrap();
    let replace = [
        "restore",
        path,
        "--replace",
        "--sha256",
        digest,
        "--yes",
        "--json",
    ];
    let restored = run(&replace).expect_success();
    assert_eq!(restored["rows"], kept["rows"]);
    let again = here.path().join("again");
    run(&["backup", "--output", again.to_str().unwrap(), "--json"]).expect_success();
    assert_eq!(tables(&again), tables(&folder));
    let missing: Vec<_> = objects(&folder)
        .difference(&objects(&again))
        .cloned()
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");

    run(&["scale", "--json"]).expect_success();
    assert_eq!(seen(&base), was);
    assert_eq!(jobs::download_start(&base, &job), *b"PK");

    // A changed backup is found before anything is sent anywhere.
    stopped();
    let row = folder.join("tables/jobs-000001.jsonl");
    let text = fs::read_to_string(&row).unwrap();
    fs::write(&row, text.replacen("is kept", "was lost", 1)).unwrap();
    let changed = run(&replace).expect_error(1);
    assert!(
        changed["message"]
            .as_str()
            .unwrap()
            .contains("was changed: tables/jobs"),
        "{changed}"
    );
    run(&["scale", "--json"]).expect_success();
    assert_eq!(seen(&base), was);
}

#[test]
fn dev_comes_back_from_its_backup() {
    let _alone = alone();
    let here = tempfile::tempdir().unwrap();
    let folder = here.path().join("kept");
    let path = folder.to_str().unwrap();
    let start = || {
        let mut dev = Started::new(&["dev", "--json"]);
        let page = dev.answer()["page"].as_str().unwrap().to_owned();
        (dev, page)
    };
    let end = |dev: Started| {
        dev.signal(Signal::INT);
        assert_eq!(dev.ends_within(END).code, 130);
    };
    let (dev, page) = start();
    let job = jobs::submit(&page, "a list of dev");
    jobs::whole_stream(&page, &job);
    let was = seen(&page);
    // A backup disturbs nobody; a restore would.
    let kept = run(&["backup", "--dev", "--output", path, "--json"]).expect_success();
    run(&["restore", path, "--dev", "--json"]).expect_error(7);
    end(dev);

    fs::remove_dir_all(work_folder().join("dev")).unwrap();
    let restored = run(&["restore", path, "--dev", "--json"]).expect_success();
    assert_eq!(restored["rows"], kept["rows"]);
    let full = run(&["restore", path, "--dev", "--json"]).expect_error(1);
    assert!(
        full["message"].as_str().unwrap().contains("is not empty"),
        "{full}"
    );
    let (dev, page) = start();
    assert_eq!(seen(&page), was);
    end(dev);
}
