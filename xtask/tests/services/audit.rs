//! What a binary is compiled from besides its key is refused by name, by the real cargo.

use crate::common::{Checkout, instance, registry};
use std::fs;
use std::os::unix::fs::symlink;

const MANIFEST: &str =
    "[package]\nname = \"server\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[dependencies]\n";

fn print(expression: &str) -> String {
    format!("fn main() {{ println!(\"{{}}\", {expression}); }}\n")
}

fn build_script(body: &str) -> String {
    format!("fn main() {{ {body} }}\n")
}

/// `orchestrator` must not be built: the message holds all of `named`, the hint `hint`.
fn refused(checkout: &Checkout, named: &[&str], hint: &str) {
    let ran = checkout.run(&["build", "orchestrator", "--json"]);
    assert_eq!(ran.code, 5, "{named:?}: {ran:?}");
    let error = ran.json()["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("server is compiled from "), "{message}");
    for name in named {
        assert!(message.contains(name), "no {name} in: {message}");
    }
    assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
    // Nothing of it remains, and the next build refuses it again.
    assert!(registry::tags(instance::registry(), &checkout.repository("orchestrator")).is_empty());
    assert!(!checkout.path("target/xtask/prebuilt/rust").exists());
}

#[test]
fn a_file_that_the_key_does_not_hold_is_refused() {
    let checkout = Checkout::new();
    checkout.write("outside.txt", "outside\n");
    checkout.write("data/deep/one.txt", "one\n");
    checkout.write("elsewhere.rs", "pub const TEXT: &str = \"elsewhere\";\n");
    checkout.write("server/tests/data.txt", "a test's\n");
    symlink("../outside.txt", checkout.path("server/link.txt")).unwrap();
    symlink("server", checkout.path("way")).unwrap();
    let refused = |named: &[&str], hint| refused(&checkout, named, hint);

    let main = |text: &str| checkout.write("server/src/main.rs", text);
    let move_it = "move it into the folder of the package";
    main(&print("include_str!(\"../../outside.txt\")"));
    refused(&["outside.txt"], move_it);
    refused(&["outside.txt"], move_it);
    // A link of the package that leads out, and a link outside that leads in.
    main(&print("include_str!(\"../link.txt\")"));
    refused(&["from outside.txt,"], move_it);
    main(&print("include_str!(\"../../way/notes.txt\")"));
    refused(&["from way,"], move_it);
    main(&print("include_str!(\"/etc/passwd\")"));
    refused(&["/etc/passwd"], "copy it into");
    main(&format!(
        "#[path = \"../../elsewhere.rs\"]\nmod elsewhere;\n{}",
        print("elsewhere::TEXT")
    ));
    refused(&["elsewhere.rs"], move_it);

    checkout.write(
        "server/Cargo.toml",
        &MANIFEST.replace("edition", "exclude = [\"tests\"]\nedition"),
    );
    main(&print("include_str!(\"../tests/data.txt\")"));
    refused(&["server/tests/data.txt"], "package.exclude");
    checkout.write("server/Cargo.toml", MANIFEST);

    // What a build script says it reads: a folder, and what is not there yet.
    main(&print("\"server\""));
    for (path, named) in [
        ("../data", "data/deep/one.txt"),
        ("../later.txt", "later.txt"),
        ("/usr/include/nothing.h", "/usr/include/nothing.h"),
    ] {
        let line = format!("println!(\"cargo:rerun-if-changed={path}\");");
        checkout.write("server/build.rs", &build_script(&line));
        refused(&[named], "it into the folder of the package");
    }
    fs::rename(checkout.path("server/build.rs"), checkout.path("build.rs")).unwrap();
    checkout.write("build.rs", &build_script(""));
    checkout.write(
        "server/Cargo.toml",
        &MANIFEST.replace("edition", "build = \"../build.rs\"\nedition"),
    );
    refused(&["from build.rs,"], move_it);

    // Manifests are read too.
    fs::rename(checkout.path("server/Cargo.toml"), checkout.path("m.toml")).unwrap();
    checkout.write("m.toml", MANIFEST);
    symlink("../m.toml", checkout.path("server/Cargo.toml")).unwrap();
    refused(&["from m.toml,"], move_it);
}

#[test]
fn the_machine_is_not_compiled_in() {
    let checkout = Checkout::new();
    checkout.write(
        "server/src/main.rs",
        &print("option_env!(\"LANG\").unwrap_or_default()"),
    );
    refused(
        &checkout,
        &["LANG", "server/src/main.rs"],
        "when the program runs",
    );
    checkout.write("server/src/main.rs", &print("env!(\"CARGO_MANIFEST_DIR\")"));
    refused(
        &checkout,
        &[
            "the path of this checkout",
            "CARGO_MANIFEST_DIR",
            "server/src/main.rs",
        ],
        "include_str!",
    );
    // Mended: nothing of the refused compiles is held against it.
    checkout.write("server/src/main.rs", &print("env!(\"CARGO_PKG_NAME\")"));
    let built = checkout
        .run(&["build", "orchestrator", "--json"])
        .expect_success();
    let reference = built.json()["images"][0]["reference"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(checkout.run_image(&reference), "server");
}

#[test]
fn files_of_the_packages_may_be_read_in_any_way() {
    let checkout = Checkout::new();
    checkout.write("tool/a file.txt", "spaced");
    checkout.write("tool/data/deep/one.txt", "one");
    symlink("deep/one.txt", checkout.path("tool/data/link.txt")).unwrap();
    checkout.write("shared/text.txt", "shared");
    checkout.write(
        "tool/build.rs",
        &build_script(
            "for path in [\"data\", \"later.txt\", \"build.rs\"] { println!(\"cargo:rerun-if-changed={path}\"); } \
             let folder = std::env::var(\"OUT_DIR\").unwrap(); \
             std::fs::write(format!(\"{folder}/made.txt\"), std::env::var(\"HOME\").is_ok().to_string()).unwrap();",
        ),
    );
    let included = [
        "include_str!(\"../a file.txt\")",
        "include_str!(\"../data/../data/link.txt\")",
        "include_str!(\"../../shared/text.txt\")",
        "include_str!(concat!(env!(\"OUT_DIR\"), \"/made.txt\"))",
        "include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/data/deep/one.txt\"))",
    ];
    checkout.write(
        "tool/src/main.rs",
        &print(&format!("[{}].join(\" \")", included.join(", "))),
    );
    let built = checkout
        .run(&["build", "generator", "--json"])
        .expect_success();
    let reference = built.json()["images"][0]["reference"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(checkout.run_image(&reference), "spaced one shared true one");
}
