//! What a delivery is told, what it tells, and what comes of it.

use std::time::Duration;

/// Where GitHub is, whom to trust, and how long to wait.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The base of GitHub's REST API, without a slash at its end: `https://api.github.com`, or
    /// `https://HOST/api/v3` of a GitHub Enterprise Server. It is https, or http on this machine.
    pub api_url: String,
    /// The base of its repositories, without a slash at its end: `https://github.com`. A repository is
    /// at `{git_url}/{owner}/{name}.git`.
    pub git_url: String,
    /// Certificates of authorities in the form of PEM that are trusted besides those that everybody
    /// trusts; empty in most networks.
    pub extra_certificates_pem: String,
    /// How long to wait for what.
    pub bounds: Bounds,
}

impl Default for Settings {
    /// github.com.
    fn default() -> Self {
        Self {
            api_url: "https://api.github.com".to_owned(),
            git_url: "https://github.com".to_owned(),
            extra_certificates_pem: String::new(),
            bounds: Bounds::default(),
        }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// One request to the API, with its answer.
    pub request: Duration,
    /// One call of git that sends or takes objects.
    pub transfer: Duration,
    /// All waits for rate limits of one delivery together.
    pub rate_limits: Duration,
    /// The pause before what failed in passing is tried again; it doubles each time.
    pub pause: Duration,
    /// How often the whole is tried where GitHub fails in passing, the first time included.
    pub tries: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            transfer: Duration::from_secs(300),
            rate_limits: Duration::from_secs(15 * 60),
            pause: Duration::from_secs(2),
            tries: 4,
        }
    }
}

/// What a delivery does, as it begins to do it. A step may come again where something is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Reads the version from its repository or bundle.
    ReadSource,
    /// Asks who the token belongs to, and what is under the name.
    LookUp,
    /// Creates the repository `owner/name`.
    CreateRepository {
        /// `owner/name`.
        repository: String,
    },
    /// Compares the history of the repository with that of the version.
    Compare,
    /// Sends the commit to a branch.
    Push {
        /// The name of the branch.
        branch: String,
    },
    /// Asks GitHub which commit the branch has.
    ReadBack,
    /// Sets topics and default branch.
    Configure,
    /// Opens a pull request.
    OpenPullRequest,
    /// Waits for a rate limit.
    Wait {
        /// For so long.
        duration: Duration,
    },
    /// Tries again, from the start, after GitHub failed in passing.
    Retry {
        /// What failed.
        reason: String,
    },
}

/// Where the version is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The page of the repository: `https://github.com/acme/plant-diary`.
    pub repository_url: String,
    /// The branch that has the version: the default branch of a new repository, or that of the pull
    /// request.
    pub branch: String,
    /// The commit of the version, as it was asked for. GitHub was asked for it afterwards.
    pub commit: String,
    /// The newest commit of the branch. It is `commit`, but for a pull request to a repository that has
    /// no history in common with the version: there it is a commit that joins both.
    pub head: String,
    /// The page of the pull request. There is none for a new repository, and where the repository was
    /// empty or has the version already.
    pub pull_request_url: Option<String>,
}
