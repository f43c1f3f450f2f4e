//! Whole jobs that end well.

use crate::support::Job;
use app_gen_contract::{Body, CheckOutcome, JobKind, StartFrom};
use std::collections::BTreeMap;
use std::path::Path;

/// The files that the script has its builder write.
fn plant_diary() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripted-model/scripts/plant-diary");
    let left_out = ["node_modules", "dist", "data"];
    let entries = walkdir::WalkDir::new(&folder).into_iter();
    entries
        .filter_entry(|entry| !left_out.iter().any(|name| entry.file_name() == *name))
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(&folder).unwrap();
            let content = std::fs::read_to_string(entry.path()).unwrap();
            (path.to_str().unwrap().to_owned(), content)
        })
        .collect()
}

/// The checks of a job with their last outcomes.
fn outcomes(job: &Job) -> BTreeMap<String, CheckOutcome> {
    let checks = job.bodies().into_iter().filter_map(|body| match body {
        Body::Check { name, outcome, .. } => Some((name, outcome)),
        _ => None,
    });
    checks.collect()
}

fn created_by(provider: &str) -> Job {
    let mut job = Job::create(provider, "create");
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let Body::Started { providers, .. } = job.body(&job.events[0]) else {
        panic!("{:?}", job.events[0]);
    };
    let version = providers[provider].as_deref().unwrap();
    assert!(version.contains('.'), "{version}");

    let made: BTreeMap<String, String> = job.application().into_iter().collect();
    assert_eq!(made, plant_diary());
    let outcomes = outcomes(&job);
    let passed = |name: &str| outcomes[name] == CheckOutcome::Passed;
    for name in [
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
        "reviewer",
        "tester",
        "security",
        "devops",
    ] {
        assert!(passed(name), "{name}: {outcomes:?}");
    }
    assert_eq!(outcomes["browser"], CheckOutcome::Skipped);
    let bodies = job.bodies();
    let used: u64 = bodies
        .iter()
        .filter_map(|body| match body {
            Body::Usage {
                micro_usd,
                role,
                provider: by,
                ..
            } => {
                assert_eq!(by, provider, "{role}");
                *micro_usd
            }
            _ => None,
        })
        .sum();
    // Eleven turns at the prices of the table, and whatever an agent asks twice.
    assert!((100_000..2_000_000).contains(&used), "{used}");
    let spoke = |wanted: &str| {
        bodies
            .iter()
            .any(|body| matches!(body, Body::Activity { role, .. } if role == wanted))
    };
    for role in [
        "pm",
        "architect",
        "builder",
        "reviewer",
        "tester",
        "security",
        "devops",
    ] {
        assert!(spoke(role), "{role}");
    }
    let took = job.bodies().into_iter().rev().find_map(|body| match body {
        Body::Resources {
            peak_memory_bytes,
            peak_disk_bytes,
            processor_milliseconds,
        } => Some([peak_memory_bytes, peak_disk_bytes, processor_milliseconds]),
        _ => None,
    });
    let took = took.unwrap();
    println!("{provider} took {took:?}: bytes of memory and disk, milliseconds");
    // An agent alone is larger, and none is done in a second. What else frees on this disk meanwhile counts, too: of
    // disk, only a task that has one for itself knows.
    let [memory_bytes, _, milliseconds] = took;
    assert!(
        memory_bytes > 100_000_000 && milliseconds > 1_000,
        "{took:?}"
    );
    job
}

#[test]
fn claude_code_creates_an_application_that_is_proven() {
    created_by("claude");
}

/// The application of one job is changed by the next: what was tested stays tested.
#[test]
fn codex_creates_an_application_and_changes_it() {
    let mut job = created_by("codex");
    let Some(Body::Checkpoint { commit, .. }) = job
        .bodies()
        .into_iter()
        .rfind(|body| matches!(body, Body::Checkpoint { .. }))
    else {
        panic!("no checkpoint");
    };
    let bundle_uri = format!("{}/app.bundle", job.spec.artifact_uri);
    job.spec.kind = JobKind::Change;
    job.spec.description = "A plant can have a note.".to_owned();
    job.spec.start_from = Some(StartFrom { bundle_uri, commit });
    job.spec.attempt = app_gen_contract::Attempt::default();
    job.events.clear();
    job.variables = vec![("MODEL_SCRIPT".to_owned(), "change".to_owned())];
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let made: BTreeMap<String, String> = job.application().into_iter().collect();
    assert!(made["server/store.js"].contains("note"), "{made:?}");
    assert!(made.contains_key("server/note.test.js"));
    let checks = job.bodies().into_iter().find_map(|body| match body {
        Body::Check { name, detail, .. } if name == "tests_kept" => detail,
        _ => None,
    });
    assert_eq!(checks.as_deref(), Some("tests: 4, before: 3"));
    let Some(Body::Commit { diff, message, .. }) = job
        .bodies()
        .into_iter()
        .find(|body| matches!(body, Body::Commit { .. }))
    else {
        panic!("no commit");
    };
    assert!(diff.contains("+test('a plant has a note'"), "{diff}");
    assert!(
        message.starts_with("A plant can have a note now."),
        "{message}"
    );
}

/// A new application that begins with another one as its template: it has all roles, and what its builder
/// committed is the difference to the template and nothing else.
#[test]
fn claude_code_makes_an_application_of_a_template() {
    let mut job = created_by("claude");
    let commit = job.bodies().into_iter().rev().find_map(|body| match body {
        Body::Artifact { commit, .. } => commit,
        _ => None,
    });
    let bundle_uri = format!("{}/app.bundle", job.spec.artifact_uri);
    job.spec.description = "A plant diary with notes.".to_owned();
    job.spec.start_from = Some(StartFrom {
        bundle_uri,
        commit: commit.unwrap(),
    });
    job.spec.attempt = app_gen_contract::Attempt::default();
    job.events.clear();
    job.variables = vec![("MODEL_SCRIPT".to_owned(), "from-template".to_owned())];
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let mut expected = plant_diary();
    let made: BTreeMap<String, String> = job.application().into_iter().collect();
    for changed in ["server/store.js", "server/app.js", "server/note.test.js"] {
        let content = made.get(changed).unwrap();
        assert!(content.contains("note"), "{changed}: {content}");
        expected.insert(changed.to_owned(), content.clone());
    }
    assert_eq!(made, expected);
    let Some(Body::Commit { diff, .. }) = job
        .bodies()
        .into_iter()
        .find(|body| matches!(body, Body::Commit { .. }))
    else {
        panic!("no commit");
    };
    let files = diff.lines().filter(|line| line.starts_with("diff --git "));
    assert_eq!(files.count(), 3, "{diff}");
    let spoke = job.bodies();
    let spoke = |wanted: &str| {
        spoke
            .iter()
            .any(|body| matches!(body, Body::Activity { role, .. } if role == wanted))
    };
    assert!(spoke("pm") && spoke("reviewer") && spoke("devops"));
}

/// The first code does not pass its tests; what came out of them is the builder's next task.
#[test]
fn a_failing_test_is_repaired() {
    let mut job = Job::create("codex", "repair");
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let outcomes: Vec<CheckOutcome> = job
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            Body::Check { name, outcome, .. } if name == "test" => Some(outcome),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, [CheckOutcome::Failed, CheckOutcome::Passed]);
    let made: BTreeMap<String, String> = job.application().into_iter().collect();
    assert_eq!(made, plant_diary());
}

/// No application may hold a link; that is the builder's next task, and not the end.
#[test]
fn a_link_in_the_workspace_is_taken_away() {
    let mut job = Job::create("claude", "links");
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let made: BTreeMap<String, String> = job.application().into_iter().collect();
    assert_eq!(made, plant_diary());
}
