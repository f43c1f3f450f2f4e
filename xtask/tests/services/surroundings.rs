//! Whatever the environment of a user holds, the same key is the same image.

use crate::common::{Checkout, instance, registry};
use regex::bytes::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use xtask_core::cmd::Cmd;
use xtask_image::rust::environment::PASSED_ENVIRONMENT;

/// What C compilers, linkers, and the crates that start them read.
const OF_OTHERS: [&str; 27] = [
    "AR",
    "ARFLAGS",
    "CC",
    "CC_x86_64_unknown_linux_gnu",
    "CFLAGS",
    "CFLAGS_x86_64_unknown_linux_gnu",
    "COMPILER_PATH",
    "CPATH",
    "CPPFLAGS",
    "CXX",
    "CXXFLAGS",
    "C_INCLUDE_PATH",
    "GCC_EXEC_PREFIX",
    "HOST_CC",
    "HOST_CFLAGS",
    "LC_ALL",
    "LDFLAGS",
    "LIBRARY_PATH",
    "LD_RUN_PATH",
    "MAKEFLAGS",
    "OPENSSL_DIR",
    "PKG_CONFIG_PATH",
    "PROTOC",
    "RING_PREGENERATE_ASM",
    "SOURCE_DATE_EPOCH",
    "TARGET_CC",
    "TARGET_CFLAGS",
];

/// The names of variables that the program of cargo contains.
fn of_cargo() -> BTreeSet<String> {
    let sysroot = Cmd::new("rustc").args(["--print", "sysroot"]).read();
    let program = fs::read(PathBuf::from(sysroot.unwrap()).join("bin/cargo")).unwrap();
    let names =
        Regex::new("(CARGO|RUST|RUSTC|RUSTDOC|RUSTUP|__CARGO)(FLAGS|_[A-Z_]+[A-Z])").unwrap();
    let found: BTreeSet<String> = names
        .find_iter(&program)
        .map(|name| String::from_utf8(name.as_bytes().to_vec()).unwrap())
        .filter(|name| !PASSED_ENVIRONMENT.contains(&name.as_str()))
        .collect();
    assert!(
        found.contains("CARGO_ENCODED_RUSTFLAGS") && found.len() > 100,
        "{found:?}"
    );
    found
}

#[test]
fn no_variable_of_the_user_changes_an_image() {
    let checkout = Checkout::new();
    checkout.write(
        "server/build.rs",
        "fn main() { let seen: std::collections::BTreeMap<_, _> = std::env::vars().collect(); \
         let folder = std::env::var(\"OUT_DIR\").unwrap(); \
         std::fs::write(format!(\"{folder}/seen.txt\"), format!(\"{seen:#?}\")).unwrap(); }\n",
    );
    checkout.write(
        "server/src/main.rs",
        "fn main() { println!(\"{}\", include_str!(concat!(env!(\"OUT_DIR\"), \"/seen.txt\"))); }\n",
    );
    let build = |env: &[(&str, &str)]| {
        registry::remove_tags(instance::registry(), &checkout.repository("orchestrator"));
        let ran = checkout.run_with(&["build", "orchestrator", "--json"], env);
        let image = ran.expect_success().json()["images"][0].clone();
        assert_eq!(image["state"], "built");
        fs::remove_dir_all(checkout.path("target")).unwrap();
        (image["key"].clone(), image["digest"].clone())
    };
    let clean = build(&[]);
    let names = of_cargo();
    let names = names.iter().map(String::as_str).chain(OF_OTHERS);
    let hostile: Vec<(&str, &str)> = names.map(|name| (name, "/hostile")).collect();
    assert_eq!(build(&hostile), clean);
}
