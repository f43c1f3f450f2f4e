//! Sends spans as OTLP, in JSON: to a collector over HTTP, or to a file, a batch in a line.
//!
//! The crates of OpenTelemetry would bring a second way to make spans beside `tracing`, tonic or a second HTTP
//! client, and prost, for what is one JSON document (ARCHITECTURE.md, "What is seen from outside").

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt as _;

use crate::config::TracesConfig;
use crate::observe::spans::Span;
use crate::tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends spans.
#[derive(Debug)]
pub(crate) enum Exporter {
    Http {
        client: reqwest::Client,
        url: String,
    },
    File(PathBuf),
}

impl Exporter {
    /// # Errors
    /// When the client cannot be made.
    pub(crate) fn new(config: &TracesConfig) -> anyhow::Result<Self> {
        Ok(match config {
            TracesConfig::File(path) => Self::File(path.clone()),
            TracesConfig::Endpoint(endpoint) => Self::Http {
                client: client()?,
                url: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
            },
        })
    }

    /// Sends a batch once. Spans are worth no second try: the next batch comes soon.
    ///
    /// # Errors
    /// When it is not taken, or not in time.
    pub(crate) async fn send(&self, spans: &[Span]) -> anyhow::Result<()> {
        let text = document(spans);
        match self {
            Self::File(path) => {
                let write = async {
                    let mut file = OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(path)
                        .await?;
                    file.write_all(format!("{text}\n").as_bytes()).await?;
                    file.flush().await
                };
                write
                    .await
                    .with_context(|| format!("failed to write {}", path.display()))
            }
            Self::Http { client, url } => {
                let request = client.post(url).header(CONTENT_TYPE, "application/json");
                let response = request
                    .body(text)
                    .send()
                    .await
                    .context("the collector of traces does not answer")?;
                if !response.status().is_success() {
                    bail!("the collector of traces answered {}", response.status());
                }
                Ok(())
            }
        }
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    tls::http_client()?
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        // A collector is beside the orchestrator.
        .no_proxy()
        .build()
        .context("failed to prepare the client of the collector of traces")
}

/// `ExportTraceServiceRequest` of OTLP 1, in JSON.
fn document(spans: &[Span]) -> String {
    let spans: Vec<_> = spans.iter().map(Span::to_json).collect();
    let service = json!({ "key": "service.name", "value": { "stringValue": "app-gen" } });
    json!({ "resourceSpans": [{
        "resource": { "attributes": [service] },
        "scopeSpans": [{
            "scope": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
            "spans": spans,
        }],
    }] })
    .to_string()
}
