//! Previews of versions: start one, look at it, end it, list those that run.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::accounts::Tenant;
use crate::app::App;
use crate::clock::{now_millis, rfc3339};
use crate::controllers::extract::VersionPath;
use crate::controllers::projects::versions;
use crate::database::{self, Begun, NewPreview};
use crate::error::ApiError;
use crate::previews::{Previews, host, random_label};
use crate::problem::Problem;

/// Why a preview ended that somebody ended.
const ENDED_BY_USER: &str = "somebody ended it";

/// How far a preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreviewState {
    /// Its address shows a page that waits.
    Starting,
    /// Its address shows the application.
    Ready,
    /// It is over.
    Ended,
}

/// A preview: a version that runs for whoever knows its address, until its time is over.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// UUID version 7.
    id: String,
    /// Id of the project.
    project: String,
    /// Number of the version.
    version: i64,
    /// Id of the commit that runs. Answers of the preview name it, too, in `x-app-gen-commit`.
    commit: String,
    /// How far it is.
    state: PreviewState,
    /// What its start is at: `pending`, `waiting` (for room), `installing`, `building`, `starting`; null if it
    /// does not start.
    #[schema(required)]
    phase: Option<String>,
    /// Why it ended, or what it waits for. An application may have written a part of it.
    #[schema(required)]
    reason: Option<String>,
    /// Its address, which nobody can guess; null once it has ended.
    #[schema(required)]
    url: Option<String>,
    /// RFC 3339, UTC.
    created_at: String,
    /// RFC 3339, UTC: it ends then at the latest.
    expires_at: String,
    /// RFC 3339, UTC; null before the application has answered.
    #[schema(required)]
    ready_at: Option<String>,
    /// RFC 3339, UTC; null before its end.
    #[schema(required)]
    ended_at: Option<String>,
    /// RFC 3339, UTC: since then nothing of it runs; null before that.
    #[schema(required)]
    stopped_at: Option<String>,
}

/// The previews that have not ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewList {
    /// Newest first.
    previews: Vec<Preview>,
    /// How many there may be at a time.
    max: u32,
}

impl Preview {
    fn of(preview: database::Preview, headers: &HeaderMap, previews: &Previews) -> Self {
        let is_over = preview.new.expires_at <= now_millis();
        let state = match (preview.ended_at, preview.ready_at) {
            (Some(_), _) => PreviewState::Ended,
            (None, _) if is_over => PreviewState::Ended,
            (None, Some(_)) => PreviewState::Ready,
            (None, None) => PreviewState::Starting,
        };
        let own = previews.config.host.as_deref();
        Self {
            url: match state {
                PreviewState::Ended => None,
                _ => host::url(&preview.new.label, headers, own),
            },
            id: preview.new.id,
            project: preview.new.project_id,
            version: preview.new.version,
            commit: preview.new.commit,
            state,
            phase: preview.phase,
            reason: preview.reason,
            created_at: rfc3339(preview.created_at),
            expires_at: rfc3339(preview.new.expires_at),
            ready_at: preview.ready_at.map(rfc3339),
            ended_at: preview.ended_at.map(rfc3339),
            stopped_at: preview.gone_at.map(rfc3339),
        }
    }
}

/// What previews need, where there are any.
fn previews(app: &App) -> Result<&Previews, ApiError> {
    app.previews.as_deref().ok_or(ApiError::Changed(
        "this environment has no previews: preview_host is missing in platform.toml",
    ))
}

/// Starts a preview of a version, or returns the one that it has.
#[utoipa::path(
    post,
    path = "/api/projects/{id}/versions/{number}/preview",
    tag = "previews",
    operation_id = "start_preview",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
    ),
    responses(
        (status = 200, description = "The version has a preview, which goes on.", body = Preview),
        (status = 201, description = "It starts; ask for it until it is ready.", body = Preview),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 409, description = "There are no previews here, or none under the name that was asked.", body = Problem),
        (status = 503, description = "The database does not answer, or there are as many previews as there may be; `Retry-After` and the message say when one ends.", body = Problem),
    )
)]
pub async fn start(
    State(app): State<App>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Preview>), ApiError> {
    let previews = previews(&app)?;
    let version = versions::find(&app, &path).await?;
    let label = random_label()
        .map_err(|error| ApiError::Internal(anyhow::anyhow!("no random numbers: {error}")))?;
    if host::url(&label, &headers, previews.config.host.as_deref()).is_none() {
        return Err(ApiError::Changed(
            "no name leads to a preview from here: set PREVIEW_HOST, or ask under localhost",
        ));
    }
    let lifetime = previews.config.time_to_live.as_millis();
    let lifetime = i64::try_from(lifetime).unwrap_or(i64::MAX);
    let new = NewPreview {
        id: Uuid::now_v7().to_string(),
        project_id: version.project_id,
        version: version.number,
        commit: version.content.commit,
        folder: version.content.folder,
        size_bytes: version.content.size_bytes,
        sha256: version.content.sha256,
        label,
        expires_at: now_millis().saturating_add(lifetime),
    };
    let max = previews.config.max;
    let (status, preview) = match app.database.begin_preview(&new, max).await? {
        Begun::New(preview) => {
            previews.wake.notify_one();
            (StatusCode::CREATED, preview)
        }
        Begun::Known(preview) => (StatusCode::OK, preview),
        Begun::Full { free_at } => return Err(full(max, free_at)),
    };
    Ok((status, Json(Preview::of(preview, &headers, previews))))
}

fn full(max: u32, free_at: i64) -> ApiError {
    let millis = free_at.saturating_sub(now_millis()).max(1_000);
    let seconds = u32::try_from(millis / 1_000).unwrap_or(u32::MAX);
    ApiError::Full {
        message: format!(
            "there are {max} previews, as many as there may be; the first of them ends at {}, in {} min: end \
             one, or try again then",
            rfc3339(free_at),
            seconds.div_ceil(60)
        ),
        retry_after_secs: seconds,
    }
}

/// Shows the newest preview of a version, also one that has ended.
#[utoipa::path(
    get,
    path = "/api/projects/{id}/versions/{number}/preview",
    tag = "previews",
    operation_id = "get_preview",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
    ),
    responses(
        (status = 200, description = "The preview.", body = Preview),
        (status = 404, description = "No such project or version, or it has no preview.", body = Problem),
        (status = 409, description = "There are no previews here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(
    State(app): State<App>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<Json<Preview>, ApiError> {
    let previews = previews(&app)?;
    versions::find(&app, &path).await?;
    let preview = app
        .database
        .preview_of(&path.project_id, path.number)
        .await?;
    let preview = preview.ok_or(ApiError::NotFound("preview"))?;
    Ok(Json(Preview::of(preview, &headers, previews)))
}

/// Ends the preview of a version: from now on its address leads to nothing.
#[utoipa::path(
    delete,
    path = "/api/projects/{id}/versions/{number}/preview",
    tag = "previews",
    operation_id = "end_preview",
    params(
        ("id" = String, Path, format = "uuid", description = "Id of the project."),
        ("number" = i64, Path, description = "Number of the version."),
    ),
    responses(
        (status = 204, description = "It has ended."),
        (status = 404, description = "No such project or version, or it has no preview.", body = Problem),
        (status = 409, description = "There are no previews here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn end(State(app): State<App>, path: VersionPath) -> Result<StatusCode, ApiError> {
    let previews = previews(&app)?;
    versions::find(&app, &path).await?;
    let ended = app
        .database
        .end_preview_of(&path.project_id, path.number, ENDED_BY_USER)
        .await?;
    if !ended {
        return Err(ApiError::NotFound("preview"));
    }
    previews.wake.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the previews that have not ended.
#[utoipa::path(
    get,
    path = "/api/previews",
    tag = "previews",
    operation_id = "list_previews",
    responses(
        (status = 200, description = "Previews.", body = PreviewList),
        (status = 409, description = "There are no previews here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
) -> Result<Json<PreviewList>, ApiError> {
    let previews = previews(&app)?;
    let found = app.database.previews(&tenant).await?.into_iter();
    Ok(Json(PreviewList {
        previews: found
            .map(|preview| Preview::of(preview, &headers, previews))
            .collect(),
        max: previews.config.max,
    }))
}
