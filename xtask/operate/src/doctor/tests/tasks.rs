use super::*;

#[test]
fn each_known_reason_of_a_stop_is_a_finding_of_its_name() {
    // The names in `stop_reasons` of xtask-aws.
    for name in [
        "platform",
        "entry-point",
        "image-missing",
        "image-route",
        "image-refused",
        "disk",
        "image",
        "secret-key",
        "refused",
        "log-group",
        "secret-missing",
        "route",
        "role",
        "start",
        "memory",
        "health",
        "capacity",
        "killed",
        "unknown",
        "exit-3",
    ] {
        let finding = only(|evidence| {
            down(evidence);
            tasks(evidence).push(stopped(name, None));
        });
        assert_is(&finding, name, Broken, "orchestrator");
        let evidence = finding.evidence.join("\n");
        assert!(evidence.contains("the cloud's reason"), "{evidence}");
        assert!(evidence.contains("log: the last words"), "{evidence}");
    }
}

#[test]
fn the_hint_of_a_stop_is_the_next_command() {
    let next = |hint: Option<&str>, exit_code: Option<i32>| {
        only(|evidence| {
            down(evidence);
            let mut task = stopped("route", exit_code);
            task.meaning.as_mut().unwrap().hint = hint.map(str::to_owned);
            tasks(evidence).push(task);
        })
        .next
    };
    let command = "raise it, then cargo xtask deploy";
    assert_eq!(next(Some(command), None), command);
    assert_eq!(
        next(Some("wait"), None),
        "wait; cargo xtask logs 22222222-route"
    );
    assert_eq!(
        next(Some("see its log"), Some(1)),
        "cargo xtask logs 22222222-route"
    );
}

/// What is found after tasks have crashed, each 20 s after its start, the last one a minute ago.
fn after_crashes(count: usize, running_since: Option<&str>) -> Vec<(String, Severity)> {
    let found = examined(|evidence| {
        down(evidence);
        for number in 0..count {
            let mut task = stopped("exit-1", Some(1));
            task.id = format!("3333333{number}");
            task.state.created_at = at("11:58:40");
            tasks(evidence).push(task);
        }
        if let Some(since) = running_since {
            let Evidence { status, health, .. } = healthy();
            (evidence.status, evidence.health) = (status, health);
            let mut task = running("orchestrator", DEFINITION);
            task.state.created_at = Some(since.parse().unwrap());
            tasks(evidence).push(task);
        }
    });
    found
        .into_iter()
        .map(|finding| (finding.rule.to_string(), finding.severity))
        .collect()
}

#[test]
fn a_crash_no_longer_matters_once_a_task_outlives_those_that_crashed() {
    let is = |rule: &str, severity| vec![(rule.to_owned(), severity)];
    assert_eq!(after_crashes(1, None), is("exit-1", Broken));
    assert_eq!(after_crashes(3, None), is("crash-loop", Broken));
    let just_now = Some("2026-11-21T11:59:35Z");
    assert_eq!(after_crashes(1, just_now), is("exit-1", Warning));
    assert_eq!(after_crashes(3, just_now), is("crash-loop", Broken));
    let a_while = Some("2026-11-21T11:59:20Z");
    assert_eq!(after_crashes(3, a_while), []);
}

#[test]
fn a_revision_that_was_rolled_back_is_not_judged() {
    let findings = examined(|evidence| {
        let mut task = stopped("image-missing", None);
        task.state.task_definition = "app-gen-saas-app:8".to_owned();
        tasks(evidence).push(task);
    });
    assert_eq!(findings, []);
}

#[test]
fn a_failed_job_is_not_a_fault_of_the_platform() {
    let stop = |name: &'static str, exit_code| {
        move |evidence: &mut Evidence| {
            let mut task = stopped(name, exit_code);
            task.kind = "generator".to_owned();
            task.state.task_definition = "app-generator:1".to_owned();
            tasks(evidence).push(task);
        }
    };
    assert_eq!(examined(stop("exit-1", Some(1))), []);
    assert_is(
        &only(stop("killed", Some(137))),
        "killed",
        Broken,
        "generator",
    );
    let with_a_later = |exit_code| {
        examined(|evidence| {
            stop("capacity", None)(evidence);
            let mut task = running("generator", "app-generator:1");
            task.state.created_at = Some(NOW.parse().unwrap());
            task.state.exit_code = exit_code;
            tasks(evidence).push(task);
        })
    };
    assert_is(&with_a_later(None)[0], "capacity", Warning, "generator");
    assert_eq!(with_a_later(Some(0)), []);
}

#[test]
fn one_task_is_judged_whatever_came_after_it() {
    let finding = only(|evidence| {
        let mut task = stopped("exit-1", Some(1));
        task.state.task_definition = "app-gen-saas-app:1".to_owned();
        evidence.focus = Some(Focus {
            consumer: task.kind.clone(),
            task: Some(task.id.clone()),
        });
        tasks(evidence).push(task);
    });
    assert_is(&finding, "exit-1", Broken, "orchestrator");
}

#[test]
fn the_last_words_of_a_generator_say_why_its_job_failed_and_what_to_do() {
    let finding = |words: &str| {
        only(|evidence| {
            let mut task = stopped("exit-1", Some(1));
            task.kind = "generator".to_owned();
            task.log.as_mut().unwrap()[0].message = words.to_owned();
            evidence.focus = Some(Focus {
                consumer: task.kind.clone(),
                task: Some(task.id.clone()),
            });
            tasks(evidence).push(task);
        })
    };
    let event = |kind: &str| {
        format!(
            r#"{{"version":2,"type":"{kind}","body":{{"reason":"provider \"claude\" has no key","hint":"set it"}}}}"#
        )
    };
    let told = finding(&event("failed"));
    assert_eq!(told.says, "its job failed: provider \"claude\" has no key");
    assert_eq!(told.next, "set it");
    for words in [event("interrupted"), "no JSON".to_owned()] {
        assert_eq!(finding(&words).says, "it is exit-1", "{words}");
    }
}

#[test]
fn findings_about_other_services_are_left_out_if_one_is_named() {
    let about = |consumer: &str| {
        examined(|evidence| {
            service(evidence).desired = 0;
            evidence.disks[0].free_bytes = 0;
            evidence.focus = Some(Focus {
                consumer: consumer.to_owned(),
                task: None,
            });
        })
        .into_iter()
        .map(|finding| finding.rule.to_string())
        .collect::<Vec<_>>()
    };
    assert_eq!(about("orchestrator"), ["disk-full", "scaled-to-zero"]);
    assert_eq!(about("generator"), ["disk-full"]);
}
