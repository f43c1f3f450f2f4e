use super::*;
use crate::providers::{Asked, Provider, Verdict};

const SERVER: &str = "https://api.anthropic.com";

fn asked(model: Option<&str>, verdict: Verdict) -> Asked {
    Asked {
        provider: Provider::Claude,
        key: Some("ANTHROPIC_API_KEY"),
        server: SERVER.to_owned(),
        model: model.map(str::to_owned),
        verdict,
    }
}

fn refused() -> Verdict {
    Verdict::KeyRefused(format!("{SERVER} answers 401"))
}

/// An environment whose jobs have this provider unless they name another.
fn with_usual(evidence: &mut Evidence, provider: &str) {
    let orchestrator = evidence.platform.services.get_mut("orchestrator").unwrap();
    let name = "GENERATOR_PROVIDER".to_owned();
    orchestrator.environment.insert(name, provider.to_owned());
}

#[test]
fn a_refused_key_breaks_all_jobs_or_those_that_name_its_provider() {
    for (usual, severity) in [
        ("claude", Broken),
        ("codex", Warning),
        ("template", Warning),
    ] {
        let finding = only(|evidence| {
            with_usual(evidence, usual);
            evidence.environment = "dev".to_owned();
            evidence.providers = Source::Known(vec![asked(None, refused())]);
        });
        assert_is(&finding, "provider-key", severity, "generator");
        assert!(
            finding.says.contains("refuses ANTHROPIC_API_KEY"),
            "{finding:#?}"
        );
        assert_eq!(finding.evidence, [format!("{SERVER} answers 401")]);
        assert_eq!(
            finding.next,
            "cargo xtask secrets set generator ANTHROPIC_API_KEY < FILE --env dev"
        );
    }
}

#[test]
fn a_server_that_wants_a_key_and_gets_none_is_given_the_first() {
    let finding = only(|evidence| {
        with_usual(evidence, "claude");
        let asked = asked(None, refused());
        evidence.providers = Source::Known(vec![Asked { key: None, ..asked }]);
    });
    assert!(
        finding.says.contains("refuses requests without a key"),
        "{finding:#?}"
    );
    assert!(
        finding
            .next
            .contains("secrets set generator ANTHROPIC_API_KEY")
    );
}

#[test]
fn a_model_that_nobody_knows_is_named_with_where_it_comes_from() {
    let finding = only(|evidence| {
        with_usual(evidence, "claude");
        evidence.providers = Source::Known(vec![asked(Some("no-model"), Verdict::ModelUnknown)]);
    });
    assert_is(&finding, "provider-model", Broken, "generator");
    assert!(finding.says.contains("`no-model`"), "{finding:#?}");
    assert!(finding.next.contains("GENERATOR_MODEL"), "{finding:#?}");
}

#[test]
fn a_provider_that_is_content_or_cannot_be_asked_is_no_finding() {
    let silent = Verdict::Unanswered(format!("{SERVER}: timeout"));
    for verdict in [Verdict::Accepted, silent] {
        let found = examined(|evidence| {
            with_usual(evidence, "claude");
            evidence.providers = Source::Known(vec![asked(Some("a-model"), verdict)]);
        });
        assert_eq!(found, []);
    }
    // A base URL that no key may be sent to is nobody's refusal, and is named all the same.
    let finding = only(|evidence| evidence.providers = failed("OPENAI_BASE_URL is not a URL"));
    assert_is(&finding, "unanswered", Warning, "environment local");
    assert_eq!(
        finding.evidence,
        ["providers: OPENAI_BASE_URL is not a URL"]
    );
}
