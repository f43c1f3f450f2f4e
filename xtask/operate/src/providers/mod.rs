//! Asks the provider of a coding agent, before work that is paid for begins, what would doom it: whether the
//! key of the generator's secret is accepted, and whether the model exists.
//!
//! It is one GET that costs nothing, as a generator of the environment would send it: the same key, the
//! same server (`ANTHROPIC_BASE_URL` and `OPENAI_BASE_URL` of `[tasks.generator]`), and never over a
//! connection that others read. Only a clear answer ends a command. A provider that cannot be asked blocks
//! nothing: it may be out of reach from here and not from where the task runs. What a provider writes is never
//! shown, because errors of providers quote parts of keys.

mod answer;
mod provider;
#[cfg(test)]
mod tests;
mod upstream;

pub use crate::providers::answer::Verdict;
pub use crate::providers::provider::{Chosen, Provider};

use crate::agents;
use crate::providers::provider::plays_script;
use crate::providers::upstream::Upstream;
use crate::secrets;
use std::collections::BTreeMap;
use xtask_aws_api::SecretText;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;

/// A question that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who was asked.
    pub provider: Provider,
    /// The key that was sent; `None` where a server of one's own got none.
    pub key: Option<&'static str>,
    /// Scheme, host and port of the server that was asked.
    pub server: String,
    /// The model that was asked about; `None` if the question was about the key alone.
    pub model: Option<String>,
    /// What was answered.
    pub verdict: Verdict,
}

/// Where a model was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedIn {
    /// By `--model`, or for want of it in the manifest.
    CommandLine,
    /// By `GENERATOR_MODEL` in the manifest.
    Manifest,
}

/// Asks the provider that was chosen, and says so. A provider that cannot be asked is only reported.
///
/// # Errors
/// [`Code::Secret`]: no key is there, or the provider refuses it. [`Code::Usage`] or [`Code::Manifest`], by
/// where it was named: the provider does not know the model. [`Code::Manifest`]: the base URL is not safe.
pub fn require(context: &Context, chosen: &Chosen, named: NamedIn) -> anyhow::Result<()> {
    let task = context.platform.generator();
    let Some(secret) = task
        .secret
        .as_ref()
        .filter(|_| !plays_script(&task.environment))
    else {
        return Ok(());
    };
    let variables = match variables(context) {
        Ok(variables) => variables,
        // Whoever may run tasks need not be allowed to read secrets.
        Err(error) => {
            interrupt::check()?;
            let why = format!("the key cannot be read: {error:#}");
            warn(context, chosen.provider, &why);
            return Ok(());
        }
    };
    let Some(asked) = ask(chosen, &variables)? else {
        let keys = chosen.provider.keys_in(&context.platform, secret.get_ref());
        return match keys[..] {
            // No command could set one.
            [] => Ok(()),
            _ => Err(secrets::none_of(context, secret.get_ref(), &keys).into()),
        };
    };
    report(context, &asked, secret.get_ref(), named)
}

/// Asks all providers that jobs may name, and whose key is there: the one that the orchestrator's variables
/// choose, also about its model, and those whose agent is in the generator's image. None where a script is
/// played.
///
/// # Errors
/// A base URL is not safe, or the cloud does not answer.
pub fn ask_all(context: &Context) -> anyhow::Result<Vec<Asked>> {
    let platform = &context.platform;
    let environments = [
        &platform.orchestrator().environment,
        &platform.generator().environment,
    ];
    if environments.into_iter().any(plays_script) {
        return Ok(Vec::new());
    }
    let usual = of_orchestrator(context);
    let agents = agents::of_image(platform);
    let others = agents.into_iter().filter_map(Provider::named);
    let others = others.filter(|provider| {
        let usual = usual.as_ref();
        usual.is_none_or(|usual| usual.provider != *provider)
    });
    let others = others.map(|provider| Chosen {
        provider,
        model: None,
    });
    let chosen: Vec<Chosen> = others.chain(usual.clone()).collect();
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let variables = variables(context)?;
    let asked = chosen.iter().map(|chosen| Ok(ask(chosen, &variables)?));
    asked.filter_map(Result::transpose).collect()
}

/// What jobs have that name neither provider nor model.
#[must_use]
pub fn of_orchestrator(context: &Context) -> Option<Chosen> {
    let environment = &context.platform.orchestrator().environment;
    Chosen::by(|name| environment.get(name).map(String::as_str))
}

/// The variables of a generator: those of the manifest, and its secrets.
fn variables(context: &Context) -> anyhow::Result<BTreeMap<String, SecretText>> {
    let task = context.platform.generator();
    let mut variables: BTreeMap<String, SecretText> = task
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    if let Some(secret) = &task.secret {
        variables.extend(secrets::handed_over(context, secret.get_ref())?);
    }
    Ok(variables)
}

/// Asks one provider; `None` where a generator would have neither key nor base URL.
fn ask(
    chosen: &Chosen,
    variables: &BTreeMap<String, SecretText>,
) -> Result<Option<Asked>, Failure> {
    let provider = chosen.provider;
    let Some(upstream) = Upstream::of(provider, |name| variables.get(name).cloned())? else {
        return Ok(None);
    };
    let model = chosen
        .model
        .as_deref()
        .and_then(|model| provider.model(model));
    Ok(Some(Asked {
        provider,
        key: upstream.key(),
        server: upstream.server().to_owned(),
        model: model.map(str::to_owned),
        verdict: upstream.ask(model),
    }))
}

/// Says what was answered, or ends the command with it.
fn report(context: &Context, asked: &Asked, secret: &str, named: NamedIn) -> anyhow::Result<()> {
    let provider = asked.provider;
    match &asked.verdict {
        Verdict::Accepted => {
            let key = asked.key.unwrap_or("requests without a key");
            let model = asked.model.as_ref();
            let model = model.map_or_else(String::new, |model| format!(" and knows {model}"));
            let text = format!("the provider of {provider} accepts {key}{model}");
            context.report.step(&text);
            Ok(())
        }
        Verdict::Unanswered(why) => {
            warn(context, provider, why);
            Ok(())
        }
        Verdict::KeyRefused(why) => Err(key_refused(context, asked, secret, why).into()),
        Verdict::ModelUnknown => Err(model_unknown(asked, named).into()),
    }
}

/// Says that nothing was learned, which ends nothing.
fn warn(context: &Context, provider: Provider, why: &str) {
    context.report.step(&format!(
        "warning: the provider of {provider} could not be asked about key and model: {why}"
    ));
}

fn key_refused(context: &Context, asked: &Asked, secret: &str, why: &str) -> Failure {
    let (provider, environment) = (asked.provider, &context.environment);
    let name = &context.platform.secrets[secret].name;
    let key = asked.key.map_or_else(
        || format!("requests without a key, and secret {name} has none"),
        |key| format!("{key} of secret {name}"),
    );
    let message = format!("the provider of {provider} refuses {key} in environment {environment}");
    let failure = Failure::new(Code::Secret, message).because(anyhow::anyhow!("{why}"));
    match asked
        .key
        .or_else(|| provider.first_key(&context.platform, secret))
    {
        Some(key) => failure.hint(secrets::set_hint(context, secret, key)),
        None => failure,
    }
}

fn model_unknown(asked: &Asked, named: NamedIn) -> Failure {
    let (code, hint) = match named {
        NamedIn::CommandLine => (
            Code::Usage,
            "name another one with --model MODEL".to_owned(),
        ),
        NamedIn::Manifest => {
            let manifest = app_gen_infra::MANIFEST_PATH;
            (
                Code::Manifest,
                format!("name another GENERATOR_MODEL in {manifest}"),
            )
        }
    };
    let message = format!(
        "the provider of {} has no model `{}`, or not for this key",
        asked.provider,
        asked.model.as_deref().unwrap_or_default()
    );
    let answer = anyhow::anyhow!("{} answers 404", asked.server);
    Failure::new(code, message).hint(hint).because(answer)
}
