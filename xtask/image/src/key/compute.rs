//! Computes a key: reads every input and hashes them in the form of `inputs`.

use crate::base::pins::Pins;
use crate::base::{Answers, Base};
use crate::key::apt;
use crate::key::inputs::{
    AptInputs, FORM, Inputs, KEY_PLACEHOLDER, NpmInputs, NpmToolsInputs, RustInputs,
    build_arguments,
};
use crate::key::npm_tools;
use crate::key::page;
use crate::key::{DockerBuild, Key};
use crate::once::Once;
use crate::rust::closure;
use crate::rust::environment;
use crate::rust::environment::Surroundings;
use crate::rust::toolchain::Toolchain;
use app_gen_infra::{Image, Platform, RustPrebuild};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::paths;
use xtask_docker::context;
use xtask_docker::dockerfile;
use xtask_docker::dockerfile::Dockerfile;
use xtask_docker::ignore::{IgnoreFile, PatternError, Rules};
use xtask_tree::entry::Entries;
use xtask_tree::stat_cache::StatCache;

/// What the keys of several images have in common. Each of these things is read or asked once, by
/// the image that needs it first. It is never read again, so keys that are to show a later state
/// begin with a new one.
#[derive(Debug, Default)]
pub struct Shared {
    bases: Answers,
    toolchain: Once<Arc<Toolchain>>,
}

impl Shared {
    fn toolchain(
        &self,
        surroundings: &Surroundings,
        cache_folder: &Path,
    ) -> anyhow::Result<Arc<Toolchain>> {
        let find = || Ok(Arc::new(Toolchain::find(surroundings, cache_folder)?));
        self.toolchain.get_or_find(find)
    }
}

/// Computes the key of an image of the manifest.
///
/// # Errors
/// An input cannot be read, a pattern or Dockerfile is malformed, a lock file is not that of the
/// manifest, or a base image is neither in a registry nor in the engine.
pub fn of_image(
    root: &Path,
    cache_folder: &Path,
    platform: &Platform,
    name: &str,
    shared: &Shared,
) -> anyhow::Result<Key> {
    let image = &platform.images[name];
    let build = DockerBuild {
        context: root.join(image.context.get_ref()),
        dockerfile: root.join(image.dockerfile.get_ref()),
        target: image.target.clone(),
        arguments: image.args.clone(),
        platform: platform.platform.clone(),
    };
    let cache = StatCache::open(cache_folder, &image.repository);
    let prebuilds = || {
        let npm = image.npm.as_ref();
        let apt = image.apt.as_ref();
        let tools = image.npm_tools.as_ref();
        let rust = image.rust.as_ref().map(|rust| {
            let surroundings = Surroundings::of_process(root);
            let toolchain = shared.toolchain(&surroundings, cache_folder)?;
            rust_inputs(&surroundings, cache_folder, rust, &toolchain, &cache)
        });
        anyhow::Ok(Prebuilt {
            rust: rust.transpose()?,
            npm: npm.map(|npm| page::inputs(root, npm, &cache)).transpose()?,
            apt: apt
                .map(|apt| apt::inputs(root, platform, name, apt))
                .transpose()?,
            npm_tools: tools
                .map(|tools| npm_tools::inputs(root, tools))
                .transpose()?,
        })
    };
    let (docker, prebuilt) = DockerInputs::read(
        &build,
        (&Pins::load(root)?, &shared.bases),
        // What is packed has the modes of git, too.
        (context::read, &cache),
        |dockerfile| base_references(dockerfile, platform, image),
        prebuilds,
    )?;
    // If the cache cannot be written, this key is right all the same, and the next one takes longer.
    let _ = cache.save();
    docker.into_key(build, prebuilt)
}

/// The base images that the Dockerfile of an image of the manifest names.
///
/// # Errors
/// As [`dockerfile::external_images`].
pub fn base_references(
    dockerfile: &[u8],
    platform: &Platform,
    image: &Image,
) -> anyhow::Result<BTreeSet<String>> {
    dockerfile::external_images(
        image.dockerfile.get_ref(),
        dockerfile,
        &dockerfile::Wanted {
            arguments: &build_arguments(&image.args, KEY_PLACEHOLDER),
            target: image.target.as_deref(),
            platform: &platform.platform,
        },
    )
}

/// Computes the key of any build, in the form of our own keys.
///
/// # Errors
/// As [`of_image`]; or the context or the Dockerfile cannot be read.
pub fn of_build(build: &DockerBuild) -> anyhow::Result<Key> {
    let folder = &build.context;
    let refusal = |what: &str| {
        Failure::new(Code::Usage, format!("context {} {what}", folder.display()))
            .hint("name the folder that is given to the build")
    };
    let metadata = std::fs::metadata(folder).failure(|| refusal("cannot be read"))?;
    if !metadata.is_dir() {
        return Err(refusal("is not a folder").into());
    }
    let absolute = std::fs::canonicalize(folder).failure(|| refusal("cannot be read"))?;
    // The folder may be in no checkout, so the cache is not in the cache folder of one.
    let cache = paths::state().map_or_else(
        |_| StatCache::none(),
        |state| StatCache::open(&state, &absolute.to_string_lossy()),
    );
    let references = |dockerfile: &[u8]| {
        dockerfile::external_images(
            &build.dockerfile.display().to_string(),
            dockerfile,
            &dockerfile::Wanted {
                arguments: &build.arguments,
                target: build.target.as_deref(),
                platform: &build.platform,
            },
        )
    };
    let (docker, ()) = DockerInputs::read(
        build,
        (&Pins::default(), &Answers::default()),
        (context::arriving, &cache),
        references,
        || Ok(()),
    )?;
    let _ = cache.save();
    docker.into_key(build.clone(), Prebuilt::default())
}

/// The inputs of what is made before an image.
#[derive(Default)]
struct Prebuilt {
    rust: Option<RustInputs>,
    npm: Option<NpmInputs>,
    apt: Option<AptInputs>,
    npm_tools: Option<NpmToolsInputs>,
}

/// The inputs of a key that Docker itself uses.
struct DockerInputs {
    dockerfile: Dockerfile,
    ignore_file: Option<IgnoreFile>,
    bases: BTreeMap<String, Base>,
    context: Entries,
}

impl DockerInputs {
    /// `references` finds the base images that a Dockerfile with these bytes names. While registries
    /// and the engine are asked for their digests, the files of the context are read, and then what
    /// `beside` reads.
    fn read<T>(
        build: &DockerBuild,
        (pins, answers): (&Pins, &Answers),
        (read, cache): (Reader, &StatCache),
        references: impl FnOnce(&[u8]) -> anyhow::Result<BTreeSet<String>>,
        beside: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(Self, T)> {
        let dockerfile = Dockerfile::read(&build.dockerfile)?;
        let ignore_file = IgnoreFile::of_context(&build.context, &dockerfile.path)?;
        let references = references(&dockerfile.bytes)?;
        let (bases, files) = std::thread::scope(|scope| {
            let bases = scope.spawn(|| answers.resolve_all(&references, pins));
            let files = read_tree(&build.context, ignore_file.as_ref(), read, cache)
                .and_then(|context| Ok((context, beside()?)));
            let panicked = |_| Err(anyhow::anyhow!("asking for base images panicked"));
            (bases.join().unwrap_or_else(panicked), files)
        });
        let bases = bases?;
        let (context, other) = files?;
        let docker = Self {
            dockerfile,
            ignore_file,
            bases,
            context,
        };
        Ok((docker, other))
    }

    fn into_key(self, build: DockerBuild, prebuilt: Prebuilt) -> anyhow::Result<Key> {
        let base_sources = self
            .bases
            .iter()
            .map(|(reference, base)| (reference.clone(), base.source))
            .collect();
        let bases = self
            .bases
            .into_iter()
            .map(|(reference, base)| (reference, base.digest))
            .collect();
        let inputs = Inputs {
            form: FORM,
            platform: build.platform,
            target: build.target,
            args: build.arguments,
            dockerfile: digest_bytes(&self.dockerfile.bytes),
            ignore_file: self
                .ignore_file
                .as_ref()
                .map(|file| digest_bytes(&file.bytes)),
            bases,
            context: self.context,
            rust: prebuilt.rust,
            npm: prebuilt.npm,
            apt: prebuilt.apt,
            npm_tools: prebuilt.npm_tools,
        };
        Ok(Key {
            hex: inputs.digest()?,
            inputs,
            base_sources,
            dockerfile: self.dockerfile,
            ignore_file: self.ignore_file.map(|file| file.path),
        })
    }
}

/// What reads a folder: [`context::read`] or [`context::arriving`].
type Reader = fn(&Path, &Rules, &StatCache) -> anyhow::Result<Entries>;

/// The entries of a folder that its ignore file leaves.
fn read_tree(
    folder: &Path,
    ignore_file: Option<&IgnoreFile>,
    read: Reader,
    cache: &StatCache,
) -> anyhow::Result<Entries> {
    let Some(file) = ignore_file else {
        return read(folder, &Rules::default(), cache);
    };
    read(folder, &file.rules()?, cache).map_err(|error| {
        // Docker refuses some patterns only when it uses them.
        match error.downcast_ref::<PatternError>() {
            Some(pattern) => file.refusal(pattern).into(),
            None => error,
        }
    })
}

/// What a binary is compiled from in these surroundings, by this toolchain.
///
/// # Errors
/// Something cannot be read, or cannot be in a key.
pub fn rust_inputs(
    surroundings: &Surroundings,
    cache_folder: &Path,
    rust: &RustPrebuild,
    toolchain: &Toolchain,
    cache: &StatCache,
) -> anyhow::Result<RustInputs> {
    let toolchain = toolchain.clone().with_tools(surroundings, &rust.tools)?;
    let closure = closure::resolve(
        surroundings,
        cache_folder,
        toolchain
            .fingerprint
            .get("cargo")
            .map_or("", String::as_str),
        &toolchain.config,
        &rust.package,
    )?;
    Ok(RustInputs {
        build: [
            rust.package.clone(),
            rust.binary.clone(),
            environment::PROFILE.to_owned(),
            environment::TARGET.to_owned(),
        ],
        to: rust.to.clone(),
        sources: closure::sources(&surroundings.root, &closure, cache)?,
        checksums: closure::pins(&closure, cache)?,
        members: closure.members,
        features: closure.features,
        workspace: closure.workspace,
        environment: toolchain.fingerprint,
    })
}
