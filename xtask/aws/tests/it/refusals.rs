//! What the binary refuses, and how it says so.

use crate::support::{self, Answer, Space, endpoint, ensure, key};
use serde_json::json;
use xtask_aws_api::calls::ecr::LogIn;
use xtask_aws_api::calls::identity::GetIdentity;
use xtask_aws_api::calls::secrets::{ListSecrets, ReadSecret, SetSecret};
use xtask_aws_api::calls::{Envelope, Request};

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
    let as_account = |account: &str, request: Request| {
        let envelope = Envelope {
            environment: "dev".to_owned(),
            ..space.envelope(request)
        };
        let output = space
            .command_of(&envelope)
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("AWS_ACCESS_KEY_ID", account)
            .env("AWS_SECRET_ACCESS_KEY", key())
            .env_remove("AWS_PROFILE")
            .output()
            .expect("started");
        support::answer(&output)
    };
    refused(
        &as_account("222222222222", ListSecrets {}.into()),
        3,
        "the credentials are those of account 222222222222",
        "set AWS_PROFILE to a profile of account 000000000001",
    );
    let right = as_account("000000000001", GetIdentity {}.into());
    assert_eq!(
        right.json["account"],
        json!("000000000001"),
        "{}",
        right.stdout
    );

    // The rules of an AWS environment, which the local cloud answers for here.
    refused(
        &as_account(
            "000000000001",
            LogIn {
                repositories: vec!["none".to_owned()],
            }
            .into(),
        ),
        8,
        "RepositoryNotFoundException",
        "CDK creates repositories",
    );
    let image = format!("none@sha256:{}", "0".repeat(64));
    refused(
        &as_account("000000000001", ensure(&image).into()),
        2,
        "needs at least one subnet",
        "network stack",
    );
}

/// Asks for the identity at this endpoint.
fn at(space: &Space, endpoint: &str) -> Answer {
    let envelope = Envelope {
        endpoint: Some(endpoint.to_owned()),
        ..space.envelope(GetIdentity {})
    };
    support::answer(&space.command_of(&envelope).output().expect("started"))
}

#[test]
fn a_cloud_that_does_not_run_is_noticed_at_once() {
    let space = Space::without_cloud("nobody");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("address").port();
    drop(listener);
    let answer = at(&space, &format!("http://127.0.0.1:{port}"));
    refused(&answer, 8, "Connection refused", "cargo xtask cloud up");
}

#[test]
fn a_cloud_that_never_answers_is_given_up() {
    let space = Space::without_cloud("silent");
    // The kernel accepts the connection, and nobody answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("address");
    let begin = std::time::Instant::now();
    let answer = at(&space, &format!("http://{address}"));
    refused(&answer, 8, "sts GetCallerIdentity", "cargo xtask cloud up");
    assert!(
        begin.elapsed() < std::time::Duration::from_secs(35),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn what_is_not_a_request_is_refused_with_an_example() {
    let space = Space::without_cloud("requests");
    let example = r#"{"call":"get-identity"}"#;
    let refuse = |bytes: &[u8], message: &str| {
        let output = space.command_with(bytes).output().expect("started");
        refused(&support::answer(&output), 2, message, example);
    };
    refuse(b"", "EOF");
    refuse(b"{", "EOF");
    refuse(b"\xff", "standard input does not hold a request");
    let unknown = json!({ "environment": "local", "request": { "call": "identify" } });
    refuse(unknown.to_string().as_bytes(), "identify");

    let secret = json!({ "environment": "local", "request": {
        "call": "set-secret", "secret": "generator", "key": "OPENAI_API_KEY", "value": 8_675_309
    } });
    let output = space.command_with(secret.to_string().as_bytes()).output();
    let answer = support::answer(&output.expect("started"));
    refused(&answer, 2, "a secret value must be a string", example);
    assert!(!answer.stdout.contains("8675309"), "{}", answer.stdout);

    let mut command = space.command(GetIdentity {});
    let output = command.arg("identity").output().expect("started");
    let answer = support::answer(&output);
    refused(&answer, 2, "does not accept arguments", example);
}

#[test]
fn wrong_usage_names_what_is_known() {
    let space = Space::new("usage");
    refused(
        &space.call(ReadSecret {
            secret: "nobody".to_owned(),
        }),
        2,
        "secret `nobody`",
        "generator, orchestrator",
    );
    let set = |key: &str, value: &str| SetSecret {
        secret: "generator".to_owned(),
        key: key.to_owned(),
        value: value.into(),
    };
    refused(
        &space.call(set("TYPO", "value")),
        2,
        "has no key `TYPO`",
        "OPENAI_API_KEY",
    );
    for (value, why) in [
        (String::new(), "is empty"),
        ("x".repeat(65_537), "is longer"),
    ] {
        refused(&space.call(set("OPENAI_API_KEY", &value)), 2, why, "");
    }
    refused(
        &space.call(ensure("generator:latest")),
        2,
        "not given by its digest",
        "sha256",
    );
    let identity_in = |environment: &str, endpoint: Option<&str>| {
        let envelope = Envelope {
            environment: environment.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            ..space.envelope(GetIdentity {})
        };
        support::answer(&space.command_of(&envelope).output().expect("started"))
    };
    refused(
        &identity_in("mars", None),
        2,
        "environment `mars`",
        "dev, local, prod, staging",
    );
    refused(
        &identity_in("dev", Some("http://127.0.0.1:1")),
        2,
        "`endpoint` is for the local cloud",
        "",
    );
    std::fs::write(space.path("app-gen-infra/platform.toml"), "project = 1").expect("manifest");
    refused(
        &space.call(GetIdentity {}),
        4,
        "app-gen-infra/platform.toml:1",
        "",
    );
}
