//! A small checkout of its own, driven by the built `xtask` against the real
//! engine and registry.

#![allow(dead_code, reason = "each test target uses a part of it")]

pub(crate) mod aws;
mod behind_gate;
pub(crate) mod command_lines;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod gateway;
pub(crate) mod instance;
pub(crate) mod machine;
pub(crate) mod numbers;
pub(crate) mod processes;
pub(crate) mod registry;

use serde_json::Value;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A workspace of three crates: `server` (image `orchestrator`), `tool` (image
/// `generator`) and `shared`, which only `tool` depends on.
pub(crate) struct Checkout {
    folder: tempfile::TempDir,
    /// Makes the repositories of this checkout its own.
    name: String,
    registry_port: u16,
}

/// What a run of `xtask` left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    /// As people read it, also of a run with `--json`.
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON object on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    pub(crate) fn expect_success(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

impl Checkout {
    pub(crate) fn new() -> Self {
        instance::start();
        Self::without_services()
    }

    /// One whose registry and local cloud need not run.
    pub(crate) fn without_services() -> Self {
        Self::with_registry_port(*instance::local().registry_port.get_ref())
    }

    pub(crate) fn with_registry_port(registry_port: u16) -> Self {
        let checkout = Self {
            folder: tempfile::tempdir().unwrap(),
            name: format!(
                "xtask-test-{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Ordering::SeqCst)
            ),
            registry_port,
        };
        checkout.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"server\", \"tool\", \"shared\"]\n\
             [profile.release]\nstrip = true\n",
        );
        for (name, dependencies, main) in [
            ("server", "", "fn main() { println!(\"server one\"); }\n"),
            (
                "tool",
                "shared = { path = \"../shared\" }\n",
                "fn main() { println!(\"{}\", shared::text()); }\n",
            ),
        ] {
            checkout.write(
                &format!("{name}/Cargo.toml"),
                &format!(
                    "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
                     [dependencies]\n{dependencies}"
                ),
            );
            checkout.write(&format!("{name}/src/main.rs"), main);
            checkout.write(&format!("{name}/notes.txt"), "a file of the context\n");
            checkout.write(&format!("{name}/.dockerignore"), "*\n!notes.txt\n");
            checkout.write(
                &format!("{name}/Dockerfile"),
                &format!(
                    "FROM debian:trixie-slim\nCOPY bin/{name} /usr/local/bin/{name}\n\
                     COPY notes.txt /notes.txt\nENTRYPOINT [\"/usr/local/bin/{name}\"]\n\
                     ARG IMAGE_KEY\nENV IMAGE_KEY=${{IMAGE_KEY}}\n"
                ),
            );
        }
        checkout.write(
            "shared/Cargo.toml",
            "[package]\nname = \"shared\"\nversion = \"1.0.0\"\nedition = \"2024\"\n",
        );
        checkout.write(
            "shared/src/lib.rs",
            "pub fn text() -> &'static str { \"tool one\" }\n",
        );
        checkout.write("README.md", "not an input\n");
        checkout.write("app-gen-infra/platform.toml", &checkout.manifest());
        let manifest = checkout.path("Cargo.toml");
        sh!("cargo generate-lockfile --offline --manifest-path {manifest}");
        checkout
    }

    /// The manifest that the checkout starts with.
    pub(crate) fn manifest(&self) -> String {
        let (name, local) = (&self.name, instance::local());
        let image = |image: &str, package: &str| {
            format!(
                "[images.{image}]\nrepository = \"{name}-{image}\"\ncontext = \"{package}\"\n\
                 dockerfile = \"{package}/Dockerfile\"\n\
                 rust = {{ package = \"{package}\", binary = \"{package}\", to = \"bin/{package}\" }}\n\n"
            )
        };
        let consumer = |image: &str, secret: &str| {
            format!(
                "image = \"{image}\"\nfamily = \"{name}-{image}\"\ncontainer = \"{image}\"\n\
                 log_group = \"/test/{name}-{image}\"\nrole = \"{name}-{image}\"\nsecret = \"{secret}\"\n\
                 size = {{ local = {{ cpu_units = 256, memory_mib = 512 }} }}\n"
            )
        };
        format!(
            "project = \"{name}\"\nowner = \"test\"\nregion = \"us-east-1\"\nplatform = \"linux/amd64\"\n\
             base_image = \"debian:trixie-slim\"\nbase_libc = \"2.41\"\n\n{}{}\
             [services.orchestrator]\n{}port = 5013\nhealth_path = \"/health\"\n\
             environment = {{ GENERATOR_PROVIDER = \"template\" }}\n\n\
             [tasks.generator]\n{}\n\
             [tasks.preview]\nimage = \"generator\"\nfamily = \"{name}-preview\"\n\
             container = \"preview\"\nlog_group = \"/test/{name}-preview\"\n\
             size = {{ local = {{ cpu_units = 256, memory_mib = 512 }} }}\n\n\
             [previews]\ntime_to_live_secs = 600\nmax_previews = 2\ncontrol_port = 5080\nport = 5081\n\n\
             [secrets.orchestrator]\nname = \"{name}/orchestrator\"\nkeys = {{}}\n\n\
             [secrets.generator]\nname = \"{name}/generator\"\n\
             keys = {{ CLAUDE_CODE_OAUTH_TOKEN = {{ when = {{ GENERATOR_PROVIDER = \"claude\" }} }} }}\n\n\
             [local]\nregistry_port = 1\ncloud_port = 2\napi_port = 3\nweb_port = 4\n\
             validate_port = 5\ndatabase_port = 6\ncompose_project = \"{name}-nobody\"\n\n\
             [local_test]\nregistry_port = {}\ncloud_port = {}\napi_port = {}\nweb_port = {}\n\
             validate_port = {}\ndatabase_port = {}\ncompose_project = \"{name}\"\n\n\
             [environments.local]\nlog_retention_days = 7\nvpc_cidr = \"10.10.0.0/16\"\n",
            image("orchestrator", "server"),
            image("generator", "tool"),
            consumer("orchestrator", "orchestrator"),
            consumer("generator", "generator"),
            self.registry_port,
            local.cloud_port.get_ref(),
            local.api_port.get_ref(),
            local.web_port.get_ref(),
            local.validate_port.get_ref(),
            local.database_port.get_ref(),
        )
    }

    /// Moves the local cloud that it knows to another port.
    pub(crate) fn set_cloud_port(&self, port: u16) {
        let key = |port: u16| format!("cloud_port = {port}");
        self.replace(
            app_gen_infra::MANIFEST_PATH,
            &key(*instance::local().cloud_port.get_ref()),
            &key(port),
        );
    }

    /// The repository of one of its images.
    pub(crate) fn repository(&self, image: &str) -> String {
        format!("{}-{image}", self.name)
    }

    /// The registry of its environment `local`.
    pub(crate) fn registry(&self) -> String {
        format!("localhost:{}", self.registry_port)
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// Gives image `orchestrator` a layer of 8 MiB that no registry has and that cannot be packed
    /// smaller, so that a push of it takes a while.
    pub(crate) fn write_large_layer(&self) {
        let mut noise = vec![0; 8 * 1024 * 1024];
        fs::File::open("/dev/urandom")
            .unwrap()
            .read_exact(&mut noise)
            .unwrap();
        fs::write(self.path("server/notes.txt"), noise).unwrap();
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn replace(&self, relative: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(relative)).unwrap();
        assert!(text.contains(from), "{relative} has no {from}");
        self.write(relative, &text.replace(from, to));
    }

    /// Makes the compile of `server` wait: it writes `compiling` and goes on once
    /// there is a file `go`, neither of which is an input.
    pub(crate) fn hold_compile(&self) {
        self.write(
            "server/build.rs",
            "fn main() {\n\
             std::fs::write(\"../compiling\", \"\").unwrap();\n\
             for _ in 0..12_000 {\n\
             if std::fs::exists(\"../go\").unwrap() { return; }\n\
             std::thread::sleep(std::time::Duration::from_millis(10));\n\
             }\n\
             panic!(\"never let go\");\n\
             }\n",
        );
    }

    /// Waits until the compile is held.
    pub(crate) fn compiling(&self) {
        processes::wait_for("the compile", || {
            self.path("compiling").exists().then_some(())
        });
    }

    /// Lets the held compile go on, and all later ones.
    pub(crate) fn release_compile(&self) {
        self.write("go", "");
    }

    /// Runs `xtask` with these arguments and no terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
        let output = self
            .command(arguments)
            .envs(env.iter().copied())
            .output()
            .unwrap();
        ran(&output)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_under(&[], arguments)
    }

    /// The same, started by another command that is given ours as its last arguments.
    pub(crate) fn command_under(&self, starter: &[&str], arguments: &[&str]) -> Command {
        let line = [starter, &[env!("CARGO_BIN_EXE_xtask")], arguments].concat();
        let mut command = Command::new(line[0]);
        command
            .args(&line[1..])
            .current_dir(self.root())
            // The test's own cargo and workflow must not decide what this one sees and says.
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("GITHUB_ACTIONS")
            // It would answer questions with yes.
            .env_remove("CI")
            .envs([instance::VARIABLE])
            .stdin(Stdio::null());
        command
    }

    /// Builds and returns each image's outcome by name.
    pub(crate) fn build(&self) -> Value {
        let result = self.run(&["build", "--json"]).expect_success().json();
        let images = result["images"].as_array().unwrap();
        images
            .iter()
            .map(|image| (image["image"].as_str().unwrap().to_owned(), image.clone()))
            .collect::<serde_json::Map<String, Value>>()
            .into()
    }

    /// `state` of `orchestrator` and `generator` after a build.
    pub(crate) fn build_states(&self) -> [String; 2] {
        let built = self.build();
        ["orchestrator", "generator"].map(|name| built[name]["state"].as_str().unwrap().to_owned())
    }

    /// What the image prints when it runs.
    pub(crate) fn run_image(&self, reference: &str) -> String {
        sh!("docker run --rm --pull=missing {reference}")
            .trim()
            .to_owned()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        for image in ["orchestrator", "generator"] {
            let repository = self.repository(image);
            for registry in [self.registry(), instance::cloud_registry().to_owned()] {
                remove_images(&format!("{registry}/{repository}"));
            }
            // Also where the checkout went through a proxy.
            registry::remove_tags(instance::registry(), &repository);
        }
    }
}

/// Runs a command line. Its output without the last line end, or an error if it fails.
macro_rules! try_sh {
    ($line:literal) => {{
        let shell = xshell::Shell::new().unwrap();
        xshell::cmd!(shell, $line).read()
    }};
}
pub(crate) use try_sh;

/// Runs a command line, which must succeed. Its output without the last line end.
macro_rules! sh {
    ($line:literal) => {
        $crate::common::try_sh!($line).unwrap()
    };
}
pub(crate) use sh;

/// Removes the engine's images of a repository: by name, because others may have the same content,
/// and by force, because a container that ended may still name one. Without an engine there are none.
pub(crate) fn remove_images(repository: &str) {
    let names =
        try_sh!("docker image ls --digests --format '{{.Repository}}@{{.Digest}}' {repository}");
    for name in names.iter().flat_map(|names| names.lines()) {
        sh!("docker image rm --force {name}");
    }
}

pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: events::readable(&String::from_utf8_lossy(&output.stderr)),
    }
}
