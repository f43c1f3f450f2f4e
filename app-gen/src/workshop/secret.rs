//! Reads one secret of Secrets Manager, with the credentials of the task. One call is signed as `object_store` signs
//! those of S3; a whole SDK for it would be more than all the rest of the generator's TLS.

use anyhow::{Context as _, Result, bail, ensure};
use app_gen_contract::MAX_MODEL_KEY_BYTES;
use app_gen_gateway::{Certificates, http_client};
use hyper::Request;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequest;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

const SERVICE: &str = "secretsmanager";
/// How long one question takes at most, and how often it is asked.
const BOUND: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// An answer has the secret, escaped, and its name and versions.
const MAX_ANSWER_BYTES: usize = 4 * MAX_MODEL_KEY_BYTES;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    secret_string: String,
}

/// What an error of AWS says of itself.
#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

/// What became of one question.
enum Asked {
    Secret(Vec<u8>),
    /// Another question may be answered.
    NotNow(String),
}

/// The value of the secret with this ARN. `lookup` reads the environment.
///
/// # Errors
/// There is none, the task may not read it, or nobody answers.
pub(super) async fn read_secret(
    lookup: &(dyn Fn(&str) -> Option<String> + Sync),
    certificates: &Certificates,
    arn: &str,
) -> Result<Vec<u8>> {
    let region = arn
        .strip_prefix("arn:")
        .and_then(|rest| rest.split(':').nth(2))
        .filter(|region| is_plain(region) && arn.bytes().all(|byte| byte.is_ascii_graphic()))
        .with_context(|| format!("{arn:?} is neither the ARN of a secret nor file:///path"))?;
    let named = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let endpoint = named("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        .or_else(|| named("AWS_ENDPOINT_URL"))
        .unwrap_or_else(|| format!("https://{SERVICE}.{region}.amazonaws.com"));
    let required = |name: &str| {
        let value = named(name).with_context(|| format!("{name} is not set"))?;
        // It becomes a part of a header.
        ensure!(
            value.bytes().all(|byte| byte.is_ascii_graphic()),
            "{name} is no credential"
        );
        Ok(value)
    };
    let credential = AwsCredential {
        key_id: required("AWS_ACCESS_KEY_ID")?,
        secret_key: required("AWS_SECRET_ACCESS_KEY")?,
        token: named("AWS_SESSION_TOKEN")
            .map(|_| required("AWS_SESSION_TOKEN"))
            .transpose()?,
    };
    // The local cloud is on this machine's own network, where no proxy leads.
    let is_local = endpoint.starts_with("http://");
    let client = http_client(certificates, is_local, Policy::none())
        .context("the client for Secrets Manager cannot be made")?;
    let mut why = String::new();
    for attempt in 0..TRIES {
        tokio::time::sleep(PAUSE * attempt).await;
        let request = signed(&endpoint, &credential, region, arn)?;
        match ask(&client, request)
            .await
            .context("its secret cannot be read")?
        {
            Asked::Secret(secret) => return Ok(secret),
            Asked::NotNow(reason) => why = reason,
        }
    }
    bail!("its secret cannot be read: {why}")
}

fn is_plain(region: &str) -> bool {
    !region.is_empty()
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn signed(
    endpoint: &str,
    credential: &AwsCredential,
    region: &str,
    arn: &str,
) -> Result<HttpRequest> {
    // It is parsed here, because whoever signs takes a URL for granted.
    let url = reqwest::Url::parse(endpoint).context("the endpoint of AWS is not a URL")?;
    let mut request = Request::post(url.as_str())
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .body(json!({ "SecretId": arn }).to_string().into())?;
    AwsAuthorizer::new(credential, SERVICE, region).try_authorize(&mut request, None)?;
    Ok(request)
}

async fn ask(client: &Client, request: HttpRequest) -> Result<Asked> {
    let (parts, body) = request.into_parts();
    let body = body.as_bytes().cloned().unwrap_or_default();
    let asked = client
        .post(parts.uri.to_string())
        .headers(parts.headers)
        .body(body)
        .timeout(BOUND);
    let mut answer = match asked.send().await {
        Ok(answer) => answer,
        Err(error) => return Ok(Asked::NotNow(error.without_url().to_string())),
    };
    let status = answer.status();
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Ok(Asked::NotNow(error.without_url().to_string())),
        }
        ensure!(bytes.len() <= MAX_ANSWER_BYTES, "the answer is too long");
    }
    if status.is_success() {
        // What the reader says could quote the secret.
        let Ok(answer) = serde_json::from_slice::<Answer>(&bytes) else {
            bail!("Secrets Manager answered something else");
        };
        return Ok(Asked::Secret(answer.secret_string.into_bytes()));
    }
    let kind = serde_json::from_slice::<Refusal>(&bytes)
        .map_or_else(|_| String::new(), |refusal| refusal.kind);
    let kind = kind.rsplit('#').next().unwrap_or_default();
    let why = format!("Secrets Manager answered {status} {kind}");
    match status.is_server_error() || kind.contains("Throttling") {
        true => Ok(Asked::NotNow(why)),
        false if kind == "ResourceNotFoundException" => bail!("it was removed"),
        false => bail!(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderMap, StatusCode};

    /// A Secrets Manager that answers this, and checks what it is asked.
    async fn server(status: StatusCode, answer: &'static str) -> String {
        let router =
            axum::Router::new().fallback(move |headers: HeaderMap, body: String| async move {
                let header = |name: &str| headers[name].to_str().unwrap().to_owned();
                assert_eq!(header("x-amz-target"), "secretsmanager.GetSecretValue");
                assert_eq!(header("x-amz-security-token"), "token");
                let signed = header("authorization");
                assert!(
                    signed.contains("/us-east-1/secretsmanager/aws4_request"),
                    "{signed}"
                );
                assert!(!signed.contains("hidden") && body.contains("arn:aws:secretsmanager"));
                (status, answer)
            });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    async fn read(endpoint: String, arn: &str) -> Result<Vec<u8>> {
        let lookup = move |name: &str| {
            let value = match name {
                "AWS_ENDPOINT_URL" => endpoint.as_str(),
                "AWS_ACCESS_KEY_ID" => "id",
                "AWS_SECRET_ACCESS_KEY" => "hidden",
                "AWS_SESSION_TOKEN" => "token",
                _ => return None,
            };
            Some(value.to_owned())
        };
        read_secret(&lookup, &Certificates::default(), arn).await
    }

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000001:secret:a/b-x1y2z3";

    #[tokio::test]
    async fn a_secret_is_asked_for_as_aws_wants_it() {
        let endpoint = server(
            StatusCode::OK,
            r#"{"Name":"a","SecretString":"{\"key\":\"k\"}"}"#,
        )
        .await;
        assert_eq!(read(endpoint, ARN).await.unwrap(), br#"{"key":"k"}"#);
    }

    #[tokio::test]
    async fn refusals_say_what_became_of_it() {
        for (status, answer, expected) in [
            (
                400,
                r#"{"__type":"ResourceNotFoundException"}"#,
                "it was removed",
            ),
            (
                400,
                r#"{"__type":"AccessDeniedException"}"#,
                "400 Bad Request AccessDeniedException",
            ),
            (
                200,
                r#"{"secret":"sk-very-secret"}"#,
                "answered something else",
            ),
        ] {
            let endpoint = server(StatusCode::from_u16(status).unwrap(), answer).await;
            let error = format!("{:#}", read(endpoint, ARN).await.unwrap_err());
            assert!(
                error.contains(expected) && !error.contains("very-secret"),
                "{error}"
            );
        }
        let error = read(String::new(), "nonsense")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("neither the ARN"), "{error}");
    }
}
