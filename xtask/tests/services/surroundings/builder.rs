//! What surrounds a build and is in no key, variables and docker's own configuration: the builder
//! gets none of it, except what it needs to reach a registry.

use crate::common::gateway::{Gateway, Verdict};
use crate::common::sh;
use crate::common::{Checkout, instance, ran, registry};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const BUILD: [&str; 3] = ["build", "orchestrator", "--json"];

/// Builds image `orchestrator` although the registry had it, and returns its outcome.
fn build(checkout: &Checkout, env: &[(&str, &str)]) -> Value {
    registry::remove_tags(instance::registry(), &checkout.repository("orchestrator"));
    let ran = checkout.run_with(&BUILD, env).expect_success();
    let built = ran.json()["images"][0].clone();
    assert_eq!(built["state"], "built");
    built
}

fn docker_in(config: &Path, arguments: &[&str]) {
    sh!("docker --config {config} {arguments...}");
}

#[test]
fn nothing_that_surrounds_a_build_changes_the_image() {
    let checkout = Checkout::new();
    checkout.replace(
        "server/Dockerfile",
        "ARG IMAGE_KEY",
        "ARG HTTP_PROXY\nARG https_proxy=nothing\nARG NO_PROXY\nARG ALL_PROXY\n\
         ENV PROXIES=$HTTP_PROXY,$https_proxy,$NO_PROXY,$ALL_PROXY\nARG IMAGE_KEY",
    );
    let first = build(&checkout, &[]);
    let other = checkout.run(&["build", "generator", "--json"]).json()["images"][0].clone();

    // A policy that replaces the base by another image.
    let policy = json!({ "rules": [{
        "action": "CONVERT",
        "selector": { "identifier": "docker-image://docker.io/library/debian:*", "matchType": "WILDCARD" },
        "updates": { "identifier": format!("docker-image://{}", other["reference"].as_str().unwrap()) },
    }] });
    checkout.write("policy.json", &policy.to_string());
    let policy = checkout.path("policy.json");
    let policy = policy.to_str().unwrap();

    let configs = tempfile::tempdir().unwrap();
    let config = |name: &str, text: Value| {
        let folder = configs.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), text.to_string()).unwrap();
        folder
    };
    let proxies = json!({
        "httpProxy": "http://user:secret@127.0.0.1:1", "httpsProxy": "http://user:secret@127.0.0.1:1",
        "noProxy": "nobody", "allProxy": "http://user:secret@127.0.0.1:1",
    });
    let with_proxies = config("proxies", json!({ "proxies": { "default": proxies } }));
    // Ways to another engine or builder, which is not there.
    let with_builder = config("builder", json!({}));
    let create = ["--name", "elsewhere", "--driver", "remote", "--use"];
    let create = [&["buildx", "create"], &create[..], &["tcp://127.0.0.1:1"]].concat();
    docker_in(&with_builder, &create);
    let with_context = config("context", json!({}));
    let host = "host=unix:///nonexistent/docker.sock";
    docker_in(
        &with_context,
        &["context", "create", "elsewhere", "--docker", host],
    );
    docker_in(&with_context, &["context", "use", "elsewhere"]);
    let damaged = config("damaged", json!([]));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let inside_builder = text(&with_builder.join("buildx"));

    for (what, env) in [
        (
            "a source policy",
            vec![("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", policy.to_owned())],
        ),
        (
            "proxies of docker",
            vec![("DOCKER_CONFIG", text(&with_proxies))],
        ),
        (
            "proxies of the environment",
            vec![
                ("HTTP_PROXY", "http://user:secret@127.0.0.1:1".to_owned()),
                ("no_proxy", "localhost,127.0.0.1".to_owned()),
            ],
        ),
        (
            "a builder of docker",
            vec![("DOCKER_CONFIG", text(&with_builder))],
        ),
        (
            "a builder of buildx",
            vec![("BUILDX_CONFIG", inside_builder)],
        ),
        (
            "a builder of the environment",
            vec![("BUILDX_BUILDER", "elsewhere".to_owned())],
        ),
        (
            "a context of docker",
            vec![("DOCKER_CONFIG", text(&with_context))],
        ),
        (
            "a context of the environment",
            vec![("DOCKER_CONTEXT", "elsewhere".to_owned())],
        ),
        (
            "a configuration that docker cannot read",
            vec![("DOCKER_CONFIG", text(&damaged))],
        ),
        (
            "more variables",
            vec![
                ("SOURCE_DATE_EPOCH", "1".to_owned()),
                ("BUILDX_GIT_LABELS", "full".to_owned()),
                ("BUILDX_NO_DEFAULT_ATTESTATIONS", "0".to_owned()),
                ("DOCKER_DEFAULT_PLATFORM", "linux/arm64".to_owned()),
                ("DOCKER_API_VERSION", "1.1".to_owned()),
                ("DOCKER_TLS_VERIFY", "1".to_owned()),
                ("DOCKER_BUILDKIT", "0".to_owned()),
            ],
        ),
    ] {
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, &**value)).collect();
        let built = build(&checkout, &env);
        assert_eq!(built["key"], first["key"], "{what}");
        assert_eq!(built["digest"], first["digest"], "{what}");
    }
    let reference = first["reference"].as_str().unwrap();
    assert_eq!(checkout.run_image(reference), "server one");
}

#[test]
fn what_docker_login_kept_reaches_the_registry_and_no_file() {
    /// `somebody:secret`, which the registry wants.
    const WANTED: &str = "Basic c29tZWJvZHk6c2VjcmV0";
    let gateway = Gateway::new(|request| match request.header("authorization") {
        _ if request.path == "/v2/" => Verdict::Pass,
        Some(WANTED) => Verdict::Pass,
        _ => Verdict::Answer(
            "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a registry\"".to_owned(),
            String::new(),
        ),
    });
    let checkout = Checkout::with_registry_port(gateway.port);
    let address = format!("localhost:{}", gateway.port);
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("docker-credential-test");
    // The variable says that it has the environment that `docker login` had.
    fs::write(
        &helper,
        "#!/bin/sh\nread -r server\ntest -n \"$KEYRING\" || exit 1\n\
         echo '{\"ServerURL\":\"\",\"Username\":\"somebody\",\"Secret\":\"secret\"}'\n",
    )
    .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        folder.path().display(),
        std::env::var("PATH").unwrap()
    );
    for config in [
        json!({ "auths": { &address: { "auth": &WANTED["Basic ".len()..] } } }),
        json!({ "credHelpers": { &address: "test" } }),
        json!({ "credsStore": "test" }),
    ] {
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        registry::remove_tags(instance::registry(), &checkout.repository("orchestrator"));
        let output = checkout
            .command(&["build", "orchestrator", "--json"])
            .env("DOCKER_CONFIG", folder.path())
            .env("KEYRING", "open")
            .env("PATH", &path)
            .output();
        let built = ran(&output.unwrap()).expect_success().json();
        assert_eq!(built["images"][0]["state"], "built", "{config}");
    }
    let kept = Command::new("grep")
        .args(["--recursive", "--text", "--regexp", "secret", "--regexp"])
        .arg(&WANTED["Basic ".len()..])
        .arg(checkout.path("target/xtask"))
        .args(["--exclude-dir", "cargo"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
}

#[test]
fn a_credential_helper_that_is_gone_prevents_no_build_that_needs_none() {
    let checkout = Checkout::new();
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("config.json"),
        "{\"credsStore\":\"desktop\"}",
    )
    .unwrap();
    build(
        &checkout,
        &[("DOCKER_CONFIG", folder.path().to_str().unwrap())],
    );
}
