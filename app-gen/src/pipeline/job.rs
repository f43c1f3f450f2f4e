//! What every stage of a job works with.

use crate::emitter::Emitter;
use crate::location::Location;
use crate::pipeline::state::{Memory, Stage, State};
use crate::resources::Resources;
use crate::stop::Stop;
use crate::workshop::Workshop;
use anyhow::Context as _;
use app_gen_contract::{JobSpec, StageState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Without a bound of its own, a job may take so long.
const MAX_TIME: Duration = Duration::from_secs(24 * 3_600);

/// A job in the hands of this attempt.
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    /// Where its results go.
    pub(crate) folder: Location,
    pub(crate) emitter: Arc<Emitter>,
    pub(crate) workshop: Workshop,
    pub(crate) resources: Arc<Resources>,
    pub(crate) stop: Stop,
    /// How far it is.
    pub(crate) state: State,
    /// When its time is over.
    end: Instant,
}

impl Job {
    pub(crate) fn new(
        spec: JobSpec,
        folder: Location,
        emitter: Arc<Emitter>,
        workshop: Workshop,
        resources: Arc<Resources>,
        stop: Stop,
        state: State,
    ) -> Self {
        let time = spec.budget.minutes.map_or(MAX_TIME, |minutes| {
            let used = Duration::from_secs(spec.attempt.used.seconds);
            Duration::from_secs(minutes.saturating_mul(60)).saturating_sub(used)
        });
        Self {
            spec,
            folder,
            emitter,
            workshop,
            resources,
            stop,
            state,
            end: Instant::now() + time.min(MAX_TIME),
        }
    }

    /// How much of its time is left.
    pub(crate) fn time_left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The memory of a role, to be given back with [`Job::remember`].
    pub(crate) fn memory(&self, role: &str) -> Memory {
        self.state.roles.get(role).cloned().unwrap_or_default()
    }

    pub(crate) fn remember(&mut self, role: &str, memory: Memory) {
        self.state.roles.insert(role.to_owned(), memory);
    }

    /// Whether the notes of a decision are still to be taken up: an attempt before this one may have begun.
    pub(crate) fn takes_up(&mut self) -> bool {
        !std::mem::replace(&mut self.state.is_reworked, true)
    }

    /// Reports the state of a stage.
    pub(crate) async fn report(&self, stage: Stage, state: StageState, detail: Option<String>) {
        self.emitter.stage(stage.name(), state, detail).await;
    }

    /// The id of the newest commit.
    ///
    /// # Errors
    /// Nothing was built yet, which no stage after building meets.
    pub(crate) fn head(&self) -> anyhow::Result<&str> {
        self.state.head.as_deref().context("there is no commit yet")
    }
}
