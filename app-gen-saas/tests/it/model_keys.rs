//! Keys of model providers that tenants bring: set, tested, replaced and removed, sent by the jobs of their tenant and
//! by no other, and never in an answer or a log. Keys are in files, or in the Secrets Manager of the local cloud
//! (`APP_GEN_LOCAL_INSTANCE=test cargo xtask cloud up`).

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::Client as Secrets;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::accounts::login::{Login, Signer};
use crate::ecs::{ENDPOINT, KEY};
use crate::support::binary::{Binary, process_variables};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::script;

/// No real key begins so.
const GOOD: &str = "sk-good-of-the-tenant-0001";
const BETTER: &str = "sk-good-of-the-tenant-0002";
const REFUSED: &str = "sk-refused-and-very-secret";
const UNPAID: &str = "sk-unpaid-and-very-secret";
const OF_PLATFORM: &str = "sk-good-of-the-platform-01";

/// A generator that asks the provider of its job as the gateway of the real one does: with the tenant's key if it is
/// told of one, otherwise with the platform's.
const ASKS: &str = r#"
started
place=$(printf %s "$MODEL_KEYS" | sed -n 's|^anthropic=file://\([^,]*\).*|\1|p')
payer=platform
key=$ANTHROPIC_API_KEY
if [ -n "$place" ]; then
  payer=tenant
  key=$(sed -n 's/.*"key":"\([^"]*\)".*/\1/p' "$place")
fi
bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"
  printf "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: %s\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}" "$1" >&3
  cat <&3 >/dev/null' "$PROVIDER_PORT" "$key"
event usage "{\"role\":\"builder\",\"stage\":\"build\",\"provider\":\"claude\",\"model\":\"m\",\"tokens\":{\"input\":5,\"cache_read\":0,\"cache_write\":0,\"cache_write_long\":0,\"output\":0,\"thinking\":0},\"micro_usd\":700,\"paid_by\":\"$payer\"}"
artifact
succeeded
"#;

/// A provider of both protocols, which keeps the keys that it is sent.
#[derive(Default)]
struct Seen {
    keys: Vec<String>,
    revoked: BTreeSet<String>,
}

struct Provider {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

async fn answer(State(seen): State<Arc<Mutex<Seen>>>, request: Request) -> (StatusCode, String) {
    let text = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let bearer = text("authorization").map(|value| value.replace("Bearer ", ""));
    let key = text("x-api-key").or(bearer).unwrap_or_default();
    let is_revoked = {
        let mut seen = seen.lock().unwrap();
        seen.keys.push(key.clone());
        seen.revoked.contains(&key)
    };
    let (status, body) = match request.uri().path() {
        _ if is_revoked || key == REFUSED => (
            401,
            // Providers quote keys.
            json!({ "error": { "type": "authentication_error", "message": key } }),
        ),
        _ if key == UNPAID => (429, json!({ "error": { "code": "insufficient_quota" } })),
        "/v1/messages" => (200, json!({ "type": "message" })),
        "/v1/responses" => (200, json!({ "object": "response" })),
        "/moved/v1/messages" => (307, Value::Null),
        _ => (404, Value::Null),
    };
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

impl Provider {
    async fn start() -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The keys that were sent since this was asked last.
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap().keys)
    }

    fn revoke(&self, key: &str) {
        self.seen.lock().unwrap().revoked.insert(key.to_owned());
    }
}

/// Where keys are kept, as somebody sees it who looks there.
enum Store {
    Folder(PathBuf),
    Cloud { client: Secrets, prefix: String },
}

impl Store {
    fn cloud() -> Self {
        let credentials =
            aws_sdk_secretsmanager::config::Credentials::new("operator", &*KEY, None, None, "test");
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version_latest()
            .endpoint_url(&*ENDPOINT)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(aws_sdk_secretsmanager::config::Region::new("us-east-1"))
            .credentials_provider(credentials)
            .build();
        Self::Cloud {
            client: Secrets::from_conf(config),
            prefix: format!("test-{}/tenants", Uuid::now_v7().simple()),
        }
    }

    fn uri(&self) -> String {
        match self {
            Self::Folder(path) => format!("file://{}", path.display()),
            Self::Cloud { prefix, .. } => format!("secretsmanager://{prefix}"),
        }
    }

    /// The names of all keys, `TENANT/PROVIDER`, and what is kept under them.
    async fn listed(&self) -> Vec<(String, String)> {
        let mut listed: Vec<(String, String)> = match self {
            Self::Folder(path) => files(path)
                .into_iter()
                .filter_map(|file| {
                    // It may just have been removed, and so may a secret below.
                    let rights = std::fs::metadata(&file).ok()?.permissions().mode();
                    assert_eq!(rights & 0o777, 0o600, "{file:?}");
                    let name = file.strip_prefix(path).unwrap().with_extension("");
                    let kept = std::fs::read_to_string(&file).ok()?;
                    Some((name.display().to_string(), kept))
                })
                .collect(),
            Self::Cloud { client, prefix } => {
                let filter = Filter::builder()
                    .key(FilterNameStringType::Name)
                    .values(prefix);
                let listed = client.list_secrets().filters(filter.build()).send();
                let mut secrets = Vec::new();
                for secret in listed.await.unwrap().secret_list() {
                    let name = secret.name().unwrap();
                    let Some(below) = name.strip_prefix(&format!("{prefix}/")) else {
                        continue;
                    };
                    let tenant = below.split('/').next().unwrap();
                    let described = client.describe_secret().secret_id(name).send().await;
                    let kept = client.get_secret_value().secret_id(name).send().await;
                    let (Ok(described), Ok(kept)) = (described, kept) else {
                        continue;
                    };
                    let is_tagged = described
                        .tags()
                        .iter()
                        .any(|tag| tag.key() == Some("tenant") && tag.value() == Some(tenant));
                    assert!(is_tagged, "{name}");
                    let kept = kept.secret_string.unwrap();
                    secrets.push((below.replace("/models/", "/"), kept));
                }
                secrets
            }
        };
        listed.sort();
        listed
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// The built orchestrator with its users, a provider, and a store.
struct World {
    binary: Binary,
    database: TestDatabase,
    login: Login,
    signer: Signer,
    provider: Provider,
    store: Store,
    _folder: TempDir,
}

/// Somebody in a tenant: a token or a key, and the tenant.
#[derive(Clone)]
struct Asker(String, Option<String>);

impl World {
    /// With keys in the local cloud or in files; `endpoints` is what tenants may name.
    async fn start(in_cloud: bool, endpoints: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::es256("first");
        let login = Login::start(&[&signer]).await;
        let provider = Provider::start().await;
        let database = TestDatabase::sqlite();
        let store = match in_cloud {
            true => Store::cloud(),
            false => Store::Folder(folder.path().join("model-keys")),
        };
        let generator = script(folder.path(), ASKS);
        let mut variables = process_variables(folder.path(), &database.url, &generator);
        let environment = json!({
            "PATH": std::env::var("PATH").unwrap(),
            "ANTHROPIC_API_KEY": OF_PLATFORM,
            "PROVIDER_PORT": provider.port.to_string(),
        });
        variables.extend([
            ("AUTH_MODE", "supabase".to_owned()),
            ("SUPABASE_URL", login.url.clone()),
            ("SUPABASE_ANON_KEY", "sb_publishable_test".to_owned()),
            ("GENERATOR_ENVIRONMENT", environment.to_string()),
            ("MODEL_KEYS_URI", store.uri()),
            ("MODEL_ENDPOINTS", endpoints.to_owned()),
            ("AWS_ENDPOINT_URL", ENDPOINT.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]);
        if in_cloud {
            variables.extend([
                ("AWS_ACCESS_KEY_ID", "operator".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", KEY.clone()),
            ]);
        }
        Self {
            binary: Binary::start(&variables).await,
            database,
            login,
            signer,
            provider,
            store,
            _folder: folder,
        }
    }

    fn user(&self, email: &str) -> Asker {
        let claims = self.login.claims(Uuid::now_v7(), email);
        Asker(self.signer.token(&claims), None)
    }

    async fn ask(&self, asker: &Asker, method: Method, path: &str, body: Value) -> (u16, Value) {
        let client = &self.binary.client;
        let url = format!("{}{path}", client.base);
        let mut request = client.http.request(method, url).bearer_auth(&asker.0);
        if let Some(tenant) = &asker.1 {
            request = request.header("x-app-gen-tenant", tenant);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        for key in [GOOD, BETTER, REFUSED, UNPAID, OF_PLATFORM] {
            assert!(!text.contains(key), "{path} shows a key: {text}");
        }
        let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, answer)
    }

    async fn get(&self, asker: &Asker, path: &str) -> (u16, Value) {
        self.ask(asker, Method::GET, path, Value::Null).await
    }

    async fn set(&self, asker: &Asker, provider: &str, key: &str, base: &str) -> (u16, Value) {
        let body = json!({ "key": key, "base_url": base });
        let path = format!("/api/model-keys/{provider}");
        self.ask(asker, Method::PUT, &path, body).await
    }

    /// The id of a shared tenant that somebody owns.
    async fn tenant(&self, owner: &Asker) -> String {
        let body = json!({ "name": "Team" });
        let (status, tenant) = self.ask(owner, Method::POST, "/api/tenants", body).await;
        assert_eq!(status, 201, "{tenant}");
        tenant["id"].as_str().unwrap().to_owned()
    }

    /// A job of Claude Code that has ended.
    async fn job(&self, asker: &Asker) -> Value {
        let body = json!({ "description": "diary", "provider": "claude" });
        let (status, job) = self.ask(asker, Method::POST, "/api/jobs", body).await;
        assert_eq!(status, 201, "{job}");
        let path = format!("/api/jobs/{}", job["id"].as_str().unwrap());
        let job = eventually("the end of a job", async || {
            let (_, job) = self.get(asker, &path).await;
            job["finished_at"].is_string().then_some(job)
        })
        .await;
        assert_eq!(job["state"], "succeeded", "{job}");
        job
    }

    /// Ends the orchestrator, in whose log no key is.
    async fn end(self) {
        let log = self.binary.log_handle();
        self.binary.terminate().await;
        for line in log.lines() {
            let text = line.to_string();
            for key in [GOOD, BETTER, REFUSED, UNPAID, OF_PLATFORM] {
                assert!(!text.contains(key), "a key is in the log: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_files_come_and_go() {
    come_and_go(World::start(false, "any").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_the_cloud_come_and_go() {
    come_and_go(World::start(true, "any").await).await;
}

async fn come_and_go(world: World) {
    let ann = world.user("ann@example.com");
    let base = world.provider.url("");
    assert_eq!(
        world.get(&ann, "/api/model-keys").await.1,
        json!({ "keys": [] })
    );
    let nowhere = {
        // Nobody listens at a port that was just free.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (key, base, outcome) in [
        (REFUSED, base.clone(), "key_refused"),
        (UNPAID, base.clone(), "no_credit"),
        (GOOD, world.provider.url("/elsewhere"), "wrong_endpoint"),
        (GOOD, world.provider.url("/moved"), "wrong_endpoint"),
        (GOOD, nowhere, "unreachable"),
        (GOOD, "https://nowhere.invalid".to_owned(), "unreachable"),
        (
            GOOD,
            "https://169.254.169.254".to_owned(),
            "forbidden_address",
        ),
    ] {
        let (status, problem) = world.set(&ann, "anthropic", key, &base).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["outcome"], outcome, "{base}: {problem}");
        assert_eq!(problem["code"], "key_unusable");
    }
    for body in [
        json!({ "key": "short" }),
        json!({ "key": REFUSED, "base_url": "http://models.example" }),
        json!({ "key": REFUSED, "base_url": "https://me:secret@models.example" }),
        json!({ "keys": REFUSED }),
        json!(REFUSED),
        json!({ "key": [REFUSED] }),
    ] {
        let path = "/api/model-keys/anthropic";
        let (status, problem) = world.ask(&ann, Method::PUT, path, body).await;
        assert_eq!(status, 400, "{problem}");
    }
    assert_eq!(world.set(&ann, "gemini", GOOD, &base).await.0, 404);
    let kept = world.store.listed().await;
    assert!(kept.is_empty(), "what failed is kept: {kept:?}");
    world.provider.taken();

    let (status, set) = world.set(&ann, "anthropic", GOOD, &base).await;
    assert_eq!(status, 200, "{set}");
    assert_eq!(world.provider.taken(), [GOOD], "it was tested once");
    assert_eq!(
        (&set["last_four"], &set["set_by"], &set["test_outcome"]),
        (&json!("0001"), &json!("ann@example.com"), &json!("works"))
    );
    assert_eq!(
        (&set["agent"], &set["base_url"]),
        (&json!("claude"), &json!(base))
    );
    assert_eq!(
        world.get(&ann, "/api/model-keys/anthropic").await,
        (200, set.clone())
    );
    assert_eq!(
        world.get(&ann, "/api/model-keys").await.1,
        json!({ "keys": [set] })
    );
    let listed = world.store.listed().await;
    let [(name, kept)] = &listed[..] else {
        panic!("{listed:?}");
    };
    assert!(
        name.ends_with("/anthropic") && kept.contains(GOOD),
        "{name}"
    );
    let others = world.user("ben@example.com");
    assert_eq!(
        world.get(&others, "/api/model-keys").await.1,
        json!({ "keys": [] })
    );

    // A key that does not pass its test leaves the one before.
    assert_eq!(world.set(&ann, "anthropic", REFUSED, &base).await.0, 422);
    assert_eq!(world.store.listed().await, listed);
    let (status, replaced) = world.set(&ann, "anthropic", BETTER, &base).await;
    assert_eq!((status, &replaced["last_four"]), (200, &json!("0002")));
    let openai = world.provider.url("/v1");
    assert_eq!(world.set(&ann, "openai", GOOD, &openai).await.0, 200);
    let listed = world.store.listed().await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[0].1.contains(BETTER) && !listed[0].1.contains(GOOD));

    let test = "/api/model-keys/anthropic/test";
    let tested = world.ask(&ann, Method::POST, test, Value::Null).await;
    assert_eq!(
        (tested.0, &tested.1["test_outcome"]),
        (200, &json!("works"))
    );
    world.provider.revoke(BETTER);
    let tested = world.ask(&ann, Method::POST, test, Value::Null).await;
    assert_eq!(tested.1["test_outcome"], "key_refused");
    let (_, shown) = world.get(&ann, "/api/model-keys/anthropic").await;
    assert_eq!(shown["test_outcome"], "key_refused");

    for provider in ["anthropic", "openai"] {
        let path = format!("/api/model-keys/{provider}");
        let removed = world.ask(&ann, Method::DELETE, &path, Value::Null).await;
        assert_eq!(removed.0, 204, "{removed:?}");
        let again = world.ask(&ann, Method::DELETE, &path, Value::Null).await;
        assert_eq!(again.0, 404, "{again:?}");
    }
    assert!(world.store.listed().await.is_empty());
    // It can be set again at once.
    assert_eq!(world.set(&ann, "openai", GOOD, &openai).await.0, 200);
    let path = "/api/model-keys/openai";
    assert_eq!(
        world.ask(&ann, Method::DELETE, path, Value::Null).await.0,
        204
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_send_the_key_of_their_own_tenant_and_others_that_of_the_platform() {
    let world = World::start(false, "any").await;
    let (ann, ben) = (world.user("ann@example.com"), world.user("ben@example.com"));
    let base = world.provider.url("");
    assert_eq!(world.set(&ann, "anthropic", GOOD, &base).await.0, 200);
    world.provider.taken();

    let job = world.job(&ann).await;
    assert_eq!(world.provider.taken(), [GOOD]);
    assert_eq!(job["paid_by"], "tenant");
    let usage = &job["usage"];
    assert_eq!(
        (&usage["micro_usd"], &usage["own_micro_usd"]),
        (&json!(700), &json!(700))
    );

    let job = world.job(&ben).await;
    assert_eq!(world.provider.taken(), [OF_PLATFORM]);
    assert_eq!(job["paid_by"], "platform");
    let usage = &job["usage"];
    assert_eq!(
        (&usage["micro_usd"], &usage["own_micro_usd"]),
        (&json!(700), &json!(0))
    );

    // The next attempt begins with the key that is there then.
    assert_eq!(world.set(&ann, "anthropic", BETTER, &base).await.0, 200);
    world.provider.taken();
    world.job(&ann).await;
    assert_eq!(world.provider.taken(), [BETTER]);
    let path = "/api/model-keys/anthropic";
    assert_eq!(
        world.ask(&ann, Method::DELETE, path, Value::Null).await.0,
        204
    );
    let job = world.job(&ann).await;
    assert_eq!(world.provider.taken(), [OF_PLATFORM]);
    assert_eq!(job["paid_by"], "platform");

    let claims = world.login.operator(Uuid::now_v7(), "operator@example.com");
    let operator = Asker(world.signer.token(&claims), None);
    let (_, usage) = world.get(&operator, "/api/fleet/usage").await;
    let paid = |own: i64| {
        let tenants = usage["tenants"].as_array().unwrap().iter();
        let mut found = tenants.filter(|tenant| tenant["own_micro_usd"] == own);
        found.any(|tenant| tenant["micro_usd"].as_i64() >= Some(700))
    };
    assert!(paid(1400) && paid(0), "{usage}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_keys_need_the_scope_and_addresses_must_be_public() {
    let world = World::start(false, "public").await;
    let ann = world.user("ann@example.com");
    let made = async |scopes: Value| {
        let body = json!({ "name": "CI", "scopes": scopes });
        let (status, key) = world.ask(&ann, Method::POST, "/api/keys", body).await;
        assert_eq!(status, 201, "{key}");
        Asker(key["key"].as_str().unwrap().to_owned(), None)
    };
    let writing = made(json!(["read", "write", "deliver"])).await;
    let setting = made(json!(["read", "models"])).await;
    assert_eq!(world.get(&writing, "/api/model-keys").await.0, 200);
    let base = "https://127.0.0.1";
    assert_eq!(world.set(&writing, "anthropic", GOOD, base).await.0, 403);
    let (status, problem) = world.set(&setting, "anthropic", GOOD, base).await;
    assert_eq!(
        (status, &problem["outcome"]),
        (422, &json!("forbidden_address"))
    );
    for base in [
        "https://localhost",
        "https://[::1]",
        "https://10.0.0.1",
        "https://2130706433",
    ] {
        let (_, problem) = world.set(&ann, "anthropic", GOOD, base).await;
        assert_eq!(problem["outcome"], "forbidden_address", "{base}: {problem}");
    }
    // Neither plain HTTP nor another port.
    for base in [
        world.provider.url(""),
        "https://models.example:8443".to_owned(),
    ] {
        assert_eq!(
            world.set(&ann, "anthropic", GOOD, &base).await.0,
            400,
            "{base}"
        );
    }
    assert_eq!(world.provider.taken(), Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_files_go_with_their_tenant() {
    go_with_their_tenant(World::start(false, "any").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_the_cloud_go_with_their_tenant() {
    go_with_their_tenant(World::start(true, "any").await).await;
}

async fn go_with_their_tenant(world: World) {
    let (ann, ben) = (world.user("ann@example.com"), world.user("ben@example.com"));
    let (team, others) = (world.tenant(&ann).await, world.tenant(&ben).await);
    let base = world.provider.url("");
    for (user, tenant) in [(&ann, &team), (&ben, &others)] {
        let there = Asker(user.0.clone(), Some(tenant.clone()));
        assert_eq!(world.set(&there, "anthropic", GOOD, &base).await.0, 200);
        let openai = world.provider.url("/v1");
        assert_eq!(world.set(&there, "openai", GOOD, &openai).await.0, 200);
    }
    let names = async || {
        let listed = world.store.listed().await.into_iter();
        listed.map(|(name, _)| name).collect::<Vec<_>>()
    };
    let all = names().await;
    assert_eq!(all.len(), 4, "{all:?}");
    let path = format!("/api/tenants/{team}");
    assert_eq!(
        world.ask(&ann, Method::DELETE, &path, Value::Null).await.0,
        204
    );
    // The minute passes in which a request that was let in before may still write.
    let earlier = "UPDATE tenants SET deleted_at = 1 WHERE deleted_at IS NOT NULL";
    world.database.execute(earlier).await;
    let left: Vec<String> = all
        .into_iter()
        .filter(|name| name.starts_with(&others))
        .collect();
    eventually("the end of the tenant's keys", async || {
        (names().await == left).then_some(())
    })
    .await;
    let there = Asker(ben.0.clone(), Some(others));
    let (_, keys) = world.get(&there, "/api/model-keys").await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
    for provider in ["anthropic", "openai"] {
        let path = format!("/api/model-keys/{provider}");
        assert_eq!(
            world
                .ask(&there, Method::DELETE, &path, Value::Null)
                .await
                .0,
            204
        );
    }
    world.end().await;
}
