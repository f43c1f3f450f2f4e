//! To GitHub: end to end, with its refusals, and killed at every call.

use crate::git::git;
use crate::hub::{ACME, BOT, CLOSED, Fault, Hold, Hub, Repository, TOKEN};
use crate::job::{Job, PROJECT, has_text, kill_when_held, side_by_side};
use app_gen_contract::{ApprovalPoint, Body, Decided, Decision, DeliveryTarget, JobSpec};

const NAME: &str = "plant-diary";

fn target(owner: Option<&str>) -> DeliveryTarget {
    DeliveryTarget::Github {
        owner: owner.map(str::to_owned),
        repository: NAME.to_owned(),
        public: false,
        pull_request: false,
    }
}

/// The variables with which a generator finds the stand-in.
fn environment(hub: &Hub) -> [(&'static str, String); 3] {
    let address = hub.address;
    [
        ("GITHUB_API_URL", format!("http://{address}/api")),
        ("GITHUB_SERVER_URL", format!("http://{address}/git")),
        ("GITHUB_BOT_TOKEN", TOKEN.to_owned()),
    ]
}

fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let pairs = variables.iter();
    pairs.map(|(name, value)| (*name, value.as_str())).collect()
}

/// The one repository there is, and its commit.
fn repository(hub: &Hub) -> (String, Option<String>) {
    let names: Vec<String> = {
        let state = hub.shared.state.lock().unwrap();
        state.repositories.keys().cloned().collect()
    };
    let [name] = names.as_slice() else {
        panic!("there are other repositories than one: {names:?}");
    };
    (name.clone(), hub.shared.commit(name, "main"))
}

fn calls(hub: &Hub) -> usize {
    hub.shared.state.lock().unwrap().calls.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_version_becomes_a_repository_and_a_second_time_changes_nothing() {
    let (job, hub) = (Job::new(), Hub::start().await);
    let variables = environment(&hub);
    let own = format!("{BOT}/{NAME}");
    for number in [1, 2] {
        let ended = job.run(&job.spec(number, target(None)), &borrowed(&variables));
        let url = format!("https://github.com/{own}");
        assert_eq!(ended.delivered(), (&*url, Some(&*job.commit)));
        assert_eq!(
            ended.last(),
            &Body::Succeeded {
                summary: format!("Version 3 is at {url}"),
            }
        );
        assert_eq!(repository(&hub), (own.clone(), Some(job.commit.clone())));
    }
    let description = format!("Plant diary (App-Gen project {PROJECT})");
    let of_hub = |hub: &Hub| {
        hub.shared.state.lock().unwrap().repositories[&own]
            .description
            .clone()
    };
    assert_eq!(of_hub(&hub), Some(description));
    assert!(!has_text(&job.path(), TOKEN), "the token is kept nowhere");

    // A look says what is there, and what is there in the place of it.
    let mut look = job.spec(3, target(None));
    let url = format!("https://github.com/{own}");
    look.delivery.as_mut().unwrap().check_url = Some(url.clone());
    let before = calls(&hub);
    for commit in [&job.commit, &job.older] {
        look.start_from.as_mut().unwrap().commit.clone_from(commit);
        let looked = job.run(&look, &borrowed(&variables));
        assert_eq!(looked.delivered(), (&*url, Some(&*job.commit)));
        look.attempt.number += 1;
    }
    let state = hub.shared.state.lock().unwrap();
    let asked = &state.calls[before..];
    assert!(!asked.is_empty(), "nobody looked");
    assert!(
        asked.iter().all(|call| call.starts_with("GET /api/")),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_newer_version_goes_on_and_an_older_one_is_refused() {
    let (job, hub) = (Job::new(), Hub::start().await);
    let variables = environment(&hub);
    let deliver = |number: u32, commit: &String| {
        let mut spec = job.spec(number, target(None));
        spec.start_from.as_mut().unwrap().commit.clone_from(commit);
        job.run(&spec, &borrowed(&variables))
    };
    for (number, commit) in [(1, &job.older), (2, &job.commit)] {
        let ended = deliver(number, commit);
        assert_eq!(ended.delivered().1, Some(commit.as_str()));
        assert_eq!(repository(&hub).1.as_ref(), Some(commit));
    }
    let refused = deliver(3, &job.older);
    let (reason, hint) = refused.failure();
    assert_eq!(
        reason,
        "the branch main of app-gen-bot/plant-diary has commits that this version does not have"
    );
    assert!(!hint.is_empty(), "{reason}");
    assert_eq!(repository(&hub).1, Some(job.commit.clone()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_any_call_leaves_one_repository_with_the_commit() {
    let (job, hub) = (Job::new(), Hub::start().await);
    let variables = environment(&hub);
    job.run(&job.spec(1, target(None)), &borrowed(&variables));
    let all = calls(&hub);
    assert!(all > 5, "a delivery makes {all} calls");
    let holds = (1..=all).flat_map(|number| [Hold::Before(number), Hold::After(number)]);
    side_by_side(holds.map(killed_at)).await;
}

async fn killed_at(hold: Hold) {
    let (job, hub) = (Job::new(), Hub::start().await);
    kill(&job, &hub, hold, target(None)).await;
    let expected = (format!("{BOT}/{NAME}"), Some(job.commit.clone()));
    assert_eq!(repository(&hub), expected, "{hold:?}");
}

/// Kills an attempt at a call, and has the next one deliver.
async fn kill(job: &Job, hub: &Hub, hold: Hold, target: DeliveryTarget) {
    let variables = environment(hub);
    hub.shared.state.lock().unwrap().hold = Some(hold);
    let first = job.start(&job.spec(1, target.clone()), &borrowed(&variables));
    assert!(kill_when_held(first, &hub.shared.held).await, "{hold:?}");
    hub.shared.state.lock().unwrap().hold = None;
    let second = job.run(&job.spec(2, target), &borrowed(&variables));
    assert_eq!(second.delivered().1, Some(&*job.commit), "{hold:?}");
}

/// To a repository of somebody's, as a pull request.
fn pulled() -> DeliveryTarget {
    DeliveryTarget::Github {
        owner: Some(ACME.to_owned()),
        repository: NAME.to_owned(),
        public: false,
        pull_request: true,
    }
}

/// GitHub with that repository, which has nothing in common with the application.
async fn with_theirs() -> Hub {
    let hub = Hub::start().await;
    let full_name = format!("{ACME}/{NAME}");
    let theirs = Repository {
        default_branch: "main".to_owned(),
        ..Repository::default()
    };
    hub.shared.create(&full_name, theirs);
    let (folder, bare) = (tempfile::tempdir().unwrap(), hub.shared.path(&full_name));
    let (path, bare) = (folder.path(), bare.to_str().unwrap());
    git(path, &["init", "--quiet", "--initial-branch=main"]).unwrap();
    let words = "--message=Theirs";
    git(path, &["commit", "--quiet", "--allow-empty", words]).unwrap();
    git(path, &["push", "--quiet", bare, "HEAD:refs/heads/main"]).unwrap();
    hub
}

fn assert_one_pull(job: &Job, hub: &Hub, case: &str) {
    let (full_name, main) = repository(hub);
    assert_eq!(full_name, format!("{ACME}/{NAME}"), "{case}");
    let branch = {
        let state = hub.shared.state.lock().unwrap();
        let pulls = &state.repositories[&full_name].pulls;
        assert_eq!(pulls.len(), 1, "{case}");
        assert!(pulls[0].is_open, "{case}");
        pulls[0].branch.clone()
    };
    let bare = hub.shared.path(&full_name);
    for commit in [&job.commit, &main.unwrap()] {
        let is_there = git(&bare, &["merge-base", "--is-ancestor", commit, &branch]);
        assert!(is_there.is_some(), "{case}: {commit} is not pulled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_any_call_leaves_one_pull_request_with_the_commit() {
    let (job, hub) = (Job::new(), with_theirs().await);
    let variables = environment(&hub);
    let ended = job.run(&job.spec(1, pulled()), &borrowed(&variables));
    let url = format!("https://github.com/{ACME}/{NAME}/pull/1");
    assert_eq!(ended.delivered(), (&*url, Some(&*job.commit)));
    assert_one_pull(&job, &hub, "nothing is killed");
    let all = calls(&hub);
    assert!(all > 5, "a delivery makes {all} calls");
    let holds = (1..=all).flat_map(|number| [Hold::Before(number), Hold::After(number)]);
    side_by_side(holds.map(pull_killed_at)).await;
}

async fn pull_killed_at(hold: Hold) {
    let (job, hub) = (Job::new(), with_theirs().await);
    kill(&job, &hub, hold, pulled()).await;
    assert_one_pull(&job, &hub, &format!("{hold:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_goes_wrong_is_said_with_what_to_do() {
    let own = format!("{BOT}/{NAME}");
    for (case, token, owner, reason, hint) in [
        (
            "no token",
            "",
            None,
            "there is no token for this target: GITHUB_BOT_TOKEN is not set",
            "cargo xtask secrets set deliverer GITHUB_BOT_TOKEN",
        ),
        (
            "broken token",
            "ghp two",
            None,
            "the token of GitHub cannot be used: ",
            "copy the token again",
        ),
        (
            "other token",
            "ghp_other",
            None,
            "GitHub refuses the token: ",
            "make a new token",
        ),
        (
            "no right",
            TOKEN,
            Some(CLOSED),
            "the token may not ",
            "use a token with the scope `repo`",
        ),
        (
            "name taken",
            TOKEN,
            None,
            "the name app-gen-bot/plant-diary is taken by a repository that is not this project's",
            "choose another name",
        ),
    ] {
        let (job, hub) = (Job::new(), Hub::start().await);
        if case == "name taken" {
            let theirs = Repository {
                description: Some("Somebody's".to_owned()),
                default_branch: "main".to_owned(),
                ..Repository::default()
            };
            hub.shared.create(&own, theirs);
        }
        let mut variables = environment(&hub);
        variables[2].1 = token.to_owned();
        let ended = job.run(&job.spec(1, target(owner)), &borrowed(&variables));
        assert_eq!(ended.exit_code, Some(1), "{case}");
        let told = ended.failure();
        assert!(told.0.starts_with(reason), "{case}: {told:?}");
        assert!(told.1.contains(hint), "{case}: {told:?}");
        let is_secret = !token.is_empty();
        assert!(
            !(is_secret && ended.output.contains(token)),
            "{case}: the token is shown"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_is_waited_for_by_nobody_here() {
    let (job, hub) = (Job::new(), Hub::start().await);
    hub.shared.state.lock().unwrap().faults.push(Fault {
        call: "GET /api/",
        times: 1,
        status: 429,
        headers: vec![("retry-after", "7200".to_owned())],
        body: r#"{"message":"You have exceeded a secondary rate limit.","documentation_url":"https://docs.github.com/rest","status":"429"}"#.to_owned(),
    });
    let ended = job.run(&job.spec(1, target(None)), &borrowed(&environment(&hub)));
    assert_eq!(ended.exit_code, Some(4), "{ended:?}");
    let Body::WaitingLimit {
        provider, until, ..
    } = ended.last()
    else {
        panic!("{ended:?}");
    };
    assert_eq!(provider, "github");
    let last = ended.events.last().unwrap().time;
    let wait = (until.unwrap() - last).whole_minutes();
    assert!((110..=120).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_asked_before_a_person_has_approved() {
    let (job, hub) = (Job::new(), Hub::start().await);
    let variables = environment(&hub);
    let spec = |number: u32, decision: Option<Decision>| {
        let mut spec: JobSpec = job.spec(number, target(None));
        spec.approvals.insert(ApprovalPoint::BeforePublish);
        spec.attempt.decision = decision.map(|decision| Decided {
            point: ApprovalPoint::BeforePublish,
            decision,
        });
        spec
    };
    let asked = job.run(&spec(1, None), &borrowed(&variables));
    assert_eq!(asked.exit_code, Some(3));
    assert_eq!(
        asked.last(),
        &Body::WaitingApproval {
            point: ApprovalPoint::BeforePublish,
            question:
                "May version 3 of \"Plant diary\" be delivered to the repository plant-diary on GitHub?"
                    .to_owned(),
            artifact_uri: None,
        }
    );
    let words = || "not yet".to_owned();
    for (number, decision, reason) in [
        (
            2,
            Decision::Rejected { reason: words() },
            "the delivery was rejected: not yet",
        ),
        (
            3,
            Decision::Deferred { notes: words() },
            "the delivery was put off until this is done: not yet",
        ),
    ] {
        let ended = job.run(&spec(number, Some(decision)), &borrowed(&variables));
        assert_eq!(ended.failure().0, reason);
    }
    assert_eq!(calls(&hub), 0);
    let approved = job.run(&spec(4, Some(Decision::Approved)), &borrowed(&variables));
    assert_eq!(approved.delivered().1, Some(&*job.commit));
}
