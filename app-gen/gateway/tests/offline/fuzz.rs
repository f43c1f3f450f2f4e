//! Random bytes: nothing panics, nothing hangs, nothing reaches the provider that is no request.

use crate::support::{BOTH, Random, Served, head, request, send};
use app_gen_gateway::{Bounds, Budget, Protocol};

/// A request with a few things wrong, or none.
fn disturbed(random: &mut Random, token: &str) -> Vec<u8> {
    let protocol = BOTH[random.below(2)];
    let body = request(protocol, "🌱", random.below(2) == 0).to_string();
    let mut bytes = head(protocol, token, body.len()).into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    for _ in 0..random.below(5) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.remove(at)),
            3 => drop(bytes.splice(at..at, *b"\r\n")),
            _ => {
                let other = random.below(bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    bytes
}

#[test]
fn random_requests_are_answered_or_closed_and_the_gateway_works_on() {
    let script = "about = ''\n[[parts]]\nturns = [{ text = 'x' }]";
    let (served, _) = Served::before_script(script, Budget::default(), Bounds::default());
    let mut random = Random(11);
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..600 {
        let mut bytes = disturbed(&mut random, served.token());
        // Whoever waits for the rest of a request that never comes is not what this is about.
        bytes.extend_from_slice(&[b'\n'; 400]);
        let status = {
            use std::io::{Read as _, Write as _};
            let mut stream = std::net::TcpStream::connect(served.gateway.address()).unwrap();
            stream
                .set_read_timeout(Some(crate::support::PATIENCE))
                .unwrap();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let status = answer
                .get(9..12)
                .map(|status| String::from_utf8_lossy(status).into_owned());
            status.unwrap_or_default()
        };
        *statuses.entry(status).or_insert(0) += 1;
    }
    let at_work = served.post(
        Protocol::Anthropic,
        &request(Protocol::Anthropic, "x", true),
    );
    assert_eq!(at_work.status, 200);
    for request in served.recorded() {
        let path = request["path"].as_str().unwrap();
        assert!(
            path.starts_with("/v1/messages") || path.starts_with("/v1/responses"),
            "{path}"
        );
        assert_eq!(request["method"], "POST");
    }
    assert!(statuses.len() >= 3, "{statuses:?}");
}

#[test]
fn bytes_that_are_no_http_do_no_harm() {
    let script = "about = ''\n[[parts]]\nturns = [{ text = 'x' }]";
    let (served, _) = Served::before_script(script, Budget::default(), Bounds::default());
    let mut random = Random(13);
    for _ in 0..100 {
        let bytes: Vec<u8> = (0..random.below(2000))
            .map(|_| u8::try_from(random.below(256)).unwrap())
            .collect();
        let got = send(served.gateway.address(), &[&bytes, b"\r\n\r\n"]);
        assert!(matches!(got.status, 0 | 400 | 431), "{got:?}");
    }
    assert_eq!(served.recorded().len(), 0);
}
