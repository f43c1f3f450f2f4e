//! The table of faults: each has an error of its own, with what failed, on what, why, and what to do next.

use crate::fly::{Machine, ORGANIZATION, TOKEN};
use crate::server::Moment;
use crate::world::World;
use app_gen_fly::{Error, Step, Token};
use serde_json::json;
use std::time::Duration;

/// The error of a delivery in a world that was prepared for it.
async fn error_of(prepare: impl FnOnce(&mut World)) -> (World, Error) {
    let mut world = World::new(false).await;
    prepare(&mut world);
    let error = world.deliver().await.unwrap_err();
    let printed = format!("{error} {error:?} {} {:?}", error.next(), world.token);
    assert!(!printed.contains("hidden-words"), "{printed}");
    assert!(!error.next().is_empty());
    (world, error)
}

/// Holds the text of an error, in which APP stands for the app's name, and whether it is worth another try.
async fn assert_error(text: &str, is_retryable: bool, prepare: impl FnOnce(&mut World)) -> Error {
    let (world, error) = error_of(prepare).await;
    let text = text.replace("APP", &world.app());
    let text = text.replace("HOST", &world.server.host);
    assert_eq!(error.to_string(), text);
    assert_eq!(error.retryable(), is_retryable, "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none() {
    let text = "Fly.io does not accept the token in FLY_API_TOKEN: unauthorized";
    let error = assert_error(text, false, |world| world.token = Token::new("wrong")).await;
    assert!(error.next().contains("fly tokens create org"));
    let text =
        "Fly.io does not accept the token in FLY_API_TOKEN: it has characters that no token has";
    assert_error(text, false, |world| world.token = Token::new("a\nb")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken() {
    let text = "the name APP is taken by another app of Fly.io";
    let error = assert_error(text, false, |world| world.occupy("somebody-else", None)).await;
    assert_eq!(
        error.next(),
        "choose another name for the app in the target, and deliver again"
    );
    // Or it is taken a moment before.
    assert_error(text, false, |world| {
        let body = json!({ "error": "Name has already been taken", "status": "name_taken" });
        world.fail("Apps_create", 422, body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_ours_that_is_another_projects() {
    let text = "the app APP is not this project's: its machine e28650dce9d986 runs something else";
    let (world, error) =
        error_of(|world| world.occupy(ORGANIZATION, Some(Machine::of_others()))).await;
    assert_eq!(error.to_string(), text.replace("APP", &world.app()));
    // It is looked at, and nothing else.
    {
        let fly = world.server.fly.lock().unwrap();
        assert_eq!(fly.operations, ["Apps_show", "Machines_list"]);
    }
    let error = world.destroy().await.unwrap_err();
    assert_eq!(error.to_string(), text.replace("APP", &world.app()));

    let text = "the app APP is not this project's: it is in the organization work";
    assert_error(text, false, |world| world.occupy("work", None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_a_chosen_name_and_nothing_of_ours_is_not_removed() {
    let mut world = World::new(false).await;
    world.target.app = Some("plants".to_owned());
    world.occupy(ORGANIZATION, None);
    let error = world.destroy().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the app plants is not this project's: it has no machine that says so"
    );
    assert_eq!(world.server.fly.lock().unwrap().apps.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_the_right() {
    let text = "the token in FLY_API_TOKEN may not create the app APP in others: not authorized to \
                create apps in this organization";
    assert_error(text, false, |world| {
        world.target.organization = "others".to_owned();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_or_a_bill() {
    let text = "Fly.io refuses to create the machine of APP, for a quota or for billing: We need your \
                payment information to continue!";
    let error = assert_error(text, false, |world| {
        let body = json!({ "error": "We need your payment information to continue!" });
        world.fail("Machines_create", 422, body);
    });
    assert!(error.await.next().contains("Billing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_full() {
    let text = "Fly.io has no capacity to create the machine of APP: no room in fra";
    let error = assert_error(text, true, |world| {
        let body = json!({ "error": "no room in fra", "status": "insufficient_capacity" });
        world.fail("Machines_create", 422, body);
    });
    assert!(error.await.next().contains("another region"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_refuses_the_image() {
    let (world, error) = error_of(|world| {
        world.endpoints.repository = "app-gen-fly-refused/{app}".to_owned();
        let denied = json!({ "errors": [{ "code": "DENIED", "message": format!("for {TOKEN}") }] });
        world.fail("Registry_push", 403, denied);
    })
    .await;
    let (host, app) = (&world.server.host, world.app());
    let text = error.to_string();
    let begins =
        format!("failed to push the image {host}/app-gen-fly-refused/{app}: {host} refuses");
    assert!(text.starts_with(&begins), "{text}");
    assert!(text.contains("it answers 403: DENIED for "), "{text}");
    assert!(error.next().contains("may push images") && !error.retryable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_not_there() {
    let digest = "0".repeat(64);
    let (world, error) = error_of(|world| {
        let host = &world.server.host;
        world.endpoints.base_image = format!("{host}/app-gen-fly-none@sha256:{digest}");
    })
    .await;
    let text = error.to_string();
    let host = &world.server.host;
    let part = format!("{host} does not give the manifest sha256:{digest}: it answers 404");
    assert!(text.contains(&part) && !error.retryable(), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_requests() {
    let limit = || json!({ "error": "rate limit exceeded" });
    let text = "Fly.io limits requests to list the machines of APP; it asks to wait 3600 s";
    let error = assert_error(text, true, |world| {
        world.fail_after("Machines_list", 429, limit(), Some("3600"), usize::MAX);
    });
    assert_eq!(
        error.await.next(),
        "deliver again in 3600 s: what is done is kept"
    );
    // A short one is waited for.
    let world = World::new(false).await;
    world.fail_after("Machines_list", 429, limit(), Some("1"), 1);
    let delivered = world.deliver().await.unwrap();
    world.assert_delivered(&delivered).await;
    let steps = world.steps.lock().unwrap();
    assert!(steps.contains(&Step::Wait { seconds: 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_out_of_order() {
    let text = "failed to look for the app APP: Fly.io answers 503: maintenance";
    assert_error(text, true, |world| {
        world.fail("Apps_show", 503, json!({ "error": "maintenance" }));
    })
    .await;
    let (world, error) = error_of(|world| world.fail("Machines_list", 200, json!({}))).await;
    let begins = format!(
        "failed to list the machines of {}: Fly.io answers 200: the answer is none that its \
         documentation has: ",
        world.app()
    );
    assert!(error.to_string().starts_with(&begins), "{error}");
    assert!(!error.retryable());
    let (_, error) = error_of(|world| {
        world.endpoints.machines = "http://127.0.0.1:1".to_owned();
    })
    .await;
    assert!(
        error.to_string().starts_with("failed to look for the app ") && error.retryable(),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_does_not_answer_in_time() {
    let text = "failed to look for the app APP: there is no answer in time";
    assert_error(text, true, |world| {
        world.endpoints.patience.request = Duration::from_millis(200);
        world.server.hold(Some((0, Moment::Before)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_somebody_else_changes() {
    let mut world = World::new(false).await;
    let delivered = world.deliver().await.unwrap();
    world.change();
    let leased = json!({ "error": "lease currently held by somebody@example.com" });
    world.fail("Machines_create_lease", 409, leased);
    let error = world.deliver().await.unwrap_err();
    let (app, machine) = (world.app(), delivered.machine);
    assert_eq!(
        error.to_string(),
        format!("the machine {machine} of {app} is being changed by somebody else")
    );
    assert!(error.retryable());
    assert_eq!(world.running(), crate::world::commit(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_does_not_start() {
    let (world, error) = error_of(|world| {
        world.fail(
            "Machines_wait",
            408,
            json!({ "error": "deadline exceeded" }),
        );
    })
    .await;
    let (app, commit) = (world.app(), &world.source.commit);
    assert_eq!(
        error.to_string(),
        format!(
            "commit {commit} is not healthy on {app}: the machine does not start; it is started; there \
             is no version to go back to, and the machine was removed"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_is_refused_before_anything_is_asked() {
    let text = "this cannot be delivered to Fly.io: \"abc\" is no full id of a commit";
    let (world, error) = error_of(|world| world.source.commit = "abc".to_owned()).await;
    assert_eq!(error.to_string(), text);
    assert!(world.server.fly.lock().unwrap().operations.is_empty());
    let text = "this cannot be delivered to Fly.io: failed to pack ../version.json: it is no path within \
                the application";
    assert_error(text, false, |world| {
        world.source.version_file = "../version.json".to_owned();
    })
    .await;
    let text = "this cannot be delivered to Fly.io: HOST/node:24 is not an image such as \
                docker.io/library/node@sha256:…: it has no digest";
    assert_error(text, false, |world| {
        world.endpoints.base_image = format!("{}/node:24", world.server.host);
        // The image is looked at before the API is.
        world.endpoints.machines = "http://127.0.0.1:1".to_owned();
    })
    .await;
}
