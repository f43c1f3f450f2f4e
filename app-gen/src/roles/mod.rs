//! The roles that agents have. Each is a file of `app-gen/agents`: settings between two lines `+++`, and
//! then what an agent of this role is told before its task.

mod answer;
mod findings;

use crate::failure::Failure;
use anyhow::{Context as _, Result};
use app_gen_contract::{Fallback, JobSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use answer::json_block;
pub(crate) use findings::{Finding, Review, Severity};

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    /// `builder`, for example: the name of its file.
    pub(crate) name: &'static str,
    /// What its agents are told, their role first.
    pub(crate) instructions: String,
    settings: Settings,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// One sentence for people.
    about: String,
    /// Whether it may write to the workspace.
    writes: bool,
    /// How often an agent may ask the model in one run.
    turns: u32,
    /// How long one run may take.
    minutes: u64,
    /// What all agents of this role may use, in millionths of a US dollar; without it, what the job may.
    micro_usd: Option<u64>,
    /// The model by provider.
    models: BTreeMap<String, String>,
}

/// Which agent has a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cast {
    /// The provider.
    pub(crate) provider: String,
    /// Its model.
    pub(crate) model: String,
    /// Who goes on at a limit.
    pub(crate) fallback: Option<Fallback>,
}

/// All roles: name and file.
const FILES: [(&str, &str); 8] = [
    ("architect", include_str!("../../agents/architect.md")),
    ("bug_finder", include_str!("../../agents/bug_finder.md")),
    ("builder", include_str!("../../agents/builder.md")),
    ("devops", include_str!("../../agents/devops.md")),
    ("pm", include_str!("../../agents/pm.md")),
    ("reviewer", include_str!("../../agents/reviewer.md")),
    ("security", include_str!("../../agents/security.md")),
    ("tester", include_str!("../../agents/tester.md")),
];

impl Role {
    /// The role of this name.
    ///
    /// # Errors
    /// There is none, or its file is broken: both are defects of this program.
    pub(crate) fn find(name: &str) -> Result<Self> {
        let (name, file) = FILES
            .into_iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("there is no role {name:?}"))?;
        Self::read(name, file).with_context(|| format!("the file of role {name} is broken"))
    }

    /// Whether there is a role of this name.
    pub(crate) fn exists(name: &str) -> bool {
        FILES.iter().any(|(known, _)| *known == name)
    }

    /// The names of all roles.
    pub(crate) fn names() -> Vec<&'static str> {
        FILES.iter().map(|(name, _)| *name).collect()
    }

    fn read(name: &'static str, file: &str) -> Result<Self> {
        let rest = file.strip_prefix("+++\n").context("it has no settings")?;
        let (settings, prompt) = rest
            .split_once("\n+++\n")
            .context("its settings have no end")?;
        Ok(Self {
            name,
            instructions: format!("Role: {name}\n\n{}", prompt.trim()),
            settings: toml::from_str(settings)?,
        })
    }

    /// Whether it may write to the workspace.
    pub(crate) fn writes(&self) -> bool {
        self.settings.writes
    }

    /// How often an agent may ask the model in one run.
    pub(crate) fn turns(&self) -> u32 {
        self.settings.turns
    }

    /// How long one run may take.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.settings.minutes * 60)
    }

    /// What all its agents may use, in millionths of a US dollar.
    pub(crate) fn micro_usd(&self) -> Option<u64> {
        self.settings.micro_usd
    }

    /// Which agent has the role in a job: what the spec chooses for the role, then what it chooses for
    /// all, then what the role itself does.
    pub(crate) fn cast(&self, spec: &JobSpec) -> Result<Cast, Failure> {
        let choice = spec.roles.get(self.name).cloned().unwrap_or_default();
        let provider = choice.provider.unwrap_or_else(|| spec.provider.clone());
        // A model belongs to a provider: one that is named for all is not for another provider.
        let for_all = spec.model.clone().filter(|_| provider == spec.provider);
        let model = match choice.model.or(for_all) {
            Some(model) => model,
            None => self.model_of(&provider)?,
        };
        // One limit holds for all of a provider: it cannot go on in its own place.
        let for_all = spec.fallback.clone();
        let for_all = for_all.filter(|fallback| fallback.provider != provider);
        Ok(Cast {
            provider,
            model,
            fallback: choice.fallback.or(for_all),
        })
    }

    /// The cast after a limit: the fallback in the place of the provider.
    pub(crate) fn recast(&self, fallback: &Fallback) -> Result<Cast, Failure> {
        let model = match &fallback.model {
            Some(model) => model.clone(),
            None => self.model_of(&fallback.provider)?,
        };
        Ok(Cast {
            provider: fallback.provider.clone(),
            model,
            fallback: None,
        })
    }

    fn model_of(&self, provider: &str) -> Result<String, Failure> {
        self.settings.models.get(provider).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.settings.models.keys().map(String::as_str).collect();
            Failure::job(
                format!("role {} knows no model of provider {provider:?}", self.name),
                &format!("choose one of {}, or name a model", known.join(", ")),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use app_gen_contract::Choice;

    #[test]
    fn every_role_can_be_read_and_shows_itself() {
        for (name, _) in FILES {
            let role = Role::find(name).unwrap();
            assert!(role.instructions.starts_with(&format!("Role: {name}\n\n")));
            assert!(role.instructions.len() > 500, "{name}");
            assert!(!role.settings.about.is_empty());
            assert_eq!(role.writes(), name == "builder");
            assert!(role.turns() > 0 && role.time() > Duration::ZERO);
            for provider in ["claude", "codex"] {
                assert!(role.model_of(provider).is_ok(), "{name} {provider}");
            }
        }
        assert!(Role::find("nobody").is_err());
    }

    #[test]
    fn the_spec_chooses_before_the_role_does() {
        let role = Role::find("builder").unwrap();
        let mut spec = JobSpec::new("j", "x", "claude", "file:///out").unwrap();
        let own = role.settings.models["claude"].clone();
        let cast = role.cast(&spec).unwrap();
        assert_eq!((cast.provider.as_str(), &cast.model), ("claude", &own));

        spec.model = Some("claude-opus-5-5".to_owned());
        assert_eq!(role.cast(&spec).unwrap().model, "claude-opus-5-5");
        let fallback = Fallback {
            provider: "claude".to_owned(),
            model: None,
        };
        let choice = Choice {
            provider: Some("codex".to_owned()),
            model: None,
            fallback: Some(fallback.clone()),
        };
        spec.roles.insert("builder".to_owned(), choice);
        let cast = role.cast(&spec).unwrap();
        assert_eq!(cast.model, role.settings.models["codex"]);
        assert_eq!(cast.fallback, Some(fallback.clone()));
        let next = role.recast(&fallback).unwrap();
        assert_eq!((next.model, next.fallback), (own, None));

        spec.roles.clear();
        spec.model = None;
        spec.provider = "other".to_owned();
        let refused = role.cast(&spec).unwrap_err();
        assert_eq!(
            refused.reason,
            "role builder knows no model of provider \"other\""
        );
    }

    #[test]
    fn a_broken_file_says_why() {
        let read = |file| format!("{:#}", Role::read("x", file).unwrap_err());
        assert_eq!(read("You are"), "it has no settings");
        assert_eq!(read("+++\nabout = ''"), "its settings have no end");
        assert!(read("+++\nabout = ''\n+++\nYou").contains("missing field"));
    }
}
