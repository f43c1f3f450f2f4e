//! The checks of previews. A preview runs what a stranger wrote, so it has nothing that could be taken from it,
//! and an end.

use crate::{ManifestError, Platform};
use std::ops::RangeInclusive;
use toml::Spanned;

/// How long a preview may run: no shorter than its start may take, no longer than anybody looks at one.
const SECONDS: RangeInclusive<u32> = 300..=86_400;
/// How many there may be. Fargate admits few tasks to a new account.
const COUNT: RangeInclusive<u32> = 1..=100;
/// Where a preview may listen: neither at a port that takes rights, nor where applications do
/// (`app-gen/cage/src/cage.rs`).
const PORTS: RangeInclusive<u16> = 1_024..=8_000;
/// Bytes of a name below which each preview has one that is longer by a label.
const HOST_BYTES: usize = 200;

pub(crate) fn check(platform: &Platform, text: &str) -> Result<(), ManifestError> {
    if platform.generator().role.is_none() {
        let message = "is missing: generators are lent the rights of one";
        return Err(ManifestError::of_key(text, "tasks.generator.role", message));
    }
    let task = platform.preview();
    if let Some(role) = &task.role {
        return fail(text, role, "a preview has no rights, so it has no role");
    }
    if let Some(secret) = &task.secret {
        return fail(text, secret, "a preview is given no secret");
    }
    let previews = &platform.previews;
    within(text, &previews.time_to_live_secs, &SECONDS)?;
    within(text, &previews.max_previews, &COUNT)?;
    within(text, &previews.control_port, &PORTS)?;
    within(text, &previews.port, &PORTS)?;
    if previews.port.get_ref() == previews.control_port.get_ref() {
        return fail(text, &previews.port, "is also previews.control_port");
    }
    Ok(())
}

/// Checks that it is a name of DNS with several labels, in small letters.
pub(crate) fn check_host(host: &Spanned<String>, text: &str) -> Result<(), ManifestError> {
    let name = host.get_ref();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if name.len() <= HOST_BYTES && name.contains('.') && name.split('.').all(is_label) {
        return Ok(());
    }
    let message = format!("`{name}` is not a name of a host, such as preview.app.example.com");
    fail(text, host, &message)
}

fn within<T: PartialOrd + std::fmt::Display>(
    text: &str,
    number: &Spanned<T>,
    range: &RangeInclusive<T>,
) -> Result<(), ManifestError> {
    if range.contains(number.get_ref()) {
        return Ok(());
    }
    let message = format!("must be from {} to {}", range.start(), range.end());
    fail(text, number, &message)
}

fn fail<T>(text: &str, at: &Spanned<T>, message: &str) -> Result<(), ManifestError> {
    Err(ManifestError::at(text, &at.span(), message.to_owned()))
}
