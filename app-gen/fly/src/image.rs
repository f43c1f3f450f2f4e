//! The image of a version: assembled and pushed to the registry of the app.

use crate::delivery::Delivery;
use crate::error::Error;
use crate::release::PORT;
use crate::settings::{Endpoints, Source};
use crate::step::Step;
use app_gen_oci_image::{
    Access, BaseImage, Credentials, Error as ImageError, Image, Layer, Limits, Pushed, Repository,
    Secret, push,
};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// The user that the registry of Fly.io wants with a token.
const USER: &str = "x";
/// How often a registry is asked that does not know the app yet.
const NEW_APP_TRIES: u32 = 5;
/// The time of change of all files of the first version: the year 2000. That of each later version is a minute
/// later, so that a browser does not take a new file for the one that it has.
const FIRST_SECS: u64 = 946_684_800;

/// Whether there can be an image.
pub(crate) fn check(endpoints: &Endpoints, app: &str) -> Result<(), Error> {
    parse::<BaseImage>(&endpoints.base_image)?;
    parse::<Repository>(&endpoints.repository_of(app)).map(|_| ())
}

/// Has the registry have the image. It is named by its digest, so what is pushed again is the same.
pub(crate) async fn ensure(delivery: &Delivery<'_>, is_new_app: bool) -> Result<Pushed, Error> {
    let Delivery {
        source, endpoints, ..
    } = delivery;
    let to = endpoints.repository_of(&delivery.app);
    let failed = |error: &ImageError| Error::Image {
        image: to.clone(),
        reason: delivery.token.hide(&error.to_string()),
        is_denied: error.is_denied(),
        is_retryable: error.retryable(),
    };
    let input = |reason: String| Error::Input { reason };
    let base: BaseImage = parse(&endpoints.base_image)?;
    let repository: Repository = parse(&to)?;

    (delivery.progress)(&Step::Pack);
    let access = access(delivery, &base, endpoints);
    let image = image(base, source);
    let limits = Limits::default();
    // What it packs ends with it if this future is dropped.
    let packed = spawn_blocking(move || (Layer::pack(&image, &limits), image)).await;
    let (layer, image) = packed.map_err(|error| input(format!("packing it failed: {error}")))?;
    let layer = layer.map_err(|error| input(error.to_string()))?;

    let progress = |done_bytes, total_bytes| {
        (delivery.progress)(&Step::Push {
            done_bytes,
            total_bytes,
        });
    };
    let mut tries = 1;
    loop {
        let pushed = push(
            &image,
            &layer,
            &repository,
            &source.commit,
            &access,
            &limits,
            &progress,
        );
        match pushed.await {
            Ok(pushed) => return Ok(pushed),
            Err(ImageError::RateLimited { wait, .. }) => {
                delivery.api.wait("push the image", wait).await?;
            }
            // The registry comes to know a new app a moment later than the API.
            Err(error) if error.is_denied() && is_new_app && tries < NEW_APP_TRIES => {
                tries += 1;
                sleep(endpoints.patience.pause).await;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

fn parse<T>(text: &str) -> Result<T, Error>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Error::Input {
        reason: error.to_string(),
    })
}

/// The token opens the registry of Fly.io, and is shown to no other one.
fn access(delivery: &Delivery<'_>, base: &BaseImage, endpoints: &Endpoints) -> Access {
    let own = Credentials::Basic {
        user: USER.to_owned(),
        password: Secret::new(delivery.token.reveal()),
    };
    Access {
        base: match base.repository.registry == endpoints.registry {
            true => own.clone(),
            false => Credentials::Anonymous,
        },
        target: own,
        extra_certificates: endpoints.extra_certificates.clone(),
    }
}

fn image(base: BaseImage, source: &Source) -> Image {
    let image = Image::of_node(base, source.folder.clone(), PORT);
    let mut image = image.with_revision(&source.commit);
    let label = "org.opencontainers.image.version".to_owned();
    image.labels.insert(label, source.version.to_string());
    let version = json!({ "commit": source.commit, "version": source.version });
    let content = format!("{version}\n").into_bytes();
    image.files.insert(source.version_file.clone(), content);
    image.modified_secs = FIRST_SECS + 60 * u64::from(source.version);
    image
}
