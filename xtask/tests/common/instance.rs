//! The instance of this machine's services that the tests work with, which is never the
//! developer's.

use app_gen_infra::{Instance, Local, Platform};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Once};
use xtask_core::context::Context;
use xtask_core::report::{Report, Verbosity};
use xtask_machine::{Part, gate};

/// The variable that names the instance to whatever a test starts.
pub(crate) const VARIABLE: (&str, &str) = (Instance::VARIABLE, Instance::TEST);

/// The checkout that the tests were compiled from.
pub(crate) fn source() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap().canonicalize().unwrap()
}

/// A checkout as the tests' instance of it sees it.
pub(crate) fn context(root: &Path) -> Context {
    let report = Report::new(false, Verbosity::Quiet);
    Context::of_instance(root.to_owned(), Instance::Test, "local", true, report).unwrap()
}

/// The instance's ports.
pub(crate) fn local() -> &'static Local {
    static LOCAL: LazyLock<Local> = LazyLock::new(|| {
        let platform = Platform::load_for(&source(), Instance::Test);
        platform.unwrap().local
    });
    &LOCAL
}

/// Its registry.
pub(crate) fn registry() -> &'static str {
    static ADDRESS: LazyLock<String> =
        LazyLock::new(|| format!("127.0.0.1:{}", local().registry_port.get_ref()));
    &ADDRESS
}

/// The registry of its local cloud.
pub(crate) fn cloud_registry() -> &'static str {
    static ADDRESS: LazyLock<String> =
        LazyLock::new(|| format!("127.0.0.1:{}", local().cloud_port.get_ref()));
    &ADDRESS
}

/// A header that names us to the gate of its local cloud as the operator, where no SDK signs.
pub(crate) fn access_key() -> (&'static str, String) {
    (gate::KEY_HEADER, gate::key(&context(&source())).unwrap())
}

/// Makes sure, once, that the instance's registry and local cloud run.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let parts = [Part::Registry, Part::Cloud];
        xtask_machine::require(&context(&source()), &parts).unwrap();
    });
}

/// `xtask-aws` of this checkout, compiled.
pub(crate) fn xtask_aws() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        let built = Command::new("cargo")
            .args(["build", "--quiet", "--locked", "--package", "xtask-aws"])
            .current_dir(source())
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        // Beside the binary under test.
        let binary = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("xtask-aws");
        binary.display().to_string()
    });
    &BINARY
}
