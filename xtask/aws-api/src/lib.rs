//! The contract between `cargo xtask` and the process `xtask-aws`, which holds the AWS SDK.
//!
//! Both sides use these types, so neither can drift from the other: a request is one JSON
//! [`Envelope`](calls::Envelope) on the standard input of `xtask-aws`, and its type decides the
//! type of the answer on standard output. Whatever else both sides have to agree on is here too:
//! the [names](names) of everything that is deployed, the [exit codes](ExitCode), the reasons
//! [why tasks stop](StopReason) and the [rules](Rule) that `doctor` derives from them.
//!
//! There is no behaviour here, and neither the AWS SDK nor a command line.

pub mod calls;
pub mod names;

mod error;
mod exit_code;
mod rule;
mod secret_text;
mod stop_reason;
mod timestamp;

pub use error::{ErrorBody, ErrorObject};
pub use exit_code::ExitCode;
pub use rule::{Rule, UnknownRule};
pub use secret_text::SecretText;
pub use stop_reason::{StopReason, UnknownStopReason};
pub use timestamp::Timestamp;
