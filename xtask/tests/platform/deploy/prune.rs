//! `prune` after all that was deployed, went back or was broken off.

use crate::cloud::{self, served_key};
use crate::live::{jobs, run};
use serde_json::Value;
use std::collections::BTreeSet;

/// What piled up goes for real; what serves still does, and goes back to what was kept for that.
pub(crate) fn all(current: &Value, base: &str) {
    let before = cloud::releases();
    let prune = ["prune", "--keep", "1", "--json"];
    let pruned = run(&prune).expect_success();
    let listed = run(&["releases", "--json"]).expect_success();
    assert_eq!(listed["current"], current["id"]);
    let left = listed["releases"].as_array().unwrap();
    let gone = pruned["releases"].as_array().unwrap();
    assert!(!gone.is_empty(), "{pruned:#}");
    let all = left.iter().map(|release| &release["id"]).chain(gone);
    let all: BTreeSet<&str> = all.map(|id| id.as_str().unwrap()).collect();
    assert_eq!(all, before.iter().map(String::as_str).collect());
    let serving: Vec<&Value> = left
        .iter()
        .skip(1)
        .filter(|release| release["outcome"] == "succeeded")
        .collect();
    let [goal] = serving[..] else {
        panic!("one to go back to: {listed:#}");
    };
    assert!(!pruned["definitions"].as_array().unwrap().is_empty());
    let again = run(&prune).expect_success();
    for what in ["releases", "definitions", "images", "cache"] {
        assert_eq!(again[what], Value::Array(Vec::new()), "{what}");
    }
    assert_eq!(served_key(base), current["images"]["orchestrator"]["key"]);
    let job = jobs::submit(base, "a list that needs the generator's definition");
    jobs::whole_stream(base, &job);
    assert_eq!(jobs::job(base, &job)["state"], "succeeded");

    let back = run(&["rollback", "--json"]).expect_success();
    assert_eq!(back["release"]["restores"], goal["id"]);
    assert_eq!(served_key(base), goal["images"]["orchestrator"]["key"]);
}
