//! `doctor` on faults of the deployed platform, made by revisions of its service that cannot work.

use crate::common::doctor::{findings, rules};
use crate::common::{instance, sh};
use crate::images::Workshop;
use crate::live::{self, alone, copy, platform, run};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use xtask_docker::reference::Parts;

const DOCTOR: [&str; 2] = ["doctor", "--json"];
const DEPLOY: [&str; 3] = ["deploy", "--yes", "--json"];
const SERVICE: &str = "orchestrator";
/// From a fault to its name: three starts of a task that ends at once, and the local cloud's
/// look at it.
const NAMED: Duration = Duration::from_secs(120);

#[test]
fn each_fault_of_what_is_deployed_is_named() {
    let _alone = alone();
    let deployed = run(&DEPLOY).expect_success();
    let service = Deployed::of(&deployed["release"]);
    assert_well("after a deploy");

    scaled_to_zero(&service);
    database_down();
    never_deployed();
    health_path_wrong();
    secrets(&service);
    images(&service, &Workshop::new(&deployed["release"]));
    crash_loop(&service);

    service.restore();
    wait_until_well();
}

fn assert_well(when: &str) {
    let ran = run(&DOCTOR);
    let found = findings(ran.code, &ran.json());
    assert!(found.is_empty(), "{when}: {found:#?}");
    let took = ran.took.as_secs_f64();
    println!("doctor where all is well: {took:.1} s");
}

fn wait_until_well() {
    let deadline = Instant::now() + NAMED;
    loop {
        let ran = run(&DOCTOR);
        if ran.code == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{ran:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Waits until the fault is found as the one cause, and returns it.
fn named(what: &str, rule: &str) -> Value {
    let since = Instant::now();
    loop {
        let ran = run(&DOCTOR);
        let found = findings(ran.code, &ran.json());
        if let [finding] = &found[..]
            && finding["rule"] == rule
        {
            println!("{what}: named after {:.1} s", since.elapsed().as_secs_f64());
            assert_eq!(finding["severity"], "broken", "{finding:#}");
            return finding.clone();
        }
        assert!(since.elapsed() < NAMED, "{what}: {found:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn scaled_to_zero(service: &Deployed) {
    service.update(json!({"desiredCount": 0}));
    let finding = named("scaled to zero", "scaled-to-zero");
    assert_eq!(finding["next"], "cargo xtask scale orchestrator");
    service.update(json!({"desiredCount": 1}));
    wait_until_well();
}

fn database_down() {
    let container = format!("app-gen-database-{}", platform().local.cloud_port.get_ref());
    sh!("docker stop --time 1 {container}");
    let finding = named("database down", "database-down");
    let next = format!("docker start {container}");
    assert_eq!(finding["next"], next.as_str());
    sh!("docker start {container}");
    wait_until_well();
}

fn never_deployed() {
    let project = format!("project = \"{}\"", platform().project);
    let checkout = copy::with_manifest(&project, "project = \"never-deployed\"");
    let found = doctor_in(checkout.path());
    assert_eq!(rules(&found), ["not-deployed"], "{found:#?}");
    assert_eq!(found[0]["next"], "cargo xtask deploy");
}

fn health_path_wrong() {
    let checkout =
        copy::with_manifest("health_path = \"/health\"", "health_path = \"/api/nobody\"");
    let found = doctor_in(checkout.path());
    assert_eq!(rules(&found), ["health-path"], "{found:#?}");
    assert!(found[0]["next"].as_str().unwrap().contains("health_path"));
}

fn secrets(service: &Deployed) {
    let stored = "app-gen-saas/orchestrator:DATABASE_URL";
    for (rule, other) in [
        ("secret-key", "app-gen-saas/orchestrator:NOBODY_SET_THIS"),
        (
            "secret-missing",
            "app-gen-saas/nobody-made-this:DATABASE_URL",
        ),
    ] {
        service.run(|container| {
            let from = &mut container["secrets"][0]["valueFrom"];
            *from = from.as_str().unwrap().replace(stored, other).into();
        });
        let finding = named(rule, rule);
        let evidence = finding["evidence"].to_string();
        assert!(evidence.contains(other), "{finding:#}");
        assert!(
            evidence.contains("consequence: orchestrator:"),
            "{finding:#}"
        );
    }
}

fn images(service: &Deployed, workshop: &Workshop) {
    let image = |container: &mut Value, reference: &str| container["image"] = reference.into();
    service.run(|container| {
        let repository = Parts::of(container["image"].as_str().unwrap()).name;
        let gone = format!("{repository}@sha256:{}", "0".repeat(64));
        image(container, &gone);
    });
    let finding = named("an image that is gone", "image-missing");
    assert!(finding["evidence"].to_string().contains("sha256:0000"));

    let foreign = workshop.make_foreign();
    service.run(|container| image(container, foreign.reference()));
    let finding = named("an image for another platform", "wrong-platform");
    let says = finding["says"].as_str().unwrap();
    assert!(says.contains("linux/arm64"), "{finding:#}");

    let killed = workshop.make(
        "4111ed",
        r#"ENTRYPOINT ["/bin/sh", "-c", "sh -c 'kill -9 $$'; exit $?"]"#,
    );
    service.run(|container| image(container, killed.reference()));
    let finding = named("exit code 137", "killed");
    assert!(finding["evidence"].to_string().contains("exit code 137"));

    let mute = workshop.make("51de", r#"ENTRYPOINT ["/bin/sleep", "infinity"]"#);
    service.run(|container| image(container, mute.reference()));
    named("a task that never answers", "not-answering");
}

fn crash_loop(service: &Deployed) {
    service.run(|container| {
        let variables = container["environment"].as_array_mut().unwrap();
        variables.retain(|variable| variable["name"] != "AUTH_MODE");
        variables.push(json!({"name": "AUTH_MODE", "value": "no-such-mode"}));
    });
    let finding = named("a crash loop", "crash-loop");
    // Its own last words are the reason.
    assert!(
        finding["evidence"].to_string().contains("no-such-mode"),
        "{finding:#}"
    );
    let next = finding["next"].as_str().unwrap();
    let task = next.strip_prefix("cargo xtask logs ").unwrap();

    let about = |what: &str| {
        let ran = run(&["doctor", what, "--json"]);
        findings(ran.code, &ran.json())
    };
    assert_eq!(rules(&about(SERVICE)), ["crash-loop"]);
    assert_eq!(rules(&about("generator")), [] as [&str; 0]);
    assert_eq!(rules(&about(&task[..8])), ["exit-2"]);
    let error = run(&["doctor", "nobody", "--json"]).expect_error(2);
    assert!(error["hint"].as_str().unwrap().contains(task), "{error}");
}

fn doctor_in(checkout: &Path) -> Vec<Value> {
    let ran = live::Started::at(checkout, &DOCTOR, &[]).ends_within(live::RUN);
    findings(ran.code, &ran.json())
}

/// The service that is deployed; it runs what it ran before when this is dropped.
struct Deployed {
    cluster: String,
    name: String,
    definition: String,
}

impl Deployed {
    fn of(release: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            cluster: text(&release["service"]["cluster"]),
            name: text(&release["service"]["name"]),
            definition: text(&release["task_definition"]),
        }
    }

    /// Lets it run its definition with the container changed, and stay with that.
    fn run(&self, change: impl FnOnce(&mut Value)) {
        let shown = ecs(
            "DescribeTaskDefinition",
            &json!({"taskDefinition": self.definition}),
        );
        let mut definition = json!({});
        for field in [
            "family",
            "taskRoleArn",
            "executionRoleArn",
            "networkMode",
            "containerDefinitions",
            "requiresCompatibilities",
            "cpu",
            "memory",
        ] {
            definition[field] = shown["taskDefinition"][field].clone();
        }
        change(&mut definition["containerDefinitions"][0]);
        let made = ecs("RegisterTaskDefinition", &definition);
        let arn = &made["taskDefinition"]["taskDefinitionArn"];
        self.define(arn.as_str().unwrap(), false);
    }

    fn define(&self, definition: &str, rollback: bool) {
        self.update(json!({
            "taskDefinition": definition,
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": true, "rollback": rollback},
            },
        }));
    }

    fn update(&self, mut change: Value) {
        change["cluster"] = self.cluster.as_str().into();
        change["service"] = self.name.as_str().into();
        ecs("UpdateService", &change);
    }

    fn restore(&self) {
        self.define(&self.definition, true);
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        self.update(json!({"desiredCount": 1}));
        self.restore();
    }
}

/// A call of ECS that no command of ours makes.
fn ecs(action: &str, body: &Value) -> Value {
    let url = format!(
        "http://127.0.0.1:{}/",
        platform().local.cloud_port.get_ref()
    );
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .proxy(None)
        .build()
        .into();
    let (name, access_key) = instance::access_key();
    let mut answer = agent
        .post(&url)
        .header(name, access_key)
        .header(
            "x-amz-target",
            format!("AmazonEC2ContainerServiceV20141113.{action}"),
        )
        .header("content-type", "application/x-amz-json-1.1")
        .send(body.to_string())
        .unwrap();
    answer.body_mut().read_json().unwrap()
}
