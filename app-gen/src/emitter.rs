//! The event stream: numbers events, writes each as one line and flushes it.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use app_gen_contract::{
    Body, EXCERPT_CHARS, Event, JobSpec, LogLevel, MAX_BODY_BYTES, StageState, event_body_name,
    excerpt,
};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::location::Location;

/// The orchestrator allows a silence that is twelve times as long.
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// The one writer of the process's output. After an ending, or once the output cannot be
/// written any more, events are dropped.
pub(crate) struct Emitter {
    state: Mutex<State>,
    closed: watch::Sender<bool>,
}

struct State {
    output: Box<dyn Write + Send>,
    job_id: String,
    /// The job's folder, for bodies that do not fit into a line.
    folder: Option<Location>,
    last_sequence: u64,
    ended: bool,
}

impl Emitter {
    /// `job_id` is used until [`Emitter::set_job`] sets a better one.
    pub(crate) fn new(output: Box<dyn Write + Send>, job_id: String) -> Self {
        let state = State {
            output,
            job_id,
            folder: None,
            last_sequence: 0,
            ended: false,
        };
        Self {
            state: Mutex::new(state),
            closed: watch::Sender::new(false),
        }
    }

    /// From now on events carry the job's id, go on behind those of the attempts before, and long bodies
    /// go to `folder`.
    pub(crate) async fn set_job(&self, spec: &JobSpec, folder: Location) {
        let mut state = self.state.lock().await;
        state.job_id.clone_from(&spec.job_id);
        state.last_sequence += spec.attempt.after_sequence;
        state.folder = Some(folder);
    }

    /// Writes one event.
    pub(crate) async fn emit(&self, body: Body) {
        self.emit_together([body]).await;
    }

    /// Writes events at once: where the process is killed, nobody hears of the first without the others. The
    /// lock is held while a long body is stored, so that lines keep the order of their numbers.
    pub(crate) async fn emit_together(&self, bodies: impl IntoIterator<Item = Body>) {
        let mut state = self.state.lock().await;
        let (mut last_sequence, mut ended) = (state.last_sequence, state.ended);
        let mut lines = String::new();
        for body in bodies {
            if ended {
                break;
            }
            let time = OffsetDateTime::now_utc();
            let event = Event::new(&state.job_id, last_sequence + 1, time, body);
            lines += &match event.to_line() {
                Ok(line) => line,
                Err(_) => line_of_long(&event, state.folder.as_ref()).await,
            };
            last_sequence = event.sequence;
            ended = event.is_ending();
        }
        if lines.is_empty() {
            return;
        }
        if state
            .output
            .write_all(lines.as_bytes())
            .and_then(|()| state.output.flush())
            .is_err()
        {
            state.ended = true;
            self.closed.send_replace(true);
            return;
        }
        state.last_sequence = last_sequence;
        state.ended = ended;
    }

    /// Emits a message for people.
    pub(crate) async fn log(&self, level: LogLevel, message: impl Into<String>) {
        self.emit(Body::Log {
            level,
            message: message.into(),
        })
        .await;
    }

    /// Emits the beginning or the end of a stage.
    pub(crate) async fn stage(&self, name: &str, state: StageState, detail: Option<String>) {
        self.emit(Body::Stage {
            name: name.to_owned(),
            state,
            detail,
        })
        .await;
    }

    /// Returns once the output cannot be written any more.
    pub(crate) async fn closed(&self) {
        // Cannot fail: the sender lives as long as `self`.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Whether the output cannot be written any more.
    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Emits a heartbeat after each interval until the returned set is dropped.
    pub(crate) fn start_heartbeat(self: &Arc<Self>, interval: Duration) -> JoinSet<()> {
        let emitter = Arc::clone(self);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                emitter.emit(Body::Heartbeat {}).await;
            }
        });
        tasks
    }
}

/// The line of an event that is too long for one: with its body by reference, or, where the body
/// cannot be stored, with its texts cut.
async fn line_of_long(event: &Event, folder: Option<&Location>) -> String {
    let by_reference = store_body(event, folder)
        .await
        .and_then(|uri| Ok(event.by_reference(&uri).to_line()?));
    by_reference.unwrap_or_else(|_| {
        let cut = event.body().map_or(Body::Heartbeat {}, cut_texts);
        let event = Event::new(&event.job_id, event.sequence, event.time, cut);
        // Texts of some hundred characters always fit, so the default is never used.
        event.to_line().unwrap_or_default()
    })
}

async fn store_body(event: &Event, folder: Option<&Location>) -> Result<String> {
    let (Some(folder), Some(body)) = (folder, event.body()) else {
        bail!("there is no folder for long bodies");
    };
    let text = body.to_json();
    if text.len() > MAX_BODY_BYTES {
        bail!("the orchestrator reads no body of {} bytes", text.len());
    }
    let object = folder.child(&event_body_name(event.sequence));
    object.write(text.into_bytes()).await?;
    Ok(object.uri().to_owned())
}

/// The body with every text cut to [`EXCERPT_CHARS`] characters.
fn cut_texts(body: &Body) -> Body {
    let mut json: Value = serde_json::from_str(&body.to_json()).unwrap_or_default();
    cut_texts_in(&mut json);
    Body::from_json(body.kind(), &json.to_string()).unwrap_or(Body::Heartbeat {})
}

fn cut_texts_in(json: &mut Value) {
    match json {
        Value::String(text) if text.chars().count() > EXCERPT_CHARS => {
            *text = excerpt(text.as_bytes());
        }
        Value::Object(fields) => fields.values_mut().for_each(cut_texts_in),
        Value::Array(values) => values.iter_mut().for_each(cut_texts_in),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex as StdMutex;

    use app_gen_contract::{MAX_LINE_BYTES, parse_line};

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<StdMutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output {
        fn events(&self) -> Vec<Event> {
            let bytes = self.0.lock().unwrap();
            bytes
                .split_inclusive(|byte| *byte == b'\n')
                .map(|line| parse_line(line).unwrap())
                .collect()
        }

        fn kinds(&self) -> Vec<(u64, String)> {
            self.events()
                .iter()
                .map(|event| (event.sequence, event.kind().to_owned()))
                .collect()
        }
    }

    fn emitter() -> (Arc<Emitter>, Output) {
        let output = Output::default();
        (
            Arc::new(Emitter::new(Box::new(output.clone()), "job".to_owned())),
            output,
        )
    }

    /// An attempt that follows so many events.
    fn spec(after_sequence: u64) -> JobSpec {
        let mut spec = JobSpec::new("job-7", "x", "template", "file:///out").unwrap();
        spec.attempt.number = 2;
        spec.attempt.after_sequence = after_sequence;
        spec
    }

    fn succeeded() -> Body {
        Body::Succeeded {
            summary: "fine".to_owned(),
        }
    }

    // The clock runs: with `test-util`, which could stop it, tests would compile another tokio
    // than the binary, and all that depends on it a second time.
    #[tokio::test]
    async fn heartbeats_until_the_end() {
        let (emitter, output) = emitter();
        let interval = Duration::from_millis(5);
        let heartbeat = emitter.start_heartbeat(interval);
        let three = async {
            while output.kinds().len() < 3 {
                tokio::time::sleep(interval).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), three)
            .await
            .unwrap();
        drop(heartbeat);
        tokio::time::sleep(interval).await;
        let beats = output.kinds();
        tokio::time::sleep(20 * interval).await;
        emitter.emit(succeeded()).await;
        emitter.emit(Body::Heartbeat {}).await;
        let beat = |sequence| (sequence, "heartbeat".to_owned());
        let count = beats.len() as u64;
        assert_eq!(beats, (1..=count).map(beat).collect::<Vec<_>>());
        let last = (count + 1, "succeeded".to_owned());
        assert_eq!(output.kinds(), [beats, vec![last]].concat());
    }

    #[tokio::test]
    async fn a_long_body_goes_to_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (emitter, output) = emitter();
        let uri = format!("file://{}", folder.path().display());
        emitter
            .set_job(&spec(40), Location::open(&uri).unwrap())
            .await;
        let message = "wörd ".repeat(MAX_LINE_BYTES);
        emitter.log(LogLevel::Warn, message.clone()).await;
        emitter.emit(succeeded()).await;

        let events = output.events();
        assert_eq!(
            output.kinds(),
            [(41, "log".to_owned()), (42, "succeeded".to_owned())]
        );
        assert_eq!(events[0].job_id, "job-7");
        assert_eq!(
            events[0].body_uri(),
            Some(format!("{uri}/events/000041.json").as_str())
        );
        let stored = std::fs::read(folder.path().join("events/000041.json")).unwrap();
        let body = Body::from_json("log", str::from_utf8(&stored).unwrap()).unwrap();
        assert_eq!(
            body,
            Body::Log {
                level: LogLevel::Warn,
                message
            }
        );
    }

    #[tokio::test]
    async fn a_body_that_nobody_would_read_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (emitter, output) = emitter();
        let uri = format!("file://{}", folder.path().display());
        let location = Location::open(&uri).unwrap();
        emitter.set_job(&spec(0), location).await;
        emitter
            .log(LogLevel::Info, "x".repeat(MAX_BODY_BYTES))
            .await;
        let events = output.events();
        let Some(Body::Log { message, .. }) = events[0].body() else {
            panic!("{events:?}")
        };
        assert_eq!(message.chars().count(), EXCERPT_CHARS);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_long_body_without_a_place_is_cut() {
        let (emitter, output) = emitter();
        emitter
            .emit(Body::Failed {
                reason: "\u{1}".repeat(MAX_LINE_BYTES),
                hint: Some("short".to_owned()),
            })
            .await;
        let events = output.events();
        let Some(Body::Failed { reason, hint }) = events[0].body() else {
            panic!("{events:?}")
        };
        assert_eq!(
            (reason.chars().count(), hint.as_deref()),
            (EXCERPT_CHARS, Some("short"))
        );
    }

    #[tokio::test]
    async fn concurrent_events_have_no_gaps() {
        let (emitter, output) = emitter();
        let mut tasks = JoinSet::new();
        for number in 0..100 {
            let emitter = Arc::clone(&emitter);
            tasks.spawn(async move { emitter.log(LogLevel::Info, number.to_string()).await });
        }
        tasks.join_all().await;
        let sequences: Vec<u64> = output.events().iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, (1..=100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn nothing_comes_between_events_that_are_told_together() {
        let (emitter, output) = emitter();
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let emitter = Arc::clone(&emitter);
            tasks.spawn(async move {
                let log = Body::Log {
                    level: LogLevel::Info,
                    message: "first".to_owned(),
                };
                emitter.emit_together([log, Body::Heartbeat {}]).await;
            });
        }
        tasks.join_all().await;
        let (first, second) = ("log".to_owned(), "heartbeat".to_owned());
        let told = (0..50).flat_map(|pair| {
            [
                (2 * pair + 1, first.clone()),
                (2 * pair + 2, second.clone()),
            ]
        });
        assert_eq!(output.kinds(), told.collect::<Vec<_>>());
        emitter
            .emit_together([succeeded(), Body::Heartbeat {}])
            .await;
        assert_eq!(output.kinds().len(), 101);
    }

    #[tokio::test]
    async fn a_broken_output_is_noticed() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let emitter = Emitter::new(Box::new(Broken), "job".to_owned());
        emitter.emit(Body::Heartbeat {}).await;
        emitter.emit(Body::Heartbeat {}).await;
        tokio::time::timeout(Duration::from_secs(5), emitter.closed())
            .await
            .unwrap();
    }
}
