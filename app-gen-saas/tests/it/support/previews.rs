//! Tasks of previews inside the test's process, for what the real ones do not do on demand: no room, lost answers,
//! ends. What they run is a real server, with a control port that speaks as the real program does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use app_gen_contract::{PreviewPhase, PreviewStatus};
use app_gen_saas::launcher::{
    Ending, LaunchError, PreviewPlaces, PreviewTaskStatus, PreviewTasks, RunningPreview,
    StartPreview, Task,
};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post, put};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

/// A task that was started.
#[derive(Debug, Clone)]
pub struct StandTask {
    pub start: StartPreview,
    pub stops: u32,
    task: Task,
    places: PreviewPlaces,
    board: Board,
}

#[derive(Debug, Default)]
pub struct Stand {
    state: Mutex<Inner>,
}

#[derive(Debug, Default)]
pub struct Inner {
    pub tasks: Vec<StandTask>,
    /// How often there is no room yet.
    pub no_room: u32,
    /// Whether nobody hears that a task was started.
    pub loses_answers: bool,
    /// How often a task was asked for.
    pub starts: u32,
}

type Board = Arc<Mutex<(PreviewStatus, Vec<u8>)>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stand {
    pub fn state(&self) -> MutexGuard<'_, Inner> {
        lock(&self.state)
    }

    /// The tasks that run.
    pub fn running_tasks(&self) -> Vec<StandTask> {
        let state = self.state();
        let running = state.tasks.iter().filter(|task| task.stops == 0);
        running.cloned().collect()
    }

    /// Has the application of the only task end for this reason.
    pub fn fail(&self, why: &str) {
        let state = self.state();
        lock(&state.tasks[0].board).0 = PreviewStatus {
            phase: PreviewPhase::Failed,
            detail: Some(why.to_owned()),
        };
    }
}

impl PreviewTasks for Stand {
    fn start<'a>(&'a self, start: &'a StartPreview) -> BoxFuture<'a, Result<Task, LaunchError>> {
        Box::pin(async move {
            {
                let mut state = self.state();
                state.starts += 1;
                if state.no_room > 0 {
                    state.no_room -= 1;
                    return Err(LaunchError::NotStarted("there is no room".to_owned()));
                }
            }
            let task = serve(start).await;
            let loses_answers = {
                let mut state = self.state();
                state.tasks.push(task.clone());
                state.loses_answers
            };
            if loses_answers {
                std::future::pending::<()>().await;
            }
            Ok(task.task)
        })
    }

    fn find<'a>(
        &'a self,
        id: &'a str,
        _number: i64,
    ) -> BoxFuture<'a, anyhow::Result<Option<Task>>> {
        Box::pin(async move {
            let running = self.running_tasks();
            let found = running.into_iter().find(|task| task.start.id == id);
            Ok(found.map(|task| task.task))
        })
    }

    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<PreviewTaskStatus>> {
        Box::pin(async move {
            let state = self.state();
            let task = state.tasks.iter().find(|task| task.task.handle == handle);
            Ok(match task {
                None => PreviewTaskStatus::Missing,
                Some(task) if task.stops > 0 => PreviewTaskStatus::Stopped(Ending::default()),
                Some(task) => PreviewTaskStatus::Running(task.places),
            })
        })
    }

    fn stop<'a>(
        &'a self,
        handle: &'a str,
        _reason: &'a str,
        _force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut state = self.state();
            let mut tasks = state.tasks.iter_mut();
            if let Some(task) = tasks.find(|task| task.task.handle == handle) {
                task.stops += 1;
            }
            Ok(())
        })
    }

    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningPreview>>> {
        Box::pin(async {
            let running = self.running_tasks().into_iter();
            let of = |task: StandTask| RunningPreview {
                id: task.start.id,
                task: task.task,
            };
            Ok(running.map(of).collect())
        })
    }

    fn forget<'a>(&'a self, _handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// Starts the two servers of a preview.
async fn serve(start: &StartPreview) -> StandTask {
    let board: Board = Arc::new(Mutex::new((
        PreviewStatus {
            phase: PreviewPhase::Empty,
            detail: None,
        },
        Vec::new(),
    )));
    let control = Router::new()
        .route("/status", get(status))
        .route("/application", put(take))
        .with_state((start.sha256.clone(), Arc::clone(&board)));
    let application = Router::new()
        .route("/echo", post(async |body: Body| body))
        .route("/ws", any(echo))
        .fallback(tell)
        .with_state(Arc::clone(&board));
    let listen = async |router: Router| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    };
    let places = PreviewPlaces {
        control: listen(control).await,
        application: listen(application).await,
    };
    let name = format!("{}.{}.{}", start.id, start.number, places.control.port());
    StandTask {
        start: start.clone(),
        stops: 0,
        task: Task {
            handle: format!("handle of {name}"),
            name,
        },
        places,
        board,
    }
}

async fn status(State((_, board)): State<(String, Board)>) -> axum::Json<PreviewStatus> {
    axum::Json(lock(&board).0.clone())
}

async fn take(State((sha256, board)): State<(String, Board)>, zip: Bytes) -> StatusCode {
    let digest = Sha256::digest(&zip);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != sha256 {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let mut board = lock(&board);
    board.0.phase = PreviewPhase::Ready;
    board.1 = zip.to_vec();
    StatusCode::NO_CONTENT
}

/// What the application was asked, and what it is.
async fn tell(State(board): State<Board>, request: Request) -> Response {
    let headers: Map<String, Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect();
    let told = json!({
        "path": request.uri().to_string(),
        "headers": headers,
        "zip_bytes": lock(&board).1.len(),
    });
    let answer = [
        ("set-cookie", "seen=1; Path=/; Domain=localhost"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("cache-control", "public, max-age=60"),
    ];
    (answer, axum::Json(told)).into_response()
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}
