//! Templates: what they are made of, what begins with them, and what is left of them.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::projects::{
    MAKES_VERSIONS, beginning, delete, ended, get, project, refusal, start, submit, write_zips,
};
use crate::support::binary::{Binary, process_variables};
use crate::support::client::Client;
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::generator::script;

on_both_databases!(
    a_template_outlives_its_project,
    a_template_takes_another_version_and_goes,
    a_history_that_no_template_has_is_removed,
    templates_are_listed_and_found,
    what_is_no_template_is_refused,
);

async fn make(client: &Client, name: &str, project: &str, version: i64) -> Value {
    let body = json!({ "name": name, "project": project, "version": version });
    let response = client.post("/api/templates", &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    response.json().await.unwrap()
}

async fn change(client: &Client, id: &str, body: &Value) -> reqwest::Response {
    let url = format!("{}/api/templates/{id}", client.base);
    client.http.patch(url).json(body).send().await.unwrap()
}

async fn remove(client: &Client, id: &str) -> reqwest::Response {
    let url = format!("{}/api/templates/{id}", client.base);
    client.http.delete(url).send().await.unwrap()
}

async fn a_template_outlives_its_project(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    write_zips(folder.path());
    let generator = script(folder.path(), MAKES_VERSIONS);
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    let source = project(client, "diary").await;
    let version = get(client, &format!("/api/projects/{source}/versions/1")).await;
    let template = make(client, " Diary ", &source, 1).await;
    let id = template["id"].as_str().unwrap();
    assert_eq!(
        template,
        json!({
            "id": id, "name": "Diary", "description": "", "built_in": false, "project": source,
            "version": 1, "created_at": template["created_at"],
            "updated_at": template["created_at"],
        })
    );
    assert_eq!(
        delete(client, &source).await.status(),
        StatusCode::NO_CONTENT
    );
    let objects = folder.path().join("artifacts/projects").join(&source);
    eventually("the removal of the project's files", async || {
        let folders = std::fs::read_dir(&objects).into_iter().flatten().flatten();
        let mut bundles = folders.map(|folder| folder.path().join("app.bundle"));
        (!bundles.any(|bundle| bundle.exists())).then_some(())
    })
    .await;

    let body = json!({ "template": id, "description": "add a date" });
    let job = submit(client, &body).await;
    assert_eq!(job["template"], json!({ "id": id, "name": "Diary" }));
    let done = ended(client, &job).await;
    assert_eq!(
        (&done["state"], &done["kind"], &done["version"]),
        (&json!("succeeded"), &json!("create"), &json!(1)),
        "{done}"
    );
    assert_ne!(done["project"], json!(source));
    assert_eq!(
        beginning(client, &job).await,
        format!(
            "create from {} with history of diary",
            version["commit"].as_str().unwrap()
        )
    );
    binary.kill().await;
}

async fn a_template_takes_another_version_and_goes(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    write_zips(folder.path());
    let generator = script(folder.path(), MAKES_VERSIONS);
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let client = &binary.client;
    let source = project(client, "diary").await;
    let body = json!({ "project": source, "description": "add a date" });
    ended(client, &submit(client, &body).await).await;
    let template = make(client, "Diary", &source, 1).await;
    let id = template["id"].as_str().unwrap();
    let folders = || {
        let objects = folder.path().join("artifacts/templates").join(id);
        let folders = std::fs::read_dir(objects).into_iter().flatten().flatten();
        let bundles = folders.map(|folder| folder.path().join("app.bundle"));
        bundles.filter(|bundle| bundle.exists()).count()
    };
    assert_eq!(folders(), 1);
    let body = json!({ "description": " With dates. ", "project": source, "version": 2 });
    let changed: Value = change(client, id, &body).await.json().await.unwrap();
    assert_eq!(
        (
            &changed["name"],
            &changed["description"],
            &changed["version"]
        ),
        (&json!("Diary"), &json!("With dates."), &json!(2))
    );
    assert_eq!(folders(), 1, "the history before is gone");
    let body = json!({ "template": id, "description": "diary" });
    let job = submit(client, &body).await;
    ended(client, &job).await;
    let said = beginning(client, &job).await;
    assert!(said.ends_with(" with history of add a date"), "{said}");

    assert_eq!(remove(client, id).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(remove(client, id).await.status(), StatusCode::NOT_FOUND);
    eventually("the removal of the template's files", async || {
        (folders() == 0).then_some(())
    })
    .await;
    let response = client.post("/api/jobs", &body).await;
    assert_eq!(
        refusal(response).await,
        (404, "template not found".to_owned())
    );
    // What began with it stays as it is.
    let shown = client.job(job["id"].as_str().unwrap()).await;
    assert_eq!(shown["template"]["name"], "Diary");
    binary.kill().await;
}

/// An orchestrator that dies while it makes a template leaves a folder.
async fn a_history_that_no_template_has_is_removed(database: TestDatabase) {
    let folder = tempfile::tempdir().unwrap();
    write_zips(folder.path());
    let generator = script(folder.path(), MAKES_VERSIONS);
    let variables = process_variables(folder.path(), &database.url, &generator);
    let binary = Binary::start(&variables).await;
    let source = project(&binary.client, "diary").await;
    let template = make(&binary.client, "Diary", &source, 1).await;
    binary.kill().await;
    let bundle = |folder_name: &str| {
        let id = template["id"].as_str().unwrap();
        let objects = folder.path().join("artifacts/templates").join(id);
        objects.join(folder_name).join("app.bundle")
    };
    std::fs::create_dir_all(bundle("left").parent().unwrap()).unwrap();
    std::fs::write(bundle("left"), "history").unwrap();
    let id = template["id"].as_str().unwrap();
    let left = format!("INSERT INTO template_folders VALUES ('left', '{id}', 0)");
    database.execute(&left).await;
    let binary = Binary::start(&variables).await;
    eventually("the removal of what was left", async || {
        (!bundle("left").exists()).then_some(())
    })
    .await;
    let body = json!({ "template": id, "description": "diary" });
    let job = submit(&binary.client, &body).await;
    let done = ended(&binary.client, &job).await;
    assert_eq!(
        done["state"], "succeeded",
        "the template has its own: {done}"
    );
    binary.kill().await;
}

async fn templates_are_listed_and_found(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let source = project(client, "diary").await;
    let mut ids = Vec::new();
    for name in ["Ärger 50%", "Plants"] {
        let template = make(client, name, &source, 1).await;
        ids.push(template["id"].as_str().unwrap().to_owned());
    }
    change(
        client,
        &ids[1],
        &json!({ "description": "a board of ferns" }),
    )
    .await;
    let names = async |query: &str| -> Vec<String> {
        let list = get(client, &format!("/api/templates{query}")).await;
        let templates = list["templates"].as_array().unwrap().iter();
        templates
            .map(|template| template["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let built_in = [
        "List",
        "Board",
        "Booking calendar",
        "Poll",
        "Inventory",
        "Notebook",
    ];
    let all: Vec<&str> = built_in
        .into_iter()
        .chain(["Plants", "Ärger 50%"])
        .collect();
    assert_eq!(names("").await, all);
    assert_eq!(names("?search=BOARD").await[0], "Board");
    assert!(names("?search=BOARD").await.contains(&"Plants".to_owned()));
    assert_eq!(names("?search=%C3%A4rger").await, ["Ärger 50%"]);
    assert_eq!(names("?limit=1").await.len(), 7);
    assert_eq!(
        names(&format!("?limit=1&before={}", ids[1])).await,
        ["Ärger 50%"]
    );
    let board = get(client, "/api/templates/board").await;
    assert_eq!(
        (&board["id"], &board["built_in"], &board["project"]),
        (&json!("board"), &json!(true), &Value::Null)
    );
    let own = get(client, &format!("/api/templates/{}", ids[1])).await;
    assert_eq!(own["description"], "a board of ferns");

    // A built-in one is the generator's: its name is all that it is given.
    let body = json!({ "template": "board", "description": "diary" });
    let job = submit(client, &body).await;
    ended(client, &job).await;
    assert_eq!(job["template"], json!({ "id": "board", "name": "Board" }));
    let id = job["id"].as_str().unwrap();
    let spec = orchestrator.artifacts().join("jobs").join(id);
    let spec = std::fs::read_to_string(spec.join("spec.json")).unwrap();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    assert_eq!(
        (&spec["template"], &spec["kind"], &spec["start_from"]),
        (&json!("board"), &json!("create"), &Value::Null)
    );
}

async fn what_is_no_template_is_refused(database: TestDatabase) {
    let orchestrator = start(database).await;
    let client = &orchestrator.client;
    let source = project(client, "diary").await;
    let nobody = "01990000-0000-7000-8000-000000000000";
    for (body, status, message) in [
        (
            json!({ "name": "x", "project": nobody, "version": 1 }),
            404,
            "project not found",
        ),
        (
            json!({ "name": "x", "project": source, "version": 2 }),
            404,
            "version not found",
        ),
        (
            json!({ "name": " ", "project": source, "version": 1 }),
            400,
            "name has 0 characters; it takes 1 to 80",
        ),
        (
            json!({ "name": "x", "description": "x".repeat(1001), "project": source, "version": 1 }),
            400,
            "description has 1001 characters; it takes up to 1000",
        ),
    ] {
        let response = client.post("/api/templates", &body).await;
        assert_eq!(refusal(response).await, (status, message.to_owned()));
    }
    for response in [
        change(client, "board", &json!({ "name": "x" })).await,
        remove(client, "board").await,
    ] {
        let (status, message) = refusal(response).await;
        assert_eq!(status, 409);
        assert!(message.starts_with("the template comes with"), "{message}");
    }
    let template = make(client, "x", &source, 1).await;
    let id = template["id"].as_str().unwrap();
    let (status, message) = refusal(change(client, id, &json!({ "version": 1 })).await).await;
    assert_eq!(status, 400);
    assert_eq!(
        message,
        "project and version are given together, or neither"
    );
    for id in [nobody, "no-template"] {
        let response = client.get(&format!("/api/templates/{id}")).await;
        assert_eq!(
            refusal(response).await,
            (404, "template not found".to_owned())
        );
        let body = json!({ "template": id, "description": "x" });
        let response = client.post("/api/jobs", &body).await;
        assert_eq!(
            refusal(response).await,
            (404, "template not found".to_owned())
        );
    }
    let body = json!({ "template": id, "project": source, "description": "x" });
    let (status, _) = refusal(client.post("/api/jobs", &body).await).await;
    assert_eq!(status, 400);
    let response = client.get("/api/templates?before=board").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}
