//! Which packages an image needs so that it has those that the manifest names. The apt of the base
//! image says so, in a container of that image, which is thrown away.

use crate::debian::lock::{LockFile, Package, Wanted};
use crate::debian::sources::Archives;
use anyhow::Context as _;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::report::Report;

const BOUND: Duration = Duration::from_secs(600);
/// What the container executes. Names of packages are nothing but letters, digits, `+`, `-` and `.`.
///
/// A package that the base image has stays as it is, unless a new one needs another version of it.
const SCRIPT: &str = r#"set -eu
rm -f /etc/apt/sources.list.d/*
printf '%s' "$SOURCES" > /etc/apt/sources.list
apt-get --quiet update >&2
exec apt-get --quiet --yes --no-install-recommends --no-upgrade --print-uris \
    -o Acquire::ForceHash=SHA256 install $PACKAGES
"#;

/// Resolves what is wanted against a base image, named by its digest.
///
/// # Errors
/// The engine does not run or does not have the image, an archive does not answer, or a package does
/// not exist.
pub(super) fn resolve(
    report: &Report,
    base: &str,
    platform: &str,
    wanted: &Wanted,
    archives: &Archives,
) -> anyhow::Result<LockFile> {
    let names = wanted.packages.join(" ");
    report.step(&format!("resolve {names} against {base}"));
    let uris = Cmd::new("docker")
        .args(["run", "--rm", "--interactive", "--platform", platform])
        .args(["--entrypoint", "/bin/sh"])
        .arg("--env")
        .arg(format!("SOURCES={}", archives.for_container(&wanted.suite)))
        .arg("--env")
        .arg(format!("PACKAGES={names}"))
        .args([
            "--env",
            "DEBIAN_FRONTEND=noninteractive",
            "--env",
            "LC_ALL=C.UTF-8",
        ])
        .args([base, "-s"])
        .stdin(SCRIPT)
        .timeout(BOUND)
        .read()
        .failure(|| {
            let message = format!("failed to resolve {names} against {base}");
            Failure::new(Code::Service, message)
                .hint("cargo xtask setup, then run the command again")
        })?;
    let mut packages = parse(&uris, &archives.without_tls())?;
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(LockFile {
        suite: wanted.suite.clone(),
        wanted: wanted.packages.clone(),
        packages,
    })
}

/// The packages that apt would download: lines of address, file name, size and digest.
fn parse(uris: &str, archives: &Archives) -> anyhow::Result<Vec<Package>> {
    uris.lines()
        .filter(|line| line.starts_with('\''))
        .map(|line| {
            parse_line(line, archives).with_context(|| {
                format!("apt names a package in a way that is not understood: {line}")
            })
        })
        .collect()
}

fn parse_line(line: &str, archives: &Archives) -> Option<Package> {
    let (address, rest) = line.strip_prefix('\'')?.split_once('\'')?;
    let mut words = rest.split_ascii_whitespace();
    let file = words.next()?.strip_suffix(".deb")?;
    let size_bytes = words.next()?.parse().ok()?;
    let sha256 = words.next()?.strip_prefix("SHA256:")?.to_owned();
    let mut parts = file.split('_');
    let [name, version, architecture] = [parts.next()?, parts.next()?, parts.next()?].map(decode);
    Some(Package {
        name: name?,
        version: version?,
        architecture: architecture?,
        sha256,
        size_bytes,
        path: archives.path(address)?,
    })
}

/// Text in which apt wrote some characters as `%` and two digits.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        if first == b'%' {
            let (digits, behind) = behind.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_prints_is_read() {
        let archives = Archives::of_mirror("http://mirror");
        let digest = "0".repeat(64);
        let uris = format!(
            "Reading package lists...\nThe following NEW packages will be installed:\n  git\n\
             'http://mirror/debian/pool/main/g/git/git_2.47.3-0%2bdeb13u1_amd64.deb' \
             git_1%3a2.47.3-0+deb13u1_amd64.deb 8861596 SHA256:{digest}\n\
             'http://mirror/debian-security/pool/updates/main/c/c/c_1_all.deb' c_1_all.deb 7 SHA256:{digest}\n"
        );
        let package =
            |name: &str, version: &str, architecture: &str, size_bytes, path: &str| Package {
                name: name.to_owned(),
                version: version.to_owned(),
                architecture: architecture.to_owned(),
                sha256: digest.clone(),
                size_bytes,
                path: path.to_owned(),
            };
        assert_eq!(
            parse(&uris, &archives).unwrap(),
            [
                package(
                    "git",
                    "1:2.47.3-0+deb13u1",
                    "amd64",
                    8_861_596,
                    "debian/pool/main/g/git/git_2.47.3-0%2bdeb13u1_amd64.deb"
                ),
                package(
                    "c",
                    "1",
                    "all",
                    7,
                    "debian-security/pool/updates/main/c/c/c_1_all.deb"
                ),
            ]
        );
        assert_eq!(
            parse("Building dependency tree...\n", &archives).unwrap(),
            []
        );
        for line in [
            "'http://elsewhere/debian/pool/a_1_all.deb' a_1_all.deb 7 SHA256:0",
            "'http://mirror/debian/pool/a_1_all.deb' a_1_all.deb 7 MD5Sum:0",
            "'http://mirror/debian/pool/a_1_all.deb' a_1_all.deb",
        ] {
            let error = parse(line, &archives).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
    }
}
