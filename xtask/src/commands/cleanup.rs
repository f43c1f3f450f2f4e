//! `cargo xtask cleanup`: removes what killed commands left, and nothing else.

use crate::commands::command::{Answer, Changes, Command};
use rustix::process::Pid;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::lock;
use xtask_core::marked;
use xtask_core::paths;
use xtask_image::build::{key_lock, prebuild};
use xtask_operate::deploy::environment_lock;
use xtask_operate::prune::engine_images;
use xtask_operate::secrets;
use xtask_operate::validation::{cloud_parts, compose};

/// How long a running `dev` or `validate` may take to end by itself.
const HOLDER_GRACE: Duration = Duration::from_secs(30);

/// Remove what killed commands left: containers, processes, secret files
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also remove the images and caches of this checkout
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Default, Serialize)]
struct Cleaned {
    removed: Vec<String>,
    skipped: Vec<String>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer = Answer::Object(r#"`{"removed":[TEXT],"skipped":[TEXT]}`"#);
    // It lists the files that it removes.
    const SWEEPS_SECRETS: bool = false;

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let mut cleaned = clean(context)?;
        if self.all {
            remove_images_and_caches(context, &mut cleaned)?;
        }
        context.report.result(&cleaned, &text(&cleaned))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn clean(context: &Context) -> anyhow::Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    if lock::end_holder(&context.work_folder().join("dev.lock"), HOLDER_GRACE)? {
        cleaned.removed.push("running `dev`".to_owned());
    }
    let validate = context.state_folder()?.join("locks/validate");
    let of_another = lock::holder(&validate)?.filter(|&pid| !works_in(pid, &context.root));
    if of_another.is_none() && lock::end_holder(&validate, HOLDER_GRACE)? {
        cleaned.removed.push("running `validate`".to_owned());
    }
    let processes = marked::end(&context.work_folder())
        + prebuild::end_leftovers(context)
        + environment_lock::end_leftovers(context)?;
    if processes > 0 {
        cleaned.removed.push(format!("{processes} processes"));
    }
    for file in secrets::file::sweep(context)? {
        cleaned.removed.push(format!("secrets file {file}"));
    }
    if let Some(pid) = of_another {
        // Checkouts share the compose project and the local cloud.
        cleaned.skipped.push(format!(
            "containers and tasks: `validate` of another checkout runs as process {pid}"
        ));
    } else if xtask_docker::engine::answers() {
        for container in compose::containers(context)? {
            cleaned.removed.push(format!("container {container}"));
        }
        compose::down(context)?;
        cleaned
            .removed
            .extend(cloud_parts::remove(&context.in_environment("local")?)?);
    } else {
        cleaned
            .skipped
            .push("containers: the Docker Engine does not answer".to_owned());
    }
    Ok(cleaned)
}

fn text(cleaned: &Cleaned) -> String {
    let mut text = match cleaned.removed.len() {
        0 => "there was nothing to clean up".to_owned(),
        _ => format!("removed\n  {}", cleaned.removed.join("\n  ")),
    };
    if !cleaned.skipped.is_empty() {
        text.push_str(&format!("\nskipped\n  {}", cleaned.skipped.join("\n  ")));
    }
    text
}

/// Whether a process runs in this checkout.
fn works_in(pid: Pid, root: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd"))
        .is_ok_and(|folder| paths::checkout_root(&folder).is_ok_and(|other| other == root))
}

fn remove_images_and_caches(context: &Context, cleaned: &mut Cleaned) -> anyhow::Result<()> {
    // A build would lose what it packs, or the image that it has just made.
    // The locks are in the order in which a build takes them.
    let _no_build = key_lock::hold_all(context, "cleanup")?;
    let _no_compile = prebuild::hold(context, "cleanup")?;
    if xtask_docker::engine::answers() {
        let names = engine_images::our_names(context)?;
        for name in names.unused {
            engine_images::remove_name(&name)?;
            cleaned.removed.push(format!("image {name}"));
        }
        for name in names.used {
            let why = format!("image {name}: a container uses it");
            cleaned.skipped.push(why);
        }
    }
    let caches = [
        "prebuilt",
        "cargo",
        "npm",
        "home",
        "venv",
        "keys",
        "closures",
        "toolchain",
    ]
    .map(|name| context.cache_folder().join(name));
    let written = ["validate", "dev"].map(|name| context.work_folder().join(name));
    for folder in caches.into_iter().chain(written) {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
            cleaned.removed.push(folder.display().to_string());
        }
    }
    Ok(())
}
