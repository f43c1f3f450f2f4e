//! Accounts: how to sign in, who signed in, and tickets for live streams.

pub mod fleet;
pub mod invitations;
pub mod keys;
pub mod limits;
pub mod tenants;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::secret::{Purpose, Secret};
use crate::accounts::{Identity, Scope, Tenant};
use crate::app::App;
use crate::clock::{now_millis, rfc3339};
use crate::config::AccountsConfig;
use crate::controllers::extract::ApiJson;
use crate::database::Owned;
use crate::error::ApiError;
use crate::problem::Problem;

/// How long a ticket can be used.
const TICKET_MILLIS: i64 = 30_000;

/// What a page needs before anybody signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublicConfig {
    /// How people sign in.
    auth: AuthConfig,
}

/// How people sign in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum AuthConfig {
    /// Not at all: everybody who gets here may do everything.
    None,
    /// With Supabase.
    Supabase {
        /// The address of the project.
        url: String,
        /// Its key for pages, which is no secret.
        anon_key: String,
    },
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// Id of the user; of a key, of who made it.
    user: String,
    /// Their address; null if it is not known.
    #[schema(required)]
    email: Option<String>,
    /// Id of the tenant whose things these requests get at.
    tenant: String,
    /// Whether they own the tenant.
    is_owner: bool,
    /// Whether they see the fleet, and what all tenants use.
    is_operator: bool,
    /// What they may do.
    scopes: Vec<Scope>,
}

/// The stream that a ticket is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTicket {
    /// Id of the job.
    #[schema(value_type = String)]
    job: Uuid,
}

/// A ticket.
#[derive(Serialize, ToSchema)]
pub struct StreamTicket {
    /// Goes into the parameter `ticket` of the address of the stream.
    ticket: String,
    /// RFC 3339, UTC: until when it can be used, once.
    expires_at: String,
}

/// Says how people sign in here.
#[utoipa::path(
    get,
    path = "/api/config",
    tag = "accounts",
    operation_id = "get_config",
    responses((status = 200, description = "What a page needs before anybody signed in.", body = PublicConfig))
)]
pub async fn config(State(app): State<App>) -> Json<PublicConfig> {
    let auth = match &app.config.accounts {
        AccountsConfig::None => AuthConfig::None,
        AccountsConfig::Supabase(config) => AuthConfig::Supabase {
            url: config.url.clone(),
            anon_key: config.anon_key.clone(),
        },
    };
    Json(PublicConfig { auth })
}

/// Says who asks, and in which tenant.
#[utoipa::path(
    get,
    path = "/api/session",
    tag = "accounts",
    operation_id = "get_session",
    responses(
        (status = 200, description = "Who asks.", body = Session),
        (status = 503, description = "The database or the login does not answer.", body = Problem),
    )
)]
pub async fn session(
    Tenant(tenant): Tenant,
    identity: Identity,
) -> Result<Json<Session>, ApiError> {
    Ok(Json(match identity {
        Identity::Member(member) => Session {
            user: member.user.id,
            email: Some(member.user.email).filter(|email| !email.is_empty()),
            tenant,
            is_owner: member.is_owner,
            is_operator: member.user.is_operator,
            scopes: Scope::ALL.to_vec(),
        },
        Identity::Key {
            user_id, scopes, ..
        } => Session {
            user: user_id,
            email: None,
            tenant,
            is_owner: false,
            is_operator: false,
            scopes,
        },
        Identity::Nobody | Identity::Ticket { .. } => {
            return Err(ApiError::Unauthenticated("sign in first"));
        }
    }))
}

/// Makes a ticket for the live stream of a job: browsers cannot send a token with those, and a token has no place in
/// an address. It can be used once, within 30 seconds.
#[utoipa::path(
    post,
    path = "/api/stream-tickets",
    tag = "accounts",
    operation_id = "create_stream_ticket",
    request_body(content = CreateTicket, example = json!({ "job": "0192f0c1-2345-7000-8000-000000000000" })),
    responses(
        (status = 201, description = "It is made.", body = StreamTicket),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such job.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn ticket(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    ApiJson(request): ApiJson<CreateTicket>,
) -> Result<(StatusCode, Json<StreamTicket>), ApiError> {
    let job = request.job.to_string();
    if !app.database.owns(&tenant, Owned::Job, &job).await? {
        return Err(ApiError::NotFound("job"));
    }
    let secret = Secret::new(Purpose::Ticket)?;
    let expires_at = now_millis().saturating_add(TICKET_MILLIS);
    let kept = app
        .database
        .insert_ticket(&secret.hash, &tenant, &job, expires_at);
    kept.await?;
    let ticket = StreamTicket {
        ticket: secret.text,
        expires_at: rfc3339(expires_at),
    };
    Ok((StatusCode::CREATED, Json(ticket)))
}
