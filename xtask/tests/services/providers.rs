//! What a provider answers is asked before work begins. The provider is a server of the test.

use crate::common::command_lines::CommandLines;
use crate::common::{self, Checkout, Ran, instance};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

const KEY: &str = "ANTHROPIC_API_KEY";
const RUN: [&str; 4] = ["run", "generator", "a plant diary", "--json"];
/// What `run` ends with where nothing is deployed, which it looks at next.
const GOES_ON: i32 = 10;

/// A provider that accepts one key and knows one model.
struct Provider {
    port: u16,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    fn accepting(key: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let paths = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&paths);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                seen.lock().unwrap().push(answer(stream, &key));
            }
        });
        Self { port, paths }
    }

    /// The paths of all requests since the last call.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.paths.lock().unwrap())
    }
}

/// Answers one request as Anthropic does; returns its path.
fn answer(mut stream: TcpStream, key: &str) -> String {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let head: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let path = head[0].split(' ').nth(1).unwrap().to_owned();
    let sent = format!("x-api-key: {key}");
    let (status, kind) = if !head.iter().any(|line| line.eq_ignore_ascii_case(&sent)) {
        ("401 Unauthorized", "authentication_error")
    } else if path.contains("/overloaded-model") {
        ("529 Overloaded", "overloaded_error")
    } else if path.contains('?') || path.ends_with("/known-model") {
        ("200 OK", "")
    } else {
        ("404 Not Found", "not_found_error")
    };
    // Some providers quote what they were sent.
    let body = format!(
        r#"{{"type":"error","error":{{"type":"{kind}","message":{:?}}}}}"#,
        head.join(" ")
    );
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    path
}

/// A checkout whose generators ask a provider of the test.
struct World {
    checkout: Checkout,
    provider: Provider,
    good: String,
    bad: String,
    watch: CommandLines,
}

impl World {
    fn new() -> Self {
        let [good, bad] =
            ["good", "bad"].map(|name| format!("sk-test-{name}-{}", std::process::id()));
        let provider = Provider::accepting(good.clone());
        let checkout = Checkout::new();
        let manifest = app_gen_infra::MANIFEST_PATH;
        let base = format!("http://127.0.0.1:{}", provider.port);
        let environment =
            format!("[tasks.generator]\nenvironment = {{ ANTHROPIC_BASE_URL = \"{base}\" }}\n");
        checkout.replace(manifest, "[tasks.generator]\n", &environment);
        checkout.replace(manifest, "CLAUDE_CODE_OAUTH_TOKEN", KEY);
        checkout.replace(
            manifest,
            "{ when = { GENERATOR_PROVIDER",
            "{ one_of = \"claude\", when = { GENERATOR_PROVIDER",
        );
        Self {
            watch: CommandLines::watch(&[&good, &bad]),
            checkout,
            provider,
            good,
            bad,
        }
    }

    fn set(&self, key: &str) {
        let mut running = self
            .checkout
            .command(&["secrets", "set", "generator", KEY])
            .envs(env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = running.stdin.take().unwrap();
        stdin.write_all(key.as_bytes()).unwrap();
        drop(stdin);
        common::ran(&running.wait_with_output().unwrap()).expect_success();
    }

    /// Runs a command, which shows no key.
    fn run(&self, arguments: &[&str]) -> Ran {
        let ran = self.checkout.run_with(arguments, &env());
        for key in [&self.good, &self.bad] {
            assert!(!format!("{ran:?}").contains(key.as_str()), "{ran:?}");
        }
        ran
    }

    /// What `run` ends with, its error and its hint.
    fn generator(&self, more: &[&str]) -> (i32, String, String) {
        let ran = self.run(&[&RUN[..], more].concat());
        let error = &ran.json()["error"];
        assert_eq!(error["exit_code"], ran.code, "{ran:?}");
        let [message, hint] = ["message", "hint"].map(|name| error[name].as_str().unwrap());
        (ran.code, message.to_owned(), hint.to_owned())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let removed = self.run(&["secrets", "remove", "generator", "--yes"]);
        if !std::thread::panicking() {
            removed.expect_success();
            let seen = self.watch.seen();
            assert!(seen.is_empty(), "in an argument: {seen:?}");
        }
    }
}

fn env() -> [(&'static str, &'static str); 1] {
    [("APP_GEN_XTASK_AWS", instance::xtask_aws())]
}

#[test]
fn a_run_that_its_provider_would_refuse_does_not_begin() {
    let world = World::new();
    let claude = ["--provider", "claude"];
    let set = format!("cargo xtask secrets set generator {KEY} --env local < FILE_WITH_THE_VALUE");

    // No key at all, and a server that wants one.
    let (code, message, hint) = world.generator(&claude);
    assert_eq!((code, &hint), (9, &set), "{message}");
    world.provider.asked();

    world.set(&world.bad);
    let (code, message, hint) = world.generator(&claude);
    assert_eq!((code, &hint), (9, &set), "{message}");
    assert!(
        message.contains(&format!("refuses {KEY} of secret")),
        "{message}"
    );
    assert_eq!(world.provider.asked(), ["/v1/models?limit=1"]);
    // Who asks no provider needs no key.
    for more in [
        &["--provider", "claude", "--model", "scripted"][..],
        &["--provider", "template"],
    ] {
        let (code, message, _) = world.generator(more);
        assert_eq!(code, GOES_ON, "{more:?}: {message}");
    }
    assert_eq!(world.provider.asked(), Vec::<String>::new());

    world.set(&world.good);
    for (model, expected) in [
        ("known-model", GOES_ON),
        ("overloaded-model", GOES_ON),
        ("no-model", 2),
    ] {
        let (code, message, hint) = world.generator(&[&claude[..], &["--model", model]].concat());
        assert_eq!(code, expected, "{message}");
        assert_eq!(world.provider.asked(), [format!("/v1/models/{model}")]);
        if code == 2 {
            assert!(
                message.contains("`no-model`") && hint.contains("--model"),
                "{message}: {hint}"
            );
        }
    }
    // It is said that nothing was learned.
    let ran = world.run(&[
        "run",
        "generator",
        "x",
        "--provider",
        "claude",
        "--model",
        "overloaded-model",
    ]);
    assert!(
        ran.stderr.contains("warning: ") && ran.stderr.contains("answers 529"),
        "{ran:?}"
    );
}

#[test]
fn doctor_names_a_key_that_the_usual_provider_refuses_and_a_model_that_it_lacks() {
    let world = World::new();
    let usual = "GENERATOR_PROVIDER = \"claude\", GENERATOR_MODEL = \"no-model\" }";
    let manifest = app_gen_infra::MANIFEST_PATH;
    world
        .checkout
        .replace(manifest, "GENERATOR_PROVIDER = \"template\" }", usual);
    let found = |key: &str| {
        world.set(key);
        world.provider.asked();
        let ran = world.run(&["doctor", "--json"]);
        assert_eq!(ran.code, 12, "{ran:?}");
        assert_eq!(world.provider.asked(), ["/v1/models/no-model"]);
        // Nothing is deployed, which is the first thing to mend.
        ran.json()["findings"][0]["evidence"].to_string()
    };
    let evidence = found(&world.bad);
    assert!(evidence.contains(&format!("refuses {KEY}")), "{evidence}");
    let evidence = found(&world.good);
    assert!(evidence.contains("no model `no-model`"), "{evidence}");
}
