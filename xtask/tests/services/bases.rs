//! Base images: what registries and the engine say of them, pins, and that what was
//! resolved is what is built.

use crate::common::processes::{Started, wait_for};
use crate::common::registry::{self, remove_tags};
use crate::common::sh;
use crate::common::{Checkout, instance, remove_images};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PINS: &str = "app-gen-infra/bases.toml";

/// A base image in the registry of this machine, its tag moved at will.
struct Moving {
    registry: String,
    repository: String,
}

impl Moving {
    fn of(checkout: &Checkout) -> Self {
        Self {
            registry: checkout.registry(),
            repository: checkout.repository("base"),
        }
    }

    fn reference(&self) -> String {
        format!("{}/{}:1", self.registry, self.repository)
    }

    /// Moves the tag to another image; its digest as the registry has it.
    fn push(&self, which: &str) -> String {
        let dockerfile = format!("FROM scratch\nENV WHICH={which}\nCOPY <<E /which\n{which}\nE\n");
        let reference = self.reference();
        let shell = xshell::Shell::new().unwrap();
        xshell::cmd!(
            shell,
            "docker buildx build --push --provenance=false --quiet --tag {reference} -"
        )
        .stdin(dockerfile)
        .read()
        .unwrap();
        registry::digest_of(instance::registry(), &self.repository, "1").unwrap()
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        remove_images(&format!("{}/{}", self.registry, self.repository));
        remove_tags(instance::registry(), &self.repository);
    }
}

/// Makes `server`, which image `orchestrator` is made of, build upon a base of the test's.
fn build_upon(checkout: &Checkout, reference: &str) {
    checkout.write(
        "server/Dockerfile",
        &format!("FROM {reference}\nCOPY bin/server /server\n"),
    );
}

fn bases(checkout: &Checkout, arguments: &[&str]) -> Value {
    let arguments = [&["bases", "--json"], arguments].concat();
    checkout.run(&arguments).expect_success().json()
}

/// The row of the base that `orchestrator` is built upon.
fn row(checkout: &Checkout, arguments: &[&str]) -> Value {
    let listing = bases(checkout, arguments);
    let rows = listing["bases"].as_array().unwrap();
    let of_app = |row: &&Value| row["images"] == json!(["orchestrator"]);
    rows.iter().find(of_app).unwrap().clone()
}

/// Builds `orchestrator`: its outcome, and the base in its image.
fn build_app(checkout: &Checkout) -> (Value, String) {
    let ran = checkout
        .run(&["build", "orchestrator", "--json"])
        .expect_success();
    let outcome = ran.json()["images"][0].clone();
    let reference = outcome["reference"].as_str().unwrap();
    // The builder sends it to the registry alone.
    sh!("docker pull --quiet {reference}");
    let environment = sh!("docker image inspect --format '{{.Config.Env}}' {reference}");
    (outcome, environment.trim().to_owned())
}

#[test]
fn a_tag_that_moves_is_noticed_until_it_is_pinned() {
    let checkout = Checkout::new();
    let base = Moving::of(&checkout);
    build_upon(&checkout, &base.reference());
    let first = base.push("one");
    let found = row(&checkout, &[]);
    assert_eq!(found["digest"], *first);
    assert_eq!(
        (&found["source"], &found["pin"]),
        (&json!("registry"), &json!("unpinned"))
    );
    let (before, environment) = build_app(&checkout);
    assert!(environment.contains("WHICH=one"), "{environment}");

    // The engine keeps the old one under the same name: not what the registry has.
    let reference = base.reference();
    sh!("docker pull --quiet {reference}");
    let old = format!("{}/{}@{first}", base.registry, base.repository);
    let second = base.push("two");
    assert_ne!(first, second);
    sh!("docker pull --quiet {old}");
    sh!("docker tag {old} {reference}");
    let (moved, environment) = build_app(&checkout);
    assert_ne!(moved["key"], before["key"]);
    assert_eq!(moved["state"], "built");
    assert!(
        moved["why"].to_string().contains(&base.reference()),
        "{moved}"
    );
    assert!(environment.contains("WHICH=two"), "{environment}");

    let listing = bases(&checkout, &["--update"]);
    assert_eq!(listing["changes"][0]["after"], *second);
    assert_eq!(listing["changes"][0]["before"], Value::Null);
    let pins = fs::read_to_string(checkout.path(PINS)).unwrap();
    assert!(pins.ends_with(&format!("\"{}\" = \"{second}\"\n", base.reference())));
    // The digest is the same, whoever names it.
    assert_eq!(build_app(&checkout).0["key"], moved["key"]);

    let third = base.push("three");
    let held = row(&checkout, &[]);
    assert_eq!(
        (&held["pin"], &held["source"]),
        (&json!("moved"), &json!("pinned"))
    );
    assert_eq!(held["digest"], *second);
    assert_eq!(held["registry_digest"], *third);
    let text = checkout.run(&["bases"]).expect_success().stdout;
    assert!(text.contains(&format!("moved: the registry has {} now", &third[..19])));
    assert!(text.contains("hint: cargo xtask bases --update"));
    assert_eq!(fs::read_to_string(checkout.path(PINS)).unwrap(), pins);
    checkout.write("server/Dockerfile", &format!("FROM {}\n", base.reference()));
    assert!(build_app(&checkout).1.contains("WHICH=two"));

    let listing = bases(&checkout, &["--update"]);
    let change = json!({ "reference": base.reference(), "before": second, "after": third });
    assert_eq!(listing["changes"], json!([change]));
    assert_eq!(bases(&checkout, &["--update"])["changes"], json!([]));

    build_upon(&checkout, "scratch");
    assert_eq!(bases(&checkout, &[])["unused"], json!([base.reference()]));
    bases(&checkout, &["--update"]);
    assert!(!checkout.path(PINS).exists());
}

#[test]
fn an_image_that_only_the_engine_has_is_used_and_not_pinned() {
    let checkout = Checkout::new();
    // Nobody listens there.
    let reference = format!("localhost:1/{}:1", checkout.repository("base"));
    sh!("docker tag debian:trixie-slim {reference}");
    build_upon(&checkout, &reference);
    let found = row(&checkout, &["--update"]);
    let built = checkout.run(&["build", "orchestrator", "--json"]);
    let text = checkout.run(&["bases"]).stdout;
    sh!("docker rmi {reference}");
    assert_eq!(
        (&found["pin"], &found["source"]),
        (&json!("impossible"), &json!("engine"))
    );
    let error = found["registry_error"].as_str().unwrap();
    assert!(
        error.starts_with("registry localhost:1 does not answer"),
        "{error}"
    );
    assert!(
        text.contains("not pinned: only the Docker Engine has it"),
        "{text}"
    );
    assert_eq!(built.expect_success().json()["images"][0]["state"], "built");

    let error = checkout.run(&["bases", "--json"]).json()["error"].clone();
    assert_eq!(error["exit_code"], 3);
    let message = format!("base image {reference} is neither in a registry nor in the engine");
    assert_eq!(error["message"], message);
    let causes = error["causes"].to_string();
    assert!(causes.contains("localhost:1 does not answer"), "{causes}");
    assert!(
        causes.contains(&format!("the engine has no {reference}")),
        "{causes}"
    );
}

#[test]
fn a_stage_with_the_name_of_its_base_is_refused() {
    let checkout = Checkout::new();
    let base = Moving::of(&checkout);
    base.push("one");
    let name = checkout.repository("base");
    let reference = base.reference();
    sh!("docker tag {reference} {name}");
    checkout.write(
        "server/Dockerfile",
        &format!("FROM {name} AS {name}\nFROM {name}\n"),
    );
    let ran = checkout.run(&["build", "orchestrator", "--json"]);
    sh!("docker rmi {name}");
    let message = format!("a stage and a base image are both named `{name}`");
    assert!(ran.stdout.contains(&message), "{ran:?}");
}

#[test]
fn malformed_files_are_named_by_line() {
    let checkout = Checkout::new();
    checkout.write("server/Dockerfile", "FROM scratch\n\nCOPY --from=3 /x /y\n");
    for arguments in [
        &["bases", "--json"][..],
        &["build", "orchestrator", "--json"],
    ] {
        let error = checkout.run(arguments).json()["error"].clone();
        assert_eq!(
            error["message"],
            "server/Dockerfile:3: COPY: there is no stage 3"
        );
        assert_eq!(
            (&error["exit_code"], &error["hint"]),
            (&json!(5), &json!("edit server/Dockerfile"))
        );
    }
    build_upon(&checkout, "scratch");
    checkout.write(PINS, "debian = \"latest\"\n");
    let error = checkout.run(&["bases", "--json"]).json()["error"].clone();
    assert_eq!(error["exit_code"], 4);
    assert_eq!(
        error["message"],
        "app-gen-infra/bases.toml:1: `debian`: `latest` is not a digest"
    );
}

/// A registry that gives nothing without a token, in the manner of a real one.
struct Guarded {
    port: u16,
    /// Request lines and `Authorization` headers, in order.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Guarded {
    /// `challenge` may name the port as `PORT`.
    fn start(challenge: &'static str, token: &'static str, digest: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let seeing = Arc::clone(&seen);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = String::new();
                let mut authorization = String::new();
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    if request.is_empty() {
                        request = line.replace(" HTTP/1.1", "");
                        request = request.replace("%3A", ":").replace("%2F", "/");
                    } else if let Some((_, value)) = line
                        .split_once(": ")
                        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                    {
                        authorization = value.to_owned();
                    } else if line.is_empty() {
                        break;
                    }
                }
                let (status, header, body) = if request.contains("/token") {
                    ("200 OK", "Content-Type: application/json".to_owned(), token)
                } else if authorization == "Bearer let-me-in" {
                    ("200 OK", format!("Docker-Content-Digest: {digest}"), "")
                } else {
                    let challenge = challenge.replace("PORT", &port.to_string());
                    (
                        "401 Unauthorized",
                        format!("Www-Authenticate: {challenge}"),
                        "",
                    )
                };
                seeing
                    .lock()
                    .unwrap()
                    .push(format!("{request} {authorization}"));
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { port, seen }
    }
}

#[test]
fn tokens_are_fetched_as_docker_hub_and_ecr_public_want_it() {
    let digest = format!("sha256:{}", "5".repeat(64));
    let checkout = Checkout::new();
    let login = tempfile::tempdir().unwrap();
    for (challenge, token, question) in [
        (
            "Bearer realm=\"http://127.0.0.1:PORT/token\",service=\"registry.docker.io\",\
             scope=\"repository:library/debian:pull\"",
            "{\"token\":\"let-me-in\",\"access_token\":\"let-me-in\",\"expires_in\":300,\
             \"issued_at\":\"2026-11-21T00:00:00Z\"}",
            "GET /token?service=registry.docker.io&scope=repository:library/debian:pull",
        ),
        (
            "Bearer realm=\"http://127.0.0.1:PORT/token/\",service=\"public.ecr.aws\",scope=\"aws\"",
            "{\"token\":\"let-me-in\"}",
            "GET /token/?service=public.ecr.aws&scope=aws",
        ),
    ] {
        let guarded = Guarded::start(challenge, token, digest.clone());
        let registry = format!("127.0.0.1:{}", guarded.port);
        build_upon(&checkout, &format!("{registry}/library/debian:12"));
        for (auths, credentials) in [
            (json!({}), ""),
            (
                json!({ registry.as_str(): { "auth": "dXNlcjpwYXNz" } }),
                "Basic dXNlcjpwYXNz",
            ),
        ] {
            let config = json!({ "auths": auths }).to_string();
            fs::write(login.path().join("config.json"), config).unwrap();
            let env = [("DOCKER_CONFIG", login.path().to_str().unwrap())];
            let listing = checkout
                .run_with(&["bases", "--json"], &env)
                .expect_success()
                .json();
            let found = &listing["bases"][0];
            assert_eq!(
                (&found["digest"], &found["source"]),
                (&json!(digest), &json!("registry"))
            );
            let head = "HEAD /v2/library/debian/manifests/12 ";
            assert_eq!(
                std::mem::take(&mut *guarded.seen.lock().unwrap()),
                [
                    head.to_owned(),
                    format!("{question} {credentials}"),
                    format!("{head}Bearer let-me-in")
                ]
            );
        }
    }
}

#[test]
fn ctrl_c_does_not_wait_for_a_registry() {
    // The system accepts for a listener that does not.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let checkout = Checkout::new();
    let port = listener.local_addr().unwrap().port();
    build_upon(&checkout, &format!("127.0.0.1:{port}/a"));
    let mut asking = Started::new(&checkout, &["bases"], &[]);
    let connection = wait_for("the question", || listener.accept().ok());
    let signalled = Instant::now();
    asking.signal(Signal::INT);
    assert_eq!(asking.ends_within(Duration::from_secs(4)).code, 130);
    assert!(signalled.elapsed() < Duration::from_secs(4));
    drop(connection);
}
