//! The two calls, step by step.

use crate::api::{Api, Machine};
use crate::app;
use crate::delivered::{Delivered, Destroyed};
use crate::delivery::Delivery;
use crate::error::{Error, GoneBack};
use crate::health;
use crate::image;
use crate::input::{check_source, checked_app};
use crate::machine::{self, Given};
use crate::release::{RELEASED, Release};
use crate::settings::{Endpoints, Source, Target, Token};
use crate::step::Step;

/// Delivers a version: afterwards the app's URL answers with its commit.
///
/// `progress` hears of each step as it begins. It is safe to drop the future, or to kill the process, at any
/// moment: the next call with the same project goes on with what is there.
///
/// # Errors
/// Each is told apart in [`Error`], says what to do next ([`Error::next`]), and whether the same call may work
/// later ([`Error::retryable`]).
pub async fn deliver(
    target: &Target,
    source: &Source,
    token: &Token,
    endpoints: &Endpoints,
    progress: &(dyn Fn(&Step) + Send + Sync),
) -> Result<Delivered, Error> {
    let app = checked_app(target, &source.project_id)?;
    check_source(source)?;
    image::check(endpoints, &app)?;
    let api = api(token, endpoints, progress)?;
    let delivery = Delivery {
        app,
        target,
        source,
        token,
        endpoints,
        api,
        progress,
    };
    let Delivery { app, api, .. } = &delivery;

    progress(&Step::App { app: app.clone() });
    let organization = &target.organization;
    let is_new = app::ensure(api, app, organization, endpoints.patience).await?;
    // Before anything else is made in an app of somebody else.
    machine::find(api, app, &source.project_id).await?;
    progress(&Step::Address);
    app::ensure_addresses(api, app).await?;

    let pushed = image::ensure(&delivery, is_new).await?;
    let release = Release {
        image: pushed.reference,
        commit: source.commit.clone(),
        version: source.version.to_string(),
    };
    let given = machine::give(&delivery, &release).await?;
    // They would answer in place of the machine.
    for other in &given.others {
        api.delete_machine(app, &other.id).await?;
    }
    let url = endpoints.url_of(app);
    try_out(&delivery, &given, &release, &url).await?;

    progress(&Step::Release);
    let machine = given.machine;
    api.set_metadata(app, &machine.id, RELEASED, &release.image)
        .await?;
    Ok(Delivered {
        url,
        app: delivery.app,
        machine: machine.id,
        image_digest: pushed.digest,
        commit: release.commit,
    })
}

/// Removes the app of a project with its machine and addresses. What is not there is no error; what belongs to
/// somebody else is left alone and is one.
///
/// # Errors
/// As for [`deliver`].
pub async fn destroy(
    target: &Target,
    project_id: &str,
    token: &Token,
    endpoints: &Endpoints,
    progress: &(dyn Fn(&Step) + Send + Sync),
) -> Result<Destroyed, Error> {
    let app = checked_app(target, project_id)?;
    let api = api(token, endpoints, progress)?;
    progress(&Step::Destroy { app: app.clone() });
    let Some(found) = api.app(&app).await? else {
        return Ok(Destroyed {
            app,
            was_there: false,
        });
    };
    app::is_of(&found, &app, &target.organization)?;
    let machines = machine::find(&api, &app, project_id).await?;
    // Nothing says whose an app without a machine is, unless its name does.
    if machines.is_empty() && target.app.is_some() {
        return Err(Error::NotOurs {
            app,
            reason: "it has no machine that says so".to_owned(),
        });
    }
    let was_there = api.delete_app(&app).await?;
    Ok(Destroyed { app, was_there })
}

fn api<'a>(
    token: &'a Token,
    endpoints: &'a Endpoints,
    progress: &'a (dyn Fn(&Step) + Send + Sync),
) -> Result<Api<'a>, Error> {
    let certificates = &endpoints.extra_certificates;
    let patience = endpoints.patience;
    Api::new(&endpoints.machines, certificates, token, patience, progress)
}

/// Waits until the version is healthy and answers. Where it is not, the machine goes back.
async fn try_out(
    delivery: &Delivery<'_>,
    given: &Given,
    release: &Release,
    url: &str,
) -> Result<(), Error> {
    let Given {
        machine, before, ..
    } = given;
    let progress = delivery.progress;
    progress(&Step::Health);
    if let Err(reason) = health::wait(delivery, machine).await? {
        let gone_back = match before {
            Some(before) => go_back(delivery, machine, before).await,
            // It would be started again and again, and cost something.
            None => remove(delivery, machine).await,
        };
        return Err(Error::Health {
            app: delivery.app.clone(),
            commit: release.commit.clone(),
            reason: delivery.token.hide(&reason),
            gone_back,
        });
    }
    progress(&Step::Url {
        url: url.to_owned(),
    });
    if let Err(seen) = health::ask(delivery, url, &release.commit).await? {
        let gone_back = match before {
            Some(before) => go_back(delivery, machine, before).await,
            None => GoneBack::Kept,
        };
        return Err(Error::Url {
            url: url.to_owned(),
            commit: release.commit.clone(),
            seconds: delivery.endpoints.patience.url.as_secs(),
            seen,
            gone_back,
        });
    }
    Ok(())
}

async fn remove(delivery: &Delivery<'_>, machine: &Machine) -> GoneBack {
    let removed = delivery.api.delete_machine(&delivery.app, &machine.id);
    match removed.await {
        Ok(()) => GoneBack::Removed,
        Err(error) => GoneBack::Failed {
            reason: error.to_string(),
        },
    }
}

/// Brings the version before back, and waits until it is healthy.
async fn go_back(delivery: &Delivery<'_>, machine: &Machine, before: &Release) -> GoneBack {
    (delivery.progress)(&Step::GoBack {
        to: before.commit.clone(),
    });
    let failed = |reason: String| GoneBack::Failed { reason };
    let updated = match machine::update(delivery, machine, before, None, true).await {
        Ok(updated) => updated,
        Err(error) => return failed(error.to_string()),
    };
    match health::wait(delivery, &updated).await {
        Ok(Ok(())) => GoneBack::To {
            commit: before.commit.clone(),
        },
        Ok(Err(reason)) => failed(format!("commit {}: {reason}", before.commit)),
        Err(error) => failed(error.to_string()),
    }
}
