//! The tools of the CDK app: its command line and its linters, in the versions that the app pins.

use crate::finding::Finding;
use crate::gate;
use crate::ministack;
use crate::venv;
use anyhow::Context as _;
use std::ffi::OsString;
use std::path::PathBuf;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::lock::Lock;
use xtask_gate::Credentials;
use xtask_image::packages;

/// The folder of the CDK app, relative to the checkout.
pub const FOLDER: &str = "app-gen-infra/cdk";

pub(crate) const REQUIREMENTS: &str = "app-gen-infra/cdk/requirements.txt";

/// The CDK command line, in the folder of the app and run by the Node that the app pins. The caller
/// adds arguments and a bound. Packages that are missing are installed first.
///
/// For the local cloud, the AWS settings of the user's environment are removed, so that no profile
/// or endpoint of theirs can lead a local command elsewhere. For AWS they stay.
///
/// # Errors
/// The packages cannot be installed.
pub fn command(context: &Context) -> anyhow::Result<Cmd> {
    let modules = packages::ensure(context, &folder(context))?;
    let cdk = Cmd::new(modules.join(".bin/cdk"))
        .folder(folder(context))
        .env("PATH", packages::path_with_pinned_node(&modules))
        // Otherwise it reports its use to AWS.
        .env("CDK_DISABLE_CLI_TELEMETRY", "true");
    if !context.is_local() {
        return Ok(cdk);
    }
    // To synthesise takes no cloud, and so no key of it.
    let credentials = gate::operator(context).unwrap_or_else(|_| ministack::shown_credentials());
    Ok(only_for_local_cloud(
        cdk,
        context,
        &credentials,
        std::env::vars_os().map(|(name, _)| name),
    ))
}

/// Removes those of our environment's `variables` that say something about AWS.
fn only_for_local_cloud(
    cmd: Cmd,
    context: &Context,
    credentials: &Credentials,
    variables: impl Iterator<Item = OsString>,
) -> Cmd {
    let cmd = variables
        .filter(|name| name.to_string_lossy().starts_with("AWS_"))
        .fold(cmd, Cmd::env_remove);
    let endpoint = ministack::endpoint(context);
    ministack::client_environment(&context.platform.region, &endpoint, credentials)
        .into_iter()
        .fold(cmd, |cmd, (name, value)| cmd.env(name, value))
        // The user's files contain profiles and endpoints, too.
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
}

/// A command of npm in the folder of the app, such as a script of its `package.json`.
///
/// # Errors
/// As [`command`].
pub fn script(context: &Context, arguments: &[&str]) -> anyhow::Result<Cmd> {
    let modules = packages::ensure(context, &folder(context))?;
    Ok(Cmd::new("npm")
        .args(arguments)
        .folder(folder(context))
        .env("PATH", packages::path_with_pinned_node(&modules)))
}

/// The virtual environment of the linters, which is made if it is missing.
///
/// # Errors
/// Python or pip fails. What a failed installation leaves behind is not used.
pub fn linters(context: &Context) -> anyhow::Result<PathBuf> {
    let folder = linters_folder(context)?;
    if venv::python(&folder).is_some() {
        return Ok(folder);
    }
    let _lock = Lock::wait(&folder.with_extension("lock"), |holder| {
        context
            .report
            .step(&format!("wait for another pip install: {holder}"));
    })?;
    if venv::python(&folder).is_none() {
        context
            .report
            .step(&format!("pip install for {REQUIREMENTS}"));
        let requirements = context.root.join(REQUIREMENTS);
        venv::make(
            context,
            &folder,
            ["--requirement".as_ref(), requirements.as_os_str()],
        )?;
    }
    Ok(folder)
}

pub(crate) fn probe_linters(context: &Context) -> Finding {
    match linters_folder(context) {
        Ok(folder) if venv::python(&folder).is_some() => Finding::ok("installed"),
        Ok(_) => Finding::missing("not installed"),
        Err(error) => Finding::missing(format!("{error:#}")),
    }
}

/// The folder of the app.
pub(crate) fn folder(context: &Context) -> PathBuf {
    context.root.join(FOLDER)
}

/// Where the linters that the list of requirements names are installed: `target/xtask/venv/DIGEST`,
/// so that packages of another list never get there.
///
/// # Errors
/// The list of requirements cannot be read.
pub fn linters_folder(context: &Context) -> anyhow::Result<PathBuf> {
    let path = context.root.join(REQUIREMENTS);
    let bytes =
        std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(context
        .cache_folder()
        .join("venv")
        .join(&digest_bytes(&bytes)[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use xtask_core::report::{Report, Verbosity};

    fn context(environment: &str) -> Context {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        let report = Report::new(false, Verbosity::Quiet);
        Context::at(root.to_owned(), environment, true, report).unwrap()
    }

    #[test]
    fn the_command_line_is_the_pinned_one() {
        let package = context("local").root.join(FOLDER).join("package.json");
        let package: serde_json::Value =
            serde_json::from_slice(&std::fs::read(package).unwrap()).unwrap();
        let pinned = package["devDependencies"]["aws-cdk"].as_str().unwrap();
        for environment in ["local", "dev"] {
            let cdk = command(&context(environment)).unwrap();
            let version = cdk.arg("--version").read().unwrap();
            assert!(
                version.starts_with(&format!("{pinned} ")),
                "{environment}: {version}"
            );
        }
    }

    #[test]
    fn no_setting_of_the_user_reaches_a_local_command() {
        let theirs = ["AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "LANG"];
        let env = theirs
            .iter()
            .fold(Cmd::new("env").only_env(&["PATH"]), |env, name| {
                env.env(name, "theirs")
            });
        let names = theirs.iter().map(OsString::from);
        let context = context("local");
        let endpoint = format!("AWS_ENDPOINT_URL={}", ministack::endpoint(&context));
        let text = only_for_local_cloud(env, &context, &ministack::shown_credentials(), names)
            .read()
            .unwrap();
        let mut lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("PATH="))
            .collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "AWS_ACCESS_KEY_ID=local",
                "AWS_CONFIG_FILE=/dev/null",
                &endpoint,
                "AWS_REGION=us-east-1",
                "AWS_SECRET_ACCESS_KEY=local",
                "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
                "LANG=theirs",
            ]
        );
    }
}
