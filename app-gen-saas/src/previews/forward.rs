//! Forwards a request to the application of a preview, and its answer to the browser: bodies as they come, and
//! changes of protocol (WebSocket) for as long as both sides want and the preview runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, Version, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::sleep;

use crate::app::App;
use crate::clock::now_millis;
use crate::database::Preview;
use crate::previews::exchange::{Place, send};
use crate::previews::headers;
use crate::previews::host::Asked;

/// How long an application may take to begin its answer. The load balancer waits for 60 s.
const ANSWER_TIME: Duration = Duration::from_secs(55);

/// Forwards one request.
pub(super) async fn forward(
    app: &App,
    preview: &Preview,
    target: SocketAddr,
    asked: &Asked,
    place: Place,
    mut request: Request,
) -> anyhow::Result<Response> {
    let protocol = headers::wanted_upgrade(request.headers());
    let near = protocol.is_some().then(|| on(&mut request));
    let request = to_application(request, asked, protocol)?;
    let mut answer = send(target, request, ANSWER_TIME, Some(Arc::clone(&place))).await?;
    let is_changed = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let protocol = answer.headers().get(header::UPGRADE).cloned();
    let far = is_changed.then(|| on(&mut answer));
    let mut response = answer.map(Body::new);
    let ancestors = asked.ancestors(&app.config.server.allowed_hosts);
    headers::to_browser(response.headers_mut(), &ancestors);
    if let Some(far) = far {
        let near =
            near.context("the application changes a protocol that nobody asked to change")?;
        let protocol = protocol.context("the application changes to no protocol")?;
        headers::set_upgrade(response.headers_mut(), protocol);
        let left = preview.new.expires_at.saturating_sub(now_millis());
        let left = Duration::from_millis(left.max(0).unsigned_abs());
        tokio::spawn(join(app.clone(), near, far, left, place));
    }
    for (name, value) in [
        ("x-app-gen-version", preview.new.version.to_string()),
        ("x-app-gen-commit", preview.new.commit.clone()),
    ] {
        let value = HeaderValue::try_from(value)?;
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    Ok(response)
}

/// The request as the application gets it.
fn to_application(
    request: Request,
    asked: &Asked,
    protocol: Option<HeaderValue>,
) -> anyhow::Result<Request> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::try_from(path).context("the path is unusable")?;
    parts.version = Version::HTTP_11;
    headers::to_application(&mut parts.headers, asked, protocol);
    Ok(Request::from_parts(parts, body))
}

/// Passes bytes in both directions until one side ends, or the preview or the orchestrator does.
async fn join(app: App, near: OnUpgrade, far: OnUpgrade, left: Duration, place: Place) {
    let _place = place;
    let joined = async {
        let (near, far) = tokio::try_join!(near, far)?;
        let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
        copy_bidirectional(&mut near, &mut far).await?;
        anyhow::Ok(())
    };
    tokio::select! {
        joined = joined => {
            if let Err(error) = joined {
                tracing::debug!(error = format!("{error:#}"), "a connection to a preview broke");
            }
        }
        () = sleep(left) => {}
        () = app.stopping() => {}
    }
}
