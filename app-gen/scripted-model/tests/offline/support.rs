//! A model that is served, a client that sees bytes as they come, and an agent that does nothing.

use app_gen_scripted_model::{Model, Protocol, Script, Settings, serve};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Longer than any answer of these tests takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

pub(crate) fn parse(text: &str) -> Script {
    Script::parse(text, &scripts()).unwrap()
}

/// A script that is played until this is dropped.
pub(crate) struct Served {
    _runtime: Runtime,
    pub(crate) address: SocketAddr,
}

impl Served {
    pub(crate) fn new(script: Script, settings: Settings) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let model = Arc::new(Model::new(script, settings).unwrap());
        runtime.spawn(serve(listener, model));
        Self {
            _runtime: runtime,
            address,
        }
    }

    pub(crate) fn of(text: &str) -> Self {
        Self::new(parse(text), Settings::default())
    }

    /// Sends a request and reads until the server closes the connection.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Got {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: model\r\nconnection: close\r\n");
        head.push_str(&format!("content-length: {}\r\n", body.len()));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A server that refuses does not read to the end.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        // A connection that is reset has brought what it brought.
        let _ = stream.read_to_end(&mut bytes);
        Got::of(&bytes)
    }

    pub(crate) fn post(&self, protocol: Protocol, body: &Value) -> Got {
        let path = match protocol {
            Protocol::Anthropic => "/v1/messages?beta=true",
            Protocol::OpenAi => "/v1/responses",
        };
        self.ask("POST", path, &[], body.to_string().as_bytes())
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    /// 0 where nothing came.
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
    /// The body ended as it should.
    pub(crate) is_whole: bool,
}

impl Got {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            let (status, head, body) = (0, String::new(), Vec::new());
            return Self {
                status,
                head,
                body,
                is_whole: false,
            };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut rest = &bytes[end + 4..];
        let chunked = head.contains("transfer-encoding: chunked");
        let mut got = Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: rest.to_vec(),
            is_whole: !chunked,
        };
        if chunked {
            got.body.clear();
            while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
                let size = std::str::from_utf8(&rest[..line]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                let Some(chunk) = rest.get(line + 2..line + 2 + size) else {
                    break;
                };
                got.is_whole = size == 0;
                got.body.extend(chunk);
                rest = rest.get(line + 4 + size..).unwrap_or_default();
            }
        }
        got
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The events of a stream, each with the name that its data has too.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let events = text.split_terminator("\n\n");
        events
            .map(|event| {
                let (name, data) = event.split_once('\n').unwrap();
                let data: Value =
                    serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
                assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
                data
            })
            .collect()
    }
}

/// A conversation as an agent keeps it.
pub(crate) struct Agent {
    pub(crate) protocol: Protocol,
    pub(crate) model: &'static str,
    pub(crate) items: Vec<Value>,
    pub(crate) instructions: String,
    pub(crate) stream: bool,
}

/// What the model said in one answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) thinking: String,
    pub(crate) text: String,
    /// Tools with what they are called with.
    pub(crate) calls: Vec<(String, Value)>,
}

impl Agent {
    pub(crate) fn new(protocol: Protocol, prompt: &str) -> Self {
        let mut agent = Self {
            protocol,
            model: "any",
            items: Vec::new(),
            instructions: String::new(),
            stream: true,
        };
        agent.prompt(prompt);
        agent
    }

    pub(crate) fn prompt(&mut self, prompt: &str) {
        self.items.push(json!({"role": "user", "content": prompt}));
    }

    pub(crate) fn request(&self) -> Value {
        let Self {
            model,
            items,
            instructions,
            stream,
            ..
        } = self;
        match self.protocol {
            Protocol::Anthropic => json!({
                "model": model, "messages": items, "system": instructions, "stream": stream, "max_tokens": 100,
            }),
            Protocol::OpenAi => json!({
                "model": model, "input": items, "instructions": instructions, "stream": stream,
            }),
        }
    }

    /// Asks, and answers each call with what `results` makes of it.
    pub(crate) fn step(&mut self, served: &Served, results: impl Fn(&str) -> String) -> Said {
        let got = served.post(self.protocol, &self.request());
        assert!(got.status == 200 && got.is_whole, "{got:?}");
        let (content, said) = match (self.protocol, self.stream) {
            (Protocol::Anthropic, true) => anthropic(message(&got.events())),
            (Protocol::Anthropic, false) => anthropic(got.json()["content"].clone()),
            (Protocol::OpenAi, true) => openai(response(&got.events())),
            (Protocol::OpenAi, false) => openai(got.json()["output"].clone()),
        };
        match self.protocol {
            Protocol::Anthropic => {
                let results: Vec<Value> = content
                    .iter()
                    .filter(|block| block["type"] == "tool_use")
                    .map(|block| {
                        json!({
                            "type": "tool_result",
                            "tool_use_id": block["id"],
                            "content": results(&block["input"].to_string()),
                        })
                    })
                    .collect();
                self.items
                    .push(json!({"role": "assistant", "content": content}));
                if !results.is_empty() {
                    self.items.push(json!({"role": "user", "content": results}));
                }
            }
            Protocol::OpenAi => {
                let results: Vec<Value> = content
                    .iter()
                    .filter(|item| item["type"] == "function_call")
                    .map(|item| {
                        json!({
                            "type": "function_call_output",
                            "call_id": item["call_id"],
                            "output": results(item["arguments"].as_str().unwrap()),
                        })
                    })
                    .collect();
                self.items.extend(content);
                self.items.extend(results);
            }
        }
        said
    }

    /// Asks until the model calls no tool, and not for ever.
    pub(crate) fn run(&mut self, served: &Served, results: impl Fn(&str) -> String) -> Vec<Said> {
        let mut all = Vec::new();
        for _ in 0..60 {
            let said = self.step(served, &results);
            let is_over = said.calls.is_empty();
            all.push(said);
            if is_over {
                break;
            }
        }
        all
    }
}

/// The content of a message that is put together from its stream.
fn message(events: &[Value]) -> Value {
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        let delta = &event["delta"];
        let add = |block: &mut Value, name: &str| {
            let text = format!(
                "{}{}",
                block[name].as_str().unwrap(),
                delta[name].as_str().unwrap()
            );
            block[name] = text.into();
        };
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(event["index"], blocks.len());
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let block = blocks.last_mut().unwrap();
                match delta["type"].as_str().unwrap() {
                    "text_delta" => add(block, "text"),
                    "thinking_delta" => add(block, "thinking"),
                    "signature_delta" => add(block, "signature"),
                    "input_json_delta" => {
                        let input = inputs.last_mut().unwrap();
                        input.push_str(delta["partial_json"].as_str().unwrap());
                    }
                    other => panic!("{other}"),
                }
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(inputs) {
        if block["type"] == "tool_use" {
            block["input"] = serde_json::from_str(&input).unwrap();
        }
    }
    blocks.into()
}

fn anthropic(content: Value) -> (Vec<Value>, Said) {
    let mut said = Said::default();
    let content = content.as_array().unwrap().clone();
    for block in &content {
        match block["type"].as_str().unwrap() {
            "thinking" => said.thinking = block["thinking"].as_str().unwrap().to_owned(),
            "text" => said.text = block["text"].as_str().unwrap().to_owned(),
            _ => said.calls.push((
                block["name"].as_str().unwrap().to_owned(),
                block["input"].clone(),
            )),
        }
    }
    (content, said)
}

/// The output of a response, which its stream has item by item and as a whole.
fn response(events: &[Value]) -> Value {
    assert_eq!(events[0]["type"], "response.created");
    let numbers = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap());
    assert!(numbers.eq(0..events.len() as u64));
    let done = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done");
    let items: Vec<Value> = done.map(|event| event["item"].clone()).collect();
    let last = events.last().unwrap();
    assert_eq!(last["response"]["output"], Value::from(items.clone()));
    let deltas = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    let whole = items.iter().find(|item| item["type"] == "message");
    assert_eq!(
        text,
        whole.map_or("", |item| item["content"][0]["text"].as_str().unwrap())
    );
    items.into()
}

fn openai(output: Value) -> (Vec<Value>, Said) {
    let mut said = Said::default();
    let output = output.as_array().unwrap().clone();
    for item in &output {
        match item["type"].as_str().unwrap() {
            "reasoning" => said.thinking = item["summary"][0]["text"].as_str().unwrap().to_owned(),
            "message" => said.text = item["content"][0]["text"].as_str().unwrap().to_owned(),
            _ => {
                let input = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
                said.calls
                    .push((item["name"].as_str().unwrap().to_owned(), input));
            }
        }
    }
    (output, said)
}
