use super::*;

#[test]
fn a_service_scaled_to_zero_is_not_called_down() {
    let finding = only(|evidence| {
        down(evidence);
        service(evidence).desired = 0;
    });
    assert_is(&finding, "scaled-to-zero", Broken, "orchestrator");
    assert_eq!(finding.next, "cargo xtask scale orchestrator");
}

#[test]
fn a_wrong_health_path_is_not_taken_for_a_missing_answer() {
    for health in [replies(404, None), replies(200, None), replies(302, None)] {
        let finding = only(|evidence| evidence.health = health);
        assert_is(&finding, "health-path", Broken, "orchestrator");
        assert!(finding.next.contains("platform.toml"), "{finding:#?}");
    }
    let refused = || Source::Known(answers(Err("connection refused".to_owned())));
    for health in [replies(502, None), refused()] {
        let finding = only(|evidence| {
            evidence.health = health;
            service(evidence).targets[0].health = "unhealthy".to_owned();
        });
        assert_is(&finding, "not-answering", Broken, "orchestrator");
        assert_eq!(finding.evidence.len(), 2, "{finding:#?}");
    }
}

#[test]
fn unhealthy_targets_are_named_with_their_reason() {
    let unhealthy = || -> Target {
        Target {
            reason: Some("Target.Timeout".to_owned()),
            description: Some("Request timed out".to_owned()),
            ..target("10.0.0.2", "unhealthy")
        }
    };
    let some = only(|evidence| service(evidence).targets.push(unhealthy()));
    assert_is(&some, "target-unhealthy", Warning, "orchestrator");
    assert_eq!(
        some.evidence,
        ["10.0.0.2:5013: Target.Timeout: Request timed out"]
    );
    let all = only(|evidence| service(evidence).targets = vec![unhealthy()]);
    assert_is(&all, "target-unhealthy", Broken, "orchestrator");
}

#[test]
fn a_deployment_is_stuck_after_a_while_and_failed_at_once() {
    let deployment = |state: &str, since: &str| {
        examined(|evidence| {
            service(evidence).rollout_state = Some(state.to_owned());
            service(evidence).created_at = Some(since.parse().unwrap());
        })
    };
    assert_eq!(deployment("IN_PROGRESS", "2026-11-21T11:50:00Z"), []);
    let stuck = deployment("IN_PROGRESS", "2026-11-21T11:30:00Z");
    assert_is(&stuck[0], "deployment-stuck", Warning, "orchestrator");
    assert!(stuck[0].says.contains("30 minutes"), "{stuck:#?}");
    let failed = deployment("FAILED", NOW);
    assert_is(&failed[0], "deployment-failed", Warning, "orchestrator");
    // Not even the old revision runs.
    let broken = only(|evidence| {
        down(evidence);
        service(evidence).rollout_state = Some("FAILED".to_owned());
    });
    assert_is(&broken, "deployment-failed", Broken, "orchestrator");
}

#[test]
fn fewer_tasks_than_wanted_are_found_without_a_reason() {
    let starting = only(down);
    assert_is(&starting, "below-desired", Warning, "orchestrator");
    let short = only(|evidence| service(evidence).desired = 2);
    assert_is(&short, "below-desired", Broken, "orchestrator");
}

#[test]
fn another_image_than_that_of_the_last_release_is_found() {
    let other = |evidence: &mut Evidence| {
        evidence.release = Source::Known(Some(Serving {
            id: "r2".to_owned(),
            keys: [("orchestrator".to_owned(), "k2".to_owned())].into(),
        }));
    };
    assert_is(&only(other), "other-image", Warning, "orchestrator");
    // While a deployment is in progress, both images answer.
    let during = examined(|evidence| {
        other(evidence);
        service(evidence).rollout_state = Some("IN_PROGRESS".to_owned());
    });
    assert_eq!(during, []);
}

#[test]
fn a_raised_alarm_leads_to_its_section() {
    let finding = only(|evidence| {
        let Source::Known(status) = &mut evidence.status else {
            panic!("no status");
        };
        let alarm = |name: &str, state: &str| -> Alarm {
            from(json!({"name": name, "state": state, "reason": "too much", "since": NOW}))
        };
        status.alarms = vec![
            alarm("app-gen-saas-memory", "ALARM"),
            alarm("app-gen-saas-job-age", "OK"),
            alarm("app-gen-saas-log-errors", "INSUFFICIENT_DATA"),
        ];
    });
    assert_is(&finding, "alarm", Warning, "app-gen-saas-memory");
    assert_eq!(finding.next, "read docs/operations.md#memory");
    assert_eq!(finding.evidence[0], "too much");
}

#[test]
fn errors_of_the_log_are_counted_by_what_they_say() {
    let finding = only(|evidence| {
        let failed = r#"{"level":"ERROR","timestamp":"T","message":"request failed","error":"no"}"#;
        let other = failed.replace("\"T\"", "\"U\"");
        let mut last_words = line("stopped with this");
        last_words.task = Some(stopped("killed", None).id);
        let mut old = stopped("killed", None);
        old.state.task_definition = "app-gen-saas-app:1".to_owned();
        tasks(evidence).push(old);
        let lines = vec![line(failed), line("not JSON"), line(&other), last_words];
        evidence.errors = Source::Known(lines);
    });
    assert_is(&finding, "log-errors", Warning, "orchestrator");
    assert_eq!(finding.evidence, ["2 × request failed: no", "1 × not JSON"]);
}
