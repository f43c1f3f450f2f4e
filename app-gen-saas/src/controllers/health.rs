//! Whether the orchestrator lives, and whether it can work.

use app_gen_saas_contract::Health;
use axum::Json;
use axum::extract::State;

use crate::app::App;

/// Who answers, and whether it can work.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    operation_id = "get_health",
    responses((status = 200, description = "It lives; `status` says whether it can work.", body = Health))
)]
pub async fn health(State(app): State<App>) -> Json<Health> {
    let result = app.database.ping().await;
    if let Err(error) = &result {
        tracing::warn!(%error, "database does not answer");
    }
    Json(Health::new(
        env!("CARGO_PKG_VERSION"),
        app.config.server.image_key.clone(),
        result.is_ok(),
    ))
}
