//! What is built on the host before an image: binaries by cargo, pages by npm.
//!
//! Results are kept under the digest of their inputs. A page does not compile
//! Rust again, nor the other way round.

use crate::build::audit::Compile;
use crate::build::freshness::Freshness;
use crate::key::inputs::{NpmInputs, RustInputs};
use crate::rust::environment::{PASSED_ENVIRONMENT, PROFILE, TARGET, rust_flags};
use anyhow::Context as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xtask_core::atomic_file::{read_checked, write_atomically, write_checked};
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, DISK_FULL, Failure, FailureContext as _};
use xtask_core::lock::Lock;
use xtask_core::marked;
use xtask_docker::ignore::Rules;
use xtask_tree::content::{Hashed, digest_file};
use xtask_tree::entry;
use xtask_tree::entry::{Digest, Entries, Entry};
use xtask_tree::stat_cache::StatCache;

const CARGO_TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// With less than this, a tool that failed may have failed for want of it.
const SUSPICIOUS_FREE_BYTES: u64 = 32 * 1024 * 1024;
const NPM_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What works in a folder that only one build may write to.
#[derive(Debug, Clone, Copy)]
enum Tool {
    Cargo,
    Npm,
}

impl Tool {
    /// The folder, by which the processes are marked.
    fn folder(self, context: &Context) -> PathBuf {
        context.cache_folder().join(match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
        })
    }

    fn lock_path(self, context: &Context) -> PathBuf {
        self.folder(context).with_extension("lock")
    }

    fn mark(self, context: &Context) -> String {
        marked::value(&self.folder(context))
    }

    /// Waits for other builds of the checkout, and ends what killed ones left: it
    /// would go on writing what we are about to write.
    fn claim(self, context: &Context, label: &str) -> anyhow::Result<Lock> {
        let lock = Lock::wait(&self.lock_path(context), |holder| {
            context
                .report
                .line(label, &format!("waits for another build ({holder})"));
        })?;
        let ended = marked::end(&self.folder(context));
        if ended > 0 {
            context.report.step(&format!(
                "{label}: ended {ended} processes of a killed build"
            ));
        }
        Ok(lock)
    }
}

/// Ends what killed builds of this checkout left running; a build that lives keeps
/// its own. Returns how many processes there were.
pub fn end_leftovers(context: &Context) -> usize {
    [Tool::Cargo, Tool::Npm]
        .into_iter()
        .filter(|tool| tool.lock_path(context).is_file())
        .filter_map(|tool| {
            let _lock = Lock::try_take(&tool.lock_path(context), "a build").ok()?;
            Some(marked::end(&tool.folder(context)))
        })
        .sum()
}

/// Keeps builds of this checkout from writing results until it is dropped: waits for one that
/// does.
///
/// # Errors
/// We were interrupted, or a lock cannot be written.
pub fn hold(context: &Context) -> anyhow::Result<[Lock; 2]> {
    let claim = |tool: Tool| tool.claim(context, "prune");
    Ok([claim(Tool::Cargo)?, claim(Tool::Npm)?])
}

/// Notes that a result was used: those that were not for longest go first. One for which that
/// fails goes sooner.
fn note_use(record: &Path) {
    let file = fs::File::options().append(true).open(record);
    let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
}

/// A binary that was compiled here, with the digest of its bytes.
#[derive(Debug)]
pub struct Binary {
    /// Where it is kept.
    pub path: PathBuf,
    /// SHA-256.
    pub digest: Digest,
}

impl Binary {
    /// The one kept for the same inputs, if there is one. A file that was cut short or
    /// damaged is none.
    ///
    /// # Errors
    /// None that can happen: the inputs serialise.
    pub fn kept(context: &Context, inputs: &RustInputs) -> anyhow::Result<Option<Self>> {
        let path = Self::path(context, inputs)?;
        Ok(read_checked(&Self::record(&path))
            .filter(|digest: &Digest| digest_file(&path).is_ok_and(|found| found == *digest))
            .map(|digest| Self { path, digest }))
    }

    fn path(context: &Context, inputs: &RustInputs) -> anyhow::Result<PathBuf> {
        let [_, binary, ..] = &inputs.build;
        let folder = context.cache_folder().join("prebuilt/rust");
        Ok(folder.join(inputs.digest()?).join(binary))
    }

    /// Beside the folder of the binary.
    fn record(path: &Path) -> PathBuf {
        path.parent().unwrap_or(path).with_extension("json")
    }
}

/// Compiles the binary, or takes the one kept for the same inputs.
///
/// # Errors
/// It does not compile, is compiled from something that its key does not hold, or
/// needs a newer libc than the base image has.
pub fn rust(context: &Context, label: &str, inputs: &RustInputs) -> anyhow::Result<Binary> {
    let [package, binary, ..] = &inputs.build;
    if let Some(kept) = Binary::kept(context, inputs)? {
        note_use(&Binary::record(&kept.path));
        // The base image may be another one than when it was compiled.
        check_libc(context, &kept.path)?;
        return Ok(kept);
    }
    let target = Tool::Cargo.folder(context);
    let built = target.join(TARGET).join(PROFILE).join(binary);
    let _tool = Tool::Cargo.claim(context, label)?;
    Freshness::new(&context.root, &target, &built, inputs)?.compile(
        |what| context.report.step(&format!("{label}: {what}")),
        || {
            context.report.step(&format!("{label}: compile {package}"));
            cargo_build(context, label, inputs, &target)
        },
    )?;
    Compile {
        root: &context.root,
        target: &target,
        package,
        binary: &built,
        members: &inputs.members,
        sources: &inputs.sources,
    }
    .audit()?;
    check_libc(context, &built)?;
    let bytes = fs::read(&built).with_context(|| format!("failed to read {}", built.display()))?;
    let digest = Digest::of(&bytes);
    let path = Binary::path(context, inputs)?;
    write_atomically(&path, &bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    write_checked(&Binary::record(&path), &digest)?;
    Ok(Binary { path, digest })
}

fn cargo_build(
    context: &Context,
    label: &str,
    inputs: &RustInputs,
    target: &Path,
) -> anyhow::Result<()> {
    let [package, binary, ..] = &inputs.build;
    Cmd::new("cargo")
        .args(["build", "--locked", "--profile", PROFILE])
        .args(["--target", TARGET])
        .args(["--package", package, "--bin", binary])
        .arg("--target-dir")
        .arg(target)
        .folder(&context.root)
        .only_env(PASSED_ENVIRONMENT)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(&context.root))
        .env("CARGO_TERM_COLOR", "never")
        // A configuration must not move it out of the folder that is only ours.
        .env("CARGO_BUILD_BUILD_DIR", target)
        // Nothing lies there: the audit wants paths as the compiler saw them.
        .env("CARGO_BUILD_DEP_INFO_BASEDIR", target.join("no-basedir"))
        .env(marked::VARIABLE, Tool::Cargo.mark(context))
        .timeout(CARGO_TIMEOUT)
        .run(&context.report, label)
        .map_err(|error| suspect_disk(error, target))
        .failure(|| {
            Failure::new(Code::Build, format!("failed to compile {package}"))
                .hint(format!("cargo build --package {package}"))
        })
}

/// A full disk makes a linker die of SIGBUS and ask for a bug report: say what it is.
fn suspect_disk(error: anyhow::Error, folder: &Path) -> anyhow::Error {
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return error;
    };
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free_bytes >= SUSPICIOUS_FREE_BYTES {
        return error;
    }
    error.context(format!(
        "{DISK_FULL}, or nearly: {} KiB are free in {}",
        free_bytes / 1024,
        folder.display()
    ))
}

/// A binary linked against a newer libc than the base image's does not start there.
fn check_libc(context: &Context, binary: &Path) -> anyhow::Result<()> {
    let symbols = Cmd::new("objdump").arg("-T").arg(binary).read()?;
    let needed = symbols
        .split("GLIBC_")
        .skip(1)
        .filter_map(|rest| parse_version(rest.split([')', ' ', '\n']).next()?))
        .max();
    let offered = parse_version(&context.platform.base_libc);
    if needed > offered {
        let needed = needed.map_or_else(String::new, |(major, minor)| format!("{major}.{minor}"));
        return Err(Failure::new(
            Code::Build,
            format!(
                "{} needs libc {needed}, the base image {} has {}",
                binary.display(),
                context.platform.base_image,
                context.platform.base_libc
            ),
        )
        .hint("build on the distribution of the base image, or raise base_image and base_libc in app-gen-infra/platform.toml")
        .into());
    }
    Ok(())
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A page that was built here, with all that it consists of.
#[derive(Debug)]
pub struct Page {
    /// Where it is kept.
    pub folder: PathBuf,
    /// Its files.
    pub entries: Entries,
}

impl Page {
    /// The one kept for the same inputs, if there is one. A folder that lacks a file or
    /// holds a damaged one is none.
    ///
    /// # Errors
    /// None that can happen: the inputs serialise.
    pub fn kept(context: &Context, inputs: &NpmInputs) -> anyhow::Result<Option<Self>> {
        let kept = Self::path(context, inputs)?;
        let folder = kept.join(&inputs.output);
        Ok(read_checked::<Entries>(&kept.with_extension("json"))
            .filter(|entries| {
                xtask_docker::context::read(&folder, &Rules::default(), &StatCache::none())
                    .is_ok_and(|found| found == *entries)
            })
            .map(|entries| Self { folder, entries }))
    }

    /// Where the folder that it was built in is kept.
    fn path(context: &Context, inputs: &NpmInputs) -> anyhow::Result<PathBuf> {
        let folder = context.cache_folder().join("prebuilt/npm");
        Ok(folder.join(inputs.digest()?))
    }
}

/// Builds the page, or takes the one kept for the same inputs.
///
/// It is built in a copy that holds exactly the hashed files.
///
/// # Errors
/// A file changed since it was hashed, or the build script fails.
pub fn npm(
    context: &Context,
    label: &str,
    folder: &str,
    inputs: &NpmInputs,
) -> anyhow::Result<Page> {
    let path = Page::path(context, inputs)?;
    if let Some(kept) = Page::kept(context, inputs)? {
        note_use(&path.with_extension("json"));
        return Ok(kept);
    }
    let source = context.root.join(folder);
    let _tool = Tool::Npm.claim(context, label)?;
    let node_modules = crate::packages::ensure(context, &source)?;
    let stage = path.with_extension("partial");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    fs::create_dir_all(&stage)?;
    copy_entries(&source, &stage, &inputs.sources)?;
    std::os::unix::fs::symlink(&node_modules, stage.join("node_modules"))?;
    context.report.step(&format!("{label}: build {folder}"));
    Cmd::new("npm")
        .args(["run", "--silent", "build"])
        .folder(&stage)
        .only_env(PASSED_ENVIRONMENT)
        .env(
            "PATH",
            crate::packages::path_with_pinned_node(&node_modules),
        )
        .timeout(NPM_TIMEOUT)
        .run(&context.report, label)
        .map_err(|error| suspect_disk(error, &stage))
        .failure(|| {
            Failure::new(Code::Build, format!("failed to build {folder}"))
                .hint(format!("cd {folder} && npm run build"))
        })?;
    anyhow::ensure!(
        stage.join(&inputs.output).is_dir(),
        "the build script of {folder} wrote no {}",
        inputs.output
    );
    fs::remove_file(stage.join("node_modules"))?;
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::rename(&stage, &path)?;
    let folder = path.join(&inputs.output);
    let entries = xtask_docker::context::read(&folder, &Rules::default(), &StatCache::none())?;
    write_checked(&path.with_extension("json"), &entries)?;
    Ok(Page { folder, entries })
}

fn copy_entries(from: &Path, to: &Path, entries: &Entries) -> anyhow::Result<()> {
    for (escaped, entry) in entries {
        let name = entry::unescape(escaped);
        let target = to.join(&name);
        match entry {
            Entry::Directory => fs::create_dir_all(&target)?,
            Entry::Symlink { target: points_to } => {
                std::os::unix::fs::symlink(entry::unescape(points_to), &target)?;
            }
            Entry::File { mode, digest } => {
                if let Some(parent) = target.parent() {
                    fs::create_dir_all(parent)?;
                }
                Hashed::open(&from.join(&name), *digest)?.copy_to(&target, mode.bits())?;
            }
        }
    }
    Ok(())
}
