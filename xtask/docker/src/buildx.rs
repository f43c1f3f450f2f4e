//! Runs `docker buildx build` on a tar or a folder and pushes what it builds.

use crate::engine;
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
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
    /// Labels of the image by name.
    pub labels: BTreeMap<&'a str, &'a str>,
    /// `registry/repository:tag` that is pushed.
    pub tag: String,
    /// `registry/repository:tag` of the registry cache.
    pub cache: String,
}

impl Build<'_> {
    /// The arguments of the docker client, without the context.
    fn command_line(
        &self,
        dockerfile: String,
        metadata_file: &Path,
        with_cache: bool,
    ) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "buildx",
            "build",
            "--progress=plain",
            "--provenance=false",
            "--sbom=false",
            "--push",
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
        if with_cache {
            let cache = &self.cache;
            add("--cache-from", format!("type=registry,ref={cache}"));
            // A cache that cannot be written must not fail a build.
            add(
                "--cache-to",
                format!(
                    "type=registry,ref={cache},mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
                ),
            );
        }
        arguments
    }

    /// Builds from the source, pushes, and returns the digest that the builder reports. The
    /// builder's lines are shown under `label`. `metadata_file` exists only during the build.
    ///
    /// # Errors
    /// The engine does not answer, or the build or the push fails.
    pub fn push(
        &self,
        report: &Report,
        label: &str,
        source: Source,
        metadata_file: &Path,
    ) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(rename = "containerimage.digest")]
            digest: String,
        }
        // The engine's own builder writes a registry cache only with containerd's image store.
        let with_cache = engine::info()?.containerd_image_store;
        let command = Cmd::new("docker").args(self.command_line(
            source.dockerfile(),
            metadata_file,
            with_cache,
        ));
        let command = match source {
            Source::Tar { tar, .. } => command.arg("-").stdin_file(tar),
            Source::Folder { context, .. } => command.arg(context),
        };
        command.timeout(TIMEOUT).run(report, label)?;
        let metadata: Metadata = serde_json::from_slice(
            &std::fs::read(metadata_file)
                .with_context(|| format!("buildx did not write {}", metadata_file.display()))?,
        )?;
        let _ = std::fs::remove_file(metadata_file);
        Ok(metadata.digest)
    }
}
