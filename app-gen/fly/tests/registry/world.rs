//! A project with its application, and everything that it is delivered to.

use crate::fly::{App, Fault, Machine, ORGANIZATION, TOKEN};
use crate::server::{Moment, Server};
use app_gen_fly::{
    Delivered, Destroyed, Endpoints, Error, Patience, Source, Step, Target, Token, deliver, destroy,
};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// An application that needs no packages, as the generator would hand it over.
const SERVER: &str = "
const fs = require('fs'), http = require('http')
const { PORT, HOST } = process.env
http.createServer((request, response) => {
  response.end(request.url === '/version.json' ? fs.readFileSync('dist/version.json') : 'a page')
}).listen(Number(PORT), HOST)
";

#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper of xtask is not for these tests; every wait here is bounded"
)]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = command("docker").args(arguments).output().unwrap();
    text(&output, &format!("docker {arguments:?}"))
}

fn text(output: &Output, what: &str) -> String {
    assert!(output.status.success(), "{what}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The generator's image by its digest, which has Node: built now, unless the variable names one.
static BASE: LazyLock<String> = LazyLock::new(|| {
    if let Ok(image) = env::var("APP_GEN_GENERATOR_IMAGE") {
        if image.contains('@') {
            return image;
        }
        let format = "{{index .RepoDigests 0}}";
        return docker(&["image", "inspect", "--format", format, &image]);
    }
    let mut build = command("cargo");
    let build = build.args(["xtask", "build", "generator", "--json"]);
    let output = build
        .env("APP_GEN_LOCAL_INSTANCE", "test")
        .output()
        .unwrap();
    let built: Value = serde_json::from_str(&text(&output, "cargo xtask build")).unwrap();
    built["images"][0]["reference"].as_str().unwrap().to_owned()
});

/// Obviously none of a repository, and of the length of one.
pub(crate) fn commit(number: u32) -> String {
    format!("{number:040x}")
}

pub(crate) struct World {
    pub(crate) server: Arc<Server>,
    pub(crate) target: Target,
    pub(crate) source: Source,
    pub(crate) token: Token,
    pub(crate) endpoints: Endpoints,
    /// What was reported.
    pub(crate) steps: Mutex<Vec<Step>>,
    /// `host:port` of the real registry.
    pub(crate) registry: String,
    _folder: TempDir,
}

impl World {
    /// A project that nobody has delivered yet. Without a repository of its own, it shares the images of others.
    pub(crate) async fn new(is_alone: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let (registry, base) = BASE.split_once('/').unwrap();
        let server = Server::start(registry).await;
        let folder = tempfile::tempdir().unwrap();
        let manifest = r#"{"name":"trial","private":true,"scripts":{"start":"node server.js"}}"#;
        fs::write(folder.path().join("package.json"), manifest).unwrap();
        fs::write(folder.path().join("server.js"), SERVER).unwrap();
        let repository = match is_alone {
            true => format!("app-gen-fly-{process}-{{app}}"),
            false => format!("app-gen-fly-{process}"),
        };
        let endpoints = Endpoints {
            machines: format!("http://{}", server.host),
            registry: server.host.clone(),
            repository,
            public_url: format!("http://{}/site/{{app}}", server.host),
            base_image: format!("{}/{base}", server.host),
            extra_certificates: String::new(),
            patience: Patience {
                request: Duration::from_secs(20),
                health: Duration::from_secs(1),
                url: Duration::from_secs(1),
                pause: Duration::from_millis(10),
                limit: Duration::from_secs(2),
                lease: Duration::from_secs(1),
            },
        };
        Self {
            target: Target {
                organization: ORGANIZATION.to_owned(),
                app: None,
                region: Some("fra".to_owned()),
                memory_mib: 512,
            },
            source: Source {
                folder: folder.path().to_owned(),
                version_file: "dist/version.json".to_owned(),
                commit: commit(1),
                project_id: format!("project-{process}-{number}"),
                version: 1,
            },
            token: Token::new(format!(" {TOKEN}\n")),
            endpoints,
            steps: Mutex::default(),
            registry: registry.to_owned(),
            server,
            _folder: folder,
        }
    }

    /// Goes on to the next version.
    pub(crate) fn change(&mut self) {
        self.source.version += 1;
        self.source.commit = commit(self.source.version);
    }

    pub(crate) async fn deliver(&self) -> Result<Delivered, Error> {
        let note = |step: &Step| self.steps.lock().unwrap().push(step.clone());
        let (target, source) = (&self.target, &self.source);
        deliver(target, source, &self.token, &self.endpoints, &note).await
    }

    pub(crate) async fn destroy(&self) -> Result<Destroyed, Error> {
        let note = |step: &Step| self.steps.lock().unwrap().push(step.clone());
        let project = &self.source.project_id;
        destroy(&self.target, project, &self.token, &self.endpoints, &note).await
    }

    /// Delivers, and is ended at a request. Whether it came to that.
    pub(crate) async fn deliver_and_end(&self, at: usize, moment: Moment) -> bool {
        self.server.hold(Some((at, moment)));
        let is_ended = tokio::select! {
            delivered = self.deliver() => {
                delivered.unwrap();
                false
            }
            () = self.server.held.notified() => true,
        };
        self.server.hold(None);
        is_ended
    }

    pub(crate) fn app(&self) -> String {
        app_gen_fly::app_name(&self.target, &self.source.project_id)
    }

    pub(crate) fn fail(&self, on: &'static str, status: u16, body: Value) {
        self.fail_after(on, status, body, None, usize::MAX);
    }

    pub(crate) fn fail_after(
        &self,
        on: &'static str,
        status: u16,
        body: Value,
        retry_after: Option<&'static str>,
        times: usize,
    ) {
        let fault = Fault {
            on,
            times,
            status,
            retry_after,
            body,
        };
        self.server.fly.lock().unwrap().faults.push(fault);
    }

    /// An application of somebody else, of our organization or of another.
    pub(crate) fn occupy(&self, organization: &str, machine: Option<Machine>) {
        let machines = machine.map(|machine| ("e28650dce9d986".to_owned(), machine));
        let app = App {
            organization: organization.to_owned(),
            machines: machines.into_iter().collect(),
            ..App::default()
        };
        let mut fly = self.server.fly.lock().unwrap();
        fly.apps.insert(self.app(), app);
    }

    /// Holds what is so after every delivery that worked: one app with its addresses, one machine that runs
    /// the commit and is released, and nothing that the documentation does not know.
    pub(crate) async fn assert_delivered(&self, delivered: &Delivered) {
        let source = &self.source;
        let image = {
            let fly = self.server.fly.lock().unwrap();
            assert_eq!(fly.violations, Vec::<String>::new());
            let apps: Vec<_> = fly.apps.iter().collect();
            let [(name, app)] = &apps[..] else {
                panic!("{:?}", fly.apps.keys());
            };
            assert_eq!((*name, &delivered.app), (&self.app(), &self.app()));
            assert_eq!(app.addresses.len(), 2, "{:?}", app.addresses);
            let machines: Vec<_> = app.machines.iter().collect();
            let [(id, machine)] = &machines[..] else {
                panic!("{:?}", app.machines.keys());
            };
            assert_eq!(**id, delivered.machine);
            assert_eq!(machine.commit(), source.commit);
            assert_eq!(machine.note("app_gen_project"), source.project_id);
            assert_eq!(machine.note("app_gen_released"), machine.image());
            assert_eq!(machine.region, "fra");
            machine.image()
        };
        assert!(image.ends_with(&format!("@{}", delivered.image_digest)));
        let labels = self.server.labels(&image).await;
        let expected = json!({
            "org.opencontainers.image.revision": source.commit,
            "org.opencontainers.image.version": source.version.to_string(),
        });
        assert_eq!(labels, expected);
        assert_eq!(delivered.commit, source.commit);
        let url = format!("http://{}/site/{}", self.server.host, self.app());
        assert_eq!(delivered.url, url);
    }

    /// The commit that the only machine runs.
    pub(crate) fn running(&self) -> String {
        let fly = self.server.fly.lock().unwrap();
        let app = &fly.apps[&self.app()];
        let commits: Vec<_> = app.machines.values().map(Machine::commit).collect();
        commits.join(" and ")
    }
}
