//! A registry as a client sees it, and a way to it that can break.

use super::behind_gate::BehindGate;
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(std::time::Duration::from_secs(20)))
        .build()
        .into()
}

/// `sha256:…` of the manifest's bytes behind a tag, or nothing where there is no such tag.
pub(crate) fn digest_of(registry: &str, repository: &str, tag: &str) -> Option<String> {
    let mut answer = agent()
        .get(format!("http://{registry}/v2/{repository}/manifests/{tag}"))
        .header("accept", MANIFEST_TYPES)
        .call()
        .unwrap();
    match answer.status().as_u16() {
        404 => None,
        200 => {
            let bytes = answer.body_mut().read_to_vec().unwrap();
            let hex: String = Sha256::digest(bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            Some(format!("sha256:{hex}"))
        }
        status => panic!("{repository}:{tag} answered {status}"),
    }
}

/// The tags of a repository; none where there is no such repository.
pub(crate) fn tags(registry: &str, repository: &str) -> Vec<String> {
    let Ok(mut answer) = agent()
        .get(format!("http://{registry}/v2/{repository}/tags/list"))
        .call()
    else {
        return Vec::new();
    };
    let listing: serde_json::Value = answer.body_mut().read_json().unwrap_or_default();
    listing["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|tag| Some(tag.as_str()?.to_owned()))
        .collect()
}

/// Removes all tags of a repository.
pub(crate) fn remove_tags(registry: &str, repository: &str) {
    for tag in tags(registry, repository) {
        // Gone already where another tag had the same digest.
        if let Some(digest) = digest_of(registry, repository, &tag) {
            let _ = agent()
                .delete(format!(
                    "http://{registry}/v2/{repository}/manifests/{digest}"
                ))
                .call();
        }
    }
}

/// What becomes of what a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// All connections end once this many bytes were sent to the registry, and no new one lasts.
    CutAfter(u64),
    /// Nothing passes any more once this many bytes were sent to the registry.
    HeldAfter(u64),
}

/// Stands between a registry and a gate of its own.
#[derive(Clone)]
pub(crate) struct Proxy {
    place: Arc<BehindGate>,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    line: Line,
    sent_bytes: u64,
    connections: Vec<UnixStream>,
}

impl Proxy {
    /// To the registry of the tests' instance.
    pub(crate) fn to_registry() -> Self {
        let (place, listener) = BehindGate::new();
        let proxy = Self {
            place: Arc::new(place),
            shared: Arc::new(Mutex::new(Shared {
                line: Line::Whole,
                sent_bytes: 0,
                connections: Vec::new(),
            })),
        };
        // It lasts as long as the test, and the place must not last longer.
        let shared = Arc::clone(&proxy.shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if broken(&shared) == Some(Line::CutAfter(0)) {
                    continue;
                }
                connect(&shared, client, BehindGate::registry().unwrap());
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.place.port
    }

    pub(crate) fn cut_after(&self, bytes: u64) {
        self.set(Line::CutAfter(bytes));
    }

    pub(crate) fn hold_after(&self, bytes: u64) {
        self.set(Line::HeldAfter(bytes));
    }

    /// Lets everything pass again; connections that were held end.
    pub(crate) fn heal(&self) {
        end_connections(&self.shared);
        self.set(Line::Whole);
    }

    /// Whether the break has come.
    pub(crate) fn is_broken(&self) -> bool {
        broken(&self.shared).is_some()
    }

    fn set(&self, line: Line) {
        let mut shared = self.shared.lock().unwrap();
        shared.line = line;
        shared.sent_bytes = 0;
    }
}

/// The break, as one that needs no more bytes, where it has come.
fn broken(shared: &Mutex<Shared>) -> Option<Line> {
    let shared = shared.lock().unwrap();
    match shared.line {
        Line::CutAfter(bytes) if shared.sent_bytes >= bytes => Some(Line::CutAfter(0)),
        Line::HeldAfter(bytes) if shared.sent_bytes >= bytes => Some(Line::HeldAfter(0)),
        _ => None,
    }
}

fn connect(shared: &Arc<Mutex<Shared>>, client: UnixStream, server: UnixStream) {
    let clone = |stream: &UnixStream| stream.try_clone().unwrap();
    shared
        .lock()
        .unwrap()
        .connections
        .extend([clone(&client), clone(&server)]);
    let (mut answers, mut answered) = (clone(&server), clone(&client));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut answered);
        let _ = answered.shutdown(Shutdown::Both);
    });
    let shared = Arc::clone(shared);
    let (mut client, mut server) = (client, server);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            shared.lock().unwrap().sent_bytes += count as u64;
            match broken(&shared) {
                Some(Line::CutAfter(_)) => end_connections(&shared),
                // Nobody reads on: the client waits until it gives up or we heal.
                Some(_) => return,
                None => {}
            }
            if server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    });
}

fn end_connections(shared: &Mutex<Shared>) {
    for connection in shared.lock().unwrap().connections.drain(..) {
        let _ = connection.shutdown(Shutdown::Both);
    }
}
