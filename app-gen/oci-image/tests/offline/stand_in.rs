//! A registry that can be told to fail. What it accepts, it checks: digests, and that a manifest names only what
//! is there.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Larger than anything that these tests send.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;

pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What a request whose method and path contain the text gets instead of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) on: &'static str,
    pub(crate) times: usize,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

#[derive(Default)]
pub(crate) struct Held {
    /// By repository and digest.
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and by tag or digest, with their type.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// Method and path of all requests, with the header that opened the registry.
    pub(crate) requests: Vec<(String, String)>,
    pub(crate) faults: Vec<Fault>,
    /// Blobs that are sent with other bytes.
    pub(crate) spoiled: Vec<String>,
    /// The header that opens the registry, and where to get it.
    pub(crate) lock: Option<(String, String)>,
}

/// A registry that listens.
pub(crate) struct Registry {
    pub(crate) host: String,
    pub(crate) held: Arc<Mutex<Held>>,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let held = Arc::new(Mutex::new(Held::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(answer).with_state(held.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, held }
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.held.lock().unwrap().faults.push(fault);
    }

    /// Puts a blob into a repository.
    pub(crate) fn blob(&self, repository: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let key = (repository.to_owned(), digest.clone());
        self.held.lock().unwrap().blobs.insert(key, bytes.to_vec());
        json!({ "digest": digest, "size": bytes.len() })
    }

    /// Puts a document into a repository, and says which digest it has.
    pub(crate) fn manifest(&self, repository: &str, media_type: &str, document: &Value) -> String {
        let bytes = document.to_string().into_bytes();
        let digest = digest(&bytes);
        let key = (repository.to_owned(), digest.clone());
        let held = (media_type.to_owned(), bytes);
        self.held.lock().unwrap().manifests.insert(key, held);
        digest
    }

    /// The bytes of a document that was pushed under a tag.
    pub(crate) fn pushed(&self, repository: &str, tag: &str) -> Vec<u8> {
        let key = (repository.to_owned(), tag.to_owned());
        self.held.lock().unwrap().manifests[&key].1.clone()
    }

    /// A blob that is JSON.
    pub(crate) fn json(&self, repository: &str, digest: &Value) -> Value {
        let key = (repository.to_owned(), digest.as_str().unwrap().to_owned());
        serde_json::from_slice(&self.held.lock().unwrap().blobs[&key]).unwrap()
    }

    /// How many requests were made whose method and path contain a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        let held = self.held.lock().unwrap();
        let requests = held.requests.iter();
        requests.filter(|(line, _)| line.contains(text)).count()
    }
}

fn refuse(status: StatusCode, code: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": "no" }] });
    (status, body.to_string()).into_response()
}

fn respond(status: StatusCode, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).unwrap()
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let line = format!("{} {}", parts.method, parts.uri);
    let opened = authorization(&parts.headers);
    // An upload that breaks off is none.
    let Ok(body) = to_bytes(body, LIMIT_BYTES).await else {
        return refuse(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID");
    };
    let mut held = held.lock().unwrap();
    held.requests.push((line.clone(), opened.clone()));
    let fault = held
        .faults
        .iter_mut()
        .find(|fault| fault.times > 0 && line.contains(fault.on));
    if let Some(fault) = fault {
        fault.times -= 1;
        let headers: Vec<_> = fault
            .headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let status = StatusCode::from_u16(fault.status).unwrap();
        return respond(status, &headers, fault.body.clone().into_bytes());
    }
    if parts.uri.path() == "/token" {
        return respond(StatusCode::OK, &[], br#"{"token":"opened"}"#.to_vec());
    }
    if let Some((expected, challenge)) = &held.lock
        && opened != *expected
    {
        let challenge = challenge.clone();
        let headers = [("www-authenticate", &*challenge)];
        return respond(StatusCode::UNAUTHORIZED, &headers, Vec::new());
    }
    let path = parts.uri.path().trim_start_matches("/v2/");
    let query = parts.uri.query().unwrap_or_default();
    if let Some((repository, reference)) = path.split_once("/manifests/") {
        let key = (repository.to_owned(), reference.to_owned());
        return manifests(&mut held, &parts.method, key, &parts.headers, &body);
    }
    match path.split_once("/blobs/") {
        Some((repository, rest)) => blobs(&mut held, &parts.method, repository, rest, query, &body),
        None => refuse(StatusCode::NOT_FOUND, "UNSUPPORTED"),
    }
}

fn authorization(headers: &HeaderMap) -> String {
    let value = headers.get("authorization");
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

fn manifests(
    held: &mut Held,
    method: &Method,
    key: (String, String),
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    if method == Method::GET {
        return match held.manifests.get(&key) {
            Some((kind, bytes)) => respond(
                StatusCode::OK,
                &[("content-type", kind.as_str())],
                bytes.clone(),
            ),
            None => refuse(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
        };
    }
    let document: Value = serde_json::from_slice(body).unwrap();
    let layers = document["layers"].as_array().unwrap();
    for part in layers.iter().chain([&document["config"]]) {
        let digest = part["digest"].as_str().unwrap().to_owned();
        let blob = held.blobs.get(&(key.0.clone(), digest));
        if blob.is_none_or(|blob| blob.len() as u64 != part["size"].as_u64().unwrap()) {
            return refuse(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN");
        }
    }
    let kind = headers["content-type"].to_str().unwrap().to_owned();
    let by_digest = (key.0.clone(), digest(body));
    let document = (kind, body.to_vec());
    held.manifests.insert(by_digest, document.clone());
    held.manifests.insert(key, document);
    respond(StatusCode::CREATED, &[], Vec::new())
}

fn blobs(
    held: &mut Held,
    method: &Method,
    repository: &str,
    rest: &str,
    query: &str,
    body: &[u8],
) -> Response {
    let query: BTreeMap<&str, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, value.replace("%3A", ":").replace("%2F", "/")))
        .collect();
    let key = |digest: &str| (repository.to_owned(), digest.to_owned());
    if method == Method::POST {
        if let (Some(mount), Some(from)) = (query.get("mount"), query.get("from")) {
            let source = held.blobs.get(&(from.clone(), mount.clone())).cloned();
            if let Some(bytes) = source {
                held.blobs.insert(key(mount), bytes);
                return respond(StatusCode::CREATED, &[], Vec::new());
            }
        }
        let place = format!("/v2/{repository}/blobs/uploads/1?_state=a");
        return respond(
            StatusCode::ACCEPTED,
            &[("location", place.as_str())],
            Vec::new(),
        );
    }
    if method == Method::PUT {
        let named = &query["digest"];
        if digest(body) != *named {
            return refuse(StatusCode::BAD_REQUEST, "DIGEST_INVALID");
        }
        held.blobs.insert(key(named), body.to_vec());
        return respond(StatusCode::CREATED, &[], Vec::new());
    }
    let Some(bytes) = held.blobs.get(&key(rest)) else {
        return refuse(StatusCode::NOT_FOUND, "BLOB_UNKNOWN");
    };
    let mut bytes = bytes.clone();
    if held.spoiled.iter().any(|spoiled| spoiled == rest) {
        bytes[0] ^= 1;
    }
    match *method == Method::HEAD {
        true => respond(StatusCode::OK, &[], Vec::new()),
        false => respond(StatusCode::OK, &[], bytes),
    }
}
