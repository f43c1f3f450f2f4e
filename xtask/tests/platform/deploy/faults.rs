//! What cannot serve: refused before anything is touched, or given up in time with the true
//! reason, and what served before serves again.

use crate::cloud::{self, ORCHESTRATOR, Replaced, Users, containers, served_key};
use crate::images::{Made, Workshop};
use crate::live::{Ran, Started, copy, run};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// From the command line to its error, going back included.
const GIVEN_UP: Duration = Duration::from_secs(150);
/// A refusal asks a registry and the cloud, and does nothing.
const REFUSED: Duration = Duration::from_secs(30);
/// How long users may be without an answer. The local load balancer checks no health and
/// gives up the old task for a new one that only runs; AWS's does not.
const OUTAGE: Duration = Duration::from_secs(60);

pub(crate) fn all(workshop: &Workshop, base: &str) {
    another_platform(workshop, base);
    let crashes = r#"ENTRYPOINT ["/bin/sh", "-c", "echo cannot start: no luck today; exit 1"]"#;
    gives_up(
        "an image that crashes at start",
        &workshop.make("c4a5", crashes),
        base,
        &["exited with code 1"],
    );
    gives_up(
        "an image that never answers",
        &workshop.make("51de", r#"ENTRYPOINT ["/bin/sleep", "infinity"]"#),
        base,
        &["did not report"],
    );
    let checkout = checkout_that_needs_secrets();
    lacking_secret(checkout.path(), base);
    vanishing_secret(workshop, checkout.path(), base);
}

/// What serves, what is recorded, and the containers there are.
struct Standing {
    key: String,
    releases: Value,
    containers: String,
}

impl Standing {
    fn of(base: &str) -> Self {
        Self {
            key: served_key(base),
            releases: run(&["releases", "--json"]).expect_success(),
            containers: containers(),
        }
    }

    /// Nothing was changed or started since. What an earlier deploy gave up may still end:
    /// a task that ignores SIGTERM takes its time.
    fn assert_holds(&self, base: &str) {
        let now = Self::of(base);
        assert_eq!(now.key, self.key);
        assert_eq!(now.releases, self.releases);
        let started: Vec<&str> = now
            .containers
            .lines()
            .filter(|name| !self.containers.lines().any(|before| before == *name))
            .collect();
        assert_eq!(started, Vec::<&str>::new());
    }
}

fn another_platform(workshop: &Workshop, base: &str) {
    let foreign = workshop.make_foreign();
    let before = Standing::of(base);
    let ran = run(&foreign.deploy());
    assert!(ran.took < REFUSED, "{ran:#?}");
    let error = ran.expect_error(5);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.ends_with("is for linux/arm64, and not for linux/amd64"),
        "{message}"
    );
    before.assert_holds(base);
}

fn gives_up(what: &str, image: &Made, base: &str, reasons: &[&str]) {
    let before = served_key(base);
    let users = Users::of(base);
    let ran = run(&image.deploy());
    assert_given_up(what, &ran, reasons);
    let waited = users.longest_wait();
    println!("{what}: users waited {:.1} s", waited.as_secs_f64());
    assert!(waited < OUTAGE, "users waited {waited:?}: {ran:#?}");
    assert_eq!(served_key(base), before, "{ran:#?}");
}

/// An error with the true reason and a hint, in time and on record.
fn assert_given_up(what: &str, ran: &Ran, reasons: &[&str]) {
    println!("{what}: error after {:.1} s", ran.took.as_secs_f64());
    assert!(ran.took < GIVEN_UP, "{ran:#?}");
    let error = ran.expect_error(10);
    let message = error["message"].as_str().unwrap();
    assert!(message.ends_with("serves again"), "{message}");
    let causes = error["causes"].to_string();
    for reason in reasons {
        assert!(
            causes.contains(reason),
            "`{reason}` is not in {causes}: {ran:#?}"
        );
    }
    let releases = run(&["releases", "--json"]).expect_success();
    let newest = &releases["releases"][0];
    assert_eq!(newest["outcome"], "rolled_back");
    let recorded = newest["reason"].as_str().unwrap();
    assert!(recorded.contains(reasons[0]), "{recorded}");
    assert_ne!(releases["current"], newest["id"]);
}

/// Another checkout of the same sources, whose orchestrator needs the keys of Supabase.
fn checkout_that_needs_secrets() -> tempfile::TempDir {
    copy::with_manifest(r#"AUTH_MODE = "none""#, r#"AUTH_MODE = "supabase""#)
}

fn lacking_secret(checkout: &Path, base: &str) {
    let before = Standing::of(base);
    let started = Started::at(checkout, &super::DEPLOY, &[]);
    let ran = started.ends_within(crate::live::RUN);
    assert!(ran.took < REFUSED, "{ran:#?}");
    let error = ran.expect_error(9);
    assert!(
        error["message"].to_string().contains("SUPABASE_"),
        "{error}"
    );
    before.assert_holds(base);
}

/// The key is there when it is looked for, and gone when the task starts.
fn vanishing_secret(workshop: &Workshop, checkout: &Path, base: &str) {
    let value = format!("https://{}.example.com", super::CANARY);
    let names = ["SUPABASE_URL", "SUPABASE_ANON_KEY"];
    let _keys = names.map(|name| Replaced::with(ORCHESTRATOR, name, &value));
    let before = served_key(base);
    let image = workshop.make("5ec4e7", "ENV FITNESS=good");
    let users = Users::of(base);
    let mut deploy = Started::at(checkout, &image.deploy(), &[]);
    deploy.says("cdk |");
    cloud::set_secret(ORCHESTRATOR, "SUPABASE_ANON_KEY", None);
    let ran = deploy.ends_within(crate::live::RUN);
    let what = "a secret that loses a key";
    assert_given_up(what, &ran, &["lacks a key"]);
    let waited = users.longest_wait();
    println!("{what}: users waited {:.1} s", waited.as_secs_f64());
    assert!(waited < OUTAGE, "users waited {waited:?}: {ran:#?}");
    assert_eq!(served_key(base), before);
}
