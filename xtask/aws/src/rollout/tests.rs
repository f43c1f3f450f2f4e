use super::*;

const OLD: &str = "arn:aws:ecs:us-east-1:000000000000:task-definition/app:1";
const NEW: &str = "arn:aws:ecs:us-east-1:000000000000:task-definition/app:2";
const OTHER: &str = "arn:aws:ecs:us-east-1:000000000000:task-definition/app:3";

fn deployment(id: &str, status: &str, definition: &str, rollout: Option<&str>) -> Deployment {
    Deployment {
        id: format!("ecs-svc/{id}"),
        status: status.to_owned(),
        task_definition: definition.to_owned(),
        rollout_state: rollout.map(str::to_owned),
        rollout_reason: None,
        desired: 1,
        running: 0,
        failed_tasks: 0,
        created_at: at_second(100),
    }
}

fn service(deployments: Vec<Deployment>) -> Service {
    Service {
        desired: 1,
        running: 1,
        deployments,
        ..Service::default()
    }
}

fn before() -> Service {
    service(vec![deployment("old", "PRIMARY", OLD, Some("COMPLETED"))])
}

fn rolling(rollout: Option<&str>) -> Service {
    service(vec![
        deployment("new", "PRIMARY", NEW, rollout),
        deployment("old", "ACTIVE", OLD, Some("COMPLETED")),
    ])
}

fn task(status: &str, started_by: &str, created_secs: i128) -> TaskState {
    TaskState {
        arn: format!("arn:aws:ecs:us-east-1:000000000000:task/cluster/{created_secs}"),
        task_definition: "app:2".to_owned(),
        status: status.to_owned(),
        started_by: Some(started_by.to_owned()),
        created_at: at_second(created_secs),
        ..TaskState::default()
    }
}

fn at_second(seconds: i128) -> Option<Timestamp> {
    Timestamp::from_unix_nanos(seconds * 1_000_000_000)
}

fn stopped(exit_code: Option<i32>, code: &str, reason: &str) -> Stopped {
    let mut task = task("STOPPED", "ecs-svc/new", 101);
    task.exit_code = exit_code;
    task.stop_code = Some(code.to_owned());
    task.reason = Some(reason.to_owned());
    Stopped::new(&task, Vec::new(), "dev")
}

/// A roll-out that has seen what was before, and then `now`.
fn at(now: &Service) -> Rollout {
    let mut rollout = Rollout::new("app", "dev", Some(OLD));
    rollout.see_service(Some(&before()));
    assert_eq!(rollout.ours(), None, "the old deployment is not ours");
    rollout.see_service(Some(now));
    rollout
}

fn state(verdict: &Verdict) -> DeploymentState {
    match verdict {
        Verdict::Failed(failure) => failure.state,
        other => panic!("{other:?} is not a failure"),
    }
}

#[test]
fn it_is_complete_when_its_tasks_have_run_for_a_while() {
    for (rollout_state, settle) in [(Some("COMPLETED"), SETTLE), (None, SETTLE_UNTOLD)] {
        let now = rolling(rollout_state);
        let mut rollout = at(&now);
        let begin = Instant::now();
        let ours = [task("RUNNING", "ecs-svc/new", 101)];
        assert_eq!(rollout.judge(Some(&now), &[], begin), Verdict::Wait);
        assert_eq!(rollout.judge(Some(&now), &ours, begin), Verdict::Wait);
        let end = begin + settle;
        let another = [task("RUNNING", "ecs-svc/new", 102)];
        // A task that was replaced begins anew.
        assert_eq!(rollout.judge(Some(&now), &another, end), Verdict::Wait);
        let end = end + settle;
        assert_eq!(rollout.judge(Some(&now), &another, end), Verdict::Completed);
    }
    let now = rolling(Some("IN_PROGRESS"));
    let mut rollout = at(&now);
    let ours = [task("RUNNING", "ecs-svc/new", 101)];
    let begin = Instant::now();
    for secs in [0, 60] {
        let later = begin + Duration::from_secs(secs);
        assert_eq!(rollout.judge(Some(&now), &ours, later), Verdict::Wait);
    }
}

#[test]
fn tasks_are_ours_by_deployment_or_by_definition_and_time() {
    let rollout = at(&rolling(Some("IN_PROGRESS")));
    for (started_by, created_secs, ours) in [
        ("ecs-svc/new", 90, true),
        ("ecs-svc/old", 101, false),
        // The local cloud names the service.
        ("app", 100, true),
        ("app", 99, false),
    ] {
        assert_eq!(
            rollout.is_ours(&task("RUNNING", started_by, created_secs)),
            ours,
            "{started_by} {created_secs}"
        );
    }
    let mut other = task("RUNNING", "app", 101);
    other.task_definition = "app:1".to_owned();
    assert!(!rollout.is_ours(&other));
}

#[test]
fn a_deployment_that_was_gone_before_we_looked_is_still_ours() {
    let now = service(vec![
        deployment("new", "ACTIVE", NEW, Some("FAILED")),
        deployment("old", "PRIMARY", OLD, Some("IN_PROGRESS")),
    ]);
    let mut rollout = at(&now);
    assert_eq!(rollout.ours().expect("ours").id, "ecs-svc/new");
    rollout.see_stop(stopped(
        None,
        "TaskFailedToStart",
        "CannotPullContainerError: x: not found",
    ));
    let verdict = rollout.judge(Some(&now), &[], Instant::now());
    let Verdict::Failed(failure) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(failure.state, DeploymentState::RolledBack);
    assert_eq!(
        failure.message,
        "service app cannot run app:2: the image is not in its registry, or not any more"
    );
    assert_eq!(
        failure.cause.as_deref(),
        Some("CannotPullContainerError: x: not found")
    );

    // What had failed before we began is not ours.
    let mut rollout = Rollout::new("app", "dev", Some(OLD));
    rollout.see_service(Some(&now));
    assert_eq!(rollout.ours(), None);
}

#[test]
fn a_crash_is_hopeless_the_second_time_and_orders_to_stop_never_are() {
    let now = rolling(Some("IN_PROGRESS"));
    let begin = Instant::now();
    let mut rollout = at(&now);
    let crash = |exit_code| stopped(Some(exit_code), "EssentialContainerExited", "exited");
    for _ in 0..3 {
        rollout.see_stop(stopped(
            Some(143),
            "ServiceSchedulerInitiated",
            "Scaling activity initiated by (deployment ecs-svc/new)",
        ));
    }
    for exit_code in [1, 2] {
        rollout.see_stop(crash(exit_code));
        assert_eq!(rollout.judge(Some(&now), &[], begin), Verdict::Wait);
    }
    rollout.see_stop(crash(2));
    let verdict = rollout.judge(Some(&now), &[], begin);
    assert_eq!(state(&verdict), DeploymentState::Failed);
    let Verdict::Failed(failure) = verdict else {
        unreachable!();
    };
    assert_eq!(
        failure.message,
        "service app cannot run app:2: the container exited with code 2"
    );
}

#[test]
fn whoever_displaced_it_is_named() {
    let now = rolling(Some("IN_PROGRESS"));
    let judged = |then: Service| at(&now).judge(Some(&then), &[], Instant::now());
    let back = judged(service(vec![
        deployment("back", "PRIMARY", OLD, Some("IN_PROGRESS")),
        deployment("new", "ACTIVE", NEW, Some("IN_PROGRESS")),
    ]));
    assert_eq!(state(&back), DeploymentState::RolledBack);
    let other = judged(service(vec![deployment(
        "other",
        "PRIMARY",
        OTHER,
        Some("IN_PROGRESS"),
    )]));
    assert_eq!(state(&other), DeploymentState::Superseded);
    let failed = judged(rolling(Some("FAILED")));
    assert_eq!(state(&failed), DeploymentState::Failed);
    let gone = at(&now).judge(None, &[], Instant::now());
    assert_eq!(state(&gone), DeploymentState::Superseded);
}

#[test]
fn no_tasks_wanted_is_no_success() {
    let mut now = rolling(Some("COMPLETED"));
    now.deployments[0].desired = 0;
    assert_eq!(
        state(&at(&now).judge(Some(&now), &[], Instant::now())),
        DeploymentState::Failed
    );
}

#[test]
fn too_late_says_what_was_seen_last() {
    let now = rolling(Some("IN_PROGRESS"));
    let bound = Duration::from_secs(600);
    let none = Rollout::new("app", "dev", Some(OLD)).late(Some(&before()), bound);
    assert_eq!(none.message, "no new deployment of service app after 600 s");
    let mut rollout = at(&now);
    let event =
        "(service app) was unable to place a task. Reason: Capacity is unavailable at this time.";
    rollout.see_event(event);
    let late = rollout.late(Some(&now), bound);
    assert_eq!(late.state, DeploymentState::Timeout);
    assert_eq!(
        late.message,
        "service app does not run app:2 after 600 s: 0 of 1 tasks run: AWS has no capacity for the task now"
    );
    assert_eq!(late.cause.as_deref(), Some(event));
}
