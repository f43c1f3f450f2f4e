//! The lock of an environment and its records, in the local cloud's S3.

use crate::support::sdk::Sdk;
use crate::support::{Answer, Space, answer, endpoint, key};
use serde_json::{Value, json};
use xtask_aws_api::calls::s3::EmptyBucket;
use xtask_aws_api::calls::state::{
    GetRecord, ListRecords, PutRecord, ReleaseLock, RemoveRecords, RenewLock, ShowLock, TakeLock,
    WhichLock,
};
use xtask_aws_api::calls::{Envelope, Request};

/// Removes the bucket, also when the test fails.
struct StateSpace {
    space: Space,
    sdk: Sdk,
}

impl StateSpace {
    fn new(test: &str) -> Self {
        Self {
            space: Space::new(test),
            sdk: Sdk::new(),
        }
    }

    fn bucket(&self) -> String {
        format!("{}-state-000000000000", self.space.name)
    }

    fn lock(&self, command: &str) -> Answer {
        self.space.call(take(command, 900))
    }

    fn put(&self, key: &str, value: &Value, replace: bool) -> Answer {
        self.space.call(PutRecord {
            key: key.to_owned(),
            value: value.clone(),
            replace,
        })
    }
}

fn take(command: &str, ttl_secs: u64) -> TakeLock {
    TakeLock {
        command: command.to_owned(),
        ttl_secs,
    }
}

fn renew(id: &str, ttl_secs: u64) -> RenewLock {
    RenewLock {
        id: id.to_owned(),
        ttl_secs,
    }
}

fn release(id: &str) -> ReleaseLock {
    ReleaseLock {
        which: WhichLock::Id(id.to_owned()),
    }
}

fn release_any() -> ReleaseLock {
    ReleaseLock {
        which: WhichLock::Any,
    }
}

fn get(key: &str) -> GetRecord {
    GetRecord {
        key: key.to_owned(),
    }
}

fn list(prefix: &str) -> ListRecords {
    ListRecords {
        prefix: prefix.to_owned(),
        limit: 50,
    }
}

fn empty(bucket: &str) -> EmptyBucket {
    EmptyBucket {
        name: bucket.to_owned(),
    }
}

impl Drop for StateSpace {
    fn drop(&mut self) {
        self.space.call(empty(&self.bucket()));
        let _ = self
            .sdk
            .run(self.sdk.s3().delete_bucket().bucket(self.bucket()).send());
    }
}

fn id(answer: &Answer) -> &str {
    assert_eq!(answer.exit_code, Some(0), "{}", answer.stdout);
    answer.json["lock"]["id"].as_str().expect("an id")
}

fn message(answer: &Answer) -> &str {
    answer.json["error"]["message"].as_str().expect("a message")
}

#[test]
fn a_lock_has_one_holder_and_says_who() {
    let state = StateSpace::new("lock");
    let space = &state.space;
    assert_eq!(space.ok(ShowLock {}), json!({ "lock": null }));
    let none = json!({ "released": false, "lock": null });
    assert_eq!(space.ok(release_any()), none);

    let first = state.lock("deploy of this");
    let held = &first.json["lock"];
    assert_eq!(space.ok(ShowLock {}), json!({ "lock": held }));

    let second = state.lock("deploy of that");
    assert_eq!(second.exit_code, Some(7), "{}", second.stdout);
    let text = |name: &str| held[name].as_str().expect(name);
    assert_eq!(
        message(&second),
        format!(
            "environment local is locked by {} since {}: deploy of this; until {}",
            text("owner"),
            text("taken_at"),
            text("expires_at")
        )
    );
    assert_eq!(
        second.json["error"]["hint"],
        json!("cargo xtask unlock --env local")
    );

    // Another's id releases and renews nothing.
    assert_eq!(space.ok(release("another")), none);
    let renewed = space.call(renew("another", 900));
    assert_eq!(renewed.exit_code, Some(7), "{}", renewed.stdout);
    let renewed = space.ok(renew(id(&first), 7200));
    assert!(
        renewed["lock"]["expires_at"].as_str() > held["expires_at"].as_str(),
        "{renewed}"
    );

    let released = json!({ "released": true, "lock": renewed["lock"] });
    assert_eq!(space.ok(release(id(&first))), released);
    let gone = space.call(renew(id(&first), 900));
    assert_eq!(gone.exit_code, Some(7), "{}", gone.stdout);
    id(&state.lock("deploy of that"));
}

#[test]
fn an_expired_lock_is_taken_over_and_its_owner_notices() {
    let state = StateSpace::new("expired");
    let first = state.space.call(take("a deploy that was killed", 1));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = state.lock("the next deploy");
    assert!(
        second.stderr.contains("taking over the lock of"),
        "{}",
        second.stderr
    );
    assert_ne!(id(&first), id(&second));
    let late = state.space.call(renew(id(&first), 900));
    assert_eq!(late.exit_code, Some(7), "{}", late.stdout);
    assert!(
        message(&late).contains("the next deploy"),
        "{}",
        late.stdout
    );
}

#[test]
fn of_many_at_once_one_gets_the_lock() {
    let state = StateSpace::new("race");
    let race = || {
        let children: Vec<_> = (0..6)
            .map(|_| {
                state
                    .space
                    .command(take("race", 900))
                    .spawn()
                    .expect("started")
            })
            .collect();
        let answers: Vec<_> = children
            .into_iter()
            .map(|child| answer(&child.wait_with_output().expect("ended")))
            .collect();
        let mut codes: Vec<_> = answers.iter().map(|answer| answer.exit_code).collect();
        codes.sort_unstable();
        assert_eq!(codes, [&[Some(0)][..], &[Some(7); 5]].concat());
        let won = answers.iter().find(|answer| answer.exit_code == Some(0));
        id(won.expect("a winner")).to_owned()
    };
    // Free at first, then expired: each is another condition of the write.
    let first = race();
    let space = &state.space;
    space.ok(renew(&first, 1));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_ne!(race(), first);
}

#[test]
fn a_damaged_lock_is_believed_by_nobody_and_can_be_removed() {
    let state = StateSpace::new("damaged");
    id(&state.lock("deploy"));
    state
        .sdk
        .run(
            state
                .sdk
                .s3()
                .put_object()
                .bucket(state.bucket())
                .key("lock.json")
                .body(b"{".to_vec().into())
                .send(),
        )
        .expect("written");
    let refused = state.lock("deploy");
    assert_eq!(refused.exit_code, Some(8), "{}", refused.stdout);
    assert!(message(&refused).contains("lock.json is damaged"));
    assert_eq!(
        refused.json["error"]["hint"],
        json!("cargo xtask unlock --env local")
    );
    assert_eq!(state.space.ok(release_any())["released"], json!(true));
    id(&state.lock("deploy"));
}

#[test]
fn records_are_written_once_and_listed_newest_first() {
    let state = StateSpace::new("records");
    let space = &state.space;
    assert_eq!(space.ok(get("releases/1")), json!({ "value": null }));
    assert_eq!(space.ok(list("releases/")), json!({ "values": [] }));
    for number in 1..=3 {
        let put = state.put(
            &format!("releases/{number}"),
            &json!({ "n": number }),
            false,
        );
        assert_eq!(put.exit_code, Some(0), "{}", put.stdout);
    }
    state.put("last", &json!("other"), false);
    id(&state.lock("deploy"));

    // The same again is the retry of a lost answer, something else is a mistake.
    assert_eq!(
        state.put("releases/1", &json!({ "n": 1 }), false).exit_code,
        Some(0)
    );
    let other = state.put("releases/1", &json!({ "n": 9 }), false);
    assert_eq!(other.exit_code, Some(8), "{}", other.stdout);
    assert!(message(&other).contains("releases/1"), "{}", other.stdout);
    let replaced = state.put("releases/1", &json!({ "n": 9 }), true);
    assert_eq!(replaced.exit_code, Some(0), "{}", replaced.stdout);

    assert_eq!(space.ok(get("releases/1")), json!({ "value": { "n": 9 } }));
    assert_eq!(
        space.ok(ListRecords {
            limit: 2,
            ..list("releases/")
        }),
        json!({ "values": [{ "n": 3 }, { "n": 2 }] })
    );
    // The lock begins with the same letter, and is not a record.
    let all = space.ok(list("l"));
    assert_eq!(all, json!({ "values": ["other"] }));

    let large = state.put("x", &json!("x".repeat(1 << 20)), false);
    assert_eq!(large.exit_code, Some(2), "{}", large.stdout);
    assert!(
        message(&large).contains("size of the record"),
        "{}",
        large.stdout
    );
}

#[test]
fn records_are_removed_with_what_they_were_before() {
    let state = StateSpace::new("remove");
    let space = &state.space;
    let versions = || {
        let listed = state.sdk.s3().list_object_versions();
        let listed = listed.bucket(state.bucket()).send();
        let listed = state.sdk.run(listed).expect("versions");
        assert!(listed.delete_markers().is_empty(), "{listed:?}");
        let keys = listed.versions().iter();
        keys.map(|version| version.key().expect("a key").to_owned())
            .collect::<Vec<_>>()
    };
    for number in ["1", "2", "2"] {
        state.put(&format!("releases/{number}"), &json!(number), true);
    }
    // This key begins with one that is removed, and is another key.
    state.put("releases/20", &json!("20"), false);
    assert_eq!(
        versions(),
        ["releases/1", "releases/2", "releases/2", "releases/20"]
    );
    let keys = ["releases/2", "releases/3"];
    assert_eq!(
        space.ok(RemoveRecords {
            keys: keys.map(str::to_owned).to_vec()
        }),
        json!({ "removed": keys })
    );
    assert_eq!(versions(), ["releases/1", "releases/20"]);
    assert_eq!(
        space.ok(list("releases/")),
        json!({ "values": ["20", "1"] })
    );
    let lock = space.call(RemoveRecords {
        keys: vec!["lock.json".to_owned()],
    });
    assert_eq!(lock.exit_code, Some(2), "{}", lock.stdout);
}

#[test]
fn the_bucket_keeps_versions_and_is_closed_and_can_be_emptied() {
    let state = StateSpace::new("bucket");
    let bucket = state.bucket();
    assert_eq!(state.space.ok(empty(&bucket)), json!({ "deleted": 0 }));
    for body in ["1", "2"] {
        state.put("record", &json!(body), true);
    }
    let locked = state.lock("deploy");
    state.space.ok(release(id(&locked)));

    let s3 = state.sdk.s3();
    let closed = state
        .sdk
        .run(s3.get_public_access_block().bucket(&bucket).send())
        .expect("a configuration")
        .public_access_block_configuration
        .expect("a configuration");
    assert_eq!(closed.restrict_public_buckets(), Some(true));
    let tags = state
        .sdk
        .run(s3.get_bucket_tagging().bucket(&bucket).send())
        .expect("tags");
    assert!(
        tags.tag_set()
            .iter()
            .any(|tag| tag.key() == "project" && tag.value() == state.space.name),
        "{tags:?}"
    );
    // Two versions of the record, the lock, and the marker that it was deleted.
    assert_eq!(state.space.ok(empty(&bucket)), json!({ "deleted": 4 }));
    state
        .sdk
        .run(s3.delete_bucket().bucket(&bucket).send())
        .expect("an empty bucket");
}

/// The rules of an AWS environment, which the local cloud answers for here.
#[test]
fn on_aws_the_bucket_refuses_plain_http_and_a_run_of_actions_is_named() {
    const ACCOUNT: &str = "000000000001";
    let space = Space::new("aws");
    let sdk = Sdk::of_account(ACCOUNT);
    let bucket = format!("{}-state-{ACCOUNT}", space.name);
    let dev = |request: Request| {
        let envelope = Envelope {
            environment: "dev".to_owned(),
            ..space.envelope(request)
        };
        let output = space
            .command_of(&envelope)
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", key())
            .env_remove("AWS_PROFILE")
            .env("GITHUB_ACTOR", "octocat")
            .env("GITHUB_RUN_ID", "17")
            .output()
            .expect("started");
        answer(&output)
    };
    let locked = dev(take("deploy", 900).into());
    assert_eq!(locked.json["lock"]["owner"], json!("octocat (run 17)"));
    let second = dev(take("deploy", 900).into());
    let host = locked.json["lock"]["host"].as_str().expect("a host");
    let holder = format!("environment dev is locked by octocat (run 17) on {host} since");
    assert!(message(&second).starts_with(&holder), "{}", second.stdout);

    let policy = sdk
        .run(sdk.s3().get_bucket_policy().bucket(&bucket).send())
        .expect("a policy");
    let policy: Value = serde_json::from_str(policy.policy().expect("a policy")).expect("JSON");
    let statement = &policy["Statement"][0];
    assert_eq!(
        json!([
            statement["Effect"],
            statement["Action"],
            statement["Condition"]
        ]),
        json!(["Deny", "s3:*", { "Bool": { "aws:SecureTransport": "false" } }])
    );
    dev(empty(&bucket).into());
    sdk.run(sdk.s3().delete_bucket().bucket(&bucket).send())
        .expect("an empty bucket");
}
