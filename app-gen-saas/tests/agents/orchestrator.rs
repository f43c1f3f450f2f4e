//! The orchestrator, which others kill and start again while it is used.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::RwLock;

use crate::support::binary::Binary;
use crate::support::client::Client;
use crate::support::eventually;

pub struct Orchestrator {
    variables: Vec<(&'static str, String)>,
    /// There is one but in the moments between an end and the next start.
    binary: RwLock<Option<Binary>>,
}

impl Orchestrator {
    pub async fn start(variables: Vec<(&'static str, String)>) -> Self {
        let binary = Binary::start(&variables).await;
        Self {
            variables,
            binary: RwLock::new(Some(binary)),
        }
    }

    /// Kills it, and starts it again after a while, on the same database and with another port.
    pub async fn kill(&self, pause: Duration) {
        let mut binary = self.binary.write().await;
        binary.take().unwrap().kill().await;
        tokio::time::sleep(pause).await;
        *binary = Some(Binary::start(&self.variables).await);
    }

    /// A client of the process that lives now; it may have ended when the client asks.
    pub async fn client(&self) -> Client {
        self.binary.read().await.as_ref().unwrap().client.clone()
    }

    /// Submits a description; gives the job's id. It is not killed meanwhile: a submission without an answer
    /// is the only request that nobody can repeat.
    pub async fn submit(&self, description: &str, provider: &str) -> String {
        let body = json!({ "description": description, "provider": provider });
        self.submit_as(&body).await
    }

    /// As [`Orchestrator::submit`], with everything that a job can be submitted with.
    pub async fn submit_as(&self, body: &Value) -> String {
        let binary = self.binary.read().await;
        let client = &binary.as_ref().unwrap().client;
        let response = client.post("/api/jobs", body).await;
        let job: Value = response.json().await.unwrap();
        job["id"].as_str().unwrap().to_owned()
    }

    /// The bytes that are answered, from whichever process answers.
    pub async fn get(&self, path: &str) -> Vec<u8> {
        eventually(path, async || {
            let client = self.client().await;
            let request = client.http.get(format!("{}{path}", client.base));
            let response = request.send().await.ok()?;
            assert!(response.status().is_success(), "{path}: {response:?}");
            Some(response.bytes().await.ok()?.to_vec())
        })
        .await
    }

    /// A job as it is shown.
    pub async fn job(&self, id: &str) -> Value {
        serde_json::from_slice(&self.get(&format!("/api/jobs/{id}")).await).unwrap()
    }
}
