//! Access tokens: good ones of both kinds are taken, and everything else is refused, at a bounded cost to the login.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::login::{Login, Signer, in_seconds, unsigned, with_secret};
use crate::accounts::{ASK_AGAIN, Asker, World, quick, variables};
use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_kinds_of_keys_are_taken_and_may_change() {
    let world = World::start(TestDatabase::sqlite()).await;
    let user = Uuid::now_v7();
    let claims = world.login.claims(user, "Ann@Example.com");
    let first = Asker::with(world.signer.token(&claims));
    let (status, session) = world.get(&first, "/api/session").await;
    assert_eq!(status, 200, "{session}");
    assert_eq!(session["user"], user.to_string());
    assert_eq!(session["tenant"], user.to_string());
    assert_eq!(session["email"], "ann@example.com");
    // What users can write about themselves makes nobody an operator.
    assert_eq!(session["is_operator"], false);

    let second = Signer::rs256("second").await;
    tokio::time::sleep(ASK_AGAIN).await;
    world.login.publish(&[&second]);
    let token = Asker::with(second.token(&claims));
    assert_eq!(world.get(&token, "/api/session").await.0, 200);
    // The key from before was withdrawn.
    assert_eq!(world.get(&first, "/api/session").await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_good_is_refused() {
    let world = World::start(TestDatabase::sqlite()).await;
    let rsa = Signer::rs256("rsa").await;
    world.login.publish(&[&world.signer, &rsa]);
    let user = Uuid::now_v7();
    let good = world.login.claims(user, "a@example.com");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let header = |algorithm: &str, key: &str| json!({ "alg": algorithm, "kid": key, "typ": "JWT" });
    let signer = &world.signer;
    let forger = Signer::es256("first");
    let public = |signer: &Signer, name: &str| signer.public()[name].as_str().unwrap().to_owned();
    let mut cut = signer.token(&good);
    cut.truncate(cut.len() - 10);
    let parts: Vec<String> = signer.token(&good).split('.').map(str::to_owned).collect();
    let other = unsigned(
        &header("ES256", "first"),
        &with("sub", json!(Uuid::now_v7())),
    );
    let bad = [
        ("signed by somebody else", forger.token(&good)),
        ("expired", signer.token(&with("exp", json!(in_seconds(-120))))),
        ("not yet good", signer.token(&with("nbf", json!(in_seconds(600))))),
        ("never ends", signer.token(&without("exp"))),
        ("wrong audience", signer.token(&with("aud", json!("anon")))),
        ("no audience", signer.token(&without("aud"))),
        (
            "wrong issuer",
            signer.token(&with("iss", json!("https://evil.example/auth/v1"))),
        ),
        ("no issuer", signer.token(&without("iss"))),
        ("no user", signer.token(&without("sub"))),
        ("a user who is none", signer.token(&with("sub", json!("root")))),
        ("anonymous", signer.token(&with("is_anonymous", json!(true)))),
        ("no algorithm", format!("{}.", unsigned(&header("none", "first"), &good))),
        ("no signature", format!("{}.", unsigned(&header("ES256", "first"), &good))),
        (
            "HS256 with the public key",
            with_secret(&header("HS256", "rsa"), &good, public(&rsa, "n").as_bytes()),
        ),
        (
            "HS256 with the other public key",
            with_secret(&header("HS256", "first"), &good, public(signer, "x").as_bytes()),
        ),
        (
            "the algorithm of another kind of key",
            rsa.token_with(&header("RS256", "first"), &good),
        ),
        (
            "another algorithm of the same kind",
            rsa.token_with(&header("RS512", "rsa"), &good),
        ),
        (
            "no name of a key",
            signer.token_with(&json!({ "alg": "ES256" }), &good),
        ),
        (
            "a name of a key that nobody has",
            signer.token_with(&header("ES256", &"k".repeat(5000)), &good),
        ),
        (
            "an address of keys of its own",
            forger.token_with(
                &json!({ "alg": "ES256", "kid": "mine", "jku": "http://127.0.0.1:1/", "jwk": forger.public() }),
                &good,
            ),
        ),
        (
            "something critical that nobody knows",
            signer.token_with(
                &json!({ "alg": "ES256", "kid": "first", "crit": ["x"], "x": 1 }),
                &good,
            ),
        ),
        ("cut off", cut),
        ("another content", format!("{other}.{}", parts[2])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("nothing", String::new()),
        ("no token", "a.b.c".to_owned()),
        ("too long", "a".repeat(20_000)),
    ];
    assert_eq!(
        world
            .get(&Asker::with(signer.token(&good)), "/api/session")
            .await
            .0,
        200
    );
    for (what, token) in bad {
        let (status, body) = world.get(&Asker::with(token), "/api/session").await;
        assert_eq!(status, 401, "{what}: {body}");
        assert_eq!(body["code"], "unauthenticated", "{what}");
    }
    // Nobody became a tenant by that.
    let (_, tenants) = world
        .get(&Asker::with(signer.token(&good)), "/api/tenants")
        .await;
    assert_eq!(tenants["tenants"].as_array().unwrap().len(), 1);
    // Two words of who asks, and another scheme.
    let client = &world.orchestrator.client;
    let url = format!("{}/api/session", client.base);
    let token = format!("Bearer {}", signer.token(&good));
    let twice = client.http.get(&url).header("authorization", &token);
    let twice = twice.header("authorization", &token).send().await.unwrap();
    assert_eq!(twice.status().as_u16(), 401);
    assert_eq!(twice.headers()["www-authenticate"], "Bearer");
    let basic = client.http.get(&url).basic_auth("me", Some("secret"));
    assert_eq!(basic.send().await.unwrap().status().as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_unknown_keys_cost_the_login_little() {
    const TOKENS: usize = 400;
    let world = World::start(TestDatabase::sqlite()).await;
    let claims = world.login.claims(Uuid::now_v7(), "a@example.com");
    let good = Asker::with(world.signer.token(&claims));
    assert_eq!(world.get(&good, "/api/session").await.0, 200);
    let (before, began) = (world.login.asked(), Instant::now());
    let tokens = (0..TOKENS).map(|number| {
        let header = json!({ "alg": "ES256", "kid": format!("made up {number}") });
        Asker::with(world.signer.token_with(&header, &claims))
    });
    let tokens: Vec<Asker> = tokens.collect();
    let asked = tokens.iter().map(|token| world.get(token, "/api/jobs"));
    for (status, body) in futures::future::join_all(asked).await {
        assert_eq!(status, 401, "{body}");
    }
    // Once in each interval, whatever the number of tokens.
    let intervals = began.elapsed().as_millis() / ASK_AGAIN.as_millis();
    let most = usize::try_from(intervals).unwrap() + 2;
    let asked = world.login.asked() - before;
    assert!(
        asked <= most && asked < TOKENS / 4,
        "asked {asked} times in {intervals} intervals"
    );
    // Those who signed in are served all the same.
    assert_eq!(world.get(&good, "/api/session").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_does_not_answer_is_said_to_be_that() {
    let signer = Signer::es256("first");
    // Its address is known, and nobody is there any more.
    let login = Login::start(&[]).await;
    let claims = login.claims(Uuid::now_v7(), "a@example.com");
    let url = login.url.clone();
    drop(login);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let orchestrator = Orchestrator::with(
        TestDatabase::sqlite(),
        Options {
            generator: "succeeded",
            variables: variables(&url),
            change: Some(quick),
            ..Options::default()
        },
    )
    .await;
    let client = &orchestrator.client;
    let request = client
        .http
        .request(Method::GET, format!("{}/api/jobs", client.base));
    let response = request
        .bearer_auth(signer.token(&claims))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "10");
    // What needs nobody's name goes on.
    assert_eq!(client.get("/health").await.status().as_u16(), 200);
    let config: Value = client.get("/api/config").await.json().await.unwrap();
    let expected =
        json!({ "auth": { "mode": "supabase", "url": url, "anon_key": "sb_publishable_test" } });
    assert_eq!(config, expected);
    let policy = client.get("/health").await.headers()["content-security-policy"].clone();
    assert!(
        policy
            .to_str()
            .unwrap()
            .contains(&format!("connect-src 'self' {url}"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_accounts_everybody_is_the_one_tenant() {
    let orchestrator =
        Orchestrator::start(TestDatabase::sqlite(), "started; artifact; succeeded").await;
    let client = &orchestrator.client;
    let config: Value = client.get("/api/config").await.json().await.unwrap();
    assert_eq!(config, json!({ "auth": { "mode": "none" } }));
    let session: Value = client.get("/api/session").await.json().await.unwrap();
    assert_eq!(
        (&session["tenant"], &session["user"]),
        (&json!("local"), &json!("local"))
    );
    let refused = client.get("/api/keys").await;
    assert_eq!(refused.status().as_u16(), 409);
    let id = client.submit("anything").await;
    client.ended(&id).await;
    let usage: Value = client.get("/api/fleet/usage").await.json().await.unwrap();
    assert_eq!(usage["tenants"][0]["tenant"], "local");
    assert_eq!(usage["tenants"][0]["jobs"], 1);
}
