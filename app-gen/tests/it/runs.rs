//! Runs that end well.

use app_gen_contract::{Body, Event, JobSpec, LogLevel, StepState};
use sha2::{Digest as _, Sha256};

use crate::support::{file_uri, run, unpack, write_spec};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_spec_becomes_an_application() {
    let folder = tempfile::tempdir().unwrap();
    let spec_uri = write_spec(folder.path(), "job-1", "Build me a list of books");
    let run = run(&[("JOB_SPEC_URI", &spec_uri)]);
    assert_eq!(run.exit_code, Some(0), "{run:?}");

    let archive = folder.path().join("jobs/job-1/app.zip");
    let bytes = std::fs::read(&archive).unwrap();
    let text = str::to_owned;
    let step = |name, state, detail: Option<String>| Body::Step {
        name: text(name),
        state,
        detail,
    };
    let log = |message| Body::Log {
        level: LogLevel::Info,
        message: text(message),
    };
    let bodies: Vec<Body> = run
        .events
        .iter()
        .map(|event| event.body().unwrap().clone())
        .collect();
    assert_eq!(
        bodies,
        [
            Body::Started {
                generator_version: text(env!("CARGO_PKG_VERSION")),
                provider: text("template")
            },
            step("build", StepState::Running, None),
            log("the template is a list, because of \"list\" in the description"),
            log("making \"List of books\" from this template, without an AI model"),
            step("build", StepState::Done, Some(text("List of books"))),
            step("package", StepState::Running, None),
            step(
                "package",
                StepState::Done,
                Some(format!("27 files, {} bytes", bytes.len()))
            ),
            step("publish", StepState::Running, None),
            step("publish", StepState::Done, None),
            Body::Artifact {
                name: text("app.zip"),
                uri: file_uri(&archive),
                size_bytes: u64::try_from(bytes.len()).unwrap(),
                sha256: sha256(&bytes),
            },
            log("unpack app.zip, then: npm ci && npm run build && npm start"),
            Body::Succeeded {
                summary: text(
                    "List of books is ready: a list made from a template, without an AI model"
                )
            },
        ]
    );
    assert!(run.events.iter().all(|event| event.job_id == "job-1"));
    assert!(run.events.is_sorted_by_key(|event: &Event| event.time));

    let unpacked = tempfile::tempdir().unwrap();
    unpack(&archive, unpacked.path());
    assert!(
        std::fs::read_to_string(unpacked.path().join("README.md"))
            .unwrap()
            .contains("`template` provider")
    );
}

#[test]
fn a_manual_run_leaves_its_spec_beside_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let artifact_uri = file_uri(&folder.path().join("out"));
    let run = run(&[
        ("REQUEST_ID", "by-hand"),
        ("APP_DESCRIPTION", " plants "),
        ("ARTIFACT_URI", &artifact_uri),
    ]);
    assert_eq!(run.exit_code, Some(0), "{run:?}");
    let spec =
        JobSpec::from_json(&std::fs::read(folder.path().join("out/spec.json")).unwrap()).unwrap();
    assert_eq!(
        spec,
        JobSpec::new("by-hand", "plants", "template", &artifact_uri).unwrap()
    );
    assert!(folder.path().join("out/app.zip").is_file());
}

#[test]
fn the_same_description_gives_the_same_bytes() {
    let archives = ["first", "second"].map(|job_id| {
        let folder = tempfile::tempdir().unwrap();
        let spec_uri = write_spec(folder.path(), job_id, "a shared shopping list");
        assert_eq!(run(&[("JOB_SPEC_URI", &spec_uri)]).exit_code, Some(0));
        sha256(&std::fs::read(folder.path().join("jobs").join(job_id).join("app.zip")).unwrap())
    });
    assert_eq!(archives[0], archives[1]);
}
