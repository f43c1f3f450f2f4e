//! A delivery that is killed (`kill -9`) before and after each of its calls, and then made again: one
//! repository, the right commit, one pull request.

use crate::hub::{ACME, Hold, TOKEN};
use crate::process::{Running, command};
use crate::world::{NAME, World, own, repository, settings, source, target};
use app_gen_github::{Delivered, Mode, Step, Target, Token, deliver};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Names the file that says what a child delivers.
const CHILD: &str = "APP_GEN_GITHUB_TEST_DELIVERY";
/// The test that is the child.
const TEST: &str = "kills::delivers_in_a_process_of_its_own";
/// How many are killed at once. Each of them is two deliveries, which mostly wait for processes.
const AT_ONCE: usize = 4;

/// A delivery that is killed.
#[derive(Clone, Copy)]
struct Plan {
    /// What is there before.
    arrange: fn(&World),
    target: fn() -> Target,
    /// What must be there afterwards.
    check: fn(&World, &Delivered),
}

/// Delivers what a file says, if there is one. It is not a test by itself.
#[test]
fn delivers_in_a_process_of_its_own() {
    let Ok(file) = std::env::var(CHILD) else {
        return;
    };
    let told: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let text = |name: &str| told[name].as_str().unwrap();
    let settings = settings(text("address").parse().unwrap());
    let target: Target = serde_json::from_value(told["target"].clone()).unwrap();
    let source = source(PathBuf::from(text("path")), text("commit"));
    let token = Token::new(TOKEN).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let silent = |_: Step| {};
    let delivery = deliver(&settings, &token, &target, &source, &silent);
    runtime.block_on(delivery).unwrap();
}

async fn killed_everywhere(plan: Plan) {
    let world = World::new().await;
    (plan.arrange)(&world);
    world.calls();
    let delivered = world.deliver(&(plan.target)(), 1).await.unwrap();
    (plan.check)(&world, &delivered);
    let calls = world.calls();
    assert!(calls.len() > 8, "{calls:#?}");
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut kills = JoinSet::new();
    for number in 1..=calls.len() {
        for hold in [Hold::Before(number), Hold::After(number)] {
            let permits = Arc::clone(&permits);
            kills.spawn(async move {
                let _permit = permits.acquire().await.unwrap();
                killed_at(plan, hold).await;
            });
        }
    }
    while let Some(ended) = kills.join_next().await {
        ended.unwrap();
    }
}

async fn killed_at(plan: Plan, hold: Hold) {
    let world = World::new().await;
    (plan.arrange)(&world);
    world.calls();
    world.hub.shared.state.lock().unwrap().hold = Some(hold);
    let folder = tempfile::tempdir().unwrap();
    let target = (plan.target)();
    let source = world.source(1);
    let told = json!({
        "address": world.hub.address.to_string(),
        "target": target,
        "path": source.path,
        "commit": source.commit,
    });
    let file = folder.path().join("told.json");
    std::fs::write(&file, told.to_string()).unwrap();
    let mut child = command(std::env::current_exe().unwrap(), folder.path());
    child
        .args(["--exact", TEST, "--nocapture"])
        .env(CHILD, &file)
        // What a killed process leaves is removed with the rest.
        .env("TMPDIR", folder.path());
    let mut running = Running::start(child, folder.path());
    let held = tokio::time::timeout(Duration::from_secs(60), world.hub.shared.held.notified());
    assert!(held.await.is_ok(), "{hold:?} never comes");
    // SIGKILL: it can do nothing more. What it started may live on for a while, as it may in a task.
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    world.hub.shared.state.lock().unwrap().hold = None;

    let delivered = world.deliver(&target, 1).await;
    let delivered = delivered.unwrap_or_else(|error| panic!("{hold:?}: {error}"));
    (plan.check)(&world, &delivered);
    // And once more: nothing is left to do.
    let again = world.deliver(&target, 1).await.unwrap();
    assert_eq!(again, delivered, "{hold:?}");
    (plan.check)(&world, &again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_repository_survives_a_kill_at_every_call() {
    killed_everywhere(Plan {
        // So that the default branch is changed, too.
        arrange: |world| {
            let mut state = world.hub.shared.state.lock().unwrap();
            state.default_branch = Some("master".to_owned());
        },
        target: || target(None, Mode::NewRepository),
        check: |world, delivered| {
            let version = &world.application.versions[1];
            assert_eq!(delivered.head, *version);
            assert_eq!(world.repositories(), [own()]);
            let there = world.hub.shared.commit(&own(), "main");
            assert_eq!(there.as_ref(), Some(version));
            assert_eq!(world.hub.shared.commit(&own(), "master"), None);
            world.change(&own(), |repository| {
                assert_eq!(repository.default_branch, "main");
                assert_eq!(repository.topics, ["app-gen", "react"]);
                assert!(repository.pulls.is_empty());
            });
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_survives_a_kill_at_every_call() {
    killed_everywhere(Plan {
        arrange: |world| {
            world.foreign(&format!("{ACME}/{NAME}"), repository("main"));
        },
        target: || target(Some(ACME), Mode::PullRequest),
        check: |world, delivered| {
            let name = format!("{ACME}/{NAME}");
            assert_eq!(world.repositories(), std::slice::from_ref(&name));
            assert_eq!(world.pulls(&name), (1, 1));
            let there = world.hub.shared.commit(&name, &delivered.branch);
            assert_eq!(there.as_ref(), Some(&delivered.head));
            let version = &world.application.versions[1];
            assert!(world.has(&name, &delivered.branch, version));
            let url = format!("https://github.com/{name}/pull/1");
            assert_eq!(delivered.pull_request_url, Some(url));
        },
    })
    .await;
}
