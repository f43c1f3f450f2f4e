//! API keys of a tenant: make one, list, revoke.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::secret::{Purpose, Secret};
use crate::accounts::{Person, Scope};
use crate::app::App;
use crate::clock::{now_millis, rfc3339};
use crate::controllers::extract::{ApiJson, Segment, id};
use crate::controllers::naming;
use crate::database;
use crate::error::ApiError;
use crate::problem::Problem;

/// Maximum number of keys of a tenant that open anything.
const MAX_KEYS: i64 = 50;

/// A key, without what opens anything.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKey {
    /// UUID version 7.
    id: String,
    /// For people.
    name: String,
    /// How the key begins.
    prefix: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// Id of the user who made it.
    user: String,
    /// RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC, give or take a minute; null if it was never used.
    #[schema(required)]
    last_used_at: Option<String>,
    /// RFC 3339, UTC; null while it opens something.
    #[schema(required)]
    revoked_at: Option<String>,
}

/// Keys of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKeyList {
    /// Newest first, the newest 200.
    keys: Vec<ApiKey>,
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What it is called: 1 to 80 characters after trimming.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// What it may do: at least one.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub struct NewApiKey {
    /// What is sent as `Authorization: Bearer`. It is never shown again.
    key: String,
    /// The rest of it.
    details: ApiKey,
}

impl From<database::ApiKey> for ApiKey {
    fn from(key: database::ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: Scope::listed(&key.scopes),
            user: key.user_id,
            created_at: rfc3339(key.created_at),
            last_used_at: key.last_used_at.map(rfc3339),
            revoked_at: key.revoked_at.map(rfc3339),
        }
    }
}

/// Lists the keys of the tenant.
#[utoipa::path(
    get,
    path = "/api/keys",
    tag = "accounts",
    operation_id = "list_keys",
    responses(
        (status = 200, description = "Keys.", body = ApiKeyList),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Person(member): Person,
) -> Result<Json<ApiKeyList>, ApiError> {
    let keys = app.database.keys(&member.tenant).await?;
    Ok(Json(ApiKeyList {
        keys: keys.into_iter().map(ApiKey::from).collect(),
    }))
}

/// Makes a key for programs. It opens the tenant of this request, and nothing else.
#[utoipa::path(
    post,
    path = "/api/keys",
    tag = "accounts",
    operation_id = "create_key",
    request_body(content = CreateApiKey, example = json!({ "name": "CI", "scopes": ["read", "write"] })),
    responses(
        (status = 201, description = "It is made, and shown this once.", body = NewApiKey),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 409, description = "The tenant has 50 keys already, or there are no accounts here.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn create(
    State(app): State<App>,
    Person(member): Person,
    ApiJson(request): ApiJson<CreateApiKey>,
) -> Result<(StatusCode, Json<NewApiKey>), ApiError> {
    let name = naming::checked_name(&request.name)?;
    let scopes = Scope::ALL.into_iter();
    let scopes = scopes.filter(|scope| request.scopes.contains(scope));
    let scopes: Vec<&str> = scopes.map(Scope::as_str).collect();
    if scopes.is_empty() {
        return Err(ApiError::Invalid(
            "scopes is empty: a key needs one of read, write, deliver, models".to_owned(),
        ));
    }
    let secret = Secret::new(Purpose::ApiKey)?;
    let key = database::ApiKey {
        id: Uuid::now_v7().to_string(),
        tenant: member.tenant,
        user_id: member.user.id,
        name,
        prefix: secret.prefix,
        scopes: scopes.join(" "),
        created_at: now_millis(),
        last_used_at: None,
        revoked_at: None,
    };
    if !app
        .database
        .insert_key(&key, &secret.hash, MAX_KEYS)
        .await?
    {
        return Err(ApiError::Changed(
            "the tenant has 50 keys already; revoke one first",
        ));
    }
    let key = NewApiKey {
        key: secret.text,
        details: key.into(),
    };
    Ok((StatusCode::CREATED, Json(key)))
}

/// Revokes a key: from now on it opens nothing. Owners revoke any, others their own.
#[utoipa::path(
    delete,
    path = "/api/keys/{id}",
    tag = "accounts",
    operation_id = "revoke_key",
    params(("id" = String, Path, description = "Id of the key.")),
    responses(
        (status = 204, description = "It is revoked."),
        (status = 404, description = "No such key, or it was revoked.", body = Problem),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn revoke(
    State(app): State<App>,
    Person(member): Person,
    Segment(key): Segment,
) -> Result<StatusCode, ApiError> {
    let key = id(&key, "API key")?;
    let only = (!member.is_owner).then_some(member.user.id.as_str());
    match app.database.revoke_key(&member.tenant, &key, only).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound("API key")),
    }
}
