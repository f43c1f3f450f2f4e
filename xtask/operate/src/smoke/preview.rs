//! The preview of a version, as a browser has it: started, opened under its own name, and ended.

use crate::smoke::{SmokeTest, failed};
use anyhow::Context as _;
use serde::Deserialize;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::error::FailureContext as _;
use xtask_core::wait::Look;
use xtask_core::{http, wait};

/// How long its start may take: packages of npm included.
const START_TIMEOUT: Duration = Duration::from_secs(600);
/// How long the end of its task may take. ECS kills it after 30 s.
const END_TIMEOUT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(500);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Of its page.
const PAGE_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Deserialize)]
struct Version {
    commit: String,
}

#[derive(Debug, Deserialize)]
struct Preview {
    state: String,
    phase: Option<String>,
    reason: Option<String>,
    url: Option<String>,
    commit: String,
    stopped_at: Option<String>,
}

/// Whether a name leads to previews of the environment.
fn has_previews(context: &Context) -> bool {
    let environments = &context.platform.environments;
    context.is_local()
        || environments
            .get(&context.environment)
            .is_some_and(|environment| environment.preview_host.is_some())
}

impl SmokeTest<'_> {
    /// Opens the preview of the version at `path` of the API, where the environment has previews.
    pub(super) fn try_preview(&self, path: &str) -> anyhow::Result<()> {
        if !has_previews(self.context) {
            return Ok(());
        }
        let report = &self.context.report;
        report.step("smoke: start a preview, open it, end it");
        let version: Version = self
            .get(path)
            .failure(|| failed("the version cannot be read"))?;
        let path = format!("{path}/preview");
        let begun = self
            .agent
            .post(&format!("{}{path}", self.base_url))
            .send_empty()
            .failure(|| failed("a preview cannot be started"))?;
        let status = begun.status();
        anyhow::ensure!(
            status.is_success(),
            failed(&format!("the start of a preview answered {status}"))
        );
        let mut shown = String::new();
        let look = || -> anyhow::Result<Look<Preview>> {
            let preview: Preview = self.get(&path)?;
            let phase = preview
                .phase
                .as_deref()
                .unwrap_or(&preview.state)
                .to_owned();
            if phase != shown {
                report.step(&format!("smoke: the preview is {phase}"));
                shown.clone_from(&phase);
            }
            match preview.state.as_str() {
                "ready" => Ok(Look::Done(preview)),
                "ended" => {
                    let reason = preview.reason.as_deref().unwrap_or("no reason given");
                    Err(failed(&format!("the preview ended: {reason}")).into())
                }
                _ => Ok(Look::NotYet(format!("it is {phase}"))),
            }
        };
        let preview: Preview = wait::until(START_TIMEOUT, PAUSE, look, |late| {
            failed(&format!("the preview was not ready {late}"))
        })?;
        anyhow::ensure!(
            preview.commit == version.commit,
            failed("the preview is of another commit than the version")
        );
        let url = preview.url.context("the preview has no address")?;
        open(&url, &version.commit)?;
        self.end(&path)
    }

    /// Ends the preview, and waits until nothing of it runs.
    fn end(&self, path: &str) -> anyhow::Result<()> {
        let ended = self
            .agent
            .delete(&format!("{}{path}", self.base_url))
            .call()
            .failure(|| failed("the preview cannot be ended"))?;
        let status = ended.status();
        anyhow::ensure!(
            status.is_success(),
            failed(&format!("the end of the preview answered {status}"))
        );
        let look = || -> anyhow::Result<bool> {
            let preview: Preview = self.get(path)?;
            Ok(preview.stopped_at.is_some())
        };
        wait::until(END_TIMEOUT, PAUSE, look, |late| {
            failed(&format!("the task of the preview did not end {late}"))
        })
    }
}

/// Opens the page of a preview under its name, whether this machine can look that up or not: names below
/// `localhost` are this machine by definition, and not every resolver knows it.
fn open(url: &str, commit: &str) -> anyhow::Result<()> {
    let authority = url
        .split_once("://")
        .map_or(url, |(_, rest)| rest)
        .trim_end_matches('/');
    let agent = http::agent(url, REQUEST_TIMEOUT);
    let reached = match authority.rsplit_once(':') {
        Some((name, port)) if name.ends_with(".localhost") => format!("http://127.0.0.1:{port}/"),
        _ => url.to_owned(),
    };
    let mut response = agent
        .get(&reached)
        .header("host", authority)
        .call()
        .failure(|| failed(&format!("the preview {url} does not answer")))?;
    let status = response.status();
    let named = response
        .headers()
        .get("x-app-gen-commit")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let page = response
        .body_mut()
        .with_config()
        .limit(PAGE_LIMIT_BYTES)
        .read_to_string()
        .failure(|| failed("the page of the preview broke off"))?;
    anyhow::ensure!(
        status.is_success() && page.to_ascii_lowercase().contains("<!doctype html>"),
        failed(&format!("the preview {url} answered {status} and no page"))
    );
    anyhow::ensure!(
        named.as_deref() == Some(commit),
        failed("the page of the preview is of another commit than the version")
    );
    Ok(())
}
