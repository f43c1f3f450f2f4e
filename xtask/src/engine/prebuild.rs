//! What is built on the host before an image: binaries by cargo, pages by npm.
//!
//! Results are kept under the digest of their inputs. A page does not compile
//! Rust again, nor the other way round.

use super::cmd::Cmd;
use super::context::Context;
use super::entry::{self, Entries, Entry, digest_bytes};
use super::error::{Code, DISK_FULL, Failure, FailureContext as _};
use super::key::{NpmInputs, RustInputs};
use super::lock::Lock;
use super::records::write_atomically;
use super::toolchain::{PASSED_ENVIRONMENT, PROFILE, TARGET, rust_flags};
use crate::local::marked;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
        context.records().join(match self {
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

/// Compiles the binary, or takes the one kept for the same inputs.
///
/// # Errors
/// It does not compile, or needs a newer libc than the base image has.
pub fn rust(context: &Context, label: &str, inputs: &RustInputs) -> anyhow::Result<PathBuf> {
    let [package, binary, ..] = &inputs.build;
    let records = context.records();
    let kept = records
        .join("prebuilt/rust")
        .join(&inputs.digest()?[..16])
        .join(binary);
    if kept.is_file() {
        // The base image may be another one than when it was compiled.
        check_libc(context, &kept)?;
        return Ok(kept);
    }
    // Nobody but this function writes to this target folder: what is in it was
    // built from what `members.json` says, whatever the sources' times are.
    let target = Tool::Cargo.folder(context);
    let _tool = Tool::Cargo.claim(context, label)?;
    let built_from = target.join("members.json");
    force_stale(context, label, inputs, &target, &built_from)?;
    context.report.step(&format!("{label}: compile {package}"));
    Cmd::new("cargo")
        .args([
            "build",
            "--locked",
            "--profile",
            PROFILE,
            "--target",
            TARGET,
        ])
        .args(["--package", package, "--bin", binary])
        .arg("--target-dir")
        .arg(&target)
        .folder(&context.root)
        .only_env(PASSED_ENVIRONMENT)
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(&context.root))
        .env("CARGO_TERM_COLOR", "never")
        .env(marked::VARIABLE, Tool::Cargo.mark(context))
        .timeout(CARGO_TIMEOUT)
        .run(&context.report, label)
        .map_err(|error| suspect_disk(error, &target))
        .failure(|| {
            Failure::new(Code::Build, format!("failed to compile {package}"))
                .hint(format!("cargo build --package {package}"))
        })?;
    let mut members = read_members(&built_from);
    members.extend(member_digests(inputs)?);
    write_atomically(&built_from, &serde_json::to_vec(&members)?)?;

    let built = target.join(TARGET).join(PROFILE).join(binary);
    check_libc(context, &built)?;
    let bytes = fs::read(&built).with_context(|| format!("failed to read {}", built.display()))?;
    write_atomically(&kept, &bytes)?;
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o755))?;
    Ok(kept)
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

/// Cargo's freshness is by modification time and keeps a stale binary for an
/// edit that kept its time; what differs from what was last built is cleaned.
fn force_stale(
    context: &Context,
    label: &str,
    inputs: &RustInputs,
    target: &Path,
    built_from: &Path,
) -> anyhow::Result<()> {
    if !target.join(TARGET).is_dir() {
        return Ok(());
    }
    let mut before = read_members(built_from);
    let now = member_digests(inputs)?;
    let stale: Vec<String> = now
        .iter()
        .filter(|(member, digest)| before.get(*member) != Some(digest))
        .map(|(member, _)| member.clone())
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    // Said before it is done: a build that is cut short must not look like a good one.
    before.retain(|member, _| !stale.contains(member));
    write_atomically(built_from, &serde_json::to_vec(&before)?)?;
    let mut clean = Cmd::new("cargo")
        .args(["clean", "--quiet", "--profile", PROFILE, "--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        .folder(&context.root)
        .only_env(PASSED_ENVIRONMENT);
    for member in &stale {
        clean = clean.args(["--package", member]);
    }
    context
        .report
        .debug(&format!("{label}: rebuild {}", stale.join(", ")));
    clean.read().map(|_| ())
}

fn read_members(path: &Path) -> BTreeMap<String, String> {
    fs::read(path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Digest of each member's sources, by package name.
fn member_digests(inputs: &RustInputs) -> anyhow::Result<BTreeMap<String, String>> {
    let mut by_member: BTreeMap<&str, Entries> = BTreeMap::new();
    for (path, entry) in &inputs.sources {
        // The innermost folder that is a member's.
        let owner = inputs
            .members
            .iter()
            .filter(|(_, folder)| Path::new(path).starts_with(folder.as_str()))
            .max_by_key(|(_, folder)| folder.len());
        if let Some((name, _)) = owner {
            by_member
                .entry(name)
                .or_default()
                .insert(path.clone(), entry.clone());
        }
    }
    by_member
        .into_iter()
        .map(|(name, entries)| {
            Ok((
                name.to_owned(),
                digest_bytes(&serde_json::to_vec(&entries)?),
            ))
        })
        .collect()
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
) -> anyhow::Result<PathBuf> {
    let source = context.root.join(folder);
    let kept = context
        .records()
        .join("prebuilt/npm")
        .join(&inputs.digest()?[..16]);
    let output = kept.join(&inputs.output);
    if output.is_dir() {
        return Ok(output);
    }
    let _tool = Tool::Npm.claim(context, label)?;
    let node_modules = crate::local::npm::ensure(context, &source)?;
    let stage = kept.with_extension("partial");
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
            crate::local::npm::path_with_pinned_node(&node_modules),
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
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::rename(&stage, &kept)?;
    Ok(output)
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
                let bytes = read_hashed(&from.join(&name), digest)?;
                fs::write(&target, bytes)?;
                fs::set_permissions(&target, fs::Permissions::from_mode(mode.bits()))?;
            }
        }
    }
    Ok(())
}

/// The bytes of a file, which must still be those that were hashed.
///
/// # Errors
/// They are not, or the file cannot be read.
pub fn read_hashed(path: &Path, digest: &str) -> anyhow::Result<Vec<u8>> {
    // Docker sends some files empty, whatever they hold: `ignore::Matches::emptied`.
    if digest == digest_bytes(b"") {
        return Ok(Vec::new());
    }
    let bytes = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    if digest_bytes(&bytes) != digest {
        return Err(Failure::new(
            Code::Build,
            format!("{} changed while it was being built", path.display()),
        )
        .hint("run the command again")
        .into());
    }
    Ok(bytes)
}
