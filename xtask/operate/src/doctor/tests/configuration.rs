use super::*;

#[test]
fn sources_without_an_answer_are_named_together_with_the_first_hint() {
    let finding = only(|evidence| {
        evidence.tasks = failed("ecs ListTasks is refused");
        evidence.images[1].platform = failed("registry does not answer");
        let Source::Known(status) = &mut evidence.status else {
            panic!("no status");
        };
        status.partial = vec![from(json!({"what": "targets", "error": "denied"}))];
    });
    assert_is(&finding, "unanswered", Warning, "environment local");
    assert_eq!(
        finding.evidence,
        [
            "tasks: ecs ListTasks is refused",
            "localhost:5000/generator@sha256:1: registry does not answer",
            "targets: denied",
        ]
    );
    assert_eq!(finding.next, "cargo xtask preflight --env dev");
}

#[test]
fn alarms_that_cannot_be_listed_are_reported_except_locally() {
    let without_alarms = |environment: &str| {
        examined(|evidence| {
            evidence.environment = environment.to_owned();
            let Source::Known(status) = &mut evidence.status else {
                panic!("no status");
            };
            status.partial = vec![from(json!({"what": "alarms", "error": "no"}))];
        })
        .len()
    };
    assert_eq!(["local", "dev"].map(without_alarms), [0, 1]);
}

#[test]
fn missing_rights_are_named() {
    let finding = only(|evidence| {
        let right = |allowed| -> Right {
            from(
                json!({"command": "run", "action": "ecs:RunTask", "resource": "*", "allowed": allowed}),
            )
        };
        evidence.environment = "dev".to_owned();
        evidence.rights = Source::Known(vec![right(true), right(false)]);
    });
    assert_is(&finding, "rights", Warning, "your identity");
    assert_eq!(finding.evidence, ["ecs:RunTask on *"]);
    assert_eq!(finding.next, "cargo xtask preflight --env dev");
}

fn secret(exists: bool, present: bool) -> ListedSecret {
    let state = if present { "set" } else { "missing" };
    from(json!({
        "id": "orchestrator", "name": "app-gen-saas/orchestrator", "exists": exists,
        "keys": [{"key": "DATABASE_URL", "required": true, "state": state}],
    }))
}

#[test]
fn a_missing_secret_and_a_missing_key_of_it_explain_why_tasks_stop() {
    for (exists, rule) in [(false, "secret-missing"), (true, "secret-key")] {
        let finding = only(|evidence| {
            down(evidence);
            tasks(evidence).push(stopped(rule, None));
            evidence.environment = "dev".to_owned();
            evidence.secrets = Source::Known(vec![secret(exists, false)]);
        });
        assert_is(&finding, rule, Broken, "orchestrator");
        assert!(
            finding
                .next
                .ends_with("orchestrator DATABASE_URL < FILE --env dev")
        );
        let symptoms = finding.evidence.join("\n");
        assert!(
            symptoms.contains("consequence: orchestrator: it is secret-"),
            "{symptoms}"
        );
        assert!(symptoms.contains("fewer tasks run"), "{symptoms}");
    }
    // A key that the environment does not need.
    let not_required = examined(|evidence| {
        let mut secret = secret(true, false);
        secret.keys[0].required = false;
        evidence.secrets = Source::Known(vec![secret]);
    });
    assert_eq!(not_required, []);
}

#[test]
fn an_environment_without_services_was_not_deployed_or_has_lost_them() {
    let gone = |release: Option<Serving>| {
        only(|evidence| {
            service(evidence).exists = Some(false);
            evidence.release = Source::Known(release);
            evidence.health = replies(404, None);
        })
    };
    let never = gone(None);
    assert_is(&never, "not-deployed", Broken, "environment local");
    assert_eq!(never.next, "cargo xtask deploy");
    assert_eq!(never.says, "nothing is deployed to local");
    let keys = std::collections::BTreeMap::new();
    let lost = gone(Some(Serving {
        id: "r1".to_owned(),
        keys,
    }));
    assert!(lost.says.ends_with("no longer exist"), "{lost:#?}");
}

#[test]
fn a_database_is_down_if_health_or_the_log_of_a_stopped_task_says_so() {
    let by_health = only(|evidence| {
        evidence.health = replies(200, Some(Health::new("1", Some("k1".to_owned()), false)));
        evidence.database = Source::Known(Some(database("exited")));
        evidence.errors = Source::Known(vec![line(r#"{"message":"a worker broke"}"#)]);
    });
    assert_eq!(by_health.rule, Rule::DatabaseDown);
    assert_eq!(by_health.next, "docker start app-gen-database-1");
    assert!(
        by_health.evidence[1].ends_with("is exited"),
        "{by_health:#?}"
    );

    let by_log = only(|evidence| {
        down(evidence);
        evidence.environment = "dev".to_owned();
        evidence.database = Source::Unasked;
        for number in 0..3 {
            let mut task = stopped("exit-1", Some(1));
            task.id = format!("3333333{number}");
            task.log = Some(vec![LogLine {
                time_ms: 1,
                message: r#"{"level":"ERROR","error":"the database refuses"}"#.to_owned(),
            }]);
            tasks(evidence).push(task);
        }
    });
    assert_is(&by_log, "database-down", Broken, "orchestrator");
    assert!(
        by_log.evidence.join("\n").contains("(3 times)"),
        "{by_log:#?}"
    );
}

#[test]
fn missing_images_and_images_for_another_platform_explain_why_nothing_starts() {
    let missing = only(|evidence| {
        down(evidence);
        tasks(evidence).push(stopped("image-missing", None));
        evidence.images[0].platform = Source::Known(None);
    });
    assert_is(&missing, "image-missing", Broken, "orchestrator");
    let foreign = only(|evidence| {
        down(evidence);
        tasks(evidence).push(stopped("platform", None));
        evidence.images[0].platform = Source::Known(Some("linux/arm64".to_owned()));
    });
    assert_is(&foreign, "wrong-platform", Broken, "orchestrator");
    // The service still serves, but its next task cannot start.
    let later = only(|evidence| evidence.images[1].platform = Source::Known(None));
    assert_is(&later, "image-missing", Broken, "generator");
}
