//! A model that plays a script: what coding agents talk to where no key is.
//!
//! The server speaks the Messages API of Anthropic and the Responses API of OpenAI, so the real Claude
//! Code and the real Codex work against it, with their tools, in a real workspace. Only the model is
//! not real: a [`Script`] says what it thinks, says and does, and what goes wrong. Which turn of the
//! script answers a request follows from the request alone; see [`choose`].
//!
//! The README of this crate describes the form of scripts, and the folder `scripts` has examples.

mod choice;
mod conversation;
mod fault;
mod model;
mod protocol;
mod record;
mod script;
mod server;

pub use choice::{Choice, choose};
pub use conversation::{Conversation, Entry, ToolResult};
pub use model::{Model, Settings};
pub use protocol::Protocol;
pub use script::{Action, Fault, FaultKind, Part, Script, ScriptError, Stop, Turn, Usage};
pub use server::serve;
