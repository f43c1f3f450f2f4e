//! Metrics, as lines of the log in the embedded format of CloudWatch: no agent, no call, no right.
//!
//! Each orchestrator tells what it counted itself; what the database knows is told by one of them at a time. A
//! metric has no dimensions, so that their number, which is paid for, is known: jobs by state and provider
//! are in the line for queries of the log, and are no metrics.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use crate::app::App;
use crate::clock::now_millis;
use crate::config::MetricsConfig;
use crate::database::Gauges;
use crate::launcher;
use crate::observe::measures::Counted;
use crate::stores::StoreResult;

/// How often a line is written; CloudWatch keeps values for each minute.
const PERIOD: Duration = Duration::from_secs(60);
/// Who tells what the database knows does so for this long, and renews it with each line.
const DUTY: Duration = Duration::from_secs(150);
const DUTY_NAME: &str = "metrics";
/// What alarms watch: `app-gen-infra/cdk/lib/observability/metrics.toml`.
pub const ALARMED: [&str; 3] = ["DeadLetters", "JobTimePercent", "Throttles"];
/// Providers that are told apart; any text can be the name of another.
const PROVIDERS: [&str; 4] = ["claude", "codex", "deliver", "template"];

/// Writes lines until the orchestrator stops.
pub async fn run(app: App) {
    let Some(config) = app.config.observe.metrics.clone() else {
        return;
    };
    let owner = Uuid::now_v7().to_string();
    let work = async {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for line in lines(&app, &owner, &config).await {
                write(&line);
            }
        }
    };
    tokio::select! {
        () = app.stopping() => {}
        () = work => {}
    }
    // What was counted since the last line would be lost.
    for line in lines(&app, &owner, &config).await {
        write(&line);
    }
    if let Err(error) = app.database.give_duty_up(DUTY_NAME, &owner).await {
        tracing::debug!(%error, "another orchestrator tells metrics a little later");
    }
}

/// The lines of this minute: what this orchestrator counted, and what the database knows if that is `owner`'s to
/// tell.
pub async fn lines(app: &App, owner: &str, config: &MetricsConfig) -> Vec<Value> {
    let counted = app.measures.take(launcher::throttled());
    let mut lines = vec![of_orchestrator(config, &counted, app.hub.listeners())];
    match gauges(app, owner).await {
        Ok(Some(gauges)) => lines.push(of_database(config, &gauges, app.config.jobs.timeout)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "metrics of jobs were not read"),
    }
    lines
}

async fn gauges(app: &App, owner: &str) -> StoreResult<Option<Gauges>> {
    if !app.database.take_duty(DUTY_NAME, owner, DUTY).await? {
        return Ok(None);
    }
    app.database.gauges().await.map(Some)
}

fn of_orchestrator(config: &MetricsConfig, counted: &Counted, streams: usize) -> Value {
    let mut line = Line::new(config);
    line.metric("Requests", "Count", json!(counted.requests));
    line.metric("ServerErrors", "Count", json!(counted.server_errors));
    line.metric("JobsDone", "Count", json!(counted.jobs_ended));
    line.metric("DeadLetters", "Count", json!(counted.dead_letters));
    line.metric("Throttles", "Count", json!(counted.throttles));
    line.metric("Tokens", "Count", json!(counted.tokens));
    let usd = counted.micro_usd as f64 / 1e6;
    line.metric("Usd", "None", json!(usd));
    line.metric("Streams", "Count", json!(streams));
    line.metric("StoreErrors", "Count", json!(counted.store_errors));
    line.metric("StoreBytes", "Bytes", json!(counted.store_bytes));
    if !counted.store_millis.is_empty() {
        line.metric("StoreMillis", "Milliseconds", json!(counted.store_millis));
    }
    line.end()
}

fn of_database(config: &MetricsConfig, gauges: &Gauges, timeout: Duration) -> Value {
    let now = now_millis();
    let age = |since: Option<i64>| since.map_or(0, |since| now.saturating_sub(since).max(0));
    let mut jobs: Map<String, Value> = Map::new();
    for group in &gauges.jobs {
        let provider = match PROVIDERS.contains(&group.provider.as_str()) {
            true => group.provider.as_str(),
            false => "other",
        };
        let of_state = jobs.entry(group.state.clone()).or_insert_with(|| json!({}));
        let sum = of_state[provider].as_i64().unwrap_or(0) + group.count;
        of_state[provider] = json!(sum);
    }
    let queued = gauges.jobs.iter().filter(|group| group.state == "queued");
    let queued: i64 = queued.map(|group| group.count).sum();
    let limit = i64::try_from(timeout.as_millis())
        .unwrap_or(i64::MAX)
        .max(1);
    let mut line = Line::new(config);
    line.metric("QueueDepth", "Count", json!(queued));
    let waits = age(gauges.oldest_queued) / 1000;
    line.metric("QueueAgeSeconds", "Seconds", json!(waits));
    let percent = age(gauges.oldest_attempt).saturating_mul(100) / limit;
    line.metric("JobTimePercent", "Percent", json!(percent));
    line.put("jobs", Value::Object(jobs));
    line.end()
}

/// One line in the embedded format.
struct Line<'a> {
    config: &'a MetricsConfig,
    at: i64,
    metrics: Vec<Value>,
    values: Map<String, Value>,
}

impl<'a> Line<'a> {
    fn new(config: &'a MetricsConfig) -> Self {
        let mut values = Map::new();
        values.insert("level".to_owned(), json!("INFO"));
        values.insert("message".to_owned(), json!("metrics"));
        Self {
            config,
            at: now_millis(),
            metrics: Vec::new(),
            values,
        }
    }

    fn metric(&mut self, name: &str, unit: &str, value: Value) {
        if !self.config.only_alarmed || ALARMED.contains(&name) {
            self.metrics.push(json!({ "Name": name, "Unit": unit }));
        }
        self.put(name, value);
    }

    fn put(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    fn end(mut self) -> Value {
        let about = json!({
            "Timestamp": self.at,
            "CloudWatchMetrics": [{
                "Namespace": self.config.namespace,
                "Dimensions": [[]],
                "Metrics": self.metrics,
            }],
        });
        self.values.insert("_aws".to_owned(), about);
        Value::Object(self.values)
    }
}

/// Writes a line where the log goes. `tracing` would put what CloudWatch looks for below its own fields.
fn write(line: &Value) {
    let mut output = std::io::stdout().lock();
    // Nobody reads the log any more: there is nobody to tell.
    let _ = output
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::JobGroup;

    fn config(only_alarmed: bool) -> MetricsConfig {
        MetricsConfig {
            namespace: "space".to_owned(),
            only_alarmed,
        }
    }

    #[test]
    fn what_no_alarm_watches_is_a_metric_only_where_it_is_wanted() {
        let config = config(true);
        let line = of_orchestrator(&config, &Counted::default(), 3);
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array();
        let names = metrics.unwrap().iter().map(|metric| &metric["Name"]);
        assert_eq!(names.collect::<Vec<_>>(), ["DeadLetters", "Throttles"]);
        assert_eq!(line["Streams"], 3);
    }

    #[test]
    fn a_line_names_each_metric_and_has_its_value() {
        let counted = Counted {
            requests: 7,
            micro_usd: 1_500_000,
            store_millis: vec![1.5, 2.5],
            ..Counted::default()
        };
        let line = of_orchestrator(&config(false), &counted, 3);
        let about = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(about["Namespace"], "space");
        assert_eq!(about["Dimensions"], json!([[]]));
        for metric in about["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(!line[name].is_null(), "{name}");
        }
        assert_eq!(line["Requests"], 7);
        assert_eq!(line["Usd"], 1.5);
        assert_eq!(line["Streams"], 3);
        assert_eq!(line["StoreMillis"], json!([1.5, 2.5]));
    }

    #[test]
    fn names_of_providers_that_anybody_can_make_up_are_one() {
        let group = |state: &str, provider: &str, count| JobGroup {
            state: state.to_owned(),
            provider: provider.to_owned(),
            count,
        };
        let gauges = Gauges {
            jobs: vec![
                group("queued", "claude", 2),
                group("queued", "x", 1),
                group("queued", "y", 4),
                group("running", "codex", 1),
            ],
            oldest_queued: Some(now_millis() - 61_000),
            oldest_attempt: Some(now_millis() - 90_000),
        };
        let line = of_database(&config(false), &gauges, Duration::from_secs(100));
        let expected = json!({ "queued": { "claude": 2, "other": 5 }, "running": { "codex": 1 } });
        assert_eq!(line["jobs"], expected);
        assert_eq!(line["QueueDepth"], 7);
        assert_eq!(line["QueueAgeSeconds"], 61);
        assert_eq!(line["JobTimePercent"], 90);
    }
}
