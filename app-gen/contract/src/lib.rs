//! What the orchestrator and the generator agree on: the job spec one writes and the other reads, the
//! events that come back as lines of a log, and the states a job goes through.
//!
//! The crate holds types and text only and uses no file, network or clock. Both sides can depend on it,
//! and a change of the generator does not rebuild the orchestrator.

mod activity;
pub mod env;
mod event;
pub mod exit;
mod line;
mod models;
mod preview;
mod raw;
mod spec;
mod state;
mod templates;
mod text;
mod timestamp;

pub use activity::{Activity, AgentUsage, Change, Excerpt};
pub use event::{Body, CheckOutcome, Event, LogLevel, Payload, StageState, Tokens};
pub use line::{LineError, LineTooLong, MAX_BODY_BYTES, MAX_LINE_BYTES, parse_line};
pub use models::{
    KeyPlaces, MAX_MODEL_KEY_BYTES, ModelKey, ModelProvider, Payer, is_allowed, is_public,
    key_places, key_places_text,
};
pub use preview::{
    MAX_PREVIEW_ZIP_BYTES, PREVIEW_APPLICATION_PATH, PREVIEW_STATUS_PATH, PreviewPhase,
    PreviewPorts, PreviewStatus,
};
pub use raw::RawJson;
pub use spec::{
    ARTIFACT_NAME, ApprovalPoint, Attachment, Attempt, BUNDLE_NAME, Budget, CheckpointId, Choice,
    Decided, Decision, Delivery, DeliveryTarget, Fallback, JobKind, JobSpec, MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS, MAX_DECISION_CHARS, MAX_DESCRIPTION_CHARS, MAX_REQUEST_ID_BYTES,
    MAX_SPEC_BYTES, MAX_URL_BYTES, MediaType, Origin, START_BUNDLE_NAME, SpecError, StartFrom,
    Used, attachment_name, checkpoints_of, event_body_name, is_commit_id, is_request_id, join_uri,
    spec_name, trace_of, validate_artifact_uri, validate_attachment_name, validate_description,
    validate_job_id,
};
pub use state::{JobState, UnknownJobState};
pub use templates::{BUILT_IN_TEMPLATES, BuiltInTemplate};
pub use text::{EXCERPT_CHARS, excerpt, micro_usd};

/// Version of the job spec and of the event lines. A reader refuses any other.
pub const CONTRACT_VERSION: u64 = 2;

/// The provider of jobs that deliver. No agent has that name, so that a generator from before there were
/// deliveries refuses such a job instead of taking it for a change.
pub const DELIVER_PROVIDER: &str = "deliver";
