//! The tools that come with a machine: Rust, Node, npm, Python, git, and a browser.

use crate::debian_packages;
use crate::finding::Finding;
use crate::programs::on_path;
use crate::version::Version;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};

/// A tool that is looked for on the `PATH` and must have some version.
pub(crate) struct Tool {
    /// The names that its program can have. The first one on the `PATH` is used.
    programs: &'static [&'static str],
    /// The arguments that make it print its version.
    version_args: &'static [&'static str],
    /// The oldest version that is good enough.
    at_least: Version,
    /// The Debian packages that contain it; empty where Debian's version is too old, or it is not
    /// Debian's task to install it.
    packages: &'static [&'static str],
    /// How a person installs it.
    pub(crate) fix: &'static str,
}

pub(crate) const RUST: Tool = Tool {
    programs: &["rustc"],
    version_args: &["--version"],
    at_least: Version(1, 95, 0),
    packages: &[],
    fix: "rustup toolchain install stable",
};

pub(crate) const NODE: Tool = Tool {
    programs: &["node"],
    version_args: &["--version"],
    at_least: Version(20, 19, 0),
    packages: &[],
    fix: "install Node.js 20.19 or newer",
};

pub(crate) const NPM: Tool = Tool {
    programs: &["npm"],
    version_args: &["--version"],
    at_least: Version(10, 0, 0),
    packages: &[],
    fix: "install npm 10 or newer; it comes with Node.js",
};

pub(crate) const PYTHON: Tool = Tool {
    programs: &["python3"],
    // Debian has what a virtual environment needs in another package.
    version_args: &[
        "-c",
        "import ensurepip, platform, venv; print(platform.python_version())",
    ],
    at_least: Version(3, 10, 0),
    packages: &["python3", "python3-venv"],
    fix: "apt-get install python3 python3-venv",
};

pub(crate) const GIT: Tool = Tool {
    programs: &["git"],
    version_args: &["--version"],
    at_least: Version(2, 25, 0),
    packages: &["git"],
    fix: "apt-get install git",
};

pub(crate) const CHROMIUM: Tool = Tool {
    programs: &["chromium", "chromium-browser", "google-chrome"],
    version_args: &["--version"],
    at_least: Version(100, 0, 0),
    packages: &["chromium"],
    fix: "apt-get install chromium",
};

impl Tool {
    /// Looks for it. To ask for its version takes 20 to 500 ms, so only `thorough` does that.
    pub(crate) fn probe(&self, thorough: bool) -> Finding {
        let Some(path) = self.programs.iter().find_map(|name| on_path(name)) else {
            return Finding::missing(format!("{} is not on the PATH", self.programs[0]));
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
            Ok(None) => Finding::missing(format!("{} does not print its version", path.display())),
            Err(error) => Finding::missing(first_line(&error)),
        }
    }

    pub(crate) fn needed(&self) -> String {
        format!("{} or newer", self.at_least)
    }

    pub(crate) fn plan(&self) -> Option<String> {
        (!self.packages.is_empty())
            .then(|| format!("install {} with apt-get", self.packages.join(" and ")))
    }

    pub(crate) fn install(&self, context: &Context) -> anyhow::Result<()> {
        if self.packages.is_empty() {
            return Err(Failure::new(
                Code::Prerequisite,
                format!("{} {} is not installed", self.programs[0], self.needed()),
            )
            .hint(self.fix)
            .into());
        }
        debian_packages::install(context, self.packages)
    }
}

fn first_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let mut lines = text.lines().map(str::trim);
    let first = lines.next().unwrap_or_default().to_owned();
    // The error quotes the output of the tool below its first line, and the last line of that
    // usually says what is wrong.
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
        assert_eq!(finding.found, "no-such-tool is not on the PATH");
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
