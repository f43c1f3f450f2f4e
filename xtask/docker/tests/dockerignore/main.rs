//! `.dockerignore` against the real engine: trees with ignore files go through
//! `docker buildx build`, and what arrives is compared with what our walk says.
//!
//! The cases below `kept` come first: each was a difference once, or shows a rule.
//! Then come random trees, `DOCKERIGNORE_TREES` of them from `DOCKERIGNORE_SEED`.
//! A tree that makes a difference is made smaller for as long as it still does, and
//! kept. `ci/compare_dockerignore.py` compares thousands.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and compares with what docker itself does"
)]

mod case;
mod engine;
mod random;
mod shrink;

use case::{Case, Tree};
use engine::{Outcome, Workspace};
use std::path::Path;

const TREES: usize = 160;
const SEED: u64 = 1;
/// Trees a batch: so many targets the builder works on at once.
const BATCH: usize = 32;

/// What our walk says arrives. The one place that knows its interface.
fn our_walk(context: &Path, dockerfile: &Path) -> anyhow::Result<Tree> {
    use xtask_docker::ignore::{IgnoreFile, Rules};
    use xtask_tree::entry::{Entry, Mode};
    use xtask_tree::stat_cache::StatCache;

    let rules = match IgnoreFile::of_context(context, dockerfile)? {
        Some(file) => file.rules()?,
        None => Rules::default(),
    };
    let entries = xtask_docker::context::read(context, &rules, &StatCache::none())?;
    Ok(entries
        .into_iter()
        .map(|(path, entry)| {
            let found = match entry {
                Entry::Directory => case::Found::Directory,
                Entry::Symlink { target } => case::Found::Link(case::unescape(&target)),
                Entry::File { mode, digest } => case::Found::File {
                    is_executable: mode == Mode::Executable,
                    sha256: digest.to_string(),
                },
            };
            (case::unescape(&path), found)
        })
        .collect())
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

/// How the two differ, if they do, each case on its own.
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
                && let Some(difference) = difference(&batch[index])
            {
                let mut smallest =
                    shrink::shrink(&batch[index], |case| crate::difference(case).is_some());
                smallest.note.clone_from(&difference);
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
fn what_is_no_file_directory_or_link() {
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
    // It is no input that could be named by its content: we refuse it unless it is ignored.
    let error = workspace.ours(0).refusal().unwrap().to_owned();
    assert!(error.contains("socket"), "{error}");
    std::fs::write(context.join(".dockerignore"), "socket\n").unwrap();
    assert_eq!(workspace.ours(0).refusal(), None);
    // The builder waits for the other end of a pipe; we do not.
    std::fs::remove_file(context.join(".dockerignore")).unwrap();
    let pipe = context.join(".dockerignore");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    let error = workspace.ours(0).refusal().unwrap().to_owned();
    assert!(error.contains(".dockerignore is not a file"), "{error}");
}
