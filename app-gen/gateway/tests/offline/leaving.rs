//! Agents that leave: the provider is left too, and what was used counts.

use crate::support::{PATIENCE, Served, head, request, wire};
use app_gen_gateway::{End, Protocol};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A provider that sends `start`, then goes on as long as somebody takes it, and says when nobody does.
fn endless(start: &'static str) -> (Served, Receiver<()>) {
    let (left, leaving) = channel();
    let left = Mutex::new(left);
    let address = wire(move |_, _, mut connection| {
        if start.is_empty() {
            // Nothing at all, until the other side has closed.
            let _ = connection.read(&mut [0]);
        } else {
            connection.write_all(start.as_bytes()).unwrap();
            while connection.write_all(b": ping\n\n").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        left.lock().unwrap().send(()).unwrap();
    });
    (Served::before_wire(address), leaving)
}

fn begin(served: &Served, protocol: Protocol) -> TcpStream {
    let body = request(protocol, &"word ".repeat(1000), true).to_string();
    let mut stream = TcpStream::connect(served.gateway.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = head(protocol, served.token(), body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    stream
}

fn has_no_task_left(served: &Served) {
    let began = Instant::now();
    // What listens is one.
    while served.tasks() > 1 {
        assert!(began.elapsed() < PATIENCE, "{} tasks", served.tasks());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_agent_that_leaves_in_the_middle_has_used_what_it_got() {
    let start = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
        data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-opus-5-5\",\"usage\":{\"input_tokens\":700,\"output_tokens\":1}}}\n\n\
        data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"forty bytes of text, no more and no less.\"}}\n\n";
    let (served, leaving) = endless(start);
    let mut stream = begin(&served, Protocol::Anthropic);
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&bytes).contains("no less") {
        let count = stream.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..count]);
    }
    drop(stream);
    leaving.recv_timeout(PATIENCE).unwrap();
    let exchange = served.exchange();
    assert_eq!(
        (exchange.end, exchange.spent.incomplete),
        (End::Abandoned, 1)
    );
    let (usage, estimated) = (exchange.spent.usage, exchange.spent.estimated);
    assert_eq!((usage.input, usage.output), (700, 1));
    assert_eq!((estimated.input, estimated.output), (0, 41 / 4 - 1));
    has_no_task_left(&served);
}

#[test]
fn an_agent_that_leaves_before_the_answer_has_used_its_request() {
    let (served, leaving) = endless("");
    let stream = begin(&served, Protocol::OpenAi);
    // Until the provider has it.
    thread::sleep(Duration::from_millis(500));
    drop(stream);
    leaving.recv_timeout(PATIENCE).unwrap();
    let exchange = served.exchange();
    assert_eq!((exchange.end, exchange.status), (End::Abandoned, None));
    assert_eq!(exchange.spent.estimated.input, exchange.request_bytes / 4);
    assert!(exchange.spent.estimated.input > 1000);
    has_no_task_left(&served);
}

/// An agent that always leaves early would otherwise never reach its budget.
#[test]
fn leaving_early_does_not_go_around_a_budget() {
    let (served, _leaving) = endless("");
    let budget = app_gen_gateway::Budget {
        usd: None,
        tokens: Some(3000),
    };
    let pass = served
        .gateway
        .admit(crate::support::scope("tester", budget))
        .unwrap();
    let body = request(Protocol::OpenAi, &"word ".repeat(1000), true).to_string();
    let head = head(Protocol::OpenAi, pass.token().reveal(), body.len());
    for count in 1..=3 {
        let mut stream = TcpStream::connect(served.gateway.address()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(300));
        drop(stream);
        served.exchanges(count);
    }
    let got = crate::support::send(
        served.gateway.address(),
        &[head.as_bytes(), body.as_bytes()],
    );
    assert_eq!(got.status, 400);
}
