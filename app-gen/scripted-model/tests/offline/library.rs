//! The scripts of this crate: each can be loaded and played by both agents, and shows what it says.

use crate::support::{Agent, Said, Served, scripts};
use app_gen_scripted_model::{Protocol, Script, Settings};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const BOTH: [Protocol; 2] = [Protocol::Anthropic, Protocol::OpenAi];

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(scripts()).unwrap();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".toml").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

fn load(name: &str) -> Script {
    let path = scripts().join(format!("{name}.toml"));
    Script::load(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All commands and contents that an answer asks for, one after the other.
fn inputs(said: &[Said]) -> String {
    let calls = said.iter().flat_map(|said| &said.calls);
    calls.map(|(_, input)| format!("{input}\n")).collect()
}

#[test]
fn every_script_is_listed_in_the_readme() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let listed: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once(".toml` |"))
        .map(|(name, _)| name)
        .collect();
    let listed: BTreeSet<&str> = listed.into_iter().collect();
    let names = names();
    assert_eq!(listed, names.iter().map(String::as_str).collect());
}

#[test]
fn every_script_is_played_to_its_end_or_without_one() {
    for name in names() {
        let mut script = load(&name);
        // A part without a role is for those who have none of their own.
        let endless: BTreeSet<Option<String>> = script
            .parts
            .iter()
            .filter(|part| part.repeat)
            // Whoever only speaks ends with each answer.
            .filter(|part| part.turns.iter().any(|turn| !turn.actions.is_empty()))
            .map(|part| part.role.clone())
            .collect();
        // Faults are tested by themselves, and some last an hour.
        for part in &mut script.parts {
            part.turns.iter_mut().for_each(|turn| turn.fault = None);
        }
        let roles: BTreeSet<String> = script
            .parts
            .iter()
            .filter_map(|part| part.role.clone())
            .collect();
        let has_others = script.parts.iter().any(|part| part.role.is_none());
        let served = Served::new(script, Settings::default());
        for protocol in BOTH {
            let others = has_others.then_some("somebody");
            for role in roles.iter().map(String::as_str).chain(others) {
                let mut agent = Agent::new(protocol, &format!("Do it.\nRole: {role}"));
                let said = agent.run(&served, |_| "done".to_owned());
                let last = said.last().unwrap();
                let has_part = roles.contains(role);
                let is_endless = endless.contains(&has_part.then(|| role.to_owned()));
                assert_eq!(last.calls.is_empty(), !is_endless, "{name} for {role}");
                let is_over = last.text == "The script has no further turn.";
                assert!(
                    !is_over && (is_endless || !last.text.is_empty()),
                    "{name} for {role}"
                );
            }
        }
    }
}

#[test]
fn the_same_conversation_gets_the_same_bytes() {
    let [one, two] = [(); 2].map(|()| Served::new(load("create"), Settings::default()));
    for protocol in BOTH {
        let mut agent = Agent::new(protocol, "Make a plant diary.\nRole: builder");
        let mut ids = BTreeSet::new();
        loop {
            let [first, second, third] =
                [&one, &two, &one].map(|served| served.post(protocol, &agent.request()).body);
            assert!(first == second && second == third);
            let before = agent.items.len();
            if agent.step(&one, |_| "done".to_owned()).calls.is_empty() {
                break;
            }
            let new = serde_json::Value::from(agent.items[before..].to_vec()).to_string();
            for id in new
                .split('"')
                .filter(|word| word.starts_with("toolu_") || word.starts_with("fc_"))
            {
                ids.insert(id.to_owned());
            }
        }
        // 12 files, two commands, one more.
        assert_eq!(ids.len(), 15, "{ids:?}");
    }
}

#[test]
fn create_writes_every_file_of_the_application() {
    let folder = scripts().join("plant-diary");
    let served = Served::new(load("create"), Settings::default());
    for protocol in BOTH {
        let mut agent = Agent::new(protocol, "Make a plant diary.\nRole: builder");
        let said = agent.run(&served, |_| "done".to_owned());
        // Codex runs the calls of one answer side by side, so an answer has new files or one call.
        for answer in said.iter().filter(|said| said.calls.len() > 1) {
            let are_files = inputs(std::slice::from_ref(answer))
                .matches("*** Add File: ")
                .count();
            assert!(protocol == Protocol::Anthropic || are_files == answer.calls.len());
        }
        let calls: Vec<String> = said
            .iter()
            .flat_map(|said| &said.calls)
            .map(|(_, input)| input.to_string())
            .collect();
        for path in [
            "package.json",
            "package-lock.json",
            ".gitignore",
            "server/app.js",
            "web/index.html",
        ] {
            let text = std::fs::read_to_string(folder.join(path)).unwrap();
            let line = serde_json::to_string(text.lines().last().unwrap()).unwrap();
            let written = calls.iter().find(|call| {
                call.contains(&format!("\"{path}\"")) || call.contains(&format!("File: {path}\\n"))
            });
            assert!(written.unwrap().contains(line.trim_matches('"')), "{path}");
        }
    }
}

#[test]
fn a_folder_is_written_without_what_npm_and_builds_left_in_it() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "app/a.txt",
        "app/below/b.txt",
        "app/node_modules/c.txt",
        "app/dist/d.txt",
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "text\n").unwrap();
    }
    let text = "about = ''\n[[parts]]\nturns = [{ actions = [{ do = 'write_folder', from = 'app', to = 'there' }] }]";
    let served = Served::new(
        Script::parse(text, folder.path()).unwrap(),
        Settings::default(),
    );
    let said = Agent::new(Protocol::Anthropic, "x").step(&served, |_| String::new());
    let paths: Vec<&str> = said
        .calls
        .iter()
        .map(|(_, input)| input["file_path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["there/a.txt", "there/below/b.txt"]);
}

#[test]
fn bad_agents_do_what_they_are_for() {
    let play = |name: &str, protocol| {
        let served = Served::new(load(name), Settings::default());
        Agent::new(protocol, "Make a plant diary.").run(&served, |_| "done".to_owned())
    };
    for protocol in BOTH {
        let lies = play("lies", protocol);
        assert_eq!((lies.len(), lies[0].calls.len()), (1, 0));
        assert!(lies[0].text.contains("complete"));
        let loops = play("loops", protocol);
        assert!(loops.len() == 60 && loops.iter().all(|said| *said == loops[0]));
        assert!(inputs(&play("deletes-tests", protocol)).contains("rm server/app.test.js"));
        let placeholders = inputs(&play("placeholders", protocol));
        assert!(
            placeholders.contains("rest of the code unchanged") && placeholders.contains("TODO")
        );
        // Places of the container that it is played in.
        let trespasses = inputs(&play("trespasses", protocol));
        for place in [
            "/proc/1/environ",
            "169.254.169.254",
            "/root/.aws",
            "/etc/shadow",
        ] {
            assert!(trespasses.contains(place), "{place}");
        }
        assert!(inputs(&play("lingers", protocol)).contains("setsid nohup"));
        let huge = inputs(&play("huge", protocol));
        assert!(huge.len() > 1_000_000 && huge.contains("seq 1 2500000"));
        assert_eq!(play("expensive", protocol).len(), 60);
    }
}

#[test]
fn a_limit_and_a_broken_provider_answer_as_they_say() {
    let served = Served::new(load("limit"), Settings::default());
    let mut agent = Agent::new(Protocol::Anthropic, "x");
    agent.step(&served, |_| "done".to_owned());
    let limit = served.post(Protocol::Anthropic, &agent.request());
    assert_eq!(
        (limit.status, limit.header("retry-after")),
        (429, Some("20"))
    );
    assert_eq!(
        limit.header("anthropic-ratelimit-unified-status"),
        Some("rejected")
    );
    let served = Served::new(load("broken"), Settings::default());
    let ask = |prompt: &str| {
        served.post(
            Protocol::OpenAi,
            &Agent::new(Protocol::OpenAi, prompt).request(),
        )
    };
    assert_eq!(ask("refused").status, 403);
    assert_eq!(ask("anything").body.len(), 100_000);
}

#[test]
fn what_cannot_be_played_is_refused_with_its_place() {
    let refusal = |text: &str| match Script::parse(text, &scripts()) {
        Ok(_) => panic!("{text} can be played"),
        Err(error) => format!("{error}"),
    };
    let turn =
        |turn: &str| format!("about = ''\n[[parts]]\nturns = [{{ text = 'x' }}, {{ {turn} }}]");
    for (text, expected) in [
        ("about = ''\nparts = []".to_owned(), "parts: there are none"),
        (
            "about = ''\n[[parts]]\nturns = []".to_owned(),
            "part 1: it has no turns",
        ),
        (
            "about = ''\n[[parts]]\ncue = ''\nturns = [{}]".to_owned(),
            "part 1: its cue is empty",
        ),
        (
            "about = ''\nroles = { a = '' }\n[[parts]]\nturns = [{}]".to_owned(),
            "roles: the text that shows a role is empty",
        ),
        (
            turn("actions = [{ do = 'write', path = 'a' }]"),
            "part 1, turn 2: the write of a needs `content` or `from`, and not both",
        ),
        (
            turn("actions = [{ do = 'write', path = 'a', content = 'x', from = 'lies.toml' }]"),
            "not both",
        ),
        (
            turn("actions = [{ do = 'write', path = 'a', content = 'xx', repeat = 9000000 }]"),
            "more than 16777216 bytes",
        ),
        (
            turn("actions = [{ do = 'write', path = \"a\\nb\", content = 'x' }]"),
            "is no path",
        ),
        (
            turn("actions = [{ do = 'write', path = 'a', from = '../Cargo.toml' }]"),
            "\"../Cargo.toml\" is not beside the script",
        ),
        (
            turn("actions = [{ do = 'write_folder', from = '/etc' }]"),
            "\"/etc\" is not beside the script",
        ),
        (
            turn("actions = [{ do = 'write_folder', from = 'nothing' }]"),
            "failed to read",
        ),
        (
            turn("actions = [{ do = 'dance' }]"),
            "unknown variant `dance`",
        ),
        (
            turn("actions = [{ do = 'run', command = 'x', times = 2 }]"),
            "unknown field `times`",
        ),
        (
            turn("fault = { kind = 'cut', times = 1, for_seconds = 1 }"),
            "its fault has both `times` and `for_seconds`",
        ),
        (
            turn("fault = { kind = 'cut', seconds = 1 }"),
            "unknown field `seconds`",
        ),
        (
            turn("fault = { kind = 'status', status = 200, error_type = 'x', message = 'x' }"),
            "200 is no status of an error",
        ),
        (
            turn(
                "fault = { kind = 'status', status = 500, error_type = 'x', message = '{seconds_left}' }",
            ),
            "needs `for_seconds`",
        ),
        (
            turn(
                "fault = { kind = 'status', status = 500, error_type = 'x', message = 'x', headers = { Content-Length = '1' } }",
            ),
            "cannot be a header",
        ),
        (
            turn(
                "fault = { kind = 'status', status = 500, error_type = 'x', message = 'x', headers = { a = \"b\\r\\nc: d\" } }",
            ),
            "cannot be a header",
        ),
        (
            turn("fault = { kind = 'garbage', bytes = 99999999 }"),
            "bytes of garbage",
        ),
        (turn("txt = 'x'"), "unknown field `txt`"),
    ] {
        let refusal = refusal(&text);
        assert!(refusal.contains(expected), "{text}\n{refusal}");
    }
}

/// The program itself: it says where it listens, plays, and ends with a signal.
#[test]
fn the_program_plays_a_script() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let start = |script: &Path| {
        #[expect(
            clippy::disallowed_methods,
            reason = "the wrapper of xtask is not for these tests; it is ended below"
        )]
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_app-gen-scripted-model"));
        command
            .arg(script)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let mut child = start(&scripts().join("lies.toml"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim()
        .strip_prefix("listening on http://127.0.0.1:")
        .unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", address.parse().unwrap())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
        .write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let refused = start(Path::new("nothing.toml")).wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let says = String::from_utf8(refused.stderr).unwrap();
    assert!(
        says.starts_with("error: nothing.toml: failed to read nothing.toml: No such file"),
        "{says}"
    );
}
