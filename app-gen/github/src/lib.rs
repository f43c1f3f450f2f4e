//! Delivers one version of an application to GitHub: as a new repository, or as a branch with a pull
//! request to a repository that is there.
//!
//! [`deliver`] may be killed at any moment and called again with the same arguments: it looks at what
//! is there and does the rest. There is one repository then, with the right commit, and one pull
//! request at most. [`look`] asks what is there, and changes nothing.
//!
//! The README of this crate says how a repository is recognised, what is asked of GitHub in which
//! order, and where the token is.

mod address;
mod api;
mod delivery;
mod error;
mod git;
mod patience;
mod settings;
mod target;
mod token;

pub use delivery::{deliver, look};
pub use error::Error;
pub use settings::{Bounds, Delivered, Settings, Step};
pub use target::{Mode, Source, Target, Visibility};
pub use token::Token;
