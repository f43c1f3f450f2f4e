//! `inputs` of images of a checkout, whose bases a registry or the engine knows.

use crate::common::Checkout;
use serde_json::{Value, json};

fn paths(inputs: &Value) -> Vec<&str> {
    let entries = inputs["entries"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["path"].as_str().unwrap())
        .collect()
}

#[test]
fn an_image_of_the_manifest_has_all_its_parts() {
    let checkout = Checkout::new();
    let inputs = |image: &str| {
        let ran = checkout.run(&["inputs", image, "--json"]);
        ran.expect_success().json()
    };
    let app = inputs("orchestrator");
    assert_eq!(app["context"], "server");
    assert_eq!(app["dockerfile"]["path"], "server/Dockerfile");
    assert_eq!(app["ignore_file"]["path"], "server/.dockerignore");
    assert_eq!(paths(&app), ["notes.txt"]);
    assert_eq!(app["bases"][0]["reference"], "debian:trixie-slim");
    assert_eq!(app["rust"]["package"], "server");
    assert_eq!(app["npm"], Value::Null);
    let tool = inputs("generator");
    assert_eq!(
        tool["rust"]["members"],
        json!({ "shared": "shared", "tool": "tool" })
    );
    assert!(paths(&tool["rust"]).contains(&"shared/src/lib.rs"));

    let plan = checkout.run(&["plan", "--json"]).expect_success().json();
    assert_eq!(plan["images"][1]["key"], app["key"]);
    assert_eq!(checkout.run(&["inputs", "nonsense"]).code, 2);
}
