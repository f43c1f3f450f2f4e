//! The package sources of this machine, in both formats that apt knows, which of them has a suite of
//! Debian, and the archives that have all suites.

use anyhow::Context as _;
use std::path::Path;
use xtask_core::error::{Code, Failure};

/// A source of binary packages: an archive, and one of its suites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The address of the archive.
    pub uri: String,
    /// A suite such as `bookworm-security`.
    pub suite: String,
    /// Components such as `main`.
    pub components: Vec<String>,
    /// The keyring, or the block of keys, whose signatures apt accepts for this source.
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

/// The two archives of Debian, of releases and of their security. Each name is the last folder of the
/// archive's address on every mirror, and begins the paths of packages in a lock file.
const ARCHIVES: [&str; 2] = ["debian", "debian-security"];
/// Where they are for a machine that has no source of Debian.
const PUBLIC_MIRROR: &str = "http://deb.debian.org";

/// Where Debian's archives are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archives([String; 2]);

impl Archives {
    /// Those that this machine reads, or else those of Debian itself.
    ///
    /// # Errors
    /// A file of sources cannot be read.
    pub fn of_machine() -> anyhow::Result<Self> {
        Ok(Self::among(&read_machine()?))
    }

    /// Those of a mirror: the folders `debian` and `debian-security` at this address.
    #[must_use]
    pub fn of_mirror(address: &str) -> Self {
        Self(ARCHIVES.map(|name| format!("{address}/{name}")))
    }

    fn among(sources: &[Source]) -> Self {
        let addresses = || {
            let addresses = sources
                .iter()
                .map(|source| source.uri.trim_end_matches('/'));
            addresses.filter_map(|address| address.rsplit_once('/'))
        };
        let of = |name: &str| addresses().find(|(_, last)| *last == name);
        // A machine with one of the archives reaches the mirror that has both.
        let either = ARCHIVES.into_iter().find_map(of);
        let other = either.map_or(PUBLIC_MIRROR, |(mirror, _)| mirror);
        Self(ARCHIVES.map(|name| {
            let mirror = of(name).map_or(other, |(mirror, _)| mirror);
            format!("{mirror}/{name}")
        }))
    }

    /// The lines that give a container a suite with its updates. The base image has no certificates,
    /// and packages are signed, whichever way they come.
    #[must_use]
    pub fn for_container(&self, suite: &str) -> String {
        let Self([releases, security]) = &self.without_tls();
        format!(
            "deb {releases} {suite} main\ndeb {releases} {suite}-updates main\n\
             deb {security} {suite}-security main\n"
        )
    }

    /// The archives as [`Archives::for_container`] writes them.
    #[must_use]
    pub fn without_tls(&self) -> Self {
        Self(
            self.0
                .each_ref()
                .map(|address| address.replacen("https://", "http://", 1)),
        )
    }

    /// The address of a path that begins with the name of an archive.
    #[must_use]
    pub fn address(&self, path: &str) -> Option<String> {
        let (name, rest) = path.split_once('/')?;
        let place = ARCHIVES.iter().position(|archive| *archive == name)?;
        Some(format!("{}/{rest}", self.0[place]))
    }

    /// The path of an address: the opposite of [`Archives::address`].
    #[must_use]
    pub fn path(&self, address: &str) -> Option<String> {
        let archives = self.0.iter().zip(ARCHIVES);
        archives
            .filter_map(|(archive, name)| {
                let rest = address.strip_prefix(archive.as_str())?.strip_prefix('/')?;
                Some(format!("{name}/{rest}"))
            })
            .next()
    }
}

/// All sources of this machine, in the order in which apt reads them.
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
            // Archives of others use the names of Debian's suites, too.
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

/// The suite of this machine, such as `bookworm`.
///
/// # Errors
/// `/etc/os-release` does not say.
pub fn machine_suite() -> anyhow::Result<String> {
    let path = "/etc/os-release";
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {path}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
        .with_context(|| format!("{path} has no VERSION_CODENAME"))
}

/// The suite of an image of Debian: `bookworm` for `debian:bookworm-slim`.
#[must_use]
pub fn suite_of_image(image: &str) -> Option<&str> {
    let tag = image.strip_prefix("debian:")?;
    Some(tag.strip_suffix("-slim").unwrap_or(tag))
}

/// The source for `suite`: the archive that this machine uses, which has every suite.
///
/// # Errors
/// The machine has no source of Debian.
pub fn mirror(suite: &str) -> anyhow::Result<Source> {
    let sources = read_machine()?;
    let own = machine_suite()?;
    [suite, own.as_str()]
        .into_iter()
        .find_map(|wanted| of_suite(&sources, wanted).into_iter().next())
        .map(|source| Source {
            suite: suite.to_owned(),
            ..source
        })
        .ok_or_else(|| {
            Failure::new(
                Code::Prerequisite,
                "apt has no source of Debian, so its archive is unknown",
            )
            .hint("run the command on Debian, or on a machine that can pull images")
            .into()
        })
}

/// The sources of `suite` for a container, one on each line; empty where this machine has no source
/// of Debian.
///
/// # Errors
/// A file of sources cannot be read.
pub fn for_container(suite: &str) -> anyhow::Result<String> {
    let mut sources = of_suite(&read_machine()?, suite);
    if sources.is_empty() {
        sources.extend(mirror(suite).ok());
    }
    let lines: Vec<String> = sources
        .into_iter()
        .map(|source| Source {
            // The base image has no certificates, and packages are signed, whichever way they come.
            uri: source.uri.replacen("https://", "http://", 1),
            ..source
        })
        .map(|source| source.line())
        .collect();
    Ok(lines.join("\n"))
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

/// The deb822 format: paragraphs of fields, where each URI is combined with each suite.
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

    #[test]
    fn archives_are_those_of_the_machine_or_of_debian() {
        let other = source("https://tools.example/apt", "x", &["main"], None);
        let archives = |uris: &[&str]| {
            let own = uris.iter().map(|uri| source(uri, "x", &["main"], None));
            let sources: Vec<Source> = [other.clone()].into_iter().chain(own).collect();
            Archives::among(&sources)
        };
        assert_eq!(archives(&[]), Archives::of_mirror("http://deb.debian.org"));
        for uris in [
            &["https://mirror/a/debian/"][..],
            &["https://mirror/a/debian-security"],
        ] {
            assert_eq!(archives(uris), Archives::of_mirror("https://mirror/a"));
        }
        let both = archives(&["https://mirror/debian-security", "http://near/debian"]);
        assert_eq!(
            both.for_container("trixie"),
            "deb http://near/debian trixie main\ndeb http://near/debian trixie-updates main\n\
             deb http://mirror/debian-security trixie-security main\n"
        );
        for (path, address) in [
            ("debian/pool/a.deb", "http://near/debian/pool/a.deb"),
            (
                "debian-security/pool/a.deb",
                "https://mirror/debian-security/pool/a.deb",
            ),
        ] {
            assert_eq!(both.address(path).as_deref(), Some(address));
            assert_eq!(both.path(address).as_deref(), Some(path));
        }
        assert_eq!(both.address("ubuntu/pool/a.deb"), None);
        assert_eq!(both.path("http://elsewhere/debian/pool/a.deb"), None);
    }

    #[test]
    fn the_suite_of_a_debian_image_is_known() {
        assert_eq!(suite_of_image("debian:bookworm-slim"), Some("bookworm"));
        assert_eq!(suite_of_image("debian:trixie"), Some("trixie"));
        assert_eq!(suite_of_image("alpine:3"), None);
    }
}
