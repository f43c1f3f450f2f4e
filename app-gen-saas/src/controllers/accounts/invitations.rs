//! Invitations into shared tenants: make one, list, take back, take.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::Person;
use crate::accounts::secret::{Purpose, Secret, hash_of};
use crate::app::App;
use crate::clock::{now_millis, rfc3339};
use crate::controllers::accounts::tenants::{TenantDetails, own, owned};
use crate::controllers::extract::{ApiJson, Segment, Segments, id};
use crate::database::{self, Joined};
use crate::error::ApiError;
use crate::problem::Problem;

/// How long an invitation can be taken: a week.
const LIFETIME_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Maximum number of invitations into a tenant that can be taken.
const MAX_INVITATIONS: i64 = 50;
/// Maximum number of members of a tenant.
const MAX_MEMBERS: i64 = 200;
/// As RFC 5321 has it.
const MAX_EMAIL_BYTES: usize = 254;

/// An invitation, without what it is taken with.
#[derive(Debug, Serialize, ToSchema)]
pub struct Invitation {
    /// UUID version 7.
    id: String,
    /// Who is invited.
    email: String,
    /// RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC.
    expires_at: String,
}

/// Invitations into a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationList {
    /// Those that can be taken, newest first.
    invitations: Vec<Invitation>,
}

/// Who is to be invited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// The address that they sign in with.
    #[schema(min_length = 3, max_length = 254)]
    email: String,
}

/// An invitation that was just made.
#[derive(Serialize, ToSchema)]
pub struct NewInvitation {
    /// What it is taken with, for the one who is invited. It is never shown again.
    token: String,
    /// The rest of it.
    details: Invitation,
}

/// An invitation to be taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeInvitation {
    /// What came with the invitation.
    token: String,
}

impl From<database::Invitation> for Invitation {
    fn from(invitation: database::Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            created_at: rfc3339(invitation.created_at),
            expires_at: rfc3339(invitation.expires_at),
        }
    }
}

/// An address in lower case. Whether anybody has it is found out when the invitation is taken.
fn checked_email(text: &str) -> Result<String, ApiError> {
    let email = text.trim().to_lowercase();
    let has_form = email
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    let has_others = email
        .chars()
        .any(|letter| letter.is_whitespace() || letter.is_control());
    match has_form && !has_others && email.len() <= MAX_EMAIL_BYTES {
        true => Ok(email),
        false => Err(ApiError::Invalid(
            "email is no address, name@example.com for example".to_owned(),
        )),
    }
}

/// Invites somebody into a shared tenant. The token is for them; it is shown this once, and nobody is written to.
#[utoipa::path(
    post,
    path = "/api/tenants/{id}/invitations",
    tag = "accounts",
    operation_id = "create_invitation",
    params(("id" = String, Path, description = "Id of the tenant.")),
    request_body(content = CreateInvitation, example = json!({ "email": "ada@example.org" })),
    responses(
        (status = 201, description = "It is made; one to the same address from before is void.", body = NewInvitation),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such tenant.", body = Problem),
        (status = 409, description = "The tenant is personal, has 50 invitations already, or there are no accounts here.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn create(
    State(app): State<App>,
    Person(member): Person,
    Segment(tenant): Segment,
    ApiJson(request): ApiJson<CreateInvitation>,
) -> Result<(StatusCode, Json<NewInvitation>), ApiError> {
    let tenant = owned(&app, &member, &tenant).await?;
    if tenant.kind != "shared" {
        return Err(ApiError::Changed(
            "a personal tenant has one member; make a shared one first",
        ));
    }
    let email = checked_email(&request.email)?;
    let secret = Secret::new(Purpose::Invitation)?;
    let now = now_millis();
    let invitation = database::Invitation {
        id: Uuid::now_v7().to_string(),
        tenant: tenant.id,
        email,
        created_at: now,
        expires_at: now.saturating_add(LIFETIME_MILLIS),
    };
    let kept = app
        .database
        .invite(&invitation, &secret.hash, MAX_INVITATIONS);
    if !kept.await? {
        return Err(ApiError::Changed(
            "the tenant has 50 invitations already; take one back first",
        ));
    }
    let invitation = NewInvitation {
        token: secret.text,
        details: invitation.into(),
    };
    Ok((StatusCode::CREATED, Json(invitation)))
}

/// Lists the invitations into a tenant that can still be taken.
#[utoipa::path(
    get,
    path = "/api/tenants/{id}/invitations",
    tag = "accounts",
    operation_id = "list_invitations",
    params(("id" = String, Path, description = "Id of the tenant.")),
    responses(
        (status = 200, description = "Invitations.", body = InvitationList),
        (status = 404, description = "No such tenant.", body = Problem),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Person(member): Person,
    Segment(tenant): Segment,
) -> Result<Json<InvitationList>, ApiError> {
    let tenant = owned(&app, &member, &tenant).await?;
    let invitations = app.database.invitations(&tenant.id).await?;
    Ok(Json(InvitationList {
        invitations: invitations.into_iter().map(Invitation::from).collect(),
    }))
}

/// Takes an invitation back.
#[utoipa::path(
    delete,
    path = "/api/tenants/{id}/invitations/{invitation}",
    tag = "accounts",
    operation_id = "delete_invitation",
    params(
        ("id" = String, Path, description = "Id of the tenant."),
        ("invitation" = String, Path, description = "Id of the invitation."),
    ),
    responses(
        (status = 204, description = "Nobody can take it any more."),
        (status = 404, description = "No such tenant or invitation.", body = Problem),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn delete(
    State(app): State<App>,
    Person(member): Person,
    Segments(tenant, invitation): Segments,
) -> Result<StatusCode, ApiError> {
    let tenant = owned(&app, &member, &tenant).await?;
    let invitation = id(&invitation, "invitation")?;
    match app
        .database
        .remove_invitation(&tenant.id, &invitation)
        .await?
    {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound("invitation")),
    }
}

/// Takes an invitation: whoever asks becomes a member, if it is to the address that they signed in with.
#[utoipa::path(
    post,
    path = "/api/invitations",
    tag = "accounts",
    operation_id = "take_invitation",
    request_body(content = TakeInvitation, example = json!({ "token": "agi_0123456789abcdefghijklmnopqrstuvwxyz" })),
    responses(
        (status = 200, description = "The tenant, in which they are a member now.", body = TenantDetails),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such invitation to this address, or its time is over.", body = Problem),
        (status = 409, description = "The tenant has 200 members already, or there are no accounts here.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn take(
    State(app): State<App>,
    Person(member): Person,
    ApiJson(request): ApiJson<TakeInvitation>,
) -> Result<Json<TenantDetails>, ApiError> {
    const UNKNOWN: ApiError =
        ApiError::NotFound("invitation to the address that you signed in with");
    let hash = hash_of(Purpose::Invitation, &request.token).ok_or(UNKNOWN)?;
    let user = (member.user.id.as_str(), member.user.email.as_str());
    match app.database.join(&hash, user, MAX_MEMBERS).await? {
        Joined::Member(tenant) => Ok(Json(own(&app, &member, &tenant).await?.into())),
        Joined::Unknown => Err(UNKNOWN),
        Joined::Full => Err(ApiError::Changed("the tenant has 200 members already")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(
            checked_email(" Ann@Example.COM ").unwrap(),
            "ann@example.com"
        );
        for text in ["", "ann", "@example.com", "ann@", "a@b@c", "a b@c", "a\0@b"] {
            assert!(checked_email(text).is_err(), "{text:?}");
        }
    }
}
