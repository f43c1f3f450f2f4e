use super::*;
use crate::canned::Canned;
use serde_json::json;
use xtask_aws_api::ExitCode;
use xtask_aws_api::calls::tasks::TaskState;

fn ended(exit_code: Option<i32>) -> DescribedTask {
    DescribedTask {
        state: TaskState {
            arn: "arn:aws:ecs:us-east-1:000000000000:task/cluster/0123".to_owned(),
            task_definition: "app-generator:1".to_owned(),
            status: "STOPPED".to_owned(),
            exit_code,
            reason: Some("Essential container exited".to_owned()),
            stop_code: Some("EssentialContainerExited".to_owned()),
            ..TaskState::default()
        },
        ..DescribedTask::default()
    }
}

fn task(exit_code: Option<i32>) -> Task {
    let cloud = Cloud::canned(Canned::new([]).config());
    tasks::known(ended(exit_code), &cloud)
}

fn failure(exit_code: Option<i32>) -> DetailedFailure {
    let judged = judged(task(exit_code), None, "app-generator");
    let error = judged.expect_err("a failure");
    error.downcast().expect("one with details")
}

#[test]
fn a_failed_task_is_shown_with_its_error() {
    let failed = failure(Some(3));
    assert_eq!(failed.exit_code, ExitCode::Failed);
    assert_eq!(
        failed.value["error"],
        json!({
            "message": "task app-generator failed: exit code 3: Essential container exited",
            "causes": [], "hint": "its last log lines say why"
        })
    );
    assert_eq!(failed.value["task"]["exit_code"], json!(3));
    assert_eq!(failure(None).exit_code, ExitCode::Failed);
    let succeeded = judged(task(Some(0)), None, "x").expect("a success");
    assert_eq!(succeeded.error, None);
    assert_eq!(json!(succeeded).get("error"), None);
}

#[test]
fn only_a_lack_of_capacity_moves_a_spot_task_to_demand() {
    let spec = |spot| TaskSpec {
        cluster: "cluster".to_owned(),
        definition: "app-generator".to_owned(),
        container: "app-generator".to_owned(),
        environment: Vec::new(),
        network: Network::default(),
        command: Vec::new(),
        spot,
        started_by: STARTED_BY.to_owned(),
    };
    let refused = |message: &str| -> anyhow::Result<DescribedTask> {
        Err(CloudError::new(Kind::Service, message).into())
    };
    let stopped = |exit_code, code: &str, reason: &str| -> anyhow::Result<DescribedTask> {
        let mut stopped = ended(exit_code);
        stopped.state.stop_code = Some(code.to_owned());
        stopped.state.reason = Some(reason.to_owned());
        Ok(stopped)
    };
    let full = "ecs RunTask app-generator: Capacity is unavailable at this time";
    let taken = "Your Spot Task was interrupted.";
    for (again, spot, ended) in [
        (true, true, refused(full)),
        (
            true,
            true,
            stopped(
                None,
                "TaskFailedToStart",
                "Capacity is unavailable at this time.",
            ),
        ),
        (true, true, stopped(None, "SpotInterruption", taken)),
        (false, true, stopped(Some(143), "SpotInterruption", taken)),
        (
            false,
            true,
            stopped(
                None,
                "TaskFailedToStart",
                "CannotPullContainerError: not found",
            ),
        ),
        (
            false,
            true,
            refused("ecs RunTask app-generator: AccessDeniedException: no"),
        ),
        (false, false, refused(full)),
    ] {
        let why = no_spot_capacity(&spec(spot), &ended);
        assert_eq!(why.is_some(), again, "{ended:?}");
    }
}
