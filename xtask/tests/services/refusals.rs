//! Wrong input and broken surroundings: one clear error, a hint, the documented
//! exit code, nothing left half done.

use crate::common::{Checkout, instance};
use serde_json::Value;
use std::net::TcpListener;

fn error(checkout: &Checkout, arguments: &[&str], env: &[(&str, &str)]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    let ran = checkout.run_with(&arguments, env);
    let error = ran.json()["error"].clone();
    assert_eq!(error["exit_code"], ran.code, "{ran:?}");
    assert!(error["hint"].is_string(), "no hint: {error}");
    error
}

#[test]
fn a_faulty_manifest_is_named_by_file_line_and_key() {
    let cases = [
        (
            "platform = \"linux/amd64\"",
            "platform = \"linux/amd64\"\nplatfrom = \"x\"",
            "app-gen-infra/platform.toml:5: `platfrom`: unknown field",
        ),
        (
            "web_port = 4",
            "web_port = 3",
            "`local.web_port`: port 3 is also local.api_port",
        ),
        (
            "dockerfile = \"tool/Dockerfile\"",
            "dockerfile = \"tool/Dockerfil\"",
            "`images.generator.dockerfile`: no such file: tool/Dockerfil",
        ),
        (
            "context = \"tool\"",
            "context = \"../tool\"",
            "`images.generator.context`: `../tool` leaves the checkout",
        ),
    ];
    let checkout = Checkout::new();
    for (from, to, message) in cases {
        checkout.write("app-gen-infra/platform.toml", &checkout.manifest());
        checkout.replace("app-gen-infra/platform.toml", from, to);
        let error = error(&checkout, &["build"], &[]);
        assert_eq!(error["exit_code"], 4);
        let text = error["message"].as_str().unwrap();
        assert!(text.contains(message), "{text}");
        assert!(text.starts_with("app-gen-infra/platform.toml:"), "{text}");
    }
}

#[test]
fn unknown_names_list_the_known_ones() {
    let checkout = Checkout::new();
    let image = error(&checkout, &["build", "nonsense"], &[]);
    assert_eq!(image["exit_code"], 2);
    assert_eq!(image["hint"], "name one of: generator, orchestrator");
    let environment = error(&checkout, &["build", "--env", "moon"], &[]);
    assert_eq!(environment["exit_code"], 2);
    assert_eq!(checkout.run(&["build", "--tag", "no tag"]).code, 2);
    let secret = error(&checkout, &["secrets", "set", "nobody", "KEY"], &[]);
    assert_eq!(secret["hint"], "name one of: generator, orchestrator");
}

#[test]
fn what_the_local_cloud_does_not_record_is_not_taken_for_nothing() {
    let checkout = Checkout::new();
    let error = error(&checkout, &["tasks", "--failed"], &[]);
    assert_eq!(error["exit_code"], 2);
    assert_eq!(
        error["hint"],
        "list what the local cloud remembers: cargo xtask tasks --all"
    );
    assert_eq!(checkout.run(&["tasks", "--since", "1h"]).code, 2);
}

#[test]
fn a_stopped_engine_is_a_missing_prerequisite() {
    let checkout = Checkout::new();
    let env = [("DOCKER_HOST", "unix:///nonexistent/docker.sock")];
    let error = error(&checkout, &["build"], &env);
    assert_eq!(error["exit_code"], 3);
    assert_eq!(error["hint"], "cargo xtask setup");
}

#[test]
fn a_port_taken_by_something_else_names_the_key_that_moves_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let checkout = Checkout::with_registry_port(port);
    let error = error(&checkout, &["build"], &[]);
    assert_eq!(error["exit_code"], 8);
    let text = format!("{error}");
    assert!(text.contains(&port.to_string()), "{text}");
    assert!(text.contains("local_test.registry_port"), "{text}");
}

#[test]
fn code_that_does_not_compile_is_a_build_failure() {
    let checkout = Checkout::new();
    checkout.write("server/src/main.rs", "fn main() { nonsense }\n");
    let ran = checkout.run(&["build", "orchestrator", "--json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.stderr.contains("cannot find value `nonsense`"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.json()["error"]["message"], "failed to compile server");
}

#[test]
fn a_required_secret_that_does_not_exist_is_named() {
    let checkout = Checkout::new();
    checkout.replace(
        "app-gen-infra/platform.toml",
        "GENERATOR_PROVIDER = \"template\" }",
        "GENERATOR_PROVIDER = \"claude\" }",
    );
    let env = [("APP_GEN_XTASK_AWS", instance::xtask_aws())];
    let error = error(&checkout, &["secrets", "materialize", "generator"], &env);
    assert_eq!(error["exit_code"], 9, "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("CLAUDE_CODE_OAUTH_TOKEN"), "{text}");
    assert!(!checkout.path("target/xtask/test/secrets").exists());
}
