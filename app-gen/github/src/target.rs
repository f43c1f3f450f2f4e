//! What is delivered, and where to.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The longest name of a repository.
const MAX_NAME: usize = 100;
/// The longest name of a user or an organisation.
const MAX_OWNER: usize = 39;
/// The most topics of a repository, and the longest one.
const MAX_TOPICS: usize = 20;
const MAX_TOPIC: usize = 50;
/// The longest id of a project: it is in the description of the repository.
const MAX_PROJECT: usize = 64;
/// The longest description that GitHub takes, in characters.
const MAX_DESCRIPTION: usize = 350;

/// Where a version is delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The user or the organisation that the repository belongs to; without one, whoever the token
    /// belongs to.
    #[serde(default)]
    pub owner: Option<String>,
    /// The name of the repository, without its owner.
    pub name: String,
    /// Who may read a repository that is created. One that is there stays as it is.
    #[serde(default)]
    pub visibility: Visibility,
    /// How it is delivered.
    #[serde(default)]
    pub mode: Mode,
}

/// Who may read a new repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Those whom its owner lets.
    #[default]
    Private,
    /// Everybody.
    Public,
}

/// How a version is delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// To the default branch of a repository that is created for the project, or that an earlier
    /// delivery of the same project created.
    #[default]
    NewRepository,
    /// To a branch of a repository that exists, with a pull request to its default branch.
    PullRequest,
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A git repository or a git bundle on this machine that has the commit in a branch. It is only
    /// read.
    pub path: PathBuf,
    /// The commit of the version: 40 or 64 hexadecimal digits.
    pub commit: String,
    /// The id of the project: letters, digits and hyphens. By it a repository is known to be ours.
    pub project: String,
    /// What the application is, in one line. Also the title of a pull request.
    pub description: String,
    /// Topics of a new repository: lower case letters, digits and hyphens.
    pub topics: Vec<String>,
}
