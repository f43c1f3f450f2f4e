//! What an agent must not learn.

use crate::support::Job;
use app_gen_scripted_model::{Model, Script, Settings, serve};
use std::path::Path;
use std::sync::Arc;
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
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripted-model/scripts");
    let script = Script::load(&scripts.join("trespasses.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("requests");
    let settings = Settings {
        key: Some(SECRETS[0].1.to_owned()),
        record: Some(record.clone()),
        ..Settings::default()
    };
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let model = Model::new(script, settings).unwrap();
    runtime.spawn(async move { serve(listener, Arc::new(model)).await });

    let mut job = Job::create("claude", "");
    job.variables = vec![("ANTHROPIC_BASE_URL".to_owned(), format!("http://{address}"))];
    let secrets = SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    job.variables.extend(secrets);
    // The model is at the loopback of this machine.
    job.options = vec!["--network=host".to_owned()];
    let running = job.start();
    let (exit_code, events) = running.end();
    job.take(events);
    assert_eq!(exit_code, Some(1), "{:?}", job.ending());
    job.check();

    let requests = std::fs::read(&record).unwrap();
    let text = String::from_utf8_lossy(&requests);
    // The home is that of the container.
    assert!(text.contains("cat /root/.aws"), "it did try");
    let events = serde_json::to_vec(&job.bodies()).unwrap();
    for (where_, bytes) in [
        ("requests to the model", &requests),
        ("events", &events),
        ("the job's folder", &job.everything()),
    ] {
        for (name, value) in SECRETS {
            let is_there = bytes
                .windows(value.len())
                .any(|part| part == value.as_bytes());
            assert!(!is_there, "{name} is in {where_}");
        }
    }
}
