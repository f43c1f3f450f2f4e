//! Whatever the environment of a user holds, the same key is the same image.

use crate::common::{Checkout, instance, registry};
use std::fs;

/// Variables of cargo and rustc.
const OF_RUST: &str = "CARGO_ALIAS_BUILD CARGO_CACHE_RUSTC_INFO CARGO_ENCODED_RUSTDOCFLAGS \
    CARGO_ENCODED_RUSTFLAGS CARGO_FUTURE_INCOMPAT_REPORT_FREQUENCY CARGO_INCREMENTAL CARGO_LOG \
    CARGO_TARGET_DIR CARGO_TRIM_PATHS RUSTC RUSTC_BOOTSTRAP RUSTC_FORCE_RUSTC_VERSION RUSTC_LOG \
    RUSTC_OVERRIDE_VERSION_STRING RUSTC_WORKSPACE_WRAPPER RUSTC_WRAPPER RUSTDOC RUSTDOCFLAGS \
    RUSTFLAGS RUST_MIN_STACK RUST_TARGET_PATH __CARGO_DEFAULT_LIB_METADATA \
    __CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS __CARGO_TESTS_ONLY_SRC_ROOT";
/// Settings of cargo's configuration, each of which a variable can set: table, and settings.
const SETTINGS: [(&str, &str); 8] = [
    (
        "CARGO_BUILD_",
        "BUILD_DIR DEP_INFO_BASEDIR INCREMENTAL JOBS RUSTC RUSTC_WORKSPACE_WRAPPER RUSTC_WRAPPER \
         RUSTDOC RUSTDOCFLAGS RUSTFLAGS TARGET TARGET_DIR WARNINGS",
    ),
    ("CARGO_HTTP_", "CAINFO MULTIPLEXING PROXY TIMEOUT"),
    ("CARGO_NET_", "GIT_FETCH_WITH_CLI OFFLINE RETRY"),
    (
        "CARGO_PROFILE_RELEASE_",
        "CODEGEN_UNITS DEBUG DEBUG_ASSERTIONS INCREMENTAL LTO OPT_LEVEL OVERFLOW_CHECKS PANIC RPATH \
         SPLIT_DEBUGINFO STRIP BUILD_OVERRIDE_OPT_LEVEL",
    ),
    ("CARGO_REGISTRY_", "DEFAULT INDEX TOKEN"),
    (
        "CARGO_SOURCE_CRATES_IO_",
        "DIRECTORY LOCAL_REGISTRY REGISTRY REPLACE_WITH",
    ),
    (
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_",
        "LINKER RUNNER RUSTDOCFLAGS RUSTFLAGS",
    ),
    ("CARGO_TERM_", "COLOR PROGRESS_WHEN QUIET VERBOSE"),
];
/// What C compilers, linkers, and the packages that start them read.
const OF_OTHERS: &str = "AR ARFLAGS CC CC_x86_64_unknown_linux_gnu CFLAGS \
    CFLAGS_x86_64_unknown_linux_gnu COMPILER_PATH CPATH CPPFLAGS CXX CXXFLAGS C_INCLUDE_PATH \
    GCC_EXEC_PREFIX HOST_CC HOST_CFLAGS LC_ALL LDFLAGS LD_RUN_PATH LIBRARY_PATH MAKEFLAGS \
    OPENSSL_DIR OPT_LEVEL OUT_DIR PKG_CONFIG_PATH PROFILE PROTOC SOURCE_DATE_EPOCH TARGET \
    TARGET_CC TARGET_CFLAGS ANYTHING_ELSE";

/// All of them.
pub(crate) fn variables() -> Vec<String> {
    let settings = SETTINGS.iter().flat_map(|(table, settings)| {
        let settings = settings.split_whitespace();
        settings.map(move |setting| format!("{table}{setting}"))
    });
    let others = [OF_RUST, OF_OTHERS]
        .into_iter()
        .flat_map(str::split_whitespace);
    settings.chain(others.map(str::to_owned)).collect()
}

#[test]
fn no_variable_of_the_user_changes_an_image() {
    let checkout = Checkout::new();
    checkout.write(
        "server/build.rs",
        "fn main() { let seen: std::collections::BTreeMap<_, _> = std::env::vars().collect(); \
         let folder = std::env::var(\"OUT_DIR\").unwrap(); \
         let checkout = std::fs::canonicalize(\"..\").unwrap(); \
         let seen = format!(\"{seen:#?}\").replace(checkout.to_str().unwrap(), \"CHECKOUT\"); \
         std::fs::write(format!(\"{folder}/seen.txt\"), seen).unwrap(); }\n",
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
    let names = variables();
    let hostile: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (name.as_str(), "/hostile"))
        .collect();
    assert_eq!(build(&hostile), clean);
}
