//! Names of projects: what a person reads, and what addresses are made of.

use uuid::Uuid;

use crate::database::NewProject;
use crate::error::ApiError;

/// Maximum number of characters of a name.
const MAX_NAME_CHARS: usize = 80;
/// Maximum number of characters of a name that is made of a description.
const SHORT_NAME_CHARS: usize = 50;
/// Maximum length of the part of a slug that is made of the name.
const MAX_SLUG_LENGTH: usize = 40;

/// A project for what was asked for.
pub(super) fn new_project(description: &str) -> NewProject {
    let id = Uuid::now_v7().to_string();
    let name = name_of(description);
    NewProject {
        slug: slug_of(&name, &id),
        id,
        name,
    }
}

/// A name for a project, from the first line of what was asked for.
fn name_of(description: &str) -> String {
    let line = description
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("Application");
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut name = String::new();
    for word in words {
        if !name.is_empty() && name.chars().count() + 1 + word.chars().count() > SHORT_NAME_CHARS {
            name.push('…');
            break;
        }
        if !name.is_empty() {
            name.push(' ');
        }
        name.extend(word.chars().filter(|letter| !letter.is_control()));
    }
    name.chars().take(MAX_NAME_CHARS).collect()
}

/// A name that a person chose, without space around it.
///
/// # Errors
/// It is empty, too long, or has control characters.
pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    let length = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&length) {
        return Err(ApiError::Invalid(format!(
            "name has {length} characters; it takes 1 to {MAX_NAME_CHARS}"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(ApiError::Invalid("name has control characters".to_owned()));
    }
    Ok(name.to_owned())
}

/// Part of addresses and names elsewhere: small letters, digits and dashes, made of the name and of random
/// digits of the id, because others choose the same name.
fn slug_of(name: &str, id: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars() {
        match letter {
            _ if slug.len() >= MAX_SLUG_LENGTH => break,
            letter if letter.is_ascii_alphanumeric() => slug.push(letter.to_ascii_lowercase()),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let name = match slug.trim_end_matches('-') {
        "" => "app",
        name => name,
    };
    let random = &id[id.len().saturating_sub(6)..];
    format!("{name}-{random}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_beginning_of_what_was_asked() {
        assert_eq!(name_of("  \n A plant diary \nwith photos"), "A plant diary");
        assert_eq!(
            name_of("An inventory of everything that I have in my cellar, with a search"),
            "An inventory of everything that I have in my…"
        );
        assert_eq!(name_of(&"ü".repeat(4000)), "ü".repeat(80));
        assert_eq!(name_of("a\u{7}b"), "ab");
    }

    #[test]
    fn slugs_are_addresses() {
        let id = "01990000-0000-7000-8000-0000ab12cd34";
        assert_eq!(
            slug_of("Ein Pflanzen-Tagebuch!", id),
            "ein-pflanzen-tagebuch-12cd34"
        );
        assert_eq!(slug_of("日記", id), "app-12cd34");
        let long = slug_of(&"a b".repeat(100), id);
        assert!(long.len() <= 47 && !long.contains("--"), "{long}");
    }

    #[test]
    fn chosen_names_are_checked() {
        assert_eq!(checked_name(" Diary ").unwrap(), "Diary");
        for name in ["", " ", "a\nb", &"x".repeat(81)] {
            assert!(checked_name(name).is_err(), "{name:?}");
        }
    }
}
