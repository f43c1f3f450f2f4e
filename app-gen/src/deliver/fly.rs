//! As an app on Fly.io.

use crate::deliver::{Outcome, Shown, Work, after, secret, steps, variable};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::workshop::Rights;
use app_gen_contract::DeliveryTarget;
use app_gen_contract::env::{
    EXTRA_CA_CERTIFICATES, FLY_API_TOKEN, FLY_APP_URL, FLY_BASE_IMAGE, FLY_MACHINES_URL,
    FLY_REGISTRY,
};
use app_gen_fly::{Endpoints, Error, Source, Step, Target, Token};
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;
use walkdir::WalkDir;

/// How often a delivery begins that fails in passing, and the pauses between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(5);
/// Memory of an app's machine.
const MEMORY_MIB: u32 = 512;
/// Names of folders that builds put their pages into, the usual ones first.
const PAGE_FOLDERS: [&str; 6] = ["dist", "build", "out", "public", "static", "web"];

/// # Errors
/// It is not there.
pub(super) fn token(rights: &Rights) -> Result<Token, Failure> {
    secret(rights, FLY_API_TOKEN).map(Token::new)
}

/// Fly.io, or what stands in its place.
fn endpoints() -> Result<Endpoints, Failure> {
    let base_image = variable(FLY_BASE_IMAGE).ok_or_else(|| {
        Failure::job(
            format!("there is no image below the application: {FLY_BASE_IMAGE} is not set"),
            "set it in [tasks.generator.deliverer] of app-gen-infra/platform.toml, by digest, and deploy",
        )
    })?;
    let usual = Endpoints::of_fly(base_image);
    Ok(Endpoints {
        machines: variable(FLY_MACHINES_URL).unwrap_or(usual.machines),
        registry: variable(FLY_REGISTRY).unwrap_or(usual.registry),
        public_url: variable(FLY_APP_URL).unwrap_or(usual.public_url),
        extra_certificates: variable(EXTRA_CA_CERTIFICATES).unwrap_or_default(),
        ..usual
    })
}

/// Delivers the built application in a folder.
pub(super) async fn deliver(
    work: &Work<'_>,
    built: &Path,
    token: &Token,
) -> Result<Outcome, Failure> {
    let DeliveryTarget::Fly {
        organization,
        app,
        region,
    } = &work.delivery.target
    else {
        return Err(anyhow::anyhow!("the target is none on Fly.io").into());
    };
    let target = Target {
        organization: organization.clone(),
        app: app.clone(),
        region: region.clone(),
        memory_mib: MEMORY_MIB,
    };
    let source = Source {
        folder: built.to_owned(),
        version_file: version_file(built)?,
        commit: work.start.commit.clone(),
        project_id: work.delivery.project_id.clone(),
        version: work.delivery.version,
    };
    let endpoints = endpoints()?;
    let (tell, told) = steps();
    let again = tell.clone();
    let progress = move |step: &Step| {
        if is_told(step) {
            // Nobody is left to hear of it once the work is dropped.
            let _ = tell.send(step.to_string());
        }
    };
    let deliver = async {
        let mut tries = 1;
        loop {
            match app_gen_fly::deliver(&target, &source, token, &endpoints, &progress).await {
                // What is done by then is found again.
                Err(error) if tries < TRIES && is_in_passing(&error) => {
                    let _ = again.send(format!("trying again: {error}"));
                    tries += 1;
                    sleep(PAUSE).await;
                }
                ended => break ended,
            }
        }
    };
    match work.narrated(told, deliver).await {
        Ok(delivered) => Ok(Outcome::Shown(Shown {
            url: delivered.url,
            commit: Some(delivered.commit),
        })),
        Err(error) => match &error {
            Error::RateLimited { wait, .. } => Ok(Outcome::Wait(Ending::WaitingLimit {
                provider: "fly".to_owned(),
                until: after(*wait),
                detail: error.to_string(),
            })),
            _ => Err(Failure::job(error.to_string(), &error.next())),
        },
    }
}

/// Whether it may work a moment later without anybody doing anything.
fn is_in_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::Image {
                is_retryable: true,
                ..
            }
    )
}

/// Pieces of a push come often.
fn is_told(step: &Step) -> bool {
    match step {
        Step::Push {
            done_bytes,
            total_bytes,
        } => *done_bytes == 0 || done_bytes == total_bytes,
        _ => true,
    }
}

/// Where the application serves `/version.json` from: beside the page that its build made.
///
/// # Errors
/// There is no page.
fn version_file(built: &Path) -> Result<String, Failure> {
    let pages = WalkDir::new(built)
        .max_depth(6)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != "node_modules")
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file() && entry.file_name() == "index.html")
        .filter_map(|entry| {
            let folder = entry.path().strip_prefix(built).ok()?.parent()?;
            Some(folder.to_str()?.to_owned())
        });
    let folder = pages.min_by_key(|folder| rank(folder)).ok_or_else(|| {
        Failure::job(
            "the built application has no page: no file index.html is in it",
            "ask for a change: the build puts the page with its index.html into the folder dist, and the \
             server serves that folder",
        )
    })?;
    Ok(match folder.as_str() {
        "" => "version.json".to_owned(),
        folder => format!("{folder}/version.json"),
    })
}

/// What a build made comes before what it is made of, and what is near before what is far.
fn rank(folder: &str) -> (usize, usize) {
    let name = folder.rsplit('/').next().unwrap_or_default();
    let known = PAGE_FOLDERS.iter().position(|known| *known == name);
    let depth = match folder {
        "" => 0,
        folder => folder.split('/').count(),
    };
    // At the top is what tools for pages build from.
    let place = known.unwrap_or(match depth {
        0 => PAGE_FOLDERS.len() + 1,
        _ => PAGE_FOLDERS.len(),
    });
    (place, depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pages: &[&str]) -> Result<String, Failure> {
        let folder = tempfile::tempdir().unwrap();
        for page in pages {
            let path = folder.path().join(page);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "<!doctype html>").unwrap();
        }
        version_file(folder.path())
    }

    #[test]
    fn the_version_is_told_beside_the_page_that_is_served() {
        for (pages, file) in [
            (&["index.html", "dist/index.html"][..], "dist/version.json"),
            (
                &["web/index.html", "web/dist/index.html"],
                "web/dist/version.json",
            ),
            (&["public/index.html"], "public/version.json"),
            (&["index.html"], "version.json"),
            (
                &["node_modules/x/dist/index.html", "docs/index.html"],
                "docs/version.json",
            ),
            (
                &["dist/help/index.html", "dist/index.html"],
                "dist/version.json",
            ),
        ] {
            assert_eq!(found(pages).unwrap(), file);
        }
        let refused = found(&["server.js"]).unwrap_err();
        assert!(refused.reason.contains("index.html"), "{}", refused.reason);
    }

    #[test]
    fn a_push_is_told_at_its_ends() {
        let push = |done_bytes| Step::Push {
            done_bytes,
            total_bytes: 7,
        };
        assert!(is_told(&push(0)) && is_told(&push(7)) && !is_told(&push(3)));
        assert!(is_told(&Step::Health));
    }
}
