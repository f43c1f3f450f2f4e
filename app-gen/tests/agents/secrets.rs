//! What an agent must not learn.

use crate::support::Job;
use app_gen_contract::{Body, Payer};
use app_gen_scripted_model::{Model, Script, Settings, serve};
use axum::http::HeaderMap;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Obviously not a key.
const SECRETS: [(&str, &str); 5] = [
    ("ANTHROPIC_API_KEY", "fake-key-of-anthropic-7f31"),
    ("OPENAI_API_KEY", "fake-key-of-openai-7f31"),
    ("GITHUB_BOT_TOKEN", "fake-token-of-github-7f31"),
    ("FLY_API_TOKEN", "fake-token-of-fly-7f31"),
    ("CLAUDE_CODE_OAUTH_TOKEN", "fake-token-of-claude-7f31"),
];

/// An agent reads whatever it can reach, and says it to the model. Nothing of the generator's is in what it
/// finds, nor in what the job leaves.
#[test]
fn an_agent_that_trespasses_finds_nothing() {
    let world = World::start(SECRETS[0].1);
    let base = ("ANTHROPIC_BASE_URL".to_owned(), world.model.clone());
    let secrets = SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    world.trespass([base].into_iter().chain(secrets).collect(), Payer::Platform);
}

/// So it is with the key of a tenant, which is sent in the place of the platform's. The generator reads it from
/// Secrets Manager, with the credentials of its task.
#[test]
fn the_key_of_a_tenant_is_sent_and_not_found() {
    const KEY: &str = "fake-key-of-the-tenant-7f31";
    const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000001:secret:p/dev/tenants/1/models/anthropic-a1b2c3";
    let world = World::start(KEY);
    let secret = json!({ "key": KEY, "base_url": world.model }).to_string();
    let answer = json!({ "ARN": ARN, "SecretString": secret }).to_string();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&asked);
    let secrets_manager = move |headers: HeaderMap, body: String| async move {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert!(header("authorization").contains("/secretsmanager/aws4_request"));
        kept.lock()
            .unwrap()
            .push(format!("{} {body}", header("x-amz-target")));
        answer
    };
    let listener = world.listen();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(secrets_manager);
    world
        .runtime
        .spawn(async move { axum::serve(listener, router).await });
    let variables = [
        ("MODEL_KEYS", format!("anthropic={ARN}")),
        // The model is at the loopback of this machine.
        ("MODEL_ENDPOINTS", "any".to_owned()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint),
        ("AWS_ACCESS_KEY_ID", "fake-id".to_owned()),
        (
            "AWS_SECRET_ACCESS_KEY",
            "fake-secret-of-aws-7f31".to_owned(),
        ),
        ("AWS_SESSION_TOKEN", "fake-session-of-aws-7f31".to_owned()),
        // The model refuses it.
        (SECRETS[0].0, SECRETS[0].1.to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    world.trespass(variables.to_vec(), Payer::Tenant);
    let expected = format!(
        "secretsmanager.GetSecretValue {}",
        json!({ "SecretId": ARN })
    );
    assert_eq!(*asked.lock().unwrap(), [expected]);
}

/// A model that plays the script of a trespasser, at the loopback of this machine.
struct World {
    runtime: Runtime,
    /// Its address.
    model: String,
    key: &'static str,
    folder: TempDir,
}

impl World {
    /// The model takes this key and no other.
    fn start(key: &'static str) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripted-model/scripts");
        let script = Script::load(&scripts.join("trespasses.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            key: Some(key.to_owned()),
            record: Some(folder.path().join("requests")),
            ..Settings::default()
        };
        let runtime = Runtime::new().unwrap();
        let mut world = Self {
            runtime,
            model: String::new(),
            key,
            folder,
        };
        let listener = world.listen();
        world.model = format!("http://{}", listener.local_addr().unwrap());
        let model = Model::new(script, settings).unwrap();
        world
            .runtime
            .spawn(async move { serve(listener, Arc::new(model)).await });
        world
    }

    fn listen(&self) -> TcpListener {
        self.runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .unwrap()
    }

    /// Runs a job with these variables, none of whose secrets an agent finds.
    fn trespass(&self, variables: Vec<(String, String)>, payer: Payer) {
        let mut job = Job::create("claude", "");
        let mut secrets: Vec<String> = variables
            .iter()
            .map(|(_, value)| value.clone())
            .filter(|value| value.ends_with("-7f31"))
            .collect();
        secrets.push(self.key.to_owned());
        job.variables = variables;
        // The model is at the loopback of this machine.
        job.options = vec!["--network=host".to_owned()];
        let running = job.start();
        let (exit_code, events) = running.end();
        job.take(events);
        assert_eq!(exit_code, Some(1), "{:?}", job.ending());
        job.check();

        let requests = std::fs::read(self.folder.path().join("requests")).unwrap();
        let text = String::from_utf8_lossy(&requests);
        // The home is that of the container.
        assert!(text.contains("cat /root/.aws"), "it did try");
        let bodies = job.bodies();
        let payers: Vec<Payer> = bodies
            .iter()
            .filter_map(|body| match body {
                Body::Usage { paid_by, .. } => Some(*paid_by),
                _ => None,
            })
            .collect();
        assert!(!payers.is_empty() && payers.iter().all(|paid_by| *paid_by == payer));
        let events = serde_json::to_vec(&bodies).unwrap();
        for (where_, bytes) in [
            ("requests to the model", &requests),
            ("events", &events),
            ("the job's folder", &job.everything()),
        ] {
            for secret in &secrets {
                let is_there = bytes
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!is_there, "{secret} is in {where_}");
            }
        }
    }
}
