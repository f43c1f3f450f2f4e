//! The base of all our images. Where no registry can be reached, it is made here from Debian's
//! packages.

use crate::debian_packages;
use crate::engine_images::{BUILD_BOUND, build, inspect, short_id};
use crate::finding::Finding;
use crate::programs::on_path;
use anyhow::Context as _;
use std::path::Path;
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_core::paths;
use xtask_core::paths::remove_folder;
use xtask_docker::reference::Reference;
use xtask_image::base::pins::Pins;
use xtask_image::debian::sources;

/// A registry that can be reached answers within this time. One that cannot must not delay an
/// installation for longer.
const REACH_BOUND: Duration = Duration::from_secs(15);
const PULL_BOUND: Duration = Duration::from_secs(600);
/// The time stamp of everything that the installation itself writes (2026-01-01), so that the same
/// packages give the same image. It is not 0, because it is also the day on which passwords were
/// last changed.
const SOURCE_DATE_EPOCH: &str = "1767225600";

/// Whether the engine has the base image.
pub(crate) fn probe(context: &Context) -> Finding {
    match inspect(&context.platform.base_image) {
        Ok(Some(image)) => Finding::ok(short_id(&image)),
        Ok(None) => Finding::missing("not in the engine"),
        Err(finding) => finding,
    }
}

/// Pulls the base image where its registry can be reached. Otherwise makes it with debootstrap.
pub(crate) fn ensure(context: &Context) -> anyhow::Result<()> {
    let image = &context.platform.base_image;
    // Builds use the pin, whichever image the tag names by now.
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
    interrupt::check()?;
    if reachable {
        context.report.step(&format!("pull {wanted}"));
        Cmd::new("docker")
            .args(["pull", "--platform", &context.platform.platform, &wanted])
            .timeout(PULL_BOUND)
            .run(&context.report, "docker")?;
        // An image that is pulled by digest does not get its tag.
        if wanted != *image {
            Cmd::new("docker").args(["tag", &wanted, image]).read()?;
        }
        return Ok(());
    }
    let suite = sources::suite_of_image(image).ok_or_else(|| {
        Failure::new(
            Code::Prerequisite,
            format!("{image} cannot be pulled, and only images of Debian can be made here"),
        )
        .hint(format!("docker pull {image}"))
    })?;
    context.report.step(&format!(
        "its registry does not answer: make {image} with debootstrap (about 30 s)"
    ));
    let folder = paths::state()?.join("base-image");
    remove_folder(&folder)?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let made = make_base(context, suite, &folder);
    // A failure of the work says more than one of its clean-up.
    let removed = remove_folder(&folder);
    made.and(removed)
}

fn make_base(context: &Context, suite: &str, folder: &Path) -> anyhow::Result<()> {
    if !debian_packages::is_root() {
        return Err(Failure::new(
            Code::Prerequisite,
            format!("only root can make {}", context.platform.base_image),
        )
        .hint(format!("docker pull {}", context.platform.base_image))
        .into());
    }
    if on_path("debootstrap").is_none() {
        debian_packages::install(context, &["debootstrap"])?;
    }
    let mirror = sources::mirror(suite)?;
    let root = folder.join("rootfs");
    // debootstrap mounts /proc below the new root, and leaves it there when a signal ends it. A
    // mount namespace ends with its last process, whichever way that ends.
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
    // `docker import` would write the present time into the image. Each machine would then have
    // another base image, and other keys.
    build(context, &context.platform.base_image)
        .arg(folder)
        .run(&context.report, "base")
}

/// Removes what differs from one installation to the next, and what Debian's slim images leave out.
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
    // These name the machine and its name servers. The engine gives each container its own.
    for file in ["etc/hostname", "etc/resolv.conf"] {
        let _ = std::fs::remove_file(root.join(file));
    }
    // The archive differs from machine to machine, and no image of ours installs anything.
    std::fs::write(root.join("etc/apt/sources.list"), "")?;
    Ok(())
}
