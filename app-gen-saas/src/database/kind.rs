//! Kinds of jobs.

use serde::Serialize;
use utoipa::ToSchema;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// A generator makes the first version of a new project.
    Create,
    /// A generator makes another version from one that exists.
    Change,
    /// A version that exists becomes the newest one again, without a generator.
    Restore,
    /// A version that exists goes to where its users get it.
    Deliver,
}

impl JobKind {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Restore => "restore",
            Self::Deliver => "deliver",
        }
    }

    /// The kind that is stored as `text`. One that only a newer version knows counts as a change: it belongs
    /// to a project that exists.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "restore" => Self::Restore,
            "deliver" => Self::Deliver,
            _ => Self::Change,
        }
    }
}
