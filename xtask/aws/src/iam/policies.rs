//! Managed policies, which get a new default version when they change.

use crate::error::{CloudError, Kind};
use crate::iam::{Iam, malformed};
use aws_sdk_iam::types::Tag;
use serde_json::Value;

/// IAM keeps this many versions of a policy, and refuses one more.
const VERSION_LIMIT: usize = 5;

impl Iam {
    /// Makes the policy say what `document` says.
    ///
    /// # Errors
    /// IAM refuses the document, or a call fails.
    pub(crate) async fn ensure_policy(
        &self,
        arn: &str,
        document: &Value,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        match self.policy_document(arn).await {
            Ok(found) if found.as_ref() == Some(document) => Ok(()),
            Ok(_) => self.replace_policy(arn, document).await,
            Err(error) if error.kind == Kind::NotFound => {
                self.create_policy(arn, document, tags).await
            }
            Err(error) => Err(error),
        }
    }

    async fn create_policy(
        &self,
        arn: &str,
        document: &Value,
        tags: &[(String, String)],
    ) -> Result<(), CloudError> {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        let action = format!("iam CreatePolicy {name}");
        let mut request = self
            .client
            .create_policy()
            .policy_name(name)
            .policy_document(document.to_string());
        for (key, value) in tags {
            let tag = Tag::builder().key(key).value(value).build();
            request = request.tags(tag.map_err(|error| malformed(&action, &error))?);
        }
        request
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&action, error))
    }

    /// The document of the policy's default version; `None` where that is not JSON.
    async fn policy_document(&self, arn: &str) -> Result<Option<Value>, CloudError> {
        let found = self
            .client
            .get_policy()
            .policy_arn(arn)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&format!("iam GetPolicy {arn}"), error))?;
        let version = found
            .policy()
            .and_then(|policy| policy.default_version_id())
            .unwrap_or("v1");
        let found = self
            .client
            .get_policy_version()
            .policy_arn(arn)
            .version_id(version)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&format!("iam GetPolicyVersion {arn}"), error))?;
        let document = found
            .policy_version()
            .and_then(|version| version.document())
            .unwrap_or_default();
        // IAM returns documents encoded as in a URL, the local cloud as they are.
        Ok(serde_json::from_str(document)
            .or_else(|_| serde_json::from_slice(&decode_percents(document)))
            .ok())
    }

    async fn replace_policy(&self, arn: &str, document: &Value) -> Result<(), CloudError> {
        let listed = self
            .client
            .list_policy_versions()
            .policy_arn(arn)
            .send()
            .await
            .map_err(|error| {
                CloudError::from_sdk(&format!("iam ListPolicyVersions {arn}"), error)
            })?;
        if listed.versions().len() >= VERSION_LIMIT {
            let oldest = listed
                .versions()
                .iter()
                .filter(|version| !version.is_default_version())
                .min_by_key(|version| version.create_date().copied())
                .and_then(|version| version.version_id());
            self.client
                .delete_policy_version()
                .policy_arn(arn)
                .set_version_id(oldest.map(str::to_owned))
                .send()
                .await
                .map_err(|error| {
                    CloudError::from_sdk(&format!("iam DeletePolicyVersion {arn}"), error)
                })?;
        }
        self.client
            .create_policy_version()
            .policy_arn(arn)
            .policy_document(document.to_string())
            .set_as_default(true)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| CloudError::from_sdk(&format!("iam CreatePolicyVersion {arn}"), error))
    }
}

/// The bytes of a text that is encoded as in a URL.
fn decode_percents(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match (first, after) {
            (b'%', [high, low, ..]) => hexadecimal(*high).zip(hexadecimal(*low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_decoded() {
        assert_eq!(decode_percents("%7B%22a%22%3A%201%7D"), b"{\"a\": 1}");
        assert_eq!(decode_percents("100% %2 %zz"), b"100% %2 %zz");
        assert_eq!(decode_percents("%C3%A9"), "\u{e9}".as_bytes());
    }
}
