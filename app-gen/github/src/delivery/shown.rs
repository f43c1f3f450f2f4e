//! Which commit is there, asked as a delivery asks it.

use crate::address::Addresses;
use crate::api::{Pull, Repository};
use crate::delivery::{Delivery, Tries, read};
use crate::error::Error;
use crate::patience::Patience;
use crate::settings::{Settings, Step};
use crate::target::{Mode, Source, Target};
use crate::token::Token;

/// Looks which commit GitHub has, and changes nothing. It is the version's where that was delivered and
/// is still there: at the end of the default branch, or, for a pull request, on its branch or merged.
/// Otherwise it is the newest commit of the default branch, if there is one.
///
/// # Errors
/// As those of [`crate::deliver`], but none of those that say that something cannot be written.
pub async fn look(
    settings: &Settings,
    token: &Token,
    target: &Target,
    source: &Source,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<Option<String>, Error> {
    let addresses = Addresses::new(settings)?;
    let patience = Patience::new(progress, settings.bounds.rate_limits);
    let workspace = read(target, source, &patience).await?;
    let call = (settings, token, target, source);
    let delivery = Delivery::new(call, &addresses, &workspace, &patience)?;
    let mut tries = Tries::new(&patience, &settings.bounds);
    loop {
        let ended = delivery.shown().await;
        match tries.pause(ended.as_ref().err()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return ended,
        }
    }
}

impl Delivery<'_> {
    /// Which commit is there.
    async fn shown(&self) -> Result<Option<String>, Error> {
        let Some(repository) = self.look_up().await?.repository else {
            return Ok(None);
        };
        self.patience.step(Step::Compare);
        let (_, head) = self.default_branch(&repository).await?;
        let Some(head) = head else {
            return Ok(None);
        };
        let commit = &self.source.commit;
        let is_there = head == *commit
            || match self.target.mode {
                Mode::NewRepository => false,
                Mode::PullRequest => self.is_pulled(&repository, &head).await?,
            };
        Ok(Some(match is_there {
            true => commit.clone(),
            false => head,
        }))
    }

    /// Whether a pull request has the version, or the default branch has it by one.
    async fn is_pulled(&self, repository: &Repository, base_head: &str) -> Result<bool, Error> {
        let commit = &self.source.commit;
        let branch = self.source.branch();
        let there = self.api.head(repository, &branch).await?;
        if let Some(there) = &there
            && (there == commit || self.is_join(repository, &branch, there).await?)
        {
            return Ok(true);
        }
        let base = &repository.default_branch;
        let pulls = self.api.pulls(repository, &branch, base).await?;
        if pulls.iter().any(Pull::is_merged) {
            return Ok(true);
        }
        let base_head = self.take_base(repository, base_head).await?;
        self.workspace.is_in_history(commit, &base_head).await
    }
}
