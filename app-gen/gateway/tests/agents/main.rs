//! The real Claude Code and the real Codex behind the gateway: they work, they hold no key, and a budget
//! that is used up ends them at once.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

// One lock file and one installation for both crates: the agents are 800 MB.
#[path = "../../../scripted-model/tests/agents/installed.rs"]
mod installed;
#[path = "../../../scripted-model/tests/agents/process.rs"]
mod process;

use crate::installed::Installed;
use crate::process::{Ended, Running, command};
use app_gen_gateway::{
    Budget, Credential, Gateway, Line, Place, Protocol, Scope, Secret, Settings, Upstream,
    Upstreams, Usd, total,
};
use app_gen_scripted_model as model;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const BOTH: [Protocol; 2] = [Protocol::Anthropic, Protocol::OpenAi];
/// The key that no agent may see.
const KEY: &str = "sk-the-key-of-the-platform";

/// A gateway before a model that plays a script, and folders for an agent.
struct Stage {
    gateway: Gateway,
    protocol: Protocol,
    folder: TempDir,
    runtime: Runtime,
}

/// How an agent ended.
struct Run {
    ended: Ended,
    /// The last line, which says how it ended.
    last: Value,
    took: Duration,
}

impl Stage {
    fn new(protocol: Protocol, script: &str, usd: Option<f64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = model::Settings {
            key: Some(KEY.to_owned()),
            record: Some(folder.path().join("requests")),
            ..model::Settings::default()
        };
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripted-model/scripts");
        let script = model::Script::parse(script, &scripts).unwrap();
        let played = Arc::new(model::Model::new(script, settings).unwrap());
        runtime.spawn(model::serve(listener, played));
        let upstream =
            |url: String| Some(Upstream::new(&url, Credential::ApiKey(Secret::new(KEY))).unwrap());
        let mut settings = Settings::new(Upstreams {
            anthropic: upstream(format!("http://{address}")),
            openai: upstream(format!("http://{address}/v1")),
        })
        .unwrap();
        settings.budget.usd = usd.map(|dollars| Usd::new(dollars).unwrap());
        let gateway = runtime.block_on(Gateway::start(settings)).unwrap();
        for name in ["workspace", "state", "home", "output"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            gateway,
            protocol,
            folder,
            runtime,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("requests")).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn bill(&self) -> Vec<Line> {
        self.gateway.bill()
    }

    fn run(&self, prompt: &str) -> Run {
        let installed = Installed::get();
        let scope = Scope {
            place: Place {
                role: "builder".to_owned(),
                stage: "build".to_owned(),
            },
            budget: Budget::default(),
        };
        let pass = self.gateway.admit(scope).unwrap();
        let url = self.gateway.base_url(self.protocol);
        let mut command = match self.protocol {
            Protocol::Anthropic => {
                let mut command = command(&installed.claude, &self.path("workspace"));
                command
                    .env("CLAUDE_CONFIG_DIR", self.path("state"))
                    .env("ANTHROPIC_BASE_URL", url)
                    .env("ANTHROPIC_API_KEY", pass.token().reveal())
                    .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
                    .env("IS_SANDBOX", "1")
                    .args(["-p", prompt, "--output-format", "stream-json", "--verbose"])
                    .args(["--model", "claude-sonnet-5-5", "--setting-sources", ""])
                    .args(["--strict-mcp-config", "--disable-slash-commands"])
                    .args(["--permission-mode", "bypassPermissions"])
                    .args(["--tools", "Bash,Read,Write"]);
                command
            }
            Protocol::OpenAi => {
                let configuration = format!(
                    "model_provider = 'gateway'\n\
                     features = {{ plugins = false, apps = false }}\nanalytics = {{ enabled = false }}\n\
                     [model_providers.gateway]\nname = 'gateway'\nbase_url = '{url}'\n\
                     env_key = 'GATEWAY_TOKEN'\nwire_api = 'responses'\n"
                );
                fs::write(self.path("state").join("config.toml"), configuration).unwrap();
                let mut command = command(&installed.codex, &self.path("workspace"));
                command
                    .env("CODEX_HOME", self.path("state"))
                    .env("GATEWAY_TOKEN", pass.token().reveal())
                    .args(["exec", "--json", "--skip-git-repo-check", "-m", "gpt-5.5"])
                    .args(["--dangerously-bypass-approvals-and-sandbox", prompt]);
                command
            }
        };
        command
            .env("HOME", self.path("home"))
            .env("NO_PROXY", "127.0.0.1");
        let began = Instant::now();
        // The gateway works while this waits, on threads of its own.
        let _guard = self.runtime.enter();
        let ended = Running::start(command, &self.path("output")).end();
        let last = ended.output.lines().last().unwrap_or("null");
        Run {
            last: serde_json::from_str(last).unwrap(),
            took: began.elapsed(),
            ended,
        }
    }
}

#[test]
fn both_agents_do_their_work_without_a_key() {
    let script = "about = ''\n[usage]\ninput_tokens = 10\noutput_tokens = 20\n[[parts]]\n[[parts.turns]]\n\
        text = 'I write what I can see.'\nactions = [{ do = 'run', command = 'env > seen.txt' }]\n\
        [[parts.turns]]\ntext = 'Done.'\n";
    for protocol in BOTH {
        let stage = Stage::new(protocol, script, Some(1.0));
        let run = stage.run("Look around.");
        let succeeded = match protocol {
            Protocol::Anthropic => run.last["type"] == "result" && run.last["is_error"] == false,
            Protocol::OpenAi => run.last["type"] == "turn.completed",
        };
        assert!(succeeded, "{:?}", run.ended);
        let seen = fs::read_to_string(stage.path("workspace").join("seen.txt")).unwrap();
        assert!(seen.contains("PATH=") && !seen.contains(KEY), "{seen}");
        let requests = stage.requests();
        assert!(requests.iter().all(|request| request["status"] == 200));
        let spent = total(&stage.bill());
        assert_eq!((spent.requests, spent.incomplete), (2, 0));
        assert_eq!((spent.usage.input, spent.usage.output), (20, 40));
    }
}

/// Agents repeat what could go away. This does not, and they know it.
#[test]
fn a_budget_that_is_used_up_ends_both_agents_at_once() {
    let script = include_str!("../../../scripted-model/scripts/expensive.toml");
    for (protocol, answers) in [(Protocol::Anthropic, 2), (Protocol::OpenAi, 1)] {
        let stage = Stage::new(protocol, script, Some(0.05));
        let run = stage.run("Think about it.");
        // Claude Code takes three minutes where it repeats.
        assert!(run.took < Duration::from_secs(120), "{:?}", run.took);
        assert_eq!(stage.requests().len(), answers, "{:?}", run.ended);
        match protocol {
            Protocol::Anthropic => {
                assert_eq!(run.last["is_error"], true, "{}", run.last);
                assert_eq!(run.last["api_error_status"], 403, "{}", run.last);
                assert!(!run.ended.output.contains("api_retry"), "{:?}", run.ended);
            }
            Protocol::OpenAi => {
                assert_eq!(run.last["type"], "turn.failed", "{}", run.last);
                assert!(
                    !run.ended.output.contains("Reconnecting"),
                    "{:?}",
                    run.ended
                );
            }
        }
        let said = run.last.to_string();
        assert!(said.contains("the budget of the job is used up"), "{said}");
        assert!(!run.ended.status.success(), "{}", run.ended.errors);
    }
}
