//! Starts the generator and reads its events.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use app_gen_contract::{Body, Event, JobSpec, parse_line, spec_name};

/// No run of these tests may take longer.
const RUN_TIMEOUT: Duration = Duration::from_secs(60);

/// A generator process with these variables only.
pub(crate) fn generator(environment: &[(&str, &str)]) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_app-gen"));
    command.env_clear().envs(environment.iter().copied());
    command
}

/// A process with piped output and nothing to read.
#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for these tests; every wait here is bounded"
)]
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit_code: Option<i32>,
    pub(crate) events: Vec<Event>,
}

impl Run {
    /// The event types in order.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.events.iter().map(Event::kind).collect()
    }

    /// Reason and hint of the last event.
    pub(crate) fn failure(&self) -> (&str, Option<&str>) {
        match self.events.last().and_then(Event::body) {
            Some(Body::Failed { reason, hint }) => (reason, hint.as_deref()),
            _ => panic!("no failure: {self:?}"),
        }
    }
}

/// Runs it to its end and checks what holds for every run: only event lines on standard output,
/// numbered without gaps, exactly one ending, the last event; nothing on standard error.
pub(crate) fn run(environment: &[(&str, &str)]) -> Run {
    finish(generator(environment).spawn().unwrap())
}

/// The same for a process that has been started.
pub(crate) fn finish(mut child: Child) -> Run {
    let exit_code = wait(&mut child);
    let (mut output, mut errors) = (Vec::new(), String::new());
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(errors, "");
    let events: Vec<Event> = output
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| parse_line(line).unwrap())
        .collect();
    assert_eq!(output.last(), Some(&b'\n'), "{events:?}");
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    let numbers: Vec<u64> = (sequences[0]..).take(events.len()).collect();
    assert_eq!(sequences, numbers);
    let endings: Vec<bool> = events.iter().map(Event::is_ending).collect();
    assert_eq!(
        endings.iter().filter(|ending| **ending).count(),
        1,
        "{events:?}"
    );
    assert_eq!(endings.last(), Some(&true), "{events:?}");
    Run { exit_code, events }
}

/// The exit code, `None` after a signal. A process that does not end in time is killed.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    wait_for(child, RUN_TIMEOUT)
}

/// The same with a bound of its own.
pub(crate) fn wait_for(child: &mut Child, timeout: Duration) -> Option<i32> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("process {} did not end within {timeout:?}", child.id());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `file://` and the path.
pub(crate) fn file_uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Writes the spec of a first attempt below `folder`, and gives its URI.
pub(crate) fn write_spec(folder: &Path, job_id: &str, description: &str) -> String {
    let artifact_uri = file_uri(&folder.join("jobs").join(job_id));
    let spec = JobSpec::new(job_id, description, "template", &artifact_uri).unwrap();
    put_spec(folder, &spec)
}

/// Writes a spec below `folder`, as the orchestrator lays it out, and gives its URI.
pub(crate) fn put_spec(folder: &Path, spec: &JobSpec) -> String {
    let name = spec_name(spec.attempt.number);
    let path = folder.join("jobs").join(&spec.job_id).join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, spec.to_json()).unwrap();
    file_uri(&path)
}

/// Unpacks an archive of bytes into `folder`.
pub(crate) fn unpack(archive: &Path, folder: &Path) {
    zip::ZipArchive::new(std::fs::File::open(archive).unwrap())
        .unwrap()
        .extract(folder)
        .unwrap();
}
