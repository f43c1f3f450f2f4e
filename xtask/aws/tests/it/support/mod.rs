//! Drives the built binary against the local cloud, in a name space of its own.

pub(crate) mod images;
pub(crate) mod sdk;
pub(crate) mod services;

use app_gen_infra::{Instance, Platform};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Address of the local cloud.
pub(crate) fn endpoint() -> String {
    std::env::var("APP_GEN_CLOUD_ENDPOINT")
        .unwrap_or_else(|_| format!("http://127.0.0.1:{}", local().cloud_port.get_ref()))
}

/// Ports of this machine, of the instance that is the tests' own.
pub(crate) fn local() -> app_gen_infra::Local {
    Platform::load_for(&checkout(), Instance::Test)
        .expect("platform.toml")
        .local
}

/// The repository's root.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders below the root")
        .to_path_buf()
}

/// What a call of the binary came to.
pub(crate) struct Answer {
    pub(crate) exit_code: Option<i32>,
    pub(crate) json: Value,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A copy of the manifest with names that no other test or person uses.
pub(crate) struct Space {
    pub(crate) name: String,
    folder: TempDir,
}

impl Space {
    /// # Panics
    /// When the local cloud does not answer: these tests need it and do not skip.
    pub(crate) fn new(test: &str) -> Self {
        let space = Self::without_cloud(test);
        let identity = space.call(&["identity"]);
        assert_eq!(
            identity.exit_code,
            Some(0),
            "the local cloud does not answer at {}: start it with `{}={} cargo xtask cloud up`\n{}",
            endpoint(),
            Instance::VARIABLE,
            Instance::TEST,
            identity.stdout
        );
        space
    }

    pub(crate) fn without_cloud(test: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let name = format!("t{}-{test}", std::process::id());
        let manifest = std::fs::read_to_string(checkout().join("app-gen-infra/platform.toml"))
            .expect("platform.toml")
            .replace(
                "project = \"app-gen-saas\"",
                &format!("project = \"{name}\""),
            )
            .replace("\"app-generator", &format!("\"{name}"))
            .replace("/ecs/app-generator", &format!("/ecs/{name}"))
            .replace("name = \"app-gen-saas/", &format!("name = \"{name}/"))
            .replace("\"app-gen-saas-", &format!("\"{name}-"))
            .replace("/ecs/app-gen-saas-", &format!("/ecs/{name}-"));
        std::fs::create_dir(folder.path().join("app-gen-infra")).expect("folder");
        std::fs::write(folder.path().join("app-gen-infra/platform.toml"), manifest)
            .expect("manifest");
        for part in ["app-gen", "app-gen-saas"] {
            std::os::unix::fs::symlink(checkout().join(part), folder.path().join(part))
                .expect("link");
        }
        Self { name, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary with nothing of the caller's AWS settings, and with settings
    /// that would break every call if it looked at them.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-aws"));
        command
            .arg("--manifest")
            .arg(self.path("app-gen-infra/platform.toml"))
            .args(arguments)
            .env("APP_GEN_CLOUD_ENDPOINT", endpoint())
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
            .env("AWS_ACCESS_KEY_ID", "999999999999")
            .env("AWS_SECRET_ACCESS_KEY", "wrong")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_PROFILE", "missing")
            .env("AWS_CONFIG_FILE", self.path("missing"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path("missing"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Answer {
        answer(&self.command(arguments).output().expect("started"))
    }

    pub(crate) fn call_with_stdin(&self, arguments: &[&str], stdin: &[u8]) -> Answer {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("started");
        child
            .stdin
            .take()
            .expect("stdin")
            .write_all(stdin)
            .expect("written");
        answer(&child.wait_with_output().expect("ended"))
    }

    /// A call that must succeed; returns its object.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Value {
        let answer = self.call(arguments);
        assert_eq!(
            answer.exit_code,
            Some(0),
            "{arguments:?}: {} {}",
            answer.stdout,
            answer.stderr
        );
        answer.json
    }
}

pub(crate) fn answer(output: &Output) -> Answer {
    let stdout = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let json = serde_json::from_str(&stdout)
        .unwrap_or_else(|error| panic!("stdout is not one JSON object: {error}: {stdout}"));
    Answer {
        exit_code: output.status.code(),
        json,
        stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs another tool to its success; returns its stdout.
pub(crate) fn tool(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &Path)],
    stdin: &str,
) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child
        .stdin
        .take()
        .expect("stdin")
        .write_all(stdin.as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("ended");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Removes what `ensure` made, also when the test fails.
pub(crate) struct Ensured<'a> {
    space: &'a Space,
    pub(crate) parts: Value,
}

impl<'a> Ensured<'a> {
    pub(crate) fn new(space: &'a Space, image: &str) -> Self {
        let parts = space.ok(&["validate", "ensure", "--generator-image", image]);
        Self { space, parts }
    }

    pub(crate) fn part(&self, name: &str) -> &str {
        self.parts[name].as_str().expect(name)
    }

    pub(crate) fn run_task<'b>(&'b self, more: &[&'b str]) -> Vec<&'b str> {
        let mut arguments = vec![
            "run-task",
            "--cluster",
            self.part("cluster"),
            "--task-definition",
            self.part("task_definition"),
        ];
        arguments.extend(more);
        arguments
    }
}

impl Drop for Ensured<'_> {
    fn drop(&mut self) {
        self.space.call(&["validate", "remove"]);
    }
}
