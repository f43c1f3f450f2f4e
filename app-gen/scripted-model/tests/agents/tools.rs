//! What the lock file in `app-gen/tools` installs: `APP_GEN_CLIS`, or a folder of the target folder.

use crate::process::npm;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

const MANIFEST: &str = include_str!("../../../tools/package.json");
const LOCK: &str = include_str!("../../../tools/package-lock.json");

/// The folder of the packages.
pub(crate) fn modules() -> PathBuf {
    let folder = match std::env::var_os("APP_GEN_CLIS") {
        Some(folder) => PathBuf::from(folder),
        None => install(),
    };
    folder.join("node_modules")
}

/// Installs them once for each lock file. They are 800 MB, so it is the target folder that keeps them.
fn install() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    LOCK.hash(&mut hasher);
    let name = format!("agents-{:016x}", hasher.finish());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(&name);
    let done = folder.join("installed");
    fs::create_dir_all(&folder).unwrap();
    // Tests run side by side, and so may two checkouts that share a target folder.
    let lock = File::create(target.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        fs::write(folder.join("package.json"), MANIFEST).unwrap();
        fs::write(folder.join("package-lock.json"), LOCK).unwrap();
        // Their install scripts only link what is here already.
        npm(
            &folder,
            &["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        );
        File::create(done).unwrap();
    }
    folder
}
