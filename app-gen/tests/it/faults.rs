//! Runs that do not end well: each tells why, in one `failed` event, and leaves nothing behind.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use app_gen_contract::{Body, JobKind, JobSpec, MAX_SPEC_BYTES, StartFrom};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{file_uri, finish, generator, put_spec, run, wait, write_spec};

const FAKE_CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_REGION", "us-east-1"),
];

#[test]
fn an_unusable_environment_is_exit_code_2() {
    let nothing = run(&[]);
    assert_eq!(
        (nothing.exit_code, nothing.kinds()),
        (Some(2), vec!["failed"])
    );
    assert_eq!(nothing.events[0].job_id, "unknown");
    let (reason, hint) = nothing.failure();
    assert_eq!(reason, "neither JOB_SPEC_URI nor REQUEST_ID is set");
    assert!(hint.unwrap().starts_with("set JOB_SPEC_URI="));

    let long = run(&[("REQUEST_ID", "j"), ("APP_DESCRIPTION", &"x".repeat(4001))]);
    assert_eq!(long.exit_code, Some(2));
    assert_eq!(
        long.failure().0,
        "description has 4001 characters, more than 4000"
    );
    assert_eq!(long.events[0].job_id, "j");
}

#[test]
fn an_unusable_spec_is_exit_code_2_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs/job-9/spec.json");
    let uri = file_uri(&path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let refusal = || {
        let run = run(&[("JOB_SPEC_URI", &uri)]);
        assert_eq!(
            (run.exit_code, run.kinds(), run.events[0].job_id.as_str()),
            (Some(2), vec!["failed"], "job-9")
        );
        run.failure().0.to_owned()
    };
    assert!(refusal().starts_with(&format!("cannot read {uri}: ")));
    for (content, reason) in [
        ("not json", "job spec is not valid JSON: "),
        (
            "{\"version\":1}",
            "job spec has version 1, this program reads version 2",
        ),
        (
            "{\"version\":2}",
            "job spec is not valid JSON: missing field `job_id`",
        ),
        ("\u{0}\u{1}\u{ffff}", "job spec is not valid JSON: "),
    ] {
        std::fs::write(&path, content).unwrap();
        let refusal = refusal();
        assert!(
            refusal.starts_with(&format!("{uri}: {reason}")),
            "{refusal}"
        );
    }
    std::fs::write(&path, " ".repeat(MAX_SPEC_BYTES + 1)).unwrap();
    assert_eq!(
        refusal(),
        format!("cannot read {uri}: it has 131073 bytes, more than 131072")
    );
    assert_eq!(
        std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "nothing but the spec"
    );
}

#[test]
fn an_unknown_provider_names_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    let artifact_uri = file_uri(folder.path());
    let run = run(&[
        ("REQUEST_ID", "j"),
        ("APP_DESCRIPTION", "x"),
        ("GENERATOR_PROVIDER", "other"),
        ("ARTIFACT_URI", &artifact_uri),
    ]);
    assert_eq!((run.exit_code, run.kinds()), (Some(1), vec!["failed"]));
    assert_eq!(
        run.failure(),
        (
            "unknown provider \"other\"",
            Some("known providers: claude, codex, template")
        )
    );
}

#[test]
fn agents_run_in_containers_only() {
    let folder = tempfile::tempdir().unwrap();
    let artifact_uri = file_uri(folder.path());
    let run = run(&[
        ("REQUEST_ID", "j"),
        ("APP_DESCRIPTION", "x"),
        ("GENERATOR_PROVIDER", "claude"),
        ("ARTIFACT_URI", &artifact_uri),
    ]);
    assert_eq!((run.exit_code, run.kinds()), (Some(1), vec!["failed"]));
    let (reason, _) = run.failure();
    assert!(reason.starts_with("coding agents "), "{reason}");
}

#[test]
fn a_change_is_more_than_the_template_can_do() {
    let folder = tempfile::tempdir().unwrap();
    let uri = file_uri(&folder.path().join("jobs/j"));
    let mut spec = JobSpec::new("j", "make it blue", "template", &uri).unwrap();
    spec.kind = JobKind::Change;
    spec.start_from = Some(StartFrom {
        bundle_uri: file_uri(&folder.path().join("app.bundle")),
        commit: "0".repeat(40),
    });
    let run = run(&[("JOB_SPEC_URI", &put_spec(folder.path(), &spec))]);
    assert_eq!(
        (run.exit_code, run.failure().0),
        (
            Some(1),
            "provider \"template\" cannot change an application"
        )
    );
}

#[test]
fn a_result_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let spec_uri = write_spec(folder.path(), "j", "x");
    std::fs::create_dir_all(folder.path().join("jobs/j/app.zip/in the way")).unwrap();
    let run = run(&[("JOB_SPEC_URI", &spec_uri)]);
    assert_eq!(run.exit_code, Some(1));
    let reason = run.failure().0;
    assert!(
        reason.starts_with(&format!(
            "cannot write {}",
            file_uri(&folder.path().join("jobs/j/app.zip"))
        )),
        "{reason}"
    );
}

#[test]
fn a_missing_store_is_reported() {
    // A port that was free a moment ago and has no listener.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut environment = FAKE_CREDENTIALS.to_vec();
    environment.extend([
        ("JOB_SPEC_URI", "s3://bucket/jobs/j/spec.json"),
        ("AWS_ENDPOINT_URL", &endpoint),
    ]);
    let run = run(&environment);
    assert_eq!((run.exit_code, run.kinds()), (Some(2), vec!["failed"]));
    assert!(
        run.failure()
            .0
            .starts_with("cannot read s3://bucket/jobs/j/spec.json: "),
        "{run:?}"
    );
}

/// Answers one request with a status and no body.
fn answer(mut connection: TcpStream, status: &str) {
    let mut request = BufReader::new(connection.try_clone().unwrap());
    let mut body_bytes = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line).unwrap();
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            body_bytes = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    request
        .take(body_bytes)
        .read_to_end(&mut Vec::new())
        .unwrap();
    write!(
        connection,
        "HTTP/1.1 {status}\r\netag: \"1\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
}

#[test]
fn a_store_that_fails_for_a_while_is_asked_again() {
    let store = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", store.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        // The spec's copy fails twice; copy, archive and history arrive.
        for status in [
            "503 Slow Down",
            "500 Internal Server Error",
            "200 OK",
            "200 OK",
            "200 OK",
        ] {
            answer(store.accept().unwrap().0, status);
        }
    });
    let mut environment = FAKE_CREDENTIALS.to_vec();
    environment.extend([
        ("REQUEST_ID", "j"),
        ("APP_DESCRIPTION", "x"),
        ("ARTIFACT_URI", "s3://bucket/jobs/j"),
        ("AWS_ENDPOINT_URL", &endpoint),
    ]);
    let run = run(&environment);
    assert_eq!(run.exit_code, Some(0), "{run:?}");
    server.join().unwrap();
}

#[test]
fn a_signal_ends_the_attempt_with_an_event() {
    for (signal, name, exit_code) in [(Signal::TERM, "SIGTERM", 143), (Signal::INT, "SIGINT", 130)]
    {
        // Takes the request for the spec's copy and never answers.
        let store = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", store.local_addr().unwrap());
        let mut environment = FAKE_CREDENTIALS.to_vec();
        environment.extend([
            ("REQUEST_ID", "j"),
            ("APP_DESCRIPTION", "x"),
            ("ARTIFACT_URI", "s3://bucket/jobs/j"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ]);
        let child = generator(&environment).spawn().unwrap();
        let connection = store.accept().unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let run = finish(child);
        assert_eq!(
            (run.exit_code, run.kinds()),
            (Some(exit_code), vec!["started", "interrupted"])
        );
        let reason = format!("stopped by {name}");
        assert_eq!(run.events[1].body(), Some(&Body::Interrupted { reason }));
        drop(connection);
    }
}

/// A store that takes a request and never answers keeps the pipeline busy; nobody is there to stop it.
#[test]
fn its_time_ends_a_generator_that_nobody_stops() {
    let store = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", store.local_addr().unwrap());
    let mut environment = FAKE_CREDENTIALS.to_vec();
    environment.extend([
        ("REQUEST_ID", "j"),
        ("APP_DESCRIPTION", "x"),
        ("ARTIFACT_URI", "s3://bucket/jobs/j"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("JOB_LIFETIME_SECS", "1"),
    ]);
    let run = run(&environment);
    assert_eq!(
        (run.exit_code, run.kinds()),
        (Some(1), vec!["started", "failed"])
    );
    assert_eq!(run.failure().0, "the generator's time of 1 seconds is over");
}

#[test]
fn a_broken_output_ends_the_process_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let spec_uri = write_spec(folder.path(), "j", "x");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = generator(&[("JOB_SPEC_URI", &spec_uri)])
        .stdout(Stdio::from(writer))
        .spawn()
        .unwrap();
    assert_eq!(wait(&mut child), Some(1));
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(errors, "");
}

#[test]
fn a_missing_ca_bundle_does_not_matter() {
    let store = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", store.local_addr().unwrap());
    let server = std::thread::spawn(move || answer(store.accept().unwrap().0, "404 Not Found"));
    let mut environment = FAKE_CREDENTIALS.to_vec();
    environment.extend([
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
        ("JOB_SPEC_URI", "s3://bucket/jobs/j/spec.json"),
        ("AWS_ENDPOINT_URL", &endpoint),
    ]);
    let run = run(&environment);
    assert!(run.failure().0.contains("not found"), "{run:?}");
    server.join().unwrap();
}
