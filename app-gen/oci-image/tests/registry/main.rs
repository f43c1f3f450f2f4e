//! The real registry and the real engine: an image that was assembled without an engine is run by one, and
//! answers. The base is the generator's image, which has Node.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use app_gen_oci_image::{Access, Credentials, Image, Layer, Limits, Pushed, Repository, push};
use serde_json::Value;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No wait of these tests may take longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// An application that needs no packages, as the generator would hand it over.
const SERVER: &str = "
const fs = require('fs'), http = require('http')
const { PORT, HOST, NODE_ENV } = process.env
const server = http.createServer((request, response) => {
  if (request.url === '/version.json') return response.end(fs.readFileSync('dist/version.json'))
  fs.writeFileSync('data.txt', 'an application may write beside its code')
  response.end(JSON.stringify({ user: process.getuid(), mode: NODE_ENV, in: process.cwd() }))
})
server.listen(Number(PORT), HOST)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
";

#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for these tests; every wait here is bounded"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn docker(arguments: &[&str]) -> Output {
    let output = command("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The generator's image by its digest: built now, unless the variable names one.
static BASE: LazyLock<String> = LazyLock::new(|| {
    if let Ok(image) = env::var("APP_GEN_GENERATOR_IMAGE") {
        if image.contains('@') {
            return image;
        }
        let format = "{{index .RepoDigests 0}}";
        return text(&docker(&["image", "inspect", "--format", format, &image]));
    }
    let mut build = command("cargo");
    let output = build
        .args(["xtask", "build", "generator", "--json"])
        .env("APP_GEN_LOCAL_INSTANCE", "test")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let built: Value = serde_json::from_slice(&output.stdout).unwrap();
    built["images"][0]["reference"].as_str().unwrap().to_owned()
});

fn application(version: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = r#"{"name":"trial","private":true,"scripts":{"start":"node server.js"}}"#;
    fs::write(folder.path().join("package.json"), manifest).unwrap();
    fs::write(folder.path().join("server.js"), SERVER).unwrap();
    fs::create_dir(folder.path().join("dist")).unwrap();
    fs::write(folder.path().join("dist/version.json"), version).unwrap();
    folder
}

/// Pushes an application beside the base.
async fn push_it(folder: &Path, name: &str) -> Pushed {
    let mut image = Image::of_node(BASE.parse().unwrap(), folder.to_owned(), 8080);
    image = image.with_revision("c0ffee");
    if let Some(health) = &mut image.health {
        health.interval_secs = 1;
    }
    let limits = Limits::default();
    let layer = Layer::pack(&image, &limits).unwrap();
    let registry = &image.base.repository.registry;
    let to: Repository = format!("{registry}/{name}").parse().unwrap();
    let access = Access {
        base: Credentials::Anonymous,
        target: Credentials::Anonymous,
        extra_certificates: String::new(),
    };
    push(&image, &layer, &to, "trial", &access, &limits, &|_, _| {})
        .await
        .unwrap()
}

/// A container that is removed in any case.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        // The test says what failed; this may fail after it.
        let _ = command("docker").args(["rm", "--force", &self.0]).output();
    }
}

impl Container {
    fn start(image: &str) -> Self {
        let label = ["--label", "app-gen-test"];
        let run = ["run", "--detach", "--publish", "127.0.0.1:0:8080"];
        Self(text(&docker(&[&run[..], &label[..], &[image]].concat())))
    }

    fn inspect(&self, format: &str) -> String {
        text(&docker(&["inspect", "--format", format, &self.0]))
    }

    /// What it answers, as soon as it does.
    async fn ask(&self, path: &str) -> String {
        let port = text(&docker(&["port", &self.0, "8080/tcp"]));
        let host = port.lines().next().unwrap().to_owned();
        let client = app_gen_oci_image::http_client("", &host).unwrap();
        let began = Instant::now();
        loop {
            let request = client.get(format!("http://{host}{path}"));
            let answer = request.timeout(Duration::from_secs(5)).send().await;
            match answer {
                Ok(answer) => return answer.text().await.unwrap(),
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error}: {}", self.logs()),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn logs(&self) -> String {
        format!("{:?}", docker(&["logs", &self.0]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_assembled_without_an_engine_runs_in_one() {
    let name = format!("app-gen-oci-image-{}", std::process::id());
    let folder = application(r#"{"commit":"c0ffee"}"#);
    let pushed = push_it(folder.path(), &name).await;
    // All of the base is in this registry.
    assert!(pushed.mounted_bytes > 10_000_000, "{pushed:?}");
    assert!(pushed.sent_bytes < 100_000, "{pushed:?}");
    let again = push_it(folder.path(), &name).await;
    assert_eq!(
        (again.sent_bytes, again.mounted_bytes, &again.digest),
        (0, 0, &pushed.digest)
    );

    let container = Container::start(&pushed.reference);
    assert_eq!(
        container.ask("/version.json").await,
        r#"{"commit":"c0ffee"}"#
    );
    assert_eq!(
        container.ask("/").await,
        r#"{"user":10001,"mode":"production","in":"/app"}"#
    );
    let label = r#"{{index .Config.Labels "org.opencontainers.image.revision"}}"#;
    assert_eq!(container.inspect(label), "c0ffee");
    let began = Instant::now();
    while container.inspect("{{.State.Health.Status}}") != "healthy" {
        assert!(began.elapsed() < PATIENCE, "{}", container.logs());
        thread::sleep(Duration::from_millis(200));
    }
    // It ends when it is asked to, and is not killed after a while.
    docker(&["stop", "-t", "60", &container.0]);
    assert_ne!(container.inspect("{{.State.ExitCode}}"), "137");
}
