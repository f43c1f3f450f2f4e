//! What the orchestrator asks a preview itself, at its control port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use app_gen_contract::{
    MAX_PREVIEW_ZIP_BYTES, PREVIEW_APPLICATION_PATH, PREVIEW_STATUS_PATH, PreviewStatus,
};
use axum::body::{Body, to_bytes};
use futures::TryStreamExt as _;
use hyper::{Request, StatusCode};

use crate::app::App;
use crate::database::Preview;
use crate::previews::exchange::send;

/// How long an answer may take, that of a large application included.
const STATUS_TIME: Duration = Duration::from_secs(5);
const APPLICATION_TIME: Duration = Duration::from_secs(30);
/// Bytes of a status: its reason is bounded.
const STATUS_BYTES: usize = 64 * 1024;

/// Why an application is not handed over, though nothing is wrong with the preview.
pub(super) enum NotGiven {
    /// It never will be; for the user.
    Never(&'static str),
    /// Another time it may.
    Later(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for NotGiven {
    fn from(error: E) -> Self {
        Self::Later(error.into())
    }
}

/// How the preview is.
pub(super) async fn status(control: SocketAddr) -> anyhow::Result<PreviewStatus> {
    let request = Request::get(PREVIEW_STATUS_PATH).body(Body::empty())?;
    let response = send(control, request, STATUS_TIME, None).await?;
    let body = to_bytes(Body::new(response.into_body()), STATUS_BYTES);
    let body = tokio::time::timeout(STATUS_TIME, body)
        .await
        .context("no whole status in time")??;
    serde_json::from_slice(&body).context("the status is unreadable")
}

/// Hands the application over. The preview takes no other than the one that it was started for.
pub(super) async fn give(
    app: &App,
    preview: &Preview,
    control: SocketAddr,
) -> Result<(), NotGiven> {
    let new = &preview.new;
    let found = app.artifacts.find_version(&new.project_id, &new.folder);
    let Some(object) = found.await? else {
        return Err(NotGiven::Never("the files of its version are gone"));
    };
    if i64::try_from(object.size) != Ok(new.size_bytes) {
        return Err(NotGiven::Never(
            "the stored files are not those that the job made",
        ));
    }
    if object.size > MAX_PREVIEW_ZIP_BYTES as u64 {
        return Err(NotGiven::Never(
            "the version is too large to be shown; it can be downloaded",
        ));
    }
    // Few are in memory at a time.
    let _place = Arc::clone(&app.readers).acquire_owned().await?;
    let zip: Vec<u8> = app
        .artifacts
        .download(object)
        .try_fold(Vec::new(), async |mut bytes, part| {
            bytes.extend_from_slice(&part);
            Ok(bytes)
        })
        .await?;
    let request = Request::put(PREVIEW_APPLICATION_PATH).body(Body::from(zip))?;
    let response = send(control, request, APPLICATION_TIME, None).await?;
    match response.status() {
        // It has one already: the answer of an earlier try was lost.
        StatusCode::NO_CONTENT | StatusCode::CONFLICT => Ok(()),
        StatusCode::UNPROCESSABLE_ENTITY => Err(NotGiven::Never(
            "the stored files are not those that the job made",
        )),
        other => Err(NotGiven::Later(anyhow!("the preview answered {other}"))),
    }
}
