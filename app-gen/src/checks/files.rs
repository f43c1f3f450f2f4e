//! Files that every application has, and those that none may have. Nothing is run.

use std::sync::LazyLock;

use regex::bytes::Regex;
use serde_json::Value;

use crate::checks::checked::{Found, pattern};
use crate::checks::source::line_of;
use crate::workshop::snapshot::Snapshot;

/// Bytes of a file that belongs into an application's sources.
const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;
/// What `npm ci` installs by, the one that npm prefers first.
pub(crate) const LOCKS: [&str; 2] = ["npm-shrinkwrap.json", "package-lock.json"];
/// Lock files of others, for words about what is missing.
const OTHER_LOCKS: [&str; 4] = ["yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb"];
/// What npm writes into `scripts.test` of a new package.
const NO_TEST: &str = "no test specified";
/// Endings of files with names of variables and no values.
const EXAMPLES: [&str; 4] = [".example", ".sample", ".template", ".dist"];
/// More faults of one kind say nothing new.
const MAX_FAULTS: usize = 20;

pub(crate) fn check(snapshot: &Snapshot) -> Found {
    let mut faults = Vec::new();
    faults.extend(package(snapshot));
    faults.extend(lock(snapshot));
    faults.extend(large(snapshot));
    faults.extend(environments(snapshot).take(MAX_FAULTS));
    faults.extend(secrets(snapshot).take(MAX_FAULTS));
    Found::of(&faults)
}

/// `package.json`, if it can be read.
pub(crate) fn manifest(snapshot: &Snapshot) -> Option<Value> {
    let manifest = serde_json::from_str(snapshot.text("package.json")?).ok()?;
    Some(manifest).filter(Value::is_object)
}

/// The command of a script of `package.json`, if it has one.
pub(crate) fn script<'manifest>(manifest: &'manifest Value, name: &str) -> Option<&'manifest str> {
    let script = manifest.get("scripts")?.get(name)?.as_str()?.trim();
    Some(script).filter(|script| !script.is_empty())
}

fn package(snapshot: &Snapshot) -> Vec<String> {
    let Some(text) = snapshot.files.get("package.json") else {
        return vec![
            "package.json is missing: the application must be a package of npm".to_owned(),
        ];
    };
    let manifest: Value = match serde_json::from_slice(&text.content) {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("package.json is not JSON: {error}")],
    };
    let mut faults = Vec::new();
    for (name, why) in [("test", "runs the tests"), ("start", "starts the server")] {
        match script(&manifest, name) {
            None => faults.push(format!("package.json has no script {name:?} that {why}")),
            Some(script) if name == "test" && script.contains(NO_TEST) => {
                faults.push(
                    "package.json: the script \"test\" is the one of a new package".to_owned(),
                );
            }
            Some(_) => {}
        }
    }
    faults
}

fn lock(snapshot: &Snapshot) -> Option<String> {
    let Some((path, file)) = LOCKS
        .iter()
        .find_map(|path| Some((path, snapshot.files.get(*path)?)))
    else {
        let mut others = OTHER_LOCKS
            .iter()
            .filter(|path| snapshot.files.contains_key(**path));
        let other = others
            .next()
            .map(|path| format!(", and {path} is none for npm"));
        return Some(format!(
            "package-lock.json is missing{}: run npm install and keep the file",
            other.unwrap_or_default()
        ));
    };
    let lock: Value = match serde_json::from_slice(&file.content) {
        Ok(lock) => lock,
        Err(error) => return Some(format!("{path} is not JSON: {error}")),
    };
    let version = lock.get("lockfileVersion").and_then(Value::as_u64);
    let is_new = version.is_some_and(|version| version >= 1);
    (!is_new).then(|| format!("{path} has no lockfileVersion: run npm install to write it anew"))
}

fn large(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let large = snapshot
        .files
        .iter()
        .filter(|(_, file)| file.content.len() > MAX_FILE_BYTES);
    large.map(|(path, file)| {
        let bytes = file.content.len();
        format!("{path} has {bytes} bytes: a file of an application has at most {MAX_FILE_BYTES}")
    })
}

/// Files whose names say that values for one place are in them.
fn environments(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let is_environment = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_example = EXAMPLES.iter().any(|ending| name.ends_with(ending));
        (name == ".env" || name.starts_with(".env.")) && !is_example
    };
    let files = snapshot
        .texts()
        .filter(move |(path, _)| is_environment(path));
    files.filter_map(|(path, text)| {
        let mut lines = text.lines().enumerate();
        let (place, _) = lines.find(|(_, line)| {
            let line = line.trim();
            let value = line.split_once('=').map(|(_, value)| value.trim());
            !line.starts_with('#') && value.is_some_and(|value| !["", "\"\"", "''"].contains(&value))
        })?;
        Some(format!(
            "{path}:{} has a value: put names into .env.example, and read values from the environment",
            place + 1
        ))
    })
}

/// What a secret looks like. The lengths are those of real ones, so that digests of lock files are none.
static SECRETS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    [
        (
            "a private key",
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
        ),
        ("an access key of AWS", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
        ("a key of Anthropic", r"\bsk-ant-[A-Za-z0-9_-]{32,}"),
        (
            "a key of OpenAI",
            r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{32,}",
        ),
        (
            "a key of OpenAI",
            r"\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b",
        ),
        ("a token of GitHub", r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
        (
            "a token of GitHub",
            r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b",
        ),
        ("a token of GitLab", r"\bglpat-[A-Za-z0-9_-]{20}\b"),
        ("a token of npm", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("a token of npm", r"_authToken\s*=\s*[A-Za-z0-9_-]{16,}"),
        ("a key of Google", r"\bAIza[0-9A-Za-z_-]{35}\b"),
        ("a token of Slack", r"\bxox[abeoprs]-[0-9A-Za-z-]{20,}"),
        ("a live key of Stripe", r"\b[rs]k_live_[0-9A-Za-z]{24,}"),
    ]
    .map(|(what, text)| (what, pattern(text)))
    .into()
});

/// Where something looks like a secret. The value itself is in no message.
fn secrets(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    snapshot.files.iter().flat_map(|(path, file)| {
        SECRETS.iter().filter_map(move |(what, pattern)| {
            let mut found = pattern.find_iter(&file.content);
            // Those of documentation are no secrets.
            let found = found.find(|found| !found.as_bytes().ends_with(b"EXAMPLE"))?;
            let text = String::from_utf8_lossy(&file.content[..found.start()]);
            let line = line_of(&text, text.len());
            Some(format!(
                "{path}:{line} has what looks like {what}: read it from the environment instead"
            ))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::snapshot::tests::snapshot;

    const PACKAGE: &str = r#"{"scripts":{"test":"node --test","start":"node server.js"}}"#;
    const LOCK: &str = r#"{"lockfileVersion":3}"#;

    fn faults(more: &[(&str, &str)]) -> Vec<String> {
        let base = [("package.json", PACKAGE), ("package-lock.json", LOCK)];
        let mut files: std::collections::BTreeMap<&str, &str> = base.into();
        files.extend(more.iter().copied());
        // A file without content is one that is not there.
        files.retain(|_, text| !text.is_empty());
        let files: Vec<(&str, &str)> = files.into_iter().collect();
        match check(&snapshot(&files)) {
            Found::Bad(text) => text.lines().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_applications_of_this_repository_are_good() {
        for (package, lock) in [
            (
                include_str!("../../scripted-model/scripts/plant-diary/package.json"),
                include_str!("../../scripted-model/scripts/plant-diary/package-lock.json"),
            ),
            (
                include_str!("../template/files/common/package.json"),
                include_str!("../template/files/common/package-lock.json"),
            ),
        ] {
            let files = [("package.json", package), ("package-lock.json", lock)];
            assert_eq!(check(&snapshot(&files)), Found::Good(None));
        }
    }

    #[test]
    fn what_npm_needs_must_be_there() {
        assert!(faults(&[]).is_empty());
        for (path, text, words) in [
            ("package.json", "", "package.json is missing"),
            ("package.json", "{", "package.json is not JSON"),
            (
                "package.json",
                r#"{"scripts":{"test":"x"}}"#,
                "no script \"start\"",
            ),
            (
                "package.json",
                r#"{"scripts":{"start":"x","test":" "}}"#,
                "no script \"test\"",
            ),
            (
                "package.json",
                r#"{"scripts":{"start":"x","test":"echo \"Error: no test specified\" && exit 1"}}"#,
                "the one of a new package",
            ),
            ("package-lock.json", "", "package-lock.json is missing: run"),
            (
                "package-lock.json",
                "<<<<<<<",
                "package-lock.json is not JSON",
            ),
            ("package-lock.json", "{}", "no lockfileVersion"),
        ] {
            let faults = faults(&[(path, text)]);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(words), "{faults:?}");
        }
        let faults = faults(&[("package-lock.json", ""), ("yarn.lock", "x")]);
        assert!(
            faults[0].contains("yarn.lock is none for npm"),
            "{faults:?}"
        );
    }

    #[test]
    fn secrets_are_found_and_not_repeated() {
        // Put together here, so that no scanner finds them in this repository.
        let long = "aB3".repeat(40);
        let secrets = [
            format!("-----BEGIN RSA {} KEY-----", "PRIVATE"),
            format!("-----BEGIN {} KEY-----", "PRIVATE"),
            format!("AKIA{}", "Q2W3E4R5T6Y7U2I3"),
            format!("sk-ant-api03-{}", &long[..90]),
            format!("sk-proj-{}", &long[..90]),
            format!("sk-{}T3BlbkFJ{}", &long[..20], &long[..20]),
            format!("ghp_{}", &long[..36]),
            format!("github_pat_{}_{}", &long[..22], &long[..59]),
            format!("glpat-{}", &long[..20]),
            format!("npm_{}", &long[..36]),
            format!("//registry.npmjs.org/:_authToken={}", &long[..30]),
            format!("AIza{}", &long[..35]),
            format!("xoxb-{}", &long[..30]),
            format!("sk_live_{}", &long[..24]),
        ];
        for secret in &secrets {
            let text = format!("a\nconst key = \"{secret}\"\n");
            let faults = faults(&[("src/key.js", &text)]);
            assert_eq!(faults.len(), 1, "{secret}: {faults:?}");
            assert!(
                faults[0].starts_with("src/key.js:2 has what looks like a"),
                "{faults:?}"
            );
            assert!(!faults[0].contains(secret.as_str()), "{faults:?}");
        }
        for harmless in [
            "AKIAIOSFODNN7EXAMPLE",
            "sk-ant-...",
            "process.env.ANTHROPIC_API_KEY",
            "//registry.npmjs.org/:_authToken=${NPM_TOKEN}",
            "ghp_xxx",
            "\"integrity\": \"sha512-AIzaghp_npm_q2w3e4r5t6y7u2i3q2w3e4r5t6y7u2i3==\"",
        ] {
            assert!(faults(&[("src/key.js", harmless)]).is_empty(), "{harmless}");
        }
    }

    #[test]
    fn values_of_one_place_stay_out() {
        let fault = &faults(&[("server/.env", "# a\nPORT=\nKEY=abc")])[0];
        assert!(fault.starts_with("server/.env:3 has a value"), "{fault}");
        assert_eq!(faults(&[(".env.production", "A=1")]).len(), 1);
        assert!(faults(&[(".env.example", "KEY=abc")]).is_empty());
        assert!(faults(&[(".env", "# KEY=abc\nKEY=\nOTHER=\"\"")]).is_empty());
        assert!(faults(&[("src/.environment", "A=1")]).is_empty());
    }

    #[test]
    fn a_file_can_be_too_large() {
        let large = "x".repeat(MAX_FILE_BYTES + 1);
        let faults = faults(&[("public/film.mp4", &large)]);
        assert!(
            faults[0].starts_with("public/film.mp4 has 8388609 bytes"),
            "{faults:?}"
        );
    }
}
