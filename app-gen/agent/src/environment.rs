//! The environment of an agent: nothing of ours but what is named here.

use std::collections::BTreeMap;

/// Variables that the caller may hand on. Whatever else it names is left out.
pub const ALLOWED: [&str; 14] = [
    "CODEX_CA_CERTIFICATE",
    "GIT_SSL_CAINFO",
    "LANG",
    "LC_ALL",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "npm_config_audit",
    "npm_config_cache",
    "npm_config_cafile",
    "npm_config_fund",
    "npm_config_registry",
];

/// Debian's programs, and Node of the image.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Those of `variables` that are [`ALLOWED`].
#[must_use]
pub fn allowed(variables: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    variables
        .into_iter()
        .filter(|(name, _)| ALLOWED.contains(&name.as_str()))
        .collect()
}

/// What every agent gets, before what its provider adds.
pub(crate) fn base(variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut environment = allowed(variables.clone());
    let mut default = |name: &str, value: &str| {
        environment
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    };
    default("PATH", PATH);
    default("LANG", "C.UTF-8");
    default("TZ", "UTC");
    default("SHELL", "/bin/bash");
    // Both agents would ask a proxy for the gateway, too.
    default("NO_PROXY", "127.0.0.1,localhost");
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_that_is_not_named() {
        let ours = [
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("ANTHROPIC_API_KEY", "secret"),
            ("GITHUB_TOKEN", "secret"),
            ("HTTPS_PROXY", "http://proxy"),
            ("LD_PRELOAD", "/tmp/x.so"),
            ("NODE_OPTIONS", "--require /tmp/x.js"),
            ("PATH", "/bin"),
            ("npm_config_registry", "http://127.0.0.1:1"),
        ];
        let ours = ours.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = base(&ours.into_iter().collect());
        let names: Vec<&str> = environment.keys().map(String::as_str).collect();
        let expected = [
            "LANG",
            "NO_PROXY",
            "PATH",
            "SHELL",
            "TZ",
            "npm_config_registry",
        ];
        assert_eq!(names, expected);
        assert_eq!(environment["PATH"], "/bin");
    }
}
