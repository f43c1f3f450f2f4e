//! Keys of model providers that a tenant brings: set and tested, shown without the key, removed.

use app_gen_contract::ModelProvider;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::accounts::{Identity, Tenant};
use crate::app::App;
use crate::clock::{now_millis, rfc3339};
use crate::controllers::extract::{ApiJson, Segment};
use crate::database;
use crate::error::ApiError;
use crate::models::{ModelKeys, Outcome, checked_base, usual_model};
use crate::problem::Problem;

/// Numbers of characters that a key can have. Of a shorter one, the last four would be too much.
const KEY_CHARS: std::ops::RangeInclusive<usize> = 12..=512;
/// Characters of a key that people see afterwards.
const SHOWN: usize = 4;

/// A key that the tenant brought, without the key.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelKey {
    /// `anthropic` or `openai`.
    provider: ModelProviderName,
    /// Jobs with this provider are paid with it: `claude` or `codex`.
    agent: &'static str,
    /// The server that it is sent to; null for the provider's own.
    #[schema(required)]
    base_url: Option<String>,
    /// Its last four characters.
    last_four: String,
    /// Who set it: an address of mail, or the id of a user.
    set_by: String,
    /// RFC 3339, UTC.
    set_at: String,
    /// The model that tests ask for.
    test_model: String,
    /// RFC 3339, UTC: when it was last tested.
    tested_at: String,
    /// What that came to.
    test_outcome: Outcome,
}

/// Keys that the tenant brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelKeyList {
    /// One for each provider at most.
    keys: Vec<ModelKey>,
}

/// A key to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetModelKey {
    /// The key: 12 to 512 printable characters of ASCII.
    #[schema(min_length = 12, max_length = 512)]
    key: String,
    /// A server that speaks the provider's protocol: with `/v1` for OpenAI, without it for Anthropic. Left out: the
    /// provider's own.
    #[serde(default)]
    #[schema(required = false, max_length = 300)]
    base_url: Option<String>,
    /// The model that tests ask for. Left out: the cheapest one of the provider's own.
    #[serde(default)]
    #[schema(required = false, min_length = 1, max_length = 128)]
    test_model: Option<String>,
}

/// Providers whose keys a tenant can bring.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ModelProvider)]
pub enum ModelProviderName {
    /// Anthropic.
    Anthropic,
    /// OpenAI.
    #[serde(rename = "openai")]
    OpenAi,
}

impl From<ModelProvider> for ModelProviderName {
    fn from(provider: ModelProvider) -> Self {
        match provider {
            ModelProvider::Anthropic => Self::Anthropic,
            ModelProvider::OpenAi => Self::OpenAi,
        }
    }
}

impl ModelKey {
    fn new(provider: ModelProvider, key: database::ModelKey) -> Self {
        Self {
            provider: provider.into(),
            agent: provider.agent(),
            base_url: key.base_url,
            last_four: key.last_four,
            set_by: key.set_by,
            set_at: rfc3339(key.set_at),
            test_model: key
                .test_model
                .unwrap_or_else(|| usual_model(provider).to_owned()),
            tested_at: rfc3339(key.tested_at),
            test_outcome: Outcome::named(&key.test_outcome),
        }
    }
}

/// Lists the keys of model providers that the tenant brought. Their values are never shown.
#[utoipa::path(
    get,
    path = "/api/model-keys",
    tag = "models",
    operation_id = "list_model_keys",
    responses(
        (status = 200, description = "Keys.", body = ModelKeyList),
        (status = 409, description = "Tenants bring no keys here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn list(
    State(app): State<App>,
    Tenant(tenant): Tenant,
) -> Result<Json<ModelKeyList>, ApiError> {
    kept_by(&app)?;
    let keys = app.database.model_keys(&tenant).await?.into_iter();
    let keys = keys.filter_map(|key| {
        let provider = ModelProvider::named(&key.provider)?;
        Some(ModelKey::new(provider, key))
    });
    Ok(Json(ModelKeyList {
        keys: keys.collect(),
    }))
}

/// Shows a key without its value.
#[utoipa::path(
    get,
    path = "/api/model-keys/{provider}",
    tag = "models",
    operation_id = "get_model_key",
    params(("provider" = String, Path, description = "`anthropic` or `openai`.")),
    responses(
        (status = 200, description = "The key.", body = ModelKey),
        (status = 404, description = "No such provider, or the tenant brought no key for it.", body = Problem),
        (status = 409, description = "Tenants bring no keys here.", body = Problem),
        (status = 503, description = "The database does not answer.", body = Problem),
    )
)]
pub async fn show(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Segment(provider): Segment,
) -> Result<Json<ModelKey>, ApiError> {
    kept_by(&app)?;
    let provider = named(&provider)?;
    let key = found(&app, &tenant, provider).await?;
    Ok(Json(ModelKey::new(provider, key)))
}

/// Sets the tenant's own key for a provider, once a test with it was good: jobs that begin an attempt from now on send
/// it, and the tenant pays the provider. The test asks the provider for one word. A key that does not pass it changes
/// nothing.
#[utoipa::path(
    put,
    path = "/api/model-keys/{provider}",
    tag = "models",
    operation_id = "set_model_key",
    params(("provider" = String, Path, description = "`anthropic` or `openai`.")),
    request_body(content = SetModelKey, example = json!({ "key": "sk-ant-0123456789" })),
    responses(
        (status = 200, description = "It works, and is kept.", body = ModelKey),
        (status = 400, description = "The body is not valid.", body = Problem),
        (status = 404, description = "No such provider.", body = Problem),
        (status = 409, description = "Tenants bring no keys here.", body = Problem),
        (status = 413, description = "The body has more than 64 KiB.", body = Problem),
        (status = 415, description = "The content type is not application/json.", body = Problem),
        (status = 422, description = "The test was not good; `outcome` says why.", body = Problem),
        (status = 503, description = "The database or the store of keys does not answer, or too many keys are being tested.", body = Problem),
    )
)]
pub async fn set(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    identity: Identity,
    Segment(provider): Segment,
    ApiJson(body): ApiJson<Value>,
) -> Result<Json<ModelKey>, ApiError> {
    let keys = kept_by(&app)?;
    let provider = named(&provider)?;
    // What the reader says of a wrong body could quote the key.
    let request: SetModelKey = serde_json::from_value(body).map_err(|_| {
        ApiError::Invalid("the body takes key, base_url and test_model, each a text".to_owned())
    })?;
    let (key, test_model) = checked(request, keys.allows_private)?;
    let model = test_model.as_deref().unwrap_or(usual_model(provider));
    let outcome = tested(keys, provider, &key, model).await?;
    if outcome != Outcome::Works {
        return Err(ApiError::KeyUnusable(outcome));
    }
    let kept = keys.keep(&tenant, provider, &key);
    let place = kept.await.map_err(store_failed)?;
    let now = now_millis();
    let row = database::ModelKey {
        provider: provider.as_str().to_owned(),
        place,
        base_url: key.base_url,
        test_model,
        last_four: last_four(&key.key),
        set_by: name_of(identity),
        set_at: now,
        tested_at: now,
        test_outcome: outcome.as_str().to_owned(),
    };
    app.database.put_model_key(&tenant, &row).await?;
    tracing::info!(
        tenant,
        provider = row.provider,
        "a tenant set a key of its own"
    );
    Ok(Json(ModelKey::new(provider, row)))
}

/// Tests the key that is kept, as setting it does. What it comes to is kept, too.
#[utoipa::path(
    post,
    path = "/api/model-keys/{provider}/test",
    tag = "models",
    operation_id = "test_model_key",
    params(("provider" = String, Path, description = "`anthropic` or `openai`.")),
    responses(
        (status = 200, description = "It was tested; `test_outcome` says what that came to.", body = ModelKey),
        (status = 404, description = "No such provider, or the tenant brought no key for it.", body = Problem),
        (status = 409, description = "The key is gone from its store, or tenants bring no keys here.", body = Problem),
        (status = 503, description = "The database or the store of keys does not answer, or too many keys are being tested.", body = Problem),
    )
)]
pub async fn test(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Segment(provider): Segment,
) -> Result<Json<ModelKey>, ApiError> {
    let keys = kept_by(&app)?;
    let provider = named(&provider)?;
    let mut row = found(&app, &tenant, provider).await?;
    let key = keys.read(&tenant, provider).await.map_err(store_failed)?;
    let key = key.ok_or(ApiError::Changed(
        "the key is gone from its store; set it again or remove it",
    ))?;
    let model = row.test_model.as_deref().unwrap_or(usual_model(provider));
    let outcome = tested(keys, provider, &key, model).await?;
    row.tested_at = now_millis();
    outcome.as_str().clone_into(&mut row.test_outcome);
    app.database.keep_test(&tenant, &row).await?;
    Ok(Json(ModelKey::new(provider, row)))
}

/// Removes the tenant's own key for a provider for good: attempts that begin from now on are paid by the platform.
#[utoipa::path(
    delete,
    path = "/api/model-keys/{provider}",
    tag = "models",
    operation_id = "remove_model_key",
    params(("provider" = String, Path, description = "`anthropic` or `openai`.")),
    responses(
        (status = 204, description = "It is removed."),
        (status = 404, description = "No such provider, or the tenant brought no key for it.", body = Problem),
        (status = 409, description = "Tenants bring no keys here.", body = Problem),
        (status = 503, description = "The database or the store of keys does not answer.", body = Problem),
    )
)]
pub async fn remove(
    State(app): State<App>,
    Tenant(tenant): Tenant,
    Segment(provider): Segment,
) -> Result<StatusCode, ApiError> {
    let keys = kept_by(&app)?;
    let provider = named(&provider)?;
    // The key first: while its row is there, it can be removed again. One that has no row goes, too.
    let removed = keys.remove(&tenant, provider);
    removed.await.map_err(store_failed)?;
    let forgotten = app.database.forget_model_key(&tenant, provider.as_str());
    match forgotten.await? {
        true => {
            let provider = provider.as_str();
            tracing::info!(tenant, provider, "a tenant removed a key of its own");
            Ok(StatusCode::NO_CONTENT)
        }
        false => Err(ApiError::NotFound("model key")),
    }
}

/// What keeps keys here.
fn kept_by(app: &App) -> Result<&ModelKeys, ApiError> {
    app.model_keys.as_deref().ok_or(ApiError::Changed(
        "tenants bring no keys in this environment: its MODEL_KEYS_URI is not set",
    ))
}

fn named(provider: &str) -> Result<ModelProvider, ApiError> {
    ModelProvider::named(provider).ok_or(ApiError::NotFound("model provider"))
}

async fn found(
    app: &App,
    tenant: &str,
    provider: ModelProvider,
) -> Result<database::ModelKey, ApiError> {
    let keys = app.database.model_keys(tenant).await?;
    let found = keys
        .into_iter()
        .find(|key| key.provider == provider.as_str());
    found.ok_or(ApiError::NotFound("model key"))
}

async fn tested(
    keys: &ModelKeys,
    provider: ModelProvider,
    key: &app_gen_contract::ModelKey,
    model: &str,
) -> Result<Outcome, ApiError> {
    let tested = keys.test(provider, key, model).await;
    tested.ok_or(ApiError::Busy {
        message: "as many keys are being tested as may be at a time",
        retry_after_secs: 10,
    })
}

fn store_failed(source: anyhow::Error) -> ApiError {
    ApiError::Unavailable {
        message: "the store of keys does not answer",
        source,
    }
}

/// The key and the model of its tests. No error quotes the key.
fn checked(
    request: SetModelKey,
    allows_private: bool,
) -> Result<(app_gen_contract::ModelKey, Option<String>), ApiError> {
    let invalid = |text: &str| Err(ApiError::Invalid(text.to_owned()));
    let key = request.key.trim();
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid("key has characters that no key has");
    }
    if !KEY_CHARS.contains(&key.len()) {
        return invalid("key takes 12 to 512 characters");
    }
    let base_url = match request.base_url.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(base) => match checked_base(base, allows_private) {
            Ok(base) => Some(base),
            Err(why) => return invalid(why),
        },
    };
    let test_model = request.test_model.as_deref().map(str::trim);
    let test_model = test_model.filter(|model| !model.is_empty());
    if let Some(model) = test_model
        && (model.len() > 128 || !model.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return invalid("test_model takes 1 to 128 printable characters of ASCII");
    }
    let key = app_gen_contract::ModelKey {
        key: key.to_owned(),
        base_url,
    };
    Ok((key, test_model.map(str::to_owned)))
}

/// They were found to be ASCII.
fn last_four(key: &str) -> String {
    let start = key.len().saturating_sub(SHOWN);
    key.get(start..).unwrap_or_default().to_owned()
}

/// Who asks, for people.
fn name_of(identity: Identity) -> String {
    match identity {
        Identity::Member(member) if member.user.email.is_empty() => member.user.id,
        Identity::Member(member) => member.user.email,
        Identity::Key { user_id, .. } => user_id,
        Identity::Nobody | Identity::Ticket { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::PartialSchema as _;

    fn request(key: &str, base_url: Option<&str>, test_model: Option<&str>) -> SetModelKey {
        SetModelKey {
            key: key.to_owned(),
            base_url: base_url.map(str::to_owned),
            test_model: test_model.map(str::to_owned),
        }
    }

    #[test]
    fn openapi_knows_the_contracts_providers() {
        let schema = serde_json::to_value(ModelProviderName::schema()).unwrap();
        let providers = serde_json::to_value(ModelProvider::ALL).unwrap();
        assert_eq!(schema["enum"], providers);
    }

    #[test]
    fn what_is_no_key_is_refused_without_a_word_of_it() {
        let (key, model) = checked(request(" sk-0123456789abcd \n", Some(" "), Some("")), false)
            .ok()
            .unwrap();
        assert_eq!(
            (key.key.as_str(), key.base_url, model),
            ("sk-0123456789abcd", None, None)
        );
        assert_eq!(last_four(&key.key), "abcd");
        for wrong in [
            request("sk-short", None, None),
            request("sk-very-secret with spaces", None, None),
            request(&"sk-very-secret".repeat(50), None, None),
            request("sk-very-secret-1", Some("http://models.example"), None),
            request("sk-very-secret-1", None, Some("a b")),
        ] {
            let Err(ApiError::Invalid(text)) = checked(wrong, false) else {
                panic!("it is taken");
            };
            assert!(!text.contains("very-secret"), "{text}");
        }
    }
}
