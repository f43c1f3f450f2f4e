//! The repository at GitHub, as git reaches it.

use crate::address::Addresses;
use crate::error::Error;
use crate::git::call::{Broken, Call, Ended, call};
use crate::git::credentials::Credentials;
use crate::git::refusal::{Place, refusal};
use crate::git::workspace::Workspace;
use crate::token::Token;
use std::fmt;
use std::time::Duration;

/// Variables by which a user names proxies.
const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];
/// Bytes per second, and for how long, below which a transfer counts as dead.
const SLOW: (u64, u64) = (100, 120);

/// What every call that reaches GitHub has in common.
pub(crate) struct Remote<'call> {
    workspace: &'call Workspace,
    addresses: &'call Addresses,
    token: &'call Token,
    /// Of git, for the server.
    settings: Vec<String>,
    environment: Vec<(&'static str, String)>,
    bound: Duration,
    _credentials: Credentials,
}

impl fmt::Debug for Remote<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("workspace", self.workspace)
            .finish_non_exhaustive()
    }
}

impl<'call> Remote<'call> {
    /// Git, with the token for the server of the repositories and for no other.
    ///
    /// # Errors
    /// Files or the socket cannot be made.
    pub(crate) fn new(
        workspace: &'call Workspace,
        addresses: &'call Addresses,
        token: &'call Token,
        bound: Duration,
    ) -> Result<Self, Error> {
        let git = &addresses.git;
        let folder = workspace.folder();
        let credentials = Credentials::serve(folder, token, git.scheme(), &git.host())?;
        // Not all machines have certificates, and those that have them have others than the client.
        let certificates = folder.join("certificates.pem");
        let written = std::fs::write(&certificates, &addresses.certificates_pem);
        written.map_err(|error| Error::Local {
            what: "write certificates for git",
            reason: error.to_string(),
        })?;
        let settings = vec![
            format!("credential.helper={}", credentials.helper()),
            format!("protocol.{}.allow=always", git.scheme()),
            format!("http.sslCAInfo={}", certificates.to_string_lossy()),
            // The token is for this server, whatever the server says.
            "http.followRedirects=false".to_owned(),
            format!("http.lowSpeedLimit={}", SLOW.0),
            format!("http.lowSpeedTime={}", SLOW.1),
        ];
        let named = |name: &'static str| Some((name, std::env::var(name).ok()?));
        let environment = match git.is_loopback {
            true => Vec::new(),
            false => PROXIES.into_iter().filter_map(named).collect(),
        };
        Ok(Self {
            workspace,
            addresses,
            token,
            settings,
            environment,
            bound,
            _credentials: credentials,
        })
    }

    /// Sends a commit to a branch that is not there, or that the commit goes on from.
    ///
    /// # Errors
    /// Why GitHub does not take it.
    pub(crate) async fn push(&self, place: Place<'_>, commit: &str) -> Result<(), Error> {
        let url = self.url(place);
        let spec = format!("{commit}:refs/heads/{}", place.branch);
        let arguments = [
            "push",
            "--porcelain",
            "--no-verify",
            "--no-signed",
            "--no-follow-tags",
            "--recurse-submodules=no",
            &url,
            &spec,
        ];
        self.done(place, "write to", &arguments).await
    }

    /// Takes a branch with its history, as the ref `into` of the workspace.
    ///
    /// # Errors
    /// Why GitHub does not give it.
    pub(crate) async fn fetch(&self, place: Place<'_>, into: &str) -> Result<(), Error> {
        let url = self.url(place);
        let spec = format!("+refs/heads/{}:{into}", place.branch);
        let arguments = ["fetch", "--quiet", "--no-tags", &url, &spec];
        self.done(place, "read", &arguments).await
    }

    /// `{git_url}/{owner}/{name}.git`, without any credential.
    fn url(&self, place: Place<'_>) -> String {
        let path = format!("{}.git", place.repository);
        self.addresses.git.below(path.split('/')).into()
    }

    async fn done(&self, place: Place<'_>, verb: &str, arguments: &[&str]) -> Result<(), Error> {
        let ended = call(Call {
            repository: self.workspace.repository(),
            settings: &self.settings,
            arguments,
            environment: &self.environment,
            input: &[],
            bound: self.bound,
        });
        let what = format!("{verb} the repository {}", place.repository);
        let Ended {
            code,
            output,
            errors,
        } = ended.await.map_err(|broken| match broken {
            Broken::Local(error) => error,
            Broken::Late(bound) => Error::Unavailable {
                what: what.clone(),
                reason: format!("git took longer than {} s", bound.as_secs()),
            },
        })?;
        if code == Some(0) {
            return Ok(());
        }
        // The porcelain of `push` says on its output what was refused, the server on the other.
        let words = format!("{}\n{errors}", String::from_utf8_lossy(&output));
        Err(refusal(&self.token.scrub(&words), what, place))
    }
}
