//! What a build would do. Nothing is done to find that out.

use crate::build::debian;
use crate::build::held;
use crate::build::held::Held;
use crate::build::npm_tools;
use crate::build::page::Page;
use crate::build::prebuild::Binary;
use crate::build::standing;
use crate::build::standing::Standing;
use crate::debian::lock;
use crate::key::compute::Shared;
use crate::key::store::{KeyStore, Reasons};
use serde::Serialize;
use std::fmt;
use xtask_core::context::Context;
use xtask_core::side_by_side::side_by_side;

/// What a build would do for one image.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The name of the image in the manifest.
    pub image: String,
    /// Its key.
    pub key: String,
    /// `REGISTRY/REPOSITORY:key-…`, which a build looks for or pushes.
    pub reference: String,
    /// Whether anything has to be done.
    pub state: State,
    /// What has to be done, in this order; empty for an image that is present.
    pub steps: Vec<Step>,
    /// Why it has this key.
    #[serde(flatten)]
    pub reasons: Reasons,
}

/// Whether anything has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The registry has the image.
    Present,
    /// It would be built and pushed.
    Build,
}

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is done.
    #[serde(rename = "do")]
    pub verb: Verb,
    /// The package, folder, lock file or repository that it is done with.
    pub what: String,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Compile a package.
    Compile,
    /// Use the binary of a package that was compiled from the same inputs before.
    ReuseBinary,
    /// Build the page of a folder.
    BuildPage,
    /// Use the page of a folder that was built from the same inputs before.
    ReusePage,
    /// Unpack the packages of Debian in a lock file.
    UnpackPackages,
    /// Use the packages of Debian in a lock file, which were unpacked before.
    ReusePackages,
    /// Install the packages of npm in a folder, for some of their files.
    InstallTools,
    /// Use the files of npm's packages in a folder, which were installed before.
    ReuseTools,
    /// Pack the context of a folder.
    Pack,
    /// Build the image and push it to a repository.
    Push,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Compile => "compile",
            Verb::ReuseBinary => "reuse binary",
            Verb::BuildPage => "build page",
            Verb::ReusePage => "reuse page",
            Verb::UnpackPackages => "unpack packages of",
            Verb::ReusePackages => "reuse packages of",
            Verb::InstallTools => "install tools of",
            Verb::ReuseTools => "reuse tools of",
            Verb::Pack => "pack",
            Verb::Push => "push",
        };
        write!(formatter, "{verb} {}", self.what)
    }
}

/// Plans the builds of images side by side. The registry is asked for each key.
///
/// # Errors
/// A key cannot be computed, or the registry does not answer.
pub fn all(context: &Context, names: &[String], registry: &str) -> anyhow::Result<Vec<Plan>> {
    let shared = Shared::default();
    side_by_side(names, |name| one(context, name, registry, &shared))
        .into_iter()
        .map(|(_, plan)| plan)
        .collect()
}

fn one(context: &Context, name: &str, registry: &str, shared: &Shared) -> anyhow::Result<Plan> {
    let standing = standing::look_sharing(context, name, registry, shared)?;
    let (state, steps) = match &standing.held {
        Held::Image(_) => (State::Present, Vec::new()),
        _ => (State::Build, steps(context, name, &standing)?),
    };
    if let Held::Other(why) = &standing.held {
        let Standing {
            key, repository, ..
        } = &standing;
        let why = held::not_the_image(name, key, repository, why);
        context.report.step(&why);
    }
    Ok(Plan {
        image: name.to_owned(),
        reference: standing.repository.tagged(&standing.key.tag()),
        state,
        steps,
        reasons: KeyStore::new(&context.cache_folder(), name)
            .reasons(&context.platform.images[name], &standing.key),
        key: standing.key.hex,
    })
}

/// The steps of [`build::all`](crate::build::all) for an image that the registry does not have.
fn steps(context: &Context, name: &str, standing: &Standing) -> anyhow::Result<Vec<Step>> {
    let image = &context.platform.images[name];
    let inputs = &standing.key.inputs;
    let mut steps = Vec::new();
    let mut add = |verb, what: &str| {
        steps.push(Step {
            verb,
            what: what.to_owned(),
        });
    };
    if let Some(rust) = &inputs.rust {
        let verb = match Binary::kept(context, rust)? {
            Some(_) => Verb::ReuseBinary,
            None => Verb::Compile,
        };
        add(verb, &rust.build[0]);
    }
    if let (Some(inputs), Some(npm)) = (&inputs.npm, &image.npm) {
        let verb = match Page::kept(context, inputs)? {
            Some(_) => Verb::ReusePage,
            None => Verb::BuildPage,
        };
        add(verb, npm.folder.get_ref());
    }
    if let Some(apt) = &inputs.apt {
        let verb = match debian::kept(context, apt)? {
            Some(_) => Verb::ReusePackages,
            None => Verb::UnpackPackages,
        };
        add(verb, &lock::path(name));
    }
    if let (Some(inputs), Some(tools)) = (&inputs.npm_tools, &image.npm_tools) {
        let verb = match npm_tools::kept(context, inputs)? {
            Some(_) => Verb::ReuseTools,
            None => Verb::InstallTools,
        };
        add(verb, tools.folder.get_ref());
    }
    add(Verb::Pack, image.context.get_ref());
    add(Verb::Push, &standing.repository.name);
    Ok(steps)
}
