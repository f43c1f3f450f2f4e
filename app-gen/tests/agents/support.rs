//! A job, whose attempts run one after the other in containers.

use crate::image::{IMAGE, command, docker, task_options};
use app_gen_contract::{Attempt, Body, CheckpointId, Event, JobSpec, Used, parse_line, spec_name};
use std::io::{BufRead as _, BufReader, Cursor, Read as _, Write as _};
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zip::ZipArchive;

/// No wait of these tests may take longer.
const PATIENCE: Duration = Duration::from_secs(240);
/// Where the job's folder is in each container.
const FOLDER: &str = "/out/job";
/// A job with all that its attempts wrote. What the engine keeps of it goes with it.
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    /// Variables of its containers.
    pub(crate) variables: Vec<(String, String)>,
    /// Options of `docker run`.
    pub(crate) options: Vec<String>,
    /// Events of attempts that have ended.
    pub(crate) events: Vec<Event>,
    volume: String,
}

impl Job {
    /// A creation by a provider, with a script of the image.
    pub(crate) fn create(provider: &str, script: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let volume = format!("app-gen-agents-{}-{number}", std::process::id());
        docker(&["volume", "create", "--label", "app-gen-test", &volume]);
        let uri = format!("file://{FOLDER}");
        let spec = JobSpec::new("job", "a plant diary", provider, &uri).unwrap();
        Self {
            spec,
            variables: vec![("MODEL_SCRIPT".to_owned(), script.to_owned())],
            options: Vec::new(),
            events: Vec::new(),
            volume,
        }
    }

    /// Runs one attempt to its end, and makes the spec that of the next one.
    pub(crate) fn attempt(&mut self) -> Option<i32> {
        let running = self.start();
        let (exit_code, events) = running.end();
        self.take(events);
        exit_code
    }

    /// Starts an attempt.
    pub(crate) fn start(&self) -> Running {
        let spec = format!("{FOLDER}/{}", spec_name(self.spec.attempt.number));
        self.write(&spec, self.spec.to_json().as_bytes());
        let name = format!("{}-{}", self.volume, self.spec.attempt.number);
        let mut run = command("docker");
        run.args(["run", "--name", &name])
            .args(task_options())
            .args(["--volume", &format!("{}:/out", self.volume)])
            .args(["--env", &format!("JOB_SPEC_URI=file://{spec}")])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (variable, value) in &self.variables {
            run.args(["--env", &format!("{variable}={value}")]);
        }
        Running::new(name, run.arg(&*IMAGE).spawn().unwrap())
    }

    /// Takes the events of an attempt that has ended. The spec becomes that of the next one, as the
    /// orchestrator would write it.
    pub(crate) fn take(&mut self, events: Vec<Event>) {
        self.events.extend(events);
        let attempt = self.spec.attempt.number;
        let mut used = Used::default();
        let mut checkpoint = self.spec.attempt.checkpoint;
        for event in &self.events {
            match self.body(event) {
                Body::Usage {
                    tokens, micro_usd, ..
                } => {
                    used.tokens += tokens.total();
                    used.micro_usd += micro_usd.unwrap_or_default();
                }
                Body::Commit { iteration, .. } => used.iterations = iteration,
                Body::Checkpoint { number, .. }
                    if event.sequence > self.spec.attempt.after_sequence =>
                {
                    checkpoint = Some(CheckpointId { attempt, number });
                }
                _ => {}
            }
        }
        self.spec.attempt = Attempt {
            number: attempt + 1,
            after_sequence: self.events.last().map_or(0, |event| event.sequence),
            used,
            checkpoint,
            decision: None,
        };
    }

    /// The body of an event, wherever it is.
    pub(crate) fn body(&self, event: &Event) -> Body {
        match (event.body(), event.body_uri()) {
            (Some(body), _) => body.clone(),
            (None, Some(uri)) => {
                let text = self.read(uri.strip_prefix("file://").unwrap());
                Body::from_json(event.kind(), str::from_utf8(&text).unwrap()).unwrap()
            }
            (None, None) => panic!("{event:?}"),
        }
    }

    /// All bodies, in order.
    pub(crate) fn bodies(&self) -> Vec<Body> {
        self.events.iter().map(|event| self.body(event)).collect()
    }

    /// How the last attempt ended.
    pub(crate) fn ending(&self) -> Body {
        self.body(self.events.last().unwrap())
    }

    /// Why the job failed.
    pub(crate) fn reason(&self) -> String {
        match self.ending() {
            Body::Failed { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Holds what is so for every job: its events are numbered without gaps across attempts, and no
    /// iteration has two commits.
    pub(crate) fn check(&self) {
        let sequences: Vec<u64> = self.events.iter().map(|event| event.sequence).collect();
        let expected: Vec<u64> = (1..).take(sequences.len()).collect();
        assert_eq!(sequences, expected);
        let commits = self.bodies();
        let commits = commits.iter().filter_map(|body| match body {
            Body::Commit {
                iteration, commit, ..
            } => Some((*iteration, commit.clone())),
            _ => None,
        });
        let commits: Vec<_> = commits.collect();
        assert!(
            commits.is_sorted_by(|(one, _), (next, _)| one < next),
            "{commits:?}"
        );
    }

    /// The files of the application that was published, by path.
    pub(crate) fn application(&self) -> Vec<(String, String)> {
        let archive = self.read(&format!("{FOLDER}/app.zip"));
        let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
        let files = (0..archive.len()).map(|index| {
            let mut file = archive.by_index(index).unwrap();
            let mut content = String::new();
            file.read_to_string(&mut content).unwrap();
            (file.name().unwrap().into_owned(), content)
        });
        files.collect()
    }

    /// A file of the job's folder, or of any other place of its volume.
    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        self.tool(&["cat", path]).stdout
    }

    /// Everything that its attempts wrote to the job's folder, as one stream of bytes.
    pub(crate) fn everything(&self) -> Vec<u8> {
        self.tool(&["tar", "--create", "--file=-", FOLDER]).stdout
    }

    fn tool(&self, program: &[&str]) -> Output {
        let mount = format!("{}:/out", self.volume);
        let mut arguments = vec![
            "run",
            "--rm",
            "--volume",
            &mount,
            "--entrypoint",
            program[0],
        ];
        arguments.push(&IMAGE);
        arguments.extend(&program[1..]);
        docker(&arguments)
    }

    /// Puts a file into the job's folder.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        self.write(&format!("{FOLDER}/{name}"), content);
    }

    fn write(&self, path: &str, content: &[u8]) {
        let mount = format!("{}:/out", self.volume);
        let script = format!("mkdir -p \"$(dirname {path})\" && cat > {path}");
        let mut child = command("docker")
            .args(["run", "--rm", "--interactive", "--volume", &mount])
            .args(["--entrypoint", "sh", &IMAGE, "-c", &script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let volume = ["volume", "rm", "--force", &self.volume];
        // A test that fails has its own words for it.
        let _ = command("docker").args(volume).output();
    }
}

type Heard = Arc<(Mutex<(Vec<Event>, bool)>, Condvar)>;

/// An attempt that runs.
pub(crate) struct Running {
    name: String,
    docker: Child,
    heard: Heard,
    reading: Option<JoinHandle<()>>,
}

impl Running {
    fn new(name: String, mut docker: Child) -> Self {
        let heard = Heard::default();
        let output = BufReader::new(docker.stdout.take().unwrap());
        let reading = thread::spawn({
            let heard = Arc::clone(&heard);
            move || {
                for line in output.split(b'\n') {
                    let event = parse_line(&line.unwrap()).unwrap();
                    heard.0.lock().unwrap().0.push(event);
                    heard.1.notify_all();
                }
                heard.0.lock().unwrap().1 = true;
                heard.1.notify_all();
            }
        });
        Self {
            name,
            docker,
            heard,
            reading: Some(reading),
        }
    }

    /// Waits for an event, or for the end.
    pub(crate) fn wait_for(&self, is_it: impl Fn(&Event) -> bool) {
        let (lock, changed) = &*self.heard;
        let began = Instant::now();
        let mut heard = lock.lock().unwrap();
        while !heard.1 && !heard.0.iter().any(&is_it) {
            let left = PATIENCE.checked_sub(began.elapsed()).unwrap();
            heard = changed.wait_timeout(heard, left).unwrap().0;
        }
    }

    /// Sends a signal to the generator.
    pub(crate) fn signal(&self, signal: &str) {
        // It may have ended meanwhile.
        let arguments = ["kill", "--signal", signal, &self.name];
        let _ = command("docker").args(arguments).output().unwrap();
    }

    /// When the generator's process began.
    pub(crate) fn began(&self) -> OffsetDateTime {
        let inspected = docker(&["inspect", "--format", "{{.State.StartedAt}}", &self.name]);
        let text = String::from_utf8(inspected.stdout).unwrap();
        OffsetDateTime::parse(text.trim(), &Rfc3339).unwrap()
    }

    /// The programs that run in the container.
    pub(crate) fn programs(&self) -> String {
        let output = command("docker")
            .args(["top", &self.name, "-eo", "pid,args"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits for the end. Returns the exit code and all events.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<Event>) {
        self.wait_for(|_| false);
        self.reading.take().unwrap().join().unwrap();
        let exit_code = self.docker.wait().unwrap().code();
        let mut errors = String::new();
        let mut stderr = self.docker.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "", "only event lines are written");
        let events = std::mem::take(&mut self.heard.0.lock().unwrap().0);
        (exit_code, events)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let remove = ["rm", "--force", "--volumes", &self.name];
        let _ = command("docker").args(remove).output();
    }
}
