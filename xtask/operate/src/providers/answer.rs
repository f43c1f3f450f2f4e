//! What a provider's answer means.

use serde_json::Value;

/// What is known of a key and a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The provider accepts the key, and knows the model if it was asked about one.
    Accepted,
    /// The provider refuses the key, for this reason.
    KeyRefused(String),
    /// The provider has no such model, or not for this key.
    ModelUnknown,
    /// It could not be asked, for this reason. That says nothing about key and model.
    Unanswered(String),
}

/// The error of an answer, as both providers write it: `{"error":{"type","code","message"}}`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ApiError {
    kind: String,
    code: String,
    message: String,
}

impl ApiError {
    /// `None` where the body is another: somebody between us and the provider has answered, or a server
    /// without such a route.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error")?;
        if let Some(message) = error.as_str() {
            return Some(Self {
                message: message.to_owned(),
                ..Self::default()
            });
        }
        let text = |name: &str| {
            let value = error.get(name).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        error.is_object().then(|| Self {
            kind: text("type"),
            code: text("code"),
            message: text("message"),
        })
    }

    /// Whether it is about the question and not about the key: a key may be allowed to ask models and not to
    /// list them ("Missing scopes: api.model.read"), tokens of a subscription may not be good for this route,
    /// and a provider may serve the region of the task and not the one that asks. No code tells these apart.
    fn is_about_the_question(&self) -> bool {
        let message = self.message.to_lowercase();
        ["scope", "not supported"]
            .iter()
            .any(|words| message.contains(words))
    }

    fn is_about_a_model(&self) -> bool {
        self.kind == "not_found_error" || self.code == "model_not_found"
    }
}

/// What an answer of `server` means that is no success. Only what leaves no doubt is held against a key or a
/// model.
pub(super) fn judge(
    server: &str,
    status: u16,
    error: Option<&ApiError>,
    asks_model: bool,
) -> Verdict {
    let answers = format!("{server} answers {status}");
    match (status, error) {
        (401 | 403, Some(error)) if error.is_about_the_question() => {
            Verdict::Unanswered(format!("{answers}: this key may not ask that"))
        }
        (401, _) | (403, Some(_)) => Verdict::KeyRefused(answers),
        (404, Some(error)) if asks_model && error.is_about_a_model() => Verdict::ModelUnknown,
        _ => Verdict::Unanswered(answers),
    }
}
