//! Limits, budgets and refusals of the model.

use crate::world::{BOTH, Kind, Ran, World};
use app_gen_agent::{Credential, GatewayFacts, Reason, Task, Verdict, Wait};
use std::time::Duration;
use time::OffsetDateTime;

/// Writes a file, meets a fault, and writes another one.
fn faulty(fault: &str) -> String {
    format!(
        r#"
        [[parts]]
        [[parts.turns]]
        actions = [{{ do = "write", path = "before", content = "x" }}]
        [[parts.turns]]
        actions = [{{ do = "write", path = "after", content = "x" }}]
        fault = {{ {fault} }}
        [[parts.turns]]
        text = "Done."
        "#
    )
}

fn limit(seconds: u32, headers: &str) -> String {
    faulty(&format!(
        "kind = 'status', for_seconds = {seconds}, status = 429, error_type = 'rate_limit_error', \
         message = 'You reached a limit.', headers = {{ {headers} }}"
    ))
}

#[test]
fn a_limit_is_waited_for_and_the_session_goes_on_after_it() {
    for kind in BOTH {
        // More often than either agent tries in one run: Codex gives up at once without a `retry-after`.
        let times = 6;
        let fault = format!(
            "kind = 'status', times = {times}, status = 429, error_type = 'rate_limit_error', message = 'A limit.'"
        );
        let is_limit = |ran: &Ran| {
            let verdict = &ran.outcome.verdict;
            matches!(
                verdict,
                Verdict::Wait {
                    cause: Wait::Limit,
                    until: None,
                    ..
                }
            )
        };
        let world = World::new(kind, &faulty(&fault));
        let mut ran = world.run(&world.task("Make two files."));
        assert!(is_limit(&ran), "{kind:?} {ran:?}");
        assert!(world.workspace("before").exists() && !world.workspace("after").exists());
        // Each run meets it once at least.
        for _ in 0..times {
            if is_limit(&ran) {
                ran = world.run(&world.after(&ran, "Go on."));
            }
        }
        assert_eq!(ran.outcome.verdict, Verdict::Completed, "{kind:?} {ran:?}");
        assert!(world.workspace("after").exists());
    }
}

#[test]
fn until_when_a_limit_lasts_is_known() {
    let headers = "retry-after = '{seconds_left}', \
         anthropic-ratelimit-unified-status = 'rejected', \
         anthropic-ratelimit-unified-reset = '{reset_epoch}', \
         anthropic-ratelimit-unified-representative-claim = 'five_hour'";
    let began = OffsetDateTime::now_utc();
    let world = World::new(Kind::Claude, &limit(3_600, headers));
    let task = Task {
        credential: Credential::Subscription,
        ..world.task("Make two files.")
    };
    let ran = world.run(&task);
    let Verdict::Wait {
        cause: Wait::Limit,
        until: Some(until),
        ..
    } = ran.outcome.verdict
    else {
        panic!("{ran:?}")
    };
    let hour = Duration::from_secs(3_600);
    // It is told in whole seconds.
    let earliest = began + hour - Duration::from_secs(1);
    let latest = OffsetDateTime::now_utc() + hour + Duration::from_secs(1);
    assert!((earliest..=latest).contains(&until), "{until}");
    assert_eq!(world.requests().len(), 2);

    // With a key, the agent does not say it. The gateway saw it.
    for kind in BOTH {
        let mut world = World::new(kind, &limit(3_600, headers));
        // Codex would wait for all of the hour.
        world.limits.limit = Duration::from_secs(5);
        let ran = world.run(&world.task("Make two files."));
        let facts = GatewayFacts {
            limit_until: Some(until),
            is_budget_spent: false,
        };
        let informed = ran.outcome.verdict.clone().informed(&facts);
        let knows = matches!(informed, Verdict::Wait { until: Some(known), .. } if known == until);
        assert!(knows, "{kind:?} {ran:?}");
    }
}

#[test]
fn a_budget_that_is_spent_ends_a_run() {
    let spent = GatewayFacts {
        limit_until: None,
        is_budget_spent: true,
    };
    let refusal = |status: u16, kind: &str| {
        faulty(&format!(
            "kind = 'status', status = {status}, error_type = '{kind}', message = 'The budget is spent.'"
        ))
    };
    let in_stream = "kind = 'error_event', after_events = 1, error_type = 'insufficient_quota', message = 'The budget is spent.'";
    let cases = [
        (
            Kind::Claude,
            refusal(402, "billing_error"),
            Reason::NoCredit,
            2,
        ),
        (
            Kind::Claude,
            refusal(403, "permission_error"),
            Reason::Forbidden,
            2,
        ),
        (
            Kind::Codex,
            refusal(403, "permission_error"),
            Reason::Forbidden,
            10,
        ),
        (Kind::Codex, faulty(in_stream), Reason::NoCredit, 2),
    ];
    for (kind, script, expected, requests) in cases {
        let world = World::new(kind, &script);
        let ran = world.run(&world.task("Make two files."));
        let Verdict::Failed { reason, detail } = ran.outcome.verdict.clone() else {
            panic!("{kind:?} {ran:?}")
        };
        assert_eq!(reason, expected, "{detail}");
        let reason = Reason::Budget;
        let informed = Verdict::Failed { reason, detail };
        assert_eq!(ran.outcome.verdict.informed(&spent), informed);
        let asked = world.requests().len();
        assert!(asked <= requests, "{kind:?} {asked}");
        assert!(world.workspace("before").exists());
    }
}

#[test]
fn a_gateway_that_is_gone_is_waited_for() {
    for kind in BOTH {
        let world = World::of(kind, "lies");
        let task = Task {
            base_url: "http://127.0.0.1:9".to_owned(),
            ..world.task("Make a plant diary.")
        };
        let ran = world.run(&task);
        let is_waited_for = matches!(
            ran.outcome.verdict,
            Verdict::Wait {
                cause: Wait::Unreachable,
                ..
            }
        );
        assert!(is_waited_for, "{kind:?} {ran:?}");
    }
}

#[test]
fn a_key_that_is_refused_is_named() {
    for kind in BOTH {
        let world = World::of(kind, "lies");
        let task = Task {
            token: "another".to_owned(),
            ..world.task("Make a plant diary.")
        };
        let ran = world.run(&task);
        let is_named = matches!(
            ran.outcome.verdict,
            Verdict::Failed {
                reason: Reason::KeyRefused,
                ..
            }
        );
        assert!(is_named, "{kind:?} {ran:?}");
    }
}
