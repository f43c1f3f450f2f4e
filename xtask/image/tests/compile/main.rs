//! Compiles by the real cargo: what is not in the inputs of a binary does not reach its bytes, and what
//! is in them does, also where something was compiled before.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod machine;

use crate::machine::Machine;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use xtask_core::atomic_file::write_checked;
use xtask_core::cmd::Cmd;
use xtask_core::error::Rendered;
use xtask_image::rust::environment::PASSED_ENVIRONMENT;
use xtask_tree::identity::Timestamp;

/// Finds the real program behind ours.
const REAL: &str = "exec /usr/bin/";

/// What changes, and a line that the binary prints from then on, if it shows there.
type Case<'a> = (&'a str, &'a dyn Fn(&mut Machine), Option<&'a str>);

#[test]
fn what_an_environment_compiled_is_not_used_in_another() {
    let mut machine = Machine::new();
    let first = machine.compile().unwrap();
    assert!(
        first.says("which=1") && first.says("extra=1"),
        "{}",
        first.printed
    );
    let configure = |machine: &Machine, text: &str| {
        machine.write_checkout(".cargo/config.toml", text);
    };
    let cases: [Case<'_>; 8] = [
        (
            "cc",
            &|machine| machine.program("cc", &format!("{REAL}cc -DWHICH=2 \"$@\"")),
            Some("which=2"),
        ),
        (
            "cc that says the same of itself",
            &|machine| machine.program("cc", &format!("{REAL}cc -DWHICH=3 \"$@\"")),
            Some("which=3"),
        ),
        (
            "ar",
            &|machine| machine.program("ar", &format!("{REAL}ar \"$@\"")),
            None,
        ),
        (
            "ld",
            &|machine| machine.program("ld", &format!("{REAL}ld \"$@\"")),
            None,
        ),
        (
            "[env]",
            &|machine| configure(machine, "[env]\nFROM_CONFIG = \"here\"\n"),
            Some("    \"FROM_CONFIG\": \"here\","),
        ),
        (
            "[target]",
            &|machine| {
                machine.program("own-linker", "exec cc -Wl,--defsym=other=1 \"$@\"");
                configure(
                    machine,
                    "[target.x86_64-unknown-linux-gnu]\nlinker = \"own-linker\"\n",
                );
            },
            None,
        ),
        (
            "[profile]",
            &|machine| configure(machine, "[profile.release]\nopt-level = 1\n"),
            Some("    \"OPT_LEVEL\": \"1\","),
        ),
        (
            "a tool",
            &|machine| {
                machine.program("generator-of-something", "");
                machine.tools.push("generator-of-something".to_owned());
            },
            None,
        ),
    ];
    let mut keys = vec![machine.inputs().unwrap().digest().unwrap()];
    for (what, change, line) in cases {
        change(&mut machine);
        let key = machine.inputs().unwrap().digest().unwrap();
        assert!(!keys.contains(&key), "{what} is not in the key");
        keys.push(key);
        let after = machine.compile().unwrap();
        let anew = machine.compile_anew().unwrap();
        if let Some(line) = line {
            assert!(after.says(line), "{what}: {}", after.printed);
        }
        assert!(
            after.printed == anew.printed,
            "{what}: {after:#?} {anew:#?}"
        );
    }
    // Taken back, all of it is as it was.
    fs::remove_dir_all(machine.path("first")).unwrap();
    fs::remove_dir_all(machine.path("above/checkout/.cargo")).unwrap();
    machine.tools.clear();
    assert_eq!(machine.inputs().unwrap().digest().unwrap(), keys[0]);
    assert_eq!(machine.compile().unwrap(), first);
}

/// People have it on a larger disk.
#[test]
fn a_target_folder_behind_a_link_is_no_input() {
    let machine = Machine::new();
    // A script whose output does not say where it is.
    machine.write_checkout(
        "app/build.rs",
        "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         std::fs::write(format!(\"{out}/made.rs\"), \"\").unwrap();\n}\n",
    );
    machine.write_checkout(
        "app/src/main.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\nfn main() {}\n",
    );
    fs::create_dir(machine.path("elsewhere")).unwrap();
    symlink("../../elsewhere", machine.path("above/checkout/target")).unwrap();
    machine.compile_in("above/checkout/target").unwrap();
}

/// Cargo does not run a script again for them, although they are its variables.
#[test]
fn what_a_script_made_of_older_fields_of_the_workspace_is_not_used() {
    let machine = Machine::new();
    let manifest = fs::read_to_string(machine.path("above/checkout/app/Cargo.toml")).unwrap();
    let inheriting = manifest.replace("[dependencies]", "authors.workspace = true\n[dependencies]");
    machine.write_checkout("app/Cargo.toml", &inheriting);
    for author in ["first", "second", "first"] {
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n[workspace.package]\nauthors = [\"{author}\"]\n"
        );
        machine.write_checkout("Cargo.toml", &manifest);
        let line = format!("    \"CARGO_PKG_AUTHORS\": \"{author}\",");
        let made = machine.compile().unwrap();
        assert!(made.says(&line), "{}", made.printed);
    }
}

#[test]
fn what_the_user_has_around_a_checkout_is_not_compiled_in() {
    let mut machine = Machine::new();
    let key = machine.inputs().unwrap().digest().unwrap();
    let clean = machine.compile_anew().unwrap();

    // Every variable that a tool of ours may pass on, with a folder of the user's or a word.
    for name in PASSED_ENVIRONMENT {
        let value = machine.path("home").into_os_string();
        machine.surroundings.variables.entry(name).or_insert(value);
    }
    machine
        .surroundings
        .variables
        .insert("LANG", "tr_TR.UTF-8".into());
    machine.surroundings.variables.remove("RUSTUP_TOOLCHAIN");
    let irrelevant = "[alias]\nb = \"build\"\n[term]\nverbose = true\n[net]\nretry = 1\n\
                      [http]\ntimeout = 5\n[build]\ntarget-dir = \"elsewhere\"\nbuild-dir = \"elsewhere\"\n\
                      dep-info-basedir = \"/\"\n[cargo-new]\nvcs = \"none\"\n\
                      [registries.other]\nindex = \"https://localhost/\"\n";
    machine.write("above/.cargo/config.toml", irrelevant);
    machine.write(".cargo/config", irrelevant);
    machine.write("home/.cargo/config.toml", "[build]\nrustc = \"nothing\"\n");
    machine.write(
        "cargo-home/credentials.toml",
        "[build]\nrustc = \"nothing\"\n[env]\nSTOLEN = \"1\"\n",
    );
    machine.write("above/.rustfmt.toml", "nonsense\n");
    machine.write("above/clippy.toml", "nonsense\n");
    machine.write("above/Cargo.toml", "nonsense\n");
    for name in [
        ".gitconfig",
        ".ccacherc",
        ".config/ccache/ccache.conf",
        ".cmake",
        ".perlrc",
    ] {
        machine.write(&format!("home/{name}"), "nonsense\n");
    }
    // Nothing starts a program that is not listed.
    for name in [
        "pkg-config",
        "cmake",
        "perl",
        "sh",
        "env",
        "rust-lld",
        "collect2",
        "cc1",
        "g++",
    ] {
        machine.program(name, "exit 1");
    }
    assert_eq!(machine.inputs().unwrap().digest().unwrap(), key);
    let hostile = machine.compile_anew().unwrap();
    assert!(hostile == clean, "{hostile:#?} {clean:#?}");
}

#[test]
fn a_package_that_somebody_edited_is_refused() {
    let machine = Machine::new();
    let refused = |named: &[&str]| {
        let error = Rendered::new(&machine.compile().unwrap_err());
        for name in named {
            assert!(
                error.message.contains(name),
                "no {name} in: {}",
                error.message
            );
        }
        error.hint.unwrap()
    };
    machine.cargo(&["fetch", "--locked"]);
    let folder = machine.unpacked("leaf-1.0.0");
    let source = folder.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    let edited = text.replace('1', "2");
    for round in ["before the first compile", "after it"] {
        fs::write(&source, &edited).unwrap();
        let hint = refused(&[
            "leaf 1.0.0 in ",
            "is not what Cargo.lock pins: src/lib.rs differs",
        ]);
        assert!(
            hint.contains(&format!("rm -r {}", folder.display())),
            "{hint}"
        );
        fs::write(&source, &text).unwrap();
        assert!(machine.compile().unwrap().says("extra=1"), "{round}");
    }
    fs::write(folder.join("build.rs"), "fn main() {}\n").unwrap();
    refused(&[": build.rs differs"]);
    // As the hint says.
    fs::remove_dir_all(&folder).unwrap();
    assert!(machine.compile().unwrap().says("extra=1"));

    // Another archive in the place of the published one.
    machine.put_archive("leaf", "pub fn extra() -> i32 { 3 }\n");
    let archive = "registry/leaf-1.0.0.crate";
    refused(&[archive, "its checksum differs"]);
}

#[test]
fn a_package_that_is_written_during_a_compile_is_not_used() {
    let machine = Machine::new();
    machine.cargo(&["fetch", "--locked"]);
    let source = machine.unpacked("leaf-1.0.0").join("src/lib.rs");
    // It is edited before the compiler reads it, and edited back after.
    let script = |text: &str| {
        format!(
            "fn main() {{ let path = {source:?}; let text = std::fs::read_to_string(path).unwrap(); \
             std::fs::write(path, text{text}).unwrap(); }}\n"
        )
    };
    machine.write_checkout("app/build.rs", &script(".replace('1', \"1\")"));
    machine.write_checkout(
        "app/src/main.rs",
        "fn main() { println!(\"extra={}\", leaf::extra()); }\n",
    );
    let error = Rendered::new(&machine.compile().unwrap_err());
    assert!(
        error.message.contains("changed during the build"),
        "{}",
        error.message
    );
    assert!(
        error.message.contains("leaf-1.0.0/src/lib.rs"),
        "{}",
        error.message
    );
    machine.write_checkout("app/build.rs", "fn main() {}\n");
    assert!(machine.compile().unwrap().says("extra=1"));
}

#[test]
fn what_a_killed_compile_left_is_not_used_if_a_package_was_written_meanwhile() {
    let machine = Machine::new();
    let first = machine.compile().unwrap();
    let target = machine.target_folder();
    // As a compile leaves it that was killed.
    let started = serde_json::to_value(Timestamp::now()).unwrap();
    let leaf = machine.unpacked("leaf-1.0.0");
    write_checked(
        &target.join("unfinished.json"),
        &serde_json::json!({ "started": started, "read": [leaf] }),
    )
    .unwrap();
    let object = target.join("an-object-of-it");
    fs::write(&object, "").unwrap();
    assert_eq!(machine.compile().unwrap(), first);
    assert!(object.exists(), "nothing was written");
    assert!(!target.join("unfinished.json").exists());

    write_checked(
        &target.join("unfinished.json"),
        &serde_json::json!({ "started": started, "read": [leaf] }),
    )
    .unwrap();
    let text = fs::read(leaf.join("src/lib.rs")).unwrap();
    fs::write(leaf.join("src/lib.rs"), text).unwrap();
    assert_eq!(machine.compile().unwrap(), first);
    assert!(!object.exists());
}

#[test]
fn a_vendored_package_is_an_input() {
    let machine = Machine::new();
    let published = machine.inputs().unwrap().digest().unwrap();
    machine.cargo(&["fetch", "--locked"]);
    let vendored = machine.path("above/vendored/leaf");
    fs::create_dir_all(vendored.join("src")).unwrap();
    for name in ["Cargo.toml", "src/lib.rs"] {
        fs::copy(
            machine.unpacked("leaf-1.0.0").join(name),
            vendored.join(name),
        )
        .unwrap();
    }
    let lock = fs::read_to_string(machine.path("above/checkout/Cargo.lock")).unwrap();
    let checksum = lock
        .split("checksum = \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    fs::write(
        vendored.join(".cargo-checksum.json"),
        format!("{{\"files\":{{}},\"package\":\"{checksum}\"}}"),
    )
    .unwrap();
    machine.write(
        "above/.cargo/config.toml",
        "[source.crates-io]\nreplace-with = \"folder\"\n[source.folder]\ndirectory = \"vendored\"\n",
    );
    let before = machine.inputs().unwrap().digest().unwrap();
    assert_ne!(before, published);
    assert!(machine.compile().unwrap().says("extra=1"));
    fs::write(vendored.join("src/lib.rs"), "pub fn extra() -> i32 { 2 }\n").unwrap();
    assert_ne!(machine.inputs().unwrap().digest().unwrap(), before);
    let edited = machine.compile().unwrap();
    assert!(edited.says("extra=2"), "{}", edited.printed);
    assert!(edited.printed == machine.compile_anew().unwrap().printed);
}

#[test]
fn an_edit_of_what_git_checked_out_is_refused() {
    let machine = Machine::new();
    let git = |arguments: &[&str]| {
        Cmd::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(arguments)
            .folder(machine.path("repository"))
            .read()
            .unwrap()
    };
    machine.write(
        "repository/Cargo.toml",
        "[package]\nname = \"leaf\"\nversion = \"1.0.0\"\nedition = \"2024\"\n",
    );
    machine.write("repository/src/lib.rs", "pub fn extra() -> i32 { 1 }\n");
    machine.write("repository/.gitignore", "/ignored\n");
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "one"]);
    let repository = machine.path("repository");
    machine.write_checkout(
        "app/Cargo.toml",
        &format!(
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
             [dependencies]\nleaf = {{ git = \"file://{}\" }}\n",
            repository.display()
        ),
    );
    machine.cargo(&["generate-lockfile"]);
    assert!(machine.compile().unwrap().says("extra=1"));
    let mut checkouts = walkdir::WalkDir::new(machine.path("cargo-home/git/checkouts")).into_iter();
    let source = checkouts.find_map(|entry| {
        let path = entry.unwrap().into_path();
        path.ends_with("src/lib.rs").then_some(path)
    });
    let source = source.unwrap();
    let root = source.parent().unwrap().parent().unwrap();
    let edits: [(&Path, &str); 3] = [
        (&source, "pub fn extra() -> i32 { 2 }\n"),
        (&root.join("build.rs"), "fn main() {}\n"),
        (&root.join("ignored"), "by git\n"),
    ];
    for (path, text) in edits {
        let before = fs::read_to_string(path).ok();
        fs::write(path, text).unwrap();
        let error = Rendered::new(&machine.compile().unwrap_err());
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        let end = format!("is not what Cargo.lock pins: {name} differs");
        assert!(
            error.message.starts_with("leaf 1.0.0 in "),
            "{}",
            error.message
        );
        assert!(error.message.ends_with(&end), "{}", error.message);
        match before {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    }
    assert!(machine.compile().unwrap().says("extra=1"));
}

#[test]
fn a_package_must_not_bring_in_what_is_around_it() {
    for (source, named) in [
        ("include_str!(\"/etc/passwd\")", "/etc/passwd"),
        (
            "option_env!(\"HOME\").unwrap_or_default()",
            "environment variable HOME",
        ),
        (
            "env!(\"CARGO_MANIFEST_DIR\")",
            "the path of a package on this machine",
        ),
    ] {
        let machine = Machine::new();
        machine.publish(
            "leaf",
            &format!("pub fn extra() -> i32 {{ println!(\"{{}}\", {source}); 1 }}\n"),
        );
        machine.cargo(&["generate-lockfile", "--offline"]);
        let error = Rendered::new(&machine.compile().unwrap_err());
        let message = error.message;
        assert!(message.starts_with("app is compiled from "), "{message}");
        assert!(message.contains(named), "{message}");
    }
}
