use super::*;
use crate::canned::Canned;

fn state(exit_code: Option<i32>) -> TaskState {
    TaskState {
        arn: "arn:aws:ecs:us-east-1:000000000000:task/cluster/0123".to_owned(),
        task_definition: "app-generator:1".to_owned(),
        status: "STOPPED".to_owned(),
        exit_code,
        reason: Some("Essential container exited".to_owned()),
        stop_code: Some("EssentialContainerExited".to_owned()),
        container_reason: None,
        container: None,
        image: None,
        image_digest: None,
        address: None,
        capacity: None,
        started_by: None,
        created_at: None,
        started_at: None,
        stopped_at: None,
        group: None,
        job: None,
        runtime_id: None,
    }
}

fn task(exit_code: Option<i32>) -> Task {
    Task::new(state(exit_code), &Cloud::canned(Canned::new([]).config()))
}

#[test]
fn a_failed_task_is_shown_with_its_error() {
    let failed = outcome(&task(Some(3)), &json!(null), "app-generator");
    assert_eq!(failed.exit_code, 1);
    assert_eq!(
        failed.value["error"],
        json!({
            "message": "task app-generator failed: exit code 3: Essential container exited",
            "causes": [], "hint": "its last log lines say why"
        })
    );
    assert_eq!(failed.value["task"]["exit_code"], json!(3));
    assert_eq!(outcome(&task(None), &json!(null), "x").exit_code, 1);
    let succeeded = outcome(&task(Some(0)), &json!(null), "x");
    assert_eq!(succeeded.exit_code, 0);
    assert_eq!(succeeded.value.get("error"), None);
}

#[test]
fn variables_keep_their_equal_signs_and_errors_do_not_quote_them() {
    assert_eq!(
        parse_variable("A=b=c"),
        Ok(("A".to_owned(), "b=c".to_owned()))
    );
    for wrong in ["secret", "=secret"] {
        let error = parse_variable(wrong).expect_err(wrong);
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn only_a_lack_of_room_sends_a_spot_task_to_demand() {
    let spec = |spot| TaskSpec {
        cluster: "cluster".to_owned(),
        definition: "app-generator".to_owned(),
        container: "app-generator".to_owned(),
        environment: Vec::new(),
        network: Network::default(),
        spot,
        started_by: STARTED_BY.to_owned(),
    };
    let refused = |message: &str| -> anyhow::Result<TaskState> {
        Err(CloudError::new(Kind::Service, message).into())
    };
    let stopped = |exit_code, code: &str, reason: &str| -> anyhow::Result<TaskState> {
        Ok(TaskState {
            stop_code: Some(code.to_owned()),
            reason: Some(reason.to_owned()),
            ..state(exit_code)
        })
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
