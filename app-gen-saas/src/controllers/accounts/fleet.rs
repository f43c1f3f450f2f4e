//! What operators see: what tenants use, and nothing that they made.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::controllers::extract::{ApiQuery, page_limit};
use crate::database;
use crate::error::ApiError;
use crate::problem::Problem;

/// What a tenant uses.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantUsage {
    /// Id of the tenant.
    tenant: String,
    /// `personal`, `shared`, or `local` for what is from before there were accounts.
    kind: String,
    /// Its members.
    members: i64,
    /// Its projects.
    projects: i64,
    /// Its jobs that are kept.
    jobs: i64,
    /// Those of them that have not ended.
    unfinished_jobs: i64,
    /// Its previews that take a place.
    previews: i64,
    /// Millionths of a US dollar for models of its projects, as far as prices are known.
    micro_usd: i64,
    /// Those of `micro_usd` that the tenant pays, with keys of its own.
    own_micro_usd: i64,
    /// Millionths of a US dollar for tasks of its projects, as far as prices are known.
    task_micro_usd: i64,
}

/// What tenants use.
#[derive(Debug, Serialize, ToSchema)]
pub struct FleetUsage {
    /// In the order of their ids.
    tenants: Vec<TenantUsage>,
}

/// Which tenants to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListUsage {
    /// Maximum number of tenants to list: 1 to 200, default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Only tenants after the one with this id.
    #[param(max_length = 36)]
    after: Option<String>,
}

impl From<database::Usage> for TenantUsage {
    fn from(usage: database::Usage) -> Self {
        Self {
            tenant: usage.tenant,
            kind: usage.kind,
            members: usage.members,
            projects: usage.projects,
            jobs: usage.jobs,
            unfinished_jobs: usage.unfinished_jobs,
            previews: usage.previews,
            micro_usd: usage.micro_usd,
            own_micro_usd: usage.own_micro_usd,
            task_micro_usd: usage.task_micro_usd,
        }
    }
}

/// Says what tenants use, to operators.
#[utoipa::path(
    get,
    path = "/api/fleet/usage",
    tag = "accounts",
    operation_id = "get_fleet_usage",
    params(ListUsage),
    responses(
        (status = 200, description = "What tenants use.", body = FleetUsage),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn usage(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<ListUsage>,
) -> Result<Json<FleetUsage>, ApiError> {
    let limit = page_limit(query.limit)?;
    let after = query.after.unwrap_or_default();
    let is_id = after.len() <= 36
        && after
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_id {
        return Err(ApiError::Invalid(
            "after is not the id of a tenant".to_owned(),
        ));
    }
    let tenants = app.database.usage(&after, limit).await?;
    Ok(Json(FleetUsage {
        tenants: tenants.into_iter().map(TenantUsage::from).collect(),
    }))
}
