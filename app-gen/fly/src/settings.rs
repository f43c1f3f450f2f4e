//! What a delivery is given.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a project is delivered to, as its owner chooses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The slug of the organization, `personal` for example.
    pub organization: String,
    /// The name of the app, which is unique among all of Fly.io. Without it, it follows from the
    /// organization and the project's id ([`app_name`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Where the machine is, `fra` for example. Without it, Fly.io chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The machine's memory, a multiple of 256.
    #[serde(default = "default_memory")]
    pub memory_mib: u32,
}

fn default_memory() -> u32 {
    512
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The folder of the built application: `package.json`, what its build made, and `node_modules` with the
    /// production dependencies. It is started with `npm start`, with PORT, HOST and NODE_ENV.
    pub folder: PathBuf,
    /// Where the application serves `/version.json` from, in the folder: a file of this name is put into the
    /// image, in place of one that is there. `dist/version.json` for most.
    pub version_file: String,
    /// The full commit id.
    pub commit: String,
    /// The project's id: it never changes, and no other project has it.
    pub project_id: String,
    /// The number of the version.
    pub version: u32,
}

/// The variable that holds the token, here and for Fly.io's own programs.
pub const FLY_API_TOKEN: &str = "FLY_API_TOKEN";

/// A token of Fly.io ([`FLY_API_TOKEN`]). Nothing prints it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token, without white space around it.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into().trim().to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// A text of somebody else, without the token in it.
    pub(crate) fn hide(&self, text: &str) -> String {
        match self.0.is_empty() {
            true => text.to_owned(),
            false => text.replace(&self.0, "<token>"),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<token>")
    }
}

/// Whom a delivery talks to.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The Machines API, without a slash at the end.
    pub machines: String,
    /// The registry, with its port if it has one; http is spoken to one on this machine, https to all
    /// others. The token is its password.
    pub registry: String,
    /// The repository of an app in it, with `{app}` for its name.
    pub repository: String,
    /// Where an app answers, with `{app}` for its name.
    pub public_url: String,
    /// The image below the application, by digest, in a registry that needs no password or that is
    /// `registry`: `docker.io/library/node@sha256:…`. It has Node and npm.
    pub base_image: String,
    /// Certificates in the form of PEM of authorities that are trusted besides those that everybody trusts.
    pub extra_certificates: String,
    /// How long what may take.
    pub patience: Patience,
}

impl Endpoints {
    /// Those of Fly.io.
    #[must_use]
    pub fn of_fly(base_image: impl Into<String>) -> Self {
        Self {
            machines: "https://api.machines.dev".to_owned(),
            registry: "registry.fly.io".to_owned(),
            repository: "{app}".to_owned(),
            public_url: "https://{app}.fly.dev".to_owned(),
            base_image: base_image.into(),
            extra_certificates: String::new(),
            patience: Patience::default(),
        }
    }
}

/// How long what may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// One request to the Machines API, beside what it is asked to wait for.
    pub request: Duration,
    /// Until the machine runs and its checks pass.
    pub health: Duration,
    /// Until the URL answers with the commit. A new app's name has to spread first.
    pub url: Duration,
    /// Between two looks.
    pub pause: Duration,
    /// The wait for limits of requests, all waits of a call together.
    pub limit: Duration,
    /// How long nobody else may change the machine while it gets another version. The lease of a call that
    /// was killed is waited for as long.
    pub lease: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(60),
            health: Duration::from_secs(240),
            url: Duration::from_secs(180),
            pause: Duration::from_secs(2),
            limit: Duration::from_secs(120),
            lease: Duration::from_secs(60),
        }
    }
}

impl Endpoints {
    /// Where an app answers, without a slash at the end.
    pub(crate) fn url_of(&self, app: &str) -> String {
        let url = self.public_url.replace("{app}", app);
        url.trim_end_matches('/').to_owned()
    }

    /// Where the images of an app are: `registry/name`.
    pub(crate) fn repository_of(&self, app: &str) -> String {
        format!(
            "{}/{}",
            self.registry,
            self.repository.replace("{app}", app)
        )
    }
}

/// The name of a project's app: the one that was chosen, or else one that follows from the organization and
/// the project's id, so that a project has one app in each organization and finds it again.
#[must_use]
pub fn app_name(target: &Target, project_id: &str) -> String {
    if let Some(app) = &target.app {
        return app.clone();
    }
    let mut hash = Sha256::new();
    hash.update(target.organization.as_bytes());
    hash.update(b"\n");
    hash.update(project_id.as_bytes());
    let digest = hash.finalize();
    let mut name = "app-gen-".to_owned();
    for byte in digest.iter().take(8) {
        for digit in [byte >> 4, byte & 15] {
            name.extend(char::from_digit(digit.into(), 16));
        }
    }
    name
}
