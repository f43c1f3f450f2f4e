//! Puts files into a folder of agents. A process in the cage writes them: whoever writes into a folder of
//! somebody else can be led elsewhere by its links.

use crate::workshop::command::{self, Variables};
use crate::workshop::snapshot::Snapshot;
use anyhow::{Context as _, Result, bail, ensure};
use app_gen_cage::{Cage, Ended};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long the removal of an application with its packages may take.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(120);

/// Empties the cage's workspace.
///
/// # Errors
/// Something cannot be removed.
pub(crate) async fn clear(cage: &Cage) -> Result<()> {
    let arguments = [".", "-mindepth", "1", "-delete"];
    let ran = command::run(
        cage,
        "find",
        &arguments,
        &Variables::default(),
        CLEAR_TIMEOUT,
    )
    .await
    .context("find does not start")?;
    ensure!(
        ran.ended == Ended::Code(0),
        "the workspace cannot be emptied ({:?}): {}",
        ran.ended,
        ran.output.trim()
    );
    Ok(())
}

/// Writes the files of a snapshot below the cage's workspace, in the place of what is there under their
/// names. Other files stay.
///
/// # Errors
/// They cannot be written: the disk is full, for example.
pub(crate) async fn fill(cage: &Cage, snapshot: &Snapshot) -> Result<()> {
    let archive = snapshot.to_tar().context("cannot pack the files")?;
    let mut tar = Command::from(cage.command("tar")?);
    tar.args([
        "--extract",
        "--file=-",
        "--unlink-first",
        "--recursive-unlink",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::null())
    .stderr(Stdio::piped());
    let mut child = tar.spawn().context("tar does not start")?;
    let mut stdin = child.stdin.take().context("tar has no input")?;
    let write = async {
        // One that ends early says why on its standard error.
        let _ = stdin.write_all(&archive).await;
        drop(stdin);
    };
    let (_, output) = tokio::join!(write, child.wait_with_output());
    let output = output.context("tar was lost")?;
    match Ended::of(output.status) {
        Ended::Code(0) => Ok(()),
        ended => {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!(
                "the files cannot be written to the workspace ({ended:?}): {}",
                errors.trim()
            )
        }
    }
}
