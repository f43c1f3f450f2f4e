//! What goes wrong at the provider: the agent sees it as it is, within bounds, and it is told.

use crate::support::{BOTH, Got, Served, ask, request, wire};
use app_gen_gateway::{Bounds, Budget, End, Exchange, LimitKind, Protocol};
use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime};

/// Short enough that a test does not take long, and long enough for a machine that is busy.
const BOUNDS: Bounds = Bounds {
    first_byte: Duration::from_secs(3),
    first_byte_unstreamed: Duration::from_secs(3),
    silence: Duration::from_secs(3),
    whole: Duration::from_secs(60),
};

fn script(fault: &str) -> String {
    format!(
        "about = ''\n[[parts]]\n[[parts.turns]]\ntext = 'Here I am, at some length, so that there are several events of it.'\n\
         usage = {{ input_tokens = 1000, output_tokens = 100 }}\n[parts.turns.fault]\n{fault}\n"
    )
}

/// What the agent gets with the fault, what it gets straight, and what is told of it.
fn meet(protocol: Protocol, fault: &str) -> (Got, Got, Exchange) {
    let (served, model) = Served::before_script(&script(fault), Budget::default(), BOUNDS);
    let body = request(protocol, "x", true);
    let passed = served.post(protocol, &body);
    let straight = ask(model, protocol, crate::support::KEY, &body);
    (passed, straight, served.exchange())
}

#[test]
fn a_limit_is_passed_on_and_says_until_when() {
    let limit = include_str!("../../../scripted-model/scripts/limit.toml");
    for protocol in BOTH {
        let (served, _) = Served::before_script(
            &limit.replace("[[parts.turns]]\ntext = \"I begin.\"\nactions = [{ do = \"write\", path = \"before.txt\", content = \"before the limit\\n\" }]\n", ""),
            Budget::default(),
            BOUNDS,
        );
        let got = served.post(protocol, &request(protocol, "x", true));
        assert_eq!(got.status, 429);
        assert_eq!(got.header("retry-after"), Some("20"));
        assert_eq!(got.json()["error"]["type"], "rate_limit_error");
        let exchange = served.exchange();
        let limit = exchange.limit.unwrap();
        assert_eq!(limit.kind, LimitKind::Usage);
        let seconds = (limit.until.unwrap() - SystemTime::now()).as_seconds_f64();
        assert!((10.0..=21.0).contains(&seconds), "{seconds}");
        assert_eq!(served.gateway.limit(protocol).unwrap().until, limit.until);
        assert_eq!((exchange.end, exchange.spent.tokens()), (End::Answered, 0));
        assert_eq!((exchange.spent.requests, exchange.spent.incomplete), (1, 0));
    }
}

#[test]
fn a_limit_is_forgotten_when_the_provider_serves_again() {
    let fault = "kind = 'status'\nstatus = 529\ntimes = 1\nerror_type = 'overloaded_error'\nmessage = 'Overloaded'";
    for protocol in BOTH {
        let (served, _) = Served::before_script(&script(fault), Budget::default(), BOUNDS);
        let body = request(protocol, "x", true);
        assert_eq!(served.post(protocol, &body).status, 529);
        assert_eq!(
            served.gateway.limit(protocol).unwrap().kind,
            LimitKind::Overloaded
        );
        assert_eq!(served.post(protocol, &body).status, 200);
        served.exchanges(2);
        assert_eq!(served.gateway.limit(protocol), None);
    }
}

#[test]
fn an_error_in_the_stream_passes_and_is_told() {
    for protocol in BOTH {
        let (passed, straight, exchange) = meet(
            protocol,
            "kind = 'error_event'\nafter_events = 3\nerror_type = 'overloaded_error'\nmessage = 'Overloaded'",
        );
        assert_eq!((passed.is_whole, &passed.body), (true, &straight.body));
        assert_eq!(exchange.end, End::Incomplete);
        assert_eq!(exchange.error.as_deref(), Some("overloaded_error"));
        assert_eq!(exchange.limit.unwrap().kind, LimitKind::Overloaded);
        assert_eq!(exchange.spent.incomplete, 1);
    }
}

#[test]
fn a_stream_that_is_cut_counts_what_is_known_and_estimates_the_rest() {
    for protocol in BOTH {
        let (passed, straight, exchange) = meet(protocol, "kind = 'cut'\nafter_events = 4");
        assert!(!passed.is_whole && !straight.is_whole);
        assert_eq!((passed.status, &passed.body), (200, &straight.body));
        assert_eq!((exchange.end, exchange.spent.incomplete), (End::Cut, 1));
        let (usage, estimated) = (exchange.spent.usage, exchange.spent.estimated);
        match protocol {
            // It says at the start what the input was.
            Protocol::Anthropic => {
                assert_eq!((usage.input, usage.output, estimated.input), (1000, 1, 0))
            }
            Protocol::OpenAi => assert_eq!(
                (usage.input, estimated.input),
                (0, exchange.request_bytes / 4)
            ),
        }
        assert!(estimated.output > 0 && exchange.spent.usd.dollars() > 0.0);
    }
}

#[test]
fn a_provider_that_falls_silent_is_given_up() {
    for protocol in BOTH {
        let began = Instant::now();
        let fault = "kind = 'stall'\nafter_events = 3\nseconds = 100";
        let (served, _) = Served::before_script(&script(fault), Budget::default(), BOUNDS);
        let got = served.post(protocol, &request(protocol, "x", true));
        assert!(got.status == 200 && !got.is_whole && !got.body.is_empty());
        let exchange = served.exchange();
        assert_eq!((exchange.end, exchange.spent.incomplete), (End::Silent, 1));
        assert!((3..50).contains(&began.elapsed().as_secs()));
    }
}

#[test]
fn a_provider_that_does_not_begin_is_given_up() {
    for protocol in BOTH {
        for is_streamed in [true, false] {
            let (served, _) = Served::before_script(
                &script("kind = 'silence'\nseconds = 100"),
                Budget::default(),
                BOUNDS,
            );
            let got = served.post(protocol, &request(protocol, "x", is_streamed));
            assert_eq!((got.status, got.is_whole), (504, true));
            // It is worth asking again.
            assert_eq!(got.header("x-should-retry"), None);
            let exchange = served.exchange();
            assert_eq!((exchange.end, exchange.status), (End::NoAnswer, None));
            assert_eq!(exchange.spent.estimated.input, exchange.request_bytes / 4);
        }
    }
}

#[test]
fn an_answer_without_end_is_given_up() {
    let address = wire(|_, _, mut connection| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        while connection.write_all(b": ping\n\n").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let bounds = Bounds {
        whole: Duration::from_secs(2),
        ..BOUNDS
    };
    let served = Served::before(address, Budget::default(), bounds);
    let got = served.post(
        Protocol::Anthropic,
        &request(Protocol::Anthropic, "x", true),
    );
    assert!(got.status == 200 && !got.is_whole);
    assert_eq!(served.exchange().end, End::TooLong);
}

#[test]
fn a_connection_that_is_closed_or_refused_is_a_bad_gateway() {
    for protocol in BOTH {
        let (passed, straight, exchange) = meet(protocol, "kind = 'hang_up'");
        assert_eq!((passed.status, straight.status), (502, 0));
        assert_eq!(exchange.end, End::Cut);
        assert_eq!((exchange.spent.tokens(), exchange.spent.incomplete), (0, 1));
        // Nobody listens where somebody did.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let served = Served::before(address, Budget::default(), BOUNDS);
        let got = served.post(protocol, &request(protocol, "x", true));
        assert_eq!(got.status, 502);
        let exchange = served.exchange();
        assert_eq!(
            (exchange.end, exchange.spent.incomplete),
            (End::Unreachable, 0)
        );
    }
}

#[test]
fn noise_passes_and_counts_nothing_that_it_is_not() {
    for protocol in BOTH {
        for at in [0, 2] {
            let (passed, straight, exchange) = meet(
                protocol,
                &format!("kind = 'garbage'\nafter_events = {at}\nbytes = 100000"),
            );
            assert_eq!((passed.is_whole, &passed.body), (true, &straight.body));
            assert_eq!(
                (exchange.end, exchange.spent.incomplete),
                (End::Incomplete, 1)
            );
            assert!(exchange.spent.usage.total() <= 1001, "{exchange:?}");
        }
    }
}
