//! What the orchestrator and the generator agree on: the job spec one writes and the other reads, the
//! events that come back as lines of a log, and the states a job goes through.
//!
//! The crate holds types and text only and uses no file, network or clock. Both sides can depend on it,
//! and a change of the generator does not rebuild the orchestrator.

pub mod env;
mod event;
pub mod exit;
mod line;
mod raw;
mod spec;
mod state;
mod text;

pub use event::{Body, Event, LogLevel, Payload, StepState};
pub use line::{LineError, LineTooLong, MAX_BODY_BYTES, MAX_LINE_BYTES, parse_line};
pub use raw::RawJson;
pub use spec::{
    ARTIFACT_NAME, JobSpec, MAX_DESCRIPTION_CHARS, MAX_SPEC_BYTES, SPEC_NAME, SpecError,
    event_body_name, join_uri, validate_artifact_uri, validate_description, validate_job_id,
};
pub use state::{JobState, UnknownJobState};
pub use text::{EXCERPT_CHARS, excerpt};

/// Version of the job spec and of the event lines. A reader refuses any other.
pub const CONTRACT_VERSION: u64 = 1;
