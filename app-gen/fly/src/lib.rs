//! Delivers an application to Fly.io: its image, its app, its machine, its address.
//!
//! [`deliver`] makes one app with one machine that runs one commit, however often it is called and wherever
//! it was killed before. What is there is found again: the app by its name, which follows from the
//! project's id, and the machine by its metadata. A machine that does not become healthy goes back to the
//! version before. [`destroy`] removes all of it. The README of this crate says in which order what happens.

mod delivered;
mod error;
mod settings;
mod step;

pub use delivered::{Delivered, Destroyed};
pub use error::{Error, GoneBack};
pub use settings::{Endpoints, Patience, Source, Target, Token, app_name};
pub use step::Step;

/// Delivers a version: afterwards the app's URL answers with its commit.
///
/// `progress` hears of each step as it begins. It is safe to drop the future, or to kill the process, at any
/// moment: the next call with the same project goes on with what is there.
///
/// # Errors
/// Each is told apart in [`Error`], says what to do next, and whether the same call may work later
/// ([`Error::retryable`]).
pub async fn deliver(
    target: &Target,
    source: &Source,
    token: &Token,
    endpoints: &Endpoints,
    progress: &(dyn Fn(&Step) + Send + Sync),
) -> Result<Delivered, Error>;

/// Removes the app of a project with its machine and addresses. What is not there is no error; what belongs to
/// somebody else is left alone and is one.
///
/// # Errors
/// As for [`deliver`].
pub async fn destroy(
    target: &Target,
    project_id: &str,
    token: &Token,
    endpoints: &Endpoints,
    progress: &(dyn Fn(&Step) + Send + Sync),
) -> Result<Destroyed, Error>;
