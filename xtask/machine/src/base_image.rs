//! The two images that cannot be pulled everywhere: the base of all our images,
//! and PostgreSQL for the compose project.

use crate::apt_sources;
use crate::apt_sources::Source;
use crate::debian_packages;
use crate::{Finding, tools};
use anyhow::Context as _;
use std::path::Path;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure};
use xtask_core::paths;
use xtask_core::paths::remove_folder;
use xtask_docker::engine;
use xtask_docker::reference::Reference;
use xtask_image::base::pins::Pins;

/// PostgreSQL: user and database `app`, port 5432, trusts its network, stops fast on SIGTERM.
pub const POSTGRES_IMAGE: &str = "app-gen-postgres:17";
/// What [`POSTGRES_IMAGE`] is made from, relative to the checkout.
const POSTGRES_FOLDER: &str = "ci/postgres";
const POSTGRES_FILES: &[&str] = &["Dockerfile", "entrypoint.sh"];
/// Label that tells whether the image was made from the present files.
const INPUTS_LABEL: &str = "app-gen.inputs";

/// A registry that is there answers within this; none must not hold up an installation.
const REACH_BOUND: Duration = Duration::from_secs(15);
const PULL_BOUND: Duration = Duration::from_secs(600);
const BUILD_BOUND: Duration = Duration::from_secs(900);
/// Time stamp of whatever the installation itself writes (2026-01-01), so that the image is the
/// same from the same packages. Not 0: it is also the day passwords were last changed.
const SOURCE_DATE_EPOCH: &str = "1767225600";

/// Whether the base image is in the engine.
pub(super) fn probe_base(context: &Context) -> Finding {
    match inspect(&context.platform.base_image) {
        Ok(Some(image)) => Finding::ok(short_id(&image)),
        Ok(None) => Finding::missing("not in the engine"),
        Err(finding) => finding,
    }
}

/// Pulls the base image where a registry can be reached, else makes it with debootstrap.
pub(super) fn ensure_base(context: &Context) -> anyhow::Result<()> {
    let image = &context.platform.base_image;
    // A pin is what builds use, wherever the tag points by now.
    let pins = Pins::load(&context.root)?;
    let wanted = match pins.digest(&Reference::parse(image)?) {
        Some(digest) => format!("{image}@{digest}"),
        None => image.clone(),
    };
    context
        .report
        .step(&format!("look for {wanted} in its registry"));
    let reachable = Cmd::new("docker")
        .args(["buildx", "imagetools", "inspect", &wanted])
        .timeout(REACH_BOUND)
        .output()
        .is_ok_and(|answer| answer.status.success());
    xtask_core::interrupt::check()?;
    if reachable {
        context.report.step(&format!("pull {wanted}"));
        Cmd::new("docker")
            .args(["pull", "--platform", &context.platform.platform, &wanted])
            .timeout(PULL_BOUND)
            .run(&context.report, "docker")?;
        // By digest it comes without its tag.
        if wanted != *image {
            Cmd::new("docker").args(["tag", &wanted, image]).read()?;
        }
        return Ok(());
    }
    let suite = debian_suite(image).ok_or_else(|| {
        Failure::new(
            Code::Prerequisite,
            format!("{image} cannot be pulled, and only Debian can be made here"),
        )
        .hint(format!("docker pull {image}"))
    })?;
    context.report.step(&format!(
        "no registry has it: make {image} with debootstrap (about 30 s)"
    ));
    let folder = paths::state()?.join("base-image");
    remove_folder(&folder)?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let made = make_base(context, suite, &folder);
    // Also after a failure, whose cause says more than that of a failed clean-up.
    let removed = remove_folder(&folder);
    made.and(removed)
}

fn make_base(context: &Context, suite: &str, folder: &Path) -> anyhow::Result<()> {
    if !debian_packages::is_root() {
        return Err(Failure::new(
            Code::Prerequisite,
            format!("{} can only be made by root", context.platform.base_image),
        )
        .hint(format!("docker pull {}", context.platform.base_image))
        .into());
    }
    if tools::on_path("debootstrap").is_none() {
        debian_packages::install(context, &["debootstrap"])?;
    }
    let mirror = mirror(suite)?;
    let root = folder.join("rootfs");
    // It mounts /proc below the new root and, when it is stopped, leaves it there. A mount
    // namespace ends with its last process, however that ends.
    let mut debootstrap = Cmd::new("unshare").args([
        "--mount",
        "--propagation=private",
        "debootstrap",
        "--variant=minbase",
    ]);
    if let Some(keyring) = mirror.signed_by.filter(|path| path.starts_with('/')) {
        debootstrap = debootstrap.arg(format!("--keyring={keyring}"));
    }
    debootstrap
        .arg(suite)
        .arg(&root)
        .arg(&mirror.uri)
        .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH)
        .env("LC_ALL", "C")
        .timeout(BUILD_BOUND)
        .run(&context.report, "debian")?;

    context
        .report
        .step(&format!("pack {}", context.platform.base_image));
    strip(&root)?;
    Cmd::new("tar")
        .args(["--create", "--format=gnu", "--sort=name", "--numeric-owner"])
        .arg(format!("--mtime=@{SOURCE_DATE_EPOCH}"))
        .args(["--clamp-mtime", "--one-file-system"])
        .args([
            "--exclude=./dev/*",
            "--exclude=./proc/*",
            "--exclude=./sys/*",
        ])
        .arg("--file")
        .arg(folder.join("rootfs.tar"))
        .arg("--directory")
        .arg(&root)
        .arg(".")
        .timeout(BUILD_BOUND)
        .read()?;
    remove_folder(&root)?;
    std::fs::write(
        folder.join("Dockerfile"),
        "FROM scratch\nADD rootfs.tar /\nCMD [\"bash\"]\n",
    )?;
    // Not `docker import`: it writes the present time into the image, and with it every machine
    // would have a base, and so image keys, of its own.
    build(context, &context.platform.base_image)
        .arg(folder)
        .run(&context.report, "base")
}

/// Takes away what differs from one installation to the next, and what Debian's slim images lack.
fn strip(root: &Path) -> anyhow::Result<()> {
    for folder in [
        "var/cache/apt",
        "var/cache/ldconfig",
        "var/lib/apt/lists",
        "var/log",
        "run",
        "tmp",
    ] {
        for entry in walkdir::WalkDir::new(root.join(folder)) {
            let entry = entry?;
            if entry.file_type().is_file() {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    for folder in ["man", "info", "locale", "groff", "lintian"] {
        let folder = root.join("usr/share").join(folder);
        if folder.is_dir() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    std::fs::remove_dir_all(entry.path())?;
                } else {
                    std::fs::remove_file(entry.path())?;
                }
            }
        }
    }
    for entry in walkdir::WalkDir::new(root.join("usr/share/doc")) {
        let entry = entry?;
        if entry.file_type().is_file() && entry.file_name() != "copyright" {
            std::fs::remove_file(entry.path())?;
        }
    }
    // The machine's own name and name servers; the engine gives each container its own.
    for file in ["etc/hostname", "etc/resolv.conf"] {
        let _ = std::fs::remove_file(root.join(file));
    }
    // The archive differs from machine to machine; our images package, they install nothing.
    std::fs::write(root.join("etc/apt/sources.list"), "")?;
    Ok(())
}

/// Whether the PostgreSQL image is in the engine and made from the present files.
pub(super) fn probe_postgres(context: &Context) -> Finding {
    let wanted = match postgres_inputs(context) {
        Ok(wanted) => wanted,
        Err(error) => return Finding::missing(format!("{error:#}")),
    };
    match inspect(POSTGRES_IMAGE) {
        Ok(Some(image)) if image["Config"]["Labels"][INPUTS_LABEL] == *wanted => {
            Finding::ok(short_id(&image))
        }
        Ok(Some(_)) => Finding::missing(format!("made from another state of {POSTGRES_FOLDER}")),
        Ok(None) => Finding::missing("not in the engine"),
        Err(finding) => finding,
    }
}

/// Builds the PostgreSQL image from Debian's packages.
pub(super) fn ensure_postgres(context: &Context) -> anyhow::Result<()> {
    context
        .report
        .step(&format!("build {POSTGRES_IMAGE} from Debian's packages"));
    let sources = match debian_suite(&context.platform.base_image) {
        Some(suite) => container_sources(suite)?,
        None => String::new(),
    };
    build(context, POSTGRES_IMAGE)
        .arg("--build-arg")
        .arg(format!("APT_SOURCES={sources}"))
        .arg("--label")
        .arg(format!("{INPUTS_LABEL}={}", postgres_inputs(context)?))
        .arg("-")
        .stdin(postgres_context(context)?)
        .run(&context.report, "postgres")
}

fn build(context: &Context, tag: &str) -> Cmd {
    Cmd::new("docker")
        .args(["buildx", "build", "--load", "--progress=plain"])
        // Packages move on while the line that installs them stays the same.
        .args(["--no-cache", "--provenance=false", "--sbom=false"])
        .args(["--platform", &context.platform.platform, "--tag", tag])
        .env("SOURCE_DATE_EPOCH", "0")
        .timeout(BUILD_BOUND)
}

/// What tells one state of the PostgreSQL image's files from another.
fn postgres_inputs(context: &Context) -> anyhow::Result<String> {
    let mut bytes = postgres_context(context)?;
    bytes.extend_from_slice(context.platform.base_image.as_bytes());
    Ok(digest_bytes(&bytes)[..16].to_owned())
}

/// The build context as a tar: BuildKit's directory sync may send the old bytes of a file that
/// kept its size and time.
fn postgres_context(context: &Context) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for name in POSTGRES_FILES {
        let path = context.root.join(POSTGRES_FOLDER).join(name);
        let bytes =
            std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    Ok(archive.into_inner()?)
}

/// `bookworm` of `debian:bookworm-slim`.
fn debian_suite(image: &str) -> Option<&str> {
    let tag = image.strip_prefix("debian:")?;
    Some(tag.strip_suffix("-slim").unwrap_or(tag))
}

/// The archive to take `suite` from: the machine's own, which has every suite.
fn mirror(suite: &str) -> anyhow::Result<Source> {
    let sources = apt_sources::read_machine()?;
    let own = debian_packages::machine_suite()?;
    [suite, own.as_str()]
        .into_iter()
        .find_map(|wanted| apt_sources::of_suite(&sources, wanted).into_iter().next())
        .map(|source| Source {
            suite: suite.to_owned(),
            ..source
        })
        .ok_or_else(|| {
            Failure::new(
                Code::Prerequisite,
                "apt has no source for Debian, so its archive is not known",
            )
            .hint("run this on Debian, or where images can be pulled")
            .into()
        })
}

/// The sources of `suite` for a container, one a line; none where this machine is no Debian.
fn container_sources(suite: &str) -> anyhow::Result<String> {
    let mut sources = apt_sources::of_suite(&apt_sources::read_machine()?, suite);
    if sources.is_empty() {
        sources.extend(mirror(suite).ok());
    }
    let lines: Vec<String> = sources
        .into_iter()
        .map(|source| Source {
            // The base has no certificates; packages are signed, whatever brings them.
            uri: source.uri.replacen("https://", "http://", 1),
            ..source
        })
        .map(|source| source.line())
        .collect();
    Ok(lines.join("\n"))
}

/// The image as the engine describes it, nothing where it has none of that name.
fn inspect(image: &str) -> Result<Option<serde_json::Value>, Finding> {
    match engine::get(&format!("/images/{image}/json")) {
        Ok((200, answer)) => Ok(Some(answer)),
        Ok((404, _)) => Ok(None),
        Ok((status, answer)) => Err(Finding::missing(format!(
            "the engine answers {status}: {}",
            answer["message"].as_str().unwrap_or_default()
        ))),
        Err(error) => Err(Finding::unknown(format!("not known: {error}"))),
    }
}

fn short_id(image: &serde_json::Value) -> String {
    let id = image["Id"].as_str().unwrap_or_default();
    id.strip_prefix("sha256:")
        .unwrap_or(id)
        .chars()
        .take(12)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_of_a_debian_image_is_known() {
        assert_eq!(debian_suite("debian:bookworm-slim"), Some("bookworm"));
        assert_eq!(debian_suite("debian:trixie"), Some("trixie"));
        assert_eq!(debian_suite("alpine:3"), None);
    }
}
