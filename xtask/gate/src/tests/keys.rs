//! The access key and what is made of it.

use crate::access::{self, Caller, OPERATOR, is_key};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn the_key_is_random_stays_and_is_only_its_users() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("key"), folder.path().join("other"));
    access::create_key(&path).unwrap();
    access::create_key(&other).unwrap();
    let key = access::read_key(&path).unwrap();
    assert_eq!(key.len(), 64);
    assert_ne!(key, access::read_key(&other).unwrap());

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    access::create_key(&path).unwrap();
    assert_eq!(access::read_key(&path).unwrap(), key);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::write(&path, "short").unwrap();
    assert!(access::read_key(&path).is_err());
    access::create_key(&path).unwrap();
    assert_ne!(access::read_key(&path).unwrap(), key);
}

#[test]
fn an_id_says_what_may_be_reached_and_nothing_else_is_an_id() {
    let credentials = access::generator("key", "s3://ours/some/jobs/1", None).unwrap();
    assert_eq!(credentials.id, "generator~ours~some~jobs~1");
    let Some(Caller::Generator(place)) = Caller::of(&credentials.id) else {
        panic!("{credentials:?}");
    };
    assert_eq!((&*place.bucket, &*place.prefix), ("ours", "some/jobs/1"));
    let credentials = access::generator("key", "s3://ours/jobs/1", Some("ann")).unwrap();
    assert_eq!(credentials.id, "keyed-generator~ann~ours~jobs~1");
    let Some(Caller::Generator(place)) = Caller::of(&credentials.id) else {
        panic!("{credentials:?}");
    };
    assert_eq!(
        (&*place.prefix, place.tenant.as_deref()),
        ("jobs/1", Some("ann"))
    );
    for tenant in ["", "..", "a~b", "a/b"] {
        let found = access::generator("key", "s3://ours/jobs/1", Some(tenant));
        let reached = found.and_then(|found| match Caller::of(&found.id)? {
            Caller::Generator(place) => place.tenant,
            _ => None,
        });
        assert!(reached.is_none_or(|reached| reached != tenant), "{tenant}");
    }
    let credentials = access::orchestrator("key", "s3://ours/").unwrap();
    assert_eq!(credentials.id, "orchestrator~ours");
    for id in [OPERATOR, "123456789012"] {
        assert_eq!(Caller::of(id), Some(Caller::Operator));
    }
    for uri in [
        "ours/a",
        "s3://",
        "s3://ours",
        "s3://ours/../a",
        "s3://ours//a",
        "s3://ours/a~b",
        "s3://ours/a/%2e",
    ] {
        assert!(access::generator("key", uri, None).is_none(), "{uri}");
    }
    for id in [
        "",
        "Operator",
        "operator~",
        "root",
        "generator",
        "generator~",
        "generator~ours",
        "generator~~a",
        "orchestrator",
    ] {
        assert!(Caller::of(id).is_none() || id == OPERATOR, "{id}");
    }
}

#[test]
fn no_secret_is_made_of_another() {
    let secrets = [
        access::operator("key").secret,
        access::orchestrator("key", "s3://ours").unwrap().secret,
        access::orchestrator("key", "s3://ours/a").unwrap().secret,
        access::generator("key", "s3://ours/jobs/1", None)
            .unwrap()
            .secret,
        access::generator("key", "s3://ours/jobs/2", None)
            .unwrap()
            .secret,
        access::generator("another", "s3://ours/jobs/1", None)
            .unwrap()
            .secret,
    ];
    for (place, secret) in secrets.iter().enumerate() {
        assert!(!secrets[..place].contains(secret));
    }
    assert!(is_key("key", "key"));
    for given in ["", "ke", "key ", "Key", "keykey"] {
        assert!(!is_key("key", given), "{given}");
    }
    assert!(!format!("{:?}", access::operator("key")).contains("key"));
}
