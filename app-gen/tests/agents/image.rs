//! The generator's image, and how a container of it is started: as a task of ECS is.

use serde_json::Value;
use std::env;
use std::process::{Command, Output};
use std::sync::LazyLock;

/// What this machine trusts; a network that inspects TLS has its authority there.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The rights of a task, as the template of its stack gives them.
const RIGHTS: [&str; 5] = ["CHOWN", "KILL", "SETGID", "SETPCAP", "SETUID"];

/// The image, which the engine has: built now, unless the variable names one.
pub(crate) static IMAGE: LazyLock<String> = LazyLock::new(|| {
    if let Ok(image) = env::var("APP_GEN_GENERATOR_IMAGE") {
        return image;
    }
    let mut build = command("cargo");
    let output = build
        .args(["xtask", "build", "generator", "--json"])
        .env("APP_GEN_LOCAL_INSTANCE", "test")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let built: Value = serde_json::from_slice(&output.stdout).unwrap();
    let image = built["images"][0]["reference"].as_str().unwrap().to_owned();
    // What `docker run` says while it pulls would be among the lines of the first container.
    docker(&["pull", "--quiet", &image]);
    image
});

#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for these tests; every wait here is bounded"
)]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

pub(crate) fn docker(arguments: &[&str]) -> Output {
    let output = command("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    output
}

/// Options of `docker run` with which a container has what a task has, and no more.
pub(crate) fn task_options() -> Vec<String> {
    let certificates = env::var("SSL_CERT_FILE").unwrap_or_else(|_| CERTIFICATES.to_owned());
    let mounted = format!("{certificates}:{CERTIFICATES}:ro");
    let options = [
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--volume",
        "/state",
        "--volume",
        &mounted,
        "--cap-drop",
        "ALL",
    ];
    let rights = RIGHTS.map(|right| format!("--cap-add={right}"));
    options
        .into_iter()
        .map(str::to_owned)
        .chain(rights)
        .collect()
}
