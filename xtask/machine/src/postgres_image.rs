//! The image of PostgreSQL for the compose project and for the local cloud. It is built from
//! Debian's packages, because not every machine can pull one.

use crate::engine_images::{build, inspect, short_id};
use crate::finding::Finding;
use anyhow::Context as _;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_image::debian::sources;

/// The name of the image. Its user and database are `app`, its port is 5432; it asks for no
/// password, and SIGTERM stops it fast.
pub const NAME: &str = "app-gen-postgres:17";
/// What the image is made from, relative to the checkout.
const FOLDER: &str = "ci/postgres";
const FILES: &[&str] = &["Dockerfile", "entrypoint.sh"];
/// The label that says which state of the files the image was made from.
const INPUTS_LABEL: &str = "app-gen.inputs";

/// Whether the engine has the image, made from the files as they are now.
pub(crate) fn probe(context: &Context) -> Finding {
    let wanted = match inputs(context) {
        Ok(wanted) => wanted,
        Err(error) => return Finding::missing(format!("{error:#}")),
    };
    match inspect(NAME) {
        Ok(Some(image)) if image["Config"]["Labels"][INPUTS_LABEL] == *wanted => {
            Finding::ok(short_id(&image))
        }
        Ok(Some(_)) => Finding::missing(format!("made from other files than {FOLDER} has now")),
        Ok(None) => Finding::missing("not in the engine"),
        Err(finding) => finding,
    }
}

/// Builds the image.
pub(crate) fn ensure(context: &Context) -> anyhow::Result<()> {
    context
        .report
        .step(&format!("build {NAME} from Debian's packages"));
    let sources = match sources::suite_of_image(&context.platform.base_image) {
        Some(suite) => sources::for_container(suite)?,
        None => String::new(),
    };
    build(context, NAME)
        .arg("--build-arg")
        .arg(format!("APT_SOURCES={sources}"))
        .arg("--label")
        .arg(format!("{INPUTS_LABEL}={}", inputs(context)?))
        .arg("-")
        .stdin(build_context(context)?)
        .run(&context.report, "postgres")
}

/// Distinguishes one state of the image's files from another.
fn inputs(context: &Context) -> anyhow::Result<String> {
    let mut bytes = build_context(context)?;
    bytes.extend_from_slice(context.platform.base_image.as_bytes());
    Ok(digest_bytes(&bytes)[..16].to_owned())
}

/// The build context as a tar. When BuildKit reads a folder itself, it may use the old bytes of a
/// file whose size and time did not change.
fn build_context(context: &Context) -> anyhow::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for name in FILES {
        let path = context.root.join(FOLDER).join(name);
        let bytes =
            std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    Ok(archive.into_inner()?)
}
