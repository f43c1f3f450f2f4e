//! Every route × everybody who may ask. The routes come from the description of the API, so that a new one without a
//! row here fails; the table says what each gets.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::login::in_seconds;
use crate::accounts::{Asker, World};
use crate::support::database::TestDatabase;

/// Who gets what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Everybody this.
    Open(u16),
    /// Who says who they are this, each of their own tenant; a key that reads likewise.
    Own(u16),
    /// The same, but no key that only reads.
    OwnChange(u16),
    /// Members this; for everybody else it does not exist. A key that reads likewise.
    Thing(u16),
    /// The same, but no key that only reads.
    Change(u16),
    /// Who signed in this, but no key.
    Person(u16),
    /// Members who signed in this; for everybody else it does not exist.
    PersonThing(u16),
    /// Operators this, and nobody else.
    Operator(u16),
}

use Rule::{Change, Open, Operator, Own, OwnChange, Person, PersonThing, Thing};

/// What is asked, with a body that changes nothing where there is one, and what is answered. Where the answer for
/// members is 404, it is another 404: one that names what is behind the thing.
/// What removes things comes last.
const TABLE: &[(&str, &str, Rule)] = &[
    ("GET", "/health", Open(200)),
    ("GET", "/api/config", Open(200)),
    ("GET", "/api/session", Own(200)),
    ("POST", "/api/stream-tickets", Thing(201)),
    ("GET", "/api/keys", Person(200)),
    ("POST", "/api/keys", Person(400)),
    ("GET", "/api/tenants", Person(200)),
    ("POST", "/api/tenants", Person(400)),
    ("GET", "/api/tenants/{id}/members", PersonThing(200)),
    (
        "DELETE",
        "/api/tenants/{id}/members/{user}",
        PersonThing(403),
    ),
    ("POST", "/api/tenants/{id}/owner", PersonThing(403)),
    ("GET", "/api/tenants/{id}/invitations", PersonThing(403)),
    ("POST", "/api/tenants/{id}/invitations", PersonThing(403)),
    (
        "DELETE",
        "/api/tenants/{id}/invitations/{invitation}",
        PersonThing(403),
    ),
    ("POST", "/api/invitations", Person(400)),
    ("GET", "/api/fleet/usage", Operator(200)),
    ("GET", "/api/model-keys", Own(200)),
    // The tenant brought no key, and the body sets none; what comes of keys has tests of its own.
    ("GET", "/api/model-keys/{provider}", Own(404)),
    ("PUT", "/api/model-keys/{provider}", OwnChange(400)),
    ("POST", "/api/model-keys/{provider}/test", OwnChange(404)),
    ("DELETE", "/api/model-keys/{provider}", OwnChange(404)),
    ("GET", "/api/fleet/tenants/{id}/limits", Operator(200)),
    ("PUT", "/api/fleet/tenants/{id}/limits", Operator(200)),
    ("GET", "/api/usage", Own(200)),
    ("GET", "/api/jobs", Own(200)),
    ("POST", "/api/jobs", OwnChange(400)),
    ("GET", "/api/jobs/{id}", Thing(200)),
    ("POST", "/api/jobs/{id}/decision", Change(400)),
    ("POST", "/api/jobs/{id}/cancel", Change(200)),
    ("GET", "/api/jobs/{id}/events", Thing(200)),
    // The request does not ask for a WebSocket.
    ("GET", "/api/jobs/{id}/events/ws", Thing(400)),
    ("GET", "/api/jobs/{id}/artifact", Thing(200)),
    ("GET", "/api/jobs/{id}/attachments/{number}", Thing(200)),
    ("GET", "/api/attachments", Own(200)),
    ("POST", "/api/attachments", OwnChange(400)),
    ("GET", "/api/projects", Own(200)),
    ("GET", "/api/projects/{id}", Thing(200)),
    ("PATCH", "/api/projects/{id}", Change(200)),
    ("GET", "/api/projects/{id}/versions", Thing(200)),
    ("GET", "/api/projects/{id}/versions/{number}", Thing(200)),
    (
        "GET",
        "/api/projects/{id}/versions/{number}/files",
        Thing(200),
    ),
    (
        "GET",
        "/api/projects/{id}/versions/{number}/file",
        Thing(400),
    ),
    (
        "GET",
        "/api/projects/{id}/versions/{number}/diff",
        Thing(200),
    ),
    (
        "GET",
        "/api/projects/{id}/versions/{number}/download",
        Thing(200),
    ),
    (
        "POST",
        "/api/projects/{id}/versions/{number}/restore",
        Change(404),
    ),
    (
        "POST",
        "/api/projects/{id}/versions/{number}/deliveries",
        Change(400),
    ),
    ("GET", "/api/projects/{id}/deliveries", Thing(200)),
    (
        "GET",
        "/api/projects/{id}/deliveries/{delivery}",
        Thing(404),
    ),
    ("GET", "/api/templates", Own(200)),
    ("POST", "/api/templates", OwnChange(400)),
    ("GET", "/api/templates/{id}", Thing(200)),
    ("PATCH", "/api/templates/{id}", Change(200)),
    // There are no previews in this test; what there are has tests of its own.
    (
        "POST",
        "/api/projects/{id}/versions/{number}/preview",
        Change(409),
    ),
    (
        "GET",
        "/api/projects/{id}/versions/{number}/preview",
        Thing(409),
    ),
    (
        "DELETE",
        "/api/projects/{id}/versions/{number}/preview",
        Change(409),
    ),
    ("GET", "/api/previews", Own(409)),
    ("DELETE", "/api/keys/{id}", PersonThing(204)),
    ("DELETE", "/api/templates/{id}", Change(204)),
    ("DELETE", "/api/projects/{id}", Change(204)),
    ("DELETE", "/api/tenants/{id}", PersonThing(403)),
];

/// Those who ask, in the order in which they do: whoever may change something comes last.
const ASKERS: [&str; 8] = [
    "nobody",
    "revoked key",
    "expired token",
    "stranger",
    "other tenant's member",
    "operator",
    "reading key",
    "member",
];

/// What one of them gets.
fn expected(rule: Rule, asker: &str) -> u16 {
    match (rule, asker) {
        (Open(status), _) => status,
        (_, "nobody" | "revoked key" | "expired token") => 401,
        (Operator(status), "operator") => status,
        (Operator(_), _) => 403,
        (Person(_) | PersonThing(_) | Change(_) | OwnChange(_), "reading key") => 403,
        (Own(status) | OwnChange(status) | Person(status), _) => status,
        (Thing(status), "member" | "reading key") => status,
        (Change(status) | PersonThing(status), "member") => status,
        (Thing(_) | Change(_) | PersonThing(_), _) => 404,
    }
}

fn operations() -> BTreeSet<(String, String)> {
    let document = serde_json::to_value(app_gen_saas::router::openapi()).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let is_method = [
                "get", "put", "post", "delete", "patch", "head", "options", "trace",
            ]
            .contains(&method.as_str());
            if is_method {
                operations.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    operations
}

#[test]
fn every_route_has_a_row_and_says_who_may_use_it() {
    let row = |(method, path, _): &(&str, &str, Rule)| ((*method).to_owned(), (*path).to_owned());
    let rows: BTreeSet<(String, String)> = TABLE.iter().map(row).collect();
    assert_eq!(rows.len(), TABLE.len(), "a route has two rows");
    assert_eq!(operations(), rows);
    let document = serde_json::to_value(app_gen_saas::router::openapi()).unwrap();
    for (method, path, rule) in TABLE {
        let operation = &document["paths"][*path][method.to_lowercase()];
        let is_open = matches!(rule, Open(_));
        assert_eq!(operation["security"].is_null(), is_open, "{method} {path}");
        assert_eq!(
            operation["responses"]["401"].is_null(),
            is_open,
            "{method} {path}"
        );
        if let Change(_) | OwnChange(_) = rule {
            let scopes = &operation["security"][1]["api_key"];
            assert!(
                ["write", "deliver", "models"]
                    .map(|one| json!([one]))
                    .contains(scopes),
                "{method} {path}: {scopes}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_what_the_table_says() {
    let world = World::start(TestDatabase::sqlite()).await;
    let (_, owner) = world.user("owner@example.com");
    let (member_id, member) = world.user("member@example.com");
    let (_, stranger) = world.user("stranger@example.com");
    let (_, other) = world.user("other@example.com");
    let team = world
        .shared(&owner, &[(&member, "member@example.com")])
        .await;
    let others = world
        .shared(&stranger, &[(&other, "other@example.com")])
        .await;
    let member = member.within(&team);
    let operator = world.login.operator(Uuid::now_v7(), "operator@example.com");
    let mut expired = world.login.claims(member_id, "member@example.com");
    expired["exp"] = json!(in_seconds(-3600));
    let expired = Asker::with(world.signer.token(&expired)).within(&team);
    let (revoked_id, revoked) = world.key(&member, &["read", "write", "deliver"]).await;
    let gone = world
        .delete(&member, &format!("/api/keys/{revoked_id}"))
        .await;
    assert_eq!(gone.0, 204);
    let (_, reading) = world.key(&member, &["read"]).await;
    let (key, _) = world.key(&member, &["read"]).await;
    let things = Things::make(&world, &member, team, key).await;
    let asker = |name: &str| match name {
        "nobody" => Asker::default(),
        "revoked key" => revoked.clone(),
        "expired token" => expired.clone(),
        "stranger" => stranger.clone(),
        "other tenant's member" => other.within(&others),
        "operator" => Asker::with(world.signer.token(&operator)),
        "reading key" => reading.clone(),
        _ => member.clone(),
    };
    let mut wrong = Vec::new();
    for (method, path, rule) in TABLE {
        let at = things.address(path);
        let body = things.body(path);
        for name in ASKERS {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let (status, answer) = world.ask(&asker(name), method.clone(), &at, &body).await;
            let expected = expected(*rule, name);
            if status != expected {
                wrong.push(format!(
                    "{method} {path} by {name}: {status}, not {expected}: {answer}"
                ));
            }
            let text = answer.to_string();
            // Operators see which tenants there are, and nothing of them.
            let is_theirs = matches!(name, "member" | "reading key") || matches!(rule, Operator(_));
            if !is_theirs && things.ids().iter().any(|id| text.contains(id)) {
                wrong.push(format!(
                    "{method} {path} tells {name} of what is not theirs: {text}"
                ));
            }
            // What is somebody else's is what is missed, and nothing behind it.
            if !is_theirs && status == 404 && matches!(rule, Thing(404) | Change(404)) {
                let message = answer["detail"].as_str().unwrap_or_default();
                if message != "project not found" {
                    wrong.push(format!("{method} {path} tells {name}: {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A path that nobody described is none for anybody.
    assert_eq!(world.get(&member, "/api/everything").await.0, 404);
    assert_eq!(world.get(&Asker::default(), "/api/everything").await.0, 404);
}

/// What the team has.
struct Things {
    team: String,
    key: String,
    job: String,
    project: String,
    template: String,
}

impl Things {
    async fn make(world: &World, member: &Asker, team: String, key: String) -> Self {
        let client = &world.orchestrator.client;
        let upload = client
            .http
            .post(format!("{}/api/attachments?name=a.txt", client.base));
        let upload = upload
            .bearer_auth(member.bearer.as_deref().unwrap())
            .header("x-app-gen-tenant", &team)
            .body("text");
        let upload: Value = upload.send().await.unwrap().json().await.unwrap();
        let body = json!({ "description": "diary", "attachments": [upload["id"]] });
        let job = world.job(member, body).await;
        assert_eq!(job["version"], 1, "{job}");
        let template = json!({ "name": "Ours", "project": job["project"], "version": 1 });
        let (status, template) = world.post(member, "/api/templates", template).await;
        assert_eq!(status, 201, "{template}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            team,
            key,
            job: text(&job["id"]),
            project: text(&job["project"]),
            template: text(&template["id"]),
        }
    }

    fn ids(&self) -> [&str; 5] {
        [
            &self.team,
            &self.key,
            &self.job,
            &self.project,
            &self.template,
        ]
    }

    /// The path with ids of the team's things, and of nothing for what is behind some of them.
    fn address(&self, path: &str) -> String {
        let id = match path.split('/').nth(2) {
            Some("jobs") => &self.job,
            Some("projects") => &self.project,
            Some("templates") => &self.template,
            Some("tenants" | "fleet") => &self.team,
            _ => &self.key,
        };
        let nothing = Uuid::now_v7().to_string();
        // A version that there is would be made again.
        let number = if path.ends_with("/restore") {
            "99"
        } else {
            "1"
        };
        path.replace("{id}", id)
            .replace("{number}", number)
            .replace("{provider}", "anthropic")
            .replace("{user}", &nothing)
            .replace("{invitation}", &nothing)
            .replace("{delivery}", &nothing)
    }

    fn body(&self, path: &str) -> Value {
        match path {
            "/api/stream-tickets" => json!({ "job": self.job }),
            "/api/tenants/{id}/owner" => json!({ "user": Uuid::now_v7() }),
            "/api/tenants/{id}/invitations" => json!({ "email": "new@example.com" }),
            _ => json!({}),
        }
    }
}
