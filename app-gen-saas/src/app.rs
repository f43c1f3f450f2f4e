//! What the orchestrator is made of. Tests build the same `App` and call the same router.

use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore, watch};

use crate::accounts::Accounts;
use crate::artifacts::Artifacts;
use crate::config::Config;
use crate::launcher::{self, Launcher};
use crate::observe::measures::Measures;
use crate::observe::tracer::{Outbox, Tracer};
use crate::previews::Previews;
use crate::stores::{self, Store};
use crate::streams::hub::EventHub;

/// Two of them compare two versions of 32 MiB each: a quarter of the memory of the smallest task.
const READERS: usize = 2;
/// Each holds a file of 16 MiB at most.
const UPLOADERS: usize = 4;

/// The orchestrator's parts; clones share them.
#[derive(Debug, Clone)]
pub struct App {
    /// The configuration, read at start.
    pub config: Arc<Config>,
    /// Finds out who asks.
    pub accounts: Arc<Accounts>,
    /// Jobs and events.
    pub database: Arc<dyn Store>,
    /// Specs and results.
    pub artifacts: Artifacts,
    /// Starts generators.
    pub launcher: Arc<dyn Launcher>,
    /// What previews need, where there are any.
    pub previews: Option<Arc<Previews>>,
    /// The listeners of live streams.
    pub hub: Arc<EventHub>,
    /// Wakes the worker when there is a new job.
    pub new_job: Arc<Notify>,
    /// Wakes who removes what is old or deleted.
    pub deleted_project: Arc<Notify>,
    /// How many requests may look into zip files at once: each holds them in memory.
    pub readers: Arc<Semaphore>,
    /// How many requests may hold an attachment at once.
    pub uploaders: Arc<Semaphore>,
    /// What is counted, for metrics.
    pub measures: Arc<Measures>,
    /// Takes what is to be traced.
    pub tracer: Tracer,
    /// What sends that, until somebody takes it to do so.
    pub(crate) outbox: Arc<Mutex<Option<Outbox>>>,
    /// True once the orchestrator is to stop.
    pub shutdown: watch::Sender<bool>,
}

impl App {
    /// Connects to everything.
    ///
    /// # Errors
    /// When the database does not answer or cannot be migrated, or a folder or client cannot be made.
    pub async fn new(config: Config) -> anyhow::Result<Self> {
        let accounts = Arc::new(Accounts::from_config(&config.accounts)?);
        let measures = Arc::new(Measures::default());
        let (tracer, outbox) = Tracer::new(config.observe.traces.as_ref())?;
        let artifacts = Artifacts::new(&config.storage, Arc::clone(&measures))?;
        let launcher = launcher::from_config(&config.launcher).await?;
        let previews = match config.previews.clone() {
            Some(config) => Some(Arc::new(Previews::from_config(config).await?)),
            None => None,
        };
        let new_job = Arc::default();
        let database = stores::connect(&config.store, &new_job).await?;
        let hub = Arc::new(EventHub::new(config.server.limits.streams));
        Ok(Self {
            config: Arc::new(config),
            accounts,
            database,
            artifacts,
            launcher,
            previews,
            hub,
            new_job,
            deleted_project: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            uploaders: Arc::new(Semaphore::new(UPLOADERS)),
            measures,
            tracer,
            outbox: Arc::new(Mutex::new(outbox)),
            shutdown: watch::Sender::new(false),
        })
    }

    /// Completes once the orchestrator is to stop.
    pub async fn stopping(&self) {
        let mut shutdown = self.shutdown.subscribe();
        // An error would mean that the sender is gone, which this very struct holds.
        let _ = shutdown.wait_for(|stop| *stop).await;
    }
}
