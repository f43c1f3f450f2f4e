//! Random requests and random scripts: nothing panics, nothing hangs, and what is answered is whole.

use crate::support::{Agent, Served, scripts};
use app_gen_scripted_model::{Model, Protocol, Script, Settings, choose};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Pseudo-random numbers (`SplitMix64`), the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const WORDS: [&str; 24] = [
    "model",
    "messages",
    "input",
    "role",
    "user",
    "assistant",
    "content",
    "type",
    "text",
    "tool_use",
    "tool_result",
    "message",
    "function_call",
    "function_call_output",
    "output",
    "reasoning",
    "write_stdin",
    "{\"chars\":\"\"}",
    "Process running with session ID 18446744073709551616\nOutput:",
    "aborted",
    "[Tool call interrupted",
    "Role: builder",
    "<system-reminder>",
    "🌱\u{0}\u{2028}",
];

/// A value of any shape, with the names and the words that are looked at.
fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.next()),
        3 | 4 => json!(random.of(&WORDS)),
        5 => (0..random.below(5))
            .map(|_| value(random, depth - 1))
            .collect(),
        _ => {
            let fields = (0..random.below(6)).map(|_| {
                let name = (*random.of(&WORDS)).to_owned();
                (name, value(random, depth - 1))
            });
            Value::Object(fields.collect())
        }
    }
}

/// A request that a protocol could have, at first sight.
fn request(random: &mut Random) -> Value {
    let items: Vec<Value> = (0..random.below(12))
        .map(|_| {
            let mut item = json!({
                "role": random.of(&["user", "assistant", "system", "developer"]),
                "type": random.of(&["message", "reasoning", "function_call", "function_call_output"]),
                "content": value(random, 2),
                "output": value(random, 1),
                "name": random.of(&WORDS),
                "arguments": random.of(&WORDS),
            });
            if random.below(3) == 0 {
                let left_out = *random.of(&["role", "type", "content"]);
                item.as_object_mut().unwrap().remove(left_out);
            }
            item
        })
        .collect();
    json!({
        "model": "any",
        "stream": random.below(2) == 0,
        "system": value(random, 2),
        "instructions": value(random, 1),
        "metadata": value(random, 2),
        "messages": items,
        "input": items,
    })
}

#[test]
fn any_request_is_answered_or_refused() {
    let served = Served::new(
        Script::load(&scripts().join("create.toml")).unwrap(),
        Settings::default(),
    );
    let mut random = Random(1);
    let mut answered = [0_usize; 2];
    for _ in 0..600 {
        let body = match random.below(4) {
            0 => value(&mut random, 4),
            _ => request(&mut random),
        };
        for (index, protocol) in [Protocol::Anthropic, Protocol::OpenAi]
            .into_iter()
            .enumerate()
        {
            let got = served.post(protocol, &body);
            assert!(
                [200, 400].contains(&got.status) && got.is_whole,
                "{body}\n{got:?}"
            );
            answered[index] += usize::from(got.status == 200);
        }
    }
    assert!(answered.iter().all(|count| *count > 100), "{answered:?}");
}

#[test]
fn any_bytes_are_answered_or_refused() {
    let served = Served::of("about = ''\n[[parts]]\nturns = [{ text = 'x' }]");
    let mut random = Random(2);
    let whole = Agent::new(Protocol::Anthropic, "🌱 <system-reminder>")
        .request()
        .to_string()
        .into_bytes();
    for _ in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, *random.of(b"\"{}[],:\\\x00\xff")),
            }
        }
        let path = *random.of(&[
            "/v1/messages",
            "/v1/responses",
            "/v1/models/%2e%2e",
            "/v1/messages/count_tokens",
            "/?",
        ]);
        let method = *random.of(&["POST", "POST", "GET", "PUT"]);
        let got = served.ask(method, path, &[], &bytes);
        assert!(
            [200, 400, 404].contains(&got.status),
            "{method} {path} {got:?}"
        );
    }
    // It is still there after all that, and after a client that goes in the middle.
    for _ in 0..300 {
        drop(std::net::TcpStream::connect(served.address).unwrap());
    }
    assert_eq!(
        served
            .post(
                Protocol::Anthropic,
                &serde_json::from_slice(&whole).unwrap()
            )
            .status,
        200
    );
}

/// Every script of the library, altered here and there.
#[test]
fn any_script_is_refused_or_played() {
    let mut random = Random(3);
    let texts: Vec<String> = std::fs::read_dir(scripts())
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .filter(|text| text.contains("[[parts]]"))
        .collect();
    let (mut refused, mut played) = (0, 0);
    for _ in 0..600 {
        let lines: Vec<&str> = random.of(&texts).lines().collect();
        let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        for _ in 0..=random.below(3) {
            let at = random.below(lines.len());
            match random.below(5) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, "[[parts]]".to_owned()),
                2 => lines.insert(at, "[[parts.turns]]".to_owned()),
                3 => lines[at] = lines[at].replace(|one: char| one.is_ascii_digit(), "9"),
                _ => lines.insert(
                    at,
                    format!(
                        "{} = {}",
                        random.of(&["cue", "repeat", "text", "role"]),
                        random.of(&["true", "'x'", "7"])
                    ),
                ),
            }
            if lines.is_empty() {
                lines.push(String::new());
            }
        }
        let Ok(script) = Script::parse(&lines.join("\n"), &scripts()) else {
            refused += 1;
            continue;
        };
        played += 1;
        for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
            let body = request(&mut random).to_string();
            let headers = hyper::HeaderMap::new();
            if let Ok(conversation) = protocol.read(&headers, body.as_bytes())
                && let Some(choice) = choose(&script, &conversation, protocol)
            {
                assert!(choice.part < script.parts.len());
                let repeats = script.parts[choice.part].repeat;
                assert_eq!(
                    choice.content.is_some(),
                    repeats || choice.turn < script.parts[choice.part].turns.len()
                );
            }
        }
        assert!(Model::new(script, Settings::default()).is_ok());
    }
    assert!(
        refused > 100 && played > 100,
        "{refused} refused, {played} played"
    );
}

/// A script without pauses is played in no time, however large it is.
#[test]
fn large_answers_and_large_requests_take_no_time() {
    let script = "about = ''\n[[parts]]\nturns = [{ actions = [{ do = 'write', path = 'a', content = \"0123456789\\n\", repeat = 300000 }] }]";
    let served = Served::of(script);
    let began = Instant::now();
    for protocol in [Protocol::Anthropic, Protocol::OpenAi] {
        let mut agent = Agent::new(protocol, &"x".repeat(3_000_000));
        let said = agent.step(&served, |_| "y".repeat(3_000_000));
        assert!(said.calls[0].1.to_string().len() > 3_000_000);
        assert_eq!(
            agent.step(&served, |_| String::new()).text,
            "The script has no further turn."
        );
    }
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}
