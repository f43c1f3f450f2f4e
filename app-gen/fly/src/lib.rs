//! Delivers an application to Fly.io: its image, its app, its machine, its address.
//!
//! [`deliver`] makes one app with one machine that runs one commit, however often it is called and wherever
//! it was killed before. What is there is found again: the app by its name, which follows from the
//! project's id, and the machine by its metadata. A machine that does not become healthy goes back to the
//! version before. [`destroy`] removes all of it. The README of this crate says in which order what happens.

mod api;
mod app;
mod delivered;
mod delivery;
mod error;
mod health;
mod image;
mod input;
mod machine;
mod release;
mod run;
mod settings;
mod step;

pub use delivered::{Delivered, Destroyed};
pub use error::{Error, GoneBack};
pub use run::{deliver, destroy};
pub use settings::{Endpoints, FLY_API_TOKEN, Patience, Source, Target, Token, app_name};
pub use step::Step;
