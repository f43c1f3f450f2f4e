//! Both instances of a machine at once: nothing that is done to that of the tests ends or changes
//! what a developer runs.

use crate::common::machine::{Machine, free_ports};
use crate::common::{self, instance};
use crate::common::{sh, try_sh};
use app_gen_infra::{Instance, Platform};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use xtask_core::{marked, paths};
use xtask_machine::aws::BINARY_VARIABLE;
use xtask_machine::daemon::Record;

const DEVELOPERS: [(&str, &str); 1] = [(Instance::VARIABLE, "")];

/// What a developer runs on a machine: registry, local cloud, and what a deploy, a validate and
/// a dev leave running, as the commands know it again.
struct Developer<'a> {
    machine: &'a Machine,
    containers: Vec<String>,
    processes: Vec<Child>,
    before: Vec<String>,
}

impl<'a> Developer<'a> {
    fn at_work(machine: &'a Machine) -> Self {
        let [registry_port, cloud_port] = free_ports();
        for (nobodys, key, port) in [
            ("registry_port = 1\n", "registry_port", registry_port),
            ("cloud_port = 2\n", "cloud_port", cloud_port),
        ] {
            let line = format!("{key} = {port}\n");
            let checkout = &machine.checkout;
            checkout.replace(app_gen_infra::MANIFEST_PATH, nobodys, &line);
        }
        let mut developer = Self {
            machine,
            containers: Vec::new(),
            processes: Vec::new(),
            before: Vec::new(),
        };
        developer.json(&["setup", "--yes"]);

        let database = format!("app-gen-database-{cloud_port}");
        developer.run(&[
            &format!("--name={database}"),
            &format!("--volume={database}:/data"),
        ]);
        let manifest = machine.checkout.root();
        let developers = Platform::load_for(manifest, Instance::Developer).unwrap();
        let project = developers.local.compose_project;
        developer.run(&[&format!("--label=com.docker.compose.project={project}")]);
        developer.run(&[&format!("--label=ministack.instance=app-gen:{cloud_port}")]);

        let work = paths::cache_folder(machine.checkout.root());
        developer.hold(&work.join("dev.lock"));
        developer.hold(&machine.shared_state().join("locks/validate"));
        let mut marked = Command::new("sleep");
        marked
            .arg("600")
            .env(marked::VARIABLE, marked::value(&work));
        developer.processes.push(marked.spawn().unwrap());
        developer.before = developer.state();
        developer
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let ran = self.machine.run_with(&arguments, &DEVELOPERS);
        ran.expect_success().json()
    }

    fn run(&mut self, options: &[&str]) {
        self.containers.push(sh!(
            "docker run --detach {options...} debian:trixie-slim sleep 600"
        ));
    }

    /// A process that holds a lock as our commands do, and would be ended by it.
    fn hold(&mut self, lock: &Path) {
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        let script = "exec 9>>\"$0\"; flock 9; echo process $$ >\"$0\"; exec sleep infinity";
        let holder = Command::new("sh").args(["-c", script]).arg(lock).spawn();
        self.processes.push(holder.unwrap());
        common::processes::wait_for("the lock", || {
            Some(()).filter(|()| fs::read_to_string(lock).is_ok_and(|text| !text.is_empty()))
        });
    }

    /// The records of its daemons.
    fn records(&self) -> Vec<PathBuf> {
        let listing = fs::read_dir(self.machine.shared_state().join("run"));
        let listing = listing.into_iter().flatten().flatten();
        let mut records: Vec<PathBuf> = listing.map(|item| item.path()).collect();
        records.sort();
        records
    }

    /// All of it that can be told apart from what would have been started in its place.
    fn state(&self) -> Vec<String> {
        let cloud = self.json(&["cloud", "status"]);
        let records = self.records().into_iter();
        let texts = records.map(|path| fs::read_to_string(path).unwrap());
        let containers = self.containers.iter().map(|container| {
            let format = "{{.State.StartedAt}} {{.State.Status}} {{.Mounts}}";
            sh!("docker inspect --format {format} {container}")
        });
        let processes = self.processes.iter().map(|process| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
            stat.rsplit(')').next().unwrap()[..2].to_owned()
        });
        let state = cloud["state"].to_string();
        texts
            .chain(containers)
            .chain(processes)
            .chain([state])
            .collect()
    }

    fn assert_undisturbed(&self, after: &str) {
        assert_eq!(self.state(), self.before, "{after}");
    }
}

impl Drop for Developer<'_> {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        // The database goes with it, container and volume.
        self.machine.run_with(&["cloud", "down"], &DEVELOPERS);
        for container in &self.containers {
            let _ = try_sh!("docker rm --force {container}");
        }
        for record in self.records() {
            if let Some(record) = Record::read(&record) {
                record.kill();
            }
        }
    }
}

#[test]
fn what_is_done_to_the_instance_of_the_tests_leaves_the_developers_alone() {
    // First: it may compile for minutes.
    let env = [(BINARY_VARIABLE, instance::xtask_aws())];
    let machine = Machine::new();
    let developer = Developer::at_work(&machine);
    for line in [
        &["setup", "--yes"][..],
        &["cloud", "reset"],
        &["cleanup"],
        &["prune", "--keep", "1"],
        &["cloud", "down"],
        &["cleanup", "--all"],
    ] {
        let arguments = [line, &["--json"]].concat();
        machine.run_with(&arguments, &env).expect_success();
        developer.assert_undisturbed(&line.join(" "));
    }
}
