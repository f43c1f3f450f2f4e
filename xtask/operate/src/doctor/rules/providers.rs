//! Rules about the providers of coding agents. One that cannot be asked proves nothing, so nothing is found.

use crate::doctor::evidence::Evidence;
use crate::doctor::finding::Finding;
use crate::providers::{Asked, Chosen, Verdict};
use xtask_aws_api::Rule;

/// The kind of task that asks them.
const CONSUMER: &str = "generator";

/// Keys that providers refuse, and a model that they do not know.
pub(super) fn keys_and_models(evidence: &Evidence) -> Vec<Finding> {
    let asked = evidence.providers.known().into_iter().flatten();
    asked
        .filter_map(|asked| match &asked.verdict {
            Verdict::KeyRefused(why) => key(evidence, asked, why),
            Verdict::ModelUnknown => Some(model(evidence, asked)),
            Verdict::Accepted | Verdict::Unanswered(_) => None,
        })
        .collect()
}

/// A warning where only jobs fail that name this provider.
fn key(evidence: &Evidence, asked: &Asked, why: &str) -> Option<Finding> {
    let secret = evidence.platform.generator().secret.as_ref()?.get_ref();
    let variables = &evidence.platform.orchestrator().environment;
    let usual = Chosen::by(|name| variables.get(name).map(String::as_str));
    let is_usual = usual.is_some_and(|usual| usual.provider == asked.provider);
    let provider = asked.provider;
    let name = asked
        .key
        .or_else(|| provider.first_key(&evidence.platform, secret))?;
    let sent = asked.key.unwrap_or("requests without a key");
    let finding = Finding::about(
        Rule::ProviderKey,
        CONSUMER,
        format!("the provider of {provider} refuses {sent}, so every job with {provider} fails"),
        evidence.command(&format!("secrets set {secret} {name} < FILE")),
    )
    .evidence([why.to_owned()]);
    Some(match is_usual {
        true => finding,
        false => finding.warning(),
    })
}

fn model(evidence: &Evidence, asked: &Asked) -> Finding {
    let model = asked.model.as_deref().unwrap_or_default();
    Finding::about(
        Rule::ProviderModel,
        CONSUMER,
        format!(
            "the provider of {} has no model `{model}`, or not for this key, so every job that names no other \
             model fails",
            asked.provider
        ),
        format!(
            "name another GENERATOR_MODEL in {}, then {}",
            app_gen_infra::MANIFEST_PATH,
            evidence.command("deploy")
        ),
    )
    .evidence([format!("{} answers 404", asked.server)])
}
