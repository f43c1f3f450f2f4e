//! An agent in folders of its own, with a model that plays one script.

use crate::installed::Installed;
use app_gen_agent::{
    Claude, Codex, Credential, Limits, Outcome, Provider, StartError, Supervisor, Task, run,
};
use app_gen_contract::Activity;
use app_gen_scripted_model::{Model, Script, Settings, serve};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const TOKEN: &str = "a-token-of-this-job";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Claude,
    Codex,
}

pub(crate) const BOTH: [Kind; 2] = [Kind::Claude, Kind::Codex];

pub(crate) struct World {
    kind: Kind,
    provider: Box<dyn Provider>,
    pub(crate) folder: TempDir,
    address: String,
    runtime: Runtime,
    pub(crate) limits: Limits,
}

/// A run that came to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) activities: Vec<Activity>,
}

impl World {
    /// With a script of the scripted model's library.
    pub(crate) fn of(kind: Kind, script: &str) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripted-model/scripts");
        let script = Script::load(&scripts.join(format!("{script}.toml"))).unwrap();
        Self::playing(kind, script)
    }

    /// With a script of the test's own.
    pub(crate) fn new(kind: Kind, parts: &str) -> Self {
        let text = format!("about = ''\n{parts}");
        Self::playing(kind, Script::parse(&text, Path::new(".")).unwrap())
    }

    fn playing(kind: Kind, script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            key: Some(TOKEN.to_owned()),
            record: Some(folder.path().join("requests")),
            ..Settings::default()
        };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(
            listener,
            Arc::new(Model::new(script, settings).unwrap()),
        ));
        fs::create_dir(folder.path().join("workspace")).unwrap();
        let installed = Installed::get();
        let provider: Box<dyn Provider> = match kind {
            Kind::Claude => Box::new(Claude {
                program: installed.claude,
            }),
            Kind::Codex => Box::new(Codex {
                program: installed.codex,
            }),
        };
        Self {
            kind,
            provider,
            folder,
            address,
            runtime,
            limits: Limits {
                time: Duration::from_secs(280),
                ..Limits::default()
            },
        }
    }

    pub(crate) fn workspace(&self, name: &str) -> PathBuf {
        self.folder.path().join("workspace").join(name)
    }

    pub(crate) fn task(&self, prompt: &str) -> Task {
        Task {
            prompt: prompt.to_owned(),
            instructions: None,
            workspace: self.folder.path().join("workspace"),
            folder: self.folder.path().join("agent"),
            session: None,
            model: match self.kind {
                Kind::Claude => "claude-sonnet-5-5".to_owned(),
                Kind::Codex => "gpt-5.5".to_owned(),
            },
            base_url: self.address.clone(),
            token: TOKEN.to_owned(),
            credential: Credential::Key,
            environment: BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap())]),
            max_turns: None,
            must_change: true,
            began_with: None,
        }
    }

    /// The task after a run of it: the same session, and the same beginning.
    pub(crate) fn after(&self, ran: &Ran, prompt: &str) -> Task {
        Task {
            session: ran.outcome.session.clone(),
            began_with: Some(ran.began_with()),
            ..self.task(prompt)
        }
    }

    pub(crate) fn run(&self, task: &Task) -> Ran {
        self.run_until(task, std::future::pending())
    }

    /// Runs it until `stop`, and holds that nothing of it is left.
    pub(crate) fn run_until(&self, task: &Task, stop: impl Future<Output = ()>) -> Ran {
        let (outcome, activities) = self.runtime.block_on(async {
            let (sender, mut receiver) = mpsc::channel(10);
            let listen = tokio::spawn(async move {
                let mut all = Vec::new();
                while let Some(activity) = receiver.recv().await {
                    all.push(activity);
                }
                all
            });
            let supervisor = Supervisor {
                program: env!("CARGO_BIN_EXE_supervise").into(),
                arguments: Vec::new(),
            };
            let provider = self.provider.as_ref();
            let outcome: Result<Outcome, StartError> =
                run(provider, &supervisor, task, &self.limits, stop, &sender).await;
            drop(sender);
            (outcome.unwrap(), listen.await.unwrap())
        });
        let left = self.processes();
        assert!(left.is_empty(), "{left:?} {outcome:?}");
        assert!(!outcome.has_survivors);
        Ran {
            outcome,
            activities,
        }
    }

    /// What the model was asked.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("requests")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Processes whose current folder is one of this world: the agent's, and all that it started.
    pub(crate) fn processes(&self) -> Vec<PathBuf> {
        let processes = fs::read_dir("/proc").unwrap();
        let processes = processes.filter_map(|entry| Some(entry.ok()?.path()));
        processes
            .filter(|process| {
                fs::read_link(process.join("cwd"))
                    .is_ok_and(|place| place.starts_with(self.folder.path()))
            })
            .collect()
    }

    /// The agent's own program, as long as it runs.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let name = match self.kind {
            Kind::Claude => "claude",
            Kind::Codex => "codex",
        };
        self.processes().into_iter().find(|process| {
            fs::read_link(process.join("exe")).is_ok_and(|program| program.ends_with(name))
        })
    }
}

/// Waits until a file is there.
pub(crate) async fn exists(path: PathBuf) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Ran {
    fn began_with(&self) -> String {
        let Some(Activity::Started { workspace, .. }) = self.activities.first() else {
            panic!("{self:?}")
        };
        workspace.clone()
    }

    /// All texts that the agent showed.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(&self.activities).unwrap()
    }
}
