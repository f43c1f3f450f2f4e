//! The registry and the local cloud in a state folder and on ports of their own:
//! started, killed, repaired, stopped. What is installed is that of the machine.

use crate::common::instance;
use crate::common::machine::{Machine, answers};
use crate::common::sh;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use xtask_machine::ministack;
use xtask_machine::ministack::task_containers;

#[test]
fn setup_starts_what_is_stopped_and_then_changes_nothing() {
    let machine = Machine::new();
    let refused = machine.run(&["setup", "--json"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    let error = &refused.json()["error"];
    assert_eq!(error["hint"], "cargo xtask setup --yes");
    assert!(!answers(machine.registry_port));

    let done = machine.json(&["setup", "--yes"]);
    let parts: Vec<&str> = done["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["part"].as_str().unwrap())
        .collect();
    assert_eq!(
        parts,
        ["registry", "local cloud", "npm packages", "linters"],
        "{done}"
    );
    assert!(answers(machine.registry_port) && answers(machine.cloud_port));

    let again = machine.json(&["setup"]);
    assert_eq!(again["unchanged"], true, "{again}");

    machine.kill(&format!("registry-{}", machine.registry_port));
    let repaired = machine.json(&["setup", "--yes"]);
    assert_eq!(
        repaired["changes"].as_array().unwrap().len(),
        1,
        "{repaired}"
    );
    assert_eq!(repaired["changes"][0]["part"], "registry");
    assert!(answers(machine.registry_port));
}

#[test]
fn the_cloud_is_repaired_after_any_of_it_was_killed() {
    let machine = Machine::new();
    assert_eq!(machine.cloud_state(), "stopped");
    assert_eq!(machine.json(&["cloud", "up"])["state"], "running");

    machine.kill(&format!("cloud-{}", machine.cloud_port));
    assert_eq!(machine.cloud_state(), "stopped");
    assert_eq!(machine.json(&["cloud", "up"])["state"], "running");

    machine.kill(&format!("gate-{}", machine.cloud_port));
    let status = machine.json(&["cloud", "status"]);
    assert_eq!(status["state"], "broken");
    assert!(status["detail"].as_str().unwrap().contains("gate"));
    assert_eq!(machine.json(&["cloud", "up"])["state"], "running");

    // Their records lost: still known as ours.
    for service in ["cloud", "gate"] {
        fs::remove_file(machine.record(&format!("{service}-{}", machine.cloud_port))).unwrap();
    }
    assert_eq!(machine.cloud_state(), "running");

    assert_eq!(machine.json(&["cloud", "reset"])["reset"], true);
    let stopped = machine.json(&["cloud", "down"]);
    assert_eq!(stopped["stopped"].as_array().unwrap().len(), 2, "{stopped}");
    assert!(!answers(machine.cloud_port));
    assert_eq!(
        machine.json(&["cloud", "down"])["stopped"],
        serde_json::json!([])
    );
}

#[test]
fn down_removes_the_containers_of_its_own_tasks_only() {
    let machine = Machine::new();
    let start = |instance: String| {
        let label = format!("--label=ministack.instance={instance}");
        sh!("docker run --detach {label} debian:trixie-slim sleep 600")
    };
    let ours = start(format!("app-gen:{}", machine.cloud_port));
    let other = start(format!("elsewhere:{}", machine.cloud_port));
    machine.run(&["cloud", "down"]).expect_success();
    let left = sh!("docker ps --all --quiet --no-trunc");
    sh!("docker rm --force {other}");
    assert!(!left.contains(&ours), "{left}");
    assert!(left.contains(&other), "{left}");
}

#[test]
fn containers_of_another_cloud_with_the_same_names_are_not_ours() {
    let machine = Machine::new();
    let context = instance::context(machine.checkout.root());
    let arn = |what: &str| format!("arn:aws:ecs:us-east-1:{}:{what}", ministack::ACCOUNT);
    let task = arn(&format!("task/{}/1", machine.cloud_port));
    let cluster = machine.cloud_port.to_string();
    let cluster_arn = arn(&format!("cluster/{cluster}"));
    let start = |port: u16| {
        let port = port.to_string();
        sh!(
            "docker run --detach --label=ministack.instance=app-gen:{port}
             --label=com.amazonaws.ecs.task-arn={task} --label=com.amazonaws.ecs.cluster={cluster_arn}
             debian:trixie-slim sleep 600"
        )
    };
    let others = start(machine.registry_port);
    let before = task_containers::of_task(&context, &task);
    let ours = start(machine.cloud_port);
    let found = task_containers::of_task(&context, &task);
    let removed = task_containers::remove_of_cluster(&context, &cluster);
    let left = sh!("docker ps --all --quiet --no-trunc");
    sh!("docker rm --force {others}");
    assert_eq!(before.unwrap(), None);
    assert!(ours.starts_with(&found.unwrap().unwrap()));
    assert_eq!(removed.unwrap().len(), 1);
    assert!(left.contains(&others) && !left.contains(&ours), "{left}");
}

#[test]
fn a_taken_port_is_named_with_its_holder_and_its_key() {
    let machine = Machine::new();
    let _cloud = TcpListener::bind((Ipv4Addr::LOCALHOST, machine.cloud_port)).unwrap();
    let _registry = TcpListener::bind((Ipv4Addr::LOCALHOST, machine.registry_port)).unwrap();
    for (command, port, key) in [
        (
            &["cloud", "up"][..],
            machine.cloud_port,
            "local_test.cloud_port",
        ),
        (
            &["setup", "--yes"],
            machine.registry_port,
            "local_test.registry_port",
        ),
        (
            &["build"],
            machine.registry_port,
            "local_test.registry_port",
        ),
    ] {
        let refused = machine.run(&[command, &["--json"]].concat());
        assert_eq!(refused.code, 8, "{refused:?}");
        let error = refused.json()["error"].clone();
        let text = error.to_string();
        assert!(text.contains(&format!("port {port} ")), "{text}");
        assert!(
            text.contains(&format!("process {}", std::process::id())),
            "{text}"
        );
        assert!(error["hint"].as_str().unwrap().contains(key), "{text}");
    }
    let table = machine.run(&["preflight", "--json"]);
    assert_eq!(table.code, 3);
    let parts = table.json();
    let row = parts["parts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["part"] == "registry")
        .unwrap();
    assert_eq!(row["ok"], false);
    assert!(
        row["fix"]
            .as_str()
            .unwrap()
            .contains("local_test.registry_port"),
        "{row}"
    );
}

#[test]
fn without_an_engine_the_hint_is_setup() {
    let machine = Machine::new();
    let nowhere = [("DOCKER_HOST", "unix:///nonexistent/docker.sock")];
    let refused = machine.run_with(&["cloud", "up", "--json"], &nowhere);
    assert_eq!(refused.code, 8, "{refused:?}");
    assert_eq!(refused.json()["error"]["hint"], "cargo xtask setup");
    assert!(!answers(machine.cloud_port));

    let table = machine.run_with(&["preflight"], &nowhere);
    assert_eq!(table.code, 3, "{table:?}");
    assert!(
        table
            .stdout
            .contains("no engine listens on /nonexistent/docker.sock")
    );
    assert!(
        table.stderr.contains("hint: cargo xtask setup"),
        "{table:?}"
    );
}
