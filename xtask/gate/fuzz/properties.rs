//! What holds for any bytes that somebody sends who does not have the access key. libFuzzer looks for
//! bytes for which it does not: `cargo +nightly fuzz run request` in `xtask/gate`, and `container`.

use crate::access::{self, KEY_HEADER};
use crate::cloud::{self, Side, Step};
use crate::engine;
use crate::head::Head;
use crate::{Cloud, Platform, hardening, registry, version};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::time::SystemTime;

static CONFIG: LazyLock<Cloud> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("gate-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let key = folder.join("key");
    access::create_key(&key).expect("a key");
    let names = |name: &str| vec![name.to_owned()];
    let platform = Platform {
        orchestrator: "orchestrator".to_owned(),
        generator: "generator".to_owned(),
        buckets: names("bucket"),
        clusters: names("cluster"),
        families: names("generator"),
        log_groups: names("/ecs/generator"),
        tables: names("table"),
        queues: names("queue"),
    };
    let platforms = folder.join("platforms");
    std::fs::create_dir_all(&platforms).expect("a folder");
    let text = serde_json::to_vec(&platform).expect("JSON");
    std::fs::write(platforms.join("project.json"), text).expect("a file");
    Cloud {
        port: 4566,
        bridge: Some(Ipv4Addr::new(172, 17, 0, 1)),
        upstream: folder.join("cloud"),
        key,
        engine_for_cloud: folder.join("engine-for-cloud"),
        engine: folder.join("engine"),
        platforms,
        version: version(),
    }
});

/// A request, from either side: the text before the first empty line is its head.
pub fn request(bytes: &[u8]) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
    let Ok(head) = Head::parse(head) else { return };
    let again = Head::parse(&head.to_bytes(head.framing)).expect("it can be read again");
    assert_eq!(
        (&again.method, &again.target, again.framing),
        (&head.method, &head.target, head.framing)
    );
    let _ = (registry::check(&head, 5000), engine::check(&head));
    let _ = (hardening::definition(body), hardening::form(body));
    for side in [Side::Loopback, Side::Bridge] {
        match cloud::open(&CONFIG, side, head.clone(), SystemTime::now()) {
            Err(_) => {}
            Ok(Step::Pass { head, .. } | Step::Balance { head, .. }) => {
                let is_call = |name: &str| head.header(name).is_some();
                assert!(!is_call("x-amz-target") && !is_call(KEY_HEADER), "{head:?}");
            }
            Ok(Step::Judge(pending)) => {
                let read = pending.needs_body().then_some(body);
                let judged = pending.close(&CONFIG, read, SystemTime::now());
                assert!(judged.is_err(), "a signature without the key: {judged:?}");
            }
        }
    }
}

/// The body of a call that makes a container.
pub fn container(bytes: &[u8]) {
    let Ok(made) = engine::container(bytes, "key", &CONFIG) else {
        return;
    };
    let again = engine::container(&made, "key", &CONFIG).expect("it can be read again");
    assert_eq!(made, again);
    let made: Value = serde_json::from_slice(&made).expect("JSON");
    let host = &made["HostConfig"];
    for field in [
        "Privileged",
        "Binds",
        "CapAdd",
        "Devices",
        "PidMode",
        "Mounts",
    ] {
        assert!(hardening::is_nothing(&host[field]), "{made}");
    }
    assert!(host["NetworkMode"] != "host", "{made}");
    let ports = host["PortBindings"].as_object();
    for binding in ports.into_iter().flat_map(|ports| ports.values()) {
        for port in binding.as_array().into_iter().flatten() {
            assert_eq!(port["HostIp"], "127.0.0.1", "{made}");
        }
    }
}
