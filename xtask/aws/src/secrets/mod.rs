//! JSON secrets, one for each service or kind of task: how to read one, merge a key, and remove it.
//!
//! Values are kept in [`SecretMap`], which prints only its keys, and no error of this module
//! quotes the text of a secret.

mod placeholder;

use crate::error::{CloudError, Kind};
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::types::Tag;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use xtask_aws_api::SecretText;
use xtask_aws_api::calls::secrets::SecretState;

/// For this many days a secret that was removed from AWS can be brought back; AWS offers no shorter
/// time.
const RECOVERY_WINDOW_DAYS: i64 = 7;

/// The keys and values of one secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SecretMap(Map<String, Value>);

impl std::fmt::Debug for SecretMap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl SecretMap {
    /// # Errors
    /// The text is not a JSON object. The message says where, and does not quote it.
    fn parse(name: &str, text: &str) -> Result<Self, CloudError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(not_an_object(name, "it is JSON of another kind")),
            Err(error) => Err(not_an_object(
                name,
                &format!(
                    "it stops being JSON at line {} column {}",
                    error.line(),
                    error.column()
                ),
            )),
        }
    }

    fn to_text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Whether the key has a value that is not empty.
    pub(crate) fn has(&self, key: &str) -> bool {
        !matches!(self.0.get(key), None | Some(Value::Null))
            && self.0.get(key).and_then(Value::as_str) != Some("")
    }

    /// What can be said of the key's value without showing it.
    pub(crate) fn state(&self, key: &str) -> SecretState {
        match self.0.get(key) {
            _ if !self.has(key) => SecretState::Missing,
            Some(Value::String(value)) if placeholder::is(key, value) => SecretState::Placeholder,
            _ => SecretState::Set,
        }
    }

    pub(crate) fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), Value::String(value));
    }

    pub(crate) fn remove(&mut self, key: &str) -> bool {
        self.0.remove(key).is_some()
    }

    /// What ECS would put into the environment: strings as they are, everything else as JSON.
    pub(crate) fn into_environment(self) -> BTreeMap<String, SecretText> {
        self.0
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) => (key, text.into()),
                other => (key, other.to_string().into()),
            })
            .collect()
    }
}

fn not_an_object(name: &str, why: &str) -> CloudError {
    CloudError::new(
        Kind::Service,
        format!("secret {name} is not a JSON object: {why}"),
    )
    .hint("remove the secret and set its keys again: cargo xtask secrets set")
}

/// What Secrets Manager has under a name.
#[derive(Debug, PartialEq)]
pub(crate) enum Stored {
    Missing,
    /// It was removed, and can still be brought back.
    Removed,
    Present {
        arn: String,
        values: SecretMap,
    },
}

/// Secrets Manager.
#[derive(Debug)]
pub(crate) struct Secrets {
    client: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            client: aws_sdk_secretsmanager::Client::new(sdk),
        }
    }

    /// # Errors
    /// A call fails, or the secret is not a JSON object.
    pub(crate) async fn read(&self, name: &str) -> Result<Stored, CloudError> {
        // This comes first, because GetSecretValue answers for a removed secret with the same code
        // as for other faults.
        let described = self.client.describe_secret().secret_id(name).send().await;
        let arn = match described {
            Ok(secret) if secret.deleted_date().is_some() => return Ok(Stored::Removed),
            Ok(secret) => secret.arn.unwrap_or_default(),
            Err(error) => {
                let error = CloudError::from_sdk(&format!("secrets DescribeSecret {name}"), error);
                return if error.kind == Kind::NotFound {
                    Ok(Stored::Missing)
                } else {
                    Err(error)
                };
            }
        };
        let action = format!("secrets GetSecretValue {name}");
        let values = match self.client.get_secret_value().secret_id(name).send().await {
            Ok(reply) => SecretMap::parse(name, reply.secret_string().unwrap_or("{}"))?,
            // The secret was created without a first value.
            Err(error) => match CloudError::from_sdk(&action, error) {
                error if error.kind == Kind::NotFound => SecretMap::default(),
                error => return Err(error),
            },
        };
        Ok(Stored::Present { arn, values })
    }

    /// Sets one key and keeps the others. A secret that does not exist is created; one that was
    /// removed comes back with this key only.
    ///
    /// # Errors
    /// A call fails, or what is stored is not a JSON object.
    pub(crate) async fn set(
        &self,
        name: &str,
        key: &str,
        value: String,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        let stored = self.read(name).await?;
        let mut values = match &stored {
            Stored::Present { values, .. } => values.clone(),
            Stored::Missing | Stored::Removed => SecretMap::default(),
        };
        values.set(key, value);
        match stored {
            Stored::Missing => self.create(name, &values, tags).await,
            Stored::Removed => {
                self.restore(name).await?;
                self.put(name, &values).await
            }
            Stored::Present { .. } => self.put(name, &values).await,
        }
    }

    async fn create(
        &self,
        name: &str,
        values: &SecretMap,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        let tags = tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        self.client
            .create_secret()
            .name(name)
            .secret_string(values.to_text())
            .set_tags(Some(tags))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("secrets CreateSecret {name}"), error))
    }

    async fn restore(&self, name: &str) -> Result<(), CloudError> {
        self.client
            .restore_secret()
            .secret_id(name)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("secrets RestoreSecret {name}"), error))
    }

    async fn put(&self, name: &str, values: &SecretMap) -> Result<(), CloudError> {
        self.client
            .put_secret_value()
            .secret_id(name)
            .secret_string(values.to_text())
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("secrets PutSecretValue {name}"), error))
    }

    /// Removes one key; returns whether it existed.
    ///
    /// # Errors
    /// A call fails, or what is stored is not a JSON object.
    pub(crate) async fn remove_key(&self, name: &str, key: &str) -> Result<bool, CloudError> {
        let Stored::Present { mut values, .. } = self.read(name).await? else {
            return Ok(false);
        };
        if !values.remove(key) {
            return Ok(false);
        }
        self.put(name, &values).await?;
        Ok(true)
    }

    /// Removes the secret; returns whether it existed. With `at_once` it cannot be brought back.
    ///
    /// # Errors
    /// The call fails.
    pub(crate) async fn remove(&self, name: &str, at_once: bool) -> Result<bool, CloudError> {
        if matches!(self.read(name).await, Ok(Stored::Missing | Stored::Removed)) {
            return Ok(false);
        }
        let request = self.client.delete_secret().secret_id(name);
        let request = if at_once {
            request.force_delete_without_recovery(true)
        } else {
            request.recovery_window_in_days(RECOVERY_WINDOW_DAYS)
        };
        request
            .send()
            .await
            .map(|_| true)
            .map_err(|error| CloudError::from_sdk(&format!("secrets DeleteSecret {name}"), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::Canned;
    use serde_json::json;

    const VALUE: &str = "very-secret-value";

    fn described() -> (u16, String) {
        (200, json!({ "Name": "app/one" }).to_string())
    }

    #[tokio::test]
    async fn a_key_is_merged_and_nothing_prints_a_value() {
        let stored = json!({ "KEPT": VALUE, "CHANGED": "old-secret", "PORT": 5 });
        let canned = Canned::new([
            described(),
            (
                200,
                json!({ "SecretString": stored.to_string() }).to_string(),
            ),
            (200, "{}".to_owned()),
        ]);
        Secrets::new(&canned.config())
            .set("app/one", "CHANGED", "new-secret".to_owned(), &[])
            .await
            .expect("set");
        let body: Value = serde_json::from_str(&canned.requests()[2].body).expect("JSON");
        let put: Value = serde_json::from_str(body["SecretString"].as_str().expect("text"))
            .expect("JSON in the secret");
        assert_eq!(
            put,
            json!({ "KEPT": VALUE, "CHANGED": "new-secret", "PORT": 5 })
        );

        let values = SecretMap::parse("app/one", &stored.to_string()).expect("values");
        assert_eq!(
            format!("{values:?}"),
            r#"{"CHANGED", "KEPT", "PORT"}"#,
            "keys only"
        );
    }

    #[tokio::test]
    async fn errors_do_not_quote_the_secret() {
        for text in [
            VALUE.to_owned(),
            format!("\"{VALUE}\""),
            format!("{{\"A\": \"{VALUE}\""),
        ] {
            let canned = Canned::new([
                described(),
                (200, json!({ "SecretString": text }).to_string()),
            ]);
            let error = Secrets::new(&canned.config())
                .set("app/one", "A", "other-secret".to_owned(), &[])
                .await
                .expect_err("no JSON object");
            assert!(
                !format!("{error:?}{error}").contains("secret-value"),
                "{error:?}"
            );
            assert!(
                error
                    .message
                    .starts_with("secret app/one is not a JSON object")
            );
            assert_eq!(canned.requests().len(), 2, "nothing is overwritten");
        }

        let canned = Canned::new([
            described(),
            (200, json!({ "SecretString": "{}" }).to_string()),
            (
                400,
                json!({ "__type": "InvalidRequestException", "message": "too many versions" })
                    .to_string(),
            ),
        ]);
        let error = Secrets::new(&canned.config())
            .set("app/one", "A", VALUE.to_owned(), &[])
            .await
            .expect_err("refused");
        assert_eq!(
            error.message,
            "secrets PutSecretValue app/one: InvalidRequestException: too many versions"
        );
        assert!(!format!("{error:?}").contains(VALUE));
    }

    #[tokio::test]
    async fn a_removed_secret_comes_back_with_the_new_key_only() {
        let canned = Canned::new([
            (
                200,
                json!({ "Name": "app/one", "DeletedDate": 1_700_000_000 }).to_string(),
            ),
            (200, "{}".to_owned()),
            (200, "{}".to_owned()),
        ]);
        Secrets::new(&canned.config())
            .set("app/one", "A", "1".to_owned(), &[])
            .await
            .expect("set");
        let requests = canned.requests();
        assert!(
            requests[1].target.ends_with("RestoreSecret"),
            "{requests:?}"
        );
        let body: Value = serde_json::from_str(&requests[2].body).expect("JSON");
        assert_eq!(body["SecretString"], json!(r#"{"A":"1"}"#));
    }

    #[test]
    fn empty_and_null_values_are_not_present() {
        let values = SecretMap::parse("app/one", r#"{"A":"","B":null,"C":"x"}"#).expect("values");
        assert_eq!(
            ["A", "B", "C", "D"].map(|key| values.has(key)),
            [false, false, true, false]
        );
    }
}
