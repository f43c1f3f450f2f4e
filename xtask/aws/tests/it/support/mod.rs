//! Drives the built binary against the local cloud, in a name space of its own.

pub(crate) mod images;
pub(crate) mod sdk;
pub(crate) mod services;

use app_gen_infra::{Instance, Platform};
use serde_json::Value;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use xtask_aws_api::calls::identity::GetIdentity;
use xtask_aws_api::calls::tasks::{Network, RunTask, TaskToRun, Variable};
use xtask_aws_api::calls::validation::{EnsureValidation, RemoveValidation, ValidationParts};
use xtask_aws_api::calls::{Call, Envelope, Request};

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

/// The key of that local cloud, which its gate asks for; empty where it was never started.
pub(crate) fn key() -> String {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")));
    let file = format!("app-gen/test/gate/key-{}", local().cloud_port.get_ref());
    std::fs::read_to_string(state.expect("HOME").join(file)).unwrap_or_default()
}

/// The repository's root.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders below the root")
        .to_path_buf()
}

/// The end of a run of the binary.
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
    /// The local cloud does not answer: these tests need it, and are not skipped.
    pub(crate) fn new(test: &str) -> Self {
        let space = Self::without_cloud(test);
        let identity = space.call(GetIdentity {});
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
            .replace("app-preview", &format!("{name}-preview"))
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

    /// The request in its envelope, for the environment `local`.
    pub(crate) fn envelope(&self, request: impl Into<Request>) -> Envelope {
        Envelope {
            environment: "local".to_owned(),
            manifest: Some(self.path("app-gen-infra/platform.toml")),
            endpoint: None,
            request: request.into(),
        }
    }

    /// The binary with this request.
    pub(crate) fn command(&self, request: impl Into<Request>) -> Command {
        self.command_of(&self.envelope(request))
    }

    /// The binary with this envelope.
    pub(crate) fn command_of(&self, envelope: &Envelope) -> Command {
        self.command_with(&serde_json::to_vec(envelope).expect("JSON"))
    }

    /// The binary with these bytes on its standard input. It has nothing of the caller's AWS
    /// settings, and settings that would break every call if it looked at them.
    pub(crate) fn command_with(&self, bytes: &[u8]) -> Command {
        let mut stdin = tempfile::tempfile().expect("a file");
        stdin.write_all(bytes).expect("written");
        stdin.rewind().expect("at its beginning");
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-aws"));
        command
            .env("APP_GEN_CLOUD_ENDPOINT", endpoint())
            .env("APP_GEN_CLOUD_KEY", key())
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
            .env("AWS_ACCESS_KEY_ID", "999999999999")
            .env("AWS_SECRET_ACCESS_KEY", "wrong")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_PROFILE", "missing")
            .env("AWS_CONFIG_FILE", self.path("missing"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path("missing"))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The binary with this request for environment `dev`, which is on AWS. The local cloud answers
    /// in its place, and takes a key id of twelve digits for the account.
    pub(crate) fn command_on_aws(&self, account: &str, request: impl Into<Request>) -> Command {
        let envelope = Envelope {
            environment: "dev".to_owned(),
            ..self.envelope(request)
        };
        let mut command = self.command_of(&envelope);
        command
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("AWS_ACCESS_KEY_ID", account)
            .env("AWS_SECRET_ACCESS_KEY", key())
            .env_remove("AWS_PROFILE");
        command
    }

    pub(crate) fn call(&self, request: impl Into<Request>) -> Answer {
        answer(&self.command(request).output().expect("started"))
    }

    /// A call that must succeed; returns its object, which must be exactly what the contract says.
    pub(crate) fn ok<R: Call>(&self, request: R) -> Value {
        let answer = self.call(request);
        assert_eq!(
            answer.exit_code,
            Some(0),
            "{}: {} {}",
            R::NAME,
            answer.stdout,
            answer.stderr
        );
        let read: R::Answer = serde_json::from_value(answer.json.clone()).expect("an answer");
        let written = serde_json::to_value(read).expect("JSON");
        assert_eq!(written, answer.json, "{}", R::NAME);
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

/// A request for the parts of a validation.
pub(crate) fn ensure(image: &str) -> EnsureValidation {
    EnsureValidation {
        generator_environment: std::collections::BTreeMap::new(),
        generator_image: image.to_owned(),
        network: Network::default(),
    }
}

/// A request for a task that is bounded by ten minutes.
pub(crate) fn run_task(what: TaskToRun, variables: &[(&str, &str)]) -> RunTask {
    let variables = variables.iter().map(|(name, value)| Variable {
        name: (*name).to_owned(),
        value: (*value).into(),
    });
    RunTask {
        what,
        container: None,
        variables: variables.collect(),
        command: Vec::new(),
        spot: false,
        timeout_secs: 600,
    }
}

/// A task of a definition, in a cluster.
pub(crate) fn definition(cluster: &str, definition: &str) -> TaskToRun {
    TaskToRun::Definition {
        cluster: cluster.to_owned(),
        definition: definition.to_owned(),
        network: Network::default(),
    }
}

/// The parts of a validation, which are removed when this is dropped.
pub(crate) struct Ensured<'a> {
    space: &'a Space,
    pub(crate) json: Value,
    pub(crate) parts: ValidationParts,
}

impl<'a> Ensured<'a> {
    pub(crate) fn new(space: &'a Space, image: &str) -> Self {
        let json = space.ok(ensure(image));
        let parts = serde_json::from_value(json.clone()).expect("parts");
        Self { space, json, parts }
    }

    /// A request for a generator task with these variables.
    pub(crate) fn run_task(&self, variables: &[(&str, &str)]) -> RunTask {
        let parts = &self.parts;
        run_task(
            definition(&parts.cluster, &parts.task_definition),
            variables,
        )
    }
}

impl Drop for Ensured<'_> {
    fn drop(&mut self) {
        self.space.call(RemoveValidation {});
    }
}
