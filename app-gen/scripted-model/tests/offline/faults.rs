//! What goes wrong, as a client sees it: byte by byte, and when.

use crate::support::{Agent, Got, Served};
use app_gen_scripted_model::Protocol;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const BOTH: [Protocol; 2] = [Protocol::Anthropic, Protocol::OpenAi];

/// A script whose only turn has this fault.
fn script(fault: &str) -> String {
    format!(
        "about = ''\n[[parts]]\n[[parts.turns]]\ntext = 'Here I am.'\n[parts.turns.fault]\n{fault}\n"
    )
}

fn ask(served: &Served, protocol: Protocol, stream: bool) -> Got {
    let mut agent = Agent::new(protocol, "x");
    agent.stream = stream;
    served.post(protocol, &agent.request())
}

fn says_hello(got: &Got) -> bool {
    got.status == 200 && got.is_whole && got.text().contains("Here I am.")
}

/// Names of the events that came.
fn names(got: &Got) -> Vec<String> {
    let text = got.text();
    let names = text.lines().filter_map(|line| line.strip_prefix("event: "));
    names.map(str::to_owned).collect()
}

#[test]
fn a_status_comes_with_its_headers_and_goes_away() {
    for protocol in BOTH {
        let served = Served::of(&script(
            "kind = 'status'\nstatus = 529\ntimes = 2\nerror_type = 'overloaded_error'\n\
             message = 'Overloaded'\nheaders = { 'retry-after' = '3', 'x-should-retry' = 'true' }",
        ));
        for _ in 0..2 {
            let got = ask(&served, protocol, true);
            assert_eq!((got.status, got.header("retry-after")), (529, Some("3")));
            assert_eq!(got.header("x-should-retry"), Some("true"));
            let error = &got.json()["error"];
            assert_eq!(
                (&error["type"], &error["message"]),
                (&json!("overloaded_error"), &json!("Overloaded"))
            );
        }
        assert!(says_hello(&ask(&served, protocol, true)));
    }
}

#[test]
fn each_conversation_meets_a_fault_by_itself() {
    let served = Served::of(&script("kind = 'hang_up'\ntimes = 1"));
    for prompt in ["one", "two"] {
        let agent = Agent::new(Protocol::OpenAi, prompt);
        let ask = || served.post(Protocol::OpenAi, &agent.request());
        assert_eq!(ask().status, 0, "{prompt}");
        assert!(says_hello(&ask()), "{prompt}");
    }
}

#[test]
fn a_limit_says_when_it_ends_and_ends_then_for_everybody() {
    let served = Served::of(&script(
        "kind = 'status'\nstatus = 429\nfor_seconds = 3\nerror_type = 'rate_limit_error'\n\
         message = 'again in {seconds_left} s'\n\
         headers = { 'retry-after' = '{seconds_left}', 'x-epoch' = '{reset_epoch}', 'x-time' = '{reset_time}' }",
    ));
    let ask = |prompt: &str| {
        let agent = Agent::new(Protocol::Anthropic, prompt);
        served.post(Protocol::Anthropic, &agent.request())
    };
    let began = Instant::now();
    let first = ask("one");
    assert_eq!(
        (first.status, first.header("retry-after")),
        (429, Some("3"))
    );
    assert_eq!(first.json()["error"]["message"], "again in 3 s");
    std::thread::sleep(Duration::from_millis(1100));
    let second = ask("two");
    assert_eq!(
        (second.status, second.header("retry-after")),
        (429, Some("2"))
    );
    assert_eq!(first.header("x-epoch"), second.header("x-epoch"));
    let epoch: i64 = first.header("x-epoch").unwrap().parse().unwrap();
    let time = time::OffsetDateTime::from_unix_timestamp(epoch).unwrap();
    let format = &time::format_description::well_known::Rfc3339;
    assert_eq!(first.header("x-time"), Some(&*time.format(format).unwrap()));
    while ask("three").status == 429 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the limit never ends"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert!(says_hello(&ask("one")));
}

#[test]
fn an_error_comes_in_the_middle_of_a_stream() {
    let fault = "kind = 'error_event'\nafter_events = 2\nerror_type = 'overloaded_error'\nmessage = 'Too much'";
    let served = Served::of(&script(fault));
    let claude = ask(&served, Protocol::Anthropic, true);
    assert_eq!(
        names(&claude),
        ["message_start", "content_block_start", "error"]
    );
    assert!(claude.is_whole);
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Too much"}});
    assert_eq!(claude.events()[2], error);
    let codex = ask(&served, Protocol::OpenAi, true);
    assert_eq!(
        names(&codex),
        [
            "response.created",
            "response.output_item.added",
            "response.failed"
        ]
    );
    let text = codex.text();
    let data = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let failed: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        failed["response"]["error"],
        json!({"code": "overloaded_error", "message": "Too much"})
    );
    // Where there is no stream, it is the answer.
    assert_eq!(ask(&served, Protocol::Anthropic, false).status, 503);
}

#[test]
fn a_cut_brings_what_came_before_it_and_no_end() {
    for protocol in BOTH {
        for (after, expected) in [(0, 0), (1, 1), (3, 3)] {
            let served = Served::of(&script(&format!("kind = 'cut'\nafter_events = {after}")));
            let got = ask(&served, protocol, true);
            assert_eq!(
                (got.status, names(&got).len(), got.is_whole),
                (200, expected, false),
                "{protocol:?}"
            );
            let got = ask(&served, protocol, false);
            assert!(!got.is_whole && !got.text().ends_with('}'), "{got:?}");
        }
        // Behind the last event, only the end is missing.
        let served = Served::of(&script("kind = 'cut'\nafter_events = 99"));
        let got = ask(&served, protocol, true);
        assert!(got.text().contains("Here I am.") && !got.is_whole);
    }
}

#[test]
fn a_stall_and_a_silence_last_as_long_as_they_say() {
    for protocol in BOTH {
        for fault in [
            "kind = 'stall'\nafter_events = 2\nseconds = 1",
            "kind = 'silence'\nseconds = 1",
        ] {
            let served = Served::of(&script(&format!("{fault}\ntimes = 1")));
            for (stream, least) in [(true, 1000), (false, 0)] {
                let began = Instant::now();
                assert!(says_hello(&ask(&served, protocol, stream)), "{fault}");
                let took = began.elapsed();
                assert!(took >= Duration::from_millis(least), "{fault}: {took:?}");
            }
        }
    }
}

#[test]
fn a_stall_sends_what_came_before_it_at_once_and_a_silence_nothing() {
    use std::io::{Read as _, Write as _};
    let first_bytes = |fault: &str| {
        let served = Served::of(&script(fault));
        let mut stream = std::net::TcpStream::connect(served.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(700)))
            .unwrap();
        let body = Agent::new(Protocol::Anthropic, "x").request().to_string();
        let length = body.len();
        let head =
            format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
        let mut got = String::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            got.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        got
    };
    let stalled = first_bytes("kind = 'stall'\nafter_events = 2\nseconds = 3600");
    assert!(
        stalled.contains("content_block_start") && !stalled.contains("content_block_delta"),
        "{stalled}"
    );
    assert_eq!(first_bytes("kind = 'silence'\nseconds = 3600"), "");
}

#[test]
fn garbage_is_the_same_each_time_and_no_text() {
    for protocol in BOTH {
        let served = Served::of(&script("kind = 'garbage'\nafter_events = 1\nbytes = 1000"));
        let [one, two] = [true, true].map(|stream| ask(&served, protocol, stream));
        assert_eq!(one.body, two.body);
        let start = one.body.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
        assert_eq!(one.body.len() - start, 1000);
        assert!(std::str::from_utf8(&one.body[start..]).is_err());
    }
}

#[test]
fn an_answer_that_broke_before_its_calls_is_given_again() {
    let script = r#"
        about = ""
        [[parts]]
        [[parts.turns]]
        thinking = "Hm."
        text = "Two files."
        actions = [
          { do = "run", command = "first" },
          { do = "run", command = "second" },
        ]
        [[parts.turns]]
        text = "Done."
    "#;
    let served = Served::of(script);
    for protocol in BOTH {
        let run = |agent: &mut Agent| -> Vec<String> {
            let said = agent.run(&served, |_| String::new());
            let calls = said.iter().flat_map(|said| &said.calls);
            calls.map(|(_, input)| input.to_string()).collect()
        };
        let mut whole = Agent::new(protocol, "x");
        let calls = run(&mut whole);
        assert_eq!(calls.len(), 2);
        // Only the text came, and the agent kept it.
        let mut agent = Agent::new(protocol, "x");
        let text = match protocol {
            Protocol::Anthropic => json!([{"type": "text", "text": "Two files."}]),
            Protocol::OpenAi => json!([{"type": "output_text", "text": "Two files."}]),
        };
        agent
            .items
            .push(json!({"role": "assistant", "content": text}));
        assert_eq!(run(&mut agent), calls);
    }
    // Claude Code also makes the calls of a message that broke after them.
    let mut agent = Agent::new(Protocol::Anthropic, "x");
    agent.items.push(json!({
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "a", "name": "Bash", "input": {"command": "first"}}],
    }));
    agent.items.push(json!({
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "a", "content": ""}],
    }));
    let said = agent.step(&served, |_| String::new());
    assert_eq!(
        (&*said.text, &*said.thinking, said.calls.len()),
        ("", "", 1)
    );
    assert_eq!(said.calls[0].1["command"], "second");
    assert_eq!(agent.step(&served, |_| String::new()).text, "Done.");
}
