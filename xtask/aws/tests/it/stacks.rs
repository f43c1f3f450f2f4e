//! Stacks that are looked at, repaired, cancelled and compared with their templates.

use crate::support::Space;
use crate::support::sdk::Sdk;
use aws_sdk_cloudformation::types::OnFailure;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use xtask_aws_api::calls::stacks::{CancelStack, DetectDrift, RepairStacks, ShowStacks};

/// A stack that is removed with its test.
struct Stack<'a> {
    space: &'a Space,
    sdk: Sdk,
    name: String,
}

impl<'a> Stack<'a> {
    fn new(space: &'a Space, name: &str) -> Self {
        Self {
            space,
            sdk: Sdk::new(),
            name: format!("{}-{name}", space.name),
        }
    }

    fn create(&self, resources: &Value) {
        self.sdk
            .run(
                self.sdk
                    .cloudformation()
                    .create_stack()
                    .stack_name(&self.name)
                    .template_body(template(resources))
                    .on_failure(OnFailure::Rollback)
                    .send(),
            )
            .expect("accepted");
    }

    fn update(&self, resources: &Value) {
        self.sdk
            .run(
                self.sdk
                    .cloudformation()
                    .update_stack()
                    .stack_name(&self.name)
                    .template_body(template(resources))
                    .send(),
            )
            .expect("accepted");
    }

    fn shown(&self) -> Value {
        self.space.ok(show(&[&self.name]))["stacks"][0].clone()
    }

    fn wait_for(&self, status: &str) {
        let begin = Instant::now();
        while self.shown()["status"] != json!(status) {
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "not {status}: {}",
                self.shown()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn topic(&self) -> Value {
        json!({ "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "TopicName": self.name } } })
    }

    /// The topic, and something that nobody will ever answer.
    fn stuck(&self) -> Value {
        let mut resources = self.topic();
        resources["Handle"] = json!({ "Type": "AWS::CloudFormation::WaitConditionHandle" });
        resources["Wait"] = json!({
            "Type": "AWS::CloudFormation::WaitCondition",
            "DependsOn": "Topic",
            "Properties": { "Handle": { "Ref": "Handle" }, "Timeout": "3" }
        });
        resources
    }
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        let _ = self.sdk.run(
            self.sdk
                .cloudformation()
                .delete_stack()
                .stack_name(&self.name)
                .send(),
        );
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn show(stacks: &[&str]) -> ShowStacks {
    ShowStacks {
        names: names(stacks),
    }
}

fn repair(stacks: &[&str]) -> RepairStacks {
    RepairStacks {
        names: names(stacks),
    }
}

fn cancel(name: &str) -> CancelStack {
    CancelStack {
        name: name.to_owned(),
    }
}

fn template(resources: &Value) -> String {
    json!({
        "Resources": resources,
        "Outputs": { "Name": { "Value": { "Ref": "AWS::StackName" } } }
    })
    .to_string()
}

#[test]
fn stacks_are_shown_in_order_and_one_that_is_missing_has_no_status() {
    let space = Space::new("stackshow");
    let stack = Stack::new(&space, "a");
    stack.create(&stack.topic());
    stack.wait_for("CREATE_COMPLETE");
    let answer = space.ok(show(&["missing", &stack.name]));
    assert_eq!(
        answer["stacks"][0],
        json!({ "name": "missing", "status": null, "reason": null, "updated_at": null, "outputs": {} })
    );
    let shown = &answer["stacks"][1];
    assert_eq!(shown["name"], json!(stack.name));
    assert_eq!(shown["outputs"], json!({ "Name": stack.name }));
    assert!(shown["updated_at"].is_string(), "{shown}");
    // Nothing to repair, and nothing to cancel.
    assert_eq!(
        space.ok(repair(&["missing", &stack.name])),
        json!({ "repaired": [] })
    );
    assert_eq!(
        space.ok(cancel(&stack.name)),
        json!({ "name": stack.name, "status": "CREATE_COMPLETE", "cancelled": false })
    );
    assert_eq!(
        space.ok(cancel("missing")),
        json!({ "name": "missing", "status": null, "cancelled": false })
    );
}

#[test]
fn a_stack_that_never_worked_is_removed() {
    let space = Space::new("stackrepair");
    let stack = Stack::new(&space, "a");
    stack.create(&stack.stuck());
    stack.wait_for("CREATE_IN_PROGRESS");
    // Waits for the end first, which is a failure, and then removes the stack.
    let answer = space.call(repair(&[&stack.name]));
    assert_eq!(answer.exit_code, Some(0), "{}", answer.stdout);
    assert_eq!(
        answer.json,
        json!({ "repaired": [
            { "name": stack.name, "from": "CREATE_IN_PROGRESS", "to": "DELETE_COMPLETE" }
        ] })
    );
    assert!(
        answer
            .stderr
            .contains(&format!("{}: Wait CREATE_FAILED", stack.name)),
        "{}",
        answer.stderr
    );
    assert_eq!(stack.shown()["status"], json!(null));
}

#[test]
fn what_is_being_created_or_updated_is_taken_back() {
    let space = Space::new("stackcancel");
    let stack = Stack::new(&space, "a");
    stack.create(&stack.stuck());
    stack.wait_for("CREATE_IN_PROGRESS");
    assert_eq!(
        space.ok(cancel(&stack.name)),
        json!({ "name": stack.name, "status": "DELETE_COMPLETE", "cancelled": true })
    );

    stack.create(&stack.topic());
    stack.wait_for("CREATE_COMPLETE");
    stack.update(&stack.stuck());
    stack.wait_for("UPDATE_IN_PROGRESS");
    assert_eq!(
        space.ok(cancel(&stack.name)),
        json!({ "name": stack.name, "status": "UPDATE_ROLLBACK_COMPLETE", "cancelled": true })
    );
}

#[test]
fn drift_names_what_was_changed_by_hand() {
    let space = Space::new("stackdrift");
    let stack = Stack::new(&space, "a");
    stack.create(&json!({ "Logs": {
        "Type": "AWS::Logs::LogGroup",
        "Properties": { "LogGroupName": format!("/{}", space.name), "RetentionInDays": 7 }
    } }));
    stack.wait_for("CREATE_COMPLETE");
    let detect = DetectDrift {
        names: names(&[&stack.name, "missing"]),
    };
    let drift = || space.ok(detect.clone())["stacks"].clone();
    assert_eq!(
        drift()[0],
        json!({ "name": stack.name, "status": "IN_SYNC", "reason": null, "resources": [] })
    );
    assert_eq!(drift()[1]["status"], json!("UNKNOWN"));
    assert!(
        drift()[1]["reason"]
            .as_str()
            .expect("a reason")
            .contains("does not exist"),
        "{}",
        drift()
    );
    stack
        .sdk
        .run(
            stack
                .sdk
                .logs()
                .put_retention_policy()
                .log_group_name(format!("/{}", space.name))
                .retention_in_days(30)
                .send(),
        )
        .expect("changed");
    assert_eq!(
        drift()[0],
        json!({ "name": stack.name, "status": "DRIFTED", "reason": null, "resources": [
            { "logical_id": "Logs", "type": "AWS::Logs::LogGroup", "status": "MODIFIED" }
        ] })
    );
}
