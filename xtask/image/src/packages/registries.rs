//! Which of the user's settings npm keeps: those that say how a registry is reached. A package that
//! comes from there is held against the checksum in the lock file, so they decide nothing. All other
//! settings do: `omit`, `script-shell`, `node-options`, …

use std::ffi::OsString;
use std::path::{Path, PathBuf};

const KEPT: &[&str] = &[
    "ca",
    "ca[]",
    "cache",
    "cafile",
    "cert",
    "fetch-retries",
    "fetch-retry-factor",
    "fetch-retry-maxtimeout",
    "fetch-retry-mintimeout",
    "fetch-timeout",
    "https-proxy",
    "key",
    "local-address",
    "maxsockets",
    "no-proxy",
    "noproxy",
    "offline",
    "prefer-offline",
    "prefer-online",
    "proxy",
    "registry",
    "replace-registry-host",
    "strict-ssl",
];

/// What is kept of the user's settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The lines of a settings file.
    pub(crate) lines: String,
    /// Variables of the environment: settings, and what the lines refer to.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Settings {
    /// Reads the settings of the user and of npm's installation. `node` is the binary that runs npm.
    pub(crate) fn of_user(node: &Path) -> Self {
        let home = std::env::var_os("HOME").map_or_else(PathBuf::new, PathBuf::from);
        let named = |name: &str, default: PathBuf| {
            ["npm_config_", "NPM_CONFIG_"]
                .iter()
                .find_map(|prefix| std::env::var_os(format!("{prefix}{name}")))
                .map_or(default, PathBuf::from)
        };
        let installation = node.parent().and_then(Path::parent).unwrap_or(node);
        let prefix = named("prefix", installation.to_owned());
        // Of two lines with one name the last counts, so the user's settings are the last.
        let files = [
            named("globalconfig", prefix.join("etc/npmrc")),
            named("userconfig", home.join(".npmrc")),
        ];
        let texts = files.map(|file| std::fs::read_to_string(file).unwrap_or_default());
        let mut settings = Self::of(&texts, std::env::vars_os(), &home);
        // npm's default is in the user's home, which npm does not see.
        let cache = home.join(".npm");
        settings.lines = format!("cache={}\n{}", cache.display(), settings.lines);
        settings
    }

    fn of(
        texts: &[String],
        variables: impl Iterator<Item = (OsString, OsString)>,
        home: &Path,
    ) -> Self {
        let mut settings = Self {
            lines: texts.iter().map(|text| kept_lines(text, home)).collect(),
            variables: Vec::new(),
        };
        let variables = variables.filter(|(name, _)| {
            let Some(name) = name.to_str() else {
                return false;
            };
            let setting = name
                .get(..11)
                .filter(|prefix| prefix.eq_ignore_ascii_case("npm_config_"))
                .map(|_| name[11..].replace('_', "-").to_lowercase());
            match setting {
                Some(setting) => is_kept(&setting),
                None => is_for_lines(name) && settings.lines.contains(&format!("${{{name}}}")),
            }
        });
        settings.variables = variables.collect();
        settings
    }
}

fn kept_lines(text: &str, home: &Path) -> String {
    let home = home.display().to_string();
    let mut kept = String::new();
    for line in text.lines().map(str::trim) {
        // What follows is within an object, which npm does not read.
        if line.starts_with('[') {
            break;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if is_kept(name) {
            // npm gets another home.
            let value = match value.strip_prefix("~/") {
                Some(rest) => format!("{home}/{rest}"),
                None => value.replace("${HOME}", &home),
            };
            kept.push_str(&format!("{name}={value}\n"));
        }
    }
    kept
}

fn is_kept(name: &str) -> bool {
    let is_of_a_scope = name.starts_with('@') && name.ends_with(":registry");
    is_of_a_scope || name.starts_with("//") || KEPT.contains(&name)
}

/// Whether a variable can be one that a line refers to, such as a token, and no other program reads.
fn is_for_lines(name: &str) -> bool {
    let is_of_a_tool = ["NODE", "npm_", "NPM_CONFIG", "LD_"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    !is_of_a_tool && !["PATH", "HOME"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_way_to_a_registry_is_kept() {
        let text = "registry=https://mirror.example/npm/\n; comment=1\nomit=dev\n\
                    @ours:registry = https://ours.example/\n//ours.example/:_authToken=${TOKEN}\n\
                    node-options=--require ${EVIL}\nscript-shell=/tmp/evil\ncafile=~/ca.pem\n\
                    //ours.example/:certfile=${HOME}/cert.pem\nignore-scripts=false\n\
                    [section]\nproxy=http://below.example\n";
        let variables = [
            ("TOKEN", "secret"),
            ("EVIL", "/tmp/evil.js"),
            ("NODE_ENV", "production"),
            ("npm_config_registry", "https://other.example/"),
            ("NPM_CONFIG_OMIT", "dev"),
            ("npm_config_//ours.example/:_password", "secret"),
            ("npm_config_https_proxy", "http://proxy.example"),
        ]
        .map(|(name, value)| (name.into(), value.into()));
        let settings = Settings::of(
            &[text.to_owned()],
            variables.clone().into_iter(),
            Path::new("/home/me"),
        );
        assert_eq!(
            settings.lines,
            "registry=https://mirror.example/npm/\n@ours:registry=https://ours.example/\n\
             //ours.example/:_authToken=${TOKEN}\ncafile=/home/me/ca.pem\n\
             //ours.example/:certfile=/home/me/cert.pem\n"
        );
        let kept = [&variables[0], &variables[3], &variables[5], &variables[6]];
        assert_eq!(settings.variables, kept.map(Clone::clone));
    }
}
