//! How a registry that asks for a token gets one: with what `docker login` has kept, in its file or
//! behind a credential helper. A registry with its token service runs in this process; the client
//! runs in a process of its own, since docker's configuration is found by environment variables.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "the client is this test, started with another environment"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use xtask_docker::registry::Repository;

const REGISTRY: &str = "XTASK_DOCKER_TEST_REGISTRY";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What a client sent: method and path, `Authorization`, body.
type Request = (String, String, String);

/// A registry whose token service gives everybody the token `granted`.
struct Registry {
    address: String,
    requests: Receiver<Request>,
}

impl Registry {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = mpsc::channel();
        let realm = format!("http://{address}/token");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&stream);
                stream
                    .write_all(answer(&request, &realm).as_bytes())
                    .unwrap();
                let _ = sender.send(request);
            }
        });
        Self { address, requests }
    }

    /// What the client asks the token service when docker's configuration is this.
    fn token_request(&self, config: &str, helper: Option<&str>) -> Request {
        let folder = tempfile::tempdir().unwrap();
        let config = config.replace("REGISTRY", &self.address);
        fs::write(folder.path().join("config.json"), config).unwrap();
        if let Some(script) = helper {
            let path = folder.path().join("docker-credential-test");
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        self.ask(folder.path());
        let requests: Vec<Request> = self.requests.try_iter().collect();
        let [first, token, last] = requests.try_into().unwrap();
        assert_eq!(first.0, "HEAD /v2/app/manifests/latest");
        assert_eq!(first.1, "");
        assert_eq!(last.0, first.0);
        assert_eq!(last.1, "Bearer granted");
        token
    }

    fn ask(&self, config: &Path) {
        let path = std::env::var("PATH").unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "client", "--ignored", "--nocapture"])
            .env("DOCKER_CONFIG", config)
            .env("PATH", format!("{}:{path}", config.display()))
            .env(REGISTRY, &self.address)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let request = line.rsplit_once(' ').unwrap().0.to_owned();
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.to_owned(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (request, authorization, String::from_utf8(body).unwrap())
}

fn answer(request: &Request, realm: &str) -> String {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"a service\",scope=\"pull\"");
    let (status, header, body) = match request {
        (path, _, _) if path.contains("/token") => {
            let header = "Content-Type: application/json".to_owned();
            ("200 OK", header, r#"{"access_token":"granted"}"#)
        }
        (_, authorization, _) if authorization == "Bearer granted" => {
            ("200 OK", format!("Docker-Content-Digest: {DIGEST}"), "")
        }
        _ => (
            "401 Unauthorized",
            format!("WWW-Authenticate: {challenge}"),
            "",
        ),
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n\
         {body}"
    )
}

/// The client, which the other tests start.
#[test]
#[ignore = "the other tests start it"]
fn client() {
    if let Ok(registry) = std::env::var(REGISTRY) {
        let digest = Repository::new(&registry, "app")
            .digest_of("latest")
            .unwrap();
        assert_eq!(digest.as_deref(), Some(DIGEST));
    }
}

const REFRESH: &str = "grant_type=refresh_token&client_id=xtask-docker&refresh_token=a%2Fb&service=a+service&scope=pull";
const QUERY: &str = "/token?service=a%20service&scope=pull";

#[test]
fn an_identity_token_of_the_file_is_exchanged() {
    let config = r#"{"auths": {"REGISTRY": {"auth": "dXNlcjo=", "identitytoken": "a/b"}}}"#;
    let (request, authorization, body) = Registry::start().token_request(config, None);
    assert_eq!(request, "POST /token");
    assert_eq!(authorization, "");
    assert_eq!(body, REFRESH);
}

#[test]
fn an_identity_token_of_a_helper_is_exchanged() {
    let helper = r#"server=$(cat); [ "$1" = get ] && echo "{\"ServerURL\":\"$server\",\"Username\":\"<token>\",\"Secret\":\"a/b\"}""#;
    let config = r#"{"auths": {"REGISTRY": {}}, "credHelpers": {"REGISTRY": "test"}}"#;
    let (request, _, body) = Registry::start().token_request(config, Some(helper));
    assert_eq!((request.as_str(), body.as_str()), ("POST /token", REFRESH));
}

#[test]
fn a_password_is_sent_as_such() {
    let helper = r#"echo '{"Username":"user","Secret":"secret"}'"#;
    let of_file = r#"{"auths": {"REGISTRY": {"auth": "dXNlcjpzZWNyZXQ="}}}"#;
    let of_helper = r#"{"credsStore": "test"}"#;
    for (config, helper) in [(of_file, None), (of_helper, Some(helper))] {
        let (request, authorization, _) = Registry::start().token_request(config, helper);
        assert_eq!(request, format!("GET {QUERY}"));
        assert_eq!(authorization, "Basic dXNlcjpzZWNyZXQ=");
    }
}

#[test]
fn without_credentials_a_token_is_asked_for_anonymously() {
    let helper = "echo credentials not found in native keychain; exit 1";
    let config = r#"{"credsStore": "test"}"#;
    let (request, authorization, _) = Registry::start().token_request(config, Some(helper));
    assert_eq!(request, format!("GET {QUERY}"));
    assert_eq!(authorization, "");
}
