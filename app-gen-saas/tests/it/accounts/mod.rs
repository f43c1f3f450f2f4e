//! Accounts: who is let in, what they get at, and what is left of them.

mod keys;
pub mod login;
mod matrix;
mod removal;
mod tenants;
mod tokens;

use std::time::Duration;

use app_gen_saas::config::{AccountsConfig, Config};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::login::{Login, Signer};
use crate::projects::{MAKES_VERSIONS, write_zips};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::orchestrator::{Options, Orchestrator};

/// How soon the login is asked again here.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// An orchestrator that knows its users, and their login.
pub struct World {
    pub orchestrator: Orchestrator,
    login: Login,
    signer: Signer,
}

/// Somebody who asks.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// A token or a key.
    pub bearer: Option<String>,
    /// The tenant that they choose.
    tenant: Option<String>,
}

fn quick(config: &mut Config) {
    if let AccountsConfig::Supabase(config) = &mut config.accounts {
        config.ask_again = ASK_AGAIN;
    }
    // They have tests of their own.
    config.previews = None;
}

fn variables(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AUTH_MODE", "supabase".to_owned()),
        ("SUPABASE_URL", url.to_owned()),
        ("SUPABASE_ANON_KEY", "sb_publishable_test".to_owned()),
    ]
}

impl World {
    pub async fn start(database: TestDatabase) -> Self {
        Self::with(database, &[]).await
    }

    /// With more variables.
    pub async fn with(database: TestDatabase, more: &[(&'static str, &str)]) -> Self {
        let signer = Signer::es256("first");
        let login = Login::start(&[&signer]).await;
        let orchestrator = Orchestrator::with(
            database,
            Options {
                generator: MAKES_VERSIONS,
                variables: variables(&login.url)
                    .into_iter()
                    .chain(
                        more.iter()
                            .map(|(name, value)| (*name, (*value).to_owned())),
                    )
                    .collect(),
                change: Some(quick),
                ..Options::default()
            },
        )
        .await;
        write_zips(orchestrator.folder.path());
        Self {
            orchestrator,
            login,
            signer,
        }
    }

    /// Somebody who signs in for the first time.
    pub fn user(&self, email: &str) -> (Uuid, Asker) {
        let user = Uuid::now_v7();
        let token = self.signer.token(&self.login.claims(user, email));
        (user, Asker::with(token))
    }

    /// Somebody who sees the fleet.
    pub fn operator(&self, email: &str) -> Asker {
        let claims = self.login.operator(Uuid::now_v7(), email);
        Asker::with(self.signer.token(&claims))
    }

    pub async fn ask(
        &self,
        asker: &Asker,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let url = format!("{}{path}", self.orchestrator.client.base);
        let mut request = self.orchestrator.client.http.request(method.clone(), url);
        if let Some(bearer) = &asker.bearer {
            request = request.bearer_auth(bearer);
        }
        if let Some(tenant) = &asker.tenant {
            request = request.header("x-app-gen-tenant", tenant);
        }
        if [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub async fn get(&self, asker: &Asker, path: &str) -> (u16, Value) {
        self.ask(asker, Method::GET, path, &Value::Null).await
    }

    pub async fn post(&self, asker: &Asker, path: &str, body: Value) -> (u16, Value) {
        self.ask(asker, Method::POST, path, &body).await
    }

    pub async fn delete(&self, asker: &Asker, path: &str) -> (u16, Value) {
        self.ask(asker, Method::DELETE, path, &Value::Null).await
    }

    /// Makes a project with a version: the job that made it.
    pub async fn job(&self, asker: &Asker, body: Value) -> Value {
        let (status, job) = self.post(asker, "/api/jobs", body).await;
        assert_eq!(status, 201, "{job}");
        self.ended(asker, job["id"].as_str().unwrap()).await
    }

    pub async fn ended(&self, asker: &Asker, id: &str) -> Value {
        eventually(&format!("the end of job {id}"), async || {
            let (status, job) = self.get(asker, &format!("/api/jobs/{id}")).await;
            assert_eq!(status, 200, "{job}");
            job["finished_at"].is_string().then_some(job)
        })
        .await
    }

    /// A shared tenant of the first of these, with the others as members.
    pub async fn shared(&self, owner: &Asker, members: &[(&Asker, &str)]) -> String {
        let (status, tenant) = self
            .post(owner, "/api/tenants", json!({ "name": "Team" }))
            .await;
        assert_eq!(status, 201, "{tenant}");
        let id = tenant["id"].as_str().unwrap().to_owned();
        for (member, email) in members {
            let path = format!("/api/tenants/{id}/invitations");
            let (status, invitation) = self.post(owner, &path, json!({ "email": email })).await;
            assert_eq!(status, 201, "{invitation}");
            let token = json!({ "token": invitation["token"] });
            let (status, joined) = self.post(member, "/api/invitations", token).await;
            assert_eq!((status, &joined["id"]), (200, &json!(id)), "{joined}");
        }
        id
    }

    /// A new key of a tenant.
    pub async fn key(&self, asker: &Asker, scopes: &[&str]) -> (String, Asker) {
        let body = json!({ "name": "CI", "scopes": scopes });
        let (status, key) = self.post(asker, "/api/keys", body).await;
        assert_eq!(status, 201, "{key}");
        let id = key["details"]["id"].as_str().unwrap().to_owned();
        (id, Asker::with(key["key"].as_str().unwrap().to_owned()))
    }
}

impl Asker {
    pub fn with(bearer: String) -> Self {
        Self {
            bearer: Some(bearer),
            tenant: None,
        }
    }

    pub fn within(&self, tenant: &str) -> Self {
        Self {
            tenant: Some(tenant.to_owned()),
            ..self.clone()
        }
    }
}
