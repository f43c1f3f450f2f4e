//! Contexts against the real engine: trees with ignore files, with modes, and with Dockerfiles under
//! other names or behind links go through `docker buildx build`, and what arrives is compared with
//! what our walk says.
//!
//! The cases in `kept` come first: each was a difference once, or shows a rule. Then come
//! `DOCKERIGNORE_TREES` random trees, made from `DOCKERIGNORE_SEED`. A tree that makes a
//! difference is made smaller for as long as it still makes one, and is then kept.
//! `ci/compare_dockerignore.py` compares thousands.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and compares with what docker itself does"
)]

mod case;
mod engine;
mod random;
mod shrink;
mod walk;

use crate::case::Case;
use crate::engine::{Outcome, Workspace};

const TREES: usize = 160;
const SEED: u64 = 1;
/// The builder works on this many targets at once.
const BATCH: usize = 32;

fn from_environment<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(value) => value
            .parse()
            .ok()
            .unwrap_or_else(|| panic!("{name}={value}")),
        Err(_) => default,
    }
}

/// How the walk and the engine differ on this case alone, if they differ.
fn difference(case: &Case) -> Option<String> {
    let workspace = Workspace::new(std::slice::from_ref(case));
    workspace.build(0).differs_from(&workspace.ours(0))
}

#[test]
fn the_walk_is_dockers() {
    let trees = from_environment("DOCKERIGNORE_TREES", TREES);
    let seed = from_environment("DOCKERIGNORE_SEED", SEED);
    let kept = Case::kept();
    assert!(!kept.is_empty());
    let mut random = random::Random::new(seed);
    let cases: Vec<Case> = kept
        .into_iter()
        .chain((0..trees).map(|_| random::case(&mut random)))
        .collect();
    let mut refused = 0;
    let mut differences = Vec::new();
    for batch in cases.chunks(BATCH) {
        let workspace = Workspace::new(batch);
        for (index, (ours, engines)) in workspace.outcomes().into_iter().enumerate() {
            refused += usize::from(matches!(engines, Outcome::Refused(_)));
            // Twice, and alone: the builder has races of its own.
            if engines.differs_from(&ours).is_some()
                && difference(&batch[index]).is_some()
                && let Some(shown) = difference(&batch[index])
            {
                let mut smallest = shrink::shrink(&batch[index], |case| difference(case).is_some());
                smallest.note.clone_from(&shown);
                let name = smallest.keep();
                differences.push(format!("{name}:\n{}", smallest.to_json()));
            }
        }
        if differences.len() > 5 {
            break;
        }
    }
    println!(
        "{} trees, {trees} of them random from seed {seed}: {} differences; {refused} refused",
        cases.len(),
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(
        refused > 0 && refused < cases.len() / 2,
        "{refused} refused"
    );
}

#[test]
fn sockets_and_pipes_are_refused() {
    let cases = [Case::parse(
        r#"{"note": "", "dockerfile": "outside/Dockerfile", "tree": {"context/a": "file a"}}"#,
    )];
    let workspace = Workspace::new(&cases);
    let context = workspace.context(0);
    let listener = std::os::unix::net::UnixListener::bind(context.join("socket")).unwrap();
    // A socket arrives as an empty file.
    let Outcome::Arrived(tree) = workspace.build(0) else {
        panic!("a socket is refused");
    };
    assert_eq!(tree.len(), 2);
    assert!(matches!(
        &tree[b"socket".as_slice()],
        case::Found::File { .. }
    ));
    drop(listener);
    // It has no content that could name it, so we refuse it unless it is ignored.
    let error = workspace.ours(0).refusal().unwrap().to_owned();
    assert!(error.contains("socket"), "{error}");
    std::fs::write(context.join(".dockerignore"), "socket\n").unwrap();
    assert_eq!(workspace.ours(0).refusal(), None);
    // The builder waits for the other end of a pipe; we do not.
    std::fs::remove_file(context.join(".dockerignore")).unwrap();
    let pipe = context.join(".dockerignore");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let error = workspace.ours(0).refusal().unwrap().to_owned();
    assert!(error.contains(".dockerignore: it is not a file"), "{error}");
}
