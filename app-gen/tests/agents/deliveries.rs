//! A version is built for its delivery as it was checked, once, and without what only its build needs.

use crate::support::Job;
use app_gen_contract::{
    Body, CheckOutcome, DELIVER_PROVIDER, Delivery, DeliveryTarget, JobKind, JobSpec, StartFrom,
};
use std::collections::BTreeMap;
use std::io::Read as _;

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

fn checks(bodies: &[Body]) -> Vec<(&str, CheckOutcome)> {
    let checks = bodies.iter().filter_map(|body| match body {
        Body::Check { name, outcome, .. } => Some((name.as_str(), *outcome)),
        _ => None,
    });
    checks.collect()
}

/// The files of an archive that are no folders, with whether each is plain.
fn files(archive: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let is_plain = entry.header().entry_type() == tar::EntryType::Regular;
        assert!(is_plain, "{path} is no plain file");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, String::from_utf8_lossy(&content).into_owned())
    });
    entries.collect()
}

#[test]
fn an_application_is_built_in_a_cage_once_and_kept_for_the_next_attempt() {
    let mut job = Job::create("template", "");
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    let commit = job.bodies().into_iter().find_map(|body| match body {
        Body::Artifact { commit, .. } => commit,
        _ => None,
    });
    let made = job.spec.clone();
    job.spec = JobSpec {
        kind: JobKind::Deliver,
        provider: DELIVER_PROVIDER.to_owned(),
        start_from: Some(StartFrom {
            bundle_uri: format!("{}/app.bundle", made.artifact_uri),
            commit: commit.unwrap(),
        }),
        delivery: Some(Delivery {
            target: DeliveryTarget::Fly {
                organization: "personal".to_owned(),
                app: None,
                region: None,
            },
            project_id: "project-1".to_owned(),
            name: "A plant diary".to_owned(),
            version: 1,
            check_url: None,
        }),
        ..made
    };
    let base = format!("127.0.0.1:9/node@sha256:{}", "0".repeat(64));
    job.variables = [
        ("FLY_API_TOKEN", "fake-token-of-fly-7f31"),
        ("FLY_MACHINES_URL", NOWHERE),
        ("FLY_REGISTRY", "127.0.0.1:9"),
        ("FLY_BASE_IMAGE", &base),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();

    assert_eq!(job.attempt(), Some(1));
    // It came as far as calling somebody.
    assert!(job.reason().starts_with("failed to "), "{}", job.reason());
    let passed = [
        ("install", CheckOutcome::Passed),
        ("build", CheckOutcome::Passed),
    ];
    assert_eq!(checks(&job.bodies()), passed);
    let kept = job.spec.attempt.checkpoint.unwrap();
    let archive = job.read(&format!("/out/job/{}/built.tar", kept.folder()));
    let files = files(&archive);
    for needed in [
        "package.json",
        "server/index.js",
        "dist/index.html",
        "node_modules/express/package.json",
    ] {
        assert!(files.contains_key(needed), "{needed} is missing");
    }
    let of_build = files
        .keys()
        .find(|path| path.starts_with("node_modules/vite/"));
    assert_eq!(of_build, None, "what only the build needs is left out");
    for (path, content) in &files {
        let is_program = path.contains("node_modules/.bin/");
        assert!(!is_program || content.starts_with("#!/bin/sh\n"), "{path}");
    }

    // The next attempt delivers the very same, and builds nothing.
    assert_eq!(job.attempt(), Some(1));
    assert_eq!(checks(&job.bodies()), passed);
    assert_eq!(job.spec.attempt.checkpoint, Some(kept));
    job.check();
    let everything = job.everything();
    let token = b"fake-token-of-fly-7f31";
    assert!(!everything.windows(token.len()).any(|part| part == token));
}
