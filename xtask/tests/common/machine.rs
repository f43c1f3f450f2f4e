//! A checkout with a registry and a local cloud in a state folder and on ports of their own.
//! What is installed is that of the machine.

use super::{Checkout, Ran};
use app_gen_infra::Instance;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use xtask_core::paths;
use xtask_machine::daemon::Record;
use xtask_machine::{api_tester, cdk, ministack};

/// A checkout whose services are nobody else's.
pub(crate) struct Machine {
    pub(crate) checkout: Checkout,
    state: tempfile::TempDir,
    pub(crate) registry_port: u16,
    pub(crate) cloud_port: u16,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let [registry_port, cloud_port] = free_ports();
        let checkout = Checkout::with_registry_port(registry_port);
        checkout.set_cloud_port(cloud_port);
        for name in ["Dockerfile", "entrypoint.sh"] {
            let file = Path::new("ci/postgres").join(name);
            let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&file);
            checkout.write(file.to_str().unwrap(), &fs::read_to_string(real).unwrap());
        }
        // A CDK app, and tests in a browser, that ask for no packages: nothing to download, and one folder for both.
        for folder in [cdk::FOLDER, app_gen_infra::BROWSER_FOLDER] {
            for (name, text) in [
                ("package.json", "{\"name\":\"empty\"}"),
                (
                    "package-lock.json",
                    "{\"name\":\"empty\",\"lockfileVersion\":3,\"packages\":{\"\":{\"name\":\"empty\"}}}",
                ),
            ] {
                checkout.write(&format!("{folder}/{name}"), text);
            }
        }
        checkout.write(&format!("{}/requirements.txt", cdk::FOLDER), "");
        checkout.write(api_tester::REQUIREMENTS, "");
        let state = tempfile::tempdir().unwrap();
        let installed = paths::state().unwrap();
        for part in [
            "registry/root".to_owned(),
            format!("cloud/venv-{}-cbor", ministack::VERSION),
        ] {
            let place = state.path().join("app-gen").join(&part);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            symlink(installed.join(&part), place).unwrap();
        }
        Self {
            checkout,
            state,
            registry_port,
            cloud_port,
        }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
        let mut all = vec![
            ("XDG_STATE_HOME", self.state.path().to_str().unwrap()),
            ("CI", ""),
        ];
        all.extend_from_slice(env);
        self.checkout.run_with(arguments, &all)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        self.run(&arguments).expect_success().json()
    }

    pub(crate) fn cloud_state(&self) -> String {
        self.json(&["cloud", "status"])["state"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A path in the state folder of its instance.
    pub(crate) fn state(&self, path: &str) -> PathBuf {
        paths::of_instance(self.shared_state(), Instance::Test).join(path)
    }

    /// The state folder that all instances share, and the developer's.
    pub(crate) fn shared_state(&self) -> PathBuf {
        self.state.path().join("app-gen")
    }

    /// The key of its local cloud.
    pub(crate) fn key(&self) -> String {
        fs::read_to_string(self.state(&format!("gate/key-{}", self.cloud_port))).unwrap()
    }

    pub(crate) fn record(&self, service: &str) -> PathBuf {
        self.state(&format!("run/{service}.json"))
    }

    pub(crate) fn kill(&self, service: &str) {
        let record = Record::read(&self.record(service)).unwrap();
        record.kill();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.run(&["cloud", "down"]);
        for service in ["registry", "gate-registry"] {
            let record = self.record(&format!("{service}-{}", self.registry_port));
            if let Some(record) = Record::read(&record) {
                record.kill();
            }
        }
    }
}

pub(crate) fn free_ports() -> [u16; 2] {
    // Held together, so that they differ.
    let sockets = [0, 0].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

pub(crate) fn answers(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
