//! Generators that do anything but what the contract says, and a launcher that starts them in this process:
//! thousands of them take seconds.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use app_gen_saas::launcher::{
    Ending, Launch, LaunchError, Launcher, LogPage, LogTraits, RunningTask, Task, TaskStatus,
    Trace, Urgency,
};
use futures::future::BoxFuture;

use crate::support::random::Random;

/// How long anything may fail before it works.
const LONGEST_FAULT: Duration = Duration::from_millis(400);

static DEEP: LazyLock<String> = LazyLock::new(|| format!("{}{}", "[".repeat(150), "]".repeat(150)));
static WIDE: LazyLock<String> = LazyLock::new(|| format!("[{}0]", "{\"\":{}},".repeat(1500)));

/// A line of a generator that follows the contract but for one line in `mildness`.
pub fn hostile_line(
    random: &mut Random,
    mildness: usize,
    job_id: &str,
    sequence: &mut i64,
    folder: &str,
) -> Vec<u8> {
    let is_wild = random.one_in(mildness);
    let fault = if is_wild { random.below(9) } else { 9 };
    let number = match (fault, random.below(3)) {
        (0, 0) => *sequence + 2,
        (0, 1) => -1,
        (0, _) => i64::MAX,
        (1 | 2, _) => i64::try_from(random.below(50)).unwrap(),
        _ => {
            *sequence += 1;
            *sequence
        }
    };
    let job_id = if fault == 3 { "other" } else { job_id };
    let (kind, fitting) = *random.pick(&[
        (
            "log",
            "{\"level\":\"info\",\"message\":\"\\u0000\\u001b[31m\\r\"}",
        ),
        (
            "stage",
            "{\"name\":\"build\",\"state\":\"running\",\"extra\":1e300}",
        ),
        ("heartbeat", "{}"),
        (
            "usage",
            "{\"role\":\"r\",\"stage\":\"s\",\"provider\":\"p\",\"model\":\"m\",\"tokens\":{\"input\":99999999999,\"cache_read\":0,\"cache_write\":0,\"cache_write_long\":0,\"output\":0,\"thinking\":0},\"micro_usd\":null}",
        ),
        ("plan", "[1e15,1e15,1e15]"),
        ("plan", WIDE.as_str()),
        ("from_the_future", "\"text\""),
    ]);
    let kind = match (fault, random.below(5)) {
        (4, 0) => "state",
        (4, 1) => "Bad Type\\n",
        (4, 2) => "artifact",
        _ => kind,
    };
    let last = [
        ("succeeded", "{\"summary\":\"done\"}"),
        ("failed", "{\"reason\":\"because\"}"),
        ("interrupted", "{\"reason\":\"because\"}"),
        (
            "waiting_limit",
            "{\"provider\":\"p\",\"until\":null,\"detail\":\"d\"}",
        ),
    ];
    let (kind, fitting) = if random.one_in(100) {
        *random.pick(&last)
    } else {
        (kind, fitting)
    };
    let body = if fault == 5 {
        let outside = "{\"name\":\"app.zip\",\"uri\":\"file:///etc/passwd\",\"size_bytes\":-1,\"sha256\":\"\"}";
        *random.pick(&["1e999", "\"\\ud800\"", "null", DEEP.as_str(), outside])
    } else {
        fitting
    };
    let content = match random.below(15) {
        0 => format!("\"body_uri\":\"{folder}/events/{number:06}.json\""),
        1 => "\"body_uri\":\"file:///etc/hostname\"".to_owned(),
        _ => format!("\"body\":{body}"),
    };
    let mut line = format!(
        "{{\"version\":2,\"job_id\":\"{job_id}\",\"sequence\":{number},\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"{kind}\",{content}}}"
    )
    .into_bytes();
    match (fault, random.below(4)) {
        (6, 0) => line.clear(),
        (6, 1) => line.truncate(random.below(line.len())),
        (6, 2) => line = vec![b'x'; 20_000],
        (6, _) => {
            let place = random.below(line.len());
            line[place] = random.next().to_le_bytes()[0];
        }
        _ => {}
    }
    line
}

/// What becomes of a generator's process.
#[derive(Debug, Clone, Copy)]
enum Life {
    /// It ends when it has written everything.
    Ends(i32),
    /// It has to be stopped, so often.
    Stays(u32),
    /// It writes events for ever.
    Floods,
    /// It writes its first event for ever.
    Repeats,
}

#[derive(Debug)]
struct Generator {
    job_id: String,
    spec_uri: String,
    random: Random,
    mildness: usize,
    lines: usize,
    life: Life,
    started: Instant,
    /// Until then it cannot be seen in lists.
    visible_at: Instant,
    stop_errors: u32,
    stops: u32,
}

impl Generator {
    fn is_running(&self) -> bool {
        match self.life {
            Life::Ends(_) => self.stops == 0 && self.started.elapsed() < LONGEST_FAULT / 4,
            Life::Stays(wanted) => self.stops < wanted,
            Life::Floods | Life::Repeats => self.stops < 1,
        }
    }

    /// The same lines at every reading.
    fn lines(&self, start: usize, end: usize) -> Vec<Vec<u8>> {
        let heartbeat = |number: usize| {
            format!(
                "{{\"version\":2,\"job_id\":\"{}\",\"sequence\":{number},\"time\":\"2026-01-01T00:00:00Z\",\"type\":\"heartbeat\",\"body\":{{}}}}",
                self.job_id
            )
            .into_bytes()
        };
        match self.life {
            Life::Floods => (start..end).map(|line| heartbeat(line + 1)).collect(),
            Life::Repeats => (start..end).map(|_| heartbeat(1)).collect(),
            Life::Ends(_) | Life::Stays(_) => {
                let mut random = self.random.clone();
                let (folder, _) = self.spec_uri.rsplit_once('/').unwrap();
                let mut sequence = 0;
                (0..end.min(self.lines))
                    .map(|_| {
                        let job_id = &self.job_id;
                        hostile_line(&mut random, self.mildness, job_id, &mut sequence, folder)
                    })
                    .skip(start)
                    .collect()
            }
        }
    }
}

/// Starts hostile generators, and is itself as unreliable as a cloud can be.
#[derive(Debug)]
pub struct HostileLauncher {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By task.
    generators: HashMap<String, Generator>,
    attempts: HashMap<String, u32>,
    faults: u64,
}

impl HostileLauncher {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Random numbers of one job, the same in every run.
    fn random(&self, job_id: &str, what: u64) -> Random {
        let of_job = job_id.bytes().fold(what, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Random(self.seed ^ of_job)
    }

    /// Tasks that run, and tasks that were ever started.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state();
        let running = state.generators.values().filter(|one| one.is_running());
        (running.count(), state.generators.len())
    }

    fn start(&self, state: &mut State, launch: &Launch, late: Duration) -> Task {
        let mut random = self.random(&launch.spec_uri, launch.number.unsigned_abs());
        let life = match random.below(12) {
            0..4 => Life::Ends(*random.pick(&[0, 0, 1, 3, 137])),
            4..10 => Life::Stays(1 + u32::try_from(random.below(3)).unwrap()),
            10 => Life::Floods,
            _ => Life::Repeats,
        };
        let generator = Generator {
            job_id: launch.job_id.clone(),
            spec_uri: launch.spec_uri.clone(),
            mildness: *random.pick(&[2, 20, 200, 10_000]),
            lines: random.below(60),
            stop_errors: u32::try_from(random.below(4)).unwrap(),
            random,
            life,
            started: Instant::now(),
            visible_at: Instant::now() + late,
            stops: 0,
        };
        let name = format!("task-{}", state.generators.len());
        state.generators.insert(name.clone(), generator);
        Task {
            handle: name.clone(),
            name,
        }
    }

    fn launch_now(&self, launch: &Launch) -> Result<Task, LaunchError> {
        let mut state = self.state();
        let attempts = state.attempts.entry(launch.job_id.clone()).or_default();
        *attempts += 1;
        let mut random = self.random(&launch.job_id, u64::from(*attempts));
        let late = LONGEST_FAULT.mul_f64(random.below(100) as f64 / 100.0);
        // Each of these holds the queue for a second or more.
        match random.below(150) {
            0 => Err(LaunchError::NotStarted("no room".to_owned())),
            1 => Err(LaunchError::Refused("never".to_owned())),
            // The answer is lost, with or without a task that appears later.
            2 => Err(LaunchError::Unknown(anyhow::anyhow!("broken off"))),
            3 => {
                let known = state
                    .generators
                    .values()
                    .any(|one| one.spec_uri == launch.spec_uri);
                if !known {
                    self.start(&mut state, launch, late);
                }
                Err(LaunchError::Unknown(anyhow::anyhow!("the answer was lost")))
            }
            _ => Ok(self.start(&mut state, launch, Duration::ZERO)),
        }
    }

    fn turn(&self) -> bool {
        let mut state = self.state();
        state.faults += 1;
        !Random(self.seed ^ state.faults).one_in(8)
    }

    fn page(&self, handle: &str, position: Option<&str>) -> anyhow::Result<LogPage> {
        let mut state = self.state();
        state.faults += 1;
        let mut dice = Random(self.seed ^ state.faults);
        if dice.one_in(10) {
            bail!("the log does not answer");
        }
        let generator = &state.generators[handle];
        let start: usize = position.unwrap_or("0").parse()?;
        let lines = generator.lines(start, start + dice.below(400));
        let end = start + lines.len();
        Ok(LogPage {
            more: !lines.is_empty(),
            lines,
            position: Some(end.to_string()),
            unfinished: Vec::new(),
            unread_bytes: 0,
        })
    }

    fn status_now(&self, handle: &str) -> anyhow::Result<TaskStatus> {
        let mut state = self.state();
        state.faults += 1;
        let mut dice = Random(self.seed ^ state.faults);
        if dice.one_in(10) {
            bail!("the cloud does not answer");
        }
        let generator = &state.generators[handle];
        if generator.is_running() {
            return Ok(TaskStatus::Running);
        }
        let exit_code = match generator.life {
            Life::Ends(code) => Some(code),
            Life::Stays(_) | Life::Floods | Life::Repeats => None,
        };
        Ok(TaskStatus::Stopped(Ending {
            exit_code,
            detail: Some("stopped\r\n\u{1b}[31m".repeat(100)),
            no_room: exit_code.is_none() && dice.one_in(4),
        }))
    }

    fn stop_now(&self, handle: &str) -> anyhow::Result<()> {
        let mut state = self.state();
        let Some(generator) = state.generators.get_mut(handle) else {
            bail!("no such task");
        };
        if generator.stop_errors > 0 {
            generator.stop_errors -= 1;
            bail!("the stop was not taken");
        }
        generator.stops += 1;
        Ok(())
    }
}

impl Launcher for HostileLauncher {
    fn log_traits(&self) -> LogTraits {
        LogTraits {
            poll: Duration::from_millis(5),
            busy_poll: Duration::from_millis(5),
            status_poll: Duration::from_millis(5),
            drain: Duration::from_millis(20),
            gap: Duration::from_millis(40),
            missing: Duration::from_millis(50),
        }
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Task, LaunchError>> {
        Box::pin(async { self.launch_now(launch) })
    }

    fn find<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, anyhow::Result<Trace>> {
        Box::pin(async {
            let state = self.state();
            let mut seen = state.generators.iter().filter(|(_, one)| {
                one.spec_uri == launch.spec_uri && one.visible_at <= Instant::now()
            });
            Ok(seen.next().map_or(Trace::Unclear, |(name, _)| {
                Trace::Task(Task {
                    name: name.clone(),
                    handle: name.clone(),
                })
            }))
        })
    }

    fn status<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, anyhow::Result<TaskStatus>> {
        Box::pin(async { self.status_now(handle) })
    }

    fn read_log<'a>(
        &'a self,
        handle: &'a str,
        position: Option<&'a str>,
        _urgency: Urgency,
    ) -> BoxFuture<'a, anyhow::Result<Option<LogPage>>> {
        // Sometimes it is not its turn.
        Box::pin(async move {
            match self.turn() {
                true => self.page(handle, position).map(Some),
                false => Ok(None),
            }
        })
    }

    fn stop<'a>(
        &'a self,
        handle: &'a str,
        _reason: &'a str,
        _force: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { self.stop_now(handle) })
    }

    fn running(&self) -> BoxFuture<'_, anyhow::Result<Vec<RunningTask>>> {
        Box::pin(async {
            let state = self.state();
            let seen = state
                .generators
                .iter()
                .filter(|(_, one)| one.is_running() && one.visible_at <= Instant::now());
            Ok(seen
                .map(|(name, one)| RunningTask {
                    job_id: one.job_id.clone(),
                    task: Task {
                        name: name.clone(),
                        handle: name.clone(),
                    },
                })
                .collect())
        })
    }

    fn forget<'a>(&'a self, _handle: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }
}
