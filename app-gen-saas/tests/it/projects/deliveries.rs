//! Deliveries: their states, that they can be repeated, and what is refused.

use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::on_both_databases;
use crate::projects::{MAKES_VERSIONS, ended, get, project, refusal, submit, write_zips};
use crate::support::client::{Client, messages};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::orchestrator::{Options, Orchestrator};

on_both_databases!(
    a_version_is_delivered_and_made_sure_of_again,
    each_target_has_one_delivery_at_a_time,
    another_commit_at_the_target_makes_a_delivery_outdated,
    a_person_decides_before_anything_is_changed,
    what_goes_wrong_is_told_and_a_kill_does_no_harm,
    what_is_no_delivery_is_refused,
);

/// A generator that delivers as the file `mode` beside the store says. What it makes is what
/// [`MAKES_VERSIONS`] makes.
const DELIVERS: &str = r#"
text() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$path"; }
there() { event delivered "{\"url\":\"https://plants.example\",\"commit\":\"$1\"}"; succeeded; exit 0; }
if [ "$(text kind)" = deliver ]; then
  started
  log "token ${GITHUB_BOT_TOKEN:-none}, asked $(text check_url), with $(cat "$folder/start.bundle")"
  case $(cat "$folder/../../../mode") in
    slow) until [ -e "$folder/go" ]; do sleep 0.05; done ;;
    asks)
      if grep -q '"decision":"rejected"' "$path"; then failed 'the delivery was rejected'; exit 1; fi
      if ! grep -q '"decision":"approved"' "$path"; then
        event waiting_approval '{"point":"before_publish","question":"May it be delivered?"}'
        exit 3
      fi ;;
    refused) failed 'there is no token for this target'; exit 1 ;;
    silent) succeeded; exit 0 ;;
    killed) [ "$attempt" != 1 ] || kill -9 $$ ;;
    other) there ffffffffffffffffffffffffffffffffffffffff ;;
    bad) event delivered '{"url":"javascript:alert(1)","commit":null}' ;;
  esac
  there "$(text commit)"
fi
log "token ${GITHUB_BOT_TOKEN:-none}"
"#;

struct World {
    orchestrator: Orchestrator,
}

impl World {
    async fn start(database: TestDatabase) -> Self {
        let generator = format!("{DELIVERS}{MAKES_VERSIONS}");
        let token = r#"{"GITHUB_BOT_TOKEN":"fake-token"}"#;
        let options = Options {
            generator: &generator,
            variables: vec![("DELIVERER_ENVIRONMENT", token.to_owned())],
            ..Options::default()
        };
        let world = Self {
            orchestrator: Orchestrator::with(database, options).await,
        };
        write_zips(world.orchestrator.folder.path());
        world.set_mode("good");
        world
    }

    const fn client(&self) -> &Client {
        &self.orchestrator.client
    }

    fn set_mode(&self, mode: &str) {
        std::fs::write(self.orchestrator.folder.path().join("mode"), mode).unwrap();
    }

    /// What the generator of a slow delivery waits for.
    fn go(&self, delivery: &Value) -> PathBuf {
        let jobs = self.orchestrator.artifacts().join("jobs");
        jobs.join(delivery["job"].as_str().unwrap()).join("go")
    }

    async fn ask(&self, project: &str, version: i64, body: &Value) -> reqwest::Response {
        let path = format!("/api/projects/{project}/versions/{version}/deliveries");
        self.client().post(&path, body).await
    }

    /// A delivery that is accepted.
    async fn deliver(&self, project: &str, version: i64, target: &Value) -> Value {
        let response = self
            .ask(project, version, &json!({ "target": target }))
            .await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let delivery: Value = response.json().await.unwrap();
        let id = delivery["id"].as_str().unwrap();
        assert_eq!(location, format!("/api/projects/{project}/deliveries/{id}"));
        delivery
    }

    async fn shown(&self, delivery: &Value) -> Value {
        let (project, id) = (&delivery["project"], &delivery["id"]);
        let (project, id) = (project.as_str().unwrap(), id.as_str().unwrap());
        get(
            self.client(),
            &format!("/api/projects/{project}/deliveries/{id}"),
        )
        .await
    }

    /// The delivery once its generator is at work.
    async fn running(&self, delivery: &Value) -> Value {
        eventually("a delivery that runs", async || {
            let shown = self.shown(delivery).await;
            (shown["job_state"] == "running").then_some(shown)
        })
        .await
    }

    /// The delivery once its job has ended.
    async fn ended(&self, delivery: &Value) -> Value {
        ended(self.client(), &json!({ "id": delivery["job"] })).await;
        self.shown(delivery).await
    }

    /// A project with two versions.
    async fn project(&self) -> String {
        let id = project(self.client(), "diary").await;
        let change = json!({ "project": id, "description": "add a date" });
        let change = submit(self.client(), &change).await;
        assert_eq!(ended(self.client(), &change).await["version"], 2);
        id
    }
}

fn github(repository: &str) -> Value {
    json!({ "kind": "github", "owner": "Octo", "repository": repository })
}

async fn a_version_is_delivered_and_made_sure_of_again(database: TestDatabase) {
    let world = World::start(database).await;
    let client = world.client();
    let id = project(client, "diary").await;
    let version = get(client, &format!("/api/projects/{id}/versions/1")).await;
    let accepted = world.deliver(&id, 1, &github("plants")).await;
    assert_eq!(
        (&accepted["attempts"], &accepted["commit"], &accepted["url"]),
        (&json!(1), &version["commit"], &Value::Null)
    );
    let expected = json!({
        "kind": "github", "owner": "Octo", "repository": "plants",
        "public": false, "pull_request": false,
    });
    assert_eq!(accepted["target"], expected);
    let delivered = world.ended(&accepted).await;
    assert_eq!(delivered["state"], "delivered", "{delivered}");
    assert_eq!(
        (
            &delivered["url"],
            &delivered["shown_commit"],
            &delivered["error"]
        ),
        (
            &json!("https://plants.example"),
            &version["commit"],
            &Value::Null
        )
    );
    let job_id = delivered["job"].as_str().unwrap();
    let job = client.job(job_id).await;
    assert_eq!(
        (
            &job["kind"],
            &job["state"],
            &job["version"],
            &job["provider"]
        ),
        (
            &json!("deliver"),
            &json!("succeeded"),
            &Value::Null,
            &json!("deliver")
        )
    );
    let events = client.events(job_id, 0).await;
    assert_eq!(
        messages(&events),
        ["token fake-token, asked , with history of diary"],
        "it has the token and the history"
    );
    // What makes versions has no token, and no delivery is one.
    let made = version["job"].as_str().unwrap();
    assert_eq!(messages(&client.events(made, 0).await)[0], "token none");
    let project = get(client, &format!("/api/projects/{id}")).await;
    assert_eq!(project["newest_version"], 1);

    // The same once more, in other letters: it is the same delivery, and its target is made sure of.
    let again = world
        .deliver(
            &id,
            1,
            &json!({ "kind": "github", "owner": "octo", "repository": "Plants" }),
        )
        .await;
    assert_eq!(
        (&again["id"], &again["attempts"]),
        (&delivered["id"], &json!(2))
    );
    assert_ne!(again["job"], delivered["job"]);
    assert_eq!(again["url"], delivered["url"]);
    assert_eq!(world.ended(&again).await["state"], "delivered");

    // A look changes nothing and says what is there.
    let look = json!({ "target": github("plants"), "check_only": true });
    let looked: Value = world.ask(&id, 1, &look).await.json().await.unwrap();
    let looked = world.ended(&looked).await;
    assert_eq!(
        (&looked["state"], &looked["attempts"]),
        (&json!("delivered"), &json!(3))
    );
    let events = client.events(looked["job"].as_str().unwrap(), 0).await;
    let asked = messages(&events)[0];
    assert!(asked.contains("asked https://plants.example,"), "{asked}");
    let list = get(client, &format!("/api/projects/{id}/deliveries?version=1")).await;
    assert_eq!(list["deliveries"], json!([looked]));
    let none = get(client, &format!("/api/projects/{id}/deliveries?version=7")).await;
    assert_eq!(none["deliveries"], json!([]));
}

async fn each_target_has_one_delivery_at_a_time(database: TestDatabase) {
    let world = World::start(database).await;
    let client = world.client();
    let id = world.project().await;
    let other = project(client, "diary").await;
    world.set_mode("slow");
    let slow = world.deliver(&id, 1, &github("plants")).await;
    assert_eq!(world.running(&slow).await["state"], "running");

    let body = json!({ "target": github("plants") });
    let same = world.ask(&id, 1, &body).await;
    assert_eq!(same.status(), StatusCode::OK);
    let same: Value = same.json().await.unwrap();
    assert_eq!(
        (&same["id"], &same["job"], &same["attempts"]),
        (&slow["id"], &slow["job"], &json!(1))
    );
    for (project, version, message) in [
        (&id, 2, "another version is on its way to this target"),
        (&other, 1, "the target is that of another project"),
    ] {
        let (status, text) = refusal(world.ask(project, version, &body).await).await;
        assert_eq!(status, 409);
        assert!(text.starts_with(message), "{text}");
    }
    // Neither another target nor a change waits for it, and the project is at no work.
    let beside = world.deliver(&id, 2, &github("flowers")).await;
    world.running(&beside).await;
    std::fs::write(world.go(&beside), "").unwrap();
    assert_eq!(world.ended(&beside).await["state"], "delivered");
    let project = get(client, &format!("/api/projects/{id}")).await;
    assert_eq!(project["unfinished_job"], Value::Null);
    let change = json!({ "project": id, "description": "add a date" });
    let change = submit(client, &change).await;
    assert_eq!(change["waits_for"], Value::Null);
    assert_eq!(ended(client, &change).await["version"], 3);
    // But it keeps the project from being deleted.
    let url = format!("{}/api/projects/{id}", client.base);
    assert_eq!(client.http.delete(&url).send().await.unwrap().status(), 409);

    client.cancel(slow["job"].as_str().unwrap()).await;
    let cancelled = world.ended(&slow).await;
    assert_eq!(cancelled["state"], "failed");
    assert_eq!(cancelled["error"], "cancelled on request");
    // The target is free again, and still this project's.
    world.set_mode("good");
    let (status, _) = refusal(world.ask(&other, 1, &body).await).await;
    assert_eq!(status, 409);
    let next = world.deliver(&id, 2, &github("plants")).await;
    assert_eq!(world.ended(&next).await["state"], "delivered");
}

async fn another_commit_at_the_target_makes_a_delivery_outdated(database: TestDatabase) {
    let world = World::start(database).await;
    let client = world.client();
    let id = world.project().await;
    let first = world.deliver(&id, 1, &github("plants")).await;
    let elsewhere = world.deliver(&id, 1, &json!({ "kind": "fly" })).await;
    for delivery in [&first, &elsewhere] {
        assert_eq!(world.ended(delivery).await["state"], "delivered");
    }
    assert_eq!(
        elsewhere["target"],
        json!({ "kind": "fly", "organization": "personal" })
    );
    let second = world.deliver(&id, 2, &github("plants")).await;
    assert_eq!(world.ended(&second).await["state"], "delivered");
    assert_eq!(world.shown(&first).await["state"], "outdated");
    assert_eq!(world.shown(&elsewhere).await["state"], "delivered");
    let list = get(client, &format!("/api/projects/{id}/deliveries")).await;
    assert_eq!(list["deliveries"].as_array().unwrap().len(), 3);

    // Somebody else changed what is there.
    world.set_mode("other");
    let look = json!({ "target": github("plants"), "check_only": true });
    let looked: Value = world.ask(&id, 2, &look).await.json().await.unwrap();
    let looked = world.ended(&looked).await;
    assert_eq!(looked["state"], "outdated");
    assert_eq!(looked["shown_commit"], "f".repeat(40));
    assert_eq!(looked["error"], Value::Null);
    // Going back is delivering an earlier version.
    world.set_mode("good");
    let back = world.deliver(&id, 1, &github("plants")).await;
    assert_eq!((&back["id"], &back["attempts"]), (&first["id"], &json!(2)));
    assert_eq!(world.ended(&back).await["state"], "delivered");
}

async fn a_person_decides_before_anything_is_changed(database: TestDatabase) {
    let world = World::start(database).await;
    let client = world.client();
    let id = project(client, "diary").await;
    world.set_mode("asks");
    for (decision, words, state) in [
        ("reject", Some("not yet"), "failed"),
        ("approve", None, "delivered"),
    ] {
        let body = json!({ "target": github("plants"), "approval": true });
        let asked: Value = world.ask(&id, 1, &body).await.json().await.unwrap();
        let job = asked["job"].as_str().unwrap().to_owned();
        let waiting = eventually("a delivery that waits", async || {
            let shown = world.shown(&asked).await;
            (shown["job_state"] == "waiting_approval").then_some(shown)
        })
        .await;
        assert_eq!(waiting["state"], "pending");
        let attempt = client.job(&job).await;
        assert_eq!(attempt["waiting"]["question"], "May it be delivered?");
        assert_eq!(attempt["approvals"], json!(["before_publish"]));
        let body = json!({ "attempt": attempt["attempt"], "decision": decision, "words": words });
        let decided = client
            .post(&format!("/api/jobs/{job}/decision"), &body)
            .await;
        assert_eq!(decided.status(), StatusCode::OK);
        assert_eq!(world.ended(&asked).await["state"], state, "{decision}");
    }
}

async fn what_goes_wrong_is_told_and_a_kill_does_no_harm(database: TestDatabase) {
    let world = World::start(database).await;
    let client = world.client();
    let id = project(client, "diary").await;
    let version = get(client, &format!("/api/projects/{id}/versions/1")).await;
    let commit = version["commit"].as_str().unwrap();
    let other = "f".repeat(40);
    for (mode, error) in [
        ("refused", "there is no token for this target".to_owned()),
        (
            "other",
            format!("the target should show commit {commit} and shows {other}"),
        ),
        (
            "silent",
            format!("the target should show commit {commit} and shows none"),
        ),
        (
            "bad",
            "the generator named \"javascript:alert(1)\", which is no address of a delivery"
                .to_owned(),
        ),
    ] {
        world.set_mode(mode);
        let delivery = world.deliver(&id, 1, &github("plants")).await;
        let failed = world.ended(&delivery).await;
        assert_eq!(failed["state"], "failed", "{mode}");
        let told = failed["error"].as_str().unwrap();
        assert!(told.contains(&error), "{mode}: {told}");
    }
    world.set_mode("killed");
    let delivery = world.deliver(&id, 1, &github("plants")).await;
    let delivered = world.ended(&delivery).await;
    assert_eq!(delivered["state"], "delivered", "{delivered}");
    assert_eq!(delivered["attempts"], 5);
    let job = client.job(delivered["job"].as_str().unwrap()).await;
    assert_eq!(
        (&job["attempt"], &job["attempts"][0]["ending"]),
        (&json!(2), &json!("interrupted")),
        "the next attempt went on"
    );
}

async fn what_is_no_delivery_is_refused(database: TestDatabase) {
    let world = World::start(database).await;
    let client = world.client();
    let id = project(client, "diary").await;
    let nobody = "01990000-0000-7000-8000-000000000000";
    for (project, version, message) in [
        (nobody, 1, "project not found"),
        (&*id, 7, "version not found"),
    ] {
        let response = world
            .ask(project, version, &json!({ "target": github("plants") }))
            .await;
        assert_eq!(refusal(response).await, (404, message.to_owned()));
    }
    for path in [
        format!("/api/projects/{id}/deliveries/{nobody}"),
        format!("/api/projects/{id}/deliveries/x"),
    ] {
        let response = client.get(&path).await;
        assert_eq!(
            refusal(response).await,
            (404, "delivery not found".to_owned())
        );
    }
    for (body, part) in [
        (json!({}), "missing field `target`"),
        (
            json!({ "target": { "kind": "ftp" } }),
            "unknown variant `ftp`",
        ),
        (
            json!({ "target": { "kind": "github", "repository": "a/b" } }),
            "target has repository \"a/b\"",
        ),
        (
            json!({ "target": { "kind": "fly", "app": "Plants" } }),
            "target has app \"Plants\"",
        ),
        (
            json!({ "target": { "kind": "fly" }, "check_only": true, "approval": true }),
            "approval is given with check_only",
        ),
    ] {
        let (status, message) = refusal(world.ask(&id, 1, &body).await).await;
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let look = json!({ "target": github("plants"), "check_only": true });
    let (status, message) = refusal(world.ask(&id, 1, &look).await).await;
    assert_eq!(status, 409);
    assert!(
        message.starts_with("this version was never delivered"),
        "{message}"
    );
    let list = get(client, &format!("/api/projects/{id}/deliveries")).await;
    assert_eq!(list["deliveries"], json!([]), "nothing of this is kept");
}
