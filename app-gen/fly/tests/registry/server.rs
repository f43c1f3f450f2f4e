//! One server that is all that a delivery talks to: the Machines API, the registry, and the internet. It counts
//! what is asked, and holds whoever asks before or after a request, so that a test can end it there.

use crate::fly::{Asked, Fly};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Value, json};
use std::future::pending;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{Notify, RwLock};

/// Tests push the same manifest into one repository, and the registry writes in place what leads to it: who reads
/// meanwhile is answered with 500.
static MANIFESTS: RwLock<()> = RwLock::const_new(());

/// Larger than what is sent here: the layers of the base are mounted.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// When somebody is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The request never arrives.
    Before,
    /// The request is done, and nobody hears of it.
    After,
}

/// A server with what it knows.
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) fly: Mutex<Fly>,
    /// How many requests there were, and which one is held when.
    gate: Mutex<(usize, Option<(usize, Moment)>)>,
    /// Whoever asks is held.
    pub(crate) held: Notify,
    /// `host:port` of the real registry.
    registry: String,
    client: reqwest::Client,
}

impl Server {
    pub(crate) async fn start(registry: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Arc::new(Self {
            client: app_gen_oci_image::http_client("", &host).unwrap(),
            host,
            fly: Mutex::default(),
            gate: Mutex::default(),
            held: Notify::new(),
            registry: registry.to_owned(),
        });
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    /// Holds whoever makes this request from now on, counted from 0; nobody with none. Says how many requests there
    /// were before.
    pub(crate) fn hold(&self, at: Option<(usize, Moment)>) -> usize {
        std::mem::replace(&mut *self.gate.lock().unwrap(), (0, at)).0
    }

    /// Whether this request is the one to be held.
    fn moment(&self) -> Option<Moment> {
        let mut gate = self.gate.lock().unwrap();
        let number = gate.0;
        gate.0 += 1;
        gate.1.filter(|(at, _)| *at == number).map(|(_, when)| when)
    }

    /// Holds whoever asks for as long as that one is there.
    async fn wait_for_the_end(&self) {
        self.held.notify_one();
        pending::<()>().await;
    }

    async fn route(&self, parts: Parts, body: Vec<u8>) -> Response {
        let path = parts.uri.path().to_owned();
        if let Some(path) = path.strip_prefix("/v1/") {
            let asked = Asked {
                method: &parts.method,
                path,
                query: parts.uri.query().unwrap_or_default(),
                headers: &parts.headers,
                body: match body.is_empty() {
                    true => Value::Null,
                    false => serde_json::from_slice(&body).unwrap(),
                },
            };
            let answered = self.fly.lock().unwrap().answer(&asked);
            let mut response = Response::builder().status(answered.status);
            if let Some(seconds) = answered.retry_after {
                response = response.header("retry-after", seconds);
            }
            let body = match answered.body {
                Value::Null => String::new(),
                body => body.to_string(),
            };
            return response.body(Body::from(body)).unwrap();
        }
        if path.starts_with("/v2/") {
            if let Some((status, body)) = self.fly.lock().unwrap().registry_fault(&parts.method) {
                let body = Body::from(body.to_string());
                return Response::builder().status(status).body(body).unwrap();
            }
            return self.registry(&parts, body).await;
        }
        match self.site(&path).await {
            Some(version) => Response::new(Body::from(version.to_string())),
            None => Response::builder().status(502).body(Body::empty()).unwrap(),
        }
    }

    /// What an application of a machine answers, as its image says, if anybody can reach it.
    async fn site(&self, path: &str) -> Option<Value> {
        let app = path.strip_prefix("/site/")?.strip_suffix("/version.json")?;
        let image = {
            let fly = self.fly.lock().unwrap();
            let app = fly.apps.get(app)?;
            let machines: Vec<_> = app.machines.values().collect();
            let [machine] = &machines[..] else {
                return None;
            };
            let is_there = app.addresses.iter().any(|ip| ip.contains('.'))
                && machine.state == "started"
                && !fly.sick.contains(&machine.commit());
            is_there.then(|| machine.image())?
        };
        let labels = self.labels(&image).await;
        Some(json!({ "commit": labels["org.opencontainers.image.revision"] }))
    }

    /// The labels of an image, as the real registry has it.
    pub(crate) async fn labels(&self, image: &str) -> Value {
        let (name, digest) = image.split_once('@').unwrap();
        let (_, name) = name.split_once('/').unwrap();
        let manifest = self.document(&format!("{name}/manifests/{digest}")).await;
        let configuration = manifest["config"]["digest"].as_str().unwrap();
        let configuration = format!("{name}/blobs/{configuration}");
        self.document(&configuration).await["config"]["Labels"].take()
    }

    async fn document(&self, path: &str) -> Value {
        let _nobody_writes = MANIFESTS.read().await;
        let url = format!("http://{}/v2/{path}", self.registry);
        let accept = "application/vnd.oci.image.manifest.v1+json";
        let answer = self.client.get(url).header("accept", accept).send().await;
        let answer = answer.unwrap().error_for_status().unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Passes a request on to the real registry.
    async fn registry(&self, parts: &Parts, body: Vec<u8>) -> Response {
        let is_manifest = parts.uri.path().contains("/manifests/");
        let (_nobody_reads, _nobody_writes) = match (is_manifest, &parts.method) {
            (true, &Method::PUT) => (Some(MANIFESTS.write().await), None),
            (true, _) => (None, Some(MANIFESTS.read().await)),
            (false, _) => (None, None),
        };
        let url = format!("http://{}{}", self.registry, parts.uri);
        let mut request = self.client.request(parts.method.clone(), url);
        for name in ["accept", "content-type"] {
            if let Some(value) = parts.headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = request.body(body).send().await.unwrap();
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            let value = value.to_str().unwrap();
            match name.as_str() {
                "content-length" | "transfer-encoding" | "connection" => {}
                // Its places to upload to are here.
                "location" => {
                    let value = value.replace(&self.registry, &self.host);
                    response = response.header(name, value);
                }
                _ => response = response.header(name, value),
            }
        }
        let body = answer.bytes().await.unwrap();
        response.body(Body::from(body)).unwrap()
    }
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let moment = server.moment();
    if moment == Some(Moment::Before) {
        server.wait_for_the_end().await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LIMIT_BYTES).await.unwrap_or_default();
    let response = server.route(parts, body.to_vec()).await;
    if moment == Some(Moment::After) {
        server.wait_for_the_end().await;
    }
    response
}
