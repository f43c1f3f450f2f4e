//! `--provider` and `--model`: which coding agent makes the application, and who answers it.

use app_gen_infra::Platform;
use xtask_core::context::Context;
use xtask_operate::providers;
use xtask_operate::providers::{Chosen, NamedIn};

/// What `--model` begins with for the model that plays a script.
const SCRIPTED: &str = "scripted";
/// What it plays if no script is named.
const USUAL_SCRIPT: &str = "create";

/// The variables that choose provider and model.
const CHOOSING: [&str; 3] = ["GENERATOR_PROVIDER", "GENERATOR_MODEL", "MODEL_SCRIPT"];

/// The providers of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Provider {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
    /// Templates, without an agent, a model or a key
    Template,
}

impl Provider {
    /// As `GENERATOR_PROVIDER` names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Template => "template",
        }
    }
}

/// The model of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Model {
    /// By the provider's name for it.
    Named(String),
    /// The scripted model with this script: no provider is asked, and no key is needed.
    Scripted(String),
}

/// The options that choose both.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ProviderArgs {
    /// Provider that makes the application [default: GENERATOR_PROVIDER of platform.toml]
    #[arg(long, value_enum)]
    provider: Option<Provider>,
    /// Model of all roles; `scripted` or `scripted:SCRIPT` plays a script and needs no key
    #[arg(long, value_name = "MODEL", value_parser = model)]
    model: Option<Model>,
}

impl ProviderArgs {
    /// Sets the variables of an orchestrator that choose them, of one that runs here for a while.
    pub(crate) fn set(&self, platform: &mut Platform) {
        let variables = self.variables(platform);
        if let Some(service) = platform.services.get_mut("orchestrator") {
            let environment = &mut service.environment;
            environment.retain(|name, _| !CHOOSING.contains(&name.as_str()));
            environment.extend(
                variables
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value)),
            );
        }
    }

    /// The variables that choose them for a generator, or for an orchestrator and all of its jobs. What is
    /// not given is as the orchestrator of the manifest has it.
    pub(crate) fn variables(&self, platform: &Platform) -> Vec<(&'static str, String)> {
        let usual = &platform.orchestrator().environment;
        let mut variables = Vec::new();
        let provider = self.provider.map(|provider| provider.name().to_owned());
        // A model of the manifest is one of the manifest's provider.
        let is_another = provider.as_ref() != usual.get("GENERATOR_PROVIDER") && provider.is_some();
        if let Some(provider) = provider.or_else(|| usual.get("GENERATOR_PROVIDER").cloned()) {
            variables.push(("GENERATOR_PROVIDER", provider));
        }
        match &self.model {
            Some(Model::Named(model)) => variables.push(("GENERATOR_MODEL", model.clone())),
            Some(Model::Scripted(script)) => variables.push(("MODEL_SCRIPT", script.clone())),
            None => {
                let model = usual.get("GENERATOR_MODEL").filter(|_| !is_another);
                variables.extend(model.map(|model| ("GENERATOR_MODEL", model.clone())));
                let script = usual.get("MODEL_SCRIPT");
                variables.extend(script.map(|script| ("MODEL_SCRIPT", script.clone())));
            }
        }
        variables
    }
}

/// Asks the provider that variables of a generator choose whether it accepts the key and knows the model.
/// Nothing is asked where a template is filled in, or a script is played.
///
/// # Errors
/// As [`providers::require`].
pub(crate) fn require(
    context: &Context,
    variables: &[(&'static str, String)],
) -> anyhow::Result<()> {
    let get = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    };
    match Chosen::by(get) {
        Some(chosen) => providers::require(context, &chosen, NamedIn::CommandLine),
        None => Ok(()),
    }
}

pub(crate) fn model(text: &str) -> Result<Model, String> {
    let (name, script) = text.split_once(':').unwrap_or((text, USUAL_SCRIPT));
    if name == SCRIPTED {
        return match !script.is_empty() && script.bytes().all(is_of_script) {
            true => Ok(Model::Scripted(script.to_owned())),
            false => Err("a script is named by small letters and -".to_owned()),
        };
    }
    // As the contract between orchestrator and generator has it.
    match (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Model::Named(text.to_owned())),
        false => Err("a model is named by 1 to 128 printable characters of ASCII".to_owned()),
    }
}

fn is_of_script(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'-'
}

/// An amount of US dollars above zero, as it was written.
pub(crate) fn dollars(text: &str) -> Result<String, String> {
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.parse::<f64>() {
        Ok(amount) if is_number && amount > 0.0 && amount <= 10_000.0 => Ok(text.to_owned()),
        _ => Err(
            "a budget is a number of US dollars above 0 and up to 10000, 0.50 for example"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_model_is_one_of_the_provider_or_a_script() {
        let named = |text: &str| Ok(Model::Named(text.to_owned()));
        let scripted = |text: &str| Ok(Model::Scripted(text.to_owned()));
        assert_eq!(model("scripted"), scripted("create"));
        assert_eq!(model("scripted:limit"), scripted("limit"));
        for name in ["claude-opus-5", "scripted-model", "vendor:model"] {
            assert_eq!(model(name), named(name));
        }
        for refused in [
            "",
            "two words",
            "scripted:",
            "scripted:../x",
            "scripted:Create",
            "ümlaut",
        ] {
            assert!(model(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_budget_is_an_amount() {
        for amount in ["0.50", "3", "10000"] {
            assert_eq!(dollars(amount).as_deref(), Ok(amount));
        }
        for refused in ["", "0", "-1", "1e3", "inf", "NaN", "1,5", "10001", "."] {
            assert!(dollars(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_not_given_is_as_the_manifest_has_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let path = root.join(app_gen_infra::MANIFEST_PATH);
        let text = std::fs::read_to_string(path).unwrap();
        let usual = "GENERATOR_PROVIDER = \"claude\", GENERATOR_MODEL = \"opus\"";
        let text = text.replace("GENERATOR_PROVIDER = \"template\"", usual);
        let platform = Platform::parse(&text, root).unwrap();
        let variables = |provider, text: Option<&str>| {
            let model = text.map(|text| model(text).unwrap());
            let variables = ProviderArgs { provider, model }.variables(&platform);
            let variables = variables.into_iter();
            variables
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        let (claude, codex) = ("GENERATOR_PROVIDER=claude", "GENERATOR_PROVIDER=codex");
        assert_eq!(variables(None, None), [claude, "GENERATOR_MODEL=opus"]);
        assert_eq!(
            variables(Some(Provider::Claude), None),
            [claude, "GENERATOR_MODEL=opus"]
        );
        assert_eq!(variables(Some(Provider::Codex), None), [codex]);
        assert_eq!(
            variables(None, Some("haiku")),
            [claude, "GENERATOR_MODEL=haiku"]
        );
        let scripted = variables(Some(Provider::Codex), Some("scripted:limit"));
        assert_eq!(scripted, [codex, "MODEL_SCRIPT=limit"]);
    }
}
