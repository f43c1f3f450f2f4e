//! Where a version is delivered to, and what a delivery is asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::checks::{SpecError, invalid, validate_text, validate_word};
use crate::text::excerpt;

/// Maximum number of characters of the name of an application.
const MAX_NAME_CHARS: usize = 200;
/// Maximum length of the URL of what was delivered.
pub const MAX_URL_BYTES: usize = 500;

/// A version to be delivered, or looked at where it was delivered to. Its commit is that of
/// [`crate::StartFrom`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where to.
    pub target: DeliveryTarget,
    /// The project, `[A-Za-z0-9_-]{1,64}`. A target that was made for another one is left alone.
    pub project_id: String,
    /// The project's name for people; untrusted.
    pub name: String,
    /// Number of the version.
    pub version: u32,
    /// Where people find what is looked at: nothing is delivered then. It is what an earlier delivery said,
    /// [`crate::Body::Delivered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_url: Option<String>,
}

/// Where a version is delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DeliveryTarget {
    /// A repository on GitHub.
    Github {
        /// The user or the organisation that has it, or gets it. Without it, whoever the token belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// Its name, without its owner.
        repository: String,
        /// Whether everybody may see it, where the delivery makes it. One that exists stays as it is.
        #[serde(default)]
        public: bool,
        /// Whether the repository is there already, and gets a branch with a pull request.
        #[serde(default)]
        pull_request: bool,
    },
    /// An app on Fly.io.
    Fly {
        /// The organisation that has it, or gets it.
        #[serde(default = "personal")]
        organization: String,
        /// Its name, which is a part of its address. Without it, the name follows from organisation and
        /// project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        app: Option<String>,
        /// Where its machine is, `ams` for example. Without it, Fly.io chooses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
    },
}

/// The organisation that every account of Fly has.
fn personal() -> String {
    "personal".to_owned()
}

impl Delivery {
    pub(super) fn checked(&mut self) -> Result<(), SpecError> {
        validate_word("delivery", &self.project_id, 64)?;
        self.name = validate_text("delivery", &self.name, MAX_NAME_CHARS)?.to_owned();
        if self.version == 0 {
            return Err(invalid(
                "delivery",
                "names version 0, and they count from 1",
            ));
        }
        if let Some(url) = &self.check_url {
            let is_url = url.starts_with("https://") || url.starts_with("http://");
            if !is_url
                || url.len() > MAX_URL_BYTES
                || !url.bytes().all(|byte| byte.is_ascii_graphic())
            {
                let url = excerpt(url.as_bytes());
                return Err(invalid(
                    "delivery",
                    format!("has URL {url:?}, which is none"),
                ));
            }
        }
        self.target.validate()
    }
}

impl DeliveryTarget {
    /// `github` or `fly`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Github { .. } => "github",
            Self::Fly { .. } => "fly",
        }
    }

    /// What no two targets of a project have in common: `github:owner/repository` or `fly:organization/app`,
    /// in small letters, since GitHub does not tell capital ones from them.
    #[must_use]
    pub fn place(&self, project_id: &str) -> String {
        match self {
            Self::Github {
                owner, repository, ..
            } => {
                let owner = owner.as_deref().unwrap_or("~");
                format!("github:{owner}/{repository}").to_ascii_lowercase()
            }
            Self::Fly {
                organization, app, ..
            } => format!(
                "fly:{organization}/{}",
                app.as_deref().unwrap_or(project_id)
            ),
        }
    }

    /// Checks the names of the target.
    ///
    /// # Errors
    /// [`SpecError::Invalid`] for the first name that the target's own rules do not allow.
    pub fn validate(&self) -> Result<(), SpecError> {
        match self {
            Self::Github {
                owner, repository, ..
            } => {
                if let Some(owner) = owner {
                    named("owner", owner, 39, |byte| {
                        byte.is_ascii_alphanumeric() || byte == b'-'
                    })?;
                    if owner.starts_with('-') || owner.ends_with('-') {
                        return Err(unusable("owner", owner));
                    }
                }
                named("repository", repository, 100, |byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
                })?;
                let is_reserved = matches!(repository.as_str(), "." | "..")
                    || repository.to_ascii_lowercase().ends_with(".git");
                match is_reserved {
                    false => Ok(()),
                    true => Err(unusable("repository", repository)),
                }
            }
            Self::Fly {
                app,
                organization,
                region,
            } => {
                let word =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                named("organization", organization, 63, word)?;
                if let Some(app) = app {
                    named("app", app, 30, word)?;
                    let first = app.bytes().next().unwrap_or(b'-');
                    if !first.is_ascii_lowercase() || app.ends_with('-') {
                        return Err(unusable("app", app));
                    }
                }
                region.as_deref().map_or(Ok(()), |region| {
                    named("region", region, 4, |byte| byte.is_ascii_lowercase())
                })
            }
        }
    }
}

impl fmt::Display for DeliveryTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Github {
                owner: Some(owner),
                repository,
                ..
            } => write!(formatter, "the repository {owner}/{repository} on GitHub"),
            Self::Github { repository, .. } => {
                write!(formatter, "the repository {repository} on GitHub")
            }
            Self::Fly { app: Some(app), .. } => write!(formatter, "the app {app} on Fly.io"),
            Self::Fly { organization, .. } => {
                write!(
                    formatter,
                    "the app of the organization {organization} on Fly.io"
                )
            }
        }
    }
}

fn named(
    what: &str,
    name: &str,
    max_length: usize,
    is_allowed: impl Fn(u8) -> bool,
) -> Result<(), SpecError> {
    let fits = (1..=max_length).contains(&name.len()) && name.bytes().all(is_allowed);
    if fits {
        return Ok(());
    }
    Err(unusable(what, name))
}

fn unusable(what: &str, name: &str) -> SpecError {
    let rule = match what {
        "owner" => "1 to 39 letters, digits and dashes, with no dash at an end",
        "repository" => {
            "1 to 100 letters, digits, dots, dashes and underscores, without .git at its end"
        }
        "app" => "1 to 30 small letters, digits and dashes, with a letter first and no dash last",
        "organization" => "1 to 63 small letters, digits and dashes",
        _ => "1 to 4 small letters",
    };
    let name = excerpt(name.as_bytes());
    invalid("target", format!("has {what} {name:?}; it takes {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn github(owner: &str, repository: &str) -> DeliveryTarget {
        DeliveryTarget::Github {
            owner: (!owner.is_empty()).then(|| owner.to_owned()),
            repository: repository.to_owned(),
            public: false,
            pull_request: false,
        }
    }

    fn fly(app: &str, organization: &str, region: &str) -> DeliveryTarget {
        DeliveryTarget::Fly {
            organization: organization.to_owned(),
            app: (!app.is_empty()).then(|| app.to_owned()),
            region: (!region.is_empty()).then(|| region.to_owned()),
        }
    }

    #[test]
    fn names_are_those_that_the_targets_take() {
        for good in [
            github("octo-org", "plant.diary_2"),
            github("", "b"),
            fly("plant-diary", "personal", "iad"),
            fly("", "personal", ""),
        ] {
            assert_eq!(good.validate(), Ok(()), "{good}");
        }
        for (bad, field) in [
            (github("-a", "b"), "owner"),
            (github("a_b", "b"), "owner"),
            (github("a", ".."), "repository"),
            (github("a", "b/c"), "repository"),
            (github("a", "b.Git"), "repository"),
            (fly("Plants", "personal", "iad"), "app"),
            (fly("1plants", "personal", "iad"), "app"),
            (fly("plants-", "personal", "iad"), "app"),
            (fly(&"a".repeat(31), "personal", "iad"), "app"),
            (fly("plants", "", "iad"), "organization"),
            (fly("plants", "personal", "../x"), "region"),
        ] {
            let refusal = bad.validate().unwrap_err().to_string();
            let expected = format!("target has {field} ");
            assert!(refusal.starts_with(&expected), "{refusal}");
        }
    }

    #[test]
    fn a_place_is_the_same_in_small_and_capital_letters() {
        let place = |target: DeliveryTarget| target.place("project-1");
        assert_eq!(place(github("Octo", "Plants")), "github:octo/plants");
        assert_eq!(place(github("octo", "plants")), "github:octo/plants");
        assert_eq!(place(github("", "plants")), "github:~/plants");
        assert_eq!(place(fly("plants", "a", "ams")), "fly:a/plants");
        assert_eq!(place(fly("", "a", "ams")), "fly:a/project-1");
    }

    #[test]
    fn the_wire_form_has_defaults_and_nothing_unknown() {
        let read = serde_json::from_str::<DeliveryTarget>;
        assert_eq!(read(r#"{"kind":"fly"}"#).unwrap(), fly("", "personal", ""));
        assert_eq!(
            read(r#"{"kind":"github","owner":"o","repository":"r"}"#).unwrap(),
            github("o", "r")
        );
        assert!(read(r#"{"kind":"ftp","host":"x"}"#).is_err());
        assert!(read(r#"{"kind":"fly","app":"plants","image":"x"}"#).is_err());
    }
}
