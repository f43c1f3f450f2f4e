//! A job that delivers: its folder as the orchestrator lays it out, and its attempts as processes.

use crate::git::git;
use crate::process::{Running, command};
use app_gen_contract::{
    Attempt, Body, CheckpointId, DELIVER_PROVIDER, Delivery, DeliveryTarget, Event, JobKind,
    JobSpec, START_BUNDLE_NAME, StartFrom, parse_line, spec_name,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{sleep, timeout};

/// The id of the project.
pub(crate) const PROJECT: &str = "01980c5e-7d0f-7a7e-8d0e-1f2a3b4c5d6e";
/// The number of the version.
pub(crate) const VERSION: u32 = 3;
/// Longer than any attempt of these tests takes.
const PATIENCE: Duration = Duration::from_secs(180);

/// A job whose folder has the history of an application.
pub(crate) struct Job {
    folder: TempDir,
    /// The version's.
    pub(crate) commit: String,
    /// The one before.
    pub(crate) older: String,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit_code: Option<i32>,
    pub(crate) events: Vec<Event>,
    /// All that it wrote.
    pub(crate) output: String,
}

impl Job {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let application = folder.path().join("application");
        fs::create_dir_all(application.join("src")).unwrap();
        git(&application, &["init", "--quiet", "--initial-branch=main"]).unwrap();
        for (path, content) in [
            ("README.md", "# Plant diary\n"),
            ("package.json", "{\"name\":\"plant-diary\"}\n"),
            ("src/main.js", "one\n"),
        ] {
            fs::write(application.join(path), content).unwrap();
            git(&application, &["add", "--all"]).unwrap();
            git(&application, &["commit", "--quiet", "--message=A change"]).unwrap();
        }
        let job = Self {
            commit: git(&application, &["rev-parse", "HEAD"]).unwrap(),
            older: git(&application, &["rev-parse", "HEAD~1"]).unwrap(),
            folder,
        };
        fs::create_dir_all(job.path()).unwrap();
        let bundle = job.path().join(START_BUNDLE_NAME);
        let bundle = bundle.to_str().unwrap();
        let arguments = ["bundle", "create", "--quiet", bundle, "--branches"];
        git(&application, &arguments).unwrap();
        job
    }

    /// Its folder.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("jobs/job-1")
    }

    /// What an attempt is asked.
    pub(crate) fn spec(&self, number: u32, target: DeliveryTarget) -> JobSpec {
        let uri = format!("file://{}", self.path().display());
        let spec = JobSpec {
            kind: JobKind::Deliver,
            start_from: Some(StartFrom {
                bundle_uri: format!("{uri}/{START_BUNDLE_NAME}"),
                commit: self.commit.clone(),
            }),
            delivery: Some(Delivery {
                target,
                project_id: PROJECT.to_owned(),
                name: "Plant diary".to_owned(),
                version: VERSION,
                check_url: None,
            }),
            attempt: Attempt {
                number,
                ..Attempt::default()
            },
            ..JobSpec::new("job-1", "Deliver version 3", DELIVER_PROVIDER, &uri).unwrap()
        };
        spec.checked().unwrap()
    }

    /// Keeps a built application, as an attempt before would have: nothing is built where no cage is.
    pub(crate) fn keep_built(&self, commit: &str) -> CheckpointId {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in [
            (
                "package.json",
                "{\"scripts\":{\"start\":\"node server.js\"}}\n",
            ),
            ("server.js", "// It serves the folder dist.\n"),
            ("dist/index.html", "<!doctype html>\n"),
            ("node_modules/left/index.js", "module.exports = 1\n"),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            archive
                .append_data(&mut header, path, content.as_bytes())
                .unwrap();
        }
        let archive = archive.into_inner().unwrap();
        let digest = Sha256::digest(&archive);
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = CheckpointId {
            attempt: 1,
            number: 1,
        };
        let folder = self.path().join(id.folder());
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("built.tar"), archive).unwrap();
        let index = json!({ "commit": commit, "sha256": sha256 });
        fs::write(folder.join("built.json"), index.to_string()).unwrap();
        id
    }

    /// Starts an attempt with these variables and no others.
    pub(crate) fn start(&self, spec: &JobSpec, environment: &[(&str, &str)]) -> Running {
        let number = spec.attempt.number;
        let file = self.path().join(spec_name(number));
        fs::write(&file, spec.to_json()).unwrap();
        let own = self.own(number);
        fs::create_dir_all(&own).unwrap();
        let mut generator = command(env!("CARGO_BIN_EXE_app-gen"), &own);
        generator
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            // What a killed process leaves goes with the test.
            .env("TMPDIR", &own)
            .env("JOB_SPEC_URI", format!("file://{}", file.display()))
            .envs(environment.iter().copied());
        Running::start(generator, &own)
    }

    /// Runs an attempt to its end.
    pub(crate) fn run(&self, spec: &JobSpec, environment: &[(&str, &str)]) -> Ended {
        // The stand-ins go on meanwhile.
        let ended = block_in_place(|| self.start(spec, environment).end());
        assert_eq!(ended.errors, "");
        let lines = ended.output.split_inclusive('\n');
        let events: Vec<Event> = lines
            .map(|line| parse_line(line.as_bytes()).unwrap())
            .collect();
        assert!(events.last().unwrap().is_ending(), "{events:?}");
        Ended {
            exit_code: ended.status.code(),
            events,
            output: ended.output,
        }
    }

    /// Where the files of an attempt go.
    fn own(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("attempt-{number}"))
    }
}

impl Ended {
    /// Where it says that the version is, with the commit that is seen there.
    pub(crate) fn delivered(&self) -> (&str, Option<&str>) {
        let told = self.events.iter().find_map(|event| match event.body() {
            Some(Body::Delivered { url, commit }) => Some((url.as_str(), commit.as_deref())),
            _ => None,
        });
        assert_eq!(self.exit_code, Some(0), "{self:?}");
        told.unwrap_or_else(|| panic!("nothing is delivered: {self:?}"))
    }

    /// Why it failed, and what to do.
    pub(crate) fn failure(&self) -> (&str, &str) {
        match self.events.last().and_then(Event::body) {
            Some(Body::Failed { reason, hint }) => (reason, hint.as_deref().unwrap_or_default()),
            _ => panic!("no failure: {self:?}"),
        }
    }

    /// Its last word.
    pub(crate) fn last(&self) -> &Body {
        self.events.last().and_then(Event::body).unwrap()
    }
}

/// Kills an attempt with all that it started once a call of it is held; `false` if it ends before that.
pub(crate) async fn kill_when_held(mut attempt: Running, held: &Notify) -> bool {
    let waiting = async {
        loop {
            tokio::select! {
                () = held.notified() => return true,
                () = sleep(Duration::from_millis(20)) => {
                    if attempt.child.try_wait().unwrap().is_some() {
                        return false;
                    }
                }
            }
        }
    };
    let is_held = timeout(PATIENCE, waiting).await;
    // Dropping it sends SIGKILL to its group.
    drop(attempt);
    is_held.unwrap_or_else(|_| panic!("an attempt neither calls nor ends"))
}

/// Does work on several jobs at a time: each mostly waits.
pub(crate) async fn side_by_side<Work>(all: impl Iterator<Item = Work>)
where
    Work: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(6));
    let mut tasks = JoinSet::new();
    for work in all {
        let places = Arc::clone(&places);
        tasks.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            work.await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// Whether a folder of a test has this text in any file, which no secret may be.
pub(crate) fn has_text(folder: &Path, text: &str) -> bool {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .any(|entry| {
            let bytes = fs::read(entry.path()).unwrap();
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
}
