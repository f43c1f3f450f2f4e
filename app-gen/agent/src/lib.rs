//! Drives coding agents: Claude Code and Codex behind one [`Provider`].
//!
//! [`run`] starts an agent's program for a prompt in a workspace, turns the lines that it writes into
//! [`Activity`](app_gen_contract::Activity), ends it and everything that it started, and comes to a
//! [`Verdict`]. The program talks to a model gateway, whose address and token are all that it is given of
//! the outside.
//!
//! Between the caller and the agent is a process of this crate, [`supervise`]: every descendant of the
//! agent that loses its parent becomes its child, so that none survives.
//!
//! A verdict says how the agent's work ended. Whether what it made is any good is for checks to say.

mod claude;
mod codex;
mod driver;
mod environment;
mod fields;
mod fingerprint;
mod lines;
mod processes;
mod provider;
mod supervise;
mod supervisor;
mod verdict;
mod watch;

pub use claude::Claude;
pub use codex::Codex;
pub use driver::{Limits, Outcome, StartError, run};
pub use environment::{ALLOWED, allowed};
pub use fingerprint::Fingerprint;
pub use lines::{Line, Lines, MAX_LINE_BYTES};
pub use provider::{Credential, MAX_WORDS_BYTES, Provider, Reader, Session, Task};
pub use supervise::{Launch, supervise};
pub use supervisor::Supervisor;
pub use verdict::{End, Exit, GatewayFacts, Reason, Retry, Stop, Verdict, Wait};
