//! Files that people attach to jobs: uploaded, given to generators, read again, removed.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::support::binary::{Binary, process_variables};
use crate::support::client::{Client, messages};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::script;
use crate::support::orchestrator::{Options, Orchestrator};

on_both_databases!(
    a_job_gets_what_was_attached,
    what_cannot_be_attached_is_refused,
    uploads_are_bounded,
    nothing_is_kept_for_longer_than_it_is_needed,
);

/// A generator that says what it finds in its folder.
const LOOKS: &str = r#"
started
for number in 1 2 3; do
  [ -e "$folder/attachments/$number" ] && log "$number: $(sha256sum < "$folder/attachments/$number" | cut -c1-64)"
done
log "$(sed -n 's/.*"attachments":\[\(.*\)\],"attempt".*/\1/p' "$path" | sed 's/"//g')"
[ -e "$folder/attachments/1" ] && printf replaced > "$folder/attachments/1"
artifact
succeeded
"#;

/// The beginning of an image; more of it is not looked at.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

async fn upload(client: &Client, name: &str, bytes: &[u8]) -> reqwest::Response {
    let mut url = reqwest::Url::parse(&format!("{}/api/attachments", client.base)).unwrap();
    url.query_pairs_mut().append_pair("name", name);
    let request = client.http.post(url).body(bytes.to_vec());
    request.send().await.unwrap()
}

async fn uploaded(client: &Client, name: &str, bytes: &[u8]) -> Value {
    let response = upload(client, name, bytes).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{name}");
    response.json().await.unwrap()
}

async fn refusal(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let message = body["detail"].as_str().unwrap().to_owned();
    (status, message)
}

async fn a_job_gets_what_was_attached(database: TestDatabase) {
    let orchestrator = Orchestrator::start(database, LOOKS).await;
    let client = &orchestrator.client;
    let notes = uploaded(client, " my notes.md ", "größer".as_bytes()).await;
    let image = uploaded(client, "sketch.png", PNG).await;
    assert_eq!(
        (&notes["name"], &notes["media_type"], &notes["size_bytes"]),
        (&json!("my notes.md"), &json!("text/plain"), &json!(8))
    );
    assert_eq!(image["media_type"], "image/png");

    let body = json!({ "description": "a diary", "attachments": [notes["id"], image["id"]] });
    let response = client.post("/api/jobs", &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let job: Value = response.json().await.unwrap();
    let shown = |number: i64, upload: &Value| {
        json!({
            "number": number, "name": upload["name"], "media_type": upload["media_type"],
            "size_bytes": upload["size_bytes"], "sha256": upload["sha256"],
        })
    };
    assert_eq!(
        job["attachments"],
        json!([shown(1, &notes), shown(2, &image)])
    );
    let id = job["id"].as_str().unwrap();
    let ended = client.ended(id).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let events = client.events(id, 0).await;
    let said = messages(&events);
    assert_eq!(
        said[..2],
        [
            format!("1: {}", notes["sha256"].as_str().unwrap()),
            format!("2: {}", image["sha256"].as_str().unwrap()),
        ]
    );
    assert!(said[2].contains("media_type:image/png"), "{}", said[2]);
    assert_eq!(said.len(), 3);

    let path = format!("/api/jobs/{id}/attachments");
    let response = client.get(&format!("{path}/2")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(
        header("content-disposition"),
        "inline; filename*=UTF-8''sketch%2Epng"
    );
    assert_eq!(response.bytes().await.unwrap(), PNG);
    // The generator wrote another file into its place.
    let (status, message) = refusal(client.get(&format!("{path}/1")).await).await;
    assert_eq!(status, 409);
    assert!(
        message.contains("not the one that was attached"),
        "{message}"
    );
    for number in ["0", "3", "x"] {
        let response = client.get(&format!("{path}/{number}")).await;
        assert_eq!(
            refusal(response).await,
            (404, "attachment not found".to_owned())
        );
    }
    // An upload serves more than one job, and the job before cannot have changed it.
    let body = json!({ "description": "another", "attachments": [notes["id"]] });
    let again: Value = client.post("/api/jobs", &body).await.json().await.unwrap();
    client.ended(again["id"].as_str().unwrap()).await;
    let events = client.events(again["id"].as_str().unwrap(), 0).await;
    assert_eq!(messages(&events)[0], said[0]);
}

async fn what_cannot_be_attached_is_refused(database: TestDatabase) {
    let options = Options {
        without_worker: true,
        variables: vec![
            ("JOB_MAX_ATTACHMENTS", "2".to_owned()),
            ("JOB_MAX_ATTACHMENT_BYTES", "10".to_owned()),
            ("JOB_MAX_ATTACHMENTS_BYTES", "15".to_owned()),
        ],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let limits: Value = client.get("/api/attachments").await.json().await.unwrap();
    assert_eq!(
        limits,
        json!({
            "count": 2, "bytes": 10, "job_bytes": 15,
            "media_types": ["text/plain", "image/png", "image/jpeg", "image/webp", "image/gif"],
        })
    );
    for (name, bytes, status) in [
        ("a.txt", &b"01234567890"[..], 413),
        ("a.txt", b"", 400),
        ("a.bin", b"a\0b", 415),
        ("a/b.txt", b"x", 400),
        (" ", b"x", 400),
        ("a\nb", b"x", 400),
    ] {
        let response = upload(client, name, bytes).await;
        assert_eq!(response.status().as_u16(), status, "{name}");
    }
    let url = format!("{}/api/attachments?name=a.png", client.base);
    let request = client.http.post(url).header("content-type", "image/png");
    let (status, message) = refusal(request.body("text").send().await.unwrap()).await;
    assert_eq!(status, 415);
    assert_eq!(message, "the file is not what its content type says");

    let ten = uploaded(client, "ten.txt", b"0123456789").await["id"].clone();
    let one = uploaded(client, "one.txt", b"1").await["id"].clone();
    let nobody = json!("01990000-0000-7000-8000-000000000000");
    for (attachments, status, message) in [
        (json!([nobody]), 404, "attachment not found"),
        (
            json!([one, one, one]),
            400,
            "attachments has 3 files; a job takes 2 at most",
        ),
        (
            json!([ten, ten]),
            400,
            "attachments has 20 bytes together; a job takes 15 at most",
        ),
    ] {
        let body = json!({ "description": "x", "attachments": attachments });
        let response = client.post("/api/jobs", &body).await;
        assert_eq!(refusal(response).await, (status, message.to_owned()));
    }
    let jobs: Value = client.get("/api/jobs").await.json().await.unwrap();
    assert_eq!(jobs["jobs"], json!([]));
}

async fn uploads_are_bounded(database: TestDatabase) {
    let options = Options {
        without_worker: true,
        variables: vec![
            ("UPLOADS_MAX_BYTES", "15".to_owned()),
            ("JOB_QUEUE_LIMIT", "1".to_owned()),
        ],
        ..Options::default()
    };
    let orchestrator = Orchestrator::with(database, options).await;
    let client = &orchestrator.client;
    let first = uploaded(client, "a.txt", b"0123456789").await;
    let response = upload(client, "b.txt", b"0123456789").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    uploaded(client, "c.txt", b"01234").await;
    // What was copied for a job that is not accepted goes again.
    client.submit("fills the queue").await;
    let body = json!({ "description": "x", "attachments": [first["id"]] });
    let response = client.post("/api/jobs", &body).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let jobs = orchestrator.artifacts().join("jobs");
    let left = std::fs::read_dir(jobs).into_iter().flatten().flatten();
    let left = left.filter(|job| job.path().join("attachments/1").exists());
    assert_eq!(left.count(), 0);
}

async fn nothing_is_kept_for_longer_than_it_is_needed(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let generator = script(folder.path(), LOOKS);
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    let upload = uploaded(client, "a.txt", b"text").await;
    let upload_id = upload["id"].as_str().unwrap();
    let body = json!({ "description": "x", "attachments": [upload_id] });
    let job: Value = client.post("/api/jobs", &body).await.json().await.unwrap();
    client.ended(job["id"].as_str().unwrap()).await;
    let artifacts = folder.path().join("artifacts");
    let stored = artifacts.join("attachments").join(upload_id);
    let of_job = artifacts
        .join("jobs")
        .join(job["id"].as_str().unwrap())
        .join("attachments/1");
    assert!(stored.exists() && of_job.exists());
    binary.kill().await;
    let statement = "UPDATE uploads SET created_at = created_at - 90000000";
    database.execute(statement).await;
    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    eventually("the removal of an old upload", async || {
        (!stored.exists()).then_some(())
    })
    .await;
    assert!(of_job.exists(), "a job has a copy of its own");
    let refused = eventually("the upload to be forgotten", async || {
        let response = client.post("/api/jobs", &body).await;
        (response.status() == StatusCode::NOT_FOUND).then_some(response)
    });
    assert_eq!(refusal(refused.await).await.1, "attachment not found");

    let project = job["project"].as_str().unwrap();
    let url = format!("{}/api/projects/{project}", client.base);
    eventually("the end of all jobs of the project", async || {
        let response = client.http.delete(&url).send().await.unwrap();
        (response.status() == StatusCode::NO_CONTENT).then_some(())
    })
    .await;
    eventually("the removal of the project", async || {
        tokio::time::sleep(Duration::from_millis(50)).await;
        (!of_job.exists()).then_some(())
    })
    .await;
    binary.kill().await;
}
