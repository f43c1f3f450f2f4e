//! What is delivered, and where to.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The longest name of a repository.
const MAX_NAME: usize = 100;
/// The longest name of a user or an organisation.
const MAX_OWNER: usize = 39;
/// The most topics of a repository, and the longest one.
pub(crate) const MAX_TOPICS: usize = 20;
const MAX_TOPIC: usize = 50;
/// The longest id of a project: it is in the description of the repository.
const MAX_PROJECT: usize = 64;
/// The longest description that GitHub takes, in characters.
const MAX_DESCRIPTION: usize = 350;
/// The longest title of a pull request here: longer ones are cut where they are listed.
const MAX_TITLE: usize = 72;

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
    /// The commit of the version: 40 hexadecimal digits, since GitHub has no other ones.
    pub commit: String,
    /// The id of the project: letters, digits and hyphens. By it a repository is known to be ours.
    pub project: String,
    /// What the application is, in one line. Also the title of a pull request.
    pub description: String,
    /// Topics of a new repository: lower case letters, digits and hyphens.
    pub topics: Vec<String>,
}

impl Target {
    /// Whether GitHub can have such a repository, without asking it.
    ///
    /// # Errors
    /// [`Error::Invalid`] says which part can not be, and why.
    pub fn check(&self) -> Result<(), Error> {
        if let Some(owner) = &self.owner {
            let problem = match owner.as_str() {
                "" => Some("it is empty"),
                _ if owner.len() > MAX_OWNER => Some("it is longer than 39 characters"),
                _ if !owner.bytes().all(is_of_owner) => {
                    Some("it has more than letters, digits, hyphens and underscores")
                }
                _ => None,
            };
            found(problem, "the owner", owner)?;
        }
        let name = self.name.as_str();
        let problem = match name {
            "" => Some("it is empty"),
            "." | ".." => Some("it is a folder's own name"),
            _ if name.len() > MAX_NAME => Some("it is longer than 100 characters"),
            _ if !name.bytes().all(|byte| is_of_owner(byte) || byte == b'.') => {
                Some("it has more than letters, digits, hyphens, underscores and dots")
            }
            _ if [".git", ".wiki"]
                .iter()
                .any(|end| name.to_lowercase().ends_with(*end)) =>
            {
                Some("it ends as a repository of git or of a wiki does")
            }
            _ => None,
        };
        found(problem, "the name of the repository", name)
    }
}

impl Source {
    /// Whether it can be delivered at all, without looking at its path.
    ///
    /// # Errors
    /// [`Error::Invalid`] says which part can not be, and why.
    pub fn check(&self) -> Result<(), Error> {
        let is_commit = self.commit.len() == 40
            && self
                .commit
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let problem = (!is_commit).then_some("it is not 40 hexadecimal digits in lower case");
        found(problem, "the commit", &self.commit)?;
        let is_project = (1..=MAX_PROJECT).contains(&self.project.len())
            && self
                .project
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let problem = (!is_project).then_some("it is not 1 to 64 letters, digits and hyphens");
        found(problem, "the id of the project", &self.project)?;
        let problem = (self.topics.len() > MAX_TOPICS).then_some("there are more than 20");
        found(problem, "the topics", &self.topics.join(" "))?;
        for topic in &self.topics {
            let is_topic = (1..=MAX_TOPIC).contains(&topic.len())
                && !topic.starts_with('-')
                && topic
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            let problem =
                (!is_topic).then_some("it is not 1 to 50 lower case letters, digits and hyphens");
            found(problem, "a topic", topic)?;
        }
        Ok(())
    }

    /// By what a repository is known to be this project's: a part of its description from the moment
    /// in which it is created.
    pub(crate) fn mark(&self) -> String {
        format!("(App-Gen project {})", self.project)
    }

    /// The description of the repository, as long as GitHub takes it.
    pub(crate) fn marked_description(&self) -> String {
        let mark = self.mark();
        // What is in the mark is ASCII.
        let text = clipped(&self.line(), MAX_DESCRIPTION - mark.len() - 1);
        format!("{text} {mark}").trim_start().to_owned()
    }

    /// The title of a pull request, and of a commit.
    pub(crate) fn title(&self) -> String {
        let line = clipped(&self.line(), MAX_TITLE);
        match line.is_empty() {
            true => "A version from App-Gen".to_owned(),
            false => line,
        }
    }

    /// The branch of a pull request with this version.
    pub(crate) fn branch(&self) -> String {
        format!("app-gen/{}", &self.commit[..12])
    }

    /// The description in one line without control characters, which GitHub refuses.
    fn line(&self) -> String {
        let is_gap = |character: char| character.is_whitespace() || character.is_control();
        let words: Vec<&str> = self
            .description
            .split(is_gap)
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ")
    }
}

/// At most so many characters, the last of which says that there were more.
fn clipped(text: &str, most: usize) -> String {
    match text.chars().count() <= most {
        true => text.to_owned(),
        false => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

const fn is_of_owner(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn found(problem: Option<&'static str>, field: &'static str, value: &str) -> Result<(), Error> {
    match problem {
        None => Ok(()),
        Some(problem) => Err(Error::Invalid {
            field,
            value: clipped(value, 200),
            problem,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(owner: Option<&str>, name: &str) -> Target {
        Target {
            owner: owner.map(str::to_owned),
            name: name.to_owned(),
            visibility: Visibility::Private,
            mode: Mode::NewRepository,
        }
    }

    fn source(description: &str) -> Source {
        Source {
            path: PathBuf::from("application.bundle"),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            project: "01980c5e-7d0f-7a7e-8d0e-1f2a3b4c5d6e".to_owned(),
            description: description.to_owned(),
            topics: Vec::new(),
        }
    }

    #[test]
    fn names_that_github_cannot_have_are_refused_here() {
        for name in ["plant-diary", "a", "A_b.c-9", &"x".repeat(100)] {
            target(None, name).check().unwrap();
            target(Some("acme-9_emu"), name).check().unwrap();
        }
        for name in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "ü",
            "a.git",
            "a.WIKI",
            &"x".repeat(101),
        ] {
            assert!(target(None, name).check().is_err(), "{name}");
        }
        for owner in ["", "a/b", "a.b", "..", &"x".repeat(40)] {
            assert!(target(Some(owner), "a").check().is_err(), "{owner}");
        }
    }

    #[test]
    fn a_source_that_cannot_be_is_refused_here() {
        source("").check().unwrap();
        let with = |change: fn(&mut Source)| {
            let mut changed = source("");
            change(&mut changed);
            changed.check().unwrap_err().to_string()
        };
        for text in [
            with(|source| source.commit = "HEAD".to_owned()),
            with(|source| source.commit = "A".repeat(40)),
            with(|source| source.project = "a b".to_owned()),
            with(|source| source.project = String::new()),
            with(|source| source.topics = vec!["Web".to_owned()]),
            with(|source| source.topics = vec!["a".to_owned(); 21]),
        ] {
            assert!(text.contains("cannot be"), "{text}");
        }
    }

    #[test]
    fn a_description_is_one_line_with_the_mark_at_its_end() {
        let short = source("A diary\n\tfor  plants\u{7}").marked_description();
        let mark = "(App-Gen project 01980c5e-7d0f-7a7e-8d0e-1f2a3b4c5d6e)";
        assert_eq!(short, format!("A diary for plants {mark}"));
        assert_eq!(source(" ").marked_description(), mark);
        let long = source(&"ü".repeat(1_000)).marked_description();
        assert_eq!(long.chars().count(), MAX_DESCRIPTION);
        assert!(long.ends_with(&format!("ü… {mark}")), "{long}");
        assert_eq!(source("").branch(), "app-gen/0123456789ab");
    }

    #[test]
    fn a_target_reads_from_little_and_refuses_what_it_does_not_know() {
        let read = serde_json::from_str::<Target>(r#"{"name":"plant-diary"}"#).unwrap();
        assert_eq!(read, target(None, "plant-diary"));
        let text = r#"{"owner":"acme","name":"a","visibility":"public","mode":"pull_request"}"#;
        let read: Target = serde_json::from_str(text).unwrap();
        assert_eq!(read.mode, Mode::PullRequest);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(serde_json::from_str::<Target>(r#"{"name":"a","token":"x"}"#).is_err());
    }
}
