//! Tenants of whoever signed in: list, make, leave, hand over, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::{Member, Person};
use crate::app::App;
use crate::clock::rfc3339;
use crate::controllers::extract::{ApiJson, Segment, Segments, id};
use crate::controllers::naming;
use crate::database::{self, Left, Transferred};
use crate::error::ApiError;
use crate::problem::Problem;

/// Maximum number of tenants of a user.
const MAX_TENANTS: usize = 50;

/// A tenant: who owns projects, jobs and everything else.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantDetails {
    /// The header `x-app-gen-tenant` names it.
    id: String,
    /// For people.
    name: String,
    /// `personal` or `shared`.
    kind: String,
    /// What whoever asks is in it: `owner` or `member`.
    role: String,
    /// RFC 3339, UTC.
    created_at: String,
}

/// Tenants of whoever asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantList {
    /// The oldest first.
    tenants: Vec<TenantDetails>,
}

/// A shared tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// What it is called: 1 to 80 characters after trimming.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
}

/// A member of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantMember {
    /// Id of the user.
    user: String,
    /// Their address when they came in.
    email: String,
    /// `owner` or `member`.
    role: String,
    /// RFC 3339, UTC.
    joined_at: String,
}

/// Members of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberList {
    /// Who came first is first.
    members: Vec<TenantMember>,
}

/// Who is to own a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeOwner {
    /// Id of a user who is a member.
    #[schema(value_type = String)]
    user: Uuid,
}

impl From<database::Tenant> for TenantDetails {
    fn from(tenant: database::Tenant) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name,
            kind: tenant.kind,
            role: tenant.role,
            created_at: rfc3339(tenant.created_at),
        }
    }
}

impl From<database::Member> for TenantMember {
    fn from(member: database::Member) -> Self {
        Self {
            user: member.user_id,
            email: member.email,
            role: member.role,
            joined_at: rfc3339(member.joined_at),
        }
    }
}

const NOT_OWNER: ApiError = ApiError::Forbidden("only the owner of the tenant may do this");

/// The tenant of this id, if the user is in it. The path names it, whatever the header does.
pub(super) async fn own(
    app: &App,
    member: &Member,
    text: &str,
) -> Result<database::Tenant, ApiError> {
    let id = id(text, "tenant")?;
    let tenant = app.database.tenant_of(&member.user.id, &id).await?;
    tenant.ok_or(ApiError::NotFound("tenant"))
}

/// The same, if it is theirs.
pub(super) async fn owned(
    app: &App,
    member: &Member,
    text: &str,
) -> Result<database::Tenant, ApiError> {
    let tenant = own(app, member, text).await?;
    match tenant.role.as_str() {
        "owner" => Ok(tenant),
        _ => Err(NOT_OWNER),
    }
}

/// Lists the tenants of whoever asks.
#[utoipa::path(
    get,
    path = "/api/tenants",
    tag = "accounts",
    operation_id = "list_tenants",
    responses(
        (status = 200, description = "Tenants.", body = TenantList),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Person(member): Person,
) -> Result<Json<TenantList>, ApiError> {
    let tenants = app.database.tenants_of(&member.user.id).await?;
    Ok(Json(TenantList {
        tenants: tenants.into_iter().map(TenantDetails::from).collect(),
    }))
}

/// Makes a shared tenant; whoever asks owns it.
#[utoipa::path(
    post,
    path = "/api/tenants",
    tag = "accounts",
    operation_id = "create_tenant",
    request_body(content = CreateTenant, example = json!({ "name": "Garden club" })),
    responses(
        (status = 201, description = "It is made.", body = TenantDetails),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 409, description = "Whoever asks is in 50 tenants already, or there are no accounts here.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn create(
    State(app): State<App>,
    Person(member): Person,
    ApiJson(request): ApiJson<CreateTenant>,
) -> Result<(StatusCode, Json<TenantDetails>), ApiError> {
    let name = naming::checked_name(&request.name)?;
    if app.database.tenants_of(&member.user.id).await?.len() >= MAX_TENANTS {
        return Err(ApiError::Changed(
            "you are in 50 tenants already; leave or delete one first",
        ));
    }
    let id = Uuid::now_v7().to_string();
    let owner = (member.user.id.as_str(), member.user.email.as_str());
    let made = app
        .database
        .insert_tenant((id.as_str(), name.as_str(), "shared"), owner);
    made.await?;
    let tenant = own(&app, &member, &id).await?;
    Ok((StatusCode::CREATED, Json(tenant.into())))
}

/// Deletes a tenant with everything in it. Jobs that have not ended are cancelled. This cannot be taken back.
#[utoipa::path(
    delete,
    path = "/api/tenants/{id}",
    tag = "accounts",
    operation_id = "delete_tenant",
    params(("id" = String, Path, description = "Id of the tenant.")),
    responses(
        (status = 204, description = "Nobody gets into it any more; what is in it is removed within the hour."),
        (status = 404, description = "No such tenant.", body = Problem),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn delete(
    State(app): State<App>,
    Person(member): Person,
    Segment(tenant): Segment,
) -> Result<StatusCode, ApiError> {
    let tenant = owned(&app, &member, &tenant).await?;
    if !app.database.delete_tenant(&tenant.id).await? {
        return Err(ApiError::NotFound("tenant"));
    }
    app.deleted_project.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the members of a tenant.
#[utoipa::path(
    get,
    path = "/api/tenants/{id}/members",
    tag = "accounts",
    operation_id = "list_members",
    params(("id" = String, Path, description = "Id of the tenant.")),
    responses(
        (status = 200, description = "Members.", body = MemberList),
        (status = 404, description = "No such tenant.", body = Problem),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn members(
    State(app): State<App>,
    Person(member): Person,
    Segment(tenant): Segment,
) -> Result<Json<MemberList>, ApiError> {
    let tenant = own(&app, &member, &tenant).await?;
    let members = app.database.members(&tenant.id).await?;
    Ok(Json(MemberList {
        members: members.into_iter().map(TenantMember::from).collect(),
    }))
}

/// Leaves a tenant, or takes a member out of one's own. Keys that they made for it open nothing from then on.
#[utoipa::path(
    delete,
    path = "/api/tenants/{id}/members/{user}",
    tag = "accounts",
    operation_id = "remove_member",
    params(
        ("id" = String, Path, description = "Id of the tenant."),
        ("user" = String, Path, description = "Id of the member."),
    ),
    responses(
        (status = 204, description = "They are out."),
        (status = 404, description = "No such tenant or member.", body = Problem),
        (status = 409, description = "The member owns the tenant, or there are no accounts here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn leave(
    State(app): State<App>,
    Person(member): Person,
    Segments(tenant, user): Segments,
) -> Result<StatusCode, ApiError> {
    let user = id(&user, "member")?;
    let tenant = match user == member.user.id {
        true => own(&app, &member, &tenant).await?,
        false => owned(&app, &member, &tenant).await?,
    };
    match app.database.leave(&tenant.id, &user).await? {
        Left::Out => Ok(StatusCode::NO_CONTENT),
        Left::NoMember => Err(ApiError::NotFound("member")),
        Left::Owner => Err(ApiError::Changed(
            "the member owns the tenant; hand it over first, or delete it",
        )),
    }
}

/// Hands a shared tenant over to another member; whoever owned it stays as a member.
#[utoipa::path(
    post,
    path = "/api/tenants/{id}/owner",
    tag = "accounts",
    operation_id = "transfer_tenant",
    params(("id" = String, Path, description = "Id of the tenant.")),
    request_body(content = ChangeOwner, example = json!({ "user": "0192f0c1-2345-7000-8000-000000000000" })),
    responses(
        (status = 200, description = "The tenant as it is now.", body = TenantDetails),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such tenant or member.", body = Problem),
        (status = 409, description = "There are no accounts here.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn transfer(
    State(app): State<App>,
    Person(member): Person,
    Segment(tenant): Segment,
    ApiJson(request): ApiJson<ChangeOwner>,
) -> Result<Json<TenantDetails>, ApiError> {
    let tenant = owned(&app, &member, &tenant).await?;
    let to = request.user.to_string();
    match app
        .database
        .transfer(&tenant.id, &member.user.id, &to)
        .await?
    {
        Transferred::Done => Ok(Json(own(&app, &member, &tenant.id).await?.into())),
        Transferred::NoMember => Err(ApiError::NotFound("member")),
    }
}
