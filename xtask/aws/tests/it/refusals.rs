//! What the binary refuses, and how it says so.

use crate::support::{self, Answer, Space, endpoint};
use serde_json::json;

fn refused(answer: &Answer, exit_code: i32, message: &str, hint: &str) {
    assert_eq!(answer.exit_code, Some(exit_code), "{}", answer.stdout);
    let error = &answer.json["error"];
    let said = error["message"].as_str().expect("message");
    assert!(said.contains(message), "`{message}` is not in `{said}`");
    let hinted = error["hint"].as_str().unwrap_or_default();
    assert!(hinted.contains(hint), "`{hint}` is not in `{hinted}`");
}

#[test]
fn another_account_is_refused_before_anything_is_done() {
    let space = Space::new("account");
    // The local cloud takes a key id of twelve digits for the account.
    let as_account = |account: &str, arguments: &[&str]| {
        let output = space
            .command(&[&["--env", "dev"], arguments].concat())
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("AWS_ACCESS_KEY_ID", account)
            .env_remove("AWS_PROFILE")
            .output()
            .expect("started");
        support::answer(&output)
    };
    refused(
        &as_account("222222222222", &["secrets", "list"]),
        3,
        "the credentials are those of account 222222222222",
        "set AWS_PROFILE to a profile of account 000000000001",
    );
    let right = as_account("000000000001", &["identity"]);
    assert_eq!(
        right.json["account"],
        json!("000000000001"),
        "{}",
        right.stdout
    );

    // The rules of an AWS environment, which the local cloud answers for here.
    refused(
        &as_account("000000000001", &["ecr", "login", "--repository", "none"]),
        8,
        "RepositoryNotFoundException",
        "CDK creates repositories",
    );
    let image = format!("none@sha256:{}", "0".repeat(64));
    refused(
        &as_account(
            "000000000001",
            &["validate", "ensure", "--generator-image", &image],
        ),
        2,
        "needs at least one --subnet",
        "network stack",
    );
}

#[test]
fn a_cloud_that_is_not_there_is_said_at_once() {
    let space = Space::without_cloud("nobody");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let answer = space.call(&[
        "--endpoint",
        &format!("http://127.0.0.1:{port}"),
        "identity",
    ]);
    refused(&answer, 8, "Connection refused", "cargo xtask cloud up");
}

#[test]
fn a_cloud_that_never_answers_is_given_up() {
    let space = Space::without_cloud("silent");
    // Accepts in the kernel's backlog and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("address");
    let begin = std::time::Instant::now();
    let answer = space.call(&["--endpoint", &format!("http://{address}"), "identity"]);
    refused(&answer, 8, "sts GetCallerIdentity", "cargo xtask cloud up");
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(35),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn wrong_usage_names_what_is_known() {
    let space = Space::new("usage");
    refused(
        &space.call(&["secrets", "read", "nobody"]),
        2,
        "secret `nobody`",
        "generator, orchestrator",
    );
    refused(
        &space.call_with_stdin(&["secrets", "set", "generator", "TYPO"], b"value"),
        2,
        "has no key `TYPO`",
        "OPENAI_API_KEY",
    );
    for (value, why) in [(b"\n".as_slice(), "is empty"), (b"\xff", "is not UTF-8")] {
        refused(
            &space.call_with_stdin(&["secrets", "set", "generator", "OPENAI_API_KEY"], value),
            2,
            why,
            "",
        );
    }
    refused(
        &space.call(&[
            "validate",
            "ensure",
            "--generator-image",
            "generator:latest",
        ]),
        2,
        "not given by digest",
        "sha256",
    );
    refused(
        &space.call(&["--env", "mars", "identity"]),
        2,
        "environment `mars`",
        "dev, local, prod, staging",
    );
    refused(&space.call(&["identify"]), 2, "identify", "--help");
    refused(
        &space.call(&[
            "--env",
            "dev",
            "--endpoint",
            "http://127.0.0.1:1",
            "identity",
        ]),
        2,
        "--endpoint is for the local cloud",
        "",
    );
    std::fs::write(space.path("app-gen-infra/platform.toml"), "project = 1").expect("manifest");
    refused(
        &space.call(&["identity"]),
        4,
        "app-gen-infra/platform.toml:1",
        "",
    );
}
