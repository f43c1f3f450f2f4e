//! Compiles a binary from what is in its key, by what is in its key, and from nothing else.
//!
//! Cargo runs in the environment of [`environment::variables`], offline, in a target folder of this
//! environment. Everything that it reads besides the sources of the checkout (packages of others,
//! programs, its configuration) is held against the key before the compile, and must not have been
//! written until after it. Otherwise what was compiled is removed, since cargo would keep it.

use crate::build::audit;
use crate::build::freshness::{Freshness, TICK};
use crate::build::target_folder;
use crate::key::inputs::RustInputs;
use crate::rust::environment;
use crate::rust::environment::{PROFILE, Places, Surroundings, TARGET};
use crate::rust::packages;
use crate::rust::packages::Package;
use crate::rust::programs;
use crate::rust::toolchain::Toolchain;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walkdir::WalkDir;
use xtask_core::atomic_file::{read_checked, write_checked};
use xtask_core::cmd::Cmd;
use xtask_core::error::{Code, Failure, FailureContext as _};
use xtask_core::marked;
use xtask_core::paths::remove_folder;
use xtask_core::report::Report;
use xtask_tree::identity::{Identity, Timestamp};

const CARGO_TIMEOUT: Duration = Duration::from_secs(45 * 60);

/// Where a compile happens, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The checkout, and the environment of the user.
    pub surroundings: &'a Surroundings,
    /// The cache of the checkout.
    pub cache_folder: &'a Path,
    /// The folder of all target folders. The caller must have its lock.
    pub target_folders: &'a Path,
    /// Where progress is written.
    pub report: &'a Report,
    /// What progress begins with.
    pub label: &'a str,
}

/// Compiles the binary with these inputs, and returns where it is.
///
/// # Errors
/// It does not compile, it is compiled from something that its key does not contain, or something of
/// that changes meanwhile.
pub fn binary(place: Place<'_>, inputs: &RustInputs) -> anyhow::Result<PathBuf> {
    Compiler::new(place, inputs)?.binary()
}

struct Compiler<'a> {
    place: Place<'a>,
    inputs: &'a RustInputs,
    toolchain: Toolchain,
    packages: Vec<Package>,
    places: Places,
    variables: Vec<(&'static str, OsString)>,
}

/// A compile that has begun and of which nobody has yet said that nothing was written meanwhile.
#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    started: Timestamp,
    /// What must not be written: files, and folders with everything in them.
    read: Vec<PathBuf>,
}

impl Unfinished {
    fn path(target: &Path) -> PathBuf {
        target.join("unfinished.json")
    }

    /// The first path that was written since the compile began.
    fn written(&self) -> Option<String> {
        let paths = self.read.iter();
        let below = paths.flat_map(|path| WalkDir::new(path).into_iter());
        let mut written = below.filter_map(|entry| match entry {
            Ok(entry) => match rustix::fs::lstat(entry.path()) {
                Ok(stat) if Identity::from(stat).changed < self.started => None,
                _ => Some(entry.path().display().to_string()),
            },
            // It has vanished.
            Err(error) => Some(error.to_string()),
        });
        written.next()
    }
}

impl<'a> Compiler<'a> {
    fn new(place: Place<'a>, inputs: &'a RustInputs) -> anyhow::Result<Self> {
        let surroundings = place.surroundings;
        let toolchain = toolchain_of(place, inputs)?;
        if let Some(name) = differing(&toolchain, inputs) {
            return Err(changed(&name).into());
        }
        let packages = packages::locate(surroundings, &toolchain.config, inputs.checksums.keys())?;
        let open = || target_folder::open(place.target_folders, &surroundings.root, inputs);
        let mut target = open()?;
        let unfinished = Unfinished::path(&target);
        let is_tainted = || {
            // Of a record that is damaged, nobody knows what it said.
            let unfinished = read_checked::<Unfinished>(&unfinished);
            unfinished.is_none_or(|unfinished| unfinished.written().is_some())
        };
        if unfinished.is_file() && is_tainted() {
            remove_folder(&target)?;
            target = open()?;
        }
        let places = Places::of(&target);
        let flags = environment::rust_flags(surroundings, packages::folders_of(&packages));
        let compiler = Self {
            variables: environment::variables(surroundings, &places, &flags),
            place,
            inputs,
            toolchain,
            packages,
            places,
        };
        compiler.prepare()?;
        Ok(compiler)
    }

    fn binary(&self) -> anyhow::Result<PathBuf> {
        let root = &self.place.surroundings.root;
        let [package, binary, ..] = &self.inputs.build;
        let built = self.places.target.join(TARGET).join(PROFILE).join(binary);
        Freshness::new(root, &self.places.target, &built, self.inputs)?.compile(
            || self.cargo(),
            |what| {
                let Place { report, label, .. } = self.place;
                report.step(&format!("{label}: {what}"));
            },
            || self.compile_unchanged(),
        )?;
        let names: Vec<&str> = self.variables.iter().map(|(name, _)| *name).collect();
        audit::Compile {
            root,
            target: &self.places.target,
            package,
            binary: &built,
            members: &self.inputs.members,
            sources: &self.inputs.sources,
            packages: &self.packages,
            variables: &names,
        }
        .audit()?;
        Ok(built)
    }

    /// Compiles between two looks at everything that is not a source of the checkout, which
    /// [`Freshness`] watches. If we are killed in between, the next compile has the second look.
    fn compile_unchanged(&self) -> anyhow::Result<()> {
        // What was fetched just now is older than the compile from here on.
        std::thread::sleep(TICK);
        let packages = self.packages.iter().map(|package| &package.folder);
        let unfinished = Unfinished {
            started: Timestamp::now(),
            read: packages.chain(&self.toolchain.files).cloned().collect(),
        };
        let pins = &self.inputs.checksums;
        packages::verify(&self.packages, pins, self.place.cache_folder)?;
        let record = Unfinished::path(&self.places.target);
        write_checked(&record, &unfinished)?;
        let outcome = self.cargo_build();
        let look = || {
            let differing = differing(&toolchain_of(self.place, self.inputs)?, self.inputs);
            anyhow::Ok(differing.or_else(|| unfinished.written()))
        };
        match look() {
            Ok(None) => {
                fs::remove_file(&record)
                    .with_context(|| format!("failed to remove {}", record.display()))?;
                outcome
            }
            Ok(Some(what)) => {
                remove_folder(&self.places.target)?;
                // What does not compile may be what somebody wrote.
                Err(outcome.err().unwrap_or_else(|| changed(&what).into()))
            }
            // A signal may have interrupted the look, too.
            Err(error) => Err(outcome.err().unwrap_or(error)),
        }
    }

    fn prepare(&self) -> anyhow::Result<()> {
        programs::link_into(&self.places.programs, &self.toolchain.programs)?;
        for folder in [&self.places.home, &self.places.temporary] {
            remove_folder(folder)?;
            fs::create_dir_all(folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        Ok(())
    }

    /// Cargo in the environment of a compile.
    fn cargo(&self) -> Cmd {
        let cargo = self.toolchain.programs.get("cargo");
        Cmd::new(cargo.map_or(Path::new("cargo"), PathBuf::as_path))
            .folder(&self.place.surroundings.root)
            .only_env(&[])
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env(marked::VARIABLE, marked::value(self.place.target_folders))
    }

    fn cargo_build(&self) -> anyhow::Result<()> {
        let [package, binary, ..] = &self.inputs.build;
        let Place { report, label, .. } = self.place;
        report.step(&format!("{label}: compile {package}"));
        self.cargo()
            .args(["build", "--frozen", "--profile", PROFILE])
            .args(["--target", TARGET])
            .args(["--package", package, "--bin", binary])
            .arg("--target-dir")
            .arg(&self.places.target)
            .timeout(CARGO_TIMEOUT)
            .run(report, label)
            .failure(|| {
                Failure::new(Code::Build, format!("failed to compile {package}")).hint(format!(
                    "cargo build --package {package}; if a build script finds a program only there, list it under `tools` of the image in {}",
                    app_gen_infra::MANIFEST_PATH
                ))
            })
    }
}

/// The toolchain of this machine, as it is now.
fn toolchain_of(place: Place<'_>, inputs: &RustInputs) -> anyhow::Result<Toolchain> {
    let tools = Toolchain::tools_of(&inputs.environment);
    Toolchain::find(place.surroundings, place.cache_folder)?.with_tools(place.surroundings, &tools)
}

/// The first name in which a toolchain differs from the one of the key.
fn differing(toolchain: &Toolchain, inputs: &RustInputs) -> Option<String> {
    let (found, expected) = (&toolchain.fingerprint, &inputs.environment);
    let mut names = found.keys().chain(expected.keys());
    names
        .find(|name| found.get(*name) != expected.get(*name))
        .cloned()
}

fn changed(what: &str) -> Failure {
    Failure::new(
        Code::Build,
        format!("{what} changed during the build, so that what was compiled is not used"),
    )
    .hint("run the command again")
}
