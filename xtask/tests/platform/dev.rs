//! `dev` on the real checkout: a job through the page's proxy, an edit, the ways it ends.

use crate::live::{
    Started, alone, assert_nothing_left, jobs, platform, root, run, wait_for, work_folder,
};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::marked;
use xtask_machine::net;

/// From Ctrl-C to the end of everything.
const END: Duration = Duration::from_secs(10);
/// A compile of the orchestrator, unoptimised, on a busy machine.
const RESTART: Duration = Duration::from_secs(240);
/// So many jobs run side by side.
const AT_ONCE: usize = 4;

fn api_port() -> u16 {
    *platform().local.api_port.get_ref()
}

fn web_port() -> u16 {
    *platform().local.web_port.get_ref()
}

/// The process that listens on a port.
fn listener(port: u16) -> Option<u32> {
    let owner = net::owner(Ipv4Addr::LOCALHOST.into(), port)?;
    owner.process.map(|(pid, _)| pid)
}

/// A `dev` whose page and API answer, and the page's URL.
fn start() -> (Started, String) {
    for port in [api_port(), web_port()] {
        let owner = net::owner(Ipv4Addr::LOCALHOST.into(), port);
        assert!(
            owner.is_none(),
            "port {port} is taken by {}",
            owner.unwrap()
        );
    }
    let mut dev = Started::new(&["dev", "--json"]);
    let said = dev.answer();
    let page = said["page"].as_str().unwrap().to_owned();
    assert_eq!(page, format!("http://127.0.0.1:{}", web_port()));
    assert_eq!(said["api"], format!("http://127.0.0.1:{}", api_port()));
    // Both listen; this goes through both.
    assert_eq!(jobs::get(&format!("{page}/health"))["status"], "ok");
    (dev, page)
}

fn assert_all_ended(after: &str) {
    for port in [api_port(), web_port()] {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
    let left = marked::find(&work_folder());
    assert!(left.is_empty(), "{after}: {left:?}");
    assert_nothing_left(after);
}

/// A source file with a line more; as before when dropped.
struct Edit {
    path: PathBuf,
    before: Vec<u8>,
}

impl Edit {
    fn of(file: &str) -> Self {
        let path = root().join(file);
        let before = fs::read(&path).unwrap();
        let mut text = before.clone();
        text.extend_from_slice(b"\n// A line of a test that edits while `dev` runs.\n");
        let edit = Self { path, before };
        fs::write(&edit.path, text).unwrap();
        edit
    }
}

fn touch(file: &str) {
    let file = fs::File::options().append(true).open(root().join(file));
    file.unwrap().set_modified(SystemTime::now()).unwrap();
}

impl Drop for Edit {
    fn drop(&mut self) {
        fs::write(&self.path, &self.before).unwrap();
    }
}

/// Submits jobs, a few at a time, until the API goes away; returns those it accepted.
fn keep_busy(api: &str) -> Vec<String> {
    let mut accepted = Vec::new();
    let deadline = Instant::now() + RESTART;
    while let Ok(listing) = jobs::try_get(&format!("{api}/api/jobs?limit=20")) {
        assert!(Instant::now() < deadline, "the API does not restart");
        let jobs = listing["jobs"].as_array().unwrap();
        let unfinished = jobs.iter().filter(|job| job["finished_at"].is_null());
        if unfinished.count() < AT_ONCE {
            let Ok(id) = jobs::try_submit(api, "a list among others") else {
                break;
            };
            accepted.push(id);
        }
    }
    accepted
}

/// That both tell what they do as they do where they are deployed: the job that has ended, and
/// one that comes.
fn logs_are_those_of_what_is_deployed(page: &str, job: &str) {
    let logs = |more: &[&str]| {
        let ran = run(&[&["logs", "--where", "dev"], more].concat());
        assert_eq!(ran.code, 0, "{ran:#?}");
        ran
    };
    let told = logs(&["generator", "--job", job, "--json"]).objects();
    assert_whole_log(&told, job);
    let of_job = logs(&[job, "--json"]).objects();
    let sources: BTreeSet<&str> = of_job
        .iter()
        .map(|line| line["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, ["generator", "orchestrator"].into());
    let raw = logs(&["generator", job, "--raw", "--lines", "1"]);
    assert_eq!(raw.stdout, told.last().unwrap()["message"], "{raw:#?}");
    let readable = logs(&["--lines", "1", "--filter", "\"listening\""]);
    assert!(
        readable.stdout.contains(" orchestrator INFO listening "),
        "{readable:#?}"
    );
    let readable = logs(&[job, "--filter", "\"succeeded\""]);
    assert!(
        readable.stdout.contains(" generator INFO succeeded: "),
        "{readable:#?}"
    );
    assert_eq!(logs(&[job, "--level", "error"]).stdout, "");
    let error = run(&["logs", "ebcdf0", "--where", "dev", "--json"]).expect_error(2);
    assert_eq!(
        error["hint"],
        "name the job of the task, or leave out --where"
    );

    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    let line = ["logs", "generator", "--where", "dev", "--follow"];
    let mut followed = Started::new(&[&line[..], &["--since", &now, "--json"]].concat());
    let next = jobs::submit(page, "a list that is followed");
    followed.prints(r#"\"type\":\"succeeded\""#);
    followed.signal(Signal::INT);
    assert_whole_log(&followed.ends_within(END).followed(), &next);
}

/// That the lines are the events of the job's generator, each once and in order.
fn assert_whole_log(lines: &[Value], job: &str) {
    let event = |line: &Value| -> Value {
        let mut fields: Vec<&String> = line.as_object().unwrap().keys().collect();
        fields.sort_unstable();
        let expected = [
            "group", "id", "message", "source", "stream", "task", "time_ms",
        ];
        assert_eq!(fields, expected);
        assert_eq!(line["stream"], format!("{job}.log"));
        serde_json::from_str(line["message"].as_str().unwrap()).unwrap()
    };
    let events: Vec<Value> = lines.iter().map(event).collect();
    jobs::assert_numbered(&events);
    assert_eq!(events.last().unwrap()["type"], "succeeded", "{events:#?}");
}

#[test]
fn a_job_through_the_page_an_edit_and_ctrl_c() {
    let _alone = alone();
    let (mut dev, page) = start();
    let api = format!("http://127.0.0.1:{}", api_port());
    let health = format!("{page}/health");
    let id = jobs::submit(&page, "a list through the proxy");
    let undisturbed = jobs::said_by_generator(&jobs::whole_stream(&page, &id));
    assert!(undisturbed.len() > 5, "{undisturbed:?}");
    logs_are_those_of_what_is_deployed(&page, &id);
    assert_eq!(jobs::job(&page, &id)["launcher"], "process");
    assert_eq!(&jobs::download_start(&page, &id), b"PK");

    let second = run(&["dev", "--json"]);
    let refused = second.expect_error(7);
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("process {}", dev.pid())),
        "{message}"
    );

    let before = [listener(api_port()), listener(web_port())];
    let edit = Edit::of("app-gen-saas/src/clock.rs");
    dev.says("clock.rs changed");
    let restarted = wait_for("another API", RESTART, || {
        listener(api_port()).filter(|pid| Some(*pid) != before[0])
    });
    wait_for("an answer", END, || jobs::try_get(&health).ok());

    // Nothing to compile this time: it restarts while generators are at work.
    touch("app-gen-saas/Cargo.toml");
    let accepted = keep_busy(&api);
    let gone = OffsetDateTime::now_utc();
    wait_for("an answer", END, || jobs::try_get(&health).ok());
    assert_ne!(listener(api_port()), Some(restarted));
    assert_eq!(listener(web_port()), before[1]);
    let mut went_on = 0;
    for id in &accepted {
        let events = jobs::whole_stream(&page, id);
        assert_eq!(jobs::said_by_generator(&events), undisturbed, "{events:#?}");
        let job = jobs::job(&page, id);
        let [started, finished] = ["started_at", "finished_at"]
            .map(|key| OffsetDateTime::parse(job[key].as_str().unwrap(), &Rfc3339).unwrap());
        went_on += usize::from(started < gone && gone < finished);
    }
    assert!(went_on > 0, "no generator of {accepted:?} was at work");

    // With generators at work and somebody who watches.
    let ids: Vec<String> = (0..AT_ONCE)
        .map(|_| jobs::submit(&page, "a list that is never made"))
        .collect();
    let watched = (page.clone(), ids[0].clone());
    let watcher = std::thread::spawn(move || jobs::stream(&watched.0, &watched.1, |_| {}));
    dev.signal(Signal::INT);
    let told = Instant::now();
    let ran = dev.ends_within(END);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_all_ended("a dev that was interrupted");
    assert!(told.elapsed() < END);
    watcher.join().unwrap();
    drop(edit);
}

#[test]
fn cleanup_ends_a_running_dev_and_what_a_killed_one_left() {
    let _alone = alone();
    let (dev, _) = start();
    let cleaned = run(&["cleanup", "--json"]).expect_success();
    assert_eq!(cleaned["removed"][0], "running `dev`", "{cleaned}");
    assert_eq!(dev.ends_within(END).code, 0);
    assert_all_ended("a dev that cleanup ended");

    let (mut dev, _) = start();
    dev.kill();
    let cleaned = run(&["cleanup", "--json"]).expect_success();
    let removed = cleaned["removed"][0].as_str().unwrap();
    assert!(removed.ends_with(" processes"), "{cleaned}");
    assert_eq!(dev.ends_within(END).code, -1);
    assert_all_ended("a dev that was killed");
}

#[test]
fn an_interrupt_while_it_compiles_leaves_nothing() {
    let _alone = alone();
    let mut dev = Started::new(&["dev", "--json"]);
    dev.says("compile the orchestrator");
    dev.signal(Signal::INT);
    dev.ends_within(END).expect_error(130);
    assert_all_ended("a dev that was interrupted early");
}

#[test]
fn a_taken_port_is_named_with_its_key() {
    let _alone = alone();
    for (port, key) in [
        (api_port(), "local_test.api_port"),
        (web_port(), "local_test.web_port"),
    ] {
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = run(&["dev", "--json"]).expect_error(8);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("port {port} ")), "{message}");
        assert!(error["hint"].as_str().unwrap().contains(key), "{error}");
    }
    assert_all_ended("a dev whose port is taken");
}
