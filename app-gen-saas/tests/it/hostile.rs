//! Hostile and unlucky generators: whatever one writes or does, the orchestrator lives, keeps its bounds,
//! ends the job with a reason and its task for certain, and other jobs get on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use app_gen_saas::database::{JobProject, NewJob, NewProject, Wishes};
use serde_json::Value;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::binary::{Binary, process_variables};
use crate::support::client::Client;
use crate::support::database::ADMIT_ALL;
use crate::support::database::TestDatabase;
use crate::support::generator::{processes_of, script};
use crate::support::hostile::{HostileLauncher, hostile_line};
use crate::support::orchestrator::{Options, Orchestrator};
use crate::support::random::Random;
use crate::support::{PATIENCE, eventually};

/// Another one plays other generators; every failure names it.
const SEED: u64 = 20_261_129;
const JOBS: usize = 2000;
const MAX_EVENTS: i64 = 300;
const MAX_EVENT_BYTES: i64 = 20_000;

/// The follower, the database and the store are real; only the generators are not processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_random_generators() {
    println!("seed {SEED}");
    let launcher = Arc::new(HostileLauncher::new(SEED));
    let options = Options {
        variables: vec![
            ("JOB_CONCURRENCY", "200".to_owned()),
            ("JOB_MAX_EVENTS", MAX_EVENTS.to_string()),
            ("JOB_MAX_EVENT_BYTES", MAX_EVENT_BYTES.to_string()),
        ],
        launcher: Some(launcher.clone()),
        change: Some(|config| {
            let jobs = &mut config.jobs;
            jobs.timeout = Duration::from_secs(6);
            jobs.idle_timeout = Duration::from_millis(500);
            jobs.stop_grace = Duration::from_millis(50);
            jobs.stop_timeout = Duration::from_millis(80);
            jobs.search = Duration::from_millis(600);
            jobs.leftovers = Duration::from_millis(200);
            jobs.lease = Duration::from_secs(15);
            jobs.shortest_wait = Duration::from_millis(50);
            jobs.usual_wait = Duration::from_millis(50);
        }),
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(TestDatabase::sqlite(), options).await;
    let (app, client) = (&orchestrator.app, &orchestrator.client);
    let mut ids = Vec::new();
    for _ in 0..JOBS {
        let id = Uuid::now_v7().to_string();
        let job = NewJob {
            project: JobProject::New(NewProject {
                slug: id.clone(),
                id: id.clone(),
                name: "anything".to_owned(),
            }),
            id,
            tenant: "local".to_owned(),
            description: "anything".to_owned(),
            provider: "template".to_owned(),
            launcher: "process",
            wishes: Wishes::default(),
        };
        app.database.insert_job(&job, &ADMIT_ALL).await.unwrap();
        ids.push(job.id);
    }
    let mut endings = std::collections::BTreeMap::<String, usize>::new();
    for id in &ids {
        let job = client.ended(id).await;
        let what = format!("seed {SEED}, {job}");
        let reason = job["reason"].as_str().unwrap_or_default();
        assert_eq!(job["state"] == "succeeded", reason.is_empty(), "{what}");
        assert!(reason.chars().count() <= 1000, "{what}");
        assert!(!reason.chars().any(char::is_control), "{what}");
        let job = app.database.job(id).await.unwrap().unwrap();
        assert!(job.generator_sequence <= MAX_EVENTS, "{what}");
        assert!(job.event_bytes <= MAX_EVENT_BYTES, "{what}");
        assert_eq!(job.reading_deaths, 0, "{what}");
        let events = app
            .database
            .events_between(id, 0, job.last_sequence)
            .await
            .unwrap();
        let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        let expected: Vec<i64> = (1..=job.last_sequence).collect();
        assert_eq!(numbers, expected, "{what}");
        let own = events.iter().filter(|event| event.kind == "state").count();
        assert_eq!(
            own + usize::try_from(job.generator_sequence).unwrap(),
            events.len(),
            "{what}"
        );
        let words = reason.split([':', '(']).next().unwrap();
        *endings.entry(format!("{} {words}", job.state)).or_default() += 1;
    }
    println!("{endings:#?}");
    eventually("the end of all tasks", async || {
        (launcher.counts().0 == 0).then_some(())
    })
    .await;
    assert!(launcher.counts().1 > JOBS / 2);
    assert!(endings.len() > 10, "{endings:?}");
}

/// The same with processes: what a random generator writes is written to a file beforehand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dozens_of_random_processes() {
    println!("seed {SEED}");
    let folder = tempfile::tempdir().unwrap();
    let generator = script(
        folder.path(),
        r#"
number=$(sed 's/.*"description":"\([0-9]*\)".*/\1/' "$folder/spec.json")
sed "s/@JOB@/$job/g; s|@FOLDER@|file://$folder|g" "FOLDER/$number.log"
case $((number % 6)) in
  0) exit 3 ;;
  1) exit 0 ;;
  2) trap '' TERM; sleep 1000 & wait; sleep 1000 ;;
  3) rm -f ../logs/$job.log; kill -9 0 ;;
  4) while :; do head -c 100000 /dev/zero; done ;;
  *) sleep 1000 ;;
esac"#
            .replace("FOLDER", &folder.path().display().to_string())
            .as_str(),
    );
    let mut random = Random(SEED);
    for number in 0..36 {
        let mut sequence = 0;
        let lines: Vec<Vec<u8>> = (0..random.below(40))
            .map(|_| hostile_line(&mut random, 15, "@JOB@", &mut sequence, "@FOLDER@"))
            .collect();
        std::fs::write(
            folder.path().join(format!("{number}.log")),
            [lines.join(&b'\n'), b"\n".to_vec()].concat(),
        )
        .unwrap();
    }
    let database = TestDatabase::sqlite();
    let mut variables = process_variables(folder.path(), &database.url, &generator);
    variables.extend([
        ("JOB_TIMEOUT_SECS", "20".to_owned()),
        ("JOB_IDLE_TIMEOUT_SECS", "1".to_owned()),
        ("JOB_CONCURRENCY", "18".to_owned()),
    ]);
    let binary = Binary::start(&variables).await;
    let mut ids = Vec::new();
    for number in 0..36 {
        ids.push(binary.client.submit(&number.to_string()).await);
    }
    for (number, id) in ids.iter().enumerate() {
        let job = binary.client.ended(id).await;
        let has_reason = job["reason"].as_str().is_some_and(|text| !text.is_empty());
        assert!(
            has_reason || job["state"] == "succeeded",
            "seed {SEED}, {number}: {job}"
        );
        eventually("the end of all its processes", async || {
            processes_of(id).is_empty().then_some(())
        })
        .await;
    }
    binary.kill().await;
}

/// A container of the size of the smallest task, and an orchestrator in it.
struct Container {
    id: String,
    client: Client,
}

impl Container {
    async fn start(folder: &Path, generator: &str) -> Self {
        let binary = env!("CARGO_BIN_EXE_app-gen-saas");
        script(folder, generator);
        let mut command = Command::new("docker");
        command
            .args([
                "run",
                "--detach",
                "--rm",
                "--memory=256m",
                "--memory-swap=256m",
            ])
            .args(["--publish", "127.0.0.1::5013"])
            .arg(format!("--volume={binary}:/srv/app-gen-saas:ro"))
            .arg(format!("--volume={}:/srv/generator:ro", folder.display()));
        for variable in [
            "HOST=0.0.0.0",
            "DATABASE_URL=sqlite:///tmp/test.db",
            "ARTIFACT_URI=file:///tmp/artifacts",
            "GENERATOR_COMMAND=/srv/generator/generator.sh",
            "GENERATOR_LOG_DIR=/tmp/logs",
            "JOB_IDLE_TIMEOUT_SECS=5",
        ] {
            command.args(["--env", variable]);
        }
        let id = output(command.args(["debian:trixie-slim", "/srv/app-gen-saas"])).await;
        let port = output(Command::new("docker").args(["port", &id, "5013/tcp"])).await;
        let client = Client::new(format!("http://{}", port.lines().next().unwrap()));
        eventually("the container's orchestrator", async || {
            let health = client.http.get(format!("{}/health", client.base));
            health
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success())
        })
        .await;
        Self { id, client }
    }

    /// Peak of the orchestrator's own memory in MiB.
    async fn peak_mib(&self) -> u64 {
        let mut cat = Command::new("docker");
        cat.args(["exec", &self.id, "cat", "/proc/1/status"]);
        let status = output(&mut cat).await;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim().strip_suffix(" kB").unwrap();
        kib.parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a drop cannot wait for a task of tokio"
        )]
        let mut command = std::process::Command::new("docker");
        let _ = command
            .args(["rm", "--force", "--volumes", &self.id])
            .stdout(Stdio::null())
            .status();
    }
}

async fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// 64 KiB of lines took 3.4 GB of memory, and again after every restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_to_a_large_body_in_a_small_container() {
    let generator = r#"
started
case $(cat "$folder/spec.json") in *"behave"*)
  for number in 1 2 3 4 5 6 7 8 9 10; do log "$number"; sleep 0.3; done; artifact; succeeded; exit 0
esac
mkdir -p "$folder/events"
# 256 KiB in the form that takes most memory as a tree.
{ printf '{"x":['; yes '{"":0}' | head -n 37000 | tr '\n' ','; printf '0]}'; } > "$folder/events/body"
for number in $(seq 2 440); do
  case $(cat "$folder/spec.json") in
    *"each"*) name=$(printf '%06d.json' "$number"); ln "$folder/events/body" "$folder/events/$name" ;;
    *) name=000002.json; [ -e "$folder/events/$name" ] || cp "$folder/events/body" "$folder/events/$name" ;;
  esac
  line "$number" plan "\"body_uri\":\"file://$folder/events/$name\""
done > "$folder/lines"
cat "$folder/lines"
sleep 1000"#;
    let folder = tempfile::tempdir().unwrap();
    let container = Container::start(folder.path(), generator).await;
    let client = &container.client;
    let same = client.submit("one body for all lines").await;
    let each = client.submit("a body for each line").await;
    let good = client.submit("behave").await;
    assert_eq!(client.ended(&good).await["state"], "succeeded");
    let job = client.ended(&each).await;
    assert_eq!(
        job["reason"], "the generator's events have more than 33554432 bytes",
        "{job}"
    );
    let job = client.ended(&same).await;
    assert_eq!(
        job["reason"], "the generator gave no sign of life for 5 seconds",
        "{job}"
    );
    // The first of them was at its place, the others were not.
    assert_eq!(job["last_sequence"].as_i64().unwrap(), 440 + 4);
    let peak = container.peak_mib().await;
    println!("peak {peak} MiB");
    assert!(peak < 100, "{peak} MiB");
}

/// What a job does to an orchestrator cannot be known beforehand; that its lines were being taken when it
/// died can. A store that does not answer makes that last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_kills_its_followers_ends_after_three() {
    let (asked, mut asks) = tokio::sync::watch::channel(0);
    let store = axum::Router::new().fallback(async move |request: axum::extract::Request| {
        if request.uri().path().contains("/events/") {
            asked.send_modify(|count| *count += 1);
            std::future::pending::<()>().await;
        }
        [("etag", "\"1\"")]
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, store).await.unwrap() });

    let folder = tempfile::tempdir().unwrap();
    let generator = folder.path().join("generator.sh");
    let text = r#"#!/bin/sh
folder=${JOB_SPEC_URI%/spec.json}
printf '{"version":2,"job_id":"%s","sequence":1,"time":"2026-01-01T00:00:00Z","type":"log","body_uri":"%s"}\n' \
  "${folder##*/}" "$folder/events/000001.json"
sleep 1000
"#;
    std::fs::write(&generator, text).unwrap();
    std::fs::set_permissions(&generator, std::fs::Permissions::from_mode(0o755)).unwrap();
    let database = TestDatabase::sqlite();
    let mut variables = process_variables(folder.path(), &database.url, &generator);
    variables.retain(|(name, _)| *name != "ARTIFACT_URI");
    variables.extend([
        ("ARTIFACT_URI", "s3://bucket".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]);
    let mut binary = Binary::start(&variables).await;
    let id = binary.client.submit("kill").await;
    for _ in 0..3 {
        tokio::time::timeout(PATIENCE, asks.changed())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(binary.client.job(&id).await["finished_at"], Value::Null);
        binary.kill().await;
        asks.mark_unchanged();
        binary = Binary::start(&variables).await;
    }
    let job = binary.client.ended(&id).await;
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(
        job["reason"],
        "the orchestrator died 3 times while it read the generator's log"
    );
    eventually("the end of all its processes", async || {
        processes_of(&id).is_empty().then_some(())
    })
    .await;
    binary.kill().await;
}
