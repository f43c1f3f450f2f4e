//! The gate before the real MiniStack, engine and registry, against whom it is there for: a page in a
//! real browser, a container, another user of this machine, and a template that asks for the machine.

use crate::common::instance;
use crate::common::sh;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_machine::{gate, net};

const IMAGE: &str = "debian:trixie-slim";
const BROWSER_BOUND: Duration = Duration::from_secs(60);
/// What nobody but the operator may read.
const SECRET: &str = "only-for-the-operator";

/// The local cloud of the tests, as its operator uses it.
struct Cloud {
    context: Context,
    port: u16,
    /// Of things that this test makes.
    name: String,
}

impl Cloud {
    fn new(test: &str) -> Self {
        instance::start();
        let context = instance::context(&instance::source());
        let port = *context.platform.local.cloud_port.get_ref();
        let name = format!("gate-{test}-{}", std::process::id());
        Self {
            context,
            port,
            name,
        }
    }

    fn key(&self) -> String {
        gate::key(&self.context).unwrap()
    }

    /// Status and answer of a call in JSON.
    fn call(&self, target: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.post(
            "application/x-amz-json-1.1",
            Some(target),
            &body.to_string(),
        );
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    fn post(&self, kind: &str, target: Option<&str>, body: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        let request = agent
            .post(format!("http://127.0.0.1:{}/", self.port))
            .header(gate::KEY_HEADER, self.key())
            .header("content-type", kind);
        let request = target.into_iter().fold(request, |request, target| {
            request.header("x-amz-target", target)
        });
        let mut answer = request.send(body).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), text)
    }
}

fn ecs(operation: &str) -> String {
    format!("AmazonEC2ContainerServiceV20141113.{operation}")
}

/// Serves one page, and one text that every page may read. Ends with the test's process.
fn serve(page: String) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, page) = (client.unwrap(), page.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
                let first = lines.next().and_then(Result::ok).unwrap_or_default();
                while lines
                    .next()
                    .and_then(Result::ok)
                    .is_some_and(|line| !line.is_empty())
                {}
                let body = match first.contains("/open") {
                    true => "anybody may read this",
                    false => &page,
                };
                let _ = write!(
                    client,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nAccess-Control-Allow-Origin: *\r\n\
                     Access-Control-Allow-Headers: *\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    port
}

/// The document that a browser has made of an address.
fn document(address: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    Cmd::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--virtual-time-budget=15000"])
        // A name of somebody else's that points to this machine.
        .arg("--host-resolver-rules=MAP evil.example 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", address])
        .timeout(BROWSER_BOUND)
        .read()
        .unwrap()
}

#[test]
fn a_page_of_another_site_reads_nothing() {
    let cloud = Cloud::new("page");
    let secret = json!({ "Name": cloud.name, "SecretString": SECRET });
    assert_eq!(cloud.call("secretsmanager.CreateSecret", &secret).0, 200);
    let registry = instance::registry();
    let (port, name) = (cloud.port, &cloud.name);
    let page = format!(
        r#"<pre id="out"></pre><script>
        const call = {{ method: "POST", headers: {{ "x-amz-target": "secretsmanager.GetSecretValue",
            "content-type": "application/x-amz-json-1.1" }}, body: JSON.stringify({{ SecretId: "{name}" }}) }};
        const tries = {{
            control: ["/open"],
            call: ["http://127.0.0.1:{port}/", call],
            localhost: ["http://localhost:{port}/", call],
            simple: ["http://127.0.0.1:{port}/?Action=GetSecretValue&SecretId={name}"],
            form: ["http://127.0.0.1:{port}/", {{ method: "POST", body: "Action=ListUsers" }}],
            health: ["http://127.0.0.1:{port}/_ministack/health"],
            images: ["http://{registry}/v2/_catalog"],
        }};
        (async () => {{
            for (const [name, [url, options]] of Object.entries(tries)) {{
                let result;
                try {{ result = "read " + (await (await fetch(url, options)).text()).slice(0, 200); }}
                catch (error) {{ result = "nothing"; }}
                out.textContent += name + ": " + result + "\n";
            }}
            out.textContent += "done";
        }})();
        </script>"#
    );
    let address = format!("http://127.0.0.1:{}/", serve(page));
    let found = document(&address);
    let deleted = json!({ "SecretId": cloud.name, "ForceDeleteWithoutRecovery": true });
    cloud.call("secretsmanager.DeleteSecret", &deleted);
    assert!(
        found.contains("control: read anybody may read this"),
        "{found}"
    );
    for name in ["call", "localhost", "simple", "form", "health", "images"] {
        assert!(
            found.contains(&format!("{name}: nothing")),
            "{name}: {found}"
        );
    }
    assert!(found.contains("done") && !found.contains(SECRET), "{found}");

    // The same site, after its name was made to point to this machine.
    for address in [
        format!("evil.example:{port}/_ministack/health"),
        format!("evil.example:{}/v2/", registry.rsplit(':').next().unwrap()),
    ] {
        let found = document(&format!("http://{address}"));
        assert!(
            found.contains("does not answer to th"),
            "{address}: {found}"
        );
    }
}

/// What a container of anybody gets for this request.
fn from_container(host: &str, port: u16, request: &str) -> String {
    let script =
        format!("exec 3<>/dev/tcp/{host}/{port} && printf '%s' \"$REQUEST\" >&3 && cat <&3");
    let output = Cmd::new("docker")
        .args([
            "run",
            "--rm",
            "--add-host=host.docker.internal:host-gateway",
        ])
        .arg(format!("--env=REQUEST={request}"))
        .args([IMAGE, "timeout", "10", "bash", "-c", &script])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_container_starts_nothing_through_the_bridge() {
    let cloud = Cloud::new("bridge");
    let body = json!({
        "family": cloud.name,
        "containerDefinitions": [{ "name": "c", "image": IMAGE, "privileged": true }],
        "volumes": [{ "name": "root", "host": { "sourcePath": "/" } }],
    });
    let body = body.to_string();
    let target = ecs("RegisterTaskDefinition");
    for (key, host) in [
        (String::new(), "host.docker.internal"),
        // Not even with the operator's key, should a container have it.
        (
            format!("{}: {}\r\n", gate::KEY_HEADER, cloud.key()),
            "host.docker.internal",
        ),
        (String::new(), "127.0.0.1"),
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {host}:{}\r\nX-Amz-Target: {target}\r\n{key}\
             Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
            cloud.port,
            body.len()
        );
        let answer = from_container("host.docker.internal", cloud.port, &request);
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    let health = "GET /_ministack/health HTTP/1.1\r\nHost: host.docker.internal\r\n\r\n";
    let answer = from_container("host.docker.internal", cloud.port, health);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let registry_port = *cloud.context.platform.local.registry_port.get_ref();
    assert_eq!(
        from_container("host.docker.internal", registry_port, health),
        ""
    );
    let listed = cloud.call(
        &ecs("ListTaskDefinitions"),
        &json!({ "familyPrefix": cloud.name }),
    );
    assert_eq!(listed.1["taskDefinitionArns"], json!([]), "{listed:?}");
}

#[test]
fn no_way_to_define_a_task_leads_to_a_container_with_this_machine() {
    let cloud = Cloud::new("machine");
    let definition = json!({
        "family": cloud.name,
        "containerDefinitions": [{ "name": "c", "image": IMAGE, "privileged": true }],
    });
    let (status, answer) = cloud.call(&ecs("RegisterTaskDefinition"), &definition);
    assert_eq!(status, 403, "{answer}");

    // In YAML, which is judged only where the container is made.
    let name = &cloud.name;
    let template = format!(
        "Resources:\n  Cluster:\n    Type: AWS::ECS::Cluster\n    Properties: {{ClusterName: {name}}}\n  \
         Task:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      Family: {name}\n      \
         NetworkMode: awsvpc\n      Volumes: [{{Name: root, Host: {{SourcePath: /}}}}]\n      \
         ContainerDefinitions:\n        - Name: c\n          Image: {IMAGE}\n          Privileged: true\n          \
         Command: [sleep, '60']\n"
    );
    let encoded: String = template
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let form = "application/x-www-form-urlencoded";
    let create =
        format!("Action=CreateStack&Version=2010-05-15&StackName={name}&TemplateBody={encoded}");
    let made = cloud.post(form, None, &create);
    assert_eq!(made.0, 200, "{made:?}");
    let run = json!({ "cluster": name, "taskDefinition": name, "launchType": "FARGATE" });
    let until = Instant::now() + Duration::from_secs(30);
    let task = loop {
        // The stack is made in the background.
        let (_, answer) = cloud.call(&ecs("RunTask"), &run);
        if let Some(arn) = answer["tasks"][0]["taskArn"].as_str() {
            break arn.to_owned();
        }
        assert!(Instant::now() < until, "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let describe = json!({ "cluster": name, "tasks": [task] });
    let ended = loop {
        let (_, answer) = cloud.call(&ecs("DescribeTasks"), &describe);
        if answer["tasks"][0]["lastStatus"] == "STOPPED" || Instant::now() >= until {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let filter = format!("label=com.amazonaws.ecs.task-definition-family={name}");
    let containers = sh!("docker ps --all --quiet --filter {filter}");
    let delete = format!("Action=DeleteStack&Version=2010-05-15&StackName={name}");
    cloud.post(form, None, &delete);
    assert_eq!(containers.trim(), "");
    assert_eq!(ended["tasks"][0]["lastStatus"], "STOPPED", "{ended}");
}

#[test]
fn another_user_of_this_machine_has_no_way_in() {
    let cloud = Cloud::new("user");
    let key = gate::key_file(&cloud.context).unwrap();
    let folder = key.parent().unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(folder)), (0o600, 0o700));
    // What listens is the gate, and not what is behind it.
    let registry_port = *cloud.context.platform.local.registry_port.get_ref();
    for (gate, port) in [("gate", cloud.port), ("gate-registry", registry_port)] {
        let record = format!("run/{gate}-{port}.json");
        let record = cloud.context.state_folder().unwrap().join(record);
        let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        let owner = net::owner(Ipv4Addr::LOCALHOST.into(), port).unwrap();
        assert_eq!(record["pid"], owner.process.unwrap().0);
    }
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nX-Amz-Target: secretsmanager.ListSecrets\r\n\
         Content-Length: 2\r\n\r\n{{}}",
        cloud.port
    );
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{} && printf '%s' \"$REQUEST\" >&3 && cat <&3; cat {}",
        cloud.port,
        key.display()
    );
    let as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_root = std::fs::read_dir("/root").is_ok();
    let (program, arguments) = match is_root {
        true => ("setpriv", &as_nobody[..]),
        false => ("env", &[][..]),
    };
    let output = Cmd::new(program)
        .args(arguments)
        .args(["bash", "-c", &script])
        .env("REQUEST", request)
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(answer.contains(&cloud.key()), !is_root, "{answer}");
}
