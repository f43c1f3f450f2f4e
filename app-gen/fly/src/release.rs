//! What a machine runs, as it is noted on the machine itself: nothing else remembers it.

use crate::api::Machine;
use crate::settings::Target;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The machine's name. Names are unique within an app, so there is one.
pub(crate) const MACHINE: &str = "app";
/// The port at which applications listen.
pub(crate) const PORT: u16 = 8080;

/// Keys of the metadata. The project says whose the machine is.
const PROJECT: &str = "app_gen_project";
const COMMIT: &str = "app_gen_commit";
const VERSION: &str = "app_gen_version";
/// The image that was healthy and answered: one to go back to.
pub(crate) const RELEASED: &str = "app_gen_released";
const PREVIOUS_IMAGE: &str = "app_gen_previous_image";
const PREVIOUS_COMMIT: &str = "app_gen_previous_commit";
const PREVIOUS_VERSION: &str = "app_gen_previous_version";

/// A version that a machine can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// By its digest.
    pub(crate) image: String,
    pub(crate) commit: String,
    pub(crate) version: String,
}

impl Machine {
    fn note(&self, key: &str) -> Option<&String> {
        self.config.metadata.get(key)
    }

    /// Whether a project made it.
    pub(crate) fn is_of(&self, project_id: &str) -> bool {
        self.note(PROJECT).is_some_and(|id| id == project_id)
    }

    /// Whether it is there.
    pub(crate) fn is_there(&self) -> bool {
        !matches!(&*self.state, "destroyed" | "destroying")
    }

    /// The commit that it runs.
    pub(crate) fn commit(&self) -> Option<String> {
        self.note(COMMIT).cloned()
    }

    /// Whether it runs this, in this size.
    pub(crate) fn runs(&self, release: &Release, target: &Target) -> bool {
        self.config.image == release.image
            && self.commit().is_some_and(|commit| commit == release.commit)
            && self.config.guest.memory_mb == Some(target.memory_mib)
    }

    /// The version to go back to if another one than this fails: what it runs, if that was good, and else what it
    /// would go back to itself.
    pub(crate) fn before(&self, release: &Release) -> Option<Release> {
        let read = |image: &str, commit: &str, version: &str| {
            Some(Release {
                image: image.to_owned(),
                commit: self.note(commit)?.clone(),
                version: self.note(version)?.clone(),
            })
        };
        let image = &self.config.image;
        let was_good = self.note(RELEASED) == Some(image);
        if was_good && *image != release.image {
            return read(image, COMMIT, VERSION);
        }
        let image = self.note(PREVIOUS_IMAGE)?;
        read(image, PREVIOUS_COMMIT, PREVIOUS_VERSION)
    }
}

/// The whole configuration of a machine: Fly.io knows no changes of parts.
pub(crate) fn configuration(
    target: &Target,
    project_id: &str,
    release: &Release,
    before: Option<&Release>,
    is_released: bool,
) -> Value {
    let mut metadata = BTreeMap::from([
        (PROJECT, project_id),
        (COMMIT, &*release.commit),
        (VERSION, &*release.version),
    ]);
    if is_released {
        metadata.insert(RELEASED, &release.image);
    }
    if let Some(before) = before {
        metadata.insert(PREVIOUS_IMAGE, &before.image);
        metadata.insert(PREVIOUS_COMMIT, &before.commit);
        metadata.insert(PREVIOUS_VERSION, &before.version);
    }
    json!({
        "image": release.image,
        "metadata": metadata,
        "guest": { "cpu_kind": "shared", "cpus": 1, "memory_mb": target.memory_mib },
        // One that cannot start is given up instead of being started for ever.
        "restart": { "policy": "on-failure", "max_retries": 3 },
        "stop_config": { "signal": "SIGTERM", "timeout": "10s" },
        "services": [{
            "protocol": "tcp",
            "internal_port": PORT,
            // What an application keeps in files goes when its machine stops, so it does not stop by itself.
            "autostop": "off",
            "autostart": true,
            "ports": [
                { "port": 80, "handlers": ["http"], "force_https": true },
                { "port": 443, "handlers": ["tls", "http"] },
            ],
            "checks": [{
                "type": "http",
                "protocol": "http",
                "port": PORT,
                "method": "GET",
                "path": "/version.json",
                "interval": "5s",
                "timeout": "4s",
                "grace_period": "5s",
            }],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(name: &str) -> Release {
        Release {
            image: format!("registry/app@{name}"),
            commit: name.to_owned(),
            version: "1".to_owned(),
        }
    }

    fn machine(release: &Release, before: Option<&Release>, is_released: bool) -> Machine {
        let target: Target = serde_json::from_str(r#"{"organization":"a"}"#).unwrap();
        let config = configuration(&target, "p", release, before, is_released);
        let machine: Machine =
            serde_json::from_value(json!({ "id": "m", "config": config })).unwrap();
        assert!(machine.is_of("p") && !machine.is_of("q"));
        assert!(machine.runs(release, &target));
        machine
    }

    #[test]
    fn one_goes_back_to_what_was_good_and_never_to_what_was_not() {
        let [one, two, three] = ["one", "two", "three"].map(release);
        // A good one is what the next goes back to.
        assert_eq!(machine(&one, None, true).before(&two), Some(one.clone()));
        // One that was cut off before it was good is not.
        let cut_off = machine(&two, Some(&one), false);
        assert_eq!(cut_off.before(&three), Some(one.clone()));
        assert_eq!(cut_off.before(&two), Some(one.clone()));
        assert_eq!(machine(&one, None, false).before(&two), None);
        // The same again, in another size.
        let good = machine(&two, Some(&one), true);
        assert_eq!(good.before(&two), Some(one));
        assert_eq!(good.before(&three), Some(two));
    }
}
