//! What is made on this machine before an image: binaries by cargo; pages by npm, in `page`; packages
//! of Debian, in `debian`; files of npm's packages, in `npm_tools`.
//!
//! Results are kept by the digest of their inputs, so that a change of a page compiles no Rust, and a
//! change of Rust builds no page.

use crate::build::compile;
use crate::build::compile::Place;
use crate::key::inputs::RustInputs;
use crate::rust::environment::Surroundings;
use anyhow::Context as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use xtask_core::atomic_file::{read_checked, write_atomically, write_checked};
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, DISK_FULL, Failure};
use xtask_core::lock::Lock;
use xtask_core::marked;
use xtask_tree::content::digest_file;
use xtask_tree::entry::Digest;

/// If a tool fails and less than this is free, it may have failed because the disk is full.
const SUSPICIOUS_FREE_BYTES: u64 = 32 * 1024 * 1024;

/// A tool that works in a folder to which only one build may write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tool {
    Cargo,
    Npm,
    Apt,
}

impl Tool {
    const ALL: [Self; 3] = [Self::Cargo, Self::Npm, Self::Apt];

    /// Its folder. The processes are marked with the path.
    fn folder(self, context: &Context) -> PathBuf {
        context.cache_folder().join(match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
            Self::Apt => "apt",
        })
    }

    fn lock_path(self, context: &Context) -> PathBuf {
        self.folder(context).with_extension("lock")
    }

    pub(crate) fn mark(self, context: &Context) -> String {
        marked::value(&self.folder(context))
    }

    /// Waits for other builds of the checkout, and ends processes that killed builds left, because
    /// those would write to the same folder.
    pub(crate) fn claim(self, context: &Context, label: &str) -> anyhow::Result<Lock> {
        let lock = Lock::wait(&self.lock_path(context), |holder| {
            context
                .report
                .line(label, &format!("wait for another build ({holder})"));
        })?;
        let ended = marked::end(&self.folder(context));
        if ended > 0 {
            context.report.step(&format!(
                "{label}: {ended} processes of a killed build were ended"
            ));
        }
        Ok(lock)
    }
}

/// Ends the processes that killed builds of this checkout left. Those of a build that still runs are
/// left alone. Returns how many were ended.
pub fn end_leftovers(context: &Context) -> usize {
    Tool::ALL
        .into_iter()
        .filter(|tool| tool.lock_path(context).is_file())
        .filter_map(|tool| {
            let _lock = Lock::try_take(&tool.lock_path(context), "a build").ok()?;
            Some(marked::end(&tool.folder(context)))
        })
        .sum()
}

/// Waits for builds of this checkout that write results, and prevents others until the locks are
/// dropped. `label` is the command that waits.
///
/// # Errors
/// A signal interrupts us, or a lock cannot be written.
pub fn hold(context: &Context, label: &str) -> anyhow::Result<Vec<Lock>> {
    let tools = Tool::ALL.into_iter();
    tools.map(|tool| tool.claim(context, label)).collect()
}

/// Records that a result was used, because `prune` removes those first that were not used for the
/// longest time. If that fails, this result is removed sooner.
pub(crate) fn note_use(record: &Path) {
    let file = fs::File::options().append(true).open(record);
    let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
}

/// A binary that was compiled here.
#[derive(Debug)]
pub struct Binary {
    /// Where it is kept.
    pub path: PathBuf,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl Binary {
    /// The binary that is kept for the same inputs, if there is one and it is not damaged.
    ///
    /// # Errors
    /// The inputs cannot be serialised, which does not happen.
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

    /// The file with its digest, beside the folder of the binary.
    fn record(path: &Path) -> PathBuf {
        path.parent().unwrap_or(path).with_extension("json")
    }
}

/// Compiles the binary, unless one is kept for the same inputs.
///
/// # Errors
/// It does not compile, it is compiled from something that its key does not contain, or it needs a
/// newer libc than the base image has.
pub fn rust(context: &Context, label: &str, inputs: &RustInputs) -> anyhow::Result<Binary> {
    if let Some(kept) = Binary::kept(context, inputs)? {
        note_use(&Binary::record(&kept.path));
        // The base image may have changed since it was compiled.
        check_libc(context, &kept.path)?;
        return Ok(kept);
    }
    let target_folders = Tool::Cargo.folder(context);
    let _tool = Tool::Cargo.claim(context, label)?;
    let place = Place {
        surroundings: &Surroundings::of_process(&context.root),
        cache_folder: &context.cache_folder(),
        target_folders: &target_folders,
        report: &context.report,
        label,
    };
    let built = compile::binary(place, inputs)
        .map_err(|error| suspect_disk(error, &context.cache_folder()))?;
    check_libc(context, &built)?;
    let bytes = fs::read(&built).with_context(|| format!("failed to read {}", built.display()))?;
    let digest = Digest::of(&bytes);
    let path = Binary::path(context, inputs)?;
    write_atomically(&path, &bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    write_checked(&Binary::record(&path), &digest)?;
    Ok(Binary { path, digest })
}

/// On a full disk, a linker dies of SIGBUS and asks for a bug report, so the reason is added.
pub(crate) fn suspect_disk(error: anyhow::Error, folder: &Path) -> anyhow::Error {
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return error;
    };
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free_bytes >= SUSPICIOUS_FREE_BYTES {
        return error;
    }
    error.context(format!(
        "{DISK_FULL}, or nearly none: {} KiB are free in {}",
        free_bytes / 1024,
        folder.display()
    ))
}

/// Checks that the base image has the libc that a binary was linked against. Otherwise it does not
/// start there.
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
                "{} needs libc {needed}, and the base image {} has {}",
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
