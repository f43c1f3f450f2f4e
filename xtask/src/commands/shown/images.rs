//! Tables of images.

use xtask_core::report::table;
use xtask_image::build::{Outcome, State};
use xtask_image::key::short;
use xtask_operate::deploy::release::Release;

/// How many changed inputs a table names before it counts the rest.
pub(crate) const REASONS_SHOWN: usize = 1;

/// The table that ends `build` and `validate`.
#[must_use]
pub(crate) fn of_build(images: &[Outcome]) -> String {
    let rows: Vec<Vec<String>> = images
        .iter()
        .map(|image| {
            vec![
                image.image.clone(),
                short(&image.key).to_owned(),
                match image.state {
                    State::Built => "built".to_owned(),
                    State::Present => "present".to_owned(),
                },
                why(image),
                format!("{:.1}", image.seconds),
            ]
        })
        .collect();
    table(&["image", "key", "state", "why", "seconds"], &rows)
}

fn why(image: &Outcome) -> String {
    image.reasons.summary(
        REASONS_SHOWN,
        match image.state {
            State::Present => "inputs unchanged",
            State::Built => "the registry did not have it",
        },
    )
}

/// The images of a release, as a table.
pub(crate) fn of_release(release: &Release) -> String {
    let rows: Vec<Vec<String>> = release
        .images
        .iter()
        .map(|(name, image)| {
            vec![
                name.clone(),
                short(&image.key).to_owned(),
                image.reference.clone(),
            ]
        })
        .collect();
    table(&["image", "key", "digest"], &rows)
}
