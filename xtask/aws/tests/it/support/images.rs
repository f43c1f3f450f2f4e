//! Images that tests build and push; the engine forgets them when they are dropped.

use crate::support::{Space, tool};
use serde_json::Value;
use std::path::Path;
use xshell::{Cmd, Shell, cmd};

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
        let Ok(shell) = Shell::new() else { return };
        let quietly = |command: Cmd<'_>| command.ignore_stderr().read().unwrap_or_default();
        let (family, tagged) = (&self.family, &self.tagged);
        let label = format!("label=com.amazonaws.ecs.task-definition-family={family}");
        for container in quietly(cmd!(shell, "docker ps --all --quiet --filter {label}")).lines() {
            quietly(cmd!(shell, "docker rm --force {container}"));
        }
        quietly(cmd!(shell, "docker image rm --force {tagged}"));
    }
}
