//! Every call of `xtask-aws`: its request and its answer, in one file per subject.
//!
//! The process reads an [`Envelope`] from its standard input. A request that implements
//! [`Call`] is answered by one JSON object on standard output. One that implements [`Stream`] is
//! answered by one JSON object a line while the call runs. A call that fails prints an
//! [`ErrorObject`](crate::ErrorObject), or an object that has its `error` and more, and its exit
//! code is an [`ExitCode`](crate::ExitCode). Progress is written to standard error, for people.

pub mod bootstrap;
pub mod ecr;
pub mod identity;
pub mod logs;
pub mod prune;
pub mod queue;
pub mod rights;
pub mod s3;
pub mod secrets;
pub mod services;
pub mod stacks;
pub mod state;
pub mod status;
pub mod stream_item;
pub mod tasks;
pub mod validation;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What `xtask-aws` reads from its standard input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The environment of `platform.toml` to ask.
    pub environment: String,
    /// `platform.toml` of the checkout. The one in the current folder, or in the nearest folder
    /// above it that has one, where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<PathBuf>,
    /// The address of the local cloud. `$APP_GEN_CLOUD_ENDPOINT`, or the port in `platform.toml`
    /// on the loopback interface, where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What to do.
    pub request: Request,
}

/// A request that one object answers.
pub trait Call: Into<Request> + Clone {
    /// The answer of a call that succeeds.
    type Answer: Serialize + DeserializeOwned;

    /// As `call` in the JSON of the request.
    const NAME: &'static str;
}

/// A request that many objects answer, one a line.
pub trait Stream: Into<Request> + Clone {
    /// One line of the answer.
    type Item: Serialize + DeserializeOwned;

    /// As `call` in the JSON of the request.
    const NAME: &'static str;
}

/// Declares [`Request`] and ties the type of each request to the type of its answer.
macro_rules! calls {
    ($($name:literal $room:ident::$request:ident $kind:ident $answer:ty;)*) => {
        /// Any request.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "call")]
        pub enum Request {
            $(
                #[doc = concat!("See [`", stringify!($request), "`](", stringify!($room), "::", stringify!($request), ").")]
                #[serde(rename = $name)]
                $request($room::$request),
            )*
        }

        impl Request {
            /// The names of all requests, as `call` has them.
            pub const NAMES: &[&str] = &[$($name),*];
        }

        $(
            impl From<$room::$request> for Request {
                fn from(request: $room::$request) -> Self {
                    Self::$request(request)
                }
            }

            calls!(@$kind $name $room::$request $answer);
        )*
    };
    (@answers $name:literal $room:ident::$request:ident $answer:ty) => {
        impl Call for $room::$request {
            type Answer = $answer;
            const NAME: &'static str = $name;
        }
    };
    (@streams $name:literal $room:ident::$request:ident $item:ty) => {
        impl Stream for $room::$request {
            type Item = $item;
            const NAME: &'static str = $name;
        }
    };
}

calls! {
    "show-bootstrap" bootstrap::ShowBootstrap answers bootstrap::Bootstrap;
    "write-policies" bootstrap::WritePolicies answers bootstrap::Policies;
    "log-in" ecr::LogIn answers ecr::Login;
    "get-identity" identity::GetIdentity answers identity::Identity;
    "read-logs" logs::ReadLogs streams stream_item::StreamItem;
    "tail-log" logs::TailLog answers logs::LogTail;
    "prune" prune::Prune answers prune::Pruned;
    "redrive-queue" queue::RedriveQueue answers queue::Redriven;
    "check-rights" rights::CheckRights answers rights::Rights;
    "empty-bucket" s3::EmptyBucket answers s3::Emptied;
    "get-object" s3::GetObject answers s3::ObjectWritten;
    "list-secrets" secrets::ListSecrets answers secrets::ListedSecrets;
    "read-secret" secrets::ReadSecret answers secrets::SecretValues;
    "remove-secret" secrets::RemoveSecret answers secrets::SecretRemoved;
    "set-secret" secrets::SetSecret answers secrets::SecretSet;
    "follow-service" services::FollowService answers services::Followed;
    "redefine-service" services::RedefineService answers services::Begun;
    "restart-service" services::RestartService answers services::Begun;
    "scale-service" services::ScaleService answers services::Scaled;
    "settle-service" services::SettleService answers services::Settled;
    "show-service" services::ShowService answers services::ShownService;
    "cancel-stack" stacks::CancelStack answers stacks::Cancelled;
    "detect-drift" stacks::DetectDrift answers stacks::Drifts;
    "repair-stacks" stacks::RepairStacks answers stacks::Repaired;
    "show-stacks" stacks::ShowStacks answers stacks::ShownStacks;
    "get-record" state::GetRecord answers state::FoundRecord;
    "list-records" state::ListRecords answers state::FoundRecords;
    "put-record" state::PutRecord answers state::RecordKept;
    "release-lock" state::ReleaseLock answers state::LockReleased;
    "remove-records" state::RemoveRecords answers state::RecordsRemoved;
    "renew-lock" state::RenewLock answers state::LockTaken;
    "show-lock" state::ShowLock answers state::FoundLock;
    "take-lock" state::TakeLock answers state::LockTaken;
    "get-status" status::GetStatus answers status::Status;
    "list-tasks" tasks::ListTasks answers tasks::TaskList;
    "open-session" tasks::OpenSession answers tasks::Session;
    "run-task" tasks::RunTask answers tasks::TaskRun;
    "stop-task" tasks::StopTask answers tasks::TaskStopped;
    "stream-task" tasks::StreamTask streams stream_item::StreamItem;
    "ensure-validation" validation::EnsureValidation answers validation::ValidationParts;
    "remove-validation" validation::RemoveValidation answers validation::ValidationRemoved;
    "stop-validation" validation::StopValidation answers validation::ValidationStopped;
}

#[cfg(test)]
mod tests;
