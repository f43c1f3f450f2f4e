//! What is deployed, seen and handled without a console.

use crate::support::run_task;
use crate::support::services::TestService;
use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use aws_sdk_ecs::types::LoadBalancer;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetTypeEnum};
use serde_json::{Value, json};
use xtask_aws_api::calls::services::{RestartService, ScaleService, SettleService};
use xtask_aws_api::calls::status::GetStatus;
use xtask_aws_api::calls::tasks::{
    ListTasks, OpenSession, RunTask, StopTask, TaskToRun, WhichTasks,
};

/// An alarm of the platform, in the state of alarm; removed when it is dropped.
struct TestAlarm<'a> {
    service: &'a TestService,
    name: String,
}

impl<'a> TestAlarm<'a> {
    fn new(service: &'a TestService) -> Self {
        let name = format!("{}-memory", service.name());
        let client = service.sdk.cloudwatch();
        service.sdk.run(async {
            client
                .put_metric_alarm()
                .alarm_name(&name)
                .namespace("test")
                .metric_name("memory")
                .statistic(Statistic::Average)
                .period(60)
                .evaluation_periods(1)
                .threshold(85.0)
                .comparison_operator(ComparisonOperator::GreaterThanThreshold)
                .send()
                .await
                .expect("an alarm");
            client
                .set_alarm_state()
                .alarm_name(&name)
                .state_value(StateValue::Alarm)
                .state_reason("91 is greater than 85")
                .send()
                .await
                .expect("its state");
        });
        Self { service, name }
    }
}

impl Drop for TestAlarm<'_> {
    fn drop(&mut self) {
        let client = self.service.sdk.cloudwatch();
        let request = client.delete_alarms().alarm_names(&self.name);
        let _ = self.service.sdk.run(request.send());
    }
}

/// Puts the service behind a target group of its own; returns the group's ARN.
fn balance(service: &TestService) -> String {
    let client = service.sdk.load_balancing();
    let request = client
        .create_target_group()
        .name(service.name())
        .protocol(ProtocolEnum::Http)
        .port(8080)
        .target_type(TargetTypeEnum::Ip)
        .vpc_id("vpc-test");
    let made = service.sdk.run(request.send()).expect("a target group");
    let arn = made.target_groups()[0].target_group_arn().expect("an ARN");
    service.balance(
        LoadBalancer::builder()
            .target_group_arn(arn)
            .container_name("main")
            .container_port(8080)
            .build(),
    );
    arn.to_owned()
}

fn listed(log_lines: Option<u32>) -> ListTasks {
    ListTasks {
        which: WhichTasks::Deployed,
        log_lines,
    }
}

fn stop(task: &str) -> StopTask {
    StopTask {
        task: task.to_owned(),
        reason: "a test wants it so".to_owned(),
    }
}

fn restart(service: &str) -> RestartService {
    RestartService {
        service: service.to_owned(),
    }
}

fn scale(to: u32) -> ScaleService {
    ScaleService {
        service: "orchestrator".to_owned(),
        to,
    }
}

fn settle(to: u32) -> SettleService {
    SettleService {
        service: "orchestrator".to_owned(),
        to,
        deployment: None,
        timeout_secs: 600,
    }
}

#[test]
fn status_shows_what_runs_and_what_does_not() {
    let mut service = TestService::deployed("status");
    let nothing = service.space.ok(GetStatus {});
    assert_eq!(nothing["services"][0]["service"], json!("orchestrator"));
    assert_eq!(nothing["services"][0]["exists"], json!(false));
    assert_eq!(
        json!([nothing["tasks"], nothing["alarms"], nothing["partial"]]),
        json!([[], [], []])
    );

    let image = service.push_probe();
    let definition = service.define(&image, &[], None);
    service.create(&definition);
    let group = balance(&service);
    service.wait_for("running", |now| now["running"] == json!(1));
    let alarm = TestAlarm::new(&service);
    let status = service.space.ok(GetStatus {});
    let told = &status["services"][0];
    assert_eq!(
        json!([
            told["exists"],
            told["running"],
            told["desired"],
            told["task_definition"],
            told["image"],
            status["partial"],
        ]),
        json!([true, 1, 1, definition, image, []])
    );
    assert!(told["created_at"].is_string(), "{told}");
    assert!(told["events"].is_array(), "{told}");
    let tasks = status["tasks"].as_array().expect("tasks");
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(
        json!([tasks[0]["service"], tasks[0]["status"], tasks[0]["meaning"]]),
        json!(["orchestrator", "RUNNING", null])
    );
    assert_eq!(
        told["targets"],
        json!([{
            "address": tasks[0]["address"], "port": 8080, "health": "healthy",
            "reason": null, "description": null,
        }])
    );
    let alarms = status["alarms"].as_array().expect("alarms");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(
        json!([alarms[0]["name"], alarms[0]["state"], alarms[0]["reason"]]),
        json!([alarm.name, "ALARM", "91 is greater than 85"])
    );
    assert!(alarms[0]["since"].is_string(), "{alarms:?}");

    // A part that does not answer leaves the others as they are.
    let client = service.sdk.load_balancing();
    let request = client.delete_target_group().target_group_arn(group);
    service.sdk.run(request.send()).expect("deleted");
    let status = service.space.ok(GetStatus {});
    assert_eq!(status["services"][0]["running"], json!(1));
    let partial = status["partial"].as_array().expect("partial");
    assert_eq!(partial.len(), 1, "{partial:?}");
    assert_eq!(partial[0]["what"], json!("targets of service orchestrator"));
    let error = partial[0]["error"].as_str().expect("an error");
    assert!(error.contains("TargetGroupNotFound"), "{error}");
}

#[test]
fn a_task_is_stopped_by_the_beginning_of_its_id() {
    let mut service = TestService::deployed("stop");
    let image = service.push_probe();
    let definition = service.define(&image, &[], None);
    service.create(&definition);
    service.wait_for("running", |now| now["running"] == json!(1));
    let tasks = service.space.ok(listed(None));
    let id = tasks["tasks"][0]["task"].as_str().expect("an id");

    let unknown = service.space.call(stop("nothing-like-it"));
    assert_eq!(unknown.exit_code, Some(8), "{}", unknown.stdout);
    assert_eq!(
        unknown.json["error"]["hint"],
        json!(format!("choose one of: {id}"))
    );
    let session = service.space.ok(OpenSession {
        task: id.to_owned(),
        command: "/bin/sh".to_owned(),
    });
    let target = session["target"].as_str().expect("a target");
    let begin = format!("ecs:{}-cluster_{id}_", service.name());
    assert!(
        target.len() > begin.len() && target.starts_with(&begin),
        "{target}"
    );
    for part in ["session_id", "stream_url", "token", "region"] {
        assert!(session[part].is_string(), "{part}");
    }

    let stopped = service.space.ok(stop(&id[..8]));
    assert_eq!(stopped["was"], json!("RUNNING"));
    let again = service.space.ok(stop(id));
    assert_eq!(
        json!([again["arn"], again["was"]]),
        json!([stopped["arn"], "STOPPED"])
    );
    let tasks = service.space.ok(listed(Some(3)));
    let told: Vec<&Value> = tasks["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter(|task| task["task"] == json!(id))
        .collect();
    assert_eq!(told.len(), 1, "{tasks}");
    assert_eq!(
        json!([told[0]["reason"], told[0]["meaning"]]),
        json!(["a test wants it so", null])
    );
}

#[test]
fn a_service_is_restarted_and_scaled_to_its_end() {
    let mut service = TestService::deployed("scale");
    let image = service.push_probe();
    let definition = service.define(&image, &[], None);
    service.create(&definition);
    service.wait_for("running", |now| now["running"] == json!(1));
    let running = || -> Vec<String> {
        let tasks = service.space.ok(listed(None));
        let tasks = tasks["tasks"].as_array().expect("tasks").clone();
        tasks
            .iter()
            .filter(|task| task["status"] == json!("RUNNING"))
            .map(|task| task["task"].as_str().expect("an id").to_owned())
            .collect()
    };
    let before = running();

    let restarted = service.space.ok(restart("orchestrator"));
    let deployment = restarted["deployment_id"].as_str().expect("an id");
    let settled = service.space.call(SettleService {
        deployment: Some(deployment.to_owned()),
        ..settle(1)
    });
    assert_eq!(settled.exit_code, Some(0), "{}", settled.stdout);
    assert_eq!(settled.json["running"], json!(1));
    assert!(settled.stderr.contains(" RUNNING"), "{}", settled.stderr);
    let after = running();
    assert_eq!(after.len(), 1, "{after:?}");
    assert_ne!(before, after, "the task is another one");

    for (was, to) in [(1, 2), (2, 0), (0, 1)] {
        let scaled = service.space.ok(scale(to));
        assert_eq!(scaled["was"], json!(was));
        let settled = service.space.ok(settle(to));
        assert_eq!(settled["running"], json!(to));
        assert_eq!(settled["desired"], json!(to));
        assert_eq!(json!(running().len()), json!(to));
    }

    let unknown = service.space.call(restart("nobody"));
    assert_eq!(unknown.exit_code, Some(2), "{}", unknown.stdout);
    assert_eq!(
        unknown.json["error"]["hint"],
        json!("choose one of: orchestrator")
    );
}

#[test]
fn a_service_that_cannot_come_back_is_given_up() {
    let mut service = TestService::deployed("comeback");
    let image = service.push_probe();
    let definition = service.define(&image, &[("EXIT", "3")], None);
    service.create(&definition);
    let settled = service.space.call(settle(1));
    let message = settled.json["error"]["message"]
        .as_str()
        .expect("a message");
    assert!(
        message.ends_with("the container exited with code 3"),
        "{message}"
    );
    assert_eq!(settled.exit_code, Some(10));

    service.space.ok(scale(0));
    let late = service.space.call(SettleService {
        timeout_secs: 2,
        ..settle(2)
    });
    assert_eq!(late.json["state"], json!("timeout"), "{}", late.stdout);
}

#[test]
fn a_kind_of_task_runs_as_the_orchestrator_runs_it() {
    let mut service = TestService::deployed("kind");
    let generator = || TaskToRun::Kind("generator".to_owned());
    let nothing = service.space.call(run_task(generator(), &[]));
    assert_eq!(
        json!([nothing.exit_code, nothing.json["error"]["hint"]]),
        json!([8, "cargo xtask deploy --env local"])
    );

    let image = service.push_probe();
    let defined = service.define(&image, &[("WORD", "generated")], None);
    let environment = [
        ("GENERATOR_TASK_DEFINITION", defined.as_str()),
        ("GENERATOR_CONTAINER", "main"),
        ("GENERATOR_SUBNETS", "subnet-1,subnet-2"),
    ];
    let orchestrator = service.define(&image, &environment, None);
    service.create(&orchestrator);
    let ran = service.space.ok(RunTask {
        spot: true,
        ..run_task(generator(), &[("EXIT", "0"), ("REQUEST_ID", "one")])
    });
    let task = &ran["task"];
    assert_eq!(
        json!([
            task["kind"],
            task["job"],
            task["capacity"],
            task["exit_code"]
        ]),
        json!(["generator", "one", "FARGATE_SPOT", 0])
    );
    let definition = task["task_definition"].as_str().expect("a definition");
    assert!(defined.ends_with(definition), "{task}");
    assert_eq!(
        ran["log"]["lines"][0]["message"],
        json!("this is generated")
    );

    let nobody = TaskToRun::Kind("nobody".to_owned());
    let unknown = service.space.call(run_task(nobody, &[]));
    assert_eq!(unknown.exit_code, Some(2), "{}", unknown.stdout);
}
