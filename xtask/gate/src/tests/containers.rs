//! What a container may be: asked for in a definition or a template, and made by the engine.

use super::{config, head};
use crate::access;
use crate::engine;
use crate::hardening;
use serde_json::{Value, json};

const KEY: &str = "key";

fn made(container: &str) -> Option<Value> {
    let folder = tempfile::tempdir().unwrap();
    let made = engine::container(container.as_bytes(), KEY, &config(folder.path(), 1)).ok()?;
    Some(serde_json::from_slice(&made).unwrap())
}

#[test]
fn definitions_that_ask_for_this_machine_are_refused() {
    let plain = r#"{"family":"a","networkMode":"awsvpc","containerDefinitions":[{"name":"c","privileged":false,
        "readonlyRootFilesystem":true,"environment":[{"name":"privileged","value":"true"}],
        "linuxParameters":{"capabilities":{"drop":["ALL"],"add":[]}}}],"volumes":[{"name":"v"}]}"#;
    assert!(hardening::definition(plain.as_bytes()).is_ok());
    for asked in [
        r#""privileged":true"#,
        r#""Privileged":true"#,
        r#""PRIVILEGED":"true""#,
        r#""privileged":1"#,
        r#""pr\u0069vileged":true"#,
        r#""privileged":false,"privileged":true"#,
        r#""privileged":true,"privileged":false"#,
        r#""linuxParameters":{"capabilities":{"add":["SYS_ADMIN"]}}"#,
        r#""LinuxParameters":{"Capabilities":{"Add":["SYS_ADMIN"]}}"#,
        r#""linuxParameters":{"devices":[{"hostPath":"/dev/sda"}]}"#,
        r#""volumes":[{"name":"v","host":{"sourcePath":"/"}}]"#,
        r#""Volumes":[{"Name":"v","Host":{"SourcePath":"/"}}]"#,
        r#""networkMode":"host""#,
        r#""pidMode":"host""#,
        r#""ipcMode":"HOST""#,
        r#""dockerSecurityOptions":["apparmor:unconfined"]"#,
    ] {
        let definition = format!("{{\"family\":\"a\",\"containerDefinitions\":[{{{asked}}}]}}");
        assert!(
            hardening::definition(definition.as_bytes()).is_err(),
            "{asked}"
        );
        let template = format!(
            "{{\"Resources\":{{\"A\":{{\"Type\":\"AWS::ECS::TaskDefinition\",\"Properties\":{{{asked}}}}}}}}}"
        );
        let encoded: String = template
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        let form = format!("Action=CreateStack&TemplateBody={encoded}");
        assert!(hardening::form(form.as_bytes()).is_err(), "{asked}");
        let form = format!("Action=CreateStack&Template%42ody={encoded}");
        assert!(hardening::form(form.as_bytes()).is_err(), "{asked}");
    }
    for unreadable in ["", "{", "\u{feff}{}", "{\"a\":NaN}", "{\"a\":1}{}"] {
        assert!(
            hardening::definition(unreadable.as_bytes()).is_err(),
            "{unreadable}"
        );
    }
    let wide: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(hardening::definition(&wide).is_err());
}

#[test]
fn the_engine_makes_no_container_with_more_than_a_container() {
    let plain = json!({
        "Image": "a", "Env": ["A=b"], "Volumes": null, "Labels": {},
        "HostConfig": {
            "NetworkMode": "bridge", "Privileged": false, "Binds": null, "CapAdd": [],
            "ExtraHosts": ["host.docker.internal:host-gateway"], "PortBindings": {},
        },
    });
    assert_eq!(made(&plain.to_string()).unwrap(), plain);
    for asked in [
        r#""Privileged":true"#,
        r#""privileged":true"#,
        r#""PrivileGed":false"#,
        "\"Privileged\u{17f}\":true",
        r#""Binds":["/:/host"]"#,
        "\"Bind\u{17f}\":[\"/:/host\"]",
        r#""Mounts":[{"Type":"bind","Source":"/","Target":"/host"}]"#,
        r#""VolumesFrom":["database"]"#,
        r#""CapAdd":["SYS_ADMIN"]"#,
        r#""Devices":[{"PathOnHost":"/dev/sda"}]"#,
        r#""DeviceRequests":[{"Count":-1}]"#,
        r#""SecurityOpt":["apparmor=unconfined"]"#,
        r#""NetworkMode":"host""#,
        r#""NetworkMode":"container:abc""#,
        "\"Networ\u{212a}Mode\":\"host\"",
        r#""NetworkMode":"bridge","networkmode":"host""#,
        r#""NetworkMode":"bridge","NetworkMode":"host""#,
        r#""PidMode":"host""#,
        r#""IpcMode":"host""#,
        r#""UTSMode":"host""#,
        r#""UsernsMode":"host""#,
        r#""CgroupnsMode":"host""#,
        r#""CgroupParent":"/""#,
        r#""Runtime":"other""#,
        r#""Sysctls":{"a":"b"}"#,
        r#""SomethingNew":1"#,
    ] {
        for field in ["HostConfig", "hostconfig", "Ho\u{17f}tConfig"] {
            let container = format!("{{\"Image\":\"a\",\"{field}\":{{{asked}}}}}");
            let kept = asked == r#""PrivileGed":false"#;
            assert!(made(&container).is_none() || kept, "{container}");
        }
    }
    for odd in [
        "[]",
        "null",
        "{\"HostConfig\":[]}",
        "{\"Image\":\"a\",\"Image\":\"b\"}",
        "",
    ] {
        assert!(made(odd).is_none(), "{odd}");
    }
}

#[test]
fn ports_are_published_on_this_machine_only() {
    for address in [json!(null), json!(""), json!("0.0.0.0"), json!("::")] {
        let container = json!({ "HostConfig": { "PortBindings": { "80/tcp": [{ "HostIp": address, "HostPort": "8080" }] } } });
        let made = made(&container.to_string()).unwrap();
        let binding = &made["HostConfig"]["PortBindings"]["80/tcp"][0];
        assert_eq!(
            *binding,
            json!({ "HostIp": "127.0.0.1", "HostPort": "8080" })
        );
    }
    for bindings in [
        json!([{ "hostip": "0.0.0.0", "HostPort": "8080" }]),
        json!([{ "hostIP": "", "HostIp": "127.0.0.1" }]),
        json!([8080]),
        json!(["8080"]),
        json!("8080"),
    ] {
        let container = json!({ "HostConfig": { "PortBindings": { "80/tcp": bindings } } });
        assert_eq!(made(&container.to_string()), None, "{container}");
    }
    for ports in [json!([1]), json!("80/tcp"), json!(1)] {
        let container = json!({ "HostConfig": { "PortBindings": ports } });
        assert_eq!(made(&container.to_string()), None, "{container}");
    }
    for ports in [json!(null), json!({}), json!({ "80/tcp": null })] {
        let container = json!({ "HostConfig": { "PortBindings": ports } });
        assert!(made(&container.to_string()).is_some(), "{container}");
    }
}

#[test]
fn a_container_gets_the_credentials_of_its_own_task() {
    let environment = |name: &str, variables: &[&str]| {
        let shown = ["AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local"];
        let env: Vec<&str> = shown.iter().chain(variables).copied().collect();
        let labels = json!({ "com.amazonaws.ecs.container-name": name });
        let made = made(&json!({ "Env": env, "Labels": labels }).to_string()).unwrap();
        let env = made["Env"].as_array().unwrap().clone();
        let value = |name: &str| {
            let entries: Vec<&str> = env
                .iter()
                .filter_map(|entry| {
                    entry
                        .as_str()
                        .unwrap()
                        .strip_prefix(name)?
                        .strip_prefix('=')
                })
                .collect();
            assert_eq!(entries.len(), 1, "{env:?}");
            entries[0].to_owned()
        };
        (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"))
    };
    let pair = |credentials: access::Credentials| (credentials.id, credentials.secret);
    for spec in ["spec.json", "spec-2.json"] {
        let spec = format!("JOB_SPEC_URI=s3://ours/jobs/1/{spec}");
        assert_eq!(
            environment("generator", &[&spec]),
            pair(access::generator(KEY, "s3://ours/jobs/1", None).unwrap())
        );
    }
    let keys = |tenants: &[&str]| {
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:project/local/tenants";
        let places = tenants
            .iter()
            .map(|tenant| format!("openai={arn}/{tenant}/models/openai-a1b2c3"));
        format!("MODEL_KEYS={}", places.collect::<Vec<_>>().join(","))
    };
    let spec = "JOB_SPEC_URI=s3://ours/jobs/1/spec.json";
    for (tenants, reached) in [
        (&["ann"][..], Some("ann")),
        (&["ann", "ann"], Some("ann")),
        (&["ann", "ben"], None),
        (&["../ann"], None),
    ] {
        assert_eq!(
            environment("generator", &[spec, &keys(tenants)]),
            pair(access::generator(KEY, "s3://ours/jobs/1", reached).unwrap())
        );
    }
    assert_eq!(
        environment("generator", &["ARTIFACT_URI=s3://ours/jobs/2"]),
        pair(access::generator(KEY, "s3://ours/jobs/2", None).unwrap())
    );
    assert_eq!(
        environment("orchestrator", &["ARTIFACT_URI=s3://ours"]),
        pair(access::orchestrator(KEY, "s3://ours").unwrap())
    );
    let shown = ("local".to_owned(), "local".to_owned());
    for (name, variables) in [
        (
            "generator",
            &["JOB_SPEC_URI=s3://others/jobs/1/spec.json"][..],
        ),
        ("generator", &["JOB_SPEC_URI=s3://ours/../others/spec.json"]),
        ("generator", &["JOB_SPEC_URI=s3://ours/spec.json"]),
        ("generator", &["ARTIFACT_URI=s3://ours"]),
        ("generator", &[]),
        ("orchestrator", &["ARTIFACT_URI=s3://others"]),
        ("another", &["ARTIFACT_URI=s3://ours"]),
        // A preview may ask nothing.
        ("preview", &["JOB_SPEC_URI=s3://ours/jobs/1/spec.json"]),
    ] {
        assert_eq!(environment(name, variables), shown, "{name} {variables:?}");
    }
}

#[test]
fn the_engine_is_asked_for_nothing_but_running_tasks() {
    let check =
        |line: &str| engine::check(&head(&format!("{line} HTTP/1.1\r\nhost: docker\r\n\r\n")));
    assert_eq!(
        check("POST /v1.47/containers/create?name=a").ok(),
        Some(true)
    );
    assert_eq!(check("POST /containers/create").ok(), Some(true));
    for line in [
        "GET /version",
        "GET /v1.47/containers/json?all=1",
        "GET /v1.47/containers/abc/json",
        "GET /v1.47/containers/abc/logs?follow=1",
        "POST /v1.47/containers/abc/start",
        "DELETE /v1.47/containers/abc?force=1",
        "POST /v1.47/images/create?fromImage=127.0.0.1:5000/a",
        "GET /v1.47/images/127.0.0.1:5000/a@sha256:abc/json",
        "GET /v1.47/images/127.0.0.1:5000/a%40sha256:abc/json",
        "GET /v1.47/networks/bridge",
    ] {
        assert_eq!(check(line).ok(), Some(false), "{line}");
    }
    for line in [
        "POST /v1.47/containers/abc/exec",
        "POST /v1.47/exec/abc/start",
        "PUT /v1.47/containers/abc/archive?path=/",
        "POST /v1.47/containers/abc/update",
        "POST /v1.47/build",
        "POST /v1.47/volumes/create",
        "POST /v1.47/plugins/pull",
        "POST /v1.47/services/create",
        "POST /v1.47/networks/create",
        "POST /v1.47/containers/../containers/create",
        "POST /v1.47//containers/create",
        "POST /v1.47/containers/%63reate",
        "POST /v1.47/containers/create/",
        "POST /session",
        "POST /commit",
    ] {
        assert!(check(line).is_err(), "{line}");
    }
}
