//! Requests that are answered once: `Idempotency-Key`. Whoever does not know whether a request arrived sends it again
//! with the same key, and gets what the first one made.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::artifacts::hexadecimal;
use crate::controllers::extract::not_whole;
use crate::database::{Answered, OnceKey};
use crate::error::ApiError;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Maximum number of characters of a key.
const MAX_KEY_CHARS: usize = 255;

/// What is asked, and by what it is known if it is asked again.
#[derive(Debug)]
pub struct Once<T> {
    /// Nothing if whoever asks sends no key.
    pub key: Option<OnceKey>,
    /// What is asked.
    pub value: T,
}

/// A request whose path says everything.
#[derive(Debug)]
pub struct NoBody;

impl FromRequest<App> for NoBody {
    type Rejection = ApiError;

    async fn from_request(_: Request, _: &App) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

impl<T: FromRequest<App, Rejection = ApiError>> FromRequest<App> for Once<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let Some(name) = name_of(request.headers())? else {
            let value = T::from_request(request, app).await?;
            return Ok(Self { key: None, value });
        };
        let (parts, body) = request.into_parts();
        let whole = Bytes::from_request(Request::from_parts(parts.clone(), body), app).await;
        let bytes = whole.map_err(|rejection| not_whole(&rejection))?;
        let hash = hash_of(&parts.method, parts.uri.path(), &bytes);
        let request = Request::from_parts(parts, Body::from(bytes));
        Ok(Self {
            key: Some(OnceKey { name, hash }),
            value: T::from_request(request, app).await?,
        })
    }
}

/// The key that the headers have, if they have one.
fn name_of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let name = value.to_str().unwrap_or_default().trim();
    let is_name = (1..=MAX_KEY_CHARS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    match is_name && values.next().is_none() {
        true => Ok(Some(name.to_owned())),
        false => Err(ApiError::Invalid(format!(
            "Idempotency-Key takes one key of 1 to {MAX_KEY_CHARS} characters of ASCII without spaces, a UUID for example"
        ))),
    }
}

/// What no two different requests have in common.
fn hash_of(method: &Method, path: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{method} {path}\n"));
    hash.update(body);
    hexadecimal(&hash.finalize())
}

/// The answer of before to a request with this key, if there is one: its status, and the id of what it is about.
///
/// # Errors
/// The key belongs to another request.
pub(super) async fn earlier(
    app: &App,
    tenant: &str,
    key: Option<&OnceKey>,
) -> Result<Option<(StatusCode, String)>, ApiError> {
    let Some(key) = key else {
        return Ok(None);
    };
    let answered = app.database.answered(tenant, key).await?;
    answered.map(again).transpose()
}

/// The same, from what is stored.
///
/// # Errors
/// The key belongs to another request.
pub(super) fn again(answered: Answered) -> Result<(StatusCode, String), ApiError> {
    match answered {
        Answered::Same { status, result } => {
            let status = u16::try_from(status).ok();
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            Ok((status.unwrap_or(StatusCode::CREATED), result))
        }
        Answered::Other => Err(ApiError::KeyReused),
    }
}

/// Says in the headers of an answer that it is that of before.
pub(super) fn mark(headers: &mut HeaderMap) {
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_word() {
        let name = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, value.parse().unwrap());
            }
            name_of(&headers)
        };
        assert_eq!(name(&[]).unwrap(), None);
        assert_eq!(name(&["order-7"]).unwrap().as_deref(), Some("order-7"));
        let longest = "x".repeat(MAX_KEY_CHARS);
        assert_eq!(name(&[&longest]).unwrap(), Some(longest.clone()));
        for values in [
            &[""][..],
            &["two words"],
            &["one", "one"],
            &[&format!("{longest}x")],
        ] {
            assert!(name(values).is_err(), "{values:?}");
        }
    }

    #[test]
    fn requests_differ_in_method_path_and_body() {
        let hashes = [
            hash_of(&Method::POST, "/api/jobs", b"{}"),
            hash_of(&Method::POST, "/api/jobs", b"{ }"),
            hash_of(&Method::POST, "/api/jobs/", b"{}"),
            hash_of(&Method::PUT, "/api/jobs", b"{}"),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert_eq!(hash.len(), 64);
            assert!(!hashes[..at].contains(hash));
        }
    }
}
