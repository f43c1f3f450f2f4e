//! The smoke test does what a user does, against any base URL: it describes an application, watches
//! the job, downloads the version that it made, builds it, starts it, opens its page, and opens its preview.

mod preview;

use crate::api_key;
use crate::application;
use crate::application::Use;
use anyhow::Context as _;
use app_gen_saas_contract::Health;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use ureq::Agent;
use xtask_aws_api::calls::tasks::{ListTasks, Task, WhichTasks};
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::wait::Look;
use xtask_core::{http, interrupt, wait};
use xtask_image::packages;
use xtask_image::packages::environment::Home;
use xtask_machine::aws;

/// What a user might type. The quotes and the tag have to be escaped on the way.
const DESCRIPTION: &str = "A shopping list called \"Market day\" for two & more <people>, with `ticks` for what is bought";
/// The provider without an agent.
const TEMPLATE: &str = "template";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(60);
/// Of one try. An interrupt has to wait for its end.
const HEALTH_TRY_TIMEOUT: Duration = Duration::from_secs(3);
const HEALTH_PAUSE: Duration = Duration::from_millis(100);
/// How often a job is checked while it sends no event.
const SILENCE: Duration = Duration::from_secs(1);
const JOB_TIMEOUT: Duration = Duration::from_secs(300);
const NPM_TIMEOUT: Duration = Duration::from_secs(300);
const START_TIMEOUT: Duration = Duration::from_secs(30);
const START_PAUSE: Duration = Duration::from_millis(50);
/// The applications of our generator are far smaller.
const DOWNLOAD_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Who is to make the application.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The provider.
    pub provider: &'static str,
    /// The model of all roles; without one, that of each role.
    pub model: Option<String>,
}

impl Wanted {
    /// From a template, whatever provider the orchestrator has: it is quick, and no model is paid for.
    pub const FROM_TEMPLATE: Self = Self {
        provider: TEMPLATE,
        model: None,
    };
}

/// What the smoke test saw.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// The provider that made the application.
    pub provider: String,
    /// Id of the job.
    pub job_id: String,
    /// ARN of the task that ran for it.
    pub task: String,
    /// How many events came. None was missing.
    pub events: u64,
    /// Size of the downloaded application.
    pub artifact_bytes: u64,
}

#[derive(Debug, Deserialize)]
struct Job {
    id: String,
    provider: String,
    state: String,
    reason: Option<String>,
    task: Option<String>,
    artifact: Option<Artifact>,
    project: Option<String>,
    version: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    size_bytes: u64,
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct FileList {
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
struct File {
    path: String,
}

#[derive(Debug, Deserialize)]
struct Event {
    sequence: u64,
    #[serde(rename = "type")]
    kind: String,
    body: Value,
}

/// One run against one base URL. The application is unpacked in `folder`.
pub struct SmokeTest<'a> {
    context: &'a Context,
    base_url: String,
    folder: PathBuf,
    agent: Agent,
}

fn failed(step: &str) -> Failure {
    Failure::new(Code::Smoke, format!("smoke test failed: {step}"))
}

impl<'a> SmokeTest<'a> {
    /// A run against `base_url`, which has no trailing slash.
    #[must_use]
    pub fn new(context: &'a Context, base_url: &str, folder: &Path) -> Self {
        let config = http::config(base_url, REQUEST_TIMEOUT).timeout_connect(Some(CONNECT_TIMEOUT));
        let config = api_key::with_key(config, context, base_url).build();
        Self {
            context,
            base_url: base_url.to_owned(),
            folder: folder.to_owned(),
            agent: config.into(),
        }
    }

    /// Waits until `/health` answers and reports this image key. `still_runs` is asked between
    /// tries, because an orchestrator that has ended will not answer.
    ///
    /// # Errors
    /// The orchestrator ended, did not answer in time, or is another image.
    pub fn health(
        &self,
        image_key: &str,
        still_runs: impl Fn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let path = self.context.platform.orchestrator().health_path.get_ref();
        let url = format!("{}{path}", self.base_url);
        self.context.report.step(&format!("smoke: GET {path}"));
        let look = || -> anyhow::Result<Look<Health>> {
            let request = self.agent.get(&url).config();
            let request = request.timeout_global(Some(HEALTH_TRY_TIMEOUT)).build();
            let why = match request.call() {
                Ok(mut response) if response.status().is_success() => {
                    let health: Health = response
                        .body_mut()
                        .read_json()
                        .context("failed to read the answer of /health")?;
                    if health.is_ready() {
                        return Ok(Look::Done(health));
                    }
                    format!("answered that its database is {}", health.database)
                }
                Ok(response) => format!("answered {}", response.status()),
                Err(error) => error.to_string(),
            };
            if !still_runs()? {
                return Err(failed("the orchestrator ended before it answered").into());
            }
            Ok(Look::NotYet(why))
        };
        let health = wait::until(HEALTH_TIMEOUT, HEALTH_PAUSE, look, |late| {
            failed(&format!("{url} did not answer 200 {late}"))
        })?;
        if health.image_key.as_deref() != Some(image_key) {
            return Err(failed(&format!(
                "{url} is version {} of another image: its key is {}, not {image_key}",
                health.version,
                health.image_key.as_deref().unwrap_or("unknown")
            ))
            .into());
        }
        Ok(())
    }

    /// Has an application generated, and uses it. `still_possible` is asked while the job sends no
    /// event, so that nobody waits for a job that can no longer end.
    ///
    /// # Errors
    /// The first step that does not do what a user expects.
    pub fn generate(
        &self,
        wanted: &Wanted,
        still_possible: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<Seen> {
        let report = &self.context.report;
        report.step(&format!(
            "smoke: submit a description for {}",
            wanted.provider
        ));
        let job: Job = self
            .agent
            .post(&format!("{}/api/jobs", self.base_url))
            .send_json(serde_json::json!({
                "description": DESCRIPTION,
                "provider": wanted.provider,
                "model": wanted.model,
            }))
            .map_err(anyhow::Error::from)
            .and_then(expect_success)
            .failure(|| failed("the description was not accepted"))?;
        report.step(&format!("smoke: watch job {}", job.id));
        let events = self.watch(&job.id, still_possible)?;
        let job: Job = self
            .get(&format!("/api/jobs/{}", job.id))
            .failure(|| failed("the job cannot be read"))?;
        if job.state != "succeeded" {
            return Err(failed(&format!(
                "job {} is {}: {}",
                job.id,
                job.state,
                job.reason.as_deref().unwrap_or("no reason given")
            ))
            .into());
        }
        let artifact = job
            .artifact
            .ok_or_else(|| failed("the job succeeded without an artifact"))?;
        let (Some(project), Some(version)) = (&job.project, job.version) else {
            return Err(failed("the job succeeded and made no version of a project").into());
        };
        let path = format!("/api/projects/{project}/versions/{version}");
        let application = self.download(&format!("{path}/download"), &artifact)?;
        let files: FileList = self
            .get(&format!("{path}/files"))
            .failure(|| failed("the files of the version cannot be listed"))?;
        anyhow::ensure!(
            files.files.iter().any(|file| file.path == "package.json"),
            failed("the version has no package.json")
        );
        match Use::of(self.context) {
            Use::Start => {
                report.step("smoke: install, build, start");
                self.try_application(&application, &job.provider)?;
            }
            Use::Inspect => application::inspect(&application)
                .failure(|| failed("the application is not complete"))?,
        }
        self.try_preview(&path)?;
        Ok(Seen {
            provider: job.provider,
            job_id: job.id,
            task: job
                .task
                .ok_or_else(|| failed("the job names no task that ran"))?,
            events,
            artifact_bytes: artifact.size_bytes,
        })
    }

    /// Follows the events of a job to the end, and returns how many there were.
    fn watch(
        &self,
        job_id: &str,
        still_possible: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        let url = format!("{}/api/jobs/{job_id}/events", self.base_url);
        let response = self
            .agent
            .get(&url)
            .header("accept", "text/event-stream")
            .config()
            .timeout_global(Some(JOB_TIMEOUT))
            .build()
            .call()
            .failure(|| failed("the event stream does not answer"))?;
        anyhow::ensure!(
            response.status().is_success(),
            failed(&format!("{url} answered {}", response.status()))
        );
        // Another thread reads, so that an interrupt does not wait for the next event.
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(response.into_body().into_reader()).lines() {
                let end = line.is_err();
                if sender.send(line).is_err() || end {
                    break;
                }
            }
        });
        let mut seen = 0;
        let mut asked = Instant::now();
        loop {
            interrupt::check()?;
            if asked.elapsed() >= SILENCE {
                still_possible()?;
                asked = Instant::now();
            }
            let line = match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => line.failure(|| failed("the event stream broke"))?,
                Err(mpsc::RecvTimeoutError::Timeout) => continue,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            let Some(data) = line.strip_prefix("data:") else {
                continue;
            };
            let event: Event = serde_json::from_str(data.trim())
                .failure(|| failed(&format!("an event is not JSON: {data}")))?;
            if event.sequence != seen + 1 {
                return Err(
                    failed(&format!("event {} came after event {seen}", event.sequence)).into(),
                );
            }
            seen = event.sequence;
            self.context
                .report
                .line("event", &format!("{seen} {} {}", event.kind, event.body));
        }
        Ok(seen)
    }

    /// Downloads what must be the job's artifact, and unpacks it.
    fn download(&self, path: &str, artifact: &Artifact) -> anyhow::Result<PathBuf> {
        self.context
            .report
            .step(&format!("smoke: download {} bytes", artifact.size_bytes));
        let url = format!("{}{path}", self.base_url);
        let mut response = self
            .agent
            .get(&url)
            .call()
            .failure(|| failed("the download does not answer"))?;
        anyhow::ensure!(
            response.status().is_success(),
            failed(&format!("{url} answered {}", response.status()))
        );
        let bytes = response
            .body_mut()
            .with_config()
            .limit(DOWNLOAD_LIMIT_BYTES)
            .read_to_vec()
            .failure(|| failed("the download broke"))?;
        let digest = digest_bytes(&bytes);
        anyhow::ensure!(
            bytes.len() as u64 == artifact.size_bytes && digest == artifact.sha256,
            failed("the download is not what the job says it is")
        );
        let folder = self.folder.join("application");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        zip::ZipArchive::new(std::io::Cursor::new(bytes))
            .and_then(|mut archive| archive.extract(&folder))
            .failure(|| failed("the download is not a zip file"))?;
        application_folder(&folder)
    }

    fn try_application(&self, folder: &Path, provider: &str) -> anyhow::Result<()> {
        let report = &self.context.report;
        let home = Home::make(&self.folder.join("home"))?;
        packages::host_npm_with_registries(&home)?
            .args(["ci", "--no-audit", "--no-fund"])
            .folder(folder)
            .timeout(NPM_TIMEOUT)
            .run(report, "npm ci")
            .failure(|| failed("the application does not install"))?;
        // What the application runs needs no registry, and sees no token for one.
        let home = Home::make(home.path())?;
        let npm = |arguments: &[&str]| {
            let npm = packages::host_npm(&home)?.args(arguments);
            anyhow::Ok(npm.folder(folder).timeout(NPM_TIMEOUT))
        };
        npm(&["run", "build"])?
            .run(report, "build")
            .failure(|| failed("the application does not build"))?;
        // The port is free now. If another program takes it first, the application fails to start.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut running = npm(&["start"])?
            .env("PORT", port.to_string())
            .spawn(report, "app")?;
        let url = format!("http://127.0.0.1:{port}");
        // Not the agent for the platform, which may use a proxy.
        let agent = http::agent(&url, REQUEST_TIMEOUT);
        let look = || -> anyhow::Result<bool> {
            if let Some(status) = running.try_wait()? {
                return Err(failed(&format!("the application ended with {status}")).into());
            }
            let answer = agent.get(format!("{url}/api/health")).call();
            Ok(answer.is_ok_and(|answer| answer.status().is_success()))
        };
        wait::until(START_TIMEOUT, START_PAUSE, look, |late| {
            failed(&format!("the application did not answer {late}"))
        })?;
        let page = text(&agent, &url)?;
        if !page.to_ascii_lowercase().contains("<!doctype html>") {
            return Err(failed("the application's page is not HTML").into());
        }
        // What an agent's application answers is for the agent to choose; its generator has proven that.
        if provider == TEMPLATE {
            let info = text(&agent, &format!("{url}/api/info"))?;
            let info: Value =
                serde_json::from_str(&info).failure(|| failed("/api/info is not JSON"))?;
            if info["description"] != DESCRIPTION {
                return Err(failed(&format!(
                    "/api/info does not contain the description: {info}"
                ))
                .into());
            }
        }
        running.stop();
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.agent
            .get(&format!("{}{path}", self.base_url))
            .call()
            .map_err(anyhow::Error::from)
            .and_then(expect_success)
    }
}

/// The text at a URL.
fn text(agent: &Agent, url: &str) -> anyhow::Result<String> {
    let mut response = agent
        .get(url)
        .call()
        .failure(|| failed(&format!("{url} does not answer")))?;
    anyhow::ensure!(
        response.status().is_success(),
        failed(&format!("{url} answered {}", response.status()))
    );
    Ok(response.body_mut().read_to_string()?)
}

/// Checks that the job really ran as a task of the cloud, from exactly this image.
///
/// # Errors
/// The cluster does not know such a task, or the cloud does not answer.
pub fn ran_as_task(
    context: &Context,
    seen: &Seen,
    cluster: &str,
    image: &str,
) -> anyhow::Result<()> {
    let request = ListTasks {
        which: WhichTasks::InCluster(cluster.to_owned()),
        log_lines: None,
    };
    let tasks = aws::call(context, request).read()?.tasks;
    let ran = tasks.iter().any(|Task { state, .. }| {
        state.arn == seen.task
            && state.exit_code == Some(0)
            && state.image.as_deref() == Some(image)
    });
    if ran {
        return Ok(());
    }
    Err(failed(&format!(
        "the cloud does not know a task {} that ran {image} and ended with exit code 0",
        seen.task
    ))
    .hint("cargo xtask cloud status")
    .into())
}

fn expect_success<T: DeserializeOwned>(
    mut response: ureq::http::Response<ureq::Body>,
) -> anyhow::Result<T> {
    let status = response.status();
    let text = response.body_mut().read_to_string()?;
    anyhow::ensure!(status.is_success(), "answered {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

/// The folder with `package.json`: the root of the archive or a folder in it.
fn application_folder(root: &Path) -> anyhow::Result<PathBuf> {
    if root.join("package.json").is_file() {
        return Ok(root.to_owned());
    }
    for item in std::fs::read_dir(root)? {
        let path = item?.path();
        if path.join("package.json").is_file() {
            return Ok(path);
        }
    }
    Err(failed("the download has no package.json").into())
}
