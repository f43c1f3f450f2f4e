//! Files that a person attached. They are in a folder of root's, beside those of agents: whoever is in a cage of
//! an agent can read them, and nobody there can change them. They are no part of the application.

use crate::location::Location;
use crate::workshop::rights::STATE;
use anyhow::{Context as _, Result, ensure};
use app_gen_contract::{Attachment, attachment_name};
use sha2::{Digest as _, Sha256};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where they are.
pub(crate) fn folder() -> PathBuf {
    Path::new(STATE).join("attachments")
}

/// Where an attachment is, by its number.
pub(crate) fn path_of(attachment: &Attachment, number: usize) -> PathBuf {
    folder().join(attachment.file_name(number))
}

/// Gets all attachments of a job from its folder.
///
/// # Errors
/// One of them cannot be read, is not what the person attached, or cannot be written.
pub(crate) async fn place(attachments: &[Attachment], job_folder: &Location) -> Result<()> {
    if attachments.is_empty() {
        return Ok(());
    }
    make_folder(&folder()).await?;
    for (attachment, number) in attachments.iter().zip(1..) {
        let object = job_folder.child(&attachment_name(number));
        let most = usize::try_from(attachment.size_bytes)?;
        let bytes = object.read(most).await?;
        check(attachment, &bytes)?;
        write(&path_of(attachment, number), &bytes).await?;
    }
    Ok(())
}

fn check(attachment: &Attachment, bytes: &[u8]) -> Result<()> {
    let digest = Sha256::digest(bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(
        digest == attachment.sha256,
        "the file {:?} is not the one that was attached",
        attachment.name
    );
    Ok(())
}

async fn make_folder(folder: &Path) -> Result<()> {
    let made = async {
        tokio::fs::create_dir_all(folder).await?;
        // An umask may have taken from the mode.
        tokio::fs::set_permissions(folder, Permissions::from_mode(0o755)).await
    };
    made.await
        .with_context(|| format!("cannot make {}", folder.display()))
}

async fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = async {
        tokio::fs::write(path, bytes).await?;
        tokio::fs::set_permissions(path, Permissions::from_mode(0o644)).await
    };
    written
        .await
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use app_gen_contract::MediaType;

    #[test]
    fn only_what_was_attached_is_taken() {
        let attachment = Attachment {
            name: "a.txt".to_owned(),
            media_type: MediaType::Text,
            size_bytes: 5,
            sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".to_owned(),
        };
        assert!(check(&attachment, b"hello").is_ok());
        let error = check(&attachment, b"other").unwrap_err().to_string();
        assert_eq!(error, "the file \"a.txt\" is not the one that was attached");
        assert_eq!(
            path_of(&attachment, 3),
            Path::new("/state/attachments/3-a.txt")
        );
    }

    #[tokio::test]
    async fn others_may_read_and_nobody_else_writes() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("attachments");
        make_folder(&folder).await.unwrap();
        make_folder(&folder).await.unwrap();
        let path = folder.join("1-a.txt");
        write(&path, b"hello").await.unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o755, 0o644));
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    }
}
