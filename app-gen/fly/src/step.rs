//! What a delivery is doing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A step of a delivery, reported as it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// The app is looked for, and made if it is not there.
    App {
        /// Its name.
        app: String,
    },
    /// It gets addresses.
    Address,
    /// The layer of the application is packed.
    Pack,
    /// Layers are pushed to the registry.
    Push {
        /// Bytes that are there.
        done_bytes: u64,
        /// Bytes of all layers.
        total_bytes: u64,
    },
    /// The machine is made.
    Create,
    /// The machine gets another version.
    Update {
        /// The commit that it runs until then, as far as it is known.
        from: Option<String>,
    },
    /// The machine starts, and its health checks are waited for.
    Health,
    /// The URL is asked for the commit.
    Url {
        /// Where.
        url: String,
    },
    /// The version becomes the one to go back to.
    Release,
    /// The version before comes back.
    GoBack {
        /// Its commit.
        to: String,
    },
    /// A limit of requests is waited for.
    Wait {
        /// How long.
        seconds: u64,
    },
    /// The app is removed.
    Destroy {
        /// Its name.
        app: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { app } => write!(formatter, "looking for the app {app}"),
            Self::Address => formatter.write_str("making sure of its addresses"),
            Self::Pack => formatter.write_str("packing the application"),
            Self::Push {
                done_bytes,
                total_bytes,
            } => write!(
                formatter,
                "pushing the image, {done_bytes} of {total_bytes} bytes"
            ),
            Self::Create => formatter.write_str("making the machine"),
            Self::Update { from: Some(from) } => {
                write!(formatter, "updating the machine, which runs {from}")
            }
            Self::Update { from: None } => formatter.write_str("updating the machine"),
            Self::Health => formatter.write_str("waiting for the health checks"),
            Self::Url { url } => write!(formatter, "asking {url} for its commit"),
            Self::Release => formatter.write_str("releasing the version"),
            Self::GoBack { to } => write!(formatter, "going back to {to}"),
            Self::Wait { seconds } => {
                write!(
                    formatter,
                    "waiting {seconds} s for the limit of requests to pass"
                )
            }
            Self::Destroy { app } => write!(formatter, "removing the app {app}"),
        }
    }
}
