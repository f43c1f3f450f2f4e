//! Paths that the documents name exist.

use crate::common::instance;
use regex::Regex;
use std::fs;
use std::path::Path;

const DOCUMENTS: [&str; 10] = [
    "AGENTS.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "docs/backup.md",
    "docs/deployment.md",
    "docs/environment.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/rights.md",
];
/// Where a path may begin.
const ROOTS: [&str; 10] = [
    "",
    "app-gen-infra",
    "app-gen-infra/cdk",
    "app-gen-infra/cdk/lib",
    "app-gen-saas",
    "app-gen-saas/src",
    "xtask",
    "xtask/image/src",
    "xtask/operate/src",
    "xtask/src",
];
/// What a command makes, and what stands for any folder.
const NOT_HERE: [&str; 2] = ["app-gen-infra/bases.toml", "folder/mod.rs"];

#[test]
fn paths_in_documents_exist() {
    let root = instance::source();
    let blocks = Regex::new(r"(?s)```.*?```").unwrap();
    let quoted = Regex::new(r"`([\w.-]+(?:/[\w.-]+)*/(?:[\w.-]+\.\w+)?)`|\]\(([^)#:]+)\)").unwrap();
    let mut count = 0;
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let text = blocks.replace_all(&text, "");
        let beside = Path::new(document).parent().unwrap();
        for found in quoted.captures_iter(&text) {
            let (path, roots) = match (found.get(1), found.get(2)) {
                (Some(path), _) => (path.as_str(), ROOTS.map(Path::new).to_vec()),
                (None, Some(link)) => (link.as_str(), vec![beside]),
                (None, None) => unreachable!(),
            };
            let exists = |from: &Path| root.join(from).join(path).exists();
            count += 1;
            if !NOT_HERE.contains(&path) && !roots.into_iter().any(exists) {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 100, "only {count} paths were found");
}
