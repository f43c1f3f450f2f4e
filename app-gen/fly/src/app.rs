//! The app of a project and its addresses.

use crate::api::{Api, App};
use crate::error::Error;
use crate::settings::Patience;
use tokio::time::{Instant, sleep};

/// Makes sure of the app. Whether it was made now.
pub(crate) async fn ensure(
    api: &Api<'_>,
    app: &str,
    organization: &str,
    patience: Patience,
) -> Result<bool, Error> {
    if let Some(found) = api.app(app).await? {
        return is_of(&found, app, organization).map(|()| false);
    }
    match api.create_app(app, organization).await {
        Ok(()) => {}
        // It was made between the two requests: by a call of ours that was killed, or by somebody else.
        Err(error @ Error::NameTaken { .. }) => match api.app(app).await? {
            Some(found) => return is_of(&found, app, organization).map(|()| false),
            None => return Err(error),
        },
        Err(error) => return Err(error),
    }
    // It takes a moment until all of Fly.io knows a new app. Until then, a token may be no token for it.
    let began = Instant::now();
    loop {
        let is_late = began.elapsed() > patience.request;
        match api.app(app).await {
            Ok(Some(_)) => break,
            Ok(None) if is_late => {
                return Err(Error::Unreachable {
                    what: format!("see the new app {app}"),
                    reason: "Fly.io does not know it, although it has made it".to_owned(),
                });
            }
            Ok(None) => {}
            Err(Error::Token { .. }) if !is_late => {}
            Err(error) => return Err(error),
        }
        sleep(patience.pause).await;
    }
    Ok(true)
}

/// Whether an app is in the organization.
pub(crate) fn is_of(found: &App, app: &str, organization: &str) -> Result<(), Error> {
    let slug = found
        .organization
        .as_ref()
        .and_then(|organization| organization.slug.as_deref());
    match slug {
        Some(slug) if slug != organization => Err(Error::NotOurs {
            app: app.to_owned(),
            reason: format!("it is in the organization {slug}"),
        }),
        _ => Ok(()),
    }
}

/// Makes sure of an address of each kind: both cost nothing.
pub(crate) async fn ensure_addresses(api: &Api<'_>, app: &str) -> Result<(), Error> {
    let found = api.addresses(app).await?;
    if !found.iter().any(|address| address.ip.contains('.')) {
        api.assign(app, "shared_v4").await?;
    }
    // Those that begin so are of the organization's own network.
    let is_public = |ip: &str| ip.contains(':') && !ip.starts_with("fdaa:");
    if !found.iter().any(|address| is_public(&address.ip)) {
        api.assign(app, "v6").await?;
    }
    Ok(())
}
