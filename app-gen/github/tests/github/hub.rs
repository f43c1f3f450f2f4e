//! The stand-in of GitHub: what it has, what it is asked, and how it is made to fail.

use crate::api;
use crate::git::{self, git};
use crate::openapi::DESCRIPTION;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The user whom the token belongs to.
pub(crate) const BOT: &str = "app-gen-bot";
/// An organisation in which the user may do everything.
pub(crate) const ACME: &str = "acme";
/// An organisation in which the user may create nothing.
pub(crate) const CLOSED: &str = "closed";
/// The token. Its form is that of a real one.
pub(crate) const TOKEN: &str = "ghp_standInOfGitHub0000000000000000000000";

/// A server, which ends when it is dropped.
pub(crate) struct Hub {
    pub(crate) shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

pub(crate) struct Shared {
    folder: TempDir,
    pub(crate) state: Mutex<Content>,
    /// A call was held.
    pub(crate) held: Notify,
}

/// What is there.
#[derive(Default)]
pub(crate) struct Content {
    /// By `owner/name`.
    pub(crate) repositories: BTreeMap<String, Repository>,
    /// New names by old ones.
    pub(crate) renamed: BTreeMap<String, String>,
    /// What new repositories say their default branch is called. GitHub has this as a setting.
    pub(crate) default_branch: Option<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) hold: Option<Hold>,
    /// `METHOD /path` of every call so far.
    pub(crate) calls: Vec<String>,
    /// What the description of the API has against requests and answers.
    pub(crate) faulty: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Repository {
    pub(crate) description: Option<String>,
    pub(crate) is_private: bool,
    pub(crate) default_branch: String,
    pub(crate) is_archived: bool,
    /// KiB.
    pub(crate) size: u64,
    pub(crate) topics: Vec<String>,
    pub(crate) pulls: Vec<Pull>,
}

#[derive(Clone)]
pub(crate) struct Pull {
    pub(crate) branch: String,
    pub(crate) base: String,
    pub(crate) title: String,
    pub(crate) is_open: bool,
    pub(crate) is_merged: bool,
}

/// A call that is answered otherwise, so many times.
pub(crate) struct Fault {
    /// The beginning of `METHOD /path`.
    pub(crate) call: &'static str,
    pub(crate) times: usize,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// Where a call is never answered: the number of the call, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Before(usize),
    After(usize),
}

impl Hub {
    pub(crate) async fn start() -> Self {
        // It may have to be installed first, for which no request waits long enough.
        LazyLock::force(&DESCRIPTION);
        let shared = Arc::new(Shared {
            folder: tempfile::tempdir().unwrap(),
            state: Mutex::default(),
            held: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/api/{*path}", any(api::answer))
            .route("/git/{*path}", any(git::answer))
            .route("/page/{*path}", any(|| async { "<!doctype html>" }))
            .layer(from_fn_with_state(Arc::clone(&shared), gate))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            shared,
            address,
            server,
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.server.abort();
        let state = self.shared.state.lock();
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let faulty = std::mem::take(&mut state.faulty);
        drop(state);
        if !std::thread::panicking() {
            assert!(faulty.is_empty(), "{faulty:#?}");
        }
    }
}

impl Shared {
    /// Where `owner/name` is.
    pub(crate) fn path(&self, full_name: &str) -> PathBuf {
        self.folder.path().join(format!("{full_name}.git"))
    }

    /// Where all of them are.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The commit of a branch, by git and not by the API.
    pub(crate) fn commit(&self, full_name: &str, branch: &str) -> Option<String> {
        let name = format!("refs/heads/{branch}");
        git(
            &self.path(full_name),
            &["rev-parse", "--verify", "--quiet", &name],
        )
    }

    /// Makes an empty repository.
    pub(crate) fn create(&self, full_name: &str, repository: Repository) {
        let path = self.path(full_name);
        std::fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "--quiet", "--bare", "--template="]).unwrap();
        let mut state = self.state.lock().unwrap();
        let before = state.repositories.insert(full_name.to_owned(), repository);
        assert!(before.is_none(), "{full_name} is there already");
    }

    /// A fault for this call, if there is one.
    fn fault(&self, call: &str) -> Option<Response> {
        let mut state = self.state.lock().unwrap();
        let mut faults = state.faults.iter_mut();
        let fault = faults.find(|fault| fault.times > 0 && call.starts_with(fault.call))?;
        fault.times -= 1;
        // What is said instead is said as GitHub says it, too.
        let (method, url) = call.split_once(' ').unwrap();
        let path = url.split('?').next().unwrap().strip_prefix("/api");
        let operation = path.and_then(|path| DESCRIPTION.operation(method, path));
        let faulty = operation.map(|operation| {
            let body: Value = serde_json::from_str(&fault.body).unwrap_or_default();
            DESCRIPTION.judge_answer(&operation, fault.status, &body)
        });
        let status = StatusCode::from_u16(fault.status).unwrap();
        let mut answer = (status, fault.body.clone()).into_response();
        for (name, value) in fault.headers.clone() {
            let value = HeaderValue::from_str(&value).unwrap();
            answer
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
        state.faulty.extend(faulty.unwrap_or_default());
        Some(answer)
    }
}

/// Numbers calls, holds the one that is to be held, and lets faults happen.
async fn gate(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query().unwrap();
    let call = format!("{} {target}", request.method());
    let (number, hold) = {
        let mut state = shared.state.lock().unwrap();
        state.calls.push(call.clone());
        (state.calls.len(), state.hold)
    };
    if hold == Some(Hold::Before(number)) {
        shared.held.notify_one();
        std::future::pending::<()>().await;
    }
    let answer = match shared.fault(&call) {
        Some(answer) => answer,
        None => next.run(request).await,
    };
    if hold == Some(Hold::After(number)) {
        shared.held.notify_one();
        std::future::pending::<()>().await;
    }
    answer
}
