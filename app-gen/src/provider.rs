//! The interface between the pipeline and the code that writes the application.

use std::path::Path;
use std::pin::Pin;

use app_gen_contract::JobSpec;

use crate::emitter::Emitter;
use crate::failure::Failure;

/// Writes an application. Work that blocks goes to a blocking thread, so that a stop is noticed.
pub(crate) trait Provider: Send + Sync {
    /// What it would make, as a question to a person.
    fn plan(&self, spec: &JobSpec) -> String;

    /// Writes the application for `spec` into the empty folder `workspace` and reports progress
    /// to `emitter`. Dropping the future ends the work.
    fn write<'call>(
        &'call self,
        spec: &'call JobSpec,
        workspace: &'call Path,
        emitter: &'call Emitter,
    ) -> Pin<Box<dyn Future<Output = Result<Application, Failure>> + Send + 'call>>;
}

/// A provider's description of the application that it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    /// Its name for people.
    pub(crate) name: String,
    /// One sentence for the job's last event.
    pub(crate) summary: String,
}
