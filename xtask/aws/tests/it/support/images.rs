//! Images that tests build and push; the engine forgets them when they are dropped.

use crate::support::{Space, tool};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// An image in a registry, tagged with the name of its space.
pub(crate) struct Pushed {
    /// `registry/repository@sha256:…`
    pub(crate) by_digest: String,
    tagged: String,
    /// Of the task definition that the space registers.
    family: String,
}

impl Pushed {
    pub(crate) fn new(space: &Space, registry: &str, repository: &str, context: &Path) -> Self {
        let metadata = space.path("metadata.json");
        let tagged = format!("{registry}/{repository}:{}", space.name);
        tool(
            "docker",
            &[
                "buildx",
                "build",
                "--push",
                "--provenance=false",
                "--quiet",
                "--metadata-file",
                metadata.to_str().expect("UTF-8"),
                "--tag",
                &tagged,
                context.to_str().expect("UTF-8"),
            ],
            &[("DOCKER_CONFIG", &space.path("docker"))],
            "",
        );
        let metadata: Value =
            serde_json::from_slice(&std::fs::read(&metadata).expect("metadata")).expect("JSON");
        let digest = metadata["containerimage.digest"].as_str().expect("digest");
        Self {
            by_digest: format!("{registry}/{repository}@{digest}"),
            tagged,
            family: format!("validate-{}", space.name),
        }
    }
}

impl Drop for Pushed {
    fn drop(&mut self) {
        // The local cloud keeps the containers of stopped tasks for minutes, and
        // with them the image. In a failing test some of this does not exist;
        // that failure is the one to report.
        let docker = |arguments: &[&str]| {
            Command::new("docker")
                .args(arguments)
                .stderr(Stdio::null())
                .output()
                .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
                .unwrap_or_default()
        };
        let label = format!(
            "label=com.amazonaws.ecs.task-definition-family={}",
            self.family
        );
        for container in docker(&["ps", "--all", "--quiet", "--filter", &label]).lines() {
            docker(&["rm", "--force", container]);
        }
        docker(&["image", "rm", "--force", &self.tagged]);
    }
}
