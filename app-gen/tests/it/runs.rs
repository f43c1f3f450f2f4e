//! Runs that end well.

use app_gen_contract::{
    ApprovalPoint, Body, Decided, Decision, Event, JobSpec, LogLevel, Origin, StageState, StartFrom,
};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::{command, file_uri, put_spec, run, unpack, write_spec};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Clones the history as a person does, and returns the id of its newest commit.
fn clone_history(bundle: &Path, folder: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = command("git").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (bundle, folder) = (bundle.to_str().unwrap(), folder.to_str().unwrap());
    git(&["clone", "--quiet", "--branch", "main", bundle, folder]);
    let message = git(&["-C", folder, "log", "--format=%an: %s"]);
    assert_eq!(message, "template: Build me a list of books\n");
    git(&["-C", folder, "rev-parse", "HEAD"]).trim().to_owned()
}

/// The bytes of all files by their paths.
fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_owned();
            (path, std::fs::read(entry.path()).unwrap())
        })
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
    let stage = |name, state, detail: Option<String>| Body::Stage {
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
    let clone = tempfile::tempdir().unwrap();
    let commit = clone_history(&folder.path().join("jobs/job-1/app.bundle"), clone.path());
    assert_eq!(
        bodies,
        [
            Body::Started {
                generator_version: text(env!("CARGO_PKG_VERSION")),
                attempt: 1,
                providers: [(text("template"), None)].into(),
                request_id: None,
            },
            stage("build", StageState::Running, None),
            log("the template is a list, because of \"list\" in the description"),
            log("making \"List of books\" from this template, without an AI model"),
            stage("build", StageState::Done, Some(text("List of books"))),
            stage("publish", StageState::Running, None),
            Body::Artifact {
                name: text("app.zip"),
                uri: file_uri(&archive),
                size_bytes: u64::try_from(bytes.len()).unwrap(),
                sha256: sha256(&bytes),
                commit: Some(commit),
            },
            log("unpack app.zip, then: npm ci && npm run build && npm start"),
            stage("publish", StageState::Done, None),
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
    std::fs::remove_dir_all(clone.path().join(".git")).unwrap();
    assert_eq!(
        files_below(unpacked.path()),
        files_below(clone.path()),
        "the zip file has the files of the commit"
    );
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

/// A person decides twice; each attempt goes on with the numbers of the one before.
#[test]
fn what_is_approved_is_built_and_published() {
    let folder = tempfile::tempdir().unwrap();
    let uri = file_uri(&folder.path().join("jobs/job-1"));
    let mut spec = JobSpec::new("job-1", "a list of books", "template", &uri).unwrap();
    spec.approvals = [ApprovalPoint::BeforeBuild, ApprovalPoint::BeforePublish].into();

    let plan = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(
        (plan.exit_code, plan.kinds()),
        (Some(3), vec!["started", "waiting_approval"])
    );
    let question = Body::WaitingApproval {
        point: ApprovalPoint::BeforeBuild,
        question: "May \"List of books\" be made from a template, without an AI model: a list?"
            .to_owned(),
        artifact_uri: None,
    };
    assert_eq!(plan.events[1].body(), Some(&question));

    let approve = |spec: &mut JobSpec, point| {
        spec.attempt.number += 1;
        spec.attempt.decision = Some(Decided {
            point,
            decision: Decision::Approved,
        });
    };
    approve(&mut spec, ApprovalPoint::BeforeBuild);
    spec.attempt.after_sequence = 2;
    let built = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(built.exit_code, Some(3), "{built:?}");
    assert_eq!(built.events[0].sequence, 3);
    assert!(matches!(
        built.events[0].body(),
        Some(Body::Started { attempt: 2, .. })
    ));
    let last = built.events.last().unwrap();
    let archive = folder.path().join("jobs/job-1/app.zip");
    let question = Body::WaitingApproval {
        point: ApprovalPoint::BeforePublish,
        question: "List of books is ready: a list made from a template, without an AI model. \
                   May it be published?"
            .to_owned(),
        artifact_uri: Some(file_uri(&archive)),
    };
    assert_eq!(last.body(), Some(&question));
    let shown = std::fs::read(&archive).unwrap();

    approve(&mut spec, ApprovalPoint::BeforePublish);
    spec.attempt.after_sequence = last.sequence;
    let published = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(published.exit_code, Some(0), "{published:?}");
    assert_eq!(published.events[0].sequence, last.sequence + 1);
    assert_eq!(std::fs::read(&archive).unwrap(), shown);
}

#[test]
fn the_request_that_a_job_comes_from_is_in_its_first_event() {
    let folder = tempfile::tempdir().unwrap();
    let uri = file_uri(&folder.path().join("jobs/job-1"));
    let mut spec = JobSpec::new("job-1", "a list of books", "template", &uri).unwrap();
    spec.origin = Some(Origin {
        request_id: "click-7".to_owned(),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
    });
    let run = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(run.exit_code, Some(0), "{run:?}");
    let Some(Body::Started { request_id, .. }) = run.events[0].body() else {
        panic!("{run:?}");
    };
    assert_eq!(request_id.as_deref(), Some("click-7"));
}

#[test]
fn a_template_that_is_named_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let uri = file_uri(&folder.path().join("jobs/job-1"));
    let mut spec = JobSpec::new("job-1", "a list of books", "template", &uri).unwrap();
    spec.template = Some("board".to_owned());
    let run = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(run.exit_code, Some(0), "{run:?}");
    let unpacked = tempfile::tempdir().unwrap();
    unpack(&folder.path().join("jobs/job-1/app.zip"), unpacked.path());
    let info = std::fs::read_to_string(unpacked.path().join("app.json")).unwrap();
    assert!(info.contains("\"template\": \"board\""), "{info}");
    assert!(unpacked.path().join("src/columns.js").is_file());
}

/// Without a model, what is made of somebody's template is that template.
#[test]
fn a_template_that_somebody_made_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let first = write_spec(folder.path(), "job-1", "a list of books");
    let first = run(&[("JOB_SPEC_URI", &first)]);
    let commit_of = |run: &crate::support::Run| {
        let artifact = run.events.iter().find_map(|event| match event.body() {
            Some(Body::Artifact { commit, sha256, .. }) => Some((commit.clone(), sha256.clone())),
            _ => None,
        });
        artifact.unwrap()
    };
    let (commit, sha256) = commit_of(&first);
    let uri = file_uri(&folder.path().join("jobs/job-2"));
    let mut spec = JobSpec::new("job-2", "a board", "template", &uri).unwrap();
    spec.start_from = Some(StartFrom {
        bundle_uri: file_uri(&folder.path().join("jobs/job-1/app.bundle")),
        commit: commit.clone().unwrap(),
    });
    let second = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(second.exit_code, Some(0), "{second:?}");
    assert_eq!(commit_of(&second), (commit, sha256));
    let is_said = second.events.iter().any(|event| {
        matches!(event.body(), Some(Body::Log { level: LogLevel::Warn, message })
            if message.starts_with("the template is taken over as it is"))
    });
    assert!(is_said, "{second:?}");
}

#[test]
fn what_is_rejected_fails_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let uri = file_uri(&folder.path().join("jobs/job-1"));
    let mut spec = JobSpec::new("job-1", "a list", "template", &uri).unwrap();
    spec.approvals = [ApprovalPoint::BeforePublish].into();
    spec.attempt.number = 2;
    spec.attempt.after_sequence = 9;
    spec.attempt.decision = Some(Decided {
        point: ApprovalPoint::BeforePublish,
        decision: Decision::Rejected {
            reason: "too blue".to_owned(),
        },
    });
    let run = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(run.exit_code, Some(1));
    assert_eq!(run.failure().0, "the application was rejected: too blue");
}
