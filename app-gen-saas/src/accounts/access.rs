//! The rule of every route: who may use it. A route without a rule answers nobody, and a test compares the rules
//! with the description of the API (`tests/it/accounts/matrix.rs`).

use axum::http::Method;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, RefOr, Response};

use crate::accounts::identity::Scope;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Public,
    /// Who says who they are.
    Known,
    /// Who signed in, and keys with this scope: for what belongs to their tenant.
    Tenant(Scope),
    /// As those who read, and whoever has a ticket for this very stream.
    Stream,
    /// Who signed in; no key.
    Person,
    /// Who signed in, and sees the fleet.
    Operator,
}

const READ: Access = Access::Tenant(Scope::Read);
const WRITE: Access = Access::Tenant(Scope::Write);
const MODELS: Access = Access::Tenant(Scope::Models);

/// Method, path and rule.
const RULES: &[(&str, &str, Access)] = &[
    ("GET", "/health", Access::Public),
    ("GET", "/api/config", Access::Public),
    ("GET", "/api/session", Access::Known),
    ("POST", "/api/stream-tickets", READ),
    ("GET", "/api/keys", Access::Person),
    ("POST", "/api/keys", Access::Person),
    ("DELETE", "/api/keys/{id}", Access::Person),
    ("GET", "/api/tenants", Access::Person),
    ("POST", "/api/tenants", Access::Person),
    ("DELETE", "/api/tenants/{id}", Access::Person),
    ("GET", "/api/tenants/{id}/members", Access::Person),
    ("DELETE", "/api/tenants/{id}/members/{user}", Access::Person),
    ("POST", "/api/tenants/{id}/owner", Access::Person),
    ("GET", "/api/tenants/{id}/invitations", Access::Person),
    ("POST", "/api/tenants/{id}/invitations", Access::Person),
    (
        "DELETE",
        "/api/tenants/{id}/invitations/{invitation}",
        Access::Person,
    ),
    ("POST", "/api/invitations", Access::Person),
    ("GET", "/api/fleet/usage", Access::Operator),
    ("GET", "/api/model-keys", READ),
    ("GET", "/api/model-keys/{provider}", READ),
    ("PUT", "/api/model-keys/{provider}", MODELS),
    ("POST", "/api/model-keys/{provider}/test", MODELS),
    ("DELETE", "/api/model-keys/{provider}", MODELS),
    ("GET", "/api/fleet/tenants/{id}/limits", Access::Operator),
    ("PUT", "/api/fleet/tenants/{id}/limits", Access::Operator),
    ("GET", "/api/usage", READ),
    ("GET", "/api/jobs", READ),
    ("POST", "/api/jobs", WRITE),
    ("GET", "/api/jobs/{id}", READ),
    ("POST", "/api/jobs/{id}/decision", WRITE),
    ("POST", "/api/jobs/{id}/cancel", WRITE),
    ("GET", "/api/jobs/{id}/events", Access::Stream),
    ("GET", "/api/jobs/{id}/events/ws", Access::Stream),
    ("GET", "/api/jobs/{id}/artifact", READ),
    ("GET", "/api/jobs/{id}/attachments/{number}", READ),
    ("GET", "/api/attachments", READ),
    ("POST", "/api/attachments", WRITE),
    ("GET", "/api/projects", READ),
    ("GET", "/api/projects/{id}", READ),
    ("PATCH", "/api/projects/{id}", WRITE),
    ("DELETE", "/api/projects/{id}", WRITE),
    ("GET", "/api/projects/{id}/versions", READ),
    ("GET", "/api/projects/{id}/versions/{number}", READ),
    ("GET", "/api/projects/{id}/versions/{number}/files", READ),
    ("GET", "/api/projects/{id}/versions/{number}/file", READ),
    ("GET", "/api/projects/{id}/versions/{number}/diff", READ),
    ("GET", "/api/projects/{id}/versions/{number}/download", READ),
    (
        "POST",
        "/api/projects/{id}/versions/{number}/restore",
        WRITE,
    ),
    (
        "POST",
        "/api/projects/{id}/versions/{number}/deliveries",
        Access::Tenant(Scope::Deliver),
    ),
    ("GET", "/api/projects/{id}/deliveries", READ),
    ("GET", "/api/projects/{id}/deliveries/{delivery}", READ),
    ("GET", "/api/templates", READ),
    ("POST", "/api/templates", WRITE),
    ("GET", "/api/templates/{id}", READ),
    ("PATCH", "/api/templates/{id}", WRITE),
    ("DELETE", "/api/templates/{id}", WRITE),
    (
        "POST",
        "/api/projects/{id}/versions/{number}/preview",
        WRITE,
    ),
    ("GET", "/api/projects/{id}/versions/{number}/preview", READ),
    (
        "DELETE",
        "/api/projects/{id}/versions/{number}/preview",
        WRITE,
    ),
    ("GET", "/api/previews", READ),
];

/// The rule of a route, if it has one. What answers GET answers HEAD.
pub(super) fn of(method: &Method, path: &str) -> Option<Access> {
    let method = match *method {
        Method::HEAD => "GET",
        ref other => other.as_str(),
    };
    let rule = RULES
        .iter()
        .find(|(of, at, _)| *of == method && *at == path);
    rule.map(|(_, _, access)| *access)
}

/// Names of the ways to be let in, in the description of the API.
const SESSION: &str = "session";
const KEY: &str = "api_key";

/// Writes into the description of the API who may use which route, and how it answers others.
pub(crate) fn describe(document: &mut OpenApi) {
    let components = document.components.get_or_insert_with(Components::new);
    let scheme = |format: &str, description: &str| {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format(format)
            .description(Some(description));
        SecurityScheme::Http(scheme.build())
    };
    components.add_security_scheme(
        SESSION,
        scheme(
            "JWT",
            "The access token of the login. The header x-app-gen-tenant chooses among the tenants of the user.",
        ),
    );
    components.add_security_scheme(
        KEY,
        scheme("agk_", "An API key, made on the page; it opens one tenant."),
    );
    for (method, path, access) in RULES {
        if let Some(item) = document.paths.paths.get_mut(*path)
            && let Some(operation) = operation(item, method)
        {
            secure(operation, *access);
        }
    }
}

fn operation<'item>(item: &'item mut PathItem, method: &str) -> Option<&'item mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

fn secure(operation: &mut Operation, access: Access) {
    let session = || SecurityRequirement::new(SESSION, Vec::<String>::new());
    let key =
        |scopes: &[Scope]| SecurityRequirement::new(KEY, scopes.iter().map(|scope| scope.as_str()));
    let security = match access {
        Access::Public => return,
        Access::Known => vec![session(), key(&[])],
        Access::Tenant(scope) => vec![session(), key(&[scope])],
        Access::Stream => vec![session(), key(&[Scope::Read])],
        Access::Person | Access::Operator => vec![session()],
    };
    operation.security = Some(security);
    let responses = &mut operation.responses.responses;
    for (status, description) in [
        (
            "401",
            "Nobody signed in, or the token, key or ticket is not valid.",
        ),
        (
            "403",
            "They may not do this, or the page is of another origin.",
        ),
    ] {
        responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(Response::new(description)));
    }
}
