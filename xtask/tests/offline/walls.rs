//! The walls of the build system: which crate may know of which, that files of one crate do not
//! know of each other in circles, and that only the binary knows a command line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every crate of the build system with the crates that it may know of. An arrow that is not
/// here points upwards, or it is new and belongs into ARCHITECTURE.md as well.
const ARROWS: &[(&str, &[&str])] = &[
    ("xtask-aws-api", &[]),
    ("xtask-core", &["xtask-aws-api"]),
    ("xtask-tree", &["xtask-core"]),
    ("xtask-docker", &["xtask-core", "xtask-tree"]),
    ("xtask-image", &["xtask-core", "xtask-tree", "xtask-docker"]),
    ("xtask-gate", &[]),
    (
        "xtask-machine",
        &[
            "xtask-aws-api",
            "xtask-core",
            "xtask-tree",
            "xtask-docker",
            "xtask-gate",
            "xtask-image",
        ],
    ),
    (
        "xtask-operate",
        &[
            "xtask-aws-api",
            "xtask-core",
            "xtask-tree",
            "xtask-docker",
            "xtask-image",
            "xtask-machine",
        ],
    ),
    ("xtask-aws", &["xtask-aws-api", "xtask-gate"]),
    (
        "xtask",
        &[
            "xtask-aws-api",
            "xtask-core",
            "xtask-tree",
            "xtask-docker",
            "xtask-gate",
            "xtask-image",
            "xtask-machine",
            "xtask-operate",
        ],
    ),
];

/// The only crate that parses a command line of the build system.
const BINARY: &str = "xtask";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn manifest(folder: &Path) -> toml::Table {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    text.parse().unwrap()
}

/// The folders of the workspace's members, by package name.
fn members() -> BTreeMap<String, PathBuf> {
    let workspace = manifest(root());
    workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| {
            let folder = root().join(member.as_str().unwrap());
            let name = manifest(&folder)["package"]["name"]
                .as_str()
                .unwrap()
                .to_owned();
            (name, folder)
        })
        .collect()
}

/// What a package depends on, for its tests too.
fn dependencies(folder: &Path) -> BTreeSet<String> {
    let manifest = manifest(folder);
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|section| manifest.get(section)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[test]
fn arrows_between_crates_point_downwards() {
    for (place, (name, below)) in ARROWS.iter().enumerate() {
        for known in *below {
            let is_below = ARROWS[..place].iter().any(|(earlier, _)| earlier == known);
            assert!(
                is_below,
                "{name} may not know of {known}, which is not below it"
            );
        }
    }
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for (name, folder) in members() {
        let of_build_system = folder.starts_with(root().join("xtask"));
        assert_eq!(
            allowed.contains_key(&*name),
            of_build_system,
            "{name} is on one side of the wall and listed on the other"
        );
        for dependency in dependencies(&folder) {
            if dependency == "xtask" || dependency.starts_with("xtask-") {
                let below = allowed.get(&*name).copied().unwrap_or_default();
                assert!(
                    below.contains(&&*dependency),
                    "{name} knows of {dependency}, which is not below it"
                );
            }
        }
    }
}

#[test]
fn only_the_binary_knows_a_command_line() {
    for (name, folder) in members() {
        let knows = dependencies(&folder).contains("clap");
        assert_eq!(knows, name == BINARY, "{name} and clap");
    }
}

/// The modules of a crate with their files; the crate's root is the empty path.
fn modules(source: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let below = path.strip_prefix(source).unwrap().with_extension("");
                let mut names: Vec<&str> = below
                    .components()
                    .map(|name| name.as_os_str().to_str().unwrap())
                    .collect();
                if ["lib", "main", "mod"].contains(names.last().unwrap()) {
                    names.pop();
                }
                found.insert(names.join("::"), path);
            }
        }
    }
    found
}

/// The text of a file without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n")
}

/// The paths that a `use` tree names: `a::{b, c::{d, e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn leaves(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(character);
    }
    parts
        .iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| leaves(part.trim()))
        .map(|leaf| format!("{}{leaf}", prefix.trim()))
        .collect()
}

/// The modules of the crate that a module names, whether in `use` or in its code.
fn known(module: &str, code: &str, modules: &BTreeMap<String, PathBuf>) -> BTreeSet<String> {
    let absolute = |path: &str| -> Option<String> {
        let mut names: Vec<&str> = path.split("::").map(str::trim).collect();
        let mut from: Vec<&str> = module.split("::").filter(|name| !name.is_empty()).collect();
        match names[0] {
            "crate" => from.clear(),
            "self" => {}
            "super" => {
                while names.get(1) == Some(&"super") {
                    names.remove(0);
                    from.pop();
                }
                from.pop();
            }
            // A child by its own name.
            name if modules.contains_key([&from[..], &[name]].concat().join("::").as_str()) => {
                names.insert(0, "self");
            }
            _ => return None,
        }
        Some([&from[..], &names[1..]].concat().join("::"))
    };
    let word =
        regex::Regex::new(r"(?:[A-Za-z_][A-Za-z0-9_]*::)+(?:[A-Za-z_][A-Za-z0-9_]*|\{)?").unwrap();
    let uses = regex::Regex::new(r"\buse ([^;]*);").unwrap();
    let mut paths: Vec<String> = uses
        .captures_iter(code)
        .flat_map(|found| leaves(&found[1].split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    let rest = uses.replace_all(code, "");
    paths.extend(word.find_iter(&rest).map(|found| found.as_str().to_owned()));
    let mut known = BTreeSet::new();
    for path in paths {
        let path = path
            .split(" as ")
            .next()
            .unwrap()
            .trim_end_matches("::")
            .replace("::self", "");
        // A module's own tests import everything of it.
        if path == "super::*" {
            continue;
        }
        let Some(path) = absolute(&path) else {
            continue;
        };
        let names: Vec<&str> = path.split("::").collect();
        let deepest = (0..=names.len())
            .rev()
            .map(|count| names[..count].join("::"))
            .find(|name| modules.contains_key(name));
        // A folder's own file and the files below it are one room.
        let is_own = |name: &String| {
            name == module || module.is_empty() || name.starts_with(&format!("{module}::"))
        };
        known.extend(deepest.filter(|name| !is_own(name)));
    }
    known
}

/// The first circle that leads from a module back to itself.
fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        module: &str,
        arrows: &BTreeMap<String, BTreeSet<String>>,
        done: &mut BTreeSet<String>,
        path: &mut Vec<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|earlier| earlier == module) {
            return Some(path[start..].to_vec());
        }
        if !done.insert(module.to_owned()) {
            return None;
        }
        path.push(module.to_owned());
        let found = arrows[module]
            .iter()
            .find_map(|next| walk(next, arrows, done, path));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    arrows
        .keys()
        .find_map(|module| walk(module, arrows, &mut done, &mut Vec::new()))
}

#[test]
fn files_of_a_crate_know_of_each_other_in_one_direction() {
    let mut circles = Vec::new();
    for (name, folder) in members() {
        let modules = modules(&folder.join("src"));
        let arrows = modules
            .iter()
            .map(|(module, path)| (module.clone(), known(module, &code(path), &modules)))
            .collect();
        if let Some(circle) = circle(&arrows) {
            circles.push(format!("{name}: {}", circle.join(" → ")));
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn the_search_for_circles_finds_one() {
    let arrow = |from: &str, to: &[&str]| {
        let to = to.iter().map(|&name| name.to_owned()).collect();
        (from.to_owned(), to)
    };
    let straight = [arrow("a", &["b", "c"]), arrow("b", &["c"]), arrow("c", &[])];
    assert_eq!(circle(&straight.into_iter().collect()), None);
    let round = [arrow("a", &["b"]), arrow("b", &["c"]), arrow("c", &["b"])];
    assert_eq!(
        circle(&round.into_iter().collect()),
        Some(vec!["b".to_owned(), "c".to_owned()])
    );
    let files = ["", "a", "a::b", "c"].map(|name| (name.to_owned(), PathBuf::new()));
    let code = "use crate::a::{Text, b};\nfn f() { crate::c::g(super::h(), b::i()) }";
    let names = known("c::d", code, &files.into_iter().collect());
    assert_eq!(names, ["a", "a::b", "c"].map(str::to_owned).into());
    assert_eq!(
        leaves("crate::a::{self, b::{c, d as e}, f}"),
        [
            "crate::a::self",
            "crate::a::b::c",
            "crate::a::b::d as e",
            "crate::a::f"
        ]
    );
}
