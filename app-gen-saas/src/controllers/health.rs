//! Whether the orchestrator can work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The service that answers, and its condition.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `unavailable`.
    status: &'static str,
    /// `orchestrator`.
    service: &'static str,
    /// Version of the program.
    version: &'static str,
    /// Key of the image it runs from; null outside of an image.
    #[schema(required)]
    image_key: Option<String>,
    /// `ok` or `unreachable`.
    database: &'static str,
}

/// Whether the orchestrator can work.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses(
        (status = 200, description = "It can work.", body = Health),
        (status = 503, description = "The database does not answer.", body = Health),
    )
)]
pub async fn health(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let result = app.database.ping().await;
    if let Err(error) = &result {
        tracing::warn!(%error, "database does not answer");
    }
    let (code, status, database) = match result {
        Ok(()) => (StatusCode::OK, "ok", "ok"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "unreachable",
        ),
    };
    let health = Health {
        status,
        service: "orchestrator",
        version: env!("CARGO_PKG_VERSION"),
        image_key: app.config.server.image_key.clone(),
        database,
    };
    (code, Json(health))
}
