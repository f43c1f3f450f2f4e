//! Requests under the host of a preview: they never reach the page or its API.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::clock::now_millis;
use crate::database::Preview;
use crate::error::ApiError;
use crate::previews::forward::forward;
use crate::previews::host::Asked;
use crate::previews::{Previews, headers, pages};

/// Answers requests for previews, and passes the others on.
pub(crate) async fn dispatch(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(previews) = app.previews.clone() else {
        return next.run(request).await;
    };
    let own = previews.config.host.as_deref();
    let Some(asked) = Asked::of(request.headers(), own) else {
        return next.run(request).await;
    };
    answer(&app, &previews, &asked, request).await
}

async fn answer(app: &App, previews: &Previews, asked: &Asked, request: Request) -> Response {
    let ours = |mut response: Response| {
        let ancestors = asked.ancestors(&app.config.server.allowed_hosts);
        headers::add_ours(response.headers_mut(), &ancestors);
        response
    };
    let found = match previews
        .doors
        .find(app.database.as_ref(), &asked.label)
        .await
    {
        Ok(Some(found)) => found,
        Ok(None) => return ours(pages::unknown(request.headers())),
        Err(error) => return ours(ApiError::from(error).into_response()),
    };
    let preview = &*found.preview;
    if is_over(preview) {
        return ours(pages::ended(request.headers(), preview));
    }
    let address = preview.address.as_deref();
    let address = address.and_then(|address| address.parse::<SocketAddr>().ok());
    let Some(target) = address else {
        return ours(pages::waiting(request.headers(), preview));
    };
    let Some(place) = found.place() else {
        return ours(pages::unreachable(request.headers()));
    };
    let asked_headers = request.headers().clone();
    match forward(app, preview, target, asked, Arc::new(place), request).await {
        Ok(response) => response,
        Err(error) => {
            let error = format!("{error:#}");
            tracing::debug!(preview = preview.new.id, error, "a preview does not answer");
            previews.doors.forget(&asked.label);
            // What was remembered may be from before its end.
            match previews
                .doors
                .find(app.database.as_ref(), &asked.label)
                .await
            {
                Ok(Some(now)) if is_over(&now.preview) => {
                    ours(pages::ended(&asked_headers, &now.preview))
                }
                _ => ours(pages::unreachable(&asked_headers)),
            }
        }
    }
}

fn is_over(preview: &Preview) -> bool {
    preview.ended_at.is_some() || preview.new.expires_at <= now_millis()
}
