//! Budgets: not one request past the cap.

use crate::support::{BOTH, Served, ask, request, scope};
use app_gen_gateway::{Bounds, Budget, Protocol, Refusal, Usd, total};
use std::thread;

const EXPENSIVE: &str = include_str!("../../../scripted-model/scripts/expensive.toml");

fn usd(dollars: f64) -> Budget {
    Budget {
        usd: Usd::new(dollars),
        tokens: None,
    }
}

/// Thirty requests of this script cost a dollar.
#[test]
fn a_script_that_would_cost_a_dollar_ends_at_five_cents() {
    for protocol in BOTH {
        let (served, _) = Served::before_script(EXPENSIVE, usd(0.05), Bounds::default());
        let mut statuses = Vec::new();
        for number in 0..30 {
            let got = served.post(protocol, &request(protocol, "x", number % 2 == 0));
            statuses.push(got.status);
            if got.status == 200 {
                continue;
            }
            // What each agent takes for the last word.
            let error = &got.json()["error"];
            let expected = match protocol {
                Protocol::Anthropic => (403, "billing_error"),
                Protocol::OpenAi => (400, "insufficient_quota"),
            };
            assert_eq!((got.status, error["type"].as_str().unwrap()), expected);
            assert_eq!(got.header("x-should-retry"), Some("false"));
            let message = error["message"].as_str().unwrap();
            assert!(
                message.starts_with("App-Gen: the budget of the job is used up: 0.06"),
                "{message}"
            );
        }
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2);
        assert_eq!(statuses[..2], [200, 200]);
        assert_eq!(served.recorded().len(), 2);
        assert_eq!(served.refusals(), vec![Refusal::Budget; 28]);
        assert_eq!(total(&served.gateway.bill()).requests, 2);
    }
}

#[test]
fn agents_side_by_side_do_not_each_spend_what_is_left() {
    let (served, _) = Served::before_script(EXPENSIVE, usd(0.2), Bounds::default());
    // One answer tells what the next will take.
    let body = request(Protocol::Anthropic, "x", true);
    assert_eq!(served.post(Protocol::Anthropic, &body).status, 200);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..10 {
                    served.post(Protocol::Anthropic, &body);
                }
            });
        }
    });
    // The last one begins below the budget and may end above it.
    let answer = 0.0335;
    let spent = total(&served.gateway.bill()).usd.dollars();
    assert!((0.2..0.2 + answer).contains(&spent), "{spent}");
    assert_eq!(served.recorded().len(), 6);
}

#[test]
fn a_role_that_has_used_up_its_own_budget_leaves_the_others_theirs() {
    let (served, _) = Served::before_script(EXPENSIVE, usd(1.0), Bounds::default());
    let own = Budget {
        usd: None,
        tokens: Some(20_000),
    };
    let tester = served.gateway.admit(scope("tester", own)).unwrap();
    let body = request(Protocol::OpenAi, "x", true);
    let post = |token: &str| ask(served.gateway.address(), Protocol::OpenAi, token, &body).status;
    assert_eq!(post(tester.token().reveal()), 200);
    assert_eq!(post(tester.token().reveal()), 400);
    assert_eq!(post(served.token()), 200);
    let roles: Vec<String> = served
        .gateway
        .bill()
        .into_iter()
        .map(|line| line.place.role)
        .collect();
    assert_eq!(roles, ["builder", "tester"]);
}

#[test]
fn dollars_alone_do_not_bound_a_model_whose_price_nobody_knows() {
    let (served, _) = Served::before_script(EXPENSIVE, usd(0.05), Bounds::default());
    let mut body = request(Protocol::OpenAi, "x", true);
    body["model"] = "a-model-of-ones-own".into();
    let got = served.post(Protocol::OpenAi, &body);
    assert_eq!(got.status, 400);
    assert!(
        got.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("a-model-of-ones-own")
    );
    let both = Budget {
        tokens: Some(50_000),
        ..usd(0.05)
    };
    let (served, _) = Served::before_script(EXPENSIVE, both, Bounds::default());
    let statuses: Vec<u16> = (0..5)
        .map(|_| served.post(Protocol::OpenAi, &body).status)
        .collect();
    assert_eq!(statuses, [200, 200, 200, 400, 400]);
    assert_eq!(total(&served.gateway.bill()).unpriced_tokens, 63_000);
}
