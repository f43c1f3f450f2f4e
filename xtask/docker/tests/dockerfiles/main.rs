//! Compares which images a Dockerfile builds upon with what BuildKit itself asks for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "the docker client is what is compared with"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use xtask_docker::dockerfile::{Wanted, external_images};
use xtask_docker::reference::Reference;

const PLATFORM: &str = "linux/amd64";
/// The cases name them `@a`, `@b` and so on.
const IMAGES: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

/// Dockerfiles, with `--target` and build arguments in a first line that begins with `%`.
const CASES: &str = include_str!("data/dockerfiles.txt");

/// Runs the docker client, which must succeed, and returns its output.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Names of one image in the engine. They last as long as the test.
struct Names(String);

impl Names {
    fn new() -> Self {
        let names = Self(format!("xtask-test-{}-", std::process::id()));
        for image in IMAGES {
            docker(&["tag", "debian:trixie-slim", &names.of(image)]);
        }
        names
    }

    fn of(&self, image: char) -> String {
        format!("{}{image}", self.0)
    }

    fn fill_in(&self, text: &str) -> String {
        text.replace('@', &self.0)
    }

    fn take_out(&self, name: &str) -> String {
        name.replace(&self.0, "@")
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for image in IMAGES {
            let _ = Command::new("docker")
                .args(["rmi", &self.of(image)])
                .output();
        }
    }
}

struct Case {
    target: Option<String>,
    arguments: BTreeMap<String, String>,
    text: String,
}

impl Case {
    fn read(text: &str) -> Self {
        let (options, text) = match text.strip_prefix('%') {
            Some(rest) => rest.split_once('\n').unwrap(),
            None => ("", text),
        };
        let mut case = Self {
            target: None,
            arguments: BTreeMap::new(),
            // An editor would not keep these characters.
            text: text
                .replace("<BOM>", "\u{feff}")
                .replace("<CR>", "\r")
                .replace("<TAB>", "\t")
                .replace("<SPACE>", " "),
        };
        for option in options.split_whitespace() {
            match option.split_once('=') {
                Some((name, value)) => {
                    case.arguments.insert(name.to_owned(), value.to_owned());
                }
                None => case.target = Some(option.to_owned()),
            }
        }
        case
    }

    /// The images that BuildKit asks for, or that it refuses.
    fn of_buildkit(&self, names: &Names, buildx: &str) -> Result<BTreeSet<String>, String> {
        let mut command = Command::new(buildx);
        command.args(["build", "--progress=plain", "--call=outline"]);
        command.args(["--platform", PLATFORM]);
        if let Some(target) = &self.target {
            command.args(["--target", target]);
        }
        for (name, value) in &self.arguments {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        let mut client = command
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let text = names.fill_in(&self.text);
        client
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = client.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(log);
        }
        Ok(log
            .lines()
            .filter_map(|line| line.split_once("load metadata for docker.io/library/"))
            .map(|(_, name)| names.take_out(name.trim()))
            .collect())
    }

    fn ours(&self, names: &Names) -> Result<BTreeSet<String>, String> {
        let text = names.fill_in(&self.text);
        let wanted = Wanted {
            arguments: &self.arguments,
            target: self.target.as_deref(),
            platform: PLATFORM,
        };
        let images = external_images("Dockerfile", text.as_bytes(), &wanted)
            .map_err(|error| error.to_string())?;
        Ok(images
            .iter()
            .map(|image| names.take_out(&Reference::parse(image).unwrap().to_string()))
            .collect())
    }
}

#[test]
fn buildkit_finds_the_same_images() {
    let names = Names::new();
    // The plugin takes half the time when it is called without the client.
    let buildx = docker(&[
        "info",
        "--format",
        "{{range .ClientInfo.Plugins}}{{if eq .Name \"buildx\"}}{{.Path}}{{end}}{{end}}",
    ]);
    let cases: Vec<Case> = CASES.split("\n---\n").map(Case::read).collect();
    let queue = Mutex::new(cases.iter());
    let differences = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = { queue.lock().unwrap().next() } {
                    let (theirs, ours) =
                        (case.of_buildkit(&names, buildx.trim()), case.ours(&names));
                    let same = match (&theirs, &ours) {
                        (Ok(theirs), Ok(ours)) => theirs == ours,
                        (theirs, ours) => theirs.is_err() == ours.is_err(),
                    };
                    if !same {
                        differences.lock().unwrap().push(format!(
                            "{}\nBuildKit: {theirs:?}\nours: {ours:?}",
                            case.text
                        ));
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}
