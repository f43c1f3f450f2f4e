//! `why` and `plan`: what they say before and after a build, and that they do nothing.

use crate::common::{Checkout, instance, registry};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::report::{Report, Verbosity};
use xtask_image::build::key_of;
use xtask_image::key::store::KeyStore;

fn plan(checkout: &Checkout) -> Value {
    let ran = checkout
        .run(&["plan", "orchestrator", "--json"])
        .expect_success();
    ran.json()["images"][0].clone()
}

fn steps(plan: &Value) -> Vec<&str> {
    let steps = plan["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["do"].as_str().unwrap())
        .collect()
}

/// The lines of `why app` and what follows, less the one that names the keys.
fn why(checkout: &Checkout, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["why", "orchestrator"], arguments].concat();
    let stdout = checkout.run(&arguments).expect_success().stdout;
    stdout
        .lines()
        .skip(1)
        .map(|line| line.trim().to_owned())
        .collect()
}

fn refusal(checkout: &Checkout, arguments: &[&str]) -> (i32, Value) {
    let ran = checkout.run(&[arguments, &["--json"]].concat());
    (ran.code, ran.json()["error"].clone())
}

fn records(checkout: &Checkout) -> PathBuf {
    checkout.path("target/xtask/keys/orchestrator")
}

fn latest(checkout: &Checkout) -> String {
    fs::read_to_string(records(checkout).join("latest")).unwrap()
}

#[test]
fn a_plan_is_what_the_build_then_does() {
    let checkout = Checkout::new();
    let first = plan(&checkout);
    assert_eq!(first["state"], "build");
    assert_eq!(steps(&first), ["compile", "pack", "push"]);
    assert_eq!(
        (&first["before"], &first["why"]),
        (&Value::Null, &json!([]))
    );
    let text = checkout
        .run(&["plan", "orchestrator"])
        .expect_success()
        .stdout;
    assert!(text.contains("not built here before"), "{text}");
    assert!(
        text.contains("\norchestrator: compile server, pack server, push "),
        "{text}"
    );
    // It did nothing.
    assert!(!records(&checkout).exists());
    assert!(!checkout.path("target/xtask/prebuilt").exists());
    assert_eq!(
        registry::tags(instance::registry(), &checkout.repository("orchestrator")),
        [""; 0]
    );

    let ran = checkout
        .run(&["build", "orchestrator", "--json"])
        .expect_success();
    let built = ran.json()["images"][0].clone();
    assert_eq!(built["key"], first["key"]);
    assert_eq!(
        (&built["before"], &built["why"]),
        (&Value::Null, &json!([]))
    );
    let present = plan(&checkout);
    assert_eq!(present["state"], "present");
    assert_eq!(steps(&present), [""; 0]);
    assert_eq!(present["before"], present["key"]);
    let before = latest(&checkout);

    checkout.write("server/notes.txt", "another text\n");
    checkout.replace("server/src/main.rs", "one", "two");
    let edited = plan(&checkout);
    assert_eq!(steps(&edited), ["compile", "pack", "push"]);
    assert_eq!(edited["before"], before.as_str());
    assert_eq!(
        why(&checkout, &[]),
        [
            "file server/notes.txt changed",
            "file server/src/main.rs changed"
        ]
    );
    assert_eq!(latest(&checkout), before, "they only look");

    // Compiled here, and gone from the registry.
    checkout.replace("server/src/main.rs", "two", "one");
    checkout.write("server/notes.txt", "a file of the context\n");
    registry::remove_tags(instance::registry(), &checkout.repository("orchestrator"));
    let gone = plan(&checkout);
    assert_eq!(steps(&gone), ["reuse-binary", "pack", "push"]);
    assert_eq!((&gone["before"], &gone["why"]), (&gone["key"], &json!([])));
    let text = checkout
        .run(&["plan", "orchestrator"])
        .expect_success()
        .stdout;
    assert!(text.contains("the registry does not have it"), "{text}");
}

#[test]
fn any_two_kept_keys_can_be_compared() {
    let checkout = Checkout::new();
    // As a build of these inputs leaves it; only the inputs matter here.
    let keep = |text: &str| {
        checkout.write("server/notes.txt", text);
        let context = Context::at(
            checkout.root().to_owned(),
            "local",
            true,
            Report::new(false, Verbosity::Quiet),
        )
        .unwrap();
        let key = key_of(&context, "orchestrator").unwrap();
        let store = KeyStore::new(&context.cache_folder(), "orchestrator");
        store.remember(&key).unwrap();
        key.hex
    };
    let (one, two) = (keep("one\n"), keep("two\n"));
    checkout.replace(
        "app-gen-infra/platform.toml",
        "context = \"server\"",
        "context = \"server\"\nargs = { MODE = \"fast\" }",
    );
    assert_eq!(why(&checkout, &[]), ["argument MODE added: fast"]);
    assert_eq!(
        why(&checkout, &["--against", &one]),
        ["argument MODE added: fast", "file server/notes.txt changed"]
    );
    let tag = format!("key-{one}");
    assert_eq!(
        why(&checkout, &["--against", &two[..8], "--key", &tag]),
        ["file server/notes.txt changed"]
    );
    assert_eq!(why(&checkout, &["--key", "latest"]), [""; 0]);

    let (code, error) = refusal(
        &checkout,
        &["why", "orchestrator", "--against", "0123456789"],
    );
    assert_eq!(
        (code, &error["message"]),
        (2, &json!("image orchestrator has no kept key 0123456789"))
    );
    let hint = error["hint"].as_str().unwrap();
    for key in [&one, &two] {
        assert!(hint.contains(&key[..12]), "{hint}");
    }

    let twin = format!("{}{}", &two[..60], "0000");
    fs::write(records(&checkout).join(format!("{twin}.json")), "{}").unwrap();
    let (code, error) = refusal(&checkout, &["why", "orchestrator", "--against", &two[..10]]);
    let message = format!(
        "image orchestrator has 2 kept keys that begin with {}",
        &two[..10]
    );
    assert_eq!((code, &error["message"]), (2, &json!(message)));
    // It does not hash to its name.
    let (code, error) = refusal(&checkout, &["why", "orchestrator", "--against", &twin]);
    assert_eq!(code, 1);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.ends_with(&format!("{twin}.json is damaged")),
        "{error}"
    );
    assert!(
        error["hint"].as_str().unwrap().starts_with("rm "),
        "{error}"
    );
}

#[test]
fn what_cannot_be_answered_says_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let checkout = Checkout::with_registry_port(port);
    let ran = checkout.run(&["why", "orchestrator"]);
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!(ran.stderr, @r"
    error: image orchestrator was neither built nor found by this checkout
    hint: cargo xtask build orchestrator
    ");
    assert_eq!(refusal(&checkout, &["why", "nonsense"]).0, 2);
    for key in ["abc", "nothex!", "", "latest2"] {
        assert_eq!(
            checkout
                .run(&["why", "orchestrator", "--against", key])
                .code,
            2,
            "{key}"
        );
    }

    // No registry answers, and it is not started for a plan.
    let (code, error) = refusal(&checkout, &["plan"]);
    assert_eq!(code, 8, "{error}");
    assert_eq!(
        error["message"],
        format!("registry localhost:{port} does not answer")
    );
    assert_eq!(error["hint"], "cargo xtask setup");
}

#[test]
fn inputs_of_another_form_are_named_as_such() {
    let checkout = Checkout::new();
    let text = json!({ "form": 0, "something": "else" }).to_string();
    let key = digest_bytes(text.as_bytes());
    fs::create_dir_all(records(&checkout)).unwrap();
    fs::write(records(&checkout).join(format!("{key}.json")), text).unwrap();
    fs::write(records(&checkout).join("latest"), &key).unwrap();
    let lines = why(&checkout, &[]);
    assert!(
        lines[0].starts_with("form of the inputs changed: 0 → "),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 1);
    assert_eq!(plan(&checkout)["why"][0]["kind"], "form");
    assert_eq!(
        refusal(&checkout, &["why", "orchestrator", "--key", &key]).0,
        2
    );
}
