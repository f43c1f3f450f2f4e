//! Compares which images a Dockerfile builds upon, and which frontend reads it, with what BuildKit
//! itself asks for.
//!
//! The cases of `data/dockerfiles.txt` come first: each was a difference once, or shows a rule. Then
//! come `DOCKERFILE_CASES` random ones, made from `DOCKERFILE_SEED`. A random case that makes a
//! difference is made smaller for as long as it still makes one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "the docker client is what is compared with"
)]

mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use xshell::{Shell, cmd};
use xtask_docker::dockerfile::{Wanted, external_images, frontend};
use xtask_docker::reference::Reference;

const PLATFORM: &str = "linux/amd64";
const RANDOM_CASES: usize = 60;
const SEED: u64 = 1;
/// The cases name them `@a`, `@b` and so on.
const IMAGES: [char; 8] = ['a', 'b', 'c', 'd', 'e', 'f', 's', 't'];

/// Dockerfiles, with `--target` and build arguments in a first line that begins with `%`.
const CASES: &str = include_str!("../data/dockerfiles.txt");

/// Names of one image in the engine. They last as long as the test.
struct Names(String);

impl Names {
    fn new() -> Self {
        let names = Self(format!("xtask-test-{}-", std::process::id()));
        let shell = Shell::new().unwrap();
        let first = names.of(IMAGES[0]);
        // Two blocks of zeros are a tar without entries.
        cmd!(shell, "docker import - {first}")
            .stdin([0; 1024])
            .read()
            .unwrap();
        for image in &IMAGES[1..] {
            let name = names.of(*image);
            cmd!(shell, "docker tag {first} {name}").read().unwrap();
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
        let shell = Shell::new().unwrap();
        for image in IMAGES {
            let name = self.of(image);
            let _ = cmd!(shell, "docker rmi {name}").read();
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    target: Option<String>,
    arguments: BTreeMap<String, String>,
    text: String,
}

/// What was found out about a case.
#[derive(Debug)]
struct Found {
    /// The image that reads the file in place of the engine's own frontend.
    frontend: Option<String>,
    images: Result<BTreeSet<String>, String>,
}

impl Found {
    fn is_same(&self, ours: &Self) -> bool {
        if self.frontend != ours.frontend {
            // BuildKit checks some build arguments before it looks at the file.
            return self.frontend.is_none() && self.images.is_err() && ours.images.is_err();
        }
        match (&self.frontend, &self.images, &ours.images) {
            // What the images of these tests do is not known: none of them is a frontend.
            (Some(frontend), _, Ok(ours)) => ours.contains(frontend),
            (Some(frontend), _, Err(ours)) => ours.contains(frontend.trim_end_matches(":latest")),
            (None, Ok(theirs), Ok(ours)) => theirs == ours,
            (None, theirs, ours) => theirs.is_err() == ours.is_err(),
        }
    }
}

/// Runs cases through BuildKit.
struct Engine {
    names: Names,
    /// The plugin, which takes half the time when it is called without the client.
    buildx: String,
}

impl Engine {
    fn new() -> Self {
        let shell = Shell::new().unwrap();
        let path = "{{range .ClientInfo.Plugins}}{{if eq .Name \"buildx\"}}{{.Path}}{{end}}{{end}}";
        Self {
            names: Names::new(),
            buildx: cmd!(shell, "docker info --format {path}").read().unwrap(),
        }
    }

    /// The images that BuildKit asks for, or that it refuses.
    fn find(&self, case: &Case) -> Found {
        let mut command = Command::new(&self.buildx);
        command.args(["build", "--progress=plain", "--call=outline"]);
        command.args(["--platform", PLATFORM]);
        if let Some(target) = &case.target {
            command.args(["--target", &self.names.fill_in(target)]);
        }
        for (name, value) in &case.arguments {
            let value = self.names.fill_in(value);
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        let mut client = command
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let text = self.names.fill_in(&case.text);
        client
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = client.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let named = |marker: &str| -> Vec<String> {
            log.lines()
                .filter_map(|line| line.split_once(marker))
                .map(|(_, name)| self.names.take_out(name.trim()))
                .collect()
        };
        let frontends = named("resolve image config for docker-image://docker.io/library/");
        let images = if output.status.success() {
            Ok(named("load metadata for docker.io/library/")
                .into_iter()
                .collect())
        } else {
            Err(log.clone())
        };
        Found {
            frontend: frontends.into_iter().next(),
            images,
        }
    }

    fn ours(&self, case: &Case) -> Found {
        let text = self.names.fill_in(&case.text);
        let arguments: BTreeMap<String, String> = case
            .arguments
            .iter()
            .map(|(name, value)| (name.clone(), self.names.fill_in(value)))
            .collect();
        let target = case.target.as_ref().map(|name| self.names.fill_in(name));
        let wanted = Wanted {
            arguments: &arguments,
            target: target.as_deref(),
            platform: PLATFORM,
        };
        let whole = |image: &str| {
            let reference = Reference::parse(image).ok()?;
            Some(self.names.take_out(&reference.to_string()))
        };
        let images = external_images("Dockerfile", text.as_bytes(), &wanted)
            .map(|images| images.iter().map(|image| whole(image).unwrap()).collect())
            .map_err(|error| self.names.take_out(&error.to_string()));
        Found {
            // BuildKit does not get to ask for a frontend whose name is malformed.
            frontend: frontend(text.as_bytes(), &arguments).and_then(|image| whole(&image)),
            images,
        }
    }

    /// How BuildKit and we differ on a case, if we do.
    fn difference(&self, case: &Case) -> Option<String> {
        let (theirs, ours) = (self.find(case), self.ours(case));
        (!theirs.is_same(&ours)).then(|| format!("BuildKit: {theirs:?}\nours: {ours:?}"))
    }
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
                .replace("<SPACE>", " ")
                .replace("<NBSP>", "\u{a0}"),
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

    /// The case with one line removed, for each of its lines.
    fn smaller(&self) -> impl Iterator<Item = Self> + use<> {
        let case = self.clone();
        (0..case.text.lines().count()).map(move |removed| {
            let lines = case.text.split_inclusive('\n').enumerate();
            Self {
                text: lines
                    .filter(|(index, _)| *index != removed)
                    .map(|(_, line)| line)
                    .collect(),
                ..case.clone()
            }
        })
    }
}

/// Makes a case that differs smaller for as long as it still differs.
fn shrink(engine: &Engine, mut case: Case) -> Case {
    while let Some(smaller) = case
        .smaller()
        .find(|smaller| engine.difference(smaller).is_some())
    {
        case = smaller;
    }
    case
}

fn from_environment<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .ok()
            .unwrap_or_else(|| panic!("{name}={value}")),
        Err(_) => default,
    }
}

#[test]
fn buildkit_finds_the_same_images() {
    let engine = Engine::new();
    let seed = from_environment("DOCKERFILE_SEED", SEED);
    let mut random = random::Random::new(seed);
    let cases: Vec<Case> = CASES
        .split("\n---\n")
        .map(Case::read)
        .chain((0..from_environment("DOCKERFILE_CASES", RANDOM_CASES)).map(|_| random.case()))
        .collect();
    let queue = Mutex::new(cases.iter());
    let differences = Mutex::new(Vec::new());
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = { queue.lock().unwrap().next() } {
                    if engine.ours(case).images.is_err() {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    if engine.difference(case).is_some() && differences.lock().unwrap().len() < 5 {
                        let smallest = shrink(&engine, case.clone());
                        let shown = engine.difference(&smallest);
                        differences.lock().unwrap().push(format!(
                            "{}\n{}\n{}",
                            smallest.text,
                            shown.unwrap_or_default(),
                            "-".repeat(40)
                        ));
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    let refused = refused.into_inner();
    println!("{} cases with seed {seed}, {refused} refused", cases.len());
    assert!((10..cases.len() * 9 / 10).contains(&refused), "{refused}");
}
