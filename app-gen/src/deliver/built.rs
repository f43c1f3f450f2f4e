//! The built application with what it needs at run time: made once in a cage, and kept in a checkpoint, so that
//! an attempt that follows a kill delivers the very same files.

use crate::checks::checked::{Checked, Found};
use crate::checks::npm;
use crate::checks::subject::Subject;
use crate::deliver::Work;
use crate::failure::Failure;
use crate::workshop::command::{Variables, run};
use crate::workshop::repository::Repository;
use crate::workshop::snapshot::Snapshot;
use crate::workshop::{Rights, Workshop, clear, fill};
use anyhow::{Context as _, Result, bail, ensure};
use app_gen_cage::{Cage, Ended};
use app_gen_contract::{Body, CheckpointId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path};
use std::time::{Duration, Instant};

/// Names below the checkpoint's folder. The index is written last.
const ARCHIVE: &str = "built.tar";
const INDEX: &str = "built.json";
const MAX_INDEX_BYTES: usize = 4 * 1024;
/// The most that a built application takes.
const MAX_ARCHIVE_BYTES: usize = 384 * 1024 * 1024;
/// How long the removal of what only a build needs may take.
const PRUNE: Duration = Duration::from_secs(120);

/// Programs of packages are links, and no link leaves a cage: a script that starts the program takes its place.
const WITHOUT_LINKS: &str = r#"set -eu
find . -path '*/node_modules/.bin/*' -type l -print0 | while IFS= read -r -d '' link; do
  program=$(readlink "$link")
  rm "$link"
  printf '#!/bin/sh\nexec "${0%%/*}/%s" "$@"\n' "$program" > "$link"
  chmod 755 "$link"
done
find . -type l -delete"#;

/// What a checkpoint says of the archive beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Index {
    commit: String,
    /// Of the archive, in lower-case hexadecimal.
    sha256: String,
}

/// Puts the built application of the version into a folder that does not exist yet: the one that an attempt
/// before kept, or a new one.
pub(super) async fn provide(
    work: &Work<'_>,
    repository: &Repository,
    rights: Rights,
    folder: &Path,
) -> Result<(), Failure> {
    let archive = match work.spec.attempt.checkpoint {
        Some(id) => kept(work, id).await?,
        None => {
            let archive = make(work, repository, rights).await?;
            keep(work, &archive).await?;
            archive
        }
    };
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || unpack(&archive, &folder))
        .await
        .context("unpacking did not finish")??;
    Ok(())
}

/// What an attempt before built.
async fn kept(work: &Work<'_>, id: CheckpointId) -> Result<Vec<u8>> {
    let of = |name: &str| work.folder.child(&format!("{}/{name}", id.folder()));
    let text = of(INDEX).read(MAX_INDEX_BYTES).await?;
    let index: Index =
        serde_json::from_slice(&text).context("the checkpoint is not one of this version")?;
    let archive = of(ARCHIVE).read(MAX_ARCHIVE_BYTES).await?;
    ensure!(
        index.commit == work.start.commit && index.sha256 == digest(&archive),
        "the built application is not the one that the checkpoint names"
    );
    Ok(archive)
}

/// Keeps it for attempts that follow.
async fn keep(work: &Work<'_>, archive: &[u8]) -> Result<()> {
    let (attempt, number) = (work.spec.attempt.number, 1);
    let id = CheckpointId { attempt, number };
    let of = |name: &str| work.folder.child(&format!("{}/{name}", id.folder()));
    let index = Index {
        commit: work.start.commit.clone(),
        sha256: digest(archive),
    };
    of(ARCHIVE).write(archive.to_vec()).await?;
    of(INDEX).write(serde_json::to_vec(&index)?).await?;
    let commit = index.commit;
    work.emitter.emit(Body::Checkpoint { number, commit }).await;
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Installs and builds the version in a cage, as its checks did, and takes what runs.
async fn make(
    work: &Work<'_>,
    repository: &Repository,
    rights: Rights,
) -> Result<Vec<u8>, Failure> {
    if let Rights::Plain(reason) = &rights {
        return Err(Failure::job(
            format!(
                "the application cannot be built here, because its commands run in a cage: {reason}"
            ),
            "deliver it from an environment whose generators are containers: cargo xtask deploy",
        ));
    }
    let lookup = |name: &str| std::env::var(name).ok();
    let (workshop, _) = Workshop::open(rights, &lookup, work.spec).await?;
    let snapshot = repository.snapshot(&work.start.commit).await?;
    let cage = workshop.inspection();
    clear(&cage).await?;
    fill(&cage, &snapshot).await?;
    let packages_url = workshop.packages_url();
    let subject = Subject {
        cage: &cage,
        packages_url: &packages_url,
        snapshot: &snapshot,
        before: None,
        criteria: &[],
    };
    let began = Instant::now();
    let installed = npm::install(&subject).await?;
    proven(work, "install", installed, began).await?;
    let began = Instant::now();
    let built = npm::build(&subject).await?;
    proven(work, "build", built, began).await?;
    let variables = subject.variables();
    tidy(&cage, "npm", &["prune", "--omit=dev"], &variables).await?;
    tidy(&cage, "bash", &["-c", WITHOUT_LINKS], &Variables::default()).await?;
    let built = Snapshot::read_built(&cage).await?.map_err(|refused| {
        Failure::job(
            format!("the built application cannot be delivered: {refused}"),
            "ask for a change that makes it smaller, or that leaves out what is no plain file",
        )
    })?;
    Ok(tokio::task::spawn_blocking(move || built.to_tar())
        .await
        .context("packing did not finish")??)
}

/// Tells what a step came to.
///
/// # Errors
/// It failed.
async fn proven(
    work: &Work<'_>,
    name: &'static str,
    found: Found,
    began: Instant,
) -> Result<(), Failure> {
    let why = match &found {
        Found::Bad(why) => Some(why.clone()),
        Found::Good(_) | Found::Skipped(_) => None,
    };
    let checked = Checked::new(name, found, began);
    work.emitter.emit(checked.to_body()).await;
    match why {
        None => Ok(()),
        Some(why) => Err(Failure::job(
            format!("the version cannot be built: {why}"),
            "deliver a version whose checks passed, or ask for a change that mends it",
        )),
    }
}

async fn tidy(cage: &Cage, program: &str, arguments: &[&str], variables: &Variables) -> Result<()> {
    let ran = run(cage, program, arguments, variables, PRUNE)
        .await
        .with_context(|| format!("{program} does not start"))?;
    ensure!(
        ran.ended == Ended::Code(0),
        "{program} {} ended with {:?}: {}",
        arguments.first().copied().unwrap_or_default(),
        ran.ended,
        ran.output.trim()
    );
    Ok(())
}

/// Writes the files of an archive below a folder, and nothing beside it.
fn unpack(archive: &[u8], folder: &Path) -> Result<()> {
    for (path, file) in Snapshot::from_built_tar(archive)?.files {
        let path = Path::new(&path);
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !path.components().all(is_plain) {
            bail!("the built application has the path {}", path.display());
        }
        let place = folder.join(path);
        let parent = place.parent().context("a file has no folder")?;
        fs::create_dir_all(parent)?;
        fs::write(&place, &file.content)
            .with_context(|| format!("{} cannot be written", place.display()))?;
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::snapshot::tests::snapshot;

    #[test]
    fn an_archive_comes_back_as_files_and_leaves_its_folder_never() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("built");
        let mut built = snapshot(&[("dist/index.html", "<p>"), ("server.js", "x")]);
        built.files.get_mut("server.js").unwrap().is_executable = true;
        unpack(&built.to_tar().unwrap(), &place).unwrap();
        assert_eq!(
            fs::read_to_string(place.join("dist/index.html")).unwrap(),
            "<p>"
        );
        let mode = |name: &str| {
            let metadata = fs::metadata(place.join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!((mode("server.js"), mode("dist/index.html")), (0o755, 0o644));

        // `tar` itself writes no such path, so the header is made by hand.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(0);
        header.set_mode(0o600);
        header.as_gnu_mut().unwrap().name[..8].copy_from_slice(b"../above");
        header.set_cksum();
        let mut archive = tar::Builder::new(Vec::new());
        archive.append(&header, std::io::empty()).unwrap();
        let refused = unpack(&archive.into_inner().unwrap(), &place).unwrap_err();
        assert!(refused.to_string().contains("../above"), "{refused:#}");
        assert!(!folder.path().join("above").exists());
    }
}
