//! The tests of the web page: its types and units, and what it shows and does in a browser.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::{Cmd, Running};
use xtask_core::context::Context;
use xtask_core::marked;
use xtask_image::build;
use xtask_image::build::page;
use xtask_image::packages;
use xtask_machine::orchestrator;
use xtask_operate::deploy::release;

/// Paths that a developer may name for the tests in a browser: the browser, where what the tests see is
/// written, and where the pictures of all states are.
const PATHS: [&str; 3] = ["CHROMIUM", "SCREENSHOTS", "STATES"];

/// Says whether previews run there: `app-gen-saas/browser/previews.test.ts` uses one, or looks at why there is none.
const PREVIEWS: &str = "PREVIEWS";

/// Checks the types of the page and of its tests in a browser, and runs the page's unit tests.
///
/// # Errors
/// A type does not fit, or a test fails.
pub(super) fn units(context: &Context, timeout: Duration) -> anyhow::Result<()> {
    let page = context.root.join("app-gen-saas/web");
    for (folder, arguments, label) in [
        (&page, &["run", "typecheck"][..], "types"),
        (&page, &["test"][..], "web"),
        (&tests(context), &["run", "typecheck"][..], "types"),
    ] {
        npm(context, folder, arguments, timeout)?.run(&context.report, label)?;
    }
    Ok(())
}

/// Uses the web page of the local environment in a browser, through its load balancer.
///
/// # Errors
/// Nothing is deployed there, or a test fails.
pub(super) fn deployed(context: &Context, timeout: Duration) -> anyhow::Result<()> {
    let local = context.in_environment("local")?;
    let releases = release::list(&local)?;
    let current = release::current(&releases).context("no deployed release serves")?;
    let (page, api) = current.service.addresses(&local)?;
    against(context, "journeys", &page, &api, timeout)?
        .env(PREVIEWS, "run")
        .run(&context.report, "journeys")
}

/// Shows every state of the page in a browser, measures the pages of an orchestrator of this checkout, uses those of
/// one whose users sign in, and with `journeys` the others too.
///
/// # Errors
/// The orchestrator or the page cannot be built, or a test fails.
pub(super) fn browser(context: &Context, journeys: bool, timeout: Duration) -> anyhow::Result<()> {
    orchestrator::compile(context)?;
    let page = built_page(context)?;
    npm(context, &tests(context), &["run", "pages"], timeout)?
        .env("PAGE", &page)
        .run(&context.report, "pages")?;
    let _mark = marked::EndOnDrop(context.work_folder());
    accounts(context, &page, timeout)?;
    let (_api, url) = serve(context, &page, "browser", BTreeMap::new())?;
    if journeys {
        against(context, "journeys", &url, &url, timeout)?
            // Its previews are processes of this machine, which start no application.
            .env(PREVIEWS, "refused")
            .run(&context.report, "journeys")?;
    }
    against(context, "lighthouse", &url, &url, timeout)?.run(&context.report, "lighthouse")
}

/// Signs people in, with the client of Supabase and a login of the tests, which listens where the orchestrator
/// looks for it.
fn accounts(context: &Context, page: &Path, timeout: Duration) -> anyhow::Result<()> {
    // Held until the tests listen there, so that the orchestrator does not get it.
    let place = TcpListener::bind("127.0.0.1:0")?;
    let login = format!("http://{}", place.local_addr()?);
    let settings = [
        ("AUTH_MODE", "supabase"),
        ("SUPABASE_URL", login.as_str()),
        ("SUPABASE_ANON_KEY", "sb_publishable_test"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (_api, url) = serve(context, page, "browser-accounts", settings.into())?;
    drop(place);
    against(context, "accounts", &url, &url, timeout)?
        .env("LOGIN_URL", login)
        .run(&context.report, "accounts")
}

/// An orchestrator of this checkout with the built page, and its address. It has nothing of an earlier run.
fn serve(
    context: &Context,
    page: &Path,
    folder: &str,
    settings: BTreeMap<String, String>,
) -> anyhow::Result<(Running, String)> {
    let folder = context.work_folder().join(folder);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    // The port is free now. If another process takes it, the orchestrator fails to start.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut environment = orchestrator::environment(context, &folder, port, BTreeMap::new())?;
    environment.insert("UI_DIR".to_owned(), page.display().to_string());
    environment.extend(settings);
    let api = orchestrator::start(context, &environment, folder.join(orchestrator::LOG))?;
    Ok((api, format!("http://127.0.0.1:{port}")))
}

/// A script of the tests in a browser; `page` and `api` are the addresses for the browser and for programs.
fn against(
    context: &Context,
    script: &str,
    page: &str,
    api: &str,
    timeout: Duration,
) -> anyhow::Result<Cmd> {
    let npm = npm(context, &tests(context), &["run", script], timeout)?;
    Ok(npm.env("BASE_URL", page).env("API_URL", api))
}

fn tests(context: &Context) -> PathBuf {
    context.root.join(app_gen_infra::BROWSER_FOLDER)
}

fn npm(
    context: &Context,
    folder: &Path,
    arguments: &[&str],
    timeout: Duration,
) -> anyhow::Result<Cmd> {
    let mut npm = packages::tool(context, folder, "npm")?.args(arguments);
    for name in PATHS {
        // npm runs in another folder than the one that a relative path was written for.
        if let Some(path) = std::env::var_os(name).filter(|path| !path.is_empty()) {
            npm = npm.env(name, std::path::absolute(path)?);
        }
    }
    Ok(npm.timeout(timeout))
}

/// The web page as it is packed into the image.
fn built_page(context: &Context) -> anyhow::Result<PathBuf> {
    let image = context.platform.orchestrator().image.get_ref();
    let key = build::key_of(context, image)?;
    let npm = context.platform.images[image]
        .npm
        .as_ref()
        .zip(key.inputs.npm.as_ref());
    let (npm, inputs) = npm.with_context(|| format!("image {image} has no web page"))?;
    let page = page::build(context, image, npm.folder.get_ref(), inputs)?;
    Ok(page.folder)
}
