//! Looks at what is there.

use crate::git::git;
use crate::hub::ACME;
use crate::world::{World, repository, target};
use app_gen_github::Mode;

const FULL_NAME: &str = "acme/plant-diary";

#[tokio::test(flavor = "multi_thread")]
async fn a_look_says_which_commit_is_there_and_changes_nothing() {
    let world = World::new().await;
    let target = target(None, Mode::NewRepository);
    assert_eq!(world.look(&target, 0).await, Ok(None));
    assert_eq!(world.repositories(), [""; 0]);
    world.deliver(&target, 0).await.unwrap();
    world.calls();
    let [first, second] = [0, 1].map(|version| world.source(version).commit);
    for version in [0, 1] {
        let seen = world.look(&target, version).await;
        assert_eq!(seen, Ok(Some(first.clone())), "asked for version {version}");
    }
    let calls = world.calls();
    assert!(
        calls.iter().all(|call| call.starts_with("GET /api/")),
        "{calls:?}"
    );
    world.deliver(&target, 1).await.unwrap();
    assert_eq!(world.look(&target, 0).await, Ok(Some(second)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_there_while_it_is_open_or_once_it_is_merged() {
    let world = World::new().await;
    let theirs = world.foreign(FULL_NAME, repository("trunk"));
    let target = target(Some(ACME), Mode::PullRequest);
    let commit = world.source(1).commit;
    assert_eq!(world.look(&target, 1).await, Ok(Some(theirs.clone())));
    let delivered = world.deliver(&target, 1).await.unwrap();
    assert_ne!(delivered.head, commit, "both histories are joined");
    assert_eq!(world.look(&target, 1).await, Ok(Some(commit.clone())));

    // Somebody closes it, and its branch goes.
    let name = format!("refs/heads/{}", delivered.branch);
    let bare = world.hub.shared.path(FULL_NAME);
    git(&bare, &["update-ref", "-d", &name]).unwrap();
    world.change(FULL_NAME, |repository| repository.pulls[0].is_open = false);
    assert_eq!(world.look(&target, 1).await, Ok(Some(theirs)));

    // It was merged, by a squash.
    world.change(FULL_NAME, |repository| {
        repository.pulls[0].is_merged = true;
    });
    assert_eq!(world.look(&target, 1).await, Ok(Some(commit)));
}
