//! One run of an agent, from its start to its verdict.

use crate::lines::{Line, Lines};
use crate::provider::{Provider, Reader, Session, Task};
use crate::supervise::{Order, Report};
use crate::supervisor::{DRAIN, Reports, Supervisor, give, kill_all_marked, rest_of, start};
use crate::verdict::{End, Exit, Stop, Verdict, Wait};
use crate::watch::Watch;
use app_gen_contract::{Activity, AgentUsage};
use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

/// Activities that may wait for their reader before the agent has to.
const MAX_WAITING: usize = 256;
/// What is kept of standard error.
const ERROR_BYTES: usize = 4_000;
/// How long the process between may take for its part beyond killing, which reads a whole workspace; and
/// how long the caller may take for what is left to tell.
const REPORT: Duration = Duration::from_secs(60);
/// Names a run in the environment of all its processes, for the case that what holds them is killed.
const MARK: &str = "APP_GEN_RUN";

/// What a run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From its start to its end.
    pub time: Duration,
    /// Without a line. An agent says nothing while a command runs, which may take 10 minutes.
    pub silence: Duration,
    /// How long it may wait for a limit of the model. Codex waits as long as it is told to, for hours.
    pub limit: Duration,
    /// How often in a row it may use the same tool in the same way with the same result.
    pub repeats: u32,
    /// How many tools it may use.
    pub tools: u32,
    /// How long its program may live on after its last word.
    pub after_last_word: Duration,
    /// How long it may take to end after a signal.
    pub after_signal: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(3_600),
            silence: Duration::from_secs(720),
            limit: Duration::from_secs(120),
            repeats: 3,
            tools: 1_000,
            after_last_word: Duration::from_secs(15),
            after_signal: Duration::from_secs(8),
        }
    }
}

/// The agent did not start: a defect of the image or of the machine, and not of the agent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process between could not be started, or said nothing.
    #[error("the supervisor of agents does not start")]
    Supervisor(#[source] io::Error),
    /// It could not prepare the folders, or start the agent's program.
    #[error("the agent does not start: {0}")]
    Agent(String),
}

/// What a run came to. When it is there, no process of the run is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What became of it. [`Verdict::informed`] adds what the gateway knows.
    pub verdict: Verdict,
    /// By which it goes on.
    pub session: Option<Session>,
    /// The whole text with which it ended.
    pub last_words: Option<String>,
    /// What it took, as far as the agent said it: one that was killed says nothing.
    pub usage: Option<AgentUsage>,
    /// How its program ended; nothing if that is unknown.
    pub exit: Option<Exit>,
    /// Whether files of the workspace differ from those with which the task began.
    pub has_changed: Option<bool>,
    /// How many processes it left behind that had to be killed.
    pub killed: usize,
    /// Whether some of them resisted, which only a broken machine does.
    pub has_survivors: bool,
    /// The last of its standard error.
    pub errors: String,
}

/// Runs an agent until it has ended, and everything that it started.
///
/// `stop` ends it early. Dropping this future ends it too, only less politely: everything is killed.
///
/// # Errors
///
/// If the agent could not be started. Whatever happens after that is a [`Verdict`].
pub async fn run(
    provider: &dyn Provider,
    supervisor: &Supervisor,
    task: &Task,
    limits: &Limits,
    stop: impl Future<Output = ()>,
    activities: &mpsc::Sender<Activity>,
) -> Result<Outcome, StartError> {
    let new_session = Uuid::now_v7().to_string();
    let mark = format!("{MARK}={new_session}");
    let mut launch = provider.launch(task, &new_session);
    launch
        .environment
        .insert(MARK.to_owned(), new_session.clone());
    let (process, mut reports, mut orders) = start(supervisor).map_err(StartError::Supervisor)?;
    give(&mut orders, &Order::Launch(Box::new(launch))).await;
    let run = Run {
        provider,
        task,
        limits,
        reader: provider.reader(task, &new_session),
        mark,
        orders,
        watch: Watch::default(),
        waiting: VecDeque::new(),
        stopped_by: None,
        phase: Phase::Starting,
        has_started: false,
        silent_since: Instant::now(),
        limited: None,
        began: Instant::now(),
        errors: Vec::new(),
        before: task.began_with.clone(),
    };
    run.attend(process, &mut reports, stop, activities).await
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Working,
    /// It has said its last word, and has until then to end by itself.
    Over(Instant),
    /// It was sent its signal, and has until then.
    Signalled(Instant),
    /// Everything is being killed. If even this takes too long, something is wrong with the machine.
    Killed(Instant),
}

struct Run<'run> {
    provider: &'run dyn Provider,
    task: &'run Task,
    limits: &'run Limits,
    reader: Box<dyn Reader>,
    mark: String,
    orders: OwnedWriteHalf,
    watch: Watch,
    /// What the caller has not taken yet.
    waiting: VecDeque<Activity>,
    stopped_by: Option<Stop>,
    phase: Phase,
    /// Its start is reported. Until then its lines are not read: it may be faster than the report.
    has_started: bool,
    silent_since: Instant,
    /// The limit that it waits for since its newest line, and what follows if that takes too long.
    limited: Option<Verdict>,
    began: Instant,
    errors: Vec<u8>,
    /// The workspace as it was when the task began.
    before: Option<String>,
}

impl Run<'_> {
    async fn attend(
        mut self,
        mut process: Child,
        reports: &mut Reports,
        stop: impl Future<Output = ()>,
        activities: &mpsc::Sender<Activity>,
    ) -> Result<Outcome, StartError> {
        let (Some(mut output), Some(mut errors)) = (process.stdout.take(), process.stderr.take())
        else {
            return Err(StartError::Supervisor(io::Error::other("it has no output")));
        };
        let mut lines = Lines::default();
        let mut bytes = vec![0; 64 * 1024];
        let mut more = vec![0; 4 * 1024];
        let (mut is_open, mut has_errors) = (true, true);
        let mut may_stop = true;
        let mut stop = pin!(stop);
        let end = loop {
            tokio::select! {
                // In this order: what the process between says and what is due come before what the agent
                // says, of which there may be any amount.
                biased;
                report = reports.next_line() => {
                    let report = report.ok().flatten();
                    let report = report.and_then(|line| serde_json::from_str(&line).ok());
                    match report {
                        Some(Report::Started { version, workspace }) => {
                            self.started(version, workspace.as_str());
                        }
                        end => break end,
                    }
                }
                () = &mut stop, if may_stop => {
                    may_stop = false;
                    self.stop(Stop::Asked).await;
                }
                () = sleep_until(self.deadline()) => {
                    if !self.is_late().await {
                        break None;
                    }
                }
                room = activities.reserve(), if !self.waiting.is_empty() => match room {
                    Ok(room) => {
                        if let Some(activity) = self.waiting.pop_front() {
                            room.send(activity);
                        }
                    }
                    // Nobody listens; the work goes on.
                    Err(_) => self.waiting.clear(),
                },
                length = errors.read(&mut more), if has_errors => {
                    let length = length.unwrap_or_default();
                    has_errors = length > 0;
                    self.keep_errors(&more[..length]);
                }
                length = output.read(&mut bytes), if is_open && self.has_started && self.waiting.len() < MAX_WAITING => {
                    let length = length.unwrap_or_default();
                    is_open = length > 0;
                    for line in lines.push(&bytes[..length]) {
                        self.read(&line);
                    }
                    self.judge_behaviour().await;
                }
            }
        };
        let end = match end {
            Some(Report::Failed(message)) if self.stopped_by.is_none() => {
                return Err(StartError::Agent(message));
            }
            end => end,
        };
        // Whatever could write has ended, so what is there is all.
        let rest = rest_of(&mut output).await;
        for line in lines.push(&rest).iter().chain(&lines.end()) {
            self.read(line);
        }
        let rest = rest_of(&mut errors).await;
        self.keep_errors(&rest);
        let ended = self.ended(end, &mut process).await;
        while let Some(activity) = self.waiting.pop_front() {
            // One who listens no more, or has stopped reading, does not hold up the verdict.
            if !matches!(timeout(REPORT, activities.send(activity)).await, Ok(Ok(()))) {
                break;
            }
        }
        match self.phase {
            // It says why on its standard error, or was killed.
            Phase::Starting if ended.exit.is_none() && self.stopped_by.is_none() => {
                let message = self.error_text();
                Err(StartError::Supervisor(io::Error::other(message)))
            }
            _ => Ok(ended),
        }
    }

    fn started(&mut self, version: Option<String>, workspace: &str) {
        if let Some(version) = version {
            self.reader.version(&version);
        }
        self.before.get_or_insert_with(|| workspace.to_owned());
        self.has_started = true;
        if self.phase == Phase::Starting {
            self.phase = Phase::Working;
        }
        self.silent_since = Instant::now();
        self.waiting.push_back(Activity::Started {
            provider: self.provider.name().to_owned(),
            workspace: workspace.to_owned(),
        });
    }

    fn read(&mut self, line: &Line) {
        for activity in self.reader.read(line) {
            self.watch.see(&activity);
            self.limited = match &activity {
                // What it says while it is being ended is of no matter.
                _ if self.stopped_by.is_some() => self.limited.take(),
                Activity::Waiting {
                    status: Some(429),
                    reason,
                    ..
                } => Some(Verdict::wait(Wait::Limit, reason.as_str())),
                _ => None,
            };
            self.waiting.push_back(activity);
        }
    }

    /// What follows from what the agent did just now.
    async fn judge_behaviour(&mut self) {
        self.silent_since = Instant::now();
        match (self.phase, self.reader.is_over()) {
            (Phase::Starting | Phase::Working, true) => {
                self.phase = Phase::Over(Instant::now() + self.limits.after_last_word);
            }
            // It was called again by something in its background.
            (Phase::Over(_), false) => self.phase = Phase::Working,
            (Phase::Working, false) if self.watch.repeats() >= self.limits.repeats => {
                self.stop(Stop::Loop).await;
            }
            (Phase::Working, false) if self.watch.uses() > self.limits.tools => {
                self.stop(Stop::Tools).await;
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Starting | Phase::Working => {
                let silence = match self.limited {
                    Some(_) => self.limits.limit.min(self.limits.silence),
                    None => self.limits.silence,
                };
                (self.silent_since + silence).min(self.began + self.limits.time)
            }
            Phase::Over(until) | Phase::Signalled(until) | Phase::Killed(until) => until,
        }
    }

    /// Does what is due. Says whether there is still something to wait for.
    async fn is_late(&mut self) -> bool {
        match self.phase {
            Phase::Starting | Phase::Working => {
                let is_time_over = Instant::now() >= self.began + self.limits.time;
                let by = match is_time_over {
                    true => Stop::Time,
                    false => Stop::Silence,
                };
                self.stop(by).await;
            }
            Phase::Over(_) => self.signal().await,
            Phase::Signalled(_) => self.kill().await,
            Phase::Killed(_) => return false,
        }
        true
    }

    async fn stop(&mut self, by: Stop) {
        match self.phase {
            Phase::Starting => {
                self.stopped_by = Some(by);
                self.kill().await;
            }
            Phase::Working => {
                self.stopped_by = Some(by);
                self.signal().await;
            }
            // It has said how it ended, and that stands.
            Phase::Over(_) => self.signal().await,
            Phase::Signalled(_) | Phase::Killed(_) => {}
        }
    }

    async fn signal(&mut self) {
        let number = self.provider.stop_signal().as_raw();
        give(&mut self.orders, &Order::Signal(number)).await;
        self.phase = Phase::Signalled(Instant::now() + self.limits.after_signal);
    }

    async fn kill(&mut self) {
        give(&mut self.orders, &Order::Kill).await;
        self.phase = Phase::Killed(Instant::now() + REPORT);
    }

    fn keep_errors(&mut self, bytes: &[u8]) {
        self.errors.extend_from_slice(bytes);
        let surplus = self.errors.len().saturating_sub(ERROR_BYTES);
        self.errors.drain(..surplus);
    }

    fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.errors).trim().to_owned()
    }

    async fn ended(&self, report: Option<Report>, process: &mut Child) -> Outcome {
        let (exit, killed, has_survivors, workspace) = match report {
            Some(Report::Ended {
                exit,
                killed,
                has_survivors,
                workspace,
            }) => (Some(exit), killed, has_survivors, workspace),
            // The process between was killed, or does not come to an end. What it held is found by its
            // mark: that finds all but what hides, and agents that hide run as another user, who cannot
            // kill it.
            _ => {
                // Gone already is fine too.
                let _ = process.start_kill();
                let (killed, has_survivors) = kill_all_marked(&self.mark).await;
                (None, killed, has_survivors, None)
            }
        };
        // It has closed its socket, or was killed.
        let _ = timeout(DRAIN, process.wait()).await;
        let has_changed = match (&self.before, &workspace) {
            (Some(before), Some(after)) => Some(before != after.as_str()),
            _ => None,
        };
        let end = End {
            exit,
            stop: self.stopped_by,
            has_changed,
            must_change: self.task.must_change,
            is_resumed: self.task.session.is_some(),
            errors: self.error_text(),
        };
        let verdict = match (self.reader.verdict(&end), &self.limited) {
            (Verdict::Stopped { by: Stop::Silence }, Some(limit)) => limit.clone(),
            (verdict, _) => verdict,
        };
        Outcome {
            verdict,
            session: self.reader.session().or_else(|| self.task.session.clone()),
            last_words: self.reader.last_words().map(str::to_owned),
            usage: self.reader.usage(),
            exit,
            has_changed,
            killed,
            has_survivors,
            errors: end.errors,
        }
    }
}
