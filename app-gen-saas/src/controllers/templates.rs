//! Templates, which new applications begin with: those that come with the generator, and those that people made
//! of versions.

use app_gen_contract::{BUILT_IN_TEMPLATES, BuiltInTemplate};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::accounts::Tenant;
use crate::app::App;
use crate::clock::{now_millis, rfc3339};
use crate::controllers::extract::{ApiJson, ApiQuery, TemplateId, page_limit, searched, stored_id};
use crate::controllers::naming;
use crate::database::{self, BeganWith};
use crate::error::ApiError;
use crate::problem::Problem;

/// Maximum number of characters of a description.
const MAX_DESCRIPTION_CHARS: usize = 1000;
/// Maximum number of templates that people of a tenant made.
const MAX_TEMPLATES: i64 = 1000;

/// A template: an application that new ones can begin with.
#[derive(Debug, Serialize, ToSchema)]
pub struct Template {
    /// A job names it: a UUID, or the short name of a built-in one.
    id: String,
    /// Its name for people.
    name: String,
    /// What it is good for; it may be empty.
    description: String,
    /// Whether it comes with the generator. Such a one cannot be changed or removed.
    built_in: bool,
    /// Id of the project of the version that it was made of, which may be gone; null if it is built in.
    #[schema(required)]
    project: Option<String>,
    /// Number of that version.
    #[schema(required)]
    version: Option<i64>,
    /// RFC 3339, UTC; null if it is built in.
    #[schema(required)]
    created_at: Option<String>,
    /// RFC 3339, UTC; null if it is built in.
    #[schema(required)]
    updated_at: Option<String>,
}

/// The template that a job began with, as it was then.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobTemplate {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
}

/// One page of the list of templates.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateList {
    /// Built-in ones first, on the first page; then the others, newest first.
    templates: Vec<Template>,
}

/// Which templates to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListTemplates {
    /// Maximum number of templates that people made: 1 to 200, default 50. Built-in ones do not count.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Only templates older than the one with this id; none that is built in.
    #[param(format = "uuid")]
    before: Option<String>,
    /// Only templates whose name or description has this text, in small or capital letters.
    #[param(max_length = 100, pattern = "^[^\\u0000]*$")]
    search: Option<String>,
}

/// A template to be made of a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTemplate {
    /// Its name: 1 to 80 characters after trimming.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// What it is good for: up to 1000 characters.
    #[serde(default)]
    #[schema(required = false, max_length = 1000)]
    description: String,
    /// Id of the project of the version.
    #[schema(value_type = String)]
    project: Uuid,
    /// Number of the version.
    #[schema(minimum = 1)]
    version: i64,
}

/// What is to be changed of a template; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTemplate {
    /// Another name: 1 to 80 characters after trimming.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 80)]
    name: Option<String>,
    /// Another description: up to 1000 characters.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Id of the project of another version; given together with `version`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    project: Option<Uuid>,
    /// Number of that version.
    #[serde(default)]
    #[schema(minimum = 1)]
    version: Option<i64>,
}

impl From<database::Template> for Template {
    fn from(template: database::Template) -> Self {
        Self {
            id: template.id,
            name: template.name,
            description: template.description,
            built_in: false,
            project: Some(template.project_id),
            version: Some(template.version),
            created_at: Some(rfc3339(template.created_at)),
            updated_at: Some(rfc3339(template.updated_at)),
        }
    }
}

impl From<&BuiltInTemplate> for Template {
    fn from(template: &BuiltInTemplate) -> Self {
        Self {
            id: template.name.to_owned(),
            name: template.title.to_owned(),
            description: template.description.to_owned(),
            built_in: true,
            project: None,
            version: None,
            created_at: None,
            updated_at: None,
        }
    }
}

impl From<BeganWith> for JobTemplate {
    fn from(template: BeganWith) -> Self {
        Self {
            id: template.id,
            name: template.name,
        }
    }
}

const BUILT_IN: ApiError =
    ApiError::Changed("the template comes with App-Gen; it cannot be changed or removed");

/// The template that somebody made, or the error "not found".
async fn find(app: &App, tenant: &str, id: TemplateId) -> Result<database::Template, ApiError> {
    match id {
        TemplateId::Own(id) => {
            let template = app.database.template(tenant, &id).await?;
            template.ok_or(ApiError::NotFound("template"))
        }
        TemplateId::BuiltIn(_) => Err(BUILT_IN),
    }
}

fn checked_description(description: &str) -> Result<String, ApiError> {
    let description = description.trim();
    let length = description.chars().count();
    if length > MAX_DESCRIPTION_CHARS {
        return Err(ApiError::Invalid(format!(
            "description has {length} characters; it takes up to {MAX_DESCRIPTION_CHARS}"
        )));
    }
    if description.contains('\0') {
        return Err(ApiError::Invalid(
            "description contains a NUL character".to_owned(),
        ));
    }
    Ok(description.to_owned())
}

/// Lists templates.
#[utoipa::path(
    get,
    path = "/api/templates",
    tag = "templates",
    operation_id = "list_templates",
    params(ListTemplates),
    responses(
        (status = 200, description = "Templates.", body = TemplateList),
        (status = 400, description = "A parameter is wrong.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    ApiQuery(query): ApiQuery<ListTemplates>,
) -> Result<Json<TemplateList>, ApiError> {
    let limit = page_limit(query.limit)?;
    let before = stored_id(query.before, "before is not the id of a template")?;
    let search = searched(query.search)?.unwrap_or_default();
    let wanted = search.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let mut templates: Vec<Template> = BUILT_IN_TEMPLATES
        .iter()
        .filter(|template| before.is_none() && (has(template.title) || has(template.description)))
        .map(Template::from)
        .collect();
    let own = app
        .database
        .templates(&tenant, &search, before.as_deref(), limit);
    templates.extend(own.await?.into_iter().map(Template::from));
    Ok(Json(TemplateList { templates }))
}

/// Shows a template.
#[utoipa::path(
    get,
    path = "/api/templates/{id}",
    tag = "templates",
    operation_id = "get_template",
    params(("id" = String, Path, description = "Id of the template.")),
    responses(
        (status = 200, description = "The template.", body = Template),
        (status = 404, description = "No such template.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    id: TemplateId,
) -> Result<Json<Template>, ApiError> {
    if let TemplateId::BuiltIn(template) = id {
        return Ok(Json(template.into()));
    }
    Ok(Json(find(&app, &tenant, id).await?.into()))
}

/// Makes a template of a version. It has a copy of the version's history, so that it outlives the project.
#[utoipa::path(
    post,
    path = "/api/templates",
    tag = "templates",
    operation_id = "create_template",
    request_body(
        content = CreateTemplate,
        example = json!({
            "name": "Shop",
            "project": "0192f0c1-2345-7000-8000-000000000000",
            "version": 1,
        }),
    ),
    responses(
        (status = 201, description = "It is made.", body = Template),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such project or version.", body = Problem),
        (status = 409, description = "The tenant has 1000 templates already.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn create(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    ApiJson(request): ApiJson<CreateTemplate>,
) -> Result<(StatusCode, Json<Template>), ApiError> {
    let now = now_millis();
    let mut template = database::Template {
        id: Uuid::now_v7().to_string(),
        tenant,
        name: naming::checked_name(&request.name)?,
        description: checked_description(&request.description)?,
        project_id: String::new(),
        version: request.version,
        commit: String::new(),
        folder: String::new(),
        created_at: now,
        updated_at: now,
    };
    take(&app, &mut template, request.project, request.version).await?;
    if !app
        .database
        .insert_template(&template, MAX_TEMPLATES)
        .await?
    {
        give_up(&app, &template).await;
        return Err(ApiError::Changed(
            "there are 1000 templates already; remove one first",
        ));
    }
    Ok((StatusCode::CREATED, Json(template.into())))
}

/// Has a template begin with this version: copies its history to a folder of its own.
async fn take(
    app: &App,
    template: &mut database::Template,
    project: Uuid,
    number: i64,
) -> Result<(), ApiError> {
    let project_id = project.to_string();
    let project = app
        .database
        .project_of(&template.tenant, &project_id)
        .await?;
    project.ok_or(ApiError::NotFound("project"))?;
    let version = app.database.version(&project_id, number).await?;
    let version = version.ok_or(ApiError::NotFound("version"))?;
    template.project_id = project_id;
    template.version = number;
    template.commit = version.content.commit;
    template.folder = Uuid::now_v7().to_string();
    // First: whatever ends this in between, the folder is found again.
    app.database
        .begin_template_folder(&template.id, &template.folder)
        .await?;
    let kept = app.artifacts.keep_template(
        &template.project_id,
        &version.content.folder,
        &template.id,
        &template.folder,
    );
    kept.await.map_err(ApiError::store)
}

/// Removes what was copied for a template that is not kept.
async fn give_up(app: &App, template: &database::Template) {
    let removed = async {
        let folder = &template.folder;
        app.artifacts.remove_template(&template.id, folder).await?;
        app.database.forget_template_folder(folder).await?;
        anyhow::Ok(())
    };
    // It is tried again within the hour.
    if let Err(error) = removed.await {
        let error = format!("{error:#}");
        tracing::warn!(template = template.id, error, "failed to remove a history");
    }
}

/// Renames or describes a template, or has it begin with another version.
#[utoipa::path(
    patch,
    path = "/api/templates/{id}",
    tag = "templates",
    operation_id = "change_template",
    params(("id" = String, Path, description = "Id of the template.")),
    request_body(content = ChangeTemplate, example = json!({ "name": "Small shop" })),
    responses(
        (status = 200, description = "The template as it is now.", body = Template),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such template, project or version.", body = Problem),
        (status = 409, description = "The template is built in, or was changed in this moment.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 503, description = "The database or the store does not answer.", body = Problem),
    )
)]
pub async fn change(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    id: TemplateId,
    ApiJson(request): ApiJson<ChangeTemplate>,
) -> Result<Json<Template>, ApiError> {
    let before = find(&app, &tenant, id).await?;
    let mut template = before.clone();
    if let Some(name) = &request.name {
        template.name = naming::checked_name(name)?;
    }
    if let Some(description) = &request.description {
        template.description = checked_description(description)?;
    }
    // Times tell states apart, also those of one millisecond.
    template.updated_at = now_millis().max(before.updated_at + 1);
    match (request.project, request.version) {
        (Some(project), Some(number)) => take(&app, &mut template, project, number).await?,
        (None, None) => {}
        _ => {
            return Err(ApiError::Invalid(
                "project and version are given together, or neither".to_owned(),
            ));
        }
    }
    let is_taken = template.folder != before.folder;
    let written = app
        .database
        .update_template(&template, before.updated_at)
        .await?;
    if is_taken {
        let gone = if written { &before } else { &template };
        give_up(&app, gone).await;
    }
    match written {
        true => Ok(Json(template.into())),
        false => Err(ApiError::Changed(
            "the template was changed or removed in this moment; look at it again",
        )),
    }
}

/// Removes a template. Applications that were made with it stay.
#[utoipa::path(
    delete,
    path = "/api/templates/{id}",
    tag = "templates",
    operation_id = "delete_template",
    params(("id" = String, Path, description = "Id of the template.")),
    responses(
        (status = 204, description = "It is removed; its files are removed within the hour."),
        (status = 404, description = "No such template.", body = Problem),
        (status = 409, description = "The template is built in.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn delete(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    id: TemplateId,
) -> Result<StatusCode, ApiError> {
    let template = find(&app, &tenant, id).await?;
    if !app.database.delete_template(&template.id).await? {
        return Err(ApiError::NotFound("template"));
    }
    app.deleted_project.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// A template that a job is to begin with, and the folder of its history, if it has one of its own.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) began_with: BeganWith,
    folder: Option<String>,
}

/// The template of this id.
///
/// # Errors
/// There is none.
pub(super) async fn chosen(app: &App, tenant: &str, id: &str) -> Result<Chosen, ApiError> {
    if let Some(template) = BuiltInTemplate::named(id) {
        return Ok(Chosen {
            began_with: BeganWith {
                id: template.name.to_owned(),
                name: template.title.to_owned(),
                commit: None,
            },
            folder: None,
        });
    }
    let id = Uuid::try_parse(id).map_err(|_| ApiError::NotFound("template"))?;
    let template = find(app, tenant, TemplateId::Own(id.to_string())).await?;
    Ok(Chosen {
        began_with: BeganWith {
            id: template.id,
            name: template.name,
            commit: Some(template.commit),
        },
        folder: Some(template.folder),
    })
}

/// Copies the history of a template into the folder of a job that is to be accepted.
///
/// # Errors
/// The template was changed or removed in this moment, or the store fails.
pub(super) async fn lend(app: &App, job_id: &str, chosen: &Chosen) -> Result<(), ApiError> {
    let Some(folder) = &chosen.folder else {
        return Ok(());
    };
    let id = &chosen.began_with.id;
    let lent = app.artifacts.lend_template(id, folder, job_id).await;
    match lent.map_err(ApiError::store)? {
        true => Ok(()),
        false => Err(ApiError::NotFound("template")),
    }
}
