//! Requests that Claude Code 2.1.332 and Codex 0.171.0 sent, shortened: what is made of each.

use crate::support::{Agent, Served};
use app_gen_scripted_model::{Entry, Protocol, Settings};
use hyper::HeaderMap;
use serde_json::{Value, json};

macro_rules! recorded {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("recorded/", $name, ".json"))).unwrap()
    };
}

/// The script that the requests were made with.
const SCRIPT: &str = r#"
about = "Three turns."

[[parts]]

[[parts.turns]]
text = "One"
actions = [{ do = "write", path = "one.txt", content = "1\n" }]

[[parts.turns]]
text = "Two"
actions = [{ do = "run", command = "make" }]

[[parts.turns]]
text = "Three"
"#;

fn text(body: &Value, protocol: Protocol, script: &str) -> String {
    let got = Served::of(script).post(protocol, body);
    assert_eq!(got.status, 200, "{}", got.text());
    let text = got.text();
    let word = ["One", "Two", "Three"]
        .into_iter()
        .find(|word| text.contains(word));
    word.unwrap_or("nothing").to_owned()
}

#[test]
fn a_first_request_gets_the_first_turn() {
    assert_eq!(
        text(&recorded!("claude-first"), Protocol::Anthropic, SCRIPT),
        "One"
    );
    assert_eq!(
        text(&recorded!("codex-first"), Protocol::OpenAi, SCRIPT),
        "One"
    );
}

#[test]
fn what_an_agent_says_of_itself_is_no_prompt() {
    let prompts = |body: Value, protocol: Protocol| -> Vec<String> {
        let headers = HeaderMap::new();
        let conversation = protocol
            .read(&headers, body.to_string().as_bytes())
            .unwrap();
        let prompts = conversation
            .entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Prompt(text) => Some(text),
                _ => None,
            });
        prompts.collect()
    };
    assert_eq!(
        prompts(recorded!("claude-first"), Protocol::Anthropic),
        ["Make it.\n"]
    );
    assert_eq!(
        prompts(recorded!("codex-first"), Protocol::OpenAi),
        ["Make it."]
    );
    // With AGENTS.md of the workspace, and a model that has its tools in a message.
    assert_eq!(
        prompts(recorded!("codex-code-mode"), Protocol::OpenAi),
        ["Make it.\nRole: builder"]
    );
    assert_eq!(
        prompts(recorded!("codex-interrupted"), Protocol::OpenAi),
        ["Make it.", "Go on."]
    );
}

#[test]
fn a_session_names_its_conversation() {
    let mut headers = HeaderMap::new();
    let id = |headers: &HeaderMap, body: &Value, protocol: Protocol| {
        protocol
            .read(headers, body.to_string().as_bytes())
            .unwrap()
            .id
    };
    let claude = recorded!("claude-first");
    let by_body = id(&headers, &claude, Protocol::Anthropic);
    assert!(
        by_body.contains("22222222-2222-4222-8222-222222222222"),
        "{by_body}"
    );
    headers.insert("x-claude-code-session-id", "a-session".parse().unwrap());
    assert_eq!(id(&headers, &claude, Protocol::Anthropic), "a-session");
    let codex = id(&headers, &recorded!("codex-first"), Protocol::OpenAi);
    assert_eq!(
        codex,
        id(&headers, &recorded!("codex-killed"), Protocol::OpenAi)
    );
}

#[test]
fn a_tool_that_was_interrupted_is_called_again() {
    let killed = recorded!("claude-killed");
    assert_eq!(text(&killed, Protocol::Anthropic, SCRIPT), "Two");
    // What Claude Code said after other signals: SIGTERM, SIGINT.
    let result = "/messages/5/content/0/content";
    for said in [
        "Exit code 137",
        "The user doesn't want to proceed with this tool use. The tool use was rejected",
    ] {
        let mut ended = killed.clone();
        *ended.pointer_mut(result).unwrap() = said.into();
        assert_eq!(text(&ended, Protocol::Anthropic, SCRIPT), "Two");
    }
    let mut failed = killed;
    *failed.pointer_mut(result).unwrap() = "Exit code 1".into();
    assert_eq!(text(&failed, Protocol::Anthropic, SCRIPT), "Three");
    for interrupted in [recorded!("codex-killed"), recorded!("codex-interrupted")] {
        let turns = interrupted["input"].to_string().matches("aborted").count();
        assert!(turns > 0);
        assert_eq!(text(&interrupted, Protocol::OpenAi, SCRIPT), "Two");
    }
}

#[test]
fn a_command_that_runs_on_is_waited_for() {
    let mut body = recorded!("codex-running");
    let served = Served::of(SCRIPT);
    let last = |body: &Value| {
        let got = served.post(Protocol::OpenAi, body);
        let events = got.events();
        events.last().unwrap()["response"]["output"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone()
    };
    // The two commands that were asked for are in it, and the first has ended.
    let items = body["input"].as_array().unwrap();
    let end = items.iter().rposition(|item| {
        item["output"]
            .as_str()
            .is_some_and(|text| text.contains("10264"))
    });
    let mut items = items[..=end.unwrap()].to_vec();
    for look in 0..12 {
        body["input"] = items.clone().into();
        let call = last(&body);
        if look == 10 {
            assert_eq!(
                call["name"], "exec_command",
                "nothing is waited for without end"
            );
            return;
        }
        assert_eq!(call["name"], "write_stdin");
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&arguments["session_id"], &arguments["chars"]),
            (&json!(10264), &json!(""))
        );
        let call_id = call["call_id"].clone();
        items.push(call);
        let output = "Chunk ID: 1\nProcess running with session ID 10264\nOutput:\n";
        items.push(json!({"type": "function_call_output", "call_id": call_id, "output": output}));
        // Once it has ended, the script goes on.
        let mut ended = items.clone();
        let output =
            "Chunk ID: 1\nProcess exited with code 0\nOutput:\nProcess running with session ID 7\n";
        ended.last_mut().unwrap()["output"] = output.into();
        body["input"] = ended.into();
        assert_eq!(last(&body)["name"], "exec_command");
    }
    panic!("it waits for ever");
}

#[test]
fn a_request_for_no_stream_gets_one_object() {
    let body = recorded!("claude-not-streamed");
    let script = "about = ''\n[[parts]]\nturns = [{ text = 'First.' }, { text = 'Second.', thinking = 'So.' }]";
    let got = Served::of(script).post(Protocol::Anthropic, &body);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(
        got.json(),
        json!({
            "id": "msg_0_1_3",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5-5",
            "content": [
                {"type": "thinking", "thinking": "So.", "signature": "c2NyaXB0"},
                {"type": "text", "text": "Second."},
            ],
            "stop_reason": "end_turn",
            "stop_sequence": null,
            "usage": {
                "input_tokens": 1000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": 100,
            },
        })
    );
}

#[test]
fn roles_are_told_apart() {
    let script = r#"
        about = ""
        roles = { tester = "You are the tester" }
        [[parts]]
        role = "tester"
        turns = [{ text = "One" }]
        [[parts]]
        role = "builder"
        turns = [{ text = "Two" }]
        [[parts]]
        turns = [{ text = "Three" }]
    "#;
    let served = Served::of(script);
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let said = |instructions: &str, prompts: &[&str]| {
            let mut agent = Agent::new(protocol, prompts[0]);
            prompts[1..].iter().for_each(|prompt| agent.prompt(prompt));
            agent.instructions = instructions.to_owned();
            agent.step(&served, |_| String::new()).text
        };
        assert_eq!(said("Rules.\n Role: builder \nMore.", &["Make it."]), "Two");
        assert_eq!(said("So. You are the tester.", &["Role: builder"]), "One");
        assert_eq!(said("", &["Make it.\nRole: builder"]), "Two");
        assert_eq!(
            said("", &["Role: builder", "You are the tester now."]),
            "One"
        );
        assert_eq!(
            said("My Role: builder of things", &["Role: builders"]),
            "Three"
        );
    }
    // As the agents send it.
    assert_eq!(
        text(&recorded!("claude-first"), Protocol::Anthropic, script),
        "Two"
    );
    let roles_only = script.rsplit_once("[[parts]]").unwrap().0;
    let got = Served::of(roles_only).post(Protocol::OpenAi, &recorded!("codex-first"));
    assert_eq!(got.status, 400);
    assert!(
        got.text()
            .contains("no part of the script is for this role or prompt")
    );
}

#[test]
fn the_newest_cue_begins_a_part() {
    let script = r#"
        about = ""
        [[parts]]
        cue = "mend it"
        cue_result = "1 failed"
        [[parts.turns]]
        text = "mending"
        actions = [{ do = "run", command = "mend" }]
        [[parts.turns]]
        text = "mended"
        [[parts]]
        [[parts.turns]]
        text = "making"
        actions = [{ do = "run", command = "make" }, { do = "run", command = "test" }]
        [[parts.turns]]
        text = "made"
    "#;
    let served = Served::of(script);
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let texts = |agent: &mut Agent, failing: &str| -> Vec<String> {
            let result = |call: &str| match call.contains(failing) {
                true => "1 failed".to_owned(),
                false => "fine".to_owned(),
            };
            let said = agent.run(&served, result);
            said.into_iter()
                .map(|said| said.text)
                .filter(|text| !text.is_empty())
                .collect()
        };
        let mut agent = Agent::new(protocol, "Make it.");
        assert_eq!(texts(&mut agent, "nothing"), ["making", "made"]);
        agent.prompt("Go on.");
        assert_eq!(
            texts(&mut agent, "nothing"),
            ["The script has no further turn."]
        );
        agent.prompt("Please mend it.");
        assert_eq!(texts(&mut agent, "nothing"), ["mending", "mended"]);
        agent.prompt("And now mend it again.");
        assert_eq!(texts(&mut agent, "nothing"), ["mending", "mended"]);
        let mut agent = Agent::new(protocol, "Make it.");
        assert_eq!(texts(&mut agent, "test"), ["making", "mending", "mended"]);
    }
}

#[test]
fn usage_stop_and_models_are_what_the_script_says() {
    let script = r#"
        about = ""
        models = ["small", "large"]
        [[parts]]
        [[parts.turns]]
        text = "So far"
        stop = "max_tokens"
        usage = { input_tokens = 10, cache_read_tokens = 20, cache_write_tokens = 30, output_tokens = 40, thinking_tokens = 5 }
    "#;
    let served = Served::of(script);
    let body = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "x"}], "input": "x", "stream": true});
    let claude = served.post(Protocol::Anthropic, &body("small")).events();
    assert_eq!(claude[0]["message"]["usage"]["output_tokens"], 1);
    let end = &claude[claude.len() - 2];
    assert_eq!(end["delta"]["stop_reason"], "max_tokens");
    let usage = json!({
        "input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30, "output_tokens": 40,
    });
    assert_eq!(end["usage"], usage);
    let codex = served.post(Protocol::OpenAi, &body("large")).events();
    let end = &codex.last().unwrap()["response"];
    assert_eq!(
        (&end["status"], &end["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    assert_eq!(
        end["usage"],
        json!({
            "input_tokens": 60, "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 30},
            "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 100,
        })
    );
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        assert_eq!(served.post(protocol, &body("other")).status, 404);
    }
    let ask = |path: &str, headers: &[(&str, &str)]| served.ask("GET", path, headers, b"");
    let version = [("anthropic-version", "2023-06-01")];
    assert_eq!(ask("/v1/models", &version).json()["last_id"], "large");
    assert_eq!(ask("/v1/models", &[]).json()["data"][0]["object"], "model");
    assert_eq!(ask("/v1/models/small", &version).json()["type"], "model");
    assert_eq!(ask("/v1/models/tiny", &[]).status, 404);
    let count = served.ask("POST", "/v1/messages/count_tokens", &[], &[b'x'; 400]);
    assert_eq!(count.json(), json!({"input_tokens": 100}));
    assert_eq!(served.ask("HEAD", "/api/hello", &[], b"").status, 200);
    assert_eq!(served.ask("GET", "/v1/files", &[], b"").status, 404);
}

#[test]
fn only_the_right_key_is_accepted_and_no_key_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("requests");
    let settings = Settings {
        key: Some("right-key".to_owned()),
        record: Some(record.clone()),
        ..Settings::default()
    };
    let served = Served::new(crate::support::parse(SCRIPT), settings);
    let body = recorded!("claude-first").to_string();
    let status = |headers: &[(&str, &str)]| {
        served
            .ask("POST", "/v1/messages", headers, body.as_bytes())
            .status
    };
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[("x-api-key", "wrong-key")]), 401);
    assert_eq!(
        status(&[("x-api-key", "right-key"), ("x-other", "shown")]),
        200
    );
    assert_eq!(status(&[("authorization", "Bearer right-key")]), 200);
    let text = std::fs::read_to_string(record).unwrap();
    assert!(
        !text.contains("right-key") && !text.contains("wrong-key"),
        "{text}"
    );
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let statuses: Vec<&Value> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [401, 401, 200, 200]);
    assert_eq!(
        (&lines[2]["number"], &lines[2]["part"], &lines[2]["turn"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(
        (&lines[2]["headers"]["x-other"], &lines[2]["body"]),
        (&json!("shown"), &json!(body))
    );
}
