//! The tools of the CDK app: its command line and its linters, in the versions that the app pins.

use crate::gate;
use crate::ministack;
use crate::venv;
use anyhow::Context as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_docker::ignore::Rules;
use xtask_gate::Credentials;
use xtask_image::packages;
use xtask_image::packages::environment::{Home, joined};
use xtask_image::packages::room::Room;
use xtask_tree::content::digest_json;
use xtask_tree::entry::Entries;
use xtask_tree::stat_cache::StatCache;

/// The folder of the CDK app, relative to the checkout.
pub const FOLDER: &str = "app-gen-infra/cdk";

/// What CDK, Node and npm read of a home folder.
const HIDDEN: [&str; 7] = [
    ".cdk",
    ".cdk.json",
    ".node_libraries",
    ".node_modules",
    ".npmrc",
    "node_modules",
    "package.json",
];

pub(crate) const REQUIREMENTS: &str = "app-gen-infra/cdk/requirements.txt";

/// What the folder of the CDK app contains besides the app.
const NOT_THE_APP: &[u8] = b"node_modules\ntest\nREADME.md\n";

const SYNTH_TIMEOUT: Duration = Duration::from_secs(300);

/// The CDK command line for work on an assembly, in the folder of the app and run by the Node that
/// the app pins. The caller adds arguments and a bound. Packages that are missing are installed first.
///
/// For the local cloud it sees nothing of the user. For AWS it sees what leads to their account: their
/// environment without the settings of CDK, Node and npm, and their home folder without those.
///
/// # Errors
/// The packages cannot be installed.
pub fn command(context: &Context) -> anyhow::Result<Cmd> {
    let packages = packages::verified(context, &folder(context))?;
    let user = std::env::var_os("PATH").unwrap_or_default();
    let path = joined(&packages.node_folder(), &user);
    let cdk = Cmd::new(packages.modules().join(".bin/cdk")).folder(folder(context));
    let cdk = if context.is_local() {
        let home = Home::of(&context.work_folder().join("home"))?;
        // A local cloud that was never started has no key, and is asked nothing.
        let credentials =
            gate::operator(context).unwrap_or_else(|_| ministack::shown_credentials());
        for_local_cloud(home.surround(cdk, &path), context, &credentials)
    } else {
        std::env::vars_os()
            .map(|(name, _)| name)
            .filter(|name| is_a_setting(&name.to_string_lossy()))
            .fold(cdk, Cmd::env_remove)
            .env("PATH", path)
            .env("HOME", home_without_settings(context)?)
    };
    Ok(without_reports(cdk))
}

/// Synthesises the app into the folder `output`, from nothing but the app, the manifest, the prices and the
/// packages that the app pins: nothing of the user reaches it. `arguments` are those of `cdk synth`.
///
/// # Errors
/// The app or one of its checks fails; its output is passed on.
pub fn synthesise(context: &Context, output: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let packages = packages::verified(context, &folder(context))?;
    let app = app_entries(context)?;
    let digest = digest_json(&(&app, arguments))?.to_string();
    let room = Room::make(context, &digest, &packages)?;
    let project = room.copy_project(FOLDER, &folder(context), &app)?;
    for file in [app_gen_infra::MANIFEST_PATH, app_gen_infra::PRICES_PATH] {
        let copy = room.path(Path::new(file));
        std::fs::copy(context.root.join(file), &copy)
            .with_context(|| format!("failed to write {}", copy.display()))?;
    }
    let cdk = Cmd::new(room.packages().modules().join(".bin/cdk"))
        .args(["synth", "--quiet", "--output"])
        .arg(output)
        .args(arguments)
        .folder(project)
        .timeout(SYNTH_TIMEOUT);
    let cdk = without_reports(room.surround(cdk))
        // Nothing in the app asks an account, so no credentials are looked for.
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", &context.platform.region);
    room.run(&[output], || {
        cdk.run(&context.report, "cdk").failure(|| {
            Failure::new(
                Code::Deploy,
                format!("the CDK app of {} does not synthesise", context.environment),
            )
            .hint(format!(
                "repair what is named above, in {FOLDER} of the checkout; \
                 cargo xtask test infra runs the same checks"
            ))
        })
    })?;
    room.remove()
}

/// The files of the app.
///
/// # Errors
/// A file cannot be read.
pub fn app_entries(context: &Context) -> anyhow::Result<Entries> {
    let cache = StatCache::open(&context.cache_folder(), "cdk");
    let rules = Rules::parse(NOT_THE_APP)?;
    let entries = xtask_docker::context::read(&folder(context), &rules, &cache)?;
    cache.save()?;
    Ok(entries)
}

/// Leads CDK to the local cloud, with credentials that are good for nothing else.
fn for_local_cloud(cmd: Cmd, context: &Context, credentials: &Credentials) -> Cmd {
    let endpoint = ministack::endpoint(context);
    ministack::client_environment(&context.platform.region, &endpoint, credentials)
        .into_iter()
        .fold(cmd, |cmd, (name, value)| cmd.env(name, value))
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
}

fn without_reports(cmd: Cmd) -> Cmd {
    // Otherwise it reports its use to AWS.
    cmd.env("CDK_DISABLE_CLI_TELEMETRY", "true")
}

/// Whether a variable changes what CDK, Node or npm do.
fn is_a_setting(name: &str) -> bool {
    ["CDK_", "NODE_", "npm_", "NPM_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        && name != "NODE_EXTRA_CA_CERTS"
}

/// A home folder of links to what is in the user's, without what CDK, Node and npm read there. The
/// user's credentials are found in it, and so is what a program of theirs needs that provides them.
fn home_without_settings(context: &Context) -> anyhow::Result<PathBuf> {
    let home = context.work_folder().join("home-aws");
    std::fs::create_dir_all(&home)
        .with_context(|| format!("failed to create {}", home.display()))?;
    if let Some(user) = std::env::var_os("HOME") {
        link_without_settings(Path::new(&user), &home)?;
    }
    Ok(home)
}

fn link_without_settings(user: &Path, home: &Path) -> anyhow::Result<()> {
    for item in std::fs::read_dir(user).into_iter().flatten().flatten() {
        let link = home.join(item.file_name());
        let is_hidden = HIDDEN.iter().any(|name| item.file_name() == *name);
        if !is_hidden && link.symlink_metadata().is_err() {
            let linked = symlink(item.path(), &link);
            // Another command may have made it meanwhile.
            if link.symlink_metadata().is_err() {
                linked.with_context(|| format!("failed to link {}", link.display()))?;
            }
        }
    }
    Ok(())
}

/// A script of the app's `package.json`, or another command of npm, that makes nothing which is kept.
///
/// # Errors
/// As [`command`].
pub fn script(context: &Context, arguments: &[&str]) -> anyhow::Result<Cmd> {
    let npm = packages::tool(context, &folder(context), "npm")?.args(arguments);
    // The tests start cargo, which is found by its own homes.
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let homes = [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")];
    Ok(homes.into_iter().fold(npm, |npm, (name, usual)| {
        let usual = || Some(home.as_ref()?.join(usual).into());
        match std::env::var_os(name).or_else(usual) {
            Some(folder) => npm.env(name, folder),
            None => npm,
        }
    }))
}

/// The virtual environment of the linters, which is made if it is missing.
///
/// # Errors
/// Python or pip fails. What a failed installation leaves behind is not used.
pub fn linters(context: &Context) -> anyhow::Result<PathBuf> {
    venv::ensure(context, REQUIREMENTS)
}

/// The folder of the app.
pub(crate) fn folder(context: &Context) -> PathBuf {
    context.root.join(FOLDER)
}

/// Where the linters are installed.
///
/// # Errors
/// The list of requirements cannot be read.
pub fn linters_folder(context: &Context) -> anyhow::Result<PathBuf> {
    venv::folder(context, REQUIREMENTS)
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
    fn a_local_command_has_credentials_of_nobody() {
        let context = context("local");
        let env = for_local_cloud(
            Cmd::new("env").only_env(&["PATH"]),
            &context,
            &ministack::shown_credentials(),
        );
        let endpoint = format!("AWS_ENDPOINT_URL={}", ministack::endpoint(&context));
        let text = env.read().unwrap();
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
            ]
        );
    }

    #[test]
    fn settings_of_cdk_and_node_are_taken_away_and_credentials_stay() {
        for name in [
            "CDK_CONTEXT_JSON",
            "NODE_OPTIONS",
            "npm_config_omit",
            "NPM_TOKEN",
        ] {
            assert!(is_a_setting(name), "{name}");
        }
        for name in ["AWS_PROFILE", "HTTPS_PROXY", "NODE_EXTRA_CA_CERTS", "PATH"] {
            assert!(!is_a_setting(name), "{name}");
        }
    }

    #[test]
    fn a_home_without_settings_has_everything_else() {
        let (user, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in HIDDEN.iter().chain(&[".aws", ".awsvault"]) {
            std::fs::create_dir(user.path().join(name)).unwrap();
        }
        for _ in 0..2 {
            link_without_settings(user.path(), home.path()).unwrap();
            let mut names: Vec<_> = std::fs::read_dir(home.path())
                .unwrap()
                .map(|item| item.unwrap().file_name())
                .collect();
            names.sort();
            assert_eq!(names, [".aws", ".awsvault"]);
        }
        let link = std::fs::read_link(home.path().join(".aws")).unwrap();
        assert_eq!(link, user.path().join(".aws"));
    }
}
