//! What is refused, and how projects are found.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::projects::{ended, get, patch, project, refusal, start, submit, zip};
use crate::support::database::TestDatabase;

on_both_databases!(
    what_cannot_be_done_is_refused,
    a_result_that_was_replaced_is_no_version,
    projects_are_listed_and_found,
);

async fn what_cannot_be_done_is_refused(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let job = submit(client, &json!({ "description": "broken" })).await;
    let id = job["project"].as_str().unwrap();
    assert_eq!(ended(client, &job).await["version"], Value::Null);
    let change = submit(
        client,
        &json!({ "project": id, "description": "add a date" }),
    )
    .await;
    let change = ended(client, &change).await;
    assert_eq!(
        (&change["state"], &change["reason"]),
        (
            &json!("failed"),
            &json!("the project has no version that could be changed")
        )
    );

    let nobody = "01990000-0000-7000-8000-000000000000";
    for (body, status, message) in [
        (
            json!({ "project": nobody, "description": "x" }),
            404,
            "project not found",
        ),
        (
            json!({ "project": id, "start_version": 7, "description": "x" }),
            404,
            "version not found",
        ),
        (
            json!({ "start_version": 1, "description": "x" }),
            400,
            "start_version is given without a project",
        ),
    ] {
        let response = client.post("/api/jobs", &body).await;
        assert_eq!(refusal(response).await, (status, message.to_owned()));
    }
    for (path, message) in [
        (format!("/api/projects/{nobody}"), "project not found"),
        ("/api/projects/x".to_owned(), "project not found"),
        (
            format!("/api/projects/{id}/versions/1"),
            "version not found",
        ),
        (
            format!("/api/projects/{id}/versions/x"),
            "version not found",
        ),
        (
            format!("/api/projects/{nobody}/versions"),
            "project not found",
        ),
    ] {
        assert_eq!(
            refusal(client.get(&path).await).await,
            (404, message.to_owned())
        );
    }

    let id = project(client, "diary").await;
    let path = format!("/api/projects/{id}/versions/1");
    let response = client.get(&format!("{path}/file?path=../app.json")).await;
    assert_eq!(refusal(response).await, (404, "file not found".to_owned()));
    let response = client.get(&format!("{path}/diff?from=9")).await;
    assert_eq!(
        refusal(response).await,
        (404, "version not found".to_owned())
    );
    assert_eq!(
        patch(client, &id, &json!({ "archived": true }))
            .await
            .status(),
        StatusCode::OK
    );
    let change = json!({ "project": id, "description": "x" });
    for response in [
        client.post("/api/jobs", &change).await,
        client.post(&format!("{path}/restore"), &json!({})).await,
    ] {
        let (status, message) = refusal(response).await;
        assert_eq!(status, 409);
        assert!(
            message.starts_with("the project was put aside"),
            "{message}"
        );
    }
    for name in ["", " \n ", "a\u{7}b"] {
        assert_eq!(
            patch(client, &id, &json!({ "name": name })).await.status(),
            400
        );
    }
    assert_eq!(
        patch(client, nobody, &json!({ "name": "x" }))
            .await
            .status(),
        404
    );

    // What was stored is compared with what was made, whenever it is looked into.
    let stored = orchestrator.artifacts().join("projects").join(&id);
    let folder = std::fs::read_dir(stored).unwrap().next().unwrap().unwrap();
    std::fs::write(folder.path().join("app.zip"), zip(&[("evil", "")])).unwrap();
    for part in ["files", "diff", "download"] {
        let (status, message) = refusal(client.get(&format!("{path}/{part}")).await).await;
        assert_eq!(status, 409, "{part}");
        assert!(message.contains("not those that the job made"), "{message}");
    }
}

async fn a_result_that_was_replaced_is_no_version(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let job = submit(client, &json!({ "description": "replaced" })).await;
    let job = ended(client, &job).await;
    assert_eq!(
        (&job["state"], &job["version"]),
        (&json!("failed"), &Value::Null)
    );
    assert_eq!(
        job["reason"],
        "the stored file is not the one that the generator named"
    );
    let id = job["project"].as_str().unwrap();
    assert_eq!(
        get(client, &format!("/api/projects/{id}")).await["newest_version"],
        0
    );
}

async fn projects_are_listed_and_found(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let mut ids = Vec::new();
    for name in ["Ärger 50%", "plants", "Plant Diary"] {
        let id = project(client, "diary").await;
        let renamed = patch(client, &id, &json!({ "name": format!(" {name} ") })).await;
        let renamed: Value = renamed.json().await.unwrap();
        assert_eq!(renamed["name"], name);
        assert!(
            renamed["slug"].as_str().unwrap().starts_with("diary-"),
            "{renamed}"
        );
        ids.push(id);
    }
    let names = async |query: &str| -> Vec<String> {
        let list = get(client, &format!("/api/projects{query}")).await;
        let projects = list["projects"].as_array().unwrap().iter();
        projects
            .map(|project| project["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("").await, ["Plant Diary", "plants", "Ärger 50%"]);
    assert_eq!(names("?search=PLANT").await, ["Plant Diary", "plants"]);
    assert_eq!(names("?search=%C3%A4rger").await, ["Ärger 50%"]);
    assert_eq!(names("?search=0%25").await, ["Ärger 50%"]);
    assert!(
        names("?search=a%25").await.is_empty(),
        "nothing in it is a pattern"
    );
    assert_eq!(names("?limit=1").await, ["Plant Diary"]);
    assert_eq!(
        names(&format!("?limit=1&before={}", ids[2])).await,
        ["plants"]
    );
    patch(client, &ids[1], &json!({ "archived": true })).await;
    assert_eq!(names("").await, ["Plant Diary", "Ärger 50%"]);
    assert_eq!(names("?archived=true").await, ["plants"]);
    patch(client, &ids[1], &json!({ "archived": false })).await;
    assert_eq!(names("").await.len(), 3);
    for query in [
        "?limit=0",
        "?before=x",
        &format!("?search={}", "x".repeat(101)),
    ] {
        let response = client.get(&format!("/api/projects{query}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}
