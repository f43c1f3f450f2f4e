//! Inputs that differ in one thing or in many, and what is said of them.

use super::*;
use serde_json::{Value, json};

fn image() -> Image {
    toml::from_str(
        "repository = \"r\"\ncontext = \"server\"\ndockerfile = \"server/Dockerfile\"\n\
         rust = { package = \"server\", binary = \"server\", to = \"bin/server\" }\n\
         npm = { folder = \"server/web\", output = \"dist\", to = \"web\" }\n\
         apt = { packages = [\"git\"], to = \"debian\" }\n\
         npm_tools = { folder = \"tools\", files = { node = \"node/bin/node\" } }\n",
    )
    .unwrap()
}

fn file(hash: char, mode: &str) -> Value {
    json!({ "kind": "file", "mode": mode, "digest": String::from(hash).repeat(64) })
}

fn inputs() -> Value {
    json!({
        "form": 1,
        "platform": "linux/amd64",
        "target": "slim",
        "args": { "MODE": "fast" },
        "dockerfile": "a".repeat(64),
        "ignore_file": "b".repeat(64),
        "bases": { "debian:trixie-slim": format!("sha256:{}", "c".repeat(64)) },
        "context": {
            "notes.txt": file('1', "644"),
            "link": { "kind": "symlink", "target": "notes.txt" },
            "empty": { "kind": "directory" },
        },
        "rust": {
            "build": ["server", "server", "release", "x86_64-unknown-linux-gnu"],
            "to": "bin/server",
            "members": { "server": "server" },
            "sources": { "server/src/main.rs": file('2', "644"), "server/notes.txt": file('1', "644") },
            "features": { "server 1.0.0": "", "serde 1.0.1": "default,std", "syn 2.0.0": "a | b" },
            "checksums": { "serde 1.0.1": "d".repeat(64), "syn 2.0.0": "e".repeat(64) },
            "workspace": { "profile": "f".repeat(64) },
            "environment": {
                "rustc": "rustc 1.94.0 (1); host: x86_64; LLVM version: 22",
                ".cargo/config.toml": "0".repeat(64),
            },
        },
        "npm": {
            "node": "24.21.0",
            "output": "dist",
            "to": "web",
            "sources": { "src/main.tsx": file('3', "644") },
        },
        "apt": {
            "to": "debian",
            "packages": {
                "git": { "version": "1:2.0-1", "architecture": "amd64", "sha256": "1".repeat(64) },
                "perl": { "version": "5.0-1", "architecture": "amd64", "sha256": "2".repeat(64) },
            },
        },
        "npm_tools": {
            "files": { "tools/node": "node/bin/node", "tools/agent": "@scope/agent/agent" },
            "packages": {
                "node": { "version": "24.0.0", "integrity": "sha512-AA==" },
                "@scope/agent": { "version": "1.0.0", "integrity": "sha512-BB==" },
            },
        },
    })
}

fn between(before: &Value, after: &Value) -> Vec<Difference> {
    let parse = |value: &Value| serde_json::from_value::<Inputs>(value.clone()).unwrap();
    differences(&image(), &parse(before), &parse(after))
}

/// Lines that a person sees after an edit of the inputs.
fn after(edit: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut edited = inputs();
    edit(&mut edited);
    between(&inputs(), &edited)
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Every value and every entry of a map, as a JSON pointer.
fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(name, it)| (name.clone(), it)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, it)| (index.to_string(), it))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let name = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{here}/{name}");
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

#[test]
fn equal_inputs_do_not_differ() {
    assert_eq!(after(|_| ()), [""; 0]);
}

#[test]
fn no_input_can_change_unnamed() {
    let original = inputs();
    let mut found = Vec::new();
    pointers(&original, "", &mut found);
    let mut checked = 0;
    for pointer in found {
        let mut edited = original.clone();
        let replacement = match edited.pointer(&pointer) {
            Some(Value::String(text)) if text == "644" => json!("755"),
            Some(Value::String(text)) if text.len() == 64 => json!("9".repeat(64)),
            Some(Value::String(text)) => json!(format!("{text}-other")),
            _ => Value::Null,
        };
        *edited.pointer_mut(&pointer).unwrap() = replacement;
        // Not all of what JSON can say is a form of inputs.
        if serde_json::from_value::<Inputs>(edited.clone()).is_ok() {
            assert_ne!(between(&original, &edited), [], "{pointer}");
            checked += 1;
        }
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        let mut edited = original.clone();
        if let Some(map) = edited.pointer_mut(parent).and_then(Value::as_object_mut) {
            map.remove(&name);
            if serde_json::from_value::<Inputs>(edited.clone()).is_ok() {
                assert_ne!(between(&original, &edited), [], "{pointer} removed");
                assert_ne!(between(&edited, &original), [], "{pointer} added");
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn lines_for_people() {
    let hash = |character: char| String::from(character).repeat(64);
    let lines = after(|it| {
        it["platform"] = json!("linux/arm64");
        it["target"] = Value::Null;
        it["args"] = json!({ "MODE": "", "NEW": "a\nb" });
        it["bases"]["debian:trixie-slim"] = json!(format!("sha256:{}", hash('8')));
        it["dockerfile"] = json!(hash('8'));
        it["ignore_file"] = Value::Null;
        it["context"]["notes.txt"] = file('8', "755");
        it["context"]["link"]["target"] = json!("elsewhere");
        it["context"]["empty"] = json!({ "kind": "symlink", "target": "x" });
        let rust = &mut it["rust"];
        rust["to"] = json!("server");
        // The same file, as a source of the package.
        rust["sources"]["server/notes.txt"] = file('8', "755");
        rust["features"] = json!({
            "server 1.0.0": "", "serde 1.0.2": "default,derive", "syn 2.0.0": "a,b | b", "fnv 1.0.7": "",
        });
        rust["checksums"] = json!({
            "serde 1.0.2": hash('8'), "syn 2.0.0": hash('8'), "fnv 1.0.7": hash('8'),
        });
        rust["workspace"]["profile"] = json!(hash('8'));
        rust["environment"] = json!({
            "rustc": "rustc 1.95.0 (2); host: x86_64; LLVM version: 22",
            ".cargo/config.toml": hash('8'),
        });
        it["npm"]["sources"] = json!({});
        let apt = &mut it["apt"];
        apt["to"] = json!("packages");
        let package = |version: &str, digest: char| json!({ "version": version, "architecture": "amd64", "sha256": hash(digest) });
        apt["packages"] = json!({
            "git": package("1:2.0-2", '8'), "perl": package("5.0-1", '8'), "less": package("1", '8'),
        });
        let tools = &mut it["npm_tools"];
        tools["files"] = json!({ "tools/node": "node/bin/node", "tools/other": "other/run" });
        tools["packages"] = json!({
            "node": { "version": "24.0.0", "integrity": "sha512-CC==" },
            "other": { "version": "3.0.0", "integrity": "sha512-DD==" },
        });
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
    platform changed: linux/amd64 → linux/arm64
    target stage removed: slim
    argument MODE changed: fast → (empty)
    argument NEW added: a\nb
    base debian:trixie-slim moved: sha256:cccccccccccc → sha256:888888888888
    toolchain rustc changed: rustc 1.94.0 (1) → rustc 1.95.0 (2)
    configuration .cargo/config.toml changed
    workspace profile changed
    prebuild apt.to changed: debian → packages
    prebuild npm_tools.files.tools/agent removed: @scope/agent/agent
    prebuild npm_tools.files.tools/other added: other/run
    prebuild rust.to changed: bin/server → server
    lock entry fnv added: 1.0.7
    lock entry serde changed: 1.0.1 → 1.0.2
    lock entry syn 2.0.0 changed
    feature of serde 1.0.2 added: derive
    feature of serde 1.0.2 removed: std
    feature of syn 2.0.0 changed: a | b → a,b | b
    Debian package git changed: 1:2.0-1 → 1:2.0-2
    Debian package less added: 1
    Debian package perl 5.0-1 changed
    npm package @scope/agent removed: 1.0.0
    npm package node 24.0.0 changed
    npm package other added: 3.0.0
    Dockerfile server/Dockerfile changed
    ignore file removed
    file server/notes.txt changed
    file server/web/src/main.tsx removed
    mode of server/notes.txt changed: 644 → 755
    symlink server/empty added: x
    symlink server/link changed: notes.txt → elsewhere
    directory server/empty removed
    ");
}

#[test]
fn what_is_not_prebuilt_any_more_is_one_difference() {
    let lines = after(|it| {
        it["rust"] = Value::Null;
        it["npm"] = Value::Null;
        it["apt"] = Value::Null;
        it["npm_tools"] = Value::Null;
    });
    assert_eq!(
        lines,
        [
            "prebuild apt removed: debian",
            "prebuild npm removed: dist",
            "prebuild npm_tools removed: tools/agent, tools/node",
            "prebuild rust removed: server"
        ]
    );
}
