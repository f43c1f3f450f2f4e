//! Under which licences the packages are that an application is published with.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::checks::checked::Found;
use crate::checks::files::LOCKS;
use crate::workshop::snapshot::Snapshot;

/// Packages without a known licence that are named.
const MAX_NAMED: usize = 20;

/// Lists them, and fails never: which licences are acceptable is for who publishes.
pub(crate) fn check(snapshot: &Snapshot) -> Found {
    let mut texts = LOCKS.iter().filter_map(|path| snapshot.text(path));
    let lock: Option<Value> = texts
        .next()
        .and_then(|text| serde_json::from_str(text).ok());
    let packages = lock
        .as_ref()
        .and_then(|lock| lock.get("packages")?.as_object());
    let Some(packages) = packages else {
        return Found::Skipped(
            "the lock file does not list packages with their licences".to_owned(),
        );
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (path, package) in packages {
        let is = |flag: &str| package.get(flag).and_then(Value::as_bool) == Some(true);
        // The application itself, tools of developers, and links to folders of its own.
        let Some((_, name)) = path.rsplit_once("node_modules/") else {
            continue;
        };
        if is("dev") || is("devOptional") || is("link") {
            continue;
        }
        match package.get("license").and_then(Value::as_str) {
            Some(licence) if licence != "UNLICENSED" => *counts.entry(licence).or_default() += 1,
            _ => unknown.push(name),
        }
    }
    let mut lines: Vec<String> = counts
        .iter()
        .map(|(licence, count)| format!("{licence}: {count}"))
        .collect();
    if !unknown.is_empty() {
        let count = unknown.len();
        unknown.truncate(MAX_NAMED);
        lines.push(format!("unknown: {count} ({})", unknown.join(", ")));
    }
    match lines.is_empty() {
        true => Found::Good(Some("no packages".to_owned())),
        false => Found::Good(Some(lines.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::snapshot::tests::snapshot;

    #[test]
    fn licences_of_what_is_published_are_counted() {
        let lock = r#"{"packages":{
            "":{"license":"MIT"},
            "node_modules/a":{"license":"MIT"},
            "node_modules/b/node_modules/@s/c":{"license":"MIT"},
            "node_modules/d":{"license":"ISC"},
            "node_modules/e":{"license":"GPL-3.0","dev":true},
            "node_modules/f":{},
            "node_modules/g":{"license":"UNLICENSED"},
            "node_modules/h":{"link":true}
        }}"#;
        let found = check(&snapshot(&[("package-lock.json", lock)]));
        assert_eq!(
            found,
            Found::Good(Some("ISC: 1, MIT: 2, unknown: 2 (f, g)".to_owned()))
        );
        let found = check(&snapshot(&[(
            "package-lock.json",
            r#"{"packages":{"":{}}}"#,
        )]));
        assert_eq!(found, Found::Good(Some("no packages".to_owned())));
        for lock in ["{}", "x"] {
            let found = check(&snapshot(&[("package-lock.json", lock)]));
            assert!(matches!(found, Found::Skipped(_)), "{found:?}");
        }
    }
}
