//! Why a version was not delivered, told apart by what helps.

use std::path::PathBuf;
use std::time::Duration;

/// Why a version was not delivered. The text says what failed, on what and why; [`Error::hint`] what to
/// do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given as a token can be none.
    #[error("the token of GitHub cannot be used: {problem}")]
    TokenMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A part of the target, the source or the settings can be none.
    #[error("{field} cannot be {value:?}: {problem}")]
    Invalid {
        /// Which part.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The version's repository or bundle cannot be read.
    #[error("the version cannot be read from {}: {reason}", .path.display())]
    SourceUnreadable {
        /// Where it should be.
        path: PathBuf,
        /// What git says.
        reason: String,
    },
    /// The version's repository or bundle has no such commit in a branch.
    #[error("{} has no commit {commit} in a branch", .path.display())]
    CommitMissing {
        /// The repository or bundle.
        path: PathBuf,
        /// The commit.
        commit: String,
    },
    /// GitHub does not know the token: it is wrong, expired or revoked.
    #[error("GitHub refuses the token: {reason}")]
    TokenRefused {
        /// GitHub's words.
        reason: String,
    },
    /// There is no such user or organisation, or the token may not see it.
    #[error(
        "GitHub has no user or organisation {owner} in which this token can create a repository"
    )]
    OwnerNotFound {
        /// Its name.
        owner: String,
    },
    /// The token may not do this.
    #[error("the token may not {what}: {reason}")]
    NoRight {
        /// What was tried: "create a repository in acme".
        what: String,
        /// GitHub's words.
        reason: String,
    },
    /// The organisation demands its single sign-on, for which the token is not authorised.
    #[error("the token may not {what}: the organisation demands its single sign-on (SAML)")]
    SingleSignOn {
        /// What was tried.
        what: String,
        /// The page on which its owner authorises the token, where GitHub names one.
        url: Option<String>,
    },
    /// There is a repository of this name that was not made for this project.
    #[error("the name {repository} is taken by a repository that is not this project's")]
    NameTaken {
        /// `owner/name`.
        repository: String,
    },
    /// A pull request was asked for, and there is no such repository, or the token may not see it.
    #[error("GitHub has no repository {repository} that this token may see")]
    RepositoryMissing {
        /// `owner/name`.
        repository: String,
    },
    /// The repository is archived: nobody can change it.
    #[error("the repository {repository} is archived and takes no commits")]
    Archived {
        /// `owner/name`.
        repository: String,
    },
    /// The repository's history is too large to be compared here.
    #[error(
        "the repository {repository} has {mebibytes} MiB, more than is compared with a version"
    )]
    RepositoryTooLarge {
        /// `owner/name`.
        repository: String,
        /// Its size, as GitHub says it.
        mebibytes: u64,
    },
    /// The branch has commits that the version does not have.
    #[error("the branch {branch} of {repository} has commits that this version does not have")]
    NonFastForward {
        /// `owner/name`.
        repository: String,
        /// The name of the branch.
        branch: String,
    },
    /// A rule of the repository protects the branch.
    #[error("the branch {branch} of {repository} is protected: {reason}")]
    ProtectedBranch {
        /// `owner/name`.
        repository: String,
        /// The name of the branch.
        branch: String,
        /// GitHub's words.
        reason: String,
    },
    /// The version has a workflow, and the token may not write workflows.
    #[error("the token may not write workflows to {repository}: {reason}")]
    WorkflowScope {
        /// `owner/name`.
        repository: String,
        /// GitHub's words.
        reason: String,
    },
    /// GitHub found what looks like a secret in the version's history.
    #[error("GitHub found a secret in the version and does not take it to {repository}: {reason}")]
    SecretFound {
        /// `owner/name`.
        repository: String,
        /// GitHub's words.
        reason: String,
    },
    /// A file is larger than GitHub takes without LFS.
    #[error("a file of the version is too large for {repository}: {reason}")]
    FileTooLarge {
        /// `owner/name`.
        repository: String,
        /// GitHub's words.
        reason: String,
    },
    /// A rate limit lasts longer than this delivery may wait.
    #[error(
        "GitHub's rate limit lasts {} s more, longer than this delivery may still wait",
        .wait.as_secs()
    )]
    RateLimited {
        /// How long the limit lasts from now on.
        wait: Duration,
    },
    /// GitHub understands the request and refuses it, for none of the reasons above.
    #[error("GitHub refuses to {what}: {reason}")]
    Refused {
        /// What was tried.
        what: String,
        /// GitHub's words.
        reason: String,
    },
    /// What GitHub has afterwards is not what was sent.
    #[error(
        "the branch {branch} of {repository} should have the commit {expected} and has {}",
        .found.as_deref().unwrap_or("none")
    )]
    OtherCommit {
        /// `owner/name`.
        repository: String,
        /// The name of the branch.
        branch: String,
        /// The commit that was sent.
        expected: String,
        /// The commit that is there, if the branch is.
        found: Option<String>,
    },
    /// GitHub is out of reach, does not answer in time, or fails in passing.
    #[error("cannot {what}: {reason}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// What went wrong.
        reason: String,
    },
    /// An answer that is none of GitHub's.
    #[error("cannot {what}: the answer is none of GitHub's: {reason}")]
    Unexpected {
        /// What was tried.
        what: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// This machine fails: no git, no space, no memory.
    #[error("cannot {what} on this machine: {reason}")]
    Local {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        reason: String,
    },
}

impl Error {
    /// What to do next, as a sentence without a full stop.
    #[must_use]
    pub fn hint(&self) -> String {
        let hint = match self {
            Self::TokenMalformed { .. } => {
                "copy the token again from GitHub, Settings, Developer settings, Personal access tokens"
            }
            Self::Invalid { .. } => "correct it and deliver again",
            Self::SourceUnreadable { .. } | Self::CommitMissing { .. } => {
                "deliver another version of the project, or generate this one again"
            }
            Self::TokenRefused { .. } => "make a new token at GitHub, store it, and deliver again",
            Self::OwnerNotFound { .. } => {
                "correct the owner, or use a token of somebody who is a member of the organisation"
            }
            Self::NoRight { .. } => {
                "use a token with the scope `repo`, or a fine-grained one that may administer the \
                 repository and write its contents, pull requests and workflows, of somebody who has \
                 these rights in the organisation"
            }
            Self::SingleSignOn { url: Some(url), .. } => {
                return format!(
                    "authorise the token for the organisation at {url}, and deliver again"
                );
            }
            Self::SingleSignOn { url: None, .. } => {
                "authorise the token for the organisation (GitHub, Settings, Personal access tokens, \
                 Configure SSO), and deliver again"
            }
            Self::NameTaken { .. } => {
                "choose another name, or deliver it as a pull request to that repository"
            }
            Self::RepositoryMissing { .. } => {
                "correct the name, give the token access to the repository, or deliver it as a new one"
            }
            Self::Archived { .. } => {
                "unarchive the repository in its settings, or choose another name"
            }
            Self::RepositoryTooLarge { .. } => "deliver it as a new repository",
            Self::NonFastForward { .. } => {
                "deliver it as a pull request, or return to the version that the branch goes on from"
            }
            Self::ProtectedBranch { .. } => {
                "deliver it as a pull request, or let the token's owner bypass the rule in the settings \
                 of the repository"
            }
            Self::WorkflowScope { .. } => {
                "use a token with the scope `workflow`, or a fine-grained one that may write workflows"
            }
            Self::SecretFound { .. } => {
                "ask for a change that takes the secret out of the application, revoke it where it is \
                 valid, and deliver the new version to a new repository"
            }
            Self::FileTooLarge { .. } => {
                "ask for a change that makes the file smaller or leaves it out"
            }
            Self::RateLimited { wait } => {
                return format!(
                    "deliver again in {} minutes",
                    wait.as_secs().div_ceil(60).max(1)
                );
            }
            Self::Refused { .. } => "do what GitHub says, and deliver again",
            Self::OtherCommit { .. } => "look at who else writes to this branch, and deliver again",
            Self::Unavailable { .. } => {
                "deliver again in some minutes; https://www.githubstatus.com says how GitHub is"
            }
            Self::Unexpected { .. } => {
                "look at the base addresses of GitHub's API and of its repositories in the settings"
            }
            Self::Local { .. } => {
                "see that git is installed and the disk has space, and deliver again"
            }
        };
        hint.to_owned()
    }

    /// Whether the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Unavailable { .. }
                | Self::OtherCommit { .. }
                | Self::Local { .. }
        )
    }
}
