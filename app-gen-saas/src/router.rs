//! The route table.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::time::timeout;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::{describe, guard};
use crate::app::App;
use crate::config::AccountsConfig;
use crate::controllers::accounts::{self, fleet, invitations, keys, limits, tenants};
use crate::controllers::extract::MAX_REQUEST_BYTES;
use crate::controllers::projects::{deliveries, versions};
use crate::controllers::{
    artifact, attachments, events, health, jobs, model_keys, previews, projects, templates, ui,
    usage, websocket,
};
use crate::document::promises::{self, Promises};
use crate::document::{self, API_VERSION, VERSION_HEADER};
use crate::error::ApiError;
use crate::gate::{Allowed, gate};
use crate::limits::{cors, requests};
use crate::observe::request::{Observers, observe};
use crate::previews::{dispatch, host};
use crate::problem::REFERENCE_PATH;
use crate::reference;

/// Maximum wait for the head of an answer; a stream may continue after that.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "App-Gen orchestrator",
    description = "Jobs that turn a description into an application.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
))]
struct Document;

fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(jobs::create, jobs::list))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::decide))
        .routes(routes!(jobs::cancel))
        .routes(routes!(events::stream))
        .routes(routes!(websocket::stream))
        .routes(routes!(artifact::download))
        .routes(routes!(attachments::limits, attachments::upload))
        .routes(routes!(attachments::read))
        .routes(routes!(projects::list))
        .routes(routes!(projects::show, projects::change, projects::delete))
        .routes(routes!(versions::list))
        .routes(routes!(versions::show))
        .routes(routes!(versions::files))
        .routes(routes!(versions::file))
        .routes(routes!(versions::diff))
        .routes(routes!(versions::download))
        .routes(routes!(projects::restore))
        .routes(routes!(deliveries::create))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::show))
        .routes(routes!(templates::list, templates::create))
        .routes(routes!(
            templates::show,
            templates::change,
            templates::delete
        ))
        .routes(routes!(previews::start, previews::show, previews::end))
        .routes(routes!(previews::list))
        .routes(routes!(accounts::config))
        .routes(routes!(accounts::session))
        .routes(routes!(accounts::ticket))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::delete))
        .routes(routes!(tenants::members))
        .routes(routes!(tenants::leave))
        .routes(routes!(tenants::transfer))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::delete))
        .routes(routes!(invitations::take))
        .routes(routes!(fleet::usage))
        .routes(routes!(model_keys::list))
        .routes(routes!(
            model_keys::show,
            model_keys::set,
            model_keys::remove
        ))
        .routes(routes!(model_keys::test))
        .routes(routes!(limits::show, limits::set))
        .routes(routes!(usage::show))
}

/// The OpenAPI document, as `/api/openapi.json` serves it.
#[must_use]
pub fn openapi() -> OpenApi {
    parts().1
}

fn parts() -> (Router<App>, OpenApi) {
    let (routes, mut document) = api().split_for_parts();
    describe(&mut document);
    document::complete(&mut document);
    (routes, document)
}

/// Everything that is served.
pub fn router(app: App) -> Router {
    let (api, document) = parts();
    let promises = Arc::new(Promises::of(&document));
    let page = reference::page(&document);
    let ui = app.config.server.ui_dir.as_deref().map(ui::files);
    let server = &app.config.server;
    let allowed = Allowed::new(&server.allowed_hosts, &server.allowed_origins);
    let cors = cors::layer(&server.allowed_origins);
    let policy = content_security_policy(&app);
    let (of_previews, of_requests) = (app.clone(), app.clone());
    let observers = Observers {
        measures: Arc::clone(&app.measures),
        tracer: app.tracer.clone(),
    };
    let api = api
        .route_layer(middleware::from_fn_with_state(promises, promises::keep))
        // It is in front of everything that the document describes, and of nothing else.
        .route_layer(middleware::from_fn_with_state(app.clone(), guard))
        .route(REFERENCE_PATH, get(move || async move { page }))
        .route(reference::STYLE_PATH, get(reference::style))
        .route(
            "/api/openapi.json",
            get(move || async move { Json(document) }),
        )
        .route("/api", get(no_such_path).fallback(no_such_path))
        .route("/api/{*path}", get(no_such_path).fallback(no_such_path))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(app);
    let router = match ui {
        Some(ui) => api.fallback_service(ui),
        None => api.fallback(no_such_path),
    };
    // The last layer is the outermost: every answer has the headers, and what is not let in costs nothing.
    let router = router
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn(bounded))
        .layer(middleware::from_fn_with_state(of_requests, requests::limit));
    // A page of another origin that may ask is told so by refusals, too.
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(middleware::from_fn_with_state(allowed, gate))
        .layer(middleware::from_fn_with_state(policy, security_headers))
        .layer(middleware::from_fn_with_state(observers, observe))
        // A preview is of another origin, and has nothing of the page's.
        .layer(middleware::from_fn_with_state(of_previews, dispatch))
}

async fn no_such_path() -> ApiError {
    ApiError::NotFound("path")
}

/// Answers when the head of an answer does not come.
async fn bounded(request: Request, next: Next) -> Response {
    let answer = timeout(RESPONSE_TIMEOUT, next.run(request)).await;
    answer.unwrap_or_else(|elapsed| {
        ApiError::Unavailable {
            message: "the answer took too long",
            source: elapsed.into(),
        }
        .into_response()
    })
}

/// The page's files all come from here, and nothing of it may be used by another page.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The page's files all come from here, and only previews may be in a frame of it.
fn content_security_policy(app: &App) -> HeaderValue {
    // Images may also be files that a person has just chosen.
    const OWN: &str = "default-src 'self'; img-src 'self' blob:; base-uri 'none'; \
                       form-action 'self'; frame-ancestors 'none'; object-src 'none'";
    let frames = app.previews.as_ref().map_or_else(
        || "'none'".to_owned(),
        |previews| host::frames(previews.config.host.as_deref()),
    );
    // The page asks the login, too.
    let login = match &app.config.accounts {
        AccountsConfig::None => String::new(),
        AccountsConfig::Supabase(config) => format!("; connect-src 'self' {}", config.url),
    };
    // The configuration has checked both names.
    HeaderValue::from_str(&format!("{OWN}; frame-src {frames}{login}"))
        .unwrap_or(HeaderValue::from_static(OWN))
}

async fn security_headers(
    State(policy): State<HeaderValue>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_api = path == "/health" || path == "/api" || path.starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if is_api {
        let version = HeaderValue::from_static(API_VERSION);
        headers.insert(HeaderName::from_static(VERSION_HEADER), version);
    }
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
