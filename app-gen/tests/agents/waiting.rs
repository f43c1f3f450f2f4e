//! Jobs that wait: for a limit, or for a person.

use crate::support::Job;
use app_gen_contract::{ApprovalPoint, Body, Choice, Decided, Decision, Fallback, exit};
use time::OffsetDateTime;

#[test]
fn a_limit_is_waited_for_without_a_container_and_the_work_goes_on() {
    let mut job = Job::create("codex", "pauses");
    let began = OffsetDateTime::now_utc();
    assert_eq!(
        job.attempt(),
        Some(i32::from(exit::WAITING_LIMIT)),
        "{:?}",
        job.ending()
    );
    let Body::WaitingLimit {
        provider, until, ..
    } = job.ending()
    else {
        panic!("{:?}", job.ending());
    };
    assert_eq!(provider, "codex");
    let wait = until.unwrap() - began;
    assert!((15..90).contains(&wait.whole_seconds()), "{wait}");
    let used = job.spec.attempt.used;
    assert!(job.spec.attempt.checkpoint.is_some());

    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let bodies = job.bodies();
    let plans = bodies
        .iter()
        .filter(|body| matches!(body, Body::Stage { name, .. } if name == "plan"));
    assert_eq!(plans.count(), 2, "what was planned is not planned again");
    assert!(job.spec.attempt.used.micro_usd > used.micro_usd);
    assert!(
        job.application()
            .iter()
            .any(|(path, _)| path == "server/app.js")
    );
}

#[test]
fn another_provider_goes_on_at_once_in_the_same_workspace() {
    let mut job = Job::create("claude", "switches");
    let choice = Choice {
        fallback: Some(Fallback {
            provider: "codex".to_owned(),
            model: None,
        }),
        ..Choice::default()
    };
    job.spec.roles.insert("builder".to_owned(), choice);
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let mut by: Vec<String> = job
        .bodies()
        .into_iter()
        .filter_map(|body| match body {
            Body::Usage { role, provider, .. } if role == "builder" => Some(provider),
            _ => None,
        })
        .collect();
    by.dedup();
    assert_eq!(by, ["claude", "codex"]);
    let Some(Body::Commit { message, .. }) = job
        .bodies()
        .into_iter()
        .find(|body| matches!(body, Body::Commit { .. }))
    else {
        panic!("no commit");
    };
    assert!(
        message.starts_with("The plant diary that somebody else began"),
        "{message}"
    );
}

#[test]
fn a_person_decides_before_it_is_built_and_before_it_is_published() {
    let mut job = Job::create("codex", "create");
    job.spec.approvals = [ApprovalPoint::BeforeBuild, ApprovalPoint::BeforePublish].into();
    let asks = |job: &Job| match job.ending() {
        Body::WaitingApproval {
            point,
            artifact_uri,
            question,
        } => {
            assert!(!question.is_empty());
            (point, artifact_uri.is_some())
        }
        other => panic!("{other:?}"),
    };
    let decide = |job: &mut Job, decision| {
        let (point, _) = asks(job);
        job.spec.attempt.decision = Some(Decided { point, decision });
    };
    let waits = Some(i32::from(exit::WAITING_APPROVAL));
    assert_eq!(job.attempt(), waits, "{:?}", job.ending());
    assert_eq!(asks(&job), (ApprovalPoint::BeforeBuild, false));

    let notes = "It also needs a search.".to_owned();
    decide(&mut job, Decision::Deferred { notes });
    assert_eq!(job.attempt(), waits, "{:?}", job.ending());
    assert_eq!(asks(&job), (ApprovalPoint::BeforeBuild, false));

    decide(&mut job, Decision::Approved);
    assert_eq!(job.attempt(), waits, "{:?}", job.ending());
    assert_eq!(asks(&job), (ApprovalPoint::BeforePublish, true));
    assert!(!job.application().is_empty());

    decide(&mut job, Decision::Approved);
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let plans = job
        .bodies()
        .into_iter()
        .filter(|body| matches!(body, Body::Stage { name, detail: Some(_), .. } if name == "plan"));
    assert_eq!(
        plans.count(),
        2,
        "it was planned, and once more with the notes"
    );
    let builds = job.bodies().into_iter().filter(
        |body| matches!(body, Body::Stage { name, detail: Some(_), .. } if name == "build"),
    );
    assert_eq!(builds.count(), 1);
}
