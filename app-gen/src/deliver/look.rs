//! Which commit an application serves, asked as anybody could.

use crate::deliver::variable;
use crate::failure::Failure;
use anyhow::{Context as _, Result, bail};
use app_gen_contract::env::EXTRA_CA_CERTIFICATES;
use app_gen_contract::is_commit_id;
use app_gen_gateway::{Certificates, http_client};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it is asked where that fails in passing, and the pauses between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The commit that the application at a URL says it has.
pub(super) async fn served(url: &str) -> Result<Option<String>, Failure> {
    let url = format!("{}/version.json", url.trim_end_matches('/'));
    let certificates = variable(EXTRA_CA_CERTIFICATES).unwrap_or_default();
    let certificates = Certificates::from_pem(&certificates)
        .map_err(|error| Failure::bad_spec(error.to_string(), "mend or unset the variable"))?;
    let is_loopback = url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost");
    let client = http_client(&certificates, is_loopback, Policy::limited(3))
        .context("there is no client for HTTP")?;
    let mut tries = 1;
    loop {
        let error = match timeout(ANSWER, answer(client.get(&url))).await {
            Ok(Ok(body)) => return Ok(body.as_deref().and_then(commit_of)),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        if tries == TRIES {
            return Err(Failure::job(
                format!("failed to ask {url}, {TRIES} times: {error}"),
                "look again in some minutes, or deliver the version again",
            ));
        }
        tries += 1;
        sleep(PAUSE).await;
    }
}

/// The body of an answer; nothing where nothing is there.
async fn answer(request: RequestBuilder) -> Result<Option<Vec<u8>>> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => bail!("it answers {status}"),
    }
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)?
    {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            bail!("its answer has more than {MAX_ANSWER_BYTES} bytes");
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// The commit in `/version.json`.
fn commit_of(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let commit = value.get("commit")?.as_str()?;
    is_commit_id(commit).then(|| commit.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn commits_are_read_and_nothing_else_is() {
        let text = format!("{{\"commit\":\"{COMMIT}\",\"version\":3}}");
        assert_eq!(commit_of(text.as_bytes()).as_deref(), Some(COMMIT));
        for text in ["", "<!doctype html>", "{}", "{\"commit\":\"main\"}"] {
            assert_eq!(commit_of(text.as_bytes()), None, "{text}");
        }
    }
}
