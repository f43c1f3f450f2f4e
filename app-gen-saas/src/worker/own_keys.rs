//! Keys that a job's tenant brings, and who pays for the job therefore.

use std::collections::BTreeSet;

use app_gen_contract::{ModelProvider, Payer};

use crate::database::{Job, JobKind};
use crate::launcher::OwnKeys;
use crate::worker::follow::{FollowError, Follower};

impl Follower {
    /// The keys of the tenant that the present attempt may need, after it was written down who pays. A job whose
    /// tenant has no key for a provider is paid by the platform there.
    pub(super) async fn own_keys(&self) -> Result<OwnKeys, FollowError> {
        let (database, job) = (&self.app.database, &self.job);
        let asked = asked(job);
        let Some(model_keys) = &self.app.model_keys else {
            return Ok(OwnKeys::default());
        };
        let kept = database.model_keys(&job.tenant).await?;
        let places = kept
            .into_iter()
            .filter_map(|key| Some((ModelProvider::named(&key.provider)?, key.place)))
            .filter(|(provider, _)| asked.contains(provider.agent()))
            .collect();
        let keys = OwnKeys {
            places,
            allows_private: model_keys.allows_private,
        };
        let is_own = |provider: &ModelProvider| provider.agent() == job.provider;
        let payer = match keys.places.keys().any(is_own) {
            true => Payer::Tenant,
            false => Payer::Platform,
        };
        database.set_payer(&self.lease, &job.id, payer).await?;
        Ok(keys)
    }
}

/// The providers that agents of the job may ask. A delivery has no agents, and its task has no key.
fn asked(job: &Job) -> BTreeSet<&str> {
    if job.kind == JobKind::Deliver {
        return BTreeSet::new();
    }
    let wishes = &job.wishes;
    let roles = wishes.roles.values();
    let of_roles = roles.flat_map(|choice| {
        let fallback = choice.fallback.as_ref();
        let fallback = fallback.map(|fallback| fallback.provider.as_str());
        choice.provider.as_deref().into_iter().chain(fallback)
    });
    let fallback = wishes.fallback.as_ref();
    let fallback = fallback.map(|fallback| fallback.provider.as_str());
    of_roles
        .chain(fallback)
        .chain([job.provider.as_str()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::samples::job;
    use app_gen_contract::{Choice, Fallback};

    #[test]
    fn a_job_needs_keys_of_the_providers_that_it_may_ask() {
        let mut job = job(0);
        assert_eq!(asked(&job), BTreeSet::from(["template"]));
        job.provider = "claude".to_owned();
        assert_eq!(asked(&job), BTreeSet::from(["claude"]));
        let codex = || Fallback {
            provider: "codex".to_owned(),
            model: None,
        };
        job.wishes.fallback = Some(codex());
        assert_eq!(asked(&job), BTreeSet::from(["claude", "codex"]));
        job.wishes.fallback = None;
        let choice = Choice {
            fallback: Some(codex()),
            ..Choice::default()
        };
        job.wishes.roles.insert("tester".to_owned(), choice);
        assert_eq!(asked(&job), BTreeSet::from(["claude", "codex"]));
        job.kind = JobKind::Deliver;
        assert_eq!(asked(&job), BTreeSet::new());
    }
}
