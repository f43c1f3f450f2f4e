//! Images made from the deployed one, by digest, in a repository of the test's own.

use crate::common::sh;
use crate::common::{instance, registry};
use crate::live::platform;
use serde_json::Value;
use std::fs;
use xtask_image::build::held::KEY_LABEL;

/// Makes images; what it pushed goes when it is dropped.
pub(crate) struct Workshop {
    repository: String,
    /// The deployed image that they are made from.
    app: String,
    generator: String,
    folder: tempfile::TempDir,
}

impl Workshop {
    /// Works from the images of a release.
    pub(crate) fn new(release: &Value) -> Self {
        let reference = |name: &str| release["images"][name]["reference"].as_str().unwrap();
        Self {
            repository: format!("xtask-test-deploy-{}", std::process::id()),
            app: reference("orchestrator").to_owned(),
            generator: reference("generator").to_owned(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The deployed image under another key, with these lines more.
    pub(crate) fn make(&self, name: &str, lines: &str) -> Made {
        let from = format!("FROM --platform=linux/amd64 {}", self.app);
        self.build(name, "linux/amd64", &format!("{from}\n{lines}"))
    }

    /// An image for a processor that no task of ours has.
    pub(crate) fn make_foreign(&self) -> Made {
        self.build("foreign", "linux/arm64", "FROM scratch\nCOPY Dockerfile /")
    }

    fn build(&self, name: &str, for_platform: &str, dockerfile: &str) -> Made {
        // No digest of inputs, and as long as one.
        let key = format!("{:0<64}", format!("{:x}", std::process::id()) + name)
            .replace(|character: char| !character.is_ascii_hexdigit(), "0");
        let tag = format!("{}/{}:{name}", platform().local.registry(), self.repository);
        let file = self.folder.path().join("Dockerfile");
        fs::write(&file, format!("{dockerfile}\nENV IMAGE_KEY={key}\n")).unwrap();
        let folder = self.folder.path();
        sh!(
            "docker buildx build --quiet --provenance=false --push --platform {for_platform}
             --label {KEY_LABEL}={key} --tag {tag} {folder}"
        );
        let digest = registry::digest_of(instance::registry(), &self.repository, name).unwrap();
        let registry = platform().local.registry();
        Made {
            key,
            arguments: [
                "--image".to_owned(),
                format!("orchestrator={registry}/{}@{digest}", self.repository),
                "--image".to_owned(),
                format!("generator={}", self.generator),
            ],
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        registry::remove_tags(instance::registry(), &self.repository);
        let name = format!("{}/{}", platform().local.registry(), self.repository);
        crate::common::remove_images(&name);
    }
}

/// An image that was made.
pub(crate) struct Made {
    /// What it reports as its key.
    pub(crate) key: String,
    arguments: [String; 4],
}

impl Made {
    /// By digest.
    pub(crate) fn reference(&self) -> &str {
        let (_, reference) = self.arguments[1].split_once('=').unwrap();
        reference
    }

    /// The command line that deploys it.
    pub(crate) fn deploy(&self) -> Vec<&str> {
        let images = self.arguments.iter().map(String::as_str);
        ["deploy", "--yes", "--json"]
            .into_iter()
            .chain(images)
            .collect()
    }
}
