//! Versions that do not become healthy, and what becomes of the machine.

use crate::world::{World, commit};
use app_gen_fly::{Error, GoneBack, Step};

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_healthy_gives_way_to_the_one_before() {
    let mut world = World::new(false).await;
    world.deliver().await.unwrap();
    world.change();
    let sick = world.source.commit.clone();
    world.server.fly.lock().unwrap().sick.insert(sick);
    let error = world.deliver().await.unwrap_err();
    let app = world.app();
    assert_eq!(
        error.to_string(),
        format!(
            "commit {} is not healthy on {app}: within 1 s, the health check \
             servicecheck-00-http-8080 is critical: 500 Internal Server Error; commit {} serves again",
            commit(2),
            commit(1)
        )
    );
    assert!(!error.retryable() && error.next().contains(&format!("fly logs --app {app}")));
    let steps = world.steps.lock().unwrap().clone();
    assert!(steps.contains(&Step::GoBack { to: commit(1) }));
    assert_eq!(world.running(), commit(1));

    // And the next one comes after it.
    world.change();
    let delivered = world.deliver().await.unwrap();
    world.assert_delivered(&delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_ends_is_noticed_with_its_code() {
    let mut world = World::new(false).await;
    world.deliver().await.unwrap();
    world.change();
    let crashing = world.source.commit.clone();
    world.server.fly.lock().unwrap().crashing.insert(crashing);
    let text = world.deliver().await.unwrap_err().to_string();
    let expected = format!(
        "the application ends with code 1; commit {} serves again",
        commit(1)
    );
    assert!(text.ends_with(&expected), "{text}");
    assert_eq!(world.running(), commit(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_has_nothing_to_go_back_to_and_leaves_no_machine() {
    let world = World::new(false).await;
    let sick = world.source.commit.clone();
    world.server.fly.lock().unwrap().sick.insert(sick.clone());
    match world.deliver().await.unwrap_err() {
        Error::Health { gone_back, .. } => assert_eq!(gone_back, GoneBack::Removed),
        other => panic!("{other}"),
    }
    assert_eq!(world.running(), "");
    world.server.fly.lock().unwrap().sick.remove(&sick);
    let delivered = world.deliver().await.unwrap();
    world.assert_delivered(&delivered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_to_go_back_is_said_beside_its_reason() {
    let mut world = World::new(false).await;
    world.deliver().await.unwrap();
    world.change();
    for number in [1, 2] {
        let mut fly = world.server.fly.lock().unwrap();
        fly.sick.insert(commit(number));
    }
    let text = world.deliver().await.unwrap_err().to_string();
    let first = commit(1);
    assert!(
        text.contains(&format!(
            "; going back failed: commit {first}: within 1 s, "
        )),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_does_not_answer_with_the_commit_is_no_delivery() {
    let mut world = World::new(false).await;
    world.endpoints.public_url = format!("http://{}/elsewhere/{{app}}", world.server.host);
    let error = world.deliver().await.unwrap_err();
    let (url, first) = (&world.endpoints.public_url, commit(1));
    let url = url.replace("{app}", &world.app());
    assert_eq!(
        error.to_string(),
        format!(
            "{url} does not answer with commit {first} within 1 s: it answers 502; there is no \
             version to go back to, and the machine keeps running"
        )
    );
    assert!(error.retryable() && error.next().contains(&url));
    assert_eq!(world.running(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cloned_by_hand_is_removed_and_what_stands_still_is_started() {
    let world = World::new(false).await;
    let delivered = world.deliver().await.unwrap();
    {
        let mut fly = world.server.fly.lock().unwrap();
        let app = fly.apps.get_mut(&world.app()).unwrap();
        let (config, instance) = {
            let machine = app.machines.values_mut().next().unwrap();
            machine.state = "stopped";
            (machine.config.clone(), machine.instance.clone())
        };
        let mut clone = crate::fly::Machine::of_others();
        (clone.config, clone.instance) = (config, instance);
        app.machines.insert("clone".to_owned(), clone);
    }
    let again = world.deliver().await.unwrap();
    assert_eq!(again, delivered);
    world.assert_delivered(&again).await;
    let fly = world.server.fly.lock().unwrap();
    assert!(fly.operations.contains(&"Machines_start"));
}
