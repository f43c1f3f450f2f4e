//! The steps of a delivery. Each of them looks at what is there first, so that it does not matter where
//! an earlier delivery of the same version ended.

mod shown;

pub use crate::delivery::shown::look;

use crate::address::Addresses;
use crate::api::{Api, New, Pull, Repository};
use crate::error::Error;
use crate::git::{Place, Remote, UNSAID_LIMIT, Workspace};
use crate::patience::Patience;
use crate::settings::{Bounds, Delivered, Settings, Step};
use crate::target::{MAX_TOPICS, Mode, Source, Target};
use crate::token::Token;
use std::time::Duration;

/// The branch of a repository that had none.
const MAIN: &str = "main";
/// Where the workspace has branches of GitHub's repository.
const BASE: &str = "refs/github/base";
const BRANCH: &str = "refs/github/branch";
/// The largest repository whose history is compared with that of a version, in KiB.
const MAX_SIZE: u64 = 1024 * 1024;
/// How often GitHub is asked which commit a branch has: not all of its servers know it at once.
const READS: u32 = 5;

/// Delivers a version. `progress` is called as each step begins.
///
/// Dropping the future ends git and closes connections; what was done until then stays, and the next
/// call goes on from there.
///
/// # Errors
/// See [`Error`]: its text says what failed and why, [`Error::hint`] what to do next, and
/// [`Error::retryable`] whether the same call may succeed later without anybody doing anything.
pub async fn deliver(
    settings: &Settings,
    token: &Token,
    target: &Target,
    source: &Source,
    progress: &(dyn Fn(Step) + Send + Sync),
) -> Result<Delivered, Error> {
    let addresses = Addresses::new(settings)?;
    let patience = Patience::new(progress, settings.bounds.rate_limits);
    let workspace = read(target, source, &patience).await?;
    let call = (settings, token, target, source);
    let delivery = Delivery::new(call, &addresses, &workspace, &patience)?;
    let mut tries = Tries::new(&patience, &settings.bounds);
    loop {
        let ended = delivery.run().await;
        match tries.pause(ended.as_ref().err()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return ended,
        }
    }
}

/// Reads the version, if both target and source can be.
async fn read(
    target: &Target,
    source: &Source,
    patience: &Patience<'_>,
) -> Result<Workspace, Error> {
    target.check()?;
    source.check()?;
    patience.step(Step::ReadSource);
    Workspace::of(source).await
}

/// How often something is done again that failed in passing.
struct Tries<'call> {
    patience: &'call Patience<'call>,
    left: u32,
    pause: Duration,
}

impl<'call> Tries<'call> {
    const fn new(patience: &'call Patience<'call>, bounds: &Bounds) -> Self {
        Self {
            patience,
            left: bounds.tries.saturating_sub(1),
            pause: bounds.pause,
        }
    }

    /// How long to wait before it is done again, if it is.
    fn pause(&mut self, error: Option<&Error>) -> Option<Duration> {
        let error = error.filter(|error| matches!(error, Error::Unavailable { .. }))?;
        self.left = self.left.checked_sub(1)?;
        self.patience.step(Step::Retry {
            reason: error.to_string(),
        });
        let pause = self.pause;
        self.pause = pause.saturating_mul(2);
        Some(pause)
    }
}

struct Delivery<'call> {
    api: Api<'call>,
    remote: Remote<'call>,
    workspace: &'call Workspace,
    patience: &'call Patience<'call>,
    bounds: &'call Bounds,
    target: &'call Target,
    source: &'call Source,
}

/// What is known before anything is done.
struct Found {
    /// The token's user, if it has one.
    login: Option<String>,
    owner: String,
    repository: Option<Repository>,
}

/// What a delivery is called with.
type Call<'call> = (&'call Settings, &'call Token, &'call Target, &'call Source);

impl<'call> Delivery<'call> {
    fn new(
        (settings, token, target, source): Call<'call>,
        addresses: &'call Addresses,
        workspace: &'call Workspace,
        patience: &'call Patience<'call>,
    ) -> Result<Self, Error> {
        let bounds = &settings.bounds;
        Ok(Self {
            api: Api::new(addresses, token, patience, bounds.request),
            remote: Remote::new(workspace, addresses, token, bounds.transfer)?,
            workspace,
            patience,
            bounds,
            target,
            source,
        })
    }

    async fn run(&self) -> Result<Delivered, Error> {
        let Found {
            login,
            owner,
            repository,
        } = self.look_up().await?;
        match self.target.mode {
            Mode::NewRepository => {
                let is_own = login.is_some_and(|login| login.eq_ignore_ascii_case(&owner));
                let repository = match repository {
                    Some(repository) => repository,
                    None => self.create(&owner, is_own).await?,
                };
                self.to_default_branch(&repository).await
            }
            Mode::PullRequest => {
                let repository = repository.ok_or_else(|| Error::RepositoryMissing {
                    repository: format!("{owner}/{}", self.target.name),
                })?;
                self.as_pull_request(&repository).await
            }
        }
    }

    async fn look_up(&self) -> Result<Found, Error> {
        self.patience.step(Step::LookUp);
        let login = self.api.login().await?;
        let owner = self.target.owner.clone().or_else(|| login.clone());
        let owner = owner.ok_or_else(|| Error::Invalid {
            field: "the owner",
            value: String::new(),
            problem: "the token belongs to no user, so the owner must be named",
        })?;
        let repository = self.api.repository(&owner, &self.target.name).await?;
        Ok(Found {
            login,
            owner,
            repository,
        })
    }

    async fn create(&self, owner: &str, is_own: bool) -> Result<Repository, Error> {
        let name = self.target.name.as_str();
        let repository = format!("{owner}/{name}");
        self.patience.step(Step::CreateRepository {
            repository: repository.clone(),
        });
        let description = self.source.marked_description();
        let new = New {
            owner,
            is_own,
            name,
            description: &description,
            visibility: self.target.visibility,
        };
        if let Some(created) = self.api.create(new).await? {
            return Ok(created);
        }
        // Somebody was faster, perhaps a request of an earlier delivery whose answer nobody heard. Or
        // it was there before, and the token may not see it.
        let found = self.api.repository(owner, name).await?;
        found.ok_or(Error::NameTaken { repository })
    }

    /// To the default branch of a repository that is this project's.
    async fn to_default_branch(&self, repository: &Repository) -> Result<Delivered, Error> {
        self.patience.step(Step::Compare);
        let commit = &self.source.commit;
        let (branch, head) = self.default_branch(repository).await?;
        let goes_on = match &head {
            Some(head) => self.has_in_history(head).await?,
            None => false,
        };
        let description = repository.description.as_deref().unwrap_or_default();
        // Commits of the version's own history are nobody else's, whatever became of the description.
        if !goes_on && !description.contains(&self.source.mark()) {
            return Err(Error::NameTaken {
                repository: repository.full_name.clone(),
            });
        }
        writable(repository)?;
        match head {
            Some(head) if head == *commit => {}
            Some(_) if !goes_on => {
                return Err(Error::NonFastForward {
                    repository: repository.full_name.clone(),
                    branch,
                });
            }
            _ => self.push(repository, &branch, commit).await?,
        }
        self.read_back(repository, &branch, commit).await?;
        self.configure(repository, &branch).await?;
        Ok(self.delivered(repository, branch, commit.clone(), None))
    }

    /// The default branch, and its newest commit if it is there. What an empty repository says it is
    /// called is a setting of its owner; ours is called `main`.
    async fn default_branch(
        &self,
        repository: &Repository,
    ) -> Result<(String, Option<String>), Error> {
        let named = &repository.default_branch;
        let head = self.api.head(repository, named).await?;
        if head.is_some() || named == MAIN {
            return Ok((named.clone(), head));
        }
        let head = self.api.head(repository, MAIN).await?;
        Ok((MAIN.to_owned(), head))
    }

    /// Whether a commit of GitHub's is the version's, or in its history.
    async fn has_in_history(&self, commit: &str) -> Result<bool, Error> {
        let version = &self.source.commit;
        let is_here = self.workspace.has(commit).await?;
        Ok(is_here && self.workspace.is_in_history(commit, version).await?)
    }

    async fn push(&self, repository: &Repository, branch: &str, tip: &str) -> Result<(), Error> {
        let place = Place {
            repository: &repository.full_name,
            branch,
        };
        let mut wait = UNSAID_LIMIT;
        loop {
            self.patience.step(Step::Push {
                branch: branch.to_owned(),
            });
            match self.remote.push(place, tip).await {
                // Git does not show the headers that say how long. What was limited was not done.
                Err(Error::RateLimited { .. }) => self.patience.wait(wait).await?,
                ended => return ended,
            }
            wait = wait.saturating_mul(2);
        }
    }

    /// Asks GitHub which commit the branch has now.
    async fn read_back(
        &self,
        repository: &Repository,
        branch: &str,
        expected: &str,
    ) -> Result<(), Error> {
        self.patience.step(Step::ReadBack);
        let mut read = 1;
        loop {
            let found = self.api.head(repository, branch).await?;
            if found.as_deref() == Some(expected) {
                return Ok(());
            }
            if read == READS {
                return Err(Error::OtherCommit {
                    repository: repository.full_name.clone(),
                    branch: branch.to_owned(),
                    expected: expected.to_owned(),
                    found,
                });
            }
            tokio::time::sleep(self.bounds.pause).await;
            read += 1;
        }
    }

    async fn configure(&self, repository: &Repository, branch: &str) -> Result<(), Error> {
        self.patience.step(Step::Configure);
        if repository.default_branch != branch {
            self.api.set_default_branch(repository, branch).await?;
        }
        if self.source.topics.is_empty() {
            return Ok(());
        }
        // Those that somebody added stay.
        let there = self.api.topics(repository).await?;
        let mut topics = there.clone();
        for topic in &self.source.topics {
            if !topics.contains(topic) && topics.len() < MAX_TOPICS {
                topics.push(topic.clone());
            }
        }
        match topics == there {
            true => Ok(()),
            false => self.api.set_topics(repository, &topics).await,
        }
    }

    /// To a branch of its own, with a pull request to the default branch.
    async fn as_pull_request(&self, repository: &Repository) -> Result<Delivered, Error> {
        self.patience.step(Step::Compare);
        writable(repository)?;
        let commit = &self.source.commit;
        let base = &repository.default_branch;
        let Some(base_head) = self.api.head(repository, base).await? else {
            // Nothing can be pulled into nothing.
            self.push(repository, base, commit).await?;
            self.read_back(repository, base, commit).await?;
            return Ok(self.delivered(repository, base.clone(), commit.clone(), None));
        };
        let branch = self.source.branch();
        let pulls = self.api.pulls(repository, &branch, base).await?;
        let base_head = self.take_base(repository, &base_head).await?;
        let merged = pulls.iter().find(|pull| pull.is_merged());
        if merged.is_some() || self.workspace.is_in_history(commit, &base_head).await? {
            let url = merged.map(|pull| pull.html_url.clone());
            return Ok(self.delivered(repository, base.clone(), base_head, url));
        }
        let tip = self.tip(repository, &branch, &base_head).await?;
        self.read_back(repository, &branch, &tip).await?;
        let url = match pulls.into_iter().find(Pull::is_open) {
            Some(pull) => Some(pull.html_url),
            None => self.open_pull(repository, &branch).await?,
        };
        Ok(self.delivered(repository, branch, tip, url))
    }

    /// Takes the default branch with its history, unless it is here. Returns its newest commit.
    async fn take_base(&self, repository: &Repository, head: &str) -> Result<String, Error> {
        if self.workspace.has(head).await? {
            return Ok(head.to_owned());
        }
        if repository.size > MAX_SIZE {
            return Err(Error::RepositoryTooLarge {
                repository: repository.full_name.clone(),
                mebibytes: repository.size / 1024,
            });
        }
        self.take(repository, &repository.default_branch, BASE)
            .await
    }

    async fn take(
        &self,
        repository: &Repository,
        branch: &str,
        into: &str,
    ) -> Result<String, Error> {
        let place = Place {
            repository: &repository.full_name,
            branch,
        };
        self.remote.fetch(place, into).await?;
        let taken = self.workspace.commit_of(into).await?;
        taken.ok_or_else(|| Error::Unexpected {
            what: format!("read the branch {branch} of {}", repository.full_name),
            reason: "git ended without it".to_owned(),
        })
    }

    /// Sees to it that the branch has the version, and returns its newest commit.
    async fn tip(
        &self,
        repository: &Repository,
        branch: &str,
        base_head: &str,
    ) -> Result<String, Error> {
        let commit = &self.source.commit;
        let there = self.api.head(repository, branch).await?;
        if let Some(there) = &there {
            if there == commit || self.is_join(repository, branch, there).await? {
                return Ok(there.clone());
            }
            if !self.has_in_history(there).await? {
                return Err(Error::NonFastForward {
                    repository: repository.full_name.clone(),
                    branch: branch.to_owned(),
                });
            }
        }
        // GitHub has no pull requests between branches without a commit in common.
        let tip = match self.workspace.are_related(base_head, commit).await? {
            true => commit.clone(),
            false => {
                let title = self.source.title();
                self.workspace.join(base_head, commit, &title).await?
            }
        };
        self.push(repository, branch, &tip).await?;
        Ok(tip)
    }

    /// Whether the branch ends with a commit that joins the version to another history. An earlier
    /// delivery made it, perhaps when the default branch had other commits than now.
    async fn is_join(
        &self,
        repository: &Repository,
        branch: &str,
        head: &str,
    ) -> Result<bool, Error> {
        if !self.workspace.has(head).await? {
            let taken = self.take(repository, branch, BRANCH).await?;
            if taken != head {
                return Ok(false);
            }
        }
        let parents = self.workspace.parents(head).await?;
        Ok(parents.len() == 2 && parents[1] == self.source.commit)
    }

    async fn open_pull(
        &self,
        repository: &Repository,
        branch: &str,
    ) -> Result<Option<String>, Error> {
        self.patience.step(Step::OpenPullRequest);
        let base = &repository.default_branch;
        let Source {
            commit,
            description,
            ..
        } = self.source;
        let body = format!("{description}\n\nVersion {commit} from App-Gen.");
        let texts = (self.source.title(), body);
        let texts = (texts.0.as_str(), texts.1.as_str());
        let opened = self.api.open_pull(repository, branch, base, texts).await?;
        if let Some(opened) = opened {
            return Ok(Some(opened.html_url));
        }
        // Somebody was faster.
        let pulls = self.api.pulls(repository, branch, base).await?;
        let open = pulls.into_iter().find(Pull::is_open);
        Ok(open.map(|pull| pull.html_url))
    }

    fn delivered(
        &self,
        repository: &Repository,
        branch: String,
        head: String,
        pull_request_url: Option<String>,
    ) -> Delivered {
        Delivered {
            repository_url: repository.html_url.clone(),
            branch,
            commit: self.source.commit.clone(),
            head,
            pull_request_url,
        }
    }
}

/// An archived repository takes nothing, whoever asks.
fn writable(repository: &Repository) -> Result<(), Error> {
    match repository.archived {
        false => Ok(()),
        true => Err(Error::Archived {
            repository: repository.full_name.clone(),
        }),
    }
}
