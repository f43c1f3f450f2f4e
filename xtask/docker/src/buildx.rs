//! Runs `docker buildx build` on a tar or a folder and pushes what it builds.

use crate::client::BuildClient;
use crate::engine;
use crate::reference::Reference;
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::report::Report;

const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// The files that a build gets.
#[derive(Debug)]
pub enum Source {
    /// A tar with the context and the Dockerfile.
    Tar {
        /// Its bytes are read from the beginning.
        tar: File,
        /// The path of the Dockerfile in it.
        dockerfile: String,
    },
    /// A folder. BuildKit trusts size and time of the files of a folder that it knows by its name, so
    /// no other folder may ever have had this name.
    Folder {
        /// The context.
        context: PathBuf,
        /// The Dockerfile, which is elsewhere.
        dockerfile: PathBuf,
    },
}

impl Source {
    fn dockerfile(&self) -> String {
        match self {
            Self::Tar { dockerfile, .. } => dockerfile.clone(),
            Self::Folder { dockerfile, .. } => dockerfile.display().to_string(),
        }
    }
}

/// One build whose result is pushed.
#[derive(Debug)]
pub struct Build<'a> {
    /// As Docker writes it, such as `linux/amd64`.
    pub platform: &'a str,
    /// The stage, where it is not the last.
    pub target: Option<&'a str>,
    /// Build arguments by name.
    pub arguments: BTreeMap<String, String>,
    /// Base images by reference, each with the digest that the build must use, whatever the
    /// reference points to during the build.
    pub bases: BTreeMap<&'a str, &'a str>,
    /// The registries of all images that it reads, which may ask for the user's login.
    pub registries: BTreeSet<String>,
    /// Labels of the image by name.
    pub labels: BTreeMap<&'a str, &'a str>,
    /// `registry/repository:tag` that is pushed.
    pub tag: String,
    /// `registry/repository:tag` of the registry cache.
    pub cache: String,
    /// Whether its layers have the time of the build, unless they are made anew without it. That takes
    /// minutes for a large image.
    pub leaves_times: bool,
    /// Whether every step is done again, and every layer is sent that the registry does not have.
    /// What an earlier build left in the engine or in the registry cache is not used then, because
    /// it may name layers that the registry has lost.
    pub from_nothing: bool,
}

/// What becomes of the result.
fn output(containerd_store: bool, leaves_times: bool) -> &'static str {
    match (containerd_store, leaves_times) {
        // A step changes the time of the folder that it writes to, so that an image would be
        // another one each time when its steps are not in a cache. The engine rewrites times only
        // in images that it does not keep. The media types would depend on a cache, too.
        (true, true) => {
            "type=image,push=true,rewrite-timestamp=true,unpack=false,store=false,oci-mediatypes=true"
        }
        (true, false) => "type=image,push=true,unpack=false,store=false,oci-mediatypes=true",
        (false, _) => "type=image,push=true",
    }
}

impl Build<'_> {
    /// The arguments of the docker client, without the context.
    fn command_line(
        &self,
        dockerfile: String,
        metadata_file: &Path,
        containerd_store: bool,
    ) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "buildx",
            "build",
            "--progress=plain",
            "--provenance=false",
            "--sbom=false",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut add = |flag: &str, value: String| {
            arguments.push(flag.to_owned());
            arguments.push(value);
        };
        add("--platform", self.platform.to_owned());
        add("--file", dockerfile);
        if let Some(target) = self.target {
            add("--target", target.to_owned());
        }
        for (name, value) in &self.arguments {
            add("--build-arg", format!("{name}={value}"));
        }
        for (reference, digest) in &self.bases {
            add(
                "--build-context",
                format!("{reference}=docker-image://{reference}@{digest}"),
            );
        }
        for (name, value) in &self.labels {
            add("--label", format!("{name}={value}"));
        }
        add("--tag", self.tag.clone());
        add("--metadata-file", metadata_file.display().to_string());
        add(
            "--output",
            output(containerd_store, self.leaves_times).to_owned(),
        );
        // The engine's own builder writes a registry cache only with containerd's image store.
        if containerd_store {
            let cache = &self.cache;
            if !self.from_nothing {
                add("--cache-from", format!("type=registry,ref={cache}"));
            }
            // A cache that cannot be written must not fail a build.
            add(
                "--cache-to",
                format!(
                    "type=registry,ref={cache},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
                ),
            );
        }
        if self.from_nothing {
            arguments.push("--no-cache".to_owned());
        }
        arguments
    }

    /// Builds from the source, pushes, and returns the digest that the builder reports. The
    /// builder's lines are shown under `label`. `folder` belongs to this build alone, and exists
    /// only during the build.
    ///
    /// # Errors
    /// The engine does not answer, or the build or the push fails.
    pub fn push(
        &self,
        report: &Report,
        label: &str,
        source: &Source,
        folder: &Path,
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(rename = "containerimage.digest")]
            digest: String,
        }
        let containerd_store = engine::info()?.containerd_image_store;
        let destination = Reference::parse(&self.tag)?;
        let mut registries: BTreeSet<&str> = self.registries.iter().map(String::as_str).collect();
        registries.insert(destination.registry());
        let client = BuildClient::new(report, label, folder.to_owned(), registries)?;
        let metadata_file = client.folder().join("metadata.json");
        let command = client.command()?.args(self.command_line(
            source.dockerfile(),
            &metadata_file,
            containerd_store,
        ));
        let command = match source {
            Source::Tar { tar, .. } => {
                let mut tar = tar.try_clone()?;
                tar.rewind()?;
                command.arg("-").stdin_file(tar)
            }
            Source::Folder { context, .. } => command.arg(context),
        };
        command.timeout(TIMEOUT).run(report, label)?;
        let metadata: Metadata = serde_json::from_slice(
            &std::fs::read(&metadata_file)
                .with_context(|| format!("buildx did not write {}", metadata_file.display()))?,
        )?;
        Ok(metadata.digest)
    }
}
