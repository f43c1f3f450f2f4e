//! An orchestrator inside the test's process: the same `App`, router and worker as the binary's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app_gen_saas::app::App;
use app_gen_saas::config::{Config, Environment};
use app_gen_saas::launcher::{Launcher, PreviewTasks};
use app_gen_saas::observe::sender;
use app_gen_saas::previews::Previews;
use app_gen_saas::streams::news;
use app_gen_saas::{server, worker};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::generator::script;

pub struct Orchestrator {
    pub app: App,
    pub client: Client,
    pub address: std::net::SocketAddr,
    pub folder: TempDir,
    tasks: Vec<JoinHandle<()>>,
    pub database: TestDatabase,
}

/// What may differ between tests.
#[derive(Default)]
pub struct Options<'a> {
    pub generator: &'a str,
    pub variables: Vec<(&'a str, String)>,
    pub without_worker: bool,
    pub stop_grace: Option<Duration>,
    /// In place of the process launcher.
    pub launcher: Option<Arc<dyn Launcher>>,
    /// In place of processes.
    pub preview_tasks: Option<Arc<dyn PreviewTasks>>,
    /// Changes what no variable changes.
    pub change: Option<fn(&mut Config)>,
}

impl Orchestrator {
    /// With a scripted generator.
    pub async fn start(database: TestDatabase, generator: &str) -> Self {
        let options = Options {
            generator,
            ..Options::default()
        };
        Self::with(database, options).await
    }

    pub async fn with(database: TestDatabase, options: Options<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let generator = script(folder.path(), options.generator);
        let mut variables = vec![
            ("PORT", "0".to_owned()),
            // Tests ask more often than anybody else; what bounds that has tests of its own.
            ("REQUESTS_PER_SECOND", "0".to_owned()),
            ("PATH", std::env::var("PATH").unwrap()),
            ("DATABASE_URL", database.url.clone()),
            (
                "ARTIFACT_URI",
                format!("file://{}/artifacts", folder.path().display()),
            ),
            ("GENERATOR_COMMAND", generator.display().to_string()),
            (
                "MODEL_KEYS_URI",
                format!("file://{}/model-keys", folder.path().display()),
            ),
            (
                "GENERATOR_LOG_DIR",
                folder.path().join("logs").display().to_string(),
            ),
        ];
        variables.extend(options.variables);
        let mut config =
            Config::from_environment(&variables.into_iter().collect::<Environment>()).unwrap();
        config.jobs.lease = Duration::from_secs(2);
        config.jobs.stop_grace = options.stop_grace.unwrap_or(Duration::from_secs(2));
        if let Some(change) = options.change {
            change(&mut config);
        }
        let address = config.server.address;
        let mut app = App::new(config).await.unwrap();
        if let Some(launcher) = options.launcher {
            app.launcher = launcher;
        }
        if let Some(tasks) = options.preview_tasks {
            let config = app.config.previews.clone().unwrap();
            app.previews = Some(Arc::new(Previews::new(config, tasks)));
        }
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = vec![
            tokio::spawn(server::serve(listener, app.clone())),
            tokio::spawn(news::run(app.clone())),
            tokio::spawn(sender::run(app.clone())),
        ];
        if !options.without_worker {
            tasks.push(tokio::spawn(worker::run(app.clone())));
        }
        Self {
            app,
            client: Client::new(format!("http://{address}")),
            address,
            folder,
            tasks,
            database,
        }
    }

    /// Ends it in the middle of what it does. Its files stay.
    pub fn kill(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }

    pub fn artifacts(&self) -> PathBuf {
        self.folder.path().join("artifacts")
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        self.kill();
    }
}
