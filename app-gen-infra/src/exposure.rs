//! Who would reach an environment on AWS: a platform that lets everybody in spends its owner's money
//! on the texts of strangers.

use crate::check::cidr;
use crate::{Environment, ManifestError, Platform};
use std::collections::BTreeMap;

/// The variable of the orchestrator that says how it knows its users.
const AUTH_MODE: &str = "AUTH_MODE";

/// More addresses than a block of this size holds are not a list of users.
const LARGEST_BLOCK_BITS: u32 = 8;

/// The first fault of each environment on AWS that has one.
pub(crate) fn faults(platform: &Platform, text: &str) -> BTreeMap<String, ManifestError> {
    let on_aws = platform
        .environments
        .iter()
        .filter(|(name, _)| name.as_str() != "local");
    on_aws
        .filter_map(|(name, environment)| {
            Some((name.clone(), fault(platform, text, name, environment)?))
        })
        .collect()
}

fn fault(
    platform: &Platform,
    text: &str,
    name: &str,
    environment: &Environment,
) -> Option<ManifestError> {
    let variables = &platform.orchestrator().environment;
    let mode = variables.get(AUTH_MODE).map_or("none", String::as_str);
    let knows_users = mode != "none";
    let key = |key: &str| format!("environments.{name}.{key}");
    if environment.protected && !knows_users {
        return Some(ManifestError::of_key(
            text,
            &format!("services.orchestrator.environment.{AUTH_MODE}"),
            &format!(
                "is `{mode}`, so the orchestrator does not know its users, and environment {name} \
                 is protected: write an {AUTH_MODE} that asks for a login"
            ),
        ));
    }
    if (environment.protected || knows_users) && environment.certificate_arn.is_none() {
        let why = match environment.protected {
            true => "a protected environment is reached by HTTPS only",
            false => "a login must not be sent over plain HTTP",
        };
        let account = environment
            .account
            .as_ref()
            .map_or("", |account| account.get_ref().as_str());
        return Some(ManifestError::of_key(
            text,
            &key("certificate_arn"),
            &format!(
                "is missing: {why}; write certificate_arn = \"arn:aws:acm:{}:{account}:certificate/ID\"",
                platform.region
            ),
        ));
    }
    if knows_users {
        return None;
    }
    if environment.allowed_cidrs.is_empty() {
        return Some(ManifestError::of_key(
            text,
            &key("allowed_cidrs"),
            &format!(
                "is missing: {AUTH_MODE} is `{mode}`, so everybody on the internet could use the \
                 environment; write the addresses of its users, \
                 for instance allowed_cidrs = [\"203.0.113.7/32\"]"
            ),
        ));
    }
    let addresses: u64 = environment
        .allowed_cidrs
        .iter()
        .filter_map(|block| cidr(block.get_ref()))
        .map(|(_, bits)| 1 << (32 - bits))
        .sum();
    (addresses > 1 << (32 - LARGEST_BLOCK_BITS)).then(|| {
        ManifestError::of_key(
            text,
            &key("allowed_cidrs"),
            &format!(
                "admits {addresses} addresses, and {AUTH_MODE} is `{mode}`: write smaller blocks, \
                 together no more than a /{LARGEST_BLOCK_BITS}"
            ),
        )
    })
}
