//! New repositories: created once, filled, read back, and known again.

use crate::hub::ACME;
use crate::world::{NAME, PROJECT, World, own, repository, target};
use app_gen_github::{Error, Mode, Step, Visibility};

const NEW: Mode = Mode::NewRepository;

/// The calls that change something.
fn changes(calls: &[String]) -> Vec<&str> {
    let changes = calls.iter().map(String::as_str).filter(|call| {
        let reads = ["GET ", "POST /git/"];
        let is_push = call.ends_with("git-receive-pack") && call.starts_with("POST ");
        is_push || !reads.iter().any(|start| call.starts_with(start))
    });
    changes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_becomes_a_repository_of_the_tokens_user() {
    let world = World::new().await;
    let [first, _] = &world.application.versions;
    let delivered = world.deliver(&target(None, NEW), 0).await.unwrap();
    assert_eq!(delivered.commit, *first);
    assert_eq!(delivered.head, *first);
    assert_eq!(delivered.branch, "main");
    assert_eq!(delivered.pull_request_url, None);
    let url = format!("https://github.com/{}", own());
    assert_eq!(delivered.repository_url, url);
    assert_eq!(
        world.hub.shared.commit(&own(), "main").as_ref(),
        Some(first)
    );
    world.change(&own(), |repository| {
        let description = format!("A diary for plants (App-Gen project {PROJECT})");
        assert_eq!(repository.description, Some(description));
        assert_eq!(repository.topics, ["app-gen", "react"]);
        assert!(repository.is_private && repository.pulls.is_empty());
        assert_eq!(repository.default_branch, "main");
    });
    let name = format!("/api/repos/{}", own());
    let calls = world.calls();
    let expected = [
        "POST /api/user/repos".to_owned(),
        format!("POST /git/{}.git/git-receive-pack", own()),
        format!("PUT {name}/topics"),
    ];
    assert_eq!(changes(&calls), expected, "{calls:#?}");
    let push = Step::Push {
        branch: "main".to_owned(),
    };
    let create = Step::CreateRepository { repository: own() };
    let told = [
        Step::ReadSource,
        Step::LookUp,
        create,
        Step::Compare,
        push,
        Step::ReadBack,
        Step::Configure,
    ];
    assert_eq!(world.steps(), told);

    // The same again changes nothing.
    let again = world.deliver(&target(None, NEW), 0).await.unwrap();
    assert_eq!(again, delivered);
    assert_eq!(changes(&world.calls()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_becomes_a_public_repository_of_an_organisation() {
    let world = World::new().await;
    let mut source = world.source(1);
    source.path = world.application.bundle();
    let mut target = target(Some(ACME), NEW);
    target.visibility = Visibility::Public;
    let delivered = world.deliver_source(&target, &source).await.unwrap();
    let name = format!("{ACME}/{NAME}");
    let there = world.hub.shared.commit(&name, "main");
    assert_eq!(there.as_ref(), Some(&delivered.commit));
    assert_eq!(delivered.commit, world.application.versions[1]);
    world.change(&name, |repository| assert!(!repository.is_private));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_version_goes_to_the_same_repository_which_its_owner_may_have_changed() {
    let world = World::new().await;
    let target = target(None, NEW);
    world.deliver(&target, 0).await.unwrap();
    world.change(&own(), |repository| {
        repository.description = Some("My diary".to_owned());
        repository.topics = vec!["garden".to_owned()];
    });
    let delivered = world.deliver(&target, 1).await.unwrap();
    let [first, second] = &world.application.versions;
    assert_eq!(
        world.hub.shared.commit(&own(), "main").as_ref(),
        Some(second)
    );
    assert_eq!(delivered.head, *second);
    world.change(&own(), |repository| {
        assert_eq!(repository.description.as_deref(), Some("My diary"));
        assert_eq!(repository.topics, ["garden", "app-gen", "react"]);
    });
    assert_eq!(world.repositories(), [own()]);

    // The first one does not go on from the second one. Its description has no mark any more.
    let error = world.deliver(&target, 0).await.unwrap_err();
    assert_eq!(error, Error::NameTaken { repository: own() });
    world.change(&own(), |repository| {
        repository.description = Some(format!("Mine (App-Gen project {PROJECT})"));
    });
    let error = world.deliver(&target, 0).await.unwrap_err();
    assert!(matches!(error, Error::NonFastForward { .. }), "{error}");
    assert!(world.has(&own(), "main", first));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_branch_is_main_and_one_that_was_renamed_stays() {
    let world = World::new().await;
    world.hub.shared.state.lock().unwrap().default_branch = Some("master".to_owned());
    let target = target(None, NEW);
    world.deliver(&target, 0).await.unwrap();
    assert_eq!(world.hub.shared.commit(&own(), "master"), None);
    world.change(&own(), |repository| {
        assert_eq!(repository.default_branch, "main")
    });

    let first = world.application.versions[0].clone();
    let bare = world.hub.shared.path(&own());
    crate::git::git(&bare, &["branch", "--move", "main", "trunk/one"]).unwrap();
    world.change(&own(), |repository| {
        repository.default_branch = "trunk/one".to_owned();
    });
    assert_eq!(world.hub.shared.commit(&own(), "trunk/one"), Some(first));
    let delivered = world.deliver(&target, 1).await.unwrap();
    assert_eq!(delivered.branch, "trunk/one");
    assert_eq!(world.hub.shared.commit(&own(), "main"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_repository_is_found_under_its_old_name() {
    let world = World::new().await;
    let name = format!("{ACME}/herbarium");
    let mut there = repository("main");
    there.description = Some(format!("(App-Gen project {PROJECT})"));
    world.hub.shared.create(&name, there);
    let old = format!("{ACME}/{NAME}");
    world
        .hub
        .shared
        .state
        .lock()
        .unwrap()
        .renamed
        .insert(old, name.clone());
    let delivered = world.deliver(&target(Some(ACME), NEW), 0).await.unwrap();
    assert!(delivered.repository_url.ends_with("/acme/herbarium"));
    let there = world.hub.shared.commit(&name, "main");
    assert_eq!(there, Some(delivered.head));
    assert_eq!(world.repositories(), [name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_installation_has_no_user_and_needs_an_owner() {
    let world = World::new().await;
    let no_user = || {
        crate::faults::fault(
            "GET /api/user",
            403,
            "Resource not accessible by integration",
        )
    };
    world
        .hub
        .shared
        .state
        .lock()
        .unwrap()
        .faults
        .push(no_user());
    let error = world.deliver(&target(None, NEW), 0).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Invalid {
                field: "the owner",
                ..
            }
        ),
        "{error}"
    );
    world
        .hub
        .shared
        .state
        .lock()
        .unwrap()
        .faults
        .push(no_user());
    world.deliver(&target(Some(ACME), NEW), 0).await.unwrap();
    assert_eq!(world.repositories(), [format!("{ACME}/{NAME}")]);
}
