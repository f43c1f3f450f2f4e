//! Questions to a server that answers as providers do, and as what is in front of them.

mod server;

use super::*;
use crate::providers::provider::Header;
use crate::providers::tests::server::{Reply, Server};
use crate::providers::upstream::{OAUTH_BETA, Upstream};
use app_gen_infra::Platform;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use xtask_core::error::Rendered;

const SECRET: &str = "sk-very-secret";
const ANTHROPIC_KEY: &str = "ANTHROPIC_API_KEY";
const CLAUDE_TOKEN: &str = "CLAUDE_CODE_OAUTH_TOKEN";
const OPENAI_KEY: &str = "OPENAI_API_KEY";

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, SecretText> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), SecretText::from(*value)))
        .collect()
}

fn chosen(provider: Provider, model: Option<&str>) -> Chosen {
    let model = model.map(str::to_owned);
    Chosen { provider, model }
}

/// The answer of a server to a generator's key; none of it quotes the key.
fn asked(server: &Server, provider: Provider, model: Option<&str>, key: (&str, &str)) -> Asked {
    let base = match provider {
        Provider::Claude => ("ANTHROPIC_BASE_URL", server.url("")),
        Provider::Codex => ("OPENAI_BASE_URL", server.url("/v1/")),
    };
    let variables = variables(&[(base.0, &base.1), key]);
    let asked = ask(&chosen(provider, model), &variables).unwrap().unwrap();
    assert!(!format!("{asked:?}").contains("very-secret"), "{asked:?}");
    assert_eq!(asked.server, server.url(""));
    asked
}

fn verdict(server: &Server, model: Option<&str>) -> Verdict {
    asked(server, Provider::Claude, model, (ANTHROPIC_KEY, SECRET)).verdict
}

fn is_unanswered(verdict: &Verdict, why: &str) -> bool {
    matches!(verdict, Verdict::Unanswered(text) if text.contains(why))
}

#[test]
fn each_provider_is_asked_in_its_own_words() {
    let server = Server::of_providers(SECRET, "a-model/with:parts");
    for (provider, model, key, expected) in [
        (
            Provider::Claude,
            Some("a-model/with:parts"),
            ANTHROPIC_KEY,
            "GET /v1/models/a-model%2Fwith:parts; anthropic-version: 2023-06-01; x-api-key: KEY",
        ),
        (
            Provider::Claude,
            None,
            ANTHROPIC_KEY,
            "GET /v1/models?limit=1; anthropic-version: 2023-06-01; x-api-key: KEY",
        ),
        (
            Provider::Claude,
            None,
            CLAUDE_TOKEN,
            "GET /v1/models?limit=1; anthropic-beta: oauth-2025-04-20; anthropic-version: 2023-06-01; \
             authorization: Bearer KEY",
        ),
        (
            Provider::Codex,
            Some("a-model/with:parts"),
            OPENAI_KEY,
            "GET /v1/models/a-model%2Fwith:parts; authorization: Bearer KEY",
        ),
        (
            Provider::Codex,
            None,
            OPENAI_KEY,
            "GET /v1/models; authorization: Bearer KEY",
        ),
    ] {
        let asked = asked(&server, provider, model, (key, SECRET));
        assert_eq!(asked.verdict, Verdict::Accepted);
        assert_eq!((asked.key, asked.model.as_deref()), (Some(key), model));
        assert_eq!(server.last_request().replace(SECRET, "KEY"), expected);
    }
}

#[test]
fn a_wrong_key_and_an_unknown_model_are_told_apart() {
    let server = Server::of_providers(SECRET, "known-model");
    for (provider, key) in [
        (Provider::Claude, ANTHROPIC_KEY),
        (Provider::Claude, CLAUDE_TOKEN),
        (Provider::Codex, OPENAI_KEY),
    ] {
        let verdict = |model, value| asked(&server, provider, model, (key, value)).verdict;
        assert_eq!(verdict(Some("known-model"), SECRET), Verdict::Accepted);
        // What the file of a key ends with is no part of it.
        assert_eq!(verdict(None, " sk-very-secret\n"), Verdict::Accepted);
        assert_eq!(verdict(Some("no-model"), SECRET), Verdict::ModelUnknown);
        let refused = format!("{} answers 401", server.url(""));
        for model in [None, Some("known-model"), Some("no-model")] {
            let verdict = verdict(model, "sk-very-secret-and-wrong");
            match key {
                // It may be good where agents use it.
                CLAUDE_TOKEN => assert!(is_unanswered(&verdict, &refused), "{verdict:?}"),
                _ => assert_eq!(verdict, Verdict::KeyRefused(refused.clone())),
            }
        }
    }
}

#[test]
fn the_short_names_of_claude_code_are_not_the_providers() {
    let server = Server::of_providers(SECRET, "a-model");
    let asked_about = |model| {
        let asked = asked(
            &server,
            Provider::Claude,
            Some(model),
            (ANTHROPIC_KEY, SECRET),
        );
        assert_eq!(asked.verdict, Verdict::Accepted, "{model}");
        asked.model
    };
    for model in ["opus", "sonnet[1m]"] {
        assert_eq!(asked_about(model), None);
    }
    assert_eq!(asked_about("a-model[1m]").as_deref(), Some("a-model"));
}

#[test]
fn what_is_not_clear_is_held_against_nobody() {
    let error = |kind: &str, message: &str| {
        serde_json::json!({"error": {"type": kind, "code": null, "message": message}}).to_string()
    };
    let json = |status, text: String| Reply::Whole(status, text);
    let html = || "<html>Not for you</html>".to_owned();
    let scopes = "You have insufficient permissions. Missing scopes: api.model.read.";
    let region = "Country, region, or territory not supported";
    for (reply, why) in [
        (json(500, String::new()), "answers 500"),
        (json(429, error("rate_limit_error", "later")), "answers 429"),
        (json(529, error("overloaded_error", "later")), "answers 529"),
        (json(302, String::new()), "answers 302"),
        (
            json(400, error("invalid_request_error", "what?")),
            "answers 400",
        ),
        // Something in between that knows no keys, and a server that has no such route.
        (json(403, html()), "answers 403"),
        (json(404, html()), "answers 404"),
        (
            json(404, error("invalid_request_error", "no route")),
            "answers 404",
        ),
        // A key that may ask models and not list them.
        (
            json(403, error("invalid_request_error", scopes)),
            "may not ask that",
        ),
        (
            json(401, error("invalid_request_error", scopes)),
            "may not ask that",
        ),
        (
            json(403, error("request_forbidden", region)),
            "may not ask that",
        ),
        (Reply::Nothing, "http"),
    ] {
        let shown = format!("{reply:?}");
        let server = Server::new(move |_| reply.clone());
        let verdict = verdict(&server, Some("a-model"));
        assert!(is_unanswered(&verdict, why), "{shown}: {verdict:?}");
    }
    // Nobody listens at the port of a server that is gone.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let base = format!("http://127.0.0.1:{port}");
    let variables = variables(&[("OPENAI_BASE_URL", &base), (OPENAI_KEY, SECRET)]);
    let asked = ask(&chosen(Provider::Codex, None), &variables)
        .unwrap()
        .unwrap();
    assert!(is_unanswered(&asked.verdict, "refused"), "{asked:?}");
}

#[test]
fn a_refusal_of_the_provider_is_one_whatever_its_words() {
    let refusals = [
        (401, "<html>Authorization Required</html>"),
        (401, r#"{"error":"bad key"}"#),
        (
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#,
        ),
    ];
    for (status, body) in refusals {
        let server = Server::new(move |_| Reply::Whole(status, body.to_owned()));
        let verdict = verdict(&server, None);
        assert!(
            matches!(verdict, Verdict::KeyRefused(_)),
            "{status}: {verdict:?}"
        );
    }
}

#[test]
fn neither_silence_nor_an_answer_without_an_end_takes_long() {
    let bound = Duration::from_secs(15);
    // Side by side, since each takes as long as a question may.
    thread::scope(|scope| {
        for (reply, why) in [
            (Reply::Silence, "timeout"),
            (Reply::Endless(500), "answers 500"),
            (Reply::Trickle(404), "answers 404"),
        ] {
            scope.spawn(move || {
                let shown = format!("{reply:?}");
                let server = Server::new(move |_| reply.clone());
                let started = Instant::now();
                let verdict = verdict(&server, Some("a-model"));
                assert!(is_unanswered(&verdict, why), "{shown}: {verdict:?}");
                assert!(started.elapsed() < bound, "{shown}");
            });
        }
    });
    // The body of a success is not read.
    let server = Server::new(|_| Reply::Endless(200));
    assert_eq!(verdict(&server, None), Verdict::Accepted);
}

#[test]
fn a_redirect_does_not_carry_the_key_elsewhere() {
    let elsewhere = Server::of_providers(SECRET, "a-model");
    let target = elsewhere.url("/v1/models");
    let server = Server::new(move |_| Reply::Redirect(target.clone()));
    assert!(is_unanswered(&verdict(&server, None), "answers 307"));
    assert_eq!(elsewhere.requests(), 0);
}

#[test]
fn a_key_comes_before_a_token_and_a_server_of_ones_own_needs_none() {
    let server = Server::of_providers(SECRET, "a-model");
    let base = ("ANTHROPIC_BASE_URL", server.url("/"));
    let ask = |keys: &[(&str, &str)]| {
        let all = [&[(base.0, base.1.as_str())], keys].concat();
        ask(&chosen(Provider::Claude, None), &variables(&all)).unwrap()
    };
    let both = ask(&[(ANTHROPIC_KEY, SECRET), (CLAUDE_TOKEN, "another")]).unwrap();
    assert_eq!(
        (both.key, both.verdict),
        (Some(ANTHROPIC_KEY), Verdict::Accepted)
    );
    let blank = ask(&[(ANTHROPIC_KEY, " "), (CLAUDE_TOKEN, SECRET)]).unwrap();
    assert_eq!(
        (blank.key, blank.verdict),
        (Some(CLAUDE_TOKEN), Verdict::Accepted)
    );
    let open = Server::new(|_| Reply::Whole(200, "{}".to_owned()));
    let variables = variables(&[("ANTHROPIC_BASE_URL", &open.url(""))]);
    let own = super::ask(&chosen(Provider::Claude, None), &variables)
        .unwrap()
        .unwrap();
    assert_eq!((own.key, own.verdict), (None, Verdict::Accepted));
    assert_eq!(
        open.last_request(),
        "GET /v1/models?limit=1; anthropic-version: 2023-06-01"
    );
    let nothing = super::ask(&chosen(Provider::Codex, None), &variables);
    assert_eq!(nothing.unwrap(), None);
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_without_a_question() {
    let server = Server::of_providers(SECRET, "a-model");
    for key in ["sk-very-secret\u{7f}", "sk-very secret", "sk-very-secret-ä"] {
        let asked = asked(&server, Provider::Claude, None, (ANTHROPIC_KEY, key));
        assert!(matches!(asked.verdict, Verdict::KeyRefused(_)), "{asked:?}");
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_key_is_sent_to_nobody_who_could_let_others_read_it() {
    for base in [
        "http://api.anthropic.com",
        "http://10.0.0.1",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:sk-very-secret@example.com",
        "https://example.com?key=sk-very-secret",
        "https://example.com#sk-very-secret",
        "sk-very-secret",
        "/v1",
    ] {
        let variables = variables(&[("ANTHROPIC_BASE_URL", base), (ANTHROPIC_KEY, SECRET)]);
        let failure = ask(&chosen(Provider::Claude, None), &variables).unwrap_err();
        assert!(
            !format!("{failure:?}").contains("very-secret"),
            "{failure:?}"
        );
        let rendered = Rendered::new(&failure.into());
        assert_eq!(rendered.exit_code, Code::Manifest as u8, "{base}");
        assert!(
            rendered.message.starts_with("ANTHROPIC_BASE_URL "),
            "{base}"
        );
        assert!(rendered.hint.unwrap().contains("[tasks.generator]"));
    }
    let upstream = |base: &str| {
        let variables = variables(&[("OPENAI_BASE_URL", base)]);
        Upstream::of(Provider::Codex, |name| variables.get(name).cloned()).unwrap()
    };
    for base in [
        "http://localhost:1/v1",
        "http://127.9.9.9",
        "http://[::1]:2",
        "https://a.b/c",
    ] {
        assert!(upstream(base).is_some(), "{base}");
    }
}

#[test]
fn without_a_base_url_the_providers_themselves_are_asked() {
    let variables = variables(&[(ANTHROPIC_KEY, SECRET), (OPENAI_KEY, SECRET)]);
    for (provider, server) in [
        (Provider::Claude, "https://api.anthropic.com"),
        (Provider::Codex, "https://api.openai.com"),
    ] {
        let upstream = Upstream::of(provider, |name| variables.get(name).cloned());
        let upstream = upstream.unwrap().unwrap();
        assert_eq!(upstream.server(), server);
        assert!(!format!("{upstream:?}").contains("very-secret"));
    }
    // The orchestrator's variables say who is asked.
    let by = |pairs: &[(&str, &'static str)]| {
        Chosen::by(|name| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|pair| pair.1)
        })
    };
    let claude = ("GENERATOR_PROVIDER", "claude");
    assert_eq!(by(&[claude]), Some(chosen(Provider::Claude, None)));
    let model = ("GENERATOR_MODEL", "m-1");
    assert_eq!(
        by(&[claude, model]),
        Some(chosen(Provider::Claude, Some("m-1")))
    );
    assert_eq!(by(&[claude, ("MODEL_SCRIPT", "create")]), None);
    assert_eq!(by(&[("GENERATOR_PROVIDER", "template"), model]), None);
    assert_eq!(by(&[]), None);
    assert!(
        Provider::Codex
            .keys()
            .iter()
            .all(|key| key.header == Header::Bearer)
    );
}

/// What a generator would do is not guessed here: its model gateway has the same variables, servers and beta.
#[test]
fn the_manifest_and_the_gateway_know_the_same_keys_and_servers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let platform = Platform::load(root).unwrap();
    let gateway = std::fs::read_to_string(root.join("app-gen/gateway/src/upstream.rs")).unwrap();
    let secret = platform.generator().secret.as_ref().unwrap().get_ref();
    for name in agents::of_image(&platform) {
        let provider = Provider::named(name).unwrap();
        let keys = provider.keys().iter().map(|key| key.name);
        let known = platform.secrets[secret].keys.iter();
        let known = known.filter(|(_, key)| key.one_of.as_deref() == Some(name));
        let known: Vec<&str> = known.map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys.clone().collect::<Vec<_>>(), known, "{name}");
        let same = keys.chain([provider.base_variable(), provider.usual_base(), OAUTH_BETA]);
        for text in same {
            assert!(gateway.contains(&format!("\"{text}\"")), "{text}");
        }
    }
}
