//! The guard in front of every route of the API: it finds out who asks, and whether they may use the route at all.
//! Whether a thing is theirs is found out where its id is read (`controllers::extract`).

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::accounts::access::{self, Access};
use crate::accounts::identity::{Identity, Member, SIGN_IN, Scope};
use crate::accounts::secret::{Purpose, hash_of, is_named};
use crate::accounts::token::User;
use crate::app::App;
use crate::error::ApiError;
use crate::limits::rate::Client;
use crate::limits::requests;

/// Which of their tenants somebody who signed in is in; without it their personal one.
const TENANT: HeaderName = HeaderName::from_static("x-app-gen-tenant");
/// The parameter of a ticket.
const TICKET: &str = "ticket=";

const UNKNOWN_KEY: ApiError =
    ApiError::Unauthenticated("there is no such API key, or it was revoked");

/// Lets nobody in who may not use the route.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    // The body is nothing that two tasks may look at, and nobody looks at it here.
    let (mut parts, body) = request.into_parts();
    match identify(&app, &parts).await {
        Ok(identity) => {
            let client = client(&app, &identity);
            let is_counted = client.is_some();
            if let Some(Err(refusal)) = client.map(|client| requests::take(&app, client)) {
                let mut response = refusal.into_response();
                requests::mark(response.extensions_mut());
                return response;
            }
            parts.extensions.insert(identity);
            let mut response = next.run(Request::from_parts(parts, body)).await;
            if is_counted {
                requests::mark(response.extensions_mut());
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

/// By what the requests of somebody are counted; by their address if nothing else is known.
fn client(app: &App, identity: &Identity) -> Option<Client> {
    if !app.accounts.has_login() {
        return None;
    }
    match identity {
        Identity::Nobody => None,
        Identity::Member(member) => Some(Client::User(member.user.id.clone())),
        Identity::Key { id, .. } => Some(Client::Key(id.clone())),
        Identity::Ticket { tenant, .. } => Some(Client::Tickets(tenant.clone())),
    }
}

async fn identify(app: &App, parts: &Parts) -> Result<Identity, ApiError> {
    let path = parts.extensions.get::<MatchedPath>();
    let path = path.map_or("", MatchedPath::as_str);
    let access = access::of(&parts.method, path).ok_or_else(|| {
        ApiError::Internal(anyhow::anyhow!(
            "{} {path} has no rule: add one to accounts::access",
            parts.method
        ))
    })?;
    if access == Access::Public {
        return Ok(Identity::Nobody);
    }
    if !app.accounts.has_login() {
        return Ok(Identity::local());
    }
    let identity = match (access, ticket(parts)) {
        (Access::Stream, Some(ticket)) => by_ticket(app, ticket).await?,
        _ => match bearer(parts)? {
            None => Identity::Nobody,
            Some(text) if is_named(Purpose::ApiKey, text) => by_key(app, text).await?,
            Some(token) => by_token(app, parts, token).await?,
        },
    };
    allow(&identity, access)?;
    Ok(identity)
}

fn allow(identity: &Identity, access: Access) -> Result<(), ApiError> {
    match (access, identity) {
        (Access::Public, _) | (Access::Stream, Identity::Ticket { .. }) => Ok(()),
        (_, Identity::Nobody | Identity::Ticket { .. }) => Err(SIGN_IN),
        (Access::Known, _) => Ok(()),
        (Access::Stream, _) => identity.require(Scope::Read),
        (Access::Tenant(scope), _) => identity.require(scope),
        (Access::Person, Identity::Member(_)) => Ok(()),
        (Access::Operator, Identity::Member(member)) if member.user.is_operator => Ok(()),
        (Access::Operator, Identity::Member(_)) => Err(ApiError::Forbidden(
            "only operators see this; app_metadata.app_gen_role makes one",
        )),
        (Access::Person | Access::Operator, Identity::Key { .. }) => Err(ApiError::Forbidden(
            "an API key may not do this; sign in on the page",
        )),
    }
}

/// What the request says to be let in with.
fn bearer(parts: &Parts) -> Result<Option<&str>, ApiError> {
    const WRONG: ApiError =
        ApiError::Unauthenticated("Authorization is not one Bearer with a token or an API key");
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(WRONG);
    }
    let text = value.to_str().map_err(|_| WRONG)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(WRONG),
    }
}

/// The ticket among the parameters. No character of one is ever encoded.
fn ticket(parts: &Parts) -> Option<&str> {
    let mut parameters = parts.uri.query()?.split('&');
    parameters.find_map(|parameter| parameter.strip_prefix(TICKET))
}

async fn by_ticket(app: &App, ticket: &str) -> Result<Identity, ApiError> {
    const UNKNOWN: ApiError = ApiError::Unauthenticated(
        "there is no such ticket, its time is over, or it was used; ask for another one",
    );
    let hash = hash_of(Purpose::Ticket, ticket).ok_or(UNKNOWN)?;
    let taken = app.database.take_ticket(&hash).await?;
    let (tenant, job) = taken.ok_or(UNKNOWN)?;
    Ok(Identity::Ticket { tenant, job })
}

async fn by_key(app: &App, text: &str) -> Result<Identity, ApiError> {
    let hash = hash_of(Purpose::ApiKey, text).ok_or(UNKNOWN_KEY)?;
    let key = app.database.use_key(&hash).await?.ok_or(UNKNOWN_KEY)?;
    Ok(Identity::Key {
        id: key.id,
        scopes: Scope::listed(&key.scopes),
        tenant: key.tenant,
        user_id: key.user_id,
    })
}

async fn by_token(app: &App, parts: &Parts, token: &str) -> Result<Identity, ApiError> {
    let user = app.accounts.user(token).await?;
    let wanted = match parts.headers.get(TENANT) {
        None => user.id.clone(),
        Some(id) => {
            let id = id.to_str().map_err(|_| ApiError::NotFound("tenant"))?;
            id.to_ascii_lowercase()
        }
    };
    let mut tenant = app.database.tenant_of(&user.id, &wanted).await?;
    if tenant.is_none() && wanted == user.id {
        // It is the first time.
        let personal = (user.id.as_str(), personal_name(&user), "personal");
        let owner = (user.id.as_str(), user.email.as_str());
        app.database.insert_tenant(personal, owner).await?;
        tenant = app.database.tenant_of(&user.id, &wanted).await?;
        if tenant.is_none() {
            return Err(ApiError::Changed(
                "your tenant was deleted, and its last things are being removed; come back within the hour",
            ));
        }
    }
    let tenant = tenant.ok_or(ApiError::NotFound("tenant"))?;
    Ok(Identity::Member(Member {
        user,
        is_owner: tenant.role == "owner",
        tenant: tenant.id,
    }))
}

/// What people call their own tenant.
fn personal_name(user: &User) -> &str {
    match user.email.as_str() {
        "" => "Personal",
        email => email,
    }
}
