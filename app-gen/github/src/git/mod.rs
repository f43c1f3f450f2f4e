//! Git, the program: it sends what is delivered, takes what is there, and compares both.

mod call;
mod credentials;
mod refusal;
mod remote;
mod workspace;

pub(crate) use crate::git::refusal::{Place, UNSAID_LIMIT};
pub(crate) use crate::git::remote::Remote;
pub(crate) use crate::git::workspace::Workspace;
