//! Each fault of a registry, with the error that it becomes.

use crate::pushes::{PASSWORD, World, base};
use crate::stand_in::{Fault, Registry, digest};

/// The error of a push during which a registry fails, with the names of the registries left out, and whether it
/// is worth another try.
async fn error_of(prepare: impl FnOnce(&Registry, &Registry, &mut World)) -> (String, bool) {
    let (from, to) = (Registry::start().await, Registry::start().await);
    let mut world = World::new(&from, &base(&from, "amd64"), &to);
    prepare(&from, &to, &mut world);
    let error = world.push().await.unwrap_err();
    let text = error.to_string().replace(&from.host, "BASE");
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
    (text.replace(&to.host, "TARGET"), error.retryable())
}

fn fault(on: &'static str, status: u16, body: &str) -> Fault {
    Fault {
        on,
        times: usize::MAX,
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn a_base_that_is_not_there() {
    let nothing = digest(b"nothing");
    let base = format!("base@{nothing}");
    let error = error_of(|from, _, world| {
        world.image.base = format!("{}/{base}", from.host).parse().unwrap();
    });
    let expected =
        format!("BASE does not give the manifest {nothing}: it answers 404: MANIFEST_UNKNOWN no");
    assert_eq!(error.await, (expected, false));
}

#[tokio::test]
async fn a_base_for_another_processor() {
    let error = error_of(|_, _, world| world.image.architecture = "arm64".to_owned());
    let (text, is_retryable) = error.await;
    assert!(
        text.ends_with("it is for linux/amd64 and not for linux/arm64"),
        "{text}"
    );
    assert!(!is_retryable);
}

#[tokio::test]
async fn a_base_that_is_too_large() {
    let error = error_of(|_, _, world| world.limits.base_bytes = 10);
    let (text, is_retryable) = error.await;
    assert!(
        text.ends_with("its layers have 23 bytes, and 10 are allowed"),
        "{text}"
    );
    assert!(!is_retryable);
}

#[tokio::test]
async fn a_layer_with_other_bytes_never_arrives() {
    let spoiled = digest(b"second layer");
    let (text, is_retryable) = error_of(|from, _, _| {
        from.held.lock().unwrap().spoiled.push(spoiled.clone());
    })
    .await;
    // The target sees an upload that breaks off, whatever it says to that.
    assert!(
        text.contains(&format!("for the blob {spoiled}: ")) && is_retryable,
        "{text}"
    );
}

#[tokio::test]
async fn a_registry_that_refuses_the_token() {
    let denied = r#"{"errors":[{"code":"DENIED","message":"requested access is denied"}]}"#;
    let error = error_of(|_, to, _| to.fail(fault("POST /v2/app/blobs", 403, denied)));
    let first = digest(b"first layer");
    let expected = format!(
        "TARGET refuses the blob {first}: it answers 403: DENIED requested access is denied"
    );
    assert_eq!(error.await, (expected, false));
}

#[tokio::test]
async fn a_registry_that_refuses_the_manifest() {
    let error = error_of(|_, to, _| to.fail(fault("PUT /v2/app/manifests", 413, "too large")));
    let expected = "TARGET refuses the manifest v1: it answers 413: too large";
    assert_eq!(error.await, (expected.to_owned(), false));
}

#[tokio::test]
async fn a_registry_that_limits_requests() {
    let error = error_of(|_, to, _| {
        let mut limit = fault("HEAD", 429, "");
        limit.headers.push(("retry-after", "17".to_owned()));
        to.fail(limit);
    });
    let expected = "TARGET limits requests; it asks to wait 17 s";
    assert_eq!(error.await, (expected.to_owned(), true));
}

#[tokio::test]
async fn a_registry_that_is_out_of_order_is_asked_again_and_given_up() {
    let error = error_of(|_, to, _| to.fail(fault("POST", 503, "maintenance")));
    let first = digest(b"first layer");
    let expected =
        format!("failed to reach TARGET for the blob {first}: it answers 503: maintenance");
    assert_eq!(error.await, (expected, true));

    let (from, to) = (Registry::start().await, Registry::start().await);
    let once = Fault {
        times: 1,
        ..fault("POST", 502, "")
    };
    to.fail(once);
    let world = World::new(&from, &base(&from, "amd64"), &to);
    world.push().await.unwrap();
}

#[tokio::test]
async fn a_registry_that_wants_an_upload_elsewhere_without_https() {
    let error = error_of(|_, to, _| {
        let mut elsewhere = fault("POST", 202, "");
        let place = "http://registry.example.com/upload".to_owned();
        elsewhere.headers.push(("location", place));
        to.fail(elsewhere);
    });
    let (text, _) = error.await;
    assert!(
        text.ends_with("http://registry.example.com/upload is an address without https"),
        "{text}"
    );
}

#[tokio::test]
async fn a_registry_that_does_not_answer() {
    let error = error_of(|_, _, world| world.to.registry = "127.0.0.1:1".to_owned());
    let (text, is_retryable) = error.await;
    assert!(
        text.starts_with("failed to reach 127.0.0.1:1 for the blob sha256:") && is_retryable,
        "{text}"
    );
}
