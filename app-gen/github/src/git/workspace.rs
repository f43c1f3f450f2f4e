//! A repository of our own for one delivery: what is sent comes from here, and what is there is
//! compared here.

use crate::error::Error;
use crate::git::call::{Broken, Call, Ended, call};
use crate::target::Source;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// How long a call may take that asks nobody. The largest version takes seconds.
const LOCAL: Duration = Duration::from_secs(60);
/// Who joins two histories. Nobody has this address.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "App-Gen"),
    ("GIT_AUTHOR_EMAIL", "app-gen@app-gen.invalid"),
    ("GIT_COMMITTER_NAME", "App-Gen"),
    ("GIT_COMMITTER_EMAIL", "app-gen@app-gen.invalid"),
];

/// The repository, in a folder that nobody else may enter. It is removed with this.
#[derive(Debug)]
pub(crate) struct Workspace {
    folder: TempDir,
    repository: PathBuf,
}

impl Workspace {
    /// An empty one.
    ///
    /// # Errors
    /// There is no space, or no git.
    pub(crate) async fn new() -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("app-gen-github-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| local("make a temporary folder", error))?;
        let repository = folder.path().join("repository");
        std::fs::create_dir(&repository)
            .map_err(|error| local("make a temporary folder", error))?;
        let workspace = Self { folder, repository };
        workspace
            .done(
                "make a repository",
                &[
                    "init",
                    "--quiet",
                    "--bare",
                    "--template=",
                    "--initial-branch=main",
                    "--object-format=sha1",
                ],
            )
            .await?;
        Ok(workspace)
    }

    /// One with the branches of a version, and so its commit.
    ///
    /// # Errors
    /// The version cannot be read, or has no such commit.
    pub(crate) async fn of(source: &Source) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::SourceUnreadable {
            path: source.path.clone(),
            reason,
        };
        let workspace = Self::new().await?;
        // Absolute, so that git takes it for neither an option nor a host.
        let path = std::path::absolute(&source.path);
        let path = path.map_err(|error| unreadable(error.to_string()))?;
        let text = path.to_str();
        let text = text.ok_or_else(|| unreadable("its path is not UTF-8".to_owned()))?;
        let settings = [
            "protocol.file.allow=always".to_owned(),
            "fetch.fsckObjects=true".to_owned(),
        ];
        let branches = "+refs/heads/*:refs/version/*";
        let arguments = ["fetch", "--quiet", "--no-tags", text, branches];
        let taken = workspace.asked(&settings, &arguments, &[], &[]).await?;
        if !taken.is_success() {
            return Err(unreadable(last_words(&taken.errors)));
        }
        let missing = || Error::CommitMissing {
            path: source.path.clone(),
            commit: source.commit.clone(),
        };
        if !workspace.has(&source.commit).await? {
            return Err(missing());
        }
        let kind = ["cat-file", "-t", source.commit.as_str()];
        let kind = workspace.text("look at the commit", &kind).await?;
        match kind == "commit" {
            true => Ok(workspace),
            false => Err(missing()),
        }
    }

    pub(crate) fn repository(&self) -> &Path {
        &self.repository
    }

    /// A folder for files beside the repository.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the object is here.
    pub(crate) async fn has(&self, object: &str) -> Result<bool, Error> {
        self.asks("look for a commit", &["cat-file", "-e", object])
            .await
    }

    /// Whether a commit is the other one, or in its history. Both are here.
    pub(crate) async fn is_in_history(&self, commit: &str, of: &str) -> Result<bool, Error> {
        let arguments = ["merge-base", "--is-ancestor", commit, of];
        self.asks("compare two histories", &arguments).await
    }

    /// Whether two commits have a history in common. Both are here.
    pub(crate) async fn are_related(&self, one: &str, other: &str) -> Result<bool, Error> {
        self.asks("compare two histories", &["merge-base", one, other])
            .await
    }

    /// The parents of a commit that is here.
    pub(crate) async fn parents(&self, commit: &str) -> Result<Vec<String>, Error> {
        let listed = self
            .text("read a commit", &["rev-parse", &format!("{commit}^@")])
            .await?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// The commit of a ref of this repository, if it has it.
    pub(crate) async fn commit_of(&self, name: &str) -> Result<Option<String>, Error> {
        let arguments = ["for-each-ref", "--format=%(objectname)", name];
        let listed = self.text("read a branch", &arguments).await?;
        Ok(Some(listed).filter(|listed| !listed.is_empty()))
    }

    /// A commit that joins a version to a history with which it has nothing in common: its files are
    /// those of `onto`, and over them those of the version. The same two always give the same commit.
    pub(crate) async fn join(
        &self,
        onto: &str,
        version: &str,
        message: &str,
    ) -> Result<String, Error> {
        const WHAT: &str = "join two histories";
        let index = self.folder.path().join("index");
        let index = [("GIT_INDEX_FILE", index.to_string_lossy().into_owned())];
        let read = ["read-tree", onto];
        finished(WHAT, self.asked(&[], &read, &index, &[]).await?)?;
        let list = ["ls-tree", "-r", "-z", "--full-tree", version];
        let files = finished(WHAT, self.asked(&[], &list, &[], &[]).await?)?;
        // A file takes the place of a folder of the same name, and a folder that of a file.
        let update = ["update-index", "-z", "--index-info"];
        finished(WHAT, self.asked(&[], &update, &index, &files).await?)?;
        let written = self.asked(&[], &["write-tree"], &index, &[]).await?;
        let tree = trimmed(WHAT, finished(WHAT, written)?)?;

        let show = ["show", "--no-patch", "--format=%ct", version];
        let time = format!("{} +0000", self.text(WHAT, &show).await?);
        let mut environment: Vec<(&str, String)> = IDENTITY
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            environment.push((name, time.clone()));
        }
        let commit = ["commit-tree", &tree, "-p", onto, "-p", version];
        let message = message.as_bytes();
        let written = self.asked(&[], &commit, &environment, message).await?;
        trimmed(WHAT, finished(WHAT, written)?)
    }

    /// Asks a question that git answers by its exit code: 0 is yes and 1 is no.
    async fn asks(&self, what: &'static str, arguments: &[&str]) -> Result<bool, Error> {
        let ended = self.asked(&[], arguments, &[], &[]).await?;
        match ended.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(local(what, last_words(&ended.errors))),
        }
    }

    async fn text(&self, what: &'static str, arguments: &[&str]) -> Result<String, Error> {
        trimmed(what, self.done(what, arguments).await?)
    }

    async fn done(&self, what: &'static str, arguments: &[&str]) -> Result<Vec<u8>, Error> {
        finished(what, self.asked(&[], arguments, &[], &[]).await?)
    }

    async fn asked(
        &self,
        settings: &[String],
        arguments: &[&str],
        environment: &[(&str, String)],
        input: &[u8],
    ) -> Result<Ended, Error> {
        let ended = call(Call {
            repository: &self.repository,
            settings,
            arguments,
            environment,
            input,
            bound: LOCAL,
        });
        ended.await.map_err(|broken| match broken {
            Broken::Local(error) => error,
            Broken::Late(bound) => local(
                "run git",
                format!("it took longer than {} s", bound.as_secs()),
            ),
        })
    }
}

fn local(what: &'static str, reason: impl ToString) -> Error {
    Error::Local {
        what,
        reason: reason.to_string(),
    }
}

fn finished(what: &'static str, ended: Ended) -> Result<Vec<u8>, Error> {
    match ended.is_success() {
        true => Ok(ended.output),
        false => Err(local(what, last_words(&ended.errors))),
    }
}

fn trimmed(what: &'static str, output: Vec<u8>) -> Result<String, Error> {
    let text = String::from_utf8(output).map_err(|error| local(what, error))?;
    Ok(text.trim().to_owned())
}

/// The end of what git says, where the reason is.
pub(crate) fn last_words(errors: &str) -> String {
    const MOST: usize = 600;
    let errors = errors.trim();
    match errors.len() <= MOST {
        true => errors.to_owned(),
        false => errors[errors.ceil_char_boundary(errors.len() - MOST)..].to_owned(),
    }
}
