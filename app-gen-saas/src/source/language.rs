//! Languages of files, as highlighters name them.

/// The language of a file by its name, if it is one that applications are written in.
pub(super) fn of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "Dockerfile" {
        return Some("dockerfile");
    }
    let extension = name.rsplit_once('.')?.1;
    Some(match extension.to_ascii_lowercase().as_str() {
        "css" => "css",
        "html" | "htm" => "html",
        "js" | "mjs" | "cjs" => "javascript",
        "json" => "json",
        "jsx" => "jsx",
        "md" => "markdown",
        "py" => "python",
        "rs" => "rust",
        "sh" => "bash",
        "sql" => "sql",
        "svg" | "xml" => "xml",
        "toml" => "toml",
        "ts" | "mts" | "cts" => "typescript",
        "tsx" => "tsx",
        "yaml" | "yml" => "yaml",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_last_extension_of_the_name_counts() {
        assert_eq!(of("src/a.test.TS"), Some("typescript"));
        assert_eq!(of("a.js/Dockerfile"), Some("dockerfile"));
        assert_eq!(of(".gitignore"), None);
        assert_eq!(of("Makefile"), None);
    }
}
