//! The generator: one process is one attempt to make an application from a job spec.
//!
//! [`run`] is the whole process: it loads the spec, has the application made and checked, publishes it, and
//! reports all of it as event lines on standard output. It waits for nobody: where a person must decide,
//! the process ends, and the attempt that follows is told the decision. Nothing else is written there or
//! to standard error, since both end up in the one log that the orchestrator reads. The orchestrator
//! starts and watches this process; both use the types of `app-gen-contract`.
//!
//! A job that delivers starts no agent: [`deliver`] puts a version where its users get it.
//!
//! Provider `template` makes an application from a catalogue ([`template`]), at once. Other providers are
//! coding agents: the [`pipeline`] has [`roles`] work in a [`workshop`], and [`checks`] prove what they
//! made.

mod approval;
mod attempt;
mod checks;
mod config;
mod deliver;
mod emitter;
mod ending;
mod failure;
mod location;
mod package;
mod pipeline;
mod preview;
mod process;
mod publish;
mod resources;
mod roles;
mod stop;
mod template;
#[doc(hidden)]
pub mod trial;
mod workshop;

pub use process::run;
