//! What holds for a job that ended, whatever was killed while it ran.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, Connection as _};
use zip::ZipArchive;

use crate::deck::Victim;
use crate::image::command;
use crate::kills::Run;
use crate::support::client::{SentEvent, assert_whole, messages, outline, sent_events};
use crate::support::eventually;
use crate::support::generator::processes_of;
use crate::watch::Stage;

/// What a job that ended well came to.
#[derive(Debug)]
pub struct Proof {
    pub attempts: usize,
    pub commits: usize,
    /// How often an agent was started again in the middle of its task.
    pub restarts: usize,
    /// Requests that the model answered.
    pub requests: usize,
    /// Requests that were counted.
    pub usages: usize,
}

/// A generator that is killed does not say what the requests of that moment took: one of each agent that works
/// side by side with others. Of an agent or a model that is killed, the generator cannot know whether the
/// model had begun to answer.
const MAX_IN_FLIGHT: usize = 3;

/// Proves that a job ended well after these kills, which `words` tell of.
pub async fn prove(
    run: &Run,
    id: &str,
    events: &[SentEvent],
    killed: &[(Victim, Stage)],
    words: &str,
) -> Proof {
    let kills_of = |wanted: &[Victim]| {
        let of_them = killed.iter().filter(|(victim, _)| wanted.contains(victim));
        of_them.count()
    };
    let job = run.orchestrator.job(id).await;
    let story = outline(events).join(", ");
    assert_eq!(job["state"], "succeeded", "{words}: {job:#} {story}");
    assert_whole(events, job["last_sequence"].as_i64().unwrap());
    stored(run, id, events).await;
    let attempts = job["attempts"].as_array().unwrap();
    let endings: Vec<_> = attempts.iter().map(|attempt| &attempt["ending"]).collect();
    let mut expected = vec!["interrupted"; kills_of(&[Victim::Generator])];
    expected.push("succeeded");
    assert_eq!(endings, expected, "{words}: {job:#}");
    let usages = usage(run, id, &job, events).await;
    let requests = answered(run, id);
    let kills = kills_of(&[Victim::Generator, Victim::Agent, Victim::Model]);
    let is_explained = usages.abs_diff(requests) <= kills * MAX_IN_FLIGHT;
    assert!(
        is_explained,
        "{words}: {usages} usages of {requests} requests"
    );
    let kept = commits(events);
    let history = history(&run.folder.join("artifacts/jobs").join(id));
    assert_eq!(
        history, kept,
        "{words}: the history, and the commits that events tell of"
    );
    application(run, id, &job).await;
    nothing_is_left(run, id).await;
    Proof {
        attempts: attempts.len(),
        commits: kept.len(),
        restarts: restarts(events),
        requests,
        usages,
    }
}

/// What was streamed in parts is what is stored, each event of the generator once.
async fn stored(run: &Run, id: &str, events: &[SentEvent]) {
    let whole = eventually("the whole stream", async || {
        let client = run.orchestrator.client().await;
        let request = client
            .http
            .get(format!("{}/api/jobs/{id}/events", client.base));
        let response = request.send().await.ok()?;
        let sent: Vec<SentEvent> = futures::StreamExt::collect(sent_events(response)).await;
        (sent.len() == events.len()).then_some(sent)
    })
    .await;
    assert_eq!(whole, events);
    let of_generator = bodies(events, |kind| kind != "state").count();
    let numbers: (i64, i64, i64) = row(
        run,
        "SELECT COUNT(generator_sequence), COUNT(DISTINCT generator_sequence), \
         CAST(MAX(generator_sequence) AS BIGINT) FROM events WHERE job_id = $1",
        id,
    )
    .await;
    let count = i64::try_from(of_generator).unwrap();
    assert_eq!(numbers, (count, count, count));
}

/// What was used is counted once, everywhere. Gives how many requests were counted.
async fn usage(run: &Run, id: &str, job: &Value, events: &[SentEvent]) -> usize {
    let (mut micro_usd, mut tokens, mut count) = (0, 0, 0);
    for body in bodies(events, |kind| kind == "usage") {
        micro_usd += body["micro_usd"].as_i64().unwrap();
        let kinds = [
            "input",
            "cache_read",
            "cache_write",
            "cache_write_long",
            "output",
        ];
        let of_kinds = kinds.map(|kind| body["tokens"][kind].as_i64().unwrap());
        tokens += of_kinds.iter().sum::<i64>();
        count += 1;
    }
    let iterations = bodies(events, |kind| kind == "commit")
        .map(|body| body["iteration"].as_i64().unwrap())
        .max();
    let shown = ["micro_usd", "tokens", "iterations", "unpriced_tokens"];
    let shown = shown.map(|name| job["usage"][name].as_i64().unwrap());
    assert_eq!(shown, [micro_usd, tokens, iterations.unwrap(), 0]);
    let kept: (i64, i64) = row(
        run,
        "SELECT used_micro_usd, used_tokens FROM jobs WHERE id = $1",
        id,
    )
    .await;
    assert_eq!(kept, (micro_usd, tokens));
    count
}

/// How many requests the model of a job answered.
fn answered(run: &Run, id: &str) -> usize {
    let requests = run.containers.requests(id);
    let answered = requests.iter().filter(|request| request["status"] == 200);
    answered.count()
}

/// The commits that events tell of. Each is kept when it is told of, and no iteration has two.
fn commits(events: &[SentEvent]) -> Vec<String> {
    let of_generator: Vec<_> = events
        .iter()
        .filter(|event| event.kind != "state")
        .collect();
    let told = of_generator
        .windows(2)
        .filter(|pair| pair[0].kind == "commit");
    let commits = told.map(|pair| {
        let (body, next) = (&pair[0].data["body"], &pair[1]);
        assert_eq!(next.kind, "checkpoint");
        assert_eq!(next.data["body"]["commit"], body["commit"]);
        let commit = body["commit"].as_str().unwrap().to_owned();
        (body["iteration"].as_i64().unwrap(), commit)
    });
    let commits: Vec<_> = commits.collect();
    let is_sorted = commits.is_sorted_by(|(one, _), (next, _)| one < next);
    assert!(is_sorted, "{commits:?}");
    commits.into_iter().map(|(_, commit)| commit).collect()
}

fn restarts(events: &[SentEvent]) -> usize {
    let messages = messages(events).into_iter();
    messages
        .filter(|message| message.contains(" is started again: "))
        .count()
}

/// The commits of the history that was published, the oldest first.
fn history(folder: &Path) -> Vec<String> {
    let clone = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut git = command("git");
        let output = git
            .arg("-C")
            .arg(clone.path())
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let bundle = folder.join("app.bundle");
    git(&["clone", "--quiet", "--bare", bundle.to_str().unwrap(), "."]);
    let listed = git(&["rev-list", "--reverse", "refs/heads/main"]);
    listed.lines().map(str::to_owned).collect()
}

/// What can be downloaded is what the script has its builder write.
async fn application(run: &Run, id: &str, job: &Value) {
    let bytes = run
        .orchestrator
        .get(&format!("/api/jobs/{id}/artifact"))
        .await;
    let digest = Sha256::digest(&bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(job["artifact"]["sha256"], digest);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let files = (0..archive.len()).map(|index| {
        let mut file = archive.by_index(index).unwrap();
        let mut content = String::new();
        file.read_to_string(&mut content).unwrap();
        (file.name().unwrap().into_owned(), content)
    });
    let files: BTreeMap<String, String> = files.collect();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut written = BTreeMap::new();
    let diary = repository.join("app-gen/scripted-model/scripts/plant-diary");
    read_folder(&diary, "", &mut written);
    assert_eq!(
        files.keys().collect::<BTreeSet<_>>(),
        written.keys().collect()
    );
    assert_eq!(files, written);
}

fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // What somebody made who tried it.
        if ["node_modules", "dist", "data"].contains(&&*name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// No container and no process works for the job any more.
async fn nothing_is_left(run: &Run, id: &str) {
    run.containers.end_model(id);
    eventually("the end of all that worked for a job", async || {
        let is_over = run.containers.generators(id).is_empty() && processes_of(id).is_empty();
        is_over.then_some(())
    })
    .await;
}

/// The bodies of events of a kind.
fn bodies(events: &[SentEvent], is_it: fn(&str) -> bool) -> impl Iterator<Item = &Value> {
    let of_kind = events.iter().filter(move |event| is_it(&event.kind));
    of_kind.map(|event| &event.data["body"])
}

/// What the database holds, asked as another program would.
async fn row<Row>(run: &Run, query: &'static str, id: &str) -> Row
where
    Row: for<'row> sqlx::FromRow<'row, sqlx::any::AnyRow> + Send + Unpin,
{
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&run.database.url).await.unwrap();
    let row = sqlx::query_as(query)
        .bind(id.to_owned())
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    row
}
