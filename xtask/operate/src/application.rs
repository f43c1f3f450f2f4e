//! What the smoke test does with the application that it has downloaded.

use anyhow::Context as _;
use serde_json::Value;
use std::path::Path;
use xtask_core::context::Context;

/// Whether an application is used or only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Install, build, start and ask it, as a user does.
    Start,
    /// Look at it. Its scripts and its packages' scripts do not run where somebody may be logged in to
    /// AWS; `validate` has started an application of the same generator.
    Inspect,
}

impl Use {
    pub(crate) fn of(context: &Context) -> Self {
        if context.is_local() {
            Self::Start
        } else {
            Self::Inspect
        }
    }
}

/// Checks that an application has what `npm ci`, `npm run build` and `npm start` need.
///
/// # Errors
/// What it lacks.
pub(crate) fn inspect(folder: &Path) -> anyhow::Result<()> {
    let read = |name: &str| -> anyhow::Result<Value> {
        let text = std::fs::read_to_string(folder.join(name))
            .with_context(|| format!("failed to read {name}"))?;
        serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))
    };
    read("package-lock.json")?;
    let package = read("package.json")?;
    for script in ["build", "start"] {
        anyhow::ensure!(
            package["scripts"][script].is_string(),
            "package.json has no script `{script}`"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_core::report::{Report, Verbosity};

    #[test]
    fn nothing_of_an_application_runs_where_somebody_is_logged_in_to_aws() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        let report = Report::new(false, Verbosity::Quiet);
        for (environment, expected) in [
            ("local", Use::Start),
            ("dev", Use::Inspect),
            ("staging", Use::Inspect),
            ("prod", Use::Inspect),
        ] {
            let context = Context::at(root.to_owned(), environment, true, report.clone()).unwrap();
            assert_eq!(Use::of(&context), expected, "{environment}");
        }
    }

    #[test]
    fn an_application_without_what_npm_needs_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let fault = || inspect(folder.path()).unwrap_err().to_string();
        assert_eq!(fault(), "failed to read package-lock.json");
        put("package-lock.json", "{}");
        put("package.json", "{");
        assert_eq!(fault(), "package.json is not JSON");
        put("package.json", r#"{"scripts":{"build":"touch built"}}"#);
        assert_eq!(fault(), "package.json has no script `start`");
        let whole = r#"{"scripts":{"build":"touch built","start":"touch started"}}"#;
        put("package.json", whole);
        inspect(folder.path()).unwrap();
        assert!(!folder.path().join("built").exists());
    }
}
