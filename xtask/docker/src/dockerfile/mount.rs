//! `RUN --mount=…`: what it takes files from, and whether BuildKit takes it.

use crate::dockerfile::word::{Raw, Reader};
use std::collections::BTreeMap;

const KEYS: [&str; 19] = [
    "destination",
    "dst",
    "env",
    "from",
    "gid",
    "id",
    "mode",
    "readonly",
    "readwrite",
    "required",
    "ro",
    "rw",
    "sharing",
    "size",
    "source",
    "src",
    "target",
    "type",
    "uid",
];
const TYPES: [&str; 5] = ["bind", "cache", "secret", "ssh", "tmpfs"];
/// These may stand without a value.
const SWITCHES: [&str; 5] = ["readonly", "readwrite", "required", "ro", "rw"];

/// The stage or image that a mount names; empty where it does not name any.
pub(super) fn source(mount: &str) -> Result<String, String> {
    let mut from = String::new();
    for field in fields(mount).ok_or_else(|| no_list(mount))? {
        let Some((key, value)) = field.split_once('=') else {
            continue;
        };
        if key.eq_ignore_ascii_case("from") {
            let at = value.find('$');
            if at.is_some_and(|at| at + 1 != value.len()) {
                return Err(format!(
                    "Docker does not expand from={value}: name a stage whose FROM uses the ARG"
                ));
            }
            value.clone_into(&mut from);
        }
    }
    Ok(from)
}

/// Refuses what BuildKit refuses of a mount of a stage that it builds: a field that is misspelled
/// may be the one that names an image. What depends on variables is left to the build.
pub(super) fn check(mount: &str, escape: char) -> Result<(), String> {
    let mut kind = Some("bind".to_owned());
    let mut has_source = false;
    for field in fields(mount).ok_or_else(|| no_list(mount))? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        let Some(value) = value else {
            if !SWITCHES.contains(&key.as_str()) {
                return Err(format!("in --mount={mount}, `{field}` needs a value"));
            }
            fits(mount, &key, kind.as_deref())?;
            continue;
        };
        if !KEYS.contains(&key.as_str()) {
            return Err(format!("--mount={mount} has the unknown field `{key}`"));
        }
        let value = expanded(value, escape).map_err(|error| format!("in `{value}`: {error}"))?;
        fits(mount, &key, kind.as_deref())?;
        match key.as_str() {
            "type" => {
                kind = value.map(|kind| kind.to_lowercase());
                if let Some(kind) = &kind
                    && !TYPES.contains(&kind.as_str())
                {
                    let types = TYPES.join(", ");
                    return Err(format!(
                        "`{kind}` is not a type of mount: there are {types}"
                    ));
                }
            }
            "from" => has_source = value.is_none_or(|value| !value.is_empty()),
            _ => {}
        }
    }
    if kind.as_deref() == Some("secret") && has_source {
        return Err(format!("--mount={mount} is a secret, which has no from"));
    }
    Ok(())
}

/// What a mount takes of the context; nothing where it takes nothing of it.
pub(super) fn of_context(mount: &str) -> Option<String> {
    let mut source = String::new();
    for field in fields(mount)? {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        match key.to_lowercase().as_str() {
            "from" if !value.is_empty() => return None,
            "type" if TYPES[1..].contains(&value.to_lowercase().as_str()) => return None,
            "source" | "src" => value.clone_into(&mut source),
            _ => {}
        }
    }
    Some(source)
}

/// Refuses a field that the type, as far as it is known, does not have.
fn fits(mount: &str, key: &str, kind: Option<&str>) -> Result<(), String> {
    let fits = match (key, kind) {
        ("required", Some(kind)) => matches!(kind, "secret" | "ssh"),
        ("size", Some(kind)) => kind == "tmpfs",
        _ => true,
    };
    match fits {
        true => Ok(()),
        false => Err(format!(
            "--mount={mount}: a mount of type {} has no `{key}`",
            kind.unwrap_or_default()
        )),
    }
}

/// The value without quotes and escapes; nothing where it has variables.
fn expanded(value: &str, escape: char) -> Result<Option<String>, String> {
    if value.contains('$') {
        return Ok(None);
    }
    let values = BTreeMap::new();
    let reader = Reader {
        escape,
        raw: Raw::Nothing,
        values: &values,
    };
    let word = reader.word(value).map_err(|error| error.to_string())?;
    Ok(Some(word.text))
}

fn no_list(mount: &str) -> String {
    format!("--mount={mount} is not a list of fields")
}
/// The fields of a line of comma-separated values; nothing where a quote is out of place.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = Some(line).filter(|line| !line.is_empty())?;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = match rest.split_once(',') {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            };
            if field.contains('"') {
                return None;
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Some(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut after = quoted;
        loop {
            let (part, next) = after.split_once('"')?;
            field.push_str(part);
            match next.strip_prefix('"') {
                // A doubled quote stands for one quote.
                Some(next) => {
                    field.push('"');
                    after = next;
                }
                None => {
                    after = next;
                    break;
                }
            }
        }
        fields.push(field);
        if after.is_empty() {
            return Some(fields);
        }
        rest = after.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_outside_of_quotes() {
        let split = |line| fields(line).map(|fields| fields.join("|"));
        for (line, expected) in [
            ("a=1,b", Some("a=1|b")),
            ("a,,b,", Some("a||b|")),
            (r#""a,b",c"#, Some("a,b|c")),
            (r#"a,"b""c""#, Some(r#"a|b"c"#)),
            (r#"a"b"#, None),
            (r#""a"b"#, None),
            (r#""a"#, None),
            ("", None),
        ] {
            assert_eq!(split(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_mount_names_its_source() {
        for (mount, expected) in [
            ("type=bind,from=a,target=/x", "a"),
            ("FROM=a,from=b", "b"),
            ("type=cache,target=/x", ""),
            ("ro,from=", ""),
            ("from=a$", "a$"),
        ] {
            assert_eq!(source(mount).as_deref(), Ok(expected), "{mount}");
        }
        assert!(source("from=$A").is_err());
        assert!(source("from=\"a").is_err());
    }

    #[test]
    fn a_field_that_docker_does_not_know_is_refused() {
        for mount in [
            "from=a,target=/x,ro",
            "type=$T,required,size=1",
            "TYPE=Secret,required,id=x",
            "type=tmpfs,size=1,target=/x",
            "type='cache',target=/x",
        ] {
            assert_eq!(check(mount, '\\'), Ok(()), "{mount}");
        }
        for (mount, part) in [
            ("form=a,target=/x", "unknown field `form`"),
            ("from,target=/x", "`from` needs a value"),
            ("type=bound,from=a", "`bound` is not a type"),
            ("type=secret,from=a,id=x", "a secret, which has no from"),
            ("size=1,type=tmpfs", "of type bind has no `size`"),
            ("target='/x", "is not closed"),
        ] {
            let error = check(mount, '\\').unwrap_err();
            assert!(error.contains(part), "{mount}: {error}");
        }
    }
}
