//! Whether what was given can be delivered. All of it becomes part of addresses and names, so nothing else
//! than what Fly.io allows passes here.

use crate::error::Error;
use crate::settings::{Source, Target, app_name};

/// What a name in an address of the internet may have.
const LONGEST_NAME: usize = 63;
/// No id of a project is longer.
const LONGEST_ID: usize = 200;
/// Sizes of memory, in MiB: a multiple of the first, up to the second.
const MEMORY_MIB: (u32, u32) = (256, 8192);

fn wrong(reason: String) -> Error {
    Error::Input { reason }
}

/// The name of the app, if the target can be delivered to.
pub(crate) fn checked_app(target: &Target, project_id: &str) -> Result<String, Error> {
    let Target {
        organization,
        region,
        memory_mib,
        ..
    } = target;
    if !is_name(organization) {
        return Err(wrong(format!(
            "{organization:?} is no slug of an organization"
        )));
    }
    let is_region = |region: &&String| {
        (2..=10).contains(&region.len())
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if let Some(region) = region
        && !is_region(&region)
    {
        return Err(wrong(format!("{region:?} is no region, such as \"fra\"")));
    }
    let (unit, most) = MEMORY_MIB;
    if *memory_mib == 0 || !memory_mib.is_multiple_of(unit) || *memory_mib > most {
        return Err(wrong(format!(
            "memory_mib is {memory_mib}, and has to be a multiple of {unit} up to {most}"
        )));
    }
    let is_plain = |character: char| !character.is_control() && !character.is_whitespace();
    if project_id.is_empty() || project_id.len() > LONGEST_ID || !project_id.chars().all(is_plain) {
        return Err(wrong(format!("{project_id:?} is no id of a project")));
    }
    let app = app_name(target, project_id);
    match is_name(&app) {
        true => Ok(app),
        false => Err(wrong(format!(
            "{app:?} is no name of an app: it has lower-case letters, digits and dashes, begins with a \
             letter, and has at most {LONGEST_NAME} characters"
        ))),
    }
}

/// Whether a version can be delivered.
pub(crate) fn check_source(source: &Source) -> Result<(), Error> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let commit = &source.commit;
    if ![40, 64].contains(&commit.len()) || !commit.bytes().all(is_digit) {
        return Err(wrong(format!("{commit:?} is no full id of a commit")));
    }
    let manifest = source.folder.join("package.json");
    match manifest.is_file() {
        true => Ok(()),
        false => Err(wrong(format!("{} is not there", manifest.display()))),
    }
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LONGEST_NAME
        && text.bytes().all(fits)
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        serde_json::from_str(r#"{"organization":"personal","region":"fra"}"#).unwrap()
    }

    fn reason(change: impl FnOnce(&mut Target), project: &str) -> String {
        let mut target = target();
        change(&mut target);
        checked_app(&target, project).unwrap_err().to_string()
    }

    #[test]
    fn the_name_of_an_app_follows_from_organization_and_project() {
        let name = checked_app(&target(), "project-1").unwrap();
        assert_eq!(name, checked_app(&target(), "project-1").unwrap());
        assert!(name.starts_with("app-gen-") && name.len() == 24, "{name}");
        assert_ne!(name, checked_app(&target(), "project-2").unwrap());
        let elsewhere = Target {
            organization: "other".to_owned(),
            ..target()
        };
        assert_ne!(name, checked_app(&elsewhere, "project-1").unwrap());
        let chosen = Target {
            app: Some("plants".to_owned()),
            ..target()
        };
        assert_eq!(checked_app(&chosen, "project-1").unwrap(), "plants");
    }

    #[test]
    fn what_would_lead_elsewhere_is_refused() {
        let text = reason(|target| target.organization = "a/../b".to_owned(), "p");
        assert!(text.contains("is no slug of an organization"), "{text}");
        let text = reason(|target| target.app = Some("a?b".to_owned()), "p");
        assert!(text.contains("is no name of an app"), "{text}");
        let text = reason(|target| target.region = Some("Frankfurt".to_owned()), "p");
        assert!(text.contains("is no region"), "{text}");
        let text = reason(|target| target.memory_mib = 300, "p");
        assert!(text.contains("multiple of 256 up to 8192"), "{text}");
        let text = reason(|_| {}, "a b");
        assert!(text.contains("is no id of a project"), "{text}");
    }

    #[test]
    fn a_version_has_a_whole_commit_and_a_manifest() {
        let mut source = Source {
            folder: "/nonexistent".into(),
            version_file: "dist/version.json".to_owned(),
            commit: "abc".to_owned(),
            project_id: "p".to_owned(),
            version: 1,
        };
        let text = check_source(&source).unwrap_err().to_string();
        assert!(text.contains("is no full id of a commit"), "{text}");
        source.commit = "a".repeat(40);
        let text = check_source(&source).unwrap_err().to_string();
        assert!(
            text.contains("/nonexistent/package.json is not there"),
            "{text}"
        );
    }
}
