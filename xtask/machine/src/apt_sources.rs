//! The machine's own package sources, in both formats apt knows.

use anyhow::Context as _;
use std::path::Path;

/// One source of binary packages: an archive and a suite of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Address of the archive.
    pub uri: String,
    /// Suite such as `bookworm-security`.
    pub suite: String,
    /// Components such as `main`.
    pub components: Vec<String>,
    /// Keyring or key block the source is bound to.
    pub signed_by: Option<String>,
}

impl Source {
    /// The source as a line of `sources.list`, without its keyring.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "deb {} {} {}",
            self.uri,
            self.suite,
            self.components.join(" ")
        )
    }
}

/// All sources of the machine, in the order apt reads them.
///
/// # Errors
/// A file of sources cannot be read.
pub fn read_machine() -> anyhow::Result<Vec<Source>> {
    read_below(Path::new("/etc/apt"))
}

fn read_below(apt: &Path) -> anyhow::Result<Vec<Source>> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(folder) = std::fs::read_dir(apt.join("sources.list.d")) {
        let mut parts: Vec<_> = folder.flatten().map(|entry| entry.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let read = || {
            std::fs::read_to_string(file)
                .with_context(|| format!("failed to read {}", file.display()))
        };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(parse_one_line(&read()?)),
            Some("sources") => sources.extend(parse_deb822(&read()?)),
            _ => {}
        }
    }
    Ok(sources)
}

/// The Debian sources for `suite` among `sources`: the suite itself first, then
/// its updates and security, each reduced to `main`.
#[must_use]
pub fn of_suite(sources: &[Source], suite: &str) -> Vec<Source> {
    [
        suite.to_owned(),
        format!("{suite}-updates"),
        format!("{suite}-security"),
    ]
    .iter()
    .filter_map(|wanted| {
        sources.iter().find(|source| {
            // Third-party archives use Debian's suite names too.
            source.suite == *wanted
                && source
                    .components
                    .iter()
                    .any(|component| component == "main")
                && is_debian(&source.uri)
        })
    })
    .map(|source| Source {
        components: vec!["main".to_owned()],
        ..source.clone()
    })
    .collect()
}

/// Debian's archives end in `/debian` or `/debian-security` on every mirror.
fn is_debian(uri: &str) -> bool {
    let path = uri.trim_end_matches('/');
    path.ends_with("/debian") || path.ends_with("/debian-security")
}

/// The one-line format: `deb [option=value …] uri suite component…`.
fn parse_one_line(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with(char::is_whitespace) {
        return None; // deb-src
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_ascii_whitespace().map(str::to_owned);
    Some(Source {
        uri: words.next()?,
        suite: words.next()?,
        components: words.collect(),
        signed_by: options
            .split_ascii_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned),
    })
}

/// The deb822 format: paragraphs of fields; every URI is combined with every suite.
fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for paragraph in paragraphs(text) {
        let field = |name: &str| {
            paragraph
                .iter()
                .find(|(field, _)| field.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let words = |name: &str| -> Vec<String> {
            field(name)
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let enabled = field("Enabled").is_none_or(|value| value.trim() != "no");
        if !enabled || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        for uri in words("URIs") {
            for suite in words("Suites") {
                sources.push(Source {
                    uri: uri.clone(),
                    suite,
                    components: words("Components"),
                    signed_by: field("Signed-By").map(|value| value.trim().to_owned()),
                });
            }
        }
    }
    sources
}

fn paragraphs(text: &str) -> Vec<Vec<(String, String)>> {
    let mut paragraphs: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        let Some(paragraph) = paragraphs.last_mut() else {
            break;
        };
        if line.trim().is_empty() {
            paragraphs.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            // A continuation belongs to the field above it.
            if let Some((_, value)) = paragraph.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            paragraph.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(uri: &str, suite: &str, components: &[&str], signed_by: Option<&str>) -> Source {
        Source {
            uri: uri.to_owned(),
            suite: suite.to_owned(),
            components: components.iter().map(|&name| name.to_owned()).collect(),
            signed_by: signed_by.map(str::to_owned),
        }
    }

    #[test]
    fn the_one_line_format_is_read() {
        let text = "# comment\ndeb http://mirror/debian bookworm main contrib # why\ndeb-src http://mirror/debian bookworm main\ndeb [arch=amd64 signed-by=/k.gpg] https://other stable main\n\n";
        assert_eq!(
            parse_one_line(text),
            [
                source(
                    "http://mirror/debian",
                    "bookworm",
                    &["main", "contrib"],
                    None
                ),
                source("https://other", "stable", &["main"], Some("/k.gpg")),
            ]
        );
    }

    #[test]
    fn deb822_combines_uris_and_suites() {
        let text = "Types: deb deb-src\n# a comment between fields\nURIs: http://mirror/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nEnabled: no\nURIs: http://off\nSuites: x\nComponents: main\n\nTypes: deb-src\nURIs: http://src\nSuites: x\nComponents: main\n";
        assert_eq!(
            parse_deb822(text),
            [
                source(
                    "http://mirror/debian",
                    "bookworm",
                    &["main"],
                    Some("/k.gpg")
                ),
                source(
                    "http://mirror/debian",
                    "bookworm-updates",
                    &["main"],
                    Some("/k.gpg")
                ),
            ]
        );
    }

    #[test]
    fn debian_is_told_from_other_archives() {
        let sources = [
            source("https://tools.example/apt", "bookworm", &["main"], None),
            source(
                "http://mirror/debian-security",
                "bookworm-security",
                &["main"],
                None,
            ),
            source(
                "http://mirror/debian/",
                "bookworm",
                &["main", "contrib"],
                None,
            ),
        ];
        let lines: Vec<String> = of_suite(&sources, "bookworm")
            .iter()
            .map(Source::line)
            .collect();
        assert_eq!(
            lines,
            [
                "deb http://mirror/debian/ bookworm main",
                "deb http://mirror/debian-security bookworm-security main"
            ]
        );
        assert!(of_suite(&sources, "trixie").is_empty());
    }

    #[test]
    fn files_of_both_formats_are_found() {
        let apt = tempfile::tempdir().unwrap();
        std::fs::create_dir(apt.path().join("sources.list.d")).unwrap();
        std::fs::write(
            apt.path().join("sources.list"),
            "deb http://a/debian x main\n",
        )
        .unwrap();
        std::fs::write(
            apt.path().join("sources.list.d/b.sources"),
            "Types: deb\nURIs: http://b/debian\nSuites: x\nComponents: main\n",
        )
        .unwrap();
        std::fs::write(
            apt.path().join("sources.list.d/c.list.save"),
            "deb http://c x main\n",
        )
        .unwrap();
        let found: Vec<String> = read_below(apt.path())
            .unwrap()
            .into_iter()
            .map(|source| source.uri)
            .collect();
        assert_eq!(found, ["http://a/debian", "http://b/debian"]);
    }
}
