//! The arguments that BuildKit gives every Dockerfile: platforms and the stage.

use std::collections::BTreeMap;

/// What BuildKit takes as a platform by itself.
const SYSTEMS: [&str; 17] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];
/// What BuildKit takes as a platform by itself.
const ARCHITECTURES: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "arm64",
    "arm64be",
    "armbe",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// A platform as BuildKit normalises it.
#[derive(Debug, PartialEq, Eq)]
struct Platform {
    system: String,
    architecture: String,
    variant: String,
}

impl Platform {
    /// Reads `os/architecture[/variant]`, also with the names that other tools use.
    fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let mut parts = text.split('/');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        let (system, architecture, variant) = (part(), part(), part());
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("amd64" | "x86_64" | "x86-64", "" | "v1") => ("amd64", String::new()),
            ("amd64" | "x86_64" | "x86-64", _) => ("amd64", variant),
            ("arm64" | "aarch64", "" | "8" | "v8") => ("arm64", String::new()),
            ("arm64" | "aarch64", _) => ("arm64", variant),
            ("arm", "" | "7") | ("armhf", _) => ("arm", "v7".to_owned()),
            ("armel", _) => ("arm", "v6".to_owned()),
            ("arm", "5" | "6" | "8") => ("arm", format!("v{variant}")),
            ("i386", _) => ("386", String::new()),
            (other, _) => (other, variant),
        };
        Self {
            system: match system.as_str() {
                "macos" => "darwin".to_owned(),
                _ => system,
            },
            architecture: architecture.to_owned(),
            variant,
        }
    }

    fn whole(&self) -> String {
        let mut whole = format!("{}/{}", self.system, self.architecture);
        if !self.variant.is_empty() {
            whole.push('/');
            whole.push_str(&self.variant);
        }
        whole
    }

    /// The platform of the engine, which runs on this machine.
    fn of_this_machine() -> Self {
        Self::parse(&format!("linux/{}", std::env::consts::ARCH))
    }
}

/// The one name that BuildKit has for a platform; nothing where the text is not
/// `os/architecture[/variant]`.
#[must_use]
pub fn normalised(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('/').collect();
    let plain = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(plain) {
        return None;
    }
    Some(Platform::parse(text).whole())
}

/// Refuses what BuildKit does not take as the platform of a `FROM`. It takes any architecture of any
/// system, but of a lone word it must know what the word names.
pub(super) fn check(text: &str) -> Result<(), String> {
    let is_plain = |part: &str, more: &[u8]| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let (system, rest) = match text.split_once('/') {
        Some((system, rest)) => (system, Some(rest)),
        None => (text, None),
    };
    let (name, version) = match system
        .strip_suffix(')')
        .and_then(|system| system.split_once('('))
    {
        Some((name, version)) => (name, version),
        None => (system, ""),
    };
    let mut others = rest.into_iter().flat_map(|rest| rest.split('/'));
    let is_written_well = is_plain(name, b"_-")
        && (version.is_empty() || is_plain(version, b"_.-"))
        && others.clone().count() <= 2
        && others.all(|part| is_plain(part, b"_.-"));
    if !is_written_well {
        return Err(format!(
            "`{text}` is not a platform: it has the form OS/ARCHITECTURE[/VARIANT]"
        ));
    }
    let known = |names: &[&str], name: &str| names.contains(&name);
    let platform = Platform::parse(&format!("{name}/{system}"));
    if rest.is_some()
        || known(&SYSTEMS, &platform.system)
        || known(&ARCHITECTURES, &platform.architecture)
    {
        return Ok(());
    }
    Err(format!(
        "`{text}` is neither an operating system nor an architecture"
    ))
}

/// Arguments that need no `ARG`, with the values for this build.
pub(super) fn arguments(wanted: &str, stage: Option<&str>) -> BTreeMap<String, String> {
    let mut arguments = BTreeMap::new();
    for (side, platform) in [
        ("BUILD", Platform::of_this_machine()),
        ("TARGET", Platform::parse(wanted)),
    ] {
        let whole = platform.whole();
        for (name, value) in [
            ("PLATFORM", whole),
            ("OS", platform.system),
            ("OSVERSION", String::new()),
            ("ARCH", platform.architecture),
            ("VARIANT", platform.variant),
        ] {
            arguments.insert(format!("{side}{name}"), value);
        }
    }
    let stage = stage.filter(|name| !name.is_empty()).unwrap_or("default");
    arguments.insert("TARGETSTAGE".to_owned(), stage.to_owned());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in [
            "linux/amd64",
            "linux",
            "MacOS",
            "x86_64",
            "riscv64",
            "any/thing/at.all",
            "windows(10.0.17763)/amd64",
            "windows()",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "nonsense",
            "linux/",
            "/amd64",
            "a/b/c/d",
            "linux/*",
            "a.b/c",
            "linux(",
            "linux(x)y",
            "x86_64(1)",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn platforms_are_normalised() {
        for (text, expected) in [
            ("linux/amd64", ["linux", "amd64", ""]),
            ("Linux/x86_64", ["linux", "amd64", ""]),
            ("linux/amd64/v2", ["linux", "amd64", "v2"]),
            ("linux/arm64/v8", ["linux", "arm64", ""]),
            ("linux/aarch64", ["linux", "arm64", ""]),
            ("linux/arm", ["linux", "arm", "v7"]),
            ("linux/arm/v6", ["linux", "arm", "v6"]),
            ("linux/riscv64", ["linux", "riscv64", ""]),
        ] {
            let platform = Platform::parse(text);
            assert_eq!(
                [platform.system, platform.architecture, platform.variant],
                expected.map(str::to_owned),
                "{text}"
            );
        }
    }
}
