//! Previews: versions that run for whoever knows their name, for a while.
//!
//! The API (`controllers::previews`) only writes down that there is to be one, or none any more. Whatever follows
//! is done by `reconcile`, by whichever orchestrator is there: it starts tasks, hands applications over, notices
//! ends, and stops what is over. Requests to the host of a preview are forwarded to it (`answer`, `forward`): it
//! has a name, and so an origin, cookies and storage, of its own, and nothing leads from there to the page.

mod answer;
mod control;
mod doors;
mod exchange;
mod forward;
mod headers;
pub(crate) mod host;
mod pages;
pub(crate) mod reconcile;
mod step;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::PreviewsConfig;
use crate::launcher::{PreviewTasks, preview_tasks};
use crate::previews::doors::Doors;

pub(crate) use answer::dispatch;

/// Bytes of the first label of the name of a preview's host, before they are written as text: nobody guesses
/// 128 bits.
const LABEL_BYTES: usize = 16;

/// What previews need.
#[derive(Debug)]
pub struct Previews {
    /// How they are run.
    pub config: PreviewsConfig,
    /// Starts them.
    pub tasks: Arc<dyn PreviewTasks>,
    /// Wakes who looks after them.
    pub wake: Notify,
    /// What their hosts lead to.
    doors: Doors,
}

impl Previews {
    /// With these tasks.
    #[must_use]
    pub fn new(config: PreviewsConfig, tasks: Arc<dyn PreviewTasks>) -> Self {
        Self {
            config,
            tasks,
            wake: Notify::default(),
            doors: Doors::default(),
        }
    }

    /// As the configuration says.
    ///
    /// # Errors
    /// When a folder or a client cannot be made.
    pub async fn from_config(config: PreviewsConfig) -> anyhow::Result<Self> {
        let tasks = preview_tasks(&config.starter).await?;
        Ok(Self::new(config, tasks))
    }
}

/// A label that nobody can guess.
///
/// # Errors
/// When the system has no random numbers.
pub(crate) fn random_label() -> Result<String, getrandom::Error> {
    let mut bytes = [0; LABEL_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether it has the form of [`random_label`].
fn is_label(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 2 * LABEL_BYTES && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_differ_and_have_their_form() {
        let (one, other) = (random_label().unwrap(), random_label().unwrap());
        assert_ne!(one, other);
        assert!(is_label(&one) && is_label(&other));
        let capital = "A".repeat(32);
        for text in ["", "a", &one[1..], capital.as_str()] {
            assert!(!is_label(text), "{text}");
        }
    }
}
