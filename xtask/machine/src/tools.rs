//! The tools that a machine brings along: Rust, Node, npm, Python, git, a browser.

use crate::version::Version;
use crate::{Finding, debian_packages};
use std::path::PathBuf;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::paths::is_executable;

/// A tool that is found on the `PATH` and told by its version.
pub(super) struct Tool {
    /// Its programs; the first one on the `PATH` counts.
    programs: &'static [&'static str],
    /// How it is asked for its version.
    version_args: &'static [&'static str],
    /// The oldest version that will do.
    at_least: Version,
    /// Debian packages that bring it; none where they are too old or not Debian's business.
    packages: &'static [&'static str],
    /// How a person installs it.
    pub(super) fix: &'static str,
}

pub(super) const RUST: Tool = Tool {
    programs: &["rustc"],
    version_args: &["--version"],
    at_least: Version(1, 95, 0),
    packages: &[],
    fix: "rustup toolchain install stable",
};

pub(super) const NODE: Tool = Tool {
    programs: &["node"],
    version_args: &["--version"],
    at_least: Version(20, 19, 0),
    packages: &[],
    fix: "install Node.js 20.19 or newer",
};

pub(super) const NPM: Tool = Tool {
    programs: &["npm"],
    version_args: &["--version"],
    at_least: Version(10, 0, 0),
    packages: &[],
    fix: "install npm 10 or newer; it comes with Node.js",
};

pub(super) const PYTHON: Tool = Tool {
    programs: &["python3"],
    // Debian splits what a venv needs into a package of its own.
    version_args: &[
        "-c",
        "import ensurepip, platform, venv; print(platform.python_version())",
    ],
    at_least: Version(3, 10, 0),
    packages: &["python3", "python3-venv"],
    fix: "apt-get install python3 python3-venv",
};

pub(super) const GIT: Tool = Tool {
    programs: &["git"],
    version_args: &["--version"],
    at_least: Version(2, 25, 0),
    packages: &["git"],
    fix: "apt-get install git",
};

pub(super) const CHROMIUM: Tool = Tool {
    programs: &["chromium", "chromium-browser", "google-chrome"],
    version_args: &["--version"],
    at_least: Version(100, 0, 0),
    packages: &["chromium"],
    fix: "apt-get install chromium",
};

impl Tool {
    /// Looks for it. Its version costs a process of 20 to 500 ms, so only `thorough` asks.
    pub(super) fn probe(&self, thorough: bool) -> Finding {
        let Some(path) = self.programs.iter().find_map(|name| on_path(name)) else {
            return Finding::missing(format!("no {} on the PATH", self.programs[0]));
        };
        if !thorough {
            return Finding::ok(path.display().to_string());
        }
        let answer = Cmd::new(&path)
            .args(self.version_args)
            .timeout(Duration::from_secs(20))
            .read();
        match answer.map(|text| Version::find(&text)) {
            Ok(Some(version)) if version >= self.at_least => Finding::ok(version.to_string()),
            Ok(Some(version)) => Finding::missing(format!("{version} at {}", path.display())),
            Ok(None) => Finding::missing(format!("{} tells no version", path.display())),
            Err(error) => Finding::missing(first_line(&error)),
        }
    }

    pub(super) fn needed(&self) -> String {
        format!("{} or newer", self.at_least)
    }

    pub(super) fn plan(&self) -> Option<String> {
        (!self.packages.is_empty())
            .then(|| format!("install {} with apt-get", self.packages.join(" and ")))
    }

    pub(super) fn install(&self, context: &Context) -> anyhow::Result<()> {
        if self.packages.is_empty() {
            return Err(Failure::new(
                Code::Prerequisite,
                format!("{} {} is not here", self.programs[0], self.needed()),
            )
            .hint(self.fix)
            .into());
        }
        debian_packages::install(context, self.packages)
    }
}

/// The program of this name on the `PATH`, or where Debian keeps those for root.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| is_executable(candidate))
}

fn first_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default().to_owned();
    // What a tool says is quoted below the first line; its last words say what is wrong.
    lines
        .next_back()
        .map_or(first.clone(), |last| format!("{first} {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_or_absent_tool_is_missing() {
        let old = Tool {
            at_least: Version(9999, 0, 0),
            ..PYTHON
        };
        assert!(!old.probe(true).is_ok());
        let absent = Tool {
            programs: &["no-such-tool"],
            ..PYTHON
        };
        let finding = absent.probe(false);
        assert!(!finding.is_ok());
        assert_eq!(finding.found, "no no-such-tool on the PATH");
    }

    #[test]
    fn a_tool_that_fails_says_why() {
        let broken = Tool {
            version_args: &["-c", "import no_such_module"],
            ..PYTHON
        };
        let finding = broken.probe(true);
        assert!(
            finding.found.contains("no_such_module"),
            "{}",
            finding.found
        );
    }
}
