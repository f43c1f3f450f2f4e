//! Pull requests to repositories that are there.

use crate::hub::ACME;
use crate::world::{NAME, World, own, repository, target};
use app_gen_github::{Error, Mode, Source};

const PULL: Mode = Mode::PullRequest;
const FULL_NAME: &str = "acme/plant-diary";

fn branch(source: &Source) -> String {
    format!("app-gen/{}", &source.commit[..12])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_goes_on_from_one_that_is_there() {
    let world = World::new().await;
    world
        .deliver(&target(None, Mode::NewRepository), 0)
        .await
        .unwrap();
    let theirs = world.add(&own(), "main", Some("main"), &[("src/theirs.js", "x")]);
    let delivered = world.deliver(&target(None, PULL), 1).await.unwrap();
    let source = world.source(1);
    assert_eq!(delivered.branch, branch(&source));
    assert_eq!(delivered.head, source.commit);
    let url = format!("https://github.com/{}/pull/1", own());
    assert_eq!(delivered.pull_request_url, Some(url));
    let there = world.hub.shared.commit(&own(), &branch(&source));
    assert_eq!(there, Some(source.commit));
    assert_eq!(world.hub.shared.commit(&own(), "main"), Some(theirs));
    world.change(&own(), |repository| {
        assert_eq!(repository.pulls[0].title, "A diary for plants");
        assert_eq!(repository.pulls[0].base, "main");
    });

    let again = world.deliver(&target(None, PULL), 1).await.unwrap();
    assert_eq!(again, delivered);
    assert_eq!(world.pulls(&own()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_another_history_is_joined_and_loses_no_file() {
    let world = World::new().await;
    let theirs = world.foreign(FULL_NAME, repository("trunk"));
    let target = target(Some(ACME), PULL);
    let delivered = world.deliver(&target, 1).await.unwrap();
    let source = world.source(1);
    let branch = branch(&source);
    assert_eq!(delivered.commit, source.commit);
    assert_ne!(delivered.head, source.commit);
    let there = world.hub.shared.commit(FULL_NAME, &branch);
    assert_eq!(there.as_ref(), Some(&delivered.head));
    assert!(world.has(FULL_NAME, &branch, &source.commit));
    assert!(world.has(FULL_NAME, &branch, &theirs));
    let file = |path: &str| world.file(FULL_NAME, &branch, path);
    assert_eq!(file("LICENSE").as_deref(), Some("Theirs"));
    assert_eq!(file("README.md").as_deref(), Some("A diary"));
    // Theirs is a folder, which makes room for the version's file.
    assert_eq!(file("server").as_deref(), Some("a file"));
    assert_eq!(file("server/index.js"), None);
    assert_eq!(world.pulls(FULL_NAME), (1, 1));

    // The default branch moves on, and the pull request stays the one that it is.
    world.add(FULL_NAME, "trunk", Some("trunk"), &[("more", "x")]);
    let again = world.deliver(&target, 1).await.unwrap();
    assert_eq!(again, delivered);
    assert_eq!(world.pulls(FULL_NAME), (1, 1));

    // Once it is merged, also by a squash, there is nothing to do.
    world.change(FULL_NAME, |repository| {
        repository.pulls[0].is_open = false;
        repository.pulls[0].is_merged = true;
    });
    let again = world.deliver(&target, 1).await.unwrap();
    assert_eq!(again.branch, "trunk");
    assert_eq!(again.pull_request_url, delivered.pull_request_url);
    assert_eq!(world.pulls(FULL_NAME), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_takes_the_version_without_a_pull_request() {
    let world = World::new().await;
    world.hub.shared.create(FULL_NAME, repository("trunk"));
    let target = target(Some(ACME), PULL);
    let delivered = world.deliver(&target, 0).await.unwrap();
    assert_eq!(delivered.branch, "trunk");
    assert_eq!(delivered.pull_request_url, None);
    let there = world.hub.shared.commit(FULL_NAME, "trunk");
    assert_eq!(there, Some(delivered.commit.clone()));

    // And one that has it already needs none either.
    let again = world.deliver(&target, 0).await.unwrap();
    assert_eq!(again, delivered);
    assert_eq!(world.pulls(FULL_NAME), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_with_commits_of_somebody_else_is_left_alone() {
    let world = World::new().await;
    world.foreign(FULL_NAME, repository("main"));
    let branch = branch(&world.source(0));
    let theirs = world.add(FULL_NAME, &branch, Some("main"), &[("theirs", "x")]);
    let error = world
        .deliver(&target(Some(ACME), PULL), 0)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NonFastForward { .. }), "{error}");
    assert_eq!(world.hub.shared.commit(FULL_NAME, &branch), Some(theirs));
    assert_eq!(world.pulls(FULL_NAME), (0, 0));
    assert_eq!(world.repositories(), [format!("{ACME}/{NAME}")]);
}
