//! The environment `local`, seen from outside: by its API, its load balancer, its containers.

use crate::common::{aws, instance};
use crate::common::{sh, try_sh};
use crate::live::{jobs, platform, root, run};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use xtask_aws_api::calls::Call;
use xtask_aws_api::calls::secrets::{ReadSecret, RemoveSecret, SetSecret};
use xtask_machine::gate;
use xtask_machine::ministack::ACCOUNT;

/// The orchestrator's secret, and its key that holds the address of the database.
pub(crate) const ORCHESTRATOR: &str = "orchestrator";
pub(crate) const DATABASE_URL: &str = "DATABASE_URL";

/// PostgreSQL of what is deployed here: container and volume.
pub(crate) fn database() -> String {
    let port = platform().local.cloud_port;
    format!("app-gen-database-{}", port.get_ref())
}

/// What the environment's local cloud answers, which must succeed.
pub(crate) fn call<R: Call>(request: R) -> R::Answer {
    let port = *platform().local.cloud_port.get_ref();
    let key = gate::key(&instance::context(&root())).unwrap();
    aws::call(&root(), (port, &key), request)
}

/// The value of a key of a secret, if it has one.
pub(crate) fn secret(name: &str, key: &str) -> Option<String> {
    let listed = run(&["secrets", "list", "--json"]).expect_success();
    let stored_as = &platform().secrets[name].name;
    let secrets = listed["secrets"].as_array().unwrap();
    let present = secrets
        .iter()
        .filter(|secret| secret["name"] == *stored_as)
        .flat_map(|secret| secret["keys"].as_array().unwrap())
        .any(|found| found["key"] == key && found["state"] == "set");
    present.then(|| {
        let request = ReadSecret {
            secret: name.to_owned(),
        };
        call(request).0[key].reveal().to_owned()
    })
}

/// Sets a key of a secret, or removes it.
pub(crate) fn set_secret(name: &str, key: &str, value: Option<&str>) {
    let (secret, key) = (name.to_owned(), key.to_owned());
    match value {
        Some(value) => {
            let value = value.into();
            call(SetSecret { secret, key, value });
        }
        None => {
            let key = Some(key);
            call(RemoveSecret { secret, key });
        }
    }
}

/// A key with another value, for as long as this is held; what was there before is put back.
pub(crate) struct Replaced {
    name: &'static str,
    key: &'static str,
    before: Option<String>,
}

impl Replaced {
    pub(crate) fn with(name: &'static str, key: &'static str, value: &str) -> Self {
        let before = secret(name, key);
        set_secret(name, key, Some(value));
        Self { name, key, before }
    }

    /// The address of the orchestrator's database with a password that the database never asks
    /// for.
    pub(crate) fn password_of_the_database(password: &str) -> Self {
        let before = secret(ORCHESTRATOR, DATABASE_URL).unwrap();
        let (user, rest) = before.split_once('@').unwrap();
        Self::with(
            ORCHESTRATOR,
            DATABASE_URL,
            &format!("{user}:{password}@{rest}"),
        )
    }
}

impl Drop for Replaced {
    fn drop(&mut self) {
        if self.before.is_some() || secret(self.name, self.key).is_some() {
            set_secret(self.name, self.key, self.before.as_deref());
        }
    }
}

/// Statuses of the stacks that exist.
pub(crate) fn stacks() -> Vec<Value> {
    let outputs = run(&["outputs", "--json"]).expect_success();
    let stacks = outputs["stacks"].as_array().unwrap().iter();
    stacks
        .map(|stack| stack["status"].clone())
        .filter(|status| !status.is_null())
        .collect()
}

/// All releases on record by their ids, the newest first.
pub(crate) fn releases() -> Vec<String> {
    let listed = run(&["releases", "--json"]).expect_success();
    let releases = listed["releases"].as_array().unwrap().iter();
    releases
        .map(|release| release["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Containers of the environment's tasks and its database, by name.
pub(crate) fn containers() -> String {
    let of = |filters: &[String]| {
        let filters = filters.iter().flat_map(|filter| ["--filter", filter]);
        sh!("docker ps --all --format '{{.Names}}' {filters...}")
    };
    let tasks = of(&task_labels(0).map(|label| format!("label={label}")));
    let database = of(&[format!("name=^/{}$", database())]);
    [tasks, database].join("\n").trim().to_owned()
}

/// What the containers of the environment's tasks carry, in the local cloud so many ports
/// further.
fn task_labels(further: u16) -> [String; 2] {
    let platform = platform();
    let cluster = format!(
        "arn:aws:ecs:{}:{ACCOUNT}:cluster/{}-cluster",
        platform.region, platform.project
    );
    let port = platform.local.cloud_port.get_ref() + further;
    [
        format!("com.amazonaws.ecs.cluster={cluster}"),
        format!("ministack.instance=app-gen:{port}"),
    ]
}

/// A container of the same environment in another local cloud of this machine; removed when
/// it is dropped.
pub(crate) struct Neighbour(String);

impl Neighbour {
    pub(crate) fn start() -> Self {
        let labels = task_labels(1);
        let labels = labels.iter().flat_map(|label| ["--label", label]);
        Self(sh!(
            "docker run --detach {labels...} debian:trixie-slim sleep 3600"
        ))
    }

    pub(crate) fn assert_runs(&self) {
        let container = &self.0;
        let state = sh!("docker inspect --format '{{.State.Status}}' {container}");
        assert_eq!(state, "running");
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let container = &self.0;
        let _ = try_sh!("docker rm --force {container}");
    }
}

/// The load balancer of a release, as programs reach it.
pub(crate) fn address(release: &Value) -> String {
    format!(
        "http://127.0.0.1:{}/_alb/{}",
        platform().local.cloud_port.get_ref(),
        release["service"]["load_balancer"].as_str().unwrap()
    )
}

/// The key that `/health` reports.
pub(crate) fn served_key(base: &str) -> String {
    let health = jobs::get(&format!("{base}/health"));
    health["image_key"].as_str().unwrap().to_owned()
}

/// Asks for `/health` again and again, as users would meanwhile.
pub(crate) struct Users {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Users {
    pub(crate) fn of(base: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, url) = (Arc::clone(&stop), format!("{base}/health"));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(1)))
            .proxy(None)
            .build()
            .into();
        let thread = std::thread::spawn(move || {
            let (mut good, mut longest) = (Instant::now(), Duration::ZERO);
            while !told.load(Ordering::Relaxed) {
                let answered = agent.get(&url).call().is_ok();
                longest = longest.max(good.elapsed());
                if answered {
                    good = Instant::now();
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            longest
        });
        Self { stop, thread }
    }

    /// The longest time that they were without a good answer.
    pub(crate) fn longest_wait(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
