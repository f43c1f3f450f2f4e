//! What is asked of GitHub about a repository.

use crate::api::{Answer, Api, Request};
use crate::error::Error;
use crate::target::Visibility;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

/// A repository, as much of it as matters here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Repository {
    /// `owner/name`, as GitHub writes it.
    pub(crate) full_name: String,
    pub(crate) html_url: String,
    pub(crate) description: Option<String>,
    /// What it would be, where the repository is empty.
    pub(crate) default_branch: String,
    #[serde(default)]
    pub(crate) archived: bool,
    /// KiB.
    #[serde(default)]
    pub(crate) size: u64,
    owner: Account,
}

#[derive(Debug, Clone, Deserialize)]
struct Account {
    login: String,
}

/// A pull request, as much of it as matters here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pull {
    pub(crate) html_url: String,
    state: String,
    #[serde(default)]
    merged_at: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Topics {
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Ref {
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    sha: String,
}

/// A repository that is to be created.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New<'call> {
    pub(crate) owner: &'call str,
    /// Whether the token belongs to the owner; otherwise it is an organisation.
    pub(crate) is_own: bool,
    pub(crate) name: &'call str,
    pub(crate) description: &'call str,
    pub(crate) visibility: Visibility,
}

impl Repository {
    /// The name of a branch with its owner, as lists of pull requests want it.
    fn head(&self, branch: &str) -> String {
        format!("{}:{branch}", self.owner.login)
    }
}

impl Pull {
    pub(crate) fn is_open(&self) -> bool {
        self.state == "open"
    }

    pub(crate) const fn is_merged(&self) -> bool {
        self.merged_at.is_some()
    }
}

impl Api<'_> {
    /// The login of the user whom the token belongs to. A token of an app's installation has none.
    ///
    /// # Errors
    /// The token is refused, or GitHub cannot be asked.
    pub(crate) async fn login(&self) -> Result<Option<String>, Error> {
        let what = "look up whom the token belongs to".to_owned();
        let url = self.addresses.api.below(["user"]);
        let answer = self.ask(get(what, url)).await?;
        if answer.status == StatusCode::FORBIDDEN {
            return Ok(None);
        }
        let account: Account = answer.into_content()?;
        Ok(Some(account.login))
    }

    /// The repository of a name, where there is one that the token may see.
    pub(crate) async fn repository(
        &self,
        owner: &str,
        name: &str,
    ) -> Result<Option<Repository>, Error> {
        let what = format!("look up the repository {owner}/{name}");
        let url = self.addresses.api.below(["repos", owner, name]);
        let answer = self.ask(get(what, url)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => answer.into_content().map(Some),
        }
    }

    /// Creates a repository without any commit. `None` where the name is taken.
    pub(crate) async fn create(&self, new: New<'_>) -> Result<Option<Repository>, Error> {
        let New { owner, name, .. } = new;
        let api = &self.addresses.api;
        let url = match new.is_own {
            true => api.below(["user", "repos"]),
            false => api.below(["orgs", owner, "repos"]),
        };
        let body = json!({
            "name": name,
            "description": new.description,
            "private": new.visibility == Visibility::Private,
            "auto_init": false,
        });
        let request = Request {
            what: format!("create the repository {owner}/{name}"),
            method: Method::POST,
            url,
            body: Some(body),
        };
        let answer = self.ask(request).await?;
        match answer.status {
            StatusCode::UNPROCESSABLE_ENTITY if answer.says("name already exists") => Ok(None),
            StatusCode::NOT_FOUND if !new.is_own => Err(Error::OwnerNotFound {
                owner: owner.to_owned(),
            }),
            _ => answer.into_content().map(Some),
        }
    }

    /// The newest commit of a branch, where there is the branch.
    pub(crate) async fn head(
        &self,
        repository: &Repository,
        branch: &str,
    ) -> Result<Option<String>, Error> {
        let what = format!("read the branch {branch} of {}", repository.full_name);
        let path = ["git", "ref", "heads"].into_iter().chain(branch.split('/'));
        let url = self.url(repository, path);
        let answer = self.ask(get(what, url)).await?;
        match answer.status {
            // A conflict says that the repository is empty.
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(None),
            _ => {
                let found: Ref = answer.into_content()?;
                Ok(Some(found.object.sha))
            }
        }
    }

    pub(crate) async fn topics(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let what = format!("read the topics of {}", repository.full_name);
        let answer = self
            .ask(get(what, self.url(repository, ["topics"])))
            .await?;
        let topics: Topics = answer.into_content()?;
        Ok(topics.names)
    }

    pub(crate) async fn set_topics(
        &self,
        repository: &Repository,
        names: &[String],
    ) -> Result<(), Error> {
        let what = format!("set the topics of {}", repository.full_name);
        let url = self.url(repository, ["topics"]);
        let body = json!({ "names": names });
        self.change(what, Method::PUT, url, body).await
    }

    pub(crate) async fn set_default_branch(
        &self,
        repository: &Repository,
        branch: &str,
    ) -> Result<(), Error> {
        let what = format!(
            "make {branch} the default branch of {}",
            repository.full_name
        );
        let url = self.url(repository, []);
        let body = json!({ "default_branch": branch });
        self.change(what, Method::PATCH, url, body).await
    }

    /// All pull requests from a branch to another one of the same repository, also those that are
    /// closed.
    pub(crate) async fn pulls(
        &self,
        repository: &Repository,
        branch: &str,
        base: &str,
    ) -> Result<Vec<Pull>, Error> {
        let what = format!("list the pull requests of {}", repository.full_name);
        let mut url = self.url(repository, ["pulls"]);
        url.query_pairs_mut()
            .append_pair("state", "all")
            .append_pair("head", &repository.head(branch))
            .append_pair("base", base)
            .append_pair("per_page", "100");
        self.ask(get(what, url)).await?.into_content()
    }

    /// Opens a pull request. `None` where there is one already, or nothing to pull.
    pub(crate) async fn open_pull(
        &self,
        repository: &Repository,
        branch: &str,
        base: &str,
        texts: (&str, &str),
    ) -> Result<Option<Pull>, Error> {
        let (title, body) = texts;
        let request = Request {
            what: format!("open a pull request in {}", repository.full_name),
            method: Method::POST,
            url: self.url(repository, ["pulls"]),
            body: Some(json!({ "title": title, "body": body, "head": branch, "base": base })),
        };
        let answer = self.ask(request).await?;
        let is_there = answer.says("already exists") || answer.says("no commits between");
        match answer.status {
            StatusCode::UNPROCESSABLE_ENTITY if is_there => Ok(None),
            _ => answer.into_content().map(Some),
        }
    }

    async fn change(
        &self,
        what: String,
        method: Method,
        url: Url,
        body: Value,
    ) -> Result<(), Error> {
        let request = Request {
            what,
            method,
            url,
            body: Some(body),
        };
        let answer: Answer = self.ask(request).await?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(answer.into_refusal()),
        }
    }

    fn url<'text>(
        &self,
        repository: &'text Repository,
        path: impl IntoIterator<Item = &'text str>,
    ) -> Url {
        let names = repository.full_name.split('/');
        let path = ["repos"].into_iter().chain(names).chain(path);
        self.addresses.api.below(path)
    }
}

fn get(what: String, url: Url) -> Request {
    Request {
        what,
        method: Method::GET,
        url,
        body: None,
    }
}
