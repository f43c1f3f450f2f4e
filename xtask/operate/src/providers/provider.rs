//! The providers that coding agents ask: their keys, their servers, and who of them is asked.

use app_gen_infra::Platform;
use std::collections::BTreeMap;
use std::fmt;

/// Variables of a generator, and of an orchestrator for all of its jobs
/// (`app-gen/contract/src/env.rs`).
const PROVIDER_VARIABLE: &str = "GENERATOR_PROVIDER";
const MODEL_VARIABLE: &str = "GENERATOR_MODEL";
const SCRIPT_VARIABLE: &str = "MODEL_SCRIPT";

/// A provider that a coding agent asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Claude Code asks Anthropic, or a server that speaks its Messages API.
    Claude,
    /// Codex asks OpenAI, or a server that speaks its Responses API.
    Codex,
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// `x-api-key`.
    ApiKey,
    /// `authorization: Bearer`.
    Bearer,
    /// `authorization: Bearer` with the beta that lets Anthropic accept the token of a subscription.
    ClaudeToken,
}

/// A key of the generator's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// The variable that holds it.
    pub(super) name: &'static str,
    pub(super) header: Header,
}

impl Provider {
    /// The provider with this name; `None` where none has it, or it asks no model.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Claude, Self::Codex]
            .into_iter()
            .find(|provider| provider.name() == name)
    }

    /// As `GENERATOR_PROVIDER` names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
        }
    }

    /// Its keys; of those that have a value, the first is sent. The order is that of the model gateway
    /// (`app-gen/gateway/src/upstream.rs`), as are the names of variables and the servers.
    pub(super) const fn keys(self) -> &'static [Key] {
        match self {
            Self::Claude => &[
                Key {
                    name: "ANTHROPIC_API_KEY",
                    header: Header::ApiKey,
                },
                Key {
                    name: "CLAUDE_CODE_OAUTH_TOKEN",
                    header: Header::ClaudeToken,
                },
            ],
            Self::Codex => &[Key {
                name: "OPENAI_API_KEY",
                header: Header::Bearer,
            }],
        }
    }

    /// Those of its keys that the manifest has in a secret.
    pub(super) fn keys_in(self, platform: &Platform, secret: &str) -> Vec<&'static str> {
        let known = platform.secrets.get(secret).map(|secret| &secret.keys);
        let keys = self.keys().iter().map(|key| key.name);
        keys.filter(|key| known.is_some_and(|known| known.contains_key(*key)))
            .collect()
    }

    /// The key that a secret would be given first.
    #[must_use]
    pub fn first_key(self, platform: &Platform, secret: &str) -> Option<&'static str> {
        self.keys_in(platform, secret).first().copied()
    }

    /// The variable that names another server than the usual one.
    pub(super) const fn base_variable(self) -> &'static str {
        match self {
            Self::Claude => "ANTHROPIC_BASE_URL",
            Self::Codex => "OPENAI_BASE_URL",
        }
    }

    /// The usual server.
    pub(super) const fn usual_base(self) -> &'static str {
        match self {
            Self::Claude => "https://api.anthropic.com",
            Self::Codex => "https://api.openai.com/v1",
        }
    }

    /// Path and query of the question, below the base URL.
    pub(super) fn path(self, model: Option<&str>) -> String {
        let models = match self {
            Self::Claude => "/v1/models",
            Self::Codex => "/models",
        };
        match (model, self) {
            (Some(model), _) => format!("{models}/{}", encoded(model)),
            (None, Self::Claude) => format!("{models}?limit=1"),
            (None, Self::Codex) => models.to_owned(),
        }
    }

    /// The model as the provider names it, or `None` where that is the agent's secret.
    ///
    /// Claude Code has short names of its own, `opus` for example, and marks a long context by `[1m]`. Every
    /// model of Anthropic has a dash in its name, and no short name has.
    pub(super) fn model(self, model: &str) -> Option<&str> {
        match self {
            Self::Claude => {
                let name = model.split('[').next().unwrap_or(model);
                name.contains('-').then_some(name)
            }
            Self::Codex => Some(model),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A segment of a path: names of models may have slashes.
fn encoded(segment: &str) -> String {
    let mut text = String::new();
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Whether variables have a script played in place of every model.
pub(super) fn plays_script(environment: &BTreeMap<String, String>) -> bool {
    let script = environment.get(SCRIPT_VARIABLE);
    script.is_some_and(|script| !script.is_empty())
}

/// The provider and the model of a generator, or of the jobs of an orchestrator that name no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The provider.
    pub provider: Provider,
    /// The model of every role that chooses none; without one, each role has its own.
    pub model: Option<String>,
}

impl Chosen {
    /// Those that variables choose; `get` returns the value of a variable. `None` where no provider will be
    /// asked: a template is filled in, or a script is played.
    #[must_use]
    pub fn by<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let get = |name| get(name).filter(|value| !value.is_empty());
        if get(SCRIPT_VARIABLE).is_some() {
            return None;
        }
        Some(Self {
            provider: Provider::named(get(PROVIDER_VARIABLE)?)?,
            model: get(MODEL_VARIABLE).map(str::to_owned),
        })
    }
}
