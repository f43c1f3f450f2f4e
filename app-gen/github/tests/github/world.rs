//! An application with two versions, the stand-in of GitHub, and deliveries from one to the other.

use crate::git::git;
use crate::hub::{BOT, Hub, Repository, TOKEN};
use app_gen_github::{
    Bounds, Delivered, Error, Mode, Settings, Source, Step, Target, Token, Visibility, deliver,
    look,
};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// The id of the project.
pub(crate) const PROJECT: &str = "01980c5e-7d0f-7a7e-8d0e-1f2a3b4c5d6e";
/// The name of the repository.
pub(crate) const NAME: &str = "plant-diary";

/// Everything that a test needs.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) application: Application,
    pub(crate) settings: Settings,
    steps: Mutex<Vec<Step>>,
}

/// A git repository with two versions of an application, the second of which goes on from the first.
pub(crate) struct Application {
    folder: TempDir,
    pub(crate) versions: [String; 2],
}

impl Application {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("application");
        fs::create_dir(&path).unwrap();
        git(&path, &["init", "--quiet", "--initial-branch=main"]).unwrap();
        let first = commit(&path, &[("README.md", "A diary"), ("src/main.js", "one")]);
        let second = commit(&path, &[("src/main.js", "two"), ("server", "a file")]);
        Self {
            folder,
            versions: [first, second],
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("application")
    }

    /// All of it as one file, as the generator hands it over.
    pub(crate) fn bundle(&self) -> PathBuf {
        let file = self.folder.path().join("application.bundle");
        let name = file.to_str().unwrap();
        let arguments = ["bundle", "create", "--quiet", name, "--branches"];
        git(&self.path(), &arguments).unwrap();
        file
    }
}

/// Writes files and commits all that is there.
fn commit(folder: &Path, files: &[(&str, &str)]) -> String {
    for (path, content) in files {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    git(folder, &["add", "--all"]).unwrap();
    git(folder, &["commit", "--quiet", "--message=A change"]).unwrap();
    git(folder, &["rev-parse", "HEAD"]).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        let hub = Hub::start().await;
        Self {
            settings: settings(hub.address),
            hub,
            application: Application::new(),
            steps: Mutex::default(),
        }
    }

    pub(crate) fn source(&self, version: usize) -> Source {
        source(self.application.path(), &self.application.versions[version])
    }

    /// Delivers a version, counted from 0.
    pub(crate) async fn deliver(
        &self,
        target: &Target,
        version: usize,
    ) -> Result<Delivered, Error> {
        self.deliver_source(target, &self.source(version)).await
    }

    pub(crate) async fn deliver_source(
        &self,
        target: &Target,
        source: &Source,
    ) -> Result<Delivered, Error> {
        self.steps.lock().unwrap().clear();
        let token = Token::new(TOKEN).unwrap();
        let keep = |step| self.steps.lock().unwrap().push(step);
        deliver(&self.settings, &token, target, source, &keep).await
    }

    /// Which commit is there, asked for a version.
    pub(crate) async fn look(
        &self,
        target: &Target,
        version: usize,
    ) -> Result<Option<String>, Error> {
        let (token, source) = (Token::new(TOKEN).unwrap(), self.source(version));
        look(&self.settings, &token, target, &source, &|_| {}).await
    }

    /// What the newest delivery told.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    /// The calls since this was asked last.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.hub.shared.state.lock().unwrap().calls)
    }

    /// A repository of somebody's with a commit of its own, which is returned.
    pub(crate) fn foreign(&self, full_name: &str, repository: Repository) -> String {
        let branch = repository.default_branch.clone();
        self.hub.shared.create(full_name, repository);
        self.add(
            full_name,
            &branch,
            None,
            &[("LICENSE", "Theirs"), ("server/index.js", "x")],
        )
    }

    /// Adds a commit to a branch of GitHub's, on top of another branch or of nothing.
    pub(crate) fn add(
        &self,
        full_name: &str,
        branch: &str,
        onto: Option<&str>,
        files: &[(&str, &str)],
    ) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let bare = self.hub.shared.path(full_name);
        let bare = bare.to_str().unwrap();
        git(path, &["init", "--quiet", "--initial-branch=main"]).unwrap();
        if let Some(onto) = onto {
            git(path, &["fetch", "--quiet", bare, onto]).unwrap();
            git(path, &["reset", "--quiet", "--hard", "FETCH_HEAD"]).unwrap();
        }
        let commit = commit(path, files);
        let spec = format!("HEAD:refs/heads/{branch}");
        git(path, &["push", "--quiet", bare, &spec]).unwrap();
        commit
    }

    /// The file of a branch of GitHub's.
    pub(crate) fn file(&self, full_name: &str, branch: &str, path: &str) -> Option<String> {
        let bare = self.hub.shared.path(full_name);
        git(&bare, &["show", &format!("{branch}:{path}")])
    }

    /// Whether a commit of GitHub's is in the history of a branch.
    pub(crate) fn has(&self, full_name: &str, branch: &str, commit: &str) -> bool {
        let bare = self.hub.shared.path(full_name);
        git(&bare, &["merge-base", "--is-ancestor", commit, branch]).is_some()
    }

    /// The names of all repositories.
    pub(crate) fn repositories(&self) -> Vec<String> {
        let state = self.hub.shared.state.lock().unwrap();
        state.repositories.keys().cloned().collect()
    }

    /// How many pull requests a repository has, and how many of them are open.
    pub(crate) fn pulls(&self, full_name: &str) -> (usize, usize) {
        let state = self.hub.shared.state.lock().unwrap();
        let pulls = &state.repositories[full_name].pulls;
        (
            pulls.len(),
            pulls.iter().filter(|pull| pull.is_open).count(),
        )
    }

    /// Changes what GitHub has about a repository.
    pub(crate) fn change(&self, full_name: &str, change: impl FnOnce(&mut Repository)) {
        let mut state = self.hub.shared.state.lock().unwrap();
        change(state.repositories.get_mut(full_name).unwrap());
    }
}

/// The stand-in's addresses, and bounds for tests.
pub(crate) fn settings(address: SocketAddr) -> Settings {
    Settings {
        api_url: format!("http://{address}/api"),
        git_url: format!("http://{address}/git"),
        bounds: Bounds {
            request: Duration::from_secs(20),
            transfer: Duration::from_secs(60),
            rate_limits: Duration::from_secs(5),
            pause: Duration::from_millis(20),
            tries: 2,
        },
        ..Settings::default()
    }
}

pub(crate) fn source(path: PathBuf, commit: &str) -> Source {
    Source {
        path,
        commit: commit.to_owned(),
        project: PROJECT.to_owned(),
        description: "A diary for plants".to_owned(),
        topics: vec!["app-gen".to_owned(), "react".to_owned()],
    }
}

/// A target of a mode, of the token's own user if no owner is named.
pub(crate) fn target(owner: Option<&str>, mode: Mode) -> Target {
    Target {
        owner: owner.map(str::to_owned),
        name: NAME.to_owned(),
        visibility: Visibility::Private,
        mode,
    }
}

/// `owner/name` of the token's own user.
pub(crate) fn own() -> String {
    format!("{BOT}/{NAME}")
}

/// A repository with a default branch, and nothing else said about it.
pub(crate) fn repository(default_branch: &str) -> Repository {
    Repository {
        default_branch: default_branch.to_owned(),
        ..Repository::default()
    }
}
