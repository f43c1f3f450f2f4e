//! What the orchestrator and a preview agree on. The orchestrator starts the preview, hands the application
//! over, asks how far it is, and forwards requests to it. A preview asks nobody for anything.

use serde::{Deserialize, Serialize};

/// `GET` of it at the control port answers a [`PreviewStatus`].
pub const PREVIEW_STATUS_PATH: &str = "/status";

/// `PUT` of the application's zip file at the control port: 204 if it is taken, 409 if there is one already,
/// 413 if it has more than [`MAX_PREVIEW_ZIP_BYTES`], 422 if its digest is not the one that the preview was
/// started for.
pub const PREVIEW_APPLICATION_PATH: &str = "/application";

/// A zip file that is larger is not run.
pub const MAX_PREVIEW_ZIP_BYTES: usize = 32 * 1024 * 1024;

/// How far a preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewPhase {
    /// It waits for the application.
    Empty,
    /// The packages of the application are installed.
    Installing,
    /// The application is built.
    Building,
    /// The application is started.
    Starting,
    /// The application answers at the preview's other port.
    Ready,
    /// There will be no application, or none any more. `detail` says why.
    Failed,
}

/// How a preview is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewStatus {
    /// How far it is.
    pub phase: PreviewPhase,
    /// What went wrong. A stranger's application may have written a part of it.
    #[serde(default)]
    pub detail: Option<String>,
}

/// Where a preview listens: the first line that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewPorts {
    /// Where it is given the application and asked how it is.
    pub control: u16,
    /// Where the application is.
    pub application: u16,
}
