//! What the types cannot say: references, ports, paths.

use crate::{ManifestError, Platform, Size};
use std::collections::BTreeMap;
use std::path::{Component, Path};
use toml::Spanned;

pub(crate) fn check(platform: &Platform, text: &str, root: &Path) -> Result<(), ManifestError> {
    let checker = Checker {
        platform,
        text,
        root,
    };
    checker.required_names()?;
    checker.images()?;
    checker.consumers()?;
    checker.secrets()?;
    checker.ports()?;
    checker.environments()
}

struct Checker<'a> {
    platform: &'a Platform,
    text: &'a str,
    root: &'a Path,
}

impl Checker<'_> {
    fn fail<T, V>(&self, at: &Spanned<V>, message: String) -> Result<T, ManifestError> {
        Err(ManifestError::at(self.text, &at.span(), message))
    }

    fn missing(&self, key: &str, message: &str) -> ManifestError {
        ManifestError::of_key(self.text, key, message)
    }

    /// The parts that commands speak of by name.
    fn required_names(&self) -> Result<(), ManifestError> {
        let platform = self.platform;
        for (present, key) in [
            (
                platform.services.contains_key("orchestrator"),
                "services.orchestrator",
            ),
            (platform.tasks.contains_key("generator"), "tasks.generator"),
            (
                platform.environments.contains_key("local"),
                "environments.local",
            ),
        ] {
            if !present {
                return Err(self.missing(key, "is required and missing"));
            }
        }
        Ok(())
    }

    fn images(&self) -> Result<(), ManifestError> {
        for image in self.platform.images.values() {
            self.path(&image.context, Path::is_dir, "folder")?;
            self.path(&image.dockerfile, Path::is_file, "file")?;
            if let Some(npm) = &image.npm {
                self.path(&npm.folder, Path::is_dir, "folder")?;
            }
        }
        Ok(())
    }

    fn path(
        &self,
        path: &Spanned<String>,
        is_there: fn(&Path) -> bool,
        kind: &str,
    ) -> Result<(), ManifestError> {
        let relative = Path::new(path.get_ref());
        let stays_inside = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !stays_inside {
            return self.fail(path, format!("`{}` leaves the checkout", path.get_ref()));
        }
        if !is_there(&self.root.join(relative)) {
            return self.fail(path, format!("no such {kind}: {}", path.get_ref()));
        }
        Ok(())
    }

    fn consumers(&self) -> Result<(), ManifestError> {
        let services = self.platform.services.iter().map(|(name, service)| {
            (
                format!("services.{name}"),
                &service.image,
                &service.secret,
                &service.size,
            )
        });
        let tasks = self.platform.tasks.iter().map(|(name, task)| {
            (
                format!("tasks.{name}"),
                &task.image,
                &task.secret,
                &task.size,
            )
        });
        for (key, image, secret, size) in services.chain(tasks) {
            if !self.platform.images.contains_key(image.get_ref()) {
                let known = names(&self.platform.images);
                return self.fail(
                    image,
                    format!("no image `{}`; known: {known}", image.get_ref()),
                );
            }
            if let Some(secret) = secret
                && !self.platform.secrets.contains_key(secret.get_ref())
            {
                let known = names(&self.platform.secrets);
                return self.fail(
                    secret,
                    format!("no secret `{}`; known: {known}", secret.get_ref()),
                );
            }
            self.sizes(&key, size)?;
        }
        for service in self.platform.services.values() {
            if !service.health_path.get_ref().starts_with('/') {
                return self.fail(&service.health_path, "must start with `/`".to_owned());
            }
        }
        Ok(())
    }

    fn sizes(&self, key: &str, sizes: &BTreeMap<String, Size>) -> Result<(), ManifestError> {
        for environment in self.platform.environments.keys() {
            if !sizes.contains_key(environment) {
                return Err(self.missing(
                    &format!("{key}.size.{environment}"),
                    "is missing: every environment needs a size",
                ));
            }
        }
        for environment in sizes.keys() {
            if !self.platform.environments.contains_key(environment) {
                return Err(self.missing(
                    &format!("{key}.size.{environment}"),
                    "names an environment that is not in [environments]",
                ));
            }
        }
        Ok(())
    }

    fn secrets(&self) -> Result<(), ManifestError> {
        for (secret_name, secret) in &self.platform.secrets {
            for (key_name, key) in &secret.keys {
                for environment in &key.environments {
                    if !self.platform.environments.contains_key(environment) {
                        return Err(self.missing(
                            &format!("secrets.{secret_name}.keys.{key_name}.environments"),
                            &format!("no environment `{environment}`"),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn ports(&self) -> Result<(), ManifestError> {
        let local = &self.platform.local;
        let mut taken: BTreeMap<u16, &str> = BTreeMap::new();
        for (name, port) in [
            ("registry_port", &local.registry_port),
            ("cloud_port", &local.cloud_port),
            ("api_port", &local.api_port),
            ("web_port", &local.web_port),
            ("validate_port", &local.validate_port),
        ] {
            if *port.get_ref() == 0 {
                return self.fail(port, "must not be 0: others need to know it".to_owned());
            }
            if let Some(other) = taken.insert(*port.get_ref(), name) {
                return self.fail(
                    port,
                    format!("port {} is also local.{other}", port.get_ref()),
                );
            }
        }
        Ok(())
    }

    fn environments(&self) -> Result<(), ManifestError> {
        for (name, environment) in &self.platform.environments {
            match &environment.account {
                None if name != "local" => {
                    return Err(self.missing(
                        &format!("environments.{name}.account"),
                        "is missing: only the local cloud has no AWS account",
                    ));
                }
                Some(account)
                    if account.get_ref().len() != 12
                        || !account.get_ref().bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    return self.fail(account, "an AWS account id has 12 digits".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn names<V>(map: &BTreeMap<String, V>) -> String {
    map.keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
