//! What operators allow single tenants.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::LOCAL;
use crate::app::App;
use crate::controllers::extract::{ApiJson, Segment};
use crate::database::Overrides;
use crate::error::ApiError;
use crate::problem::Problem;

/// What a tenant is allowed in place of what the configuration says. What is left out or null is as the configuration
/// says it, 0 is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLimits {
    /// Jobs that run side by side.
    #[serde(default)]
    #[schema(minimum = 0)]
    jobs_at_once: Option<i64>,
    /// Jobs that are accepted on a day.
    #[serde(default)]
    #[schema(minimum = 0)]
    jobs_per_day: Option<i64>,
    /// Millionths of a US dollar that models cost in a month.
    #[serde(default)]
    #[schema(minimum = 0)]
    micro_usd_per_month: Option<i64>,
    /// Bytes of versions and uploads.
    #[serde(default)]
    #[schema(minimum = 0)]
    storage_bytes: Option<i64>,
}

/// What a tenant may use; 0 is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectiveLimits {
    /// Jobs that run side by side.
    jobs_at_once: i64,
    /// Jobs that are accepted on a day.
    jobs_per_day: i64,
    /// Millionths of a US dollar that models cost in a month.
    micro_usd_per_month: i64,
    /// Bytes of versions and uploads.
    storage_bytes: i64,
}

/// The limits of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TenantLimits {
    /// Id of the tenant.
    tenant: String,
    /// What operators said.
    allowed: SetLimits,
    /// What follows from that and the configuration.
    effective: EffectiveLimits,
}

impl SetLimits {
    /// # Errors
    /// A number is negative.
    fn checked(self) -> Result<Overrides, ApiError> {
        let Self {
            jobs_at_once,
            jobs_per_day,
            micro_usd_per_month,
            storage_bytes,
        } = self;
        for (name, value) in [
            ("jobs_at_once", jobs_at_once),
            ("jobs_per_day", jobs_per_day),
            ("micro_usd_per_month", micro_usd_per_month),
            ("storage_bytes", storage_bytes),
        ] {
            if value.is_some_and(|value| value < 0) {
                return Err(ApiError::Invalid(format!(
                    "{name} is negative; it takes a number from 0, which is no bound, or null"
                )));
            }
        }
        Ok(Overrides {
            jobs_at_once,
            jobs_per_day,
            micro_usd_per_month,
            storage_bytes,
        })
    }
}

impl TenantLimits {
    fn new(app: &App, tenant: String, allowed: Overrides) -> Self {
        let effective = allowed.of(app.config.limits.tenant);
        Self {
            tenant,
            allowed: SetLimits {
                jobs_at_once: allowed.jobs_at_once,
                jobs_per_day: allowed.jobs_per_day,
                micro_usd_per_month: allowed.micro_usd_per_month,
                storage_bytes: allowed.storage_bytes,
            },
            effective: EffectiveLimits {
                jobs_at_once: effective.jobs_at_once,
                jobs_per_day: effective.jobs_per_day,
                micro_usd_per_month: effective.micro_usd_per_month,
                storage_bytes: effective.storage_bytes,
            },
        }
    }
}

/// The id of a tenant that there is.
async fn known(app: &App, id: String) -> Result<String, ApiError> {
    let is_id = Uuid::try_parse(&id).is_ok();
    match id == LOCAL || (is_id && app.database.has_tenant(&id).await?) {
        true => Ok(id),
        false => Err(ApiError::NotFound("tenant")),
    }
}

/// Says what a tenant may use, to operators.
#[utoipa::path(
    get,
    path = "/api/fleet/tenants/{id}/limits",
    tag = "limits",
    operation_id = "get_tenant_limits",
    params(("id" = String, Path, description = "Id of the tenant, or `local` for what is from before there were accounts.")),
    responses(
        (status = 200, description = "Its limits.", body = TenantLimits),
        (status = 404, description = "No such tenant.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<TenantLimits>, ApiError> {
    let id = known(&app, id).await?;
    let allowed = app.database.tenant_limits(&id).await?;
    Ok(Json(TenantLimits::new(&app, id, allowed)))
}

/// Allows a tenant other limits than the configuration says; operators do. What is left out is as the configuration
/// says it. It holds from the next job on.
#[utoipa::path(
    put,
    path = "/api/fleet/tenants/{id}/limits",
    tag = "limits",
    operation_id = "set_tenant_limits",
    params(("id" = String, Path, description = "Id of the tenant, or `local` for what is from before there were accounts.")),
    request_body(
        content = SetLimits,
        example = json!({ "jobs_at_once": 4, "micro_usd_per_month": 50_000_000 }),
    ),
    responses(
        (status = 200, description = "Its limits.", body = TenantLimits),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such tenant.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn set(
    State(app): State<App>,
    Segment(id): Segment,
    ApiJson(request): ApiJson<SetLimits>,
) -> Result<Json<TenantLimits>, ApiError> {
    let allowed = request.checked()?;
    let id = known(&app, id).await?;
    app.database.set_tenant_limits(&id, &allowed).await?;
    tracing::info!(
        tenant = id,
        ?allowed,
        "an operator set the limits of a tenant"
    );
    // A job may begin now that waited for them.
    app.new_job.notify_one();
    Ok(Json(TenantLimits::new(&app, id, allowed)))
}
