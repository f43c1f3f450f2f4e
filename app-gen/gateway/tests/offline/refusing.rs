//! Who and what is refused, and what stays hidden.

use crate::support::{BOTH, KEY, Served, ask, head, path, request, send, wire};
use app_gen_gateway::{Bounds, Budget, End, Protocol, Refusal};
use std::io::Write as _;
use std::sync::{Arc, Mutex};

const SCRIPT: &str = "about = ''\n[[parts]]\nturns = [{ text = 'x' }]";

fn served() -> Served {
    Served::before_script(SCRIPT, Budget::default(), Bounds::default()).0
}

#[test]
fn without_a_valid_token_nothing_is_asked() {
    let mut served = served();
    let token = served.token().to_owned();
    let almost = format!(
        "{}{}",
        &token[..63],
        if token.ends_with('0') { '1' } else { '0' }
    );
    let tokens = [
        "",
        KEY,
        &almost,
        &token[..63],
        &format!("{token}0"),
        &token.to_uppercase(),
    ];
    for protocol in BOTH {
        for token in tokens {
            let got = ask(
                served.gateway.address(),
                protocol,
                token,
                &request(protocol, "x", true),
            );
            assert_eq!(got.status, 401, "{token}");
            assert_eq!(got.json()["error"]["type"], "authentication_error");
            assert!(!got.head.contains("www-authenticate"));
        }
        let without = format!(
            "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            path(protocol)
        );
        assert_eq!(
            send(served.gateway.address(), &[without.as_bytes()]).status,
            401
        );
    }
    assert_eq!(served.recorded().len(), 0);
    let body = request(Protocol::OpenAi, "x", true);
    assert_eq!(served.post(Protocol::OpenAi, &body).status, 200);
    // A token ends with its pass.
    served.pass = None;
    assert_eq!(
        ask(served.gateway.address(), Protocol::OpenAi, &token, &body).status,
        401
    );
    assert_eq!(served.recorded().len(), 1);
}

#[test]
fn requests_that_are_not_the_models_are_refused() {
    let served = served();
    let requests = [
        "GET /",
        "HEAD /api/hello",
        "GET /v1/messages",
        "GET /v1/models",
        "POST /v1/messages/batches",
        "POST /v1/messages/count_tokens",
        "POST /v1/files",
        "GET /v1/organizations/me",
        "POST /v1/messages/",
        "POST //v1/messages",
        "POST /v1/responses/../files",
        "POST /v1/Responses",
        "DELETE /v1/responses",
        "POST /v1/chat/completions",
        "POST /v1/messages%2f",
        "OPTIONS *",
        "PUT /v1/messages",
        "POST http://api.anthropic.com/v1/files",
        "CONNECT api.anthropic.com:443",
    ];
    for request in requests {
        let bytes = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\ncontent-length: 2\r\n\r\n{{}}",
            served.token()
        );
        let got = send(served.gateway.address(), &[bytes.as_bytes()]);
        assert!(matches!(got.status, 400 | 404), "{request}: {got:?}");
    }
    assert_eq!(served.recorded().len(), 0);
    assert!(
        served
            .refusals()
            .iter()
            .all(|refusal| *refusal == Refusal::Path)
    );
}

#[test]
fn what_is_no_request_of_a_model_is_refused() {
    let served = served();
    let bodies: [&[u8]; 9] = [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{\"model\":7}",
        b"{\"model\":\"m\"",
        b"\xff\xfe",
        b"{\"model\":\"m\",\"stream\":\"yes\"}",
        b"\x1f\x8b\x08\x00",
    ];
    for protocol in BOTH {
        for body in bodies {
            let head = head(protocol, served.token(), body.len());
            let got = send(served.gateway.address(), &[head.as_bytes(), body]);
            assert_eq!(got.status, 400, "{body:?}");
        }
        let coded = head(protocol, served.token(), 2)
            .replace("content-type", "content-encoding: zstd\r\ncontent-type");
        assert_eq!(
            send(served.gateway.address(), &[coded.as_bytes(), b"{}"]).status,
            400
        );
        // Two readers could each take another model.
        let two = b"{\"model\":\"cheap\",\"model\":\"dear\"}";
        let long = format!("{{\"model\":\"{}\"}}", "m".repeat(129));
        let later = b"{\"model\":\"m\",\"background\":true}";
        for body in [two.as_slice(), long.as_bytes(), later] {
            let head = head(protocol, served.token(), body.len());
            let got = send(served.gateway.address(), &[head.as_bytes(), body]);
            assert_eq!(got.status, 400);
        }
        // It would cost more than the prices say.
        for (name, value) in [("service_tier", "priority"), ("speed", "fast")] {
            let mut body = request(protocol, "x", true);
            body[name] = value.into();
            assert!(
                matches!(served.post(protocol, &body).status, 400 | 403),
                "{name}"
            );
        }
        let large = head(protocol, served.token(), 33 * 1024 * 1024);
        assert_eq!(
            send(served.gateway.address(), &[large.as_bytes()]).status,
            413
        );
    }
    assert_eq!(served.recorded().len(), 0);
}

#[test]
fn a_large_body_without_a_size_is_refused_when_it_is_too_large() {
    let served = served();
    let head = head(Protocol::OpenAi, served.token(), 0)
        .replace("content-length: 0", "transfer-encoding: chunked");
    let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 0x10_0000], b"\r\n"].concat();
    let pieces: Vec<&[u8]> = [head.as_bytes()]
        .into_iter()
        .chain((0..34).map(|_| &*chunk))
        .collect();
    // A server that closes while somebody writes may be heard or not.
    assert!(matches!(
        send(served.gateway.address(), &pieces).status,
        413 | 0
    ));
    assert_eq!(served.refusals(), [Refusal::Size]);
}

/// What the agent may say and know of the connection to the provider.
#[test]
fn credentials_go_one_way_each() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    let address = wire(move |head, _, mut connection| {
        heads.lock().unwrap().push(head.to_ascii_lowercase());
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\nopenai-organization: ours\r\n\
            anthropic-organization-id: ours\r\nrequest-id: r1\r\nanthropic-ratelimit-requests-remaining: 5\r\ncontent-length: 2\r\n\r\n{}";
        connection.write_all(answer.as_bytes()).unwrap();
    });
    let served = Served::before_wire(address);
    for protocol in BOTH {
        let body = request(protocol, "x", true).to_string();
        let extra = "cookie: c=1\r\nopenai-organization: other\r\nx-forwarded-for: 1.2.3.4\r\nproxy-authorization: Basic x\r\n\
            anthropic-beta: b1\r\nx-stainless-retry-count: 2\r\nx-api-key: other\r\ncontent-type";
        let mut head = head(protocol, served.token(), body.len());
        if protocol == Protocol::Anthropic {
            head = head.replace("content-type", &extra.replace("x-api-key: other\r\n", ""));
        } else {
            head = head.replace(
                "content-type",
                &extra.replace(
                    "x-api-key: other\r\n",
                    &format!("api-key: other\r\nx-api-key: {}\r\n", served.token()),
                ),
            );
        }
        let got = send(
            served.gateway.address(),
            &[head.as_bytes(), body.as_bytes()],
        );
        assert_eq!(got.status, 200);
        for hidden in [
            "set-cookie",
            "openai-organization",
            "anthropic-organization-id",
        ] {
            assert_eq!(got.header(hidden), None, "{hidden}");
        }
        assert_eq!(got.header("request-id"), Some("r1"));
        assert_eq!(
            got.header("anthropic-ratelimit-requests-remaining"),
            Some("5")
        );
    }
    let heads = seen.lock().unwrap();
    for (head, credential) in heads.iter().zip([
        format!("x-api-key: {KEY}"),
        format!("authorization: bearer {KEY}"),
    ]) {
        assert_eq!(head.matches(KEY).count(), 1, "{head}");
        assert!(head.contains(&credential), "{head}");
        assert!(head.contains("anthropic-beta: b1") && head.contains("x-stainless-retry-count: 2"));
        for hidden in [
            served.token(),
            "cookie",
            "organization",
            "forwarded",
            "proxy-",
            "other",
        ] {
            assert!(!head.contains(hidden), "{hidden} in {head}");
        }
    }
}

/// A provider that refuses the key repeats a part of it, and one that redirects would have the token.
#[test]
fn refused_keys_and_redirects_are_told_in_our_own_words() {
    for protocol in BOTH {
        for (status, expected) in [
            (
                401,
                if protocol == Protocol::OpenAi {
                    400
                } else {
                    403
                },
            ),
            (307, 502),
        ] {
            let address = wire(move |_, _, mut connection| {
                let body =
                    format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {KEY}\"}}}}");
                let answer = format!(
                    "HTTP/1.1 {status} No\r\nlocation: http://127.0.0.1:1/\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                connection.write_all(answer.as_bytes()).unwrap();
            });
            let served = Served::before_wire(address);
            let got = served.post(protocol, &request(protocol, "x", true));
            assert_eq!(got.status, expected);
            assert!(
                !String::from_utf8_lossy(&got.body).contains("sk-")
                    && got.header("location").is_none()
            );
            let exchange = served.exchange();
            assert_eq!(
                (exchange.end, exchange.status),
                (End::Answered, Some(status))
            );
            assert_eq!(exchange.spent.tokens(), 0);
        }
    }
}

#[test]
fn nothing_that_can_be_printed_holds_a_secret() {
    let served = served();
    let printed = format!(
        "{:?} {:?} {:?}",
        served.gateway,
        served.pass,
        served.gateway.bill()
    );
    assert!(
        !printed.contains(served.token()) && !printed.contains(KEY),
        "{printed}"
    );
}
