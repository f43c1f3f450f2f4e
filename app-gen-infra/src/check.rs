//! The checks that the types cannot express: references, ports, paths.

use crate::{
    Environment, HOURS_PER_MONTH, Local, ManifestError, Platform, Size, prebuilds, previews,
    storage,
};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Component, Path};
use toml::Spanned;

pub(crate) fn check(platform: &Platform, text: &str, root: &Path) -> Result<(), ManifestError> {
    let checker = Checker {
        platform,
        text,
        root,
    };
    checker.platform()?;
    checker.required_names()?;
    checker.images()?;
    checker.consumers()?;
    previews::check(platform, text)?;
    storage::check(platform, text)?;
    checker.groups()?;
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

    fn platform(&self) -> Result<(), ManifestError> {
        let platform = &self.platform.platform;
        if platform == PLATFORM {
            return Ok(());
        }
        Err(self.missing(
            "platform",
            &format!(
                "`{platform}` is not supported: every binary is compiled for {PLATFORM}, so write `{PLATFORM}`"
            ),
        ))
    }

    /// Checks that the parts exist that commands refer to by name.
    fn required_names(&self) -> Result<(), ManifestError> {
        let platform = self.platform;
        for (present, key) in [
            (
                platform.services.contains_key("orchestrator"),
                "services.orchestrator",
            ),
            (platform.tasks.contains_key("generator"), "tasks.generator"),
            (platform.tasks.contains_key("preview"), "tasks.preview"),
            (
                platform.environments.contains_key("local"),
                "environments.local",
            ),
        ] {
            if !present {
                return Err(self.missing(key, "is missing: commands refer to it by name"));
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
            if let Some(apt) = &image.apt {
                prebuilds::check_apt(apt, self.text)?;
            }
            if let Some(tools) = &image.npm_tools {
                self.path(&tools.folder, Path::is_dir, "folder")?;
                prebuilds::check_npm_tools(tools, self.text)?;
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
                    format!(
                        "there is no image `{}`; the images are {known}",
                        image.get_ref()
                    ),
                );
            }
            if let Some(secret) = secret
                && !self.platform.secrets.contains_key(secret.get_ref())
            {
                let known = names(&self.platform.secrets);
                return self.fail(
                    secret,
                    format!(
                        "there is no secret `{}`; the secrets are {known}",
                        secret.get_ref()
                    ),
                );
            }
            self.sizes(&key, size)?;
        }
        for deliverer in (self.platform.tasks.values()).filter_map(|task| task.deliverer.as_ref()) {
            let secret = &deliverer.secret;
            if !self.platform.secrets.contains_key(secret.get_ref()) {
                let known = names(&self.platform.secrets);
                return self.fail(
                    secret,
                    format!(
                        "there is no secret `{}`; the secrets are {known}",
                        secret.get_ref()
                    ),
                );
            }
        }
        for service in self.platform.services.values() {
            if !service.health_path.get_ref().starts_with('/') {
                return self.fail(&service.health_path, "must start with `/`".to_owned());
            }
            // A deployment waits until the service answers.
            if *service.desired_tasks.get_ref() == 0 {
                return self.fail(
                    &service.desired_tasks,
                    "must not be 0: `cargo xtask scale --to 0` stops a service".to_owned(),
                );
            }
        }
        Ok(())
    }

    fn groups(&self) -> Result<(), ManifestError> {
        for (group, services) in &self.platform.groups {
            if services.is_empty() {
                return Err(
                    self.missing(&format!("groups.{group}"), "must name at least one service")
                );
            }
            for service in services {
                if !self.platform.services.contains_key(service.get_ref()) {
                    let known = names(&self.platform.services);
                    return self.fail(
                        service,
                        format!(
                            "there is no service `{}`; the services are {known}",
                            service.get_ref()
                        ),
                    );
                }
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
                            &format!("there is no environment `{environment}`"),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn ports(&self) -> Result<(), ManifestError> {
        let ports_of = |table: &'static str, local: &'_ Local| {
            [
                ("registry_port", local.registry_port.clone()),
                ("cloud_port", local.cloud_port.clone()),
                ("api_port", local.api_port.clone()),
                ("web_port", local.web_port.clone()),
                ("validate_port", local.validate_port.clone()),
                ("database_port", local.database_port.clone()),
            ]
            .map(|(name, port)| (format!("{table}.{name}"), port))
        };
        let mut taken: BTreeMap<u16, String> = BTreeMap::new();
        let platform = self.platform;
        let ports = ports_of("local", &platform.local).into_iter();
        for (name, port) in ports.chain(ports_of("local_test", &platform.local_test)) {
            if *port.get_ref() == 0 {
                return self.fail(
                    &port,
                    "must not be 0: other programs must know the port".to_owned(),
                );
            }
            if let Some(other) = taken.insert(*port.get_ref(), name) {
                return self.fail(&port, format!("port {} is also {other}", port.get_ref()));
            }
        }
        if platform.local.compose_project == platform.local_test.compose_project {
            return Err(self.missing(
                "local_test.compose_project",
                "is also local.compose_project: the tests would end what a developer runs",
            ));
        }
        Ok(())
    }

    /// An environment has its account for itself: repositories, secrets, roles and the bootstrap of
    /// CDK have one name each in an account.
    fn accounts(&self) -> Result<(), ManifestError> {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, environment) in &self.platform.environments {
            let Some(account) = &environment.account else {
                continue;
            };
            let id = account.get_ref().as_str();
            if id == LOCAL_ACCOUNT {
                return self.fail(account, format!("{id} is the account of the local cloud"));
            }
            if let Some(other) = taken.insert(id, name) {
                return self.fail(
                    account,
                    format!(
                        "is also the account of environment {other}: they would share \
                         repositories, secrets and roles, so give each an account of its own"
                    ),
                );
            }
        }
        Ok(())
    }

    fn environments(&self) -> Result<(), ManifestError> {
        self.accounts()?;
        for (name, environment) in &self.platform.environments {
            let key = |key: &str| format!("environments.{name}.{key}");
            if name != "local" {
                for (present, missing) in [
                    (environment.account.is_some(), "account"),
                    (
                        environment.budget_usd_per_month.is_some(),
                        "budget_usd_per_month",
                    ),
                    (environment.alarm_email.is_some(), "alarm_email"),
                ] {
                    if !present {
                        return Err(self.missing(
                            &key(missing),
                            "is missing: every environment on AWS needs one",
                        ));
                    }
                }
            }
            if name == "local"
                && let Some(block) = environment.allowed_cidrs.first()
            {
                return self.fail(
                    block,
                    "the local cloud filters no traffic; it listens on this machine only"
                        .to_owned(),
                );
            }
            if !RETENTION_DAYS.contains(&environment.log_retention_days) {
                return Err(self.missing(
                    &key("log_retention_days"),
                    &format!(
                        "is {}; CloudWatch Logs accepts one of {RETENTION_DAYS:?}",
                        environment.log_retention_days
                    ),
                ));
            }
            let hours = environment.usage.orchestrator_hours;
            if hours > HOURS_PER_MONTH {
                return Err(self.missing(
                    &key("usage.orchestrator_hours"),
                    &format!("is {hours}; a month has {HOURS_PER_MONTH}"),
                ));
            }
            self.environment(environment)?;
        }
        Ok(())
    }

    fn environment(&self, environment: &Environment) -> Result<(), ManifestError> {
        if let Some(account) = &environment.account
            && (account.get_ref().len() != 12
                || !account.get_ref().bytes().all(|byte| byte.is_ascii_digit()))
        {
            return self.fail(account, "an AWS account id has 12 digits".to_owned());
        }
        if !is_vpc_cidr(environment.vpc_cidr.get_ref()) {
            return self.fail(
                &environment.vpc_cidr,
                "must be an IPv4 block of a VPC, /16 to /24, for instance 10.10.0.0/16".to_owned(),
            );
        }
        if let Some(file) = &environment.extra_certificates {
            self.path(file, Path::is_file, "file")?;
        }
        if let Some(host) = &environment.preview_host {
            previews::check_host(host, self.text)?;
        }
        for block in &environment.allowed_cidrs {
            if cidr(block.get_ref()).is_none() {
                return self.fail(
                    block,
                    format!(
                        "`{}` is not an IPv4 block, for instance 203.0.113.0/24; one address is a /32",
                        block.get_ref()
                    ),
                );
            }
        }
        if let Some(budget) = &environment.budget_usd_per_month
            && *budget.get_ref() == 0
        {
            return self.fail(budget, "must not be 0".to_owned());
        }
        if let Some(email) = &environment.alarm_email
            && !email.get_ref().contains('@')
        {
            return self.fail(email, "is not an e-mail address".to_owned());
        }
        if let Some(certificate) = &environment.certificate_arn {
            let account = environment
                .account
                .as_ref()
                .map_or("", |account| account.get_ref().as_str());
            let start = format!(
                "arn:aws:acm:{}:{account}:certificate/",
                self.platform.region
            );
            if !certificate.get_ref().starts_with(&start) {
                return self.fail(certificate, format!("must begin with {start}"));
            }
        }
        Ok(())
    }
}

/// What the binaries in the images are compiled for (`xtask/image/src/rust/environment.rs`).
const PLATFORM: &str = "linux/amd64";

/// The retentions that CloudWatch Logs offers, up to a year.
const RETENTION_DAYS: [u32; 12] = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365];

/// What MiniStack takes itself for.
const LOCAL_ACCOUNT: &str = "000000000000";

/// Whether a VPC may have the block, and the block has room for two subnets with a load balancer.
fn is_vpc_cidr(text: &str) -> bool {
    cidr(text).is_some_and(|(_, bits)| (16..=24).contains(&bits))
}

/// First address and length of the prefix of an IPv4 block; `None` if it is none.
pub(crate) fn cidr(text: &str) -> Option<(Ipv4Addr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    // `parse` takes a sign, which AWS does not.
    let bits = bits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(bits)?;
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    (u32::from(address).trailing_zeros() >= 32 - bits).then_some((address, bits))
}

fn names<V>(map: &BTreeMap<String, V>) -> String {
    map.keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
