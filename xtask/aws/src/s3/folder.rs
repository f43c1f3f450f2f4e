//! Folders of objects: copied to files and back, a few objects side by side.

use crate::error::{CloudError, Kind};
use crate::s3::{ObjectUri, S3};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use xtask_aws_api::calls::s3::FolderCopied;

/// Objects that are copied side by side.
const COPIES: usize = 8;

/// For the body of one object, which the other bounds of the SDK are too short for.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// An object of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The end of its key, behind the folder's.
    name: String,
    size_bytes: u64,
}

impl S3 {
    /// Writes the objects of a folder below `to`.
    ///
    /// # Errors
    /// A call fails, a file cannot be written, or a name would lead out of the folder.
    pub(crate) async fn download_folder(
        &self,
        folder: &ObjectUri,
        to: &Path,
    ) -> Result<FolderCopied, CloudError> {
        let mut copied = FolderCopied::default();
        let mut next = None;
        loop {
            let (entries, token) = self.page(folder, next).await?;
            let copies = entries.into_iter().map(|entry| {
                let (s3, uri) = (self.clone(), within(folder, &entry.name));
                let path = inside(to, &entry.name);
                async move {
                    let path = path?;
                    make_parent(&path).await?;
                    s3.download(&uri, &path).await
                }
            });
            side_by_side(copies, &mut copied).await?;
            if token.is_none() {
                return Ok(copied);
            }
            next = token;
        }
    }

    /// Writes the files below `from` to objects of the folder, `last` after all others. Objects with the size of
    /// their file stay as they are.
    ///
    /// # Errors
    /// A call fails, or a file cannot be read.
    pub(crate) async fn upload_folder(
        &self,
        from: &Path,
        folder: &ObjectUri,
        last: &str,
    ) -> Result<FolderCopied, CloudError> {
        let unreadable = |error: std::io::Error| {
            CloudError::new(Kind::Usage, format!("{}: {error}", from.display()))
        };
        let mut files = files_below(from).map_err(unreadable)?;
        let end = files.iter().position(|entry| entry.name == last);
        let end = end.map(|place| files.remove(place));
        let mut copied = FolderCopied::default();
        for entries in [files, Vec::from_iter(end)] {
            let copies = entries.into_iter().map(|entry| {
                let (s3, uri) = (self.clone(), within(folder, &entry.name));
                let path = from.join(&entry.name);
                async move { s3.upload(&path, entry.size_bytes, &uri).await }
            });
            side_by_side(copies, &mut copied).await?;
        }
        Ok(copied)
    }

    /// The names of the folders in a folder.
    ///
    /// # Errors
    /// A call fails.
    pub(crate) async fn folders(&self, folder: &ObjectUri) -> Result<Vec<String>, CloudError> {
        let action = format!("s3 ListObjectsV2 s3://{}/{}", folder.bucket, folder.key);
        let prefix = format!("{}/", folder.key);
        let (mut names, mut next) = (Vec::new(), None);
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&folder.bucket)
                .prefix(&prefix)
                .delimiter("/")
                .set_continuation_token(next)
                .send()
                .await
                .map_err(|error| CloudError::from_sdk(&action, error))?;
            let found = page.common_prefixes().iter();
            let found = found.filter_map(|found| found.prefix()?.strip_prefix(&prefix));
            names.extend(found.map(|name| name.trim_end_matches('/').to_owned()));
            next = page.next_continuation_token;
            if next.is_none() {
                names.sort();
                return Ok(names);
            }
        }
    }

    async fn page(
        &self,
        folder: &ObjectUri,
        next: Option<String>,
    ) -> Result<(Vec<Entry>, Option<String>), CloudError> {
        let action = format!("s3 ListObjectsV2 s3://{}/{}", folder.bucket, folder.key);
        let prefix = format!("{}/", folder.key);
        let page = self
            .client
            .list_objects_v2()
            .bucket(&folder.bucket)
            .prefix(&prefix)
            .set_continuation_token(next)
            .send()
            .await
            .map_err(|error| CloudError::from_sdk(&action, error))?;
        let entries = page.contents().iter().filter_map(|object| {
            Some(Entry {
                name: object.key()?.strip_prefix(&prefix)?.to_owned(),
                size_bytes: u64::try_from(object.size()?).ok()?,
            })
        });
        Ok((entries.collect(), page.next_continuation_token))
    }

    async fn upload(
        &self,
        path: &Path,
        size_bytes: u64,
        uri: &ObjectUri,
    ) -> Result<u64, CloudError> {
        let action = format!("s3 PutObject s3://{}/{}", uri.bucket, uri.key);
        if self.size(uri).await? == Some(size_bytes) {
            return Ok(size_bytes);
        }
        let body = ByteStream::from_path(path).await.map_err(|error| {
            CloudError::new(Kind::Usage, format!("{}: {error}", path.display()))
        })?;
        let bounds = TimeoutConfig::builder()
            .operation_timeout(UPLOAD_TIMEOUT)
            .operation_attempt_timeout(UPLOAD_TIMEOUT)
            .build();
        let bounds = aws_sdk_s3::config::Builder::new().timeout_config(bounds);
        self.client
            .put_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .body(body)
            .customize()
            .config_override(bounds)
            .send()
            .await
            .map(|_| size_bytes)
            .map_err(|error| CloudError::from_sdk(&action, error))
    }

    /// The size of an object; `None` where there is none.
    async fn size(&self, uri: &ObjectUri) -> Result<Option<u64>, CloudError> {
        let action = format!("s3 HeadObject s3://{}/{}", uri.bucket, uri.key);
        let head = self.client.head_object().bucket(&uri.bucket).key(&uri.key);
        match head.send().await {
            Ok(head) => Ok(head
                .content_length()
                .and_then(|size| u64::try_from(size).ok())),
            Err(error) => match CloudError::from_sdk(&action, error) {
                error if error.kind == Kind::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }
}

/// Runs copies, each of which answers with the size of its object. The first that fails ends the others.
async fn side_by_side<Work>(
    copies: impl Iterator<Item = Work>,
    copied: &mut FolderCopied,
) -> Result<(), CloudError>
where
    Work: Future<Output = Result<u64, CloudError>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut add = |ended: Result<Result<u64, CloudError>, JoinError>| -> Result<(), CloudError> {
        let ended = ended.map_err(|error| CloudError::new(Kind::Service, error.to_string()))?;
        copied.objects += 1;
        copied.size_bytes += ended?;
        Ok(())
    };
    for copy in copies {
        if running.len() == COPIES
            && let Some(ended) = running.join_next().await
        {
            add(ended)?;
        }
        running.spawn(copy);
    }
    while let Some(ended) = running.join_next().await {
        add(ended)?;
    }
    Ok(())
}

fn within(folder: &ObjectUri, name: &str) -> ObjectUri {
    ObjectUri {
        bucket: folder.bucket.clone(),
        key: format!("{}/{name}", folder.key),
    }
}

/// The path of a name below a folder, which it does not leave.
fn inside(folder: &Path, name: &str) -> Result<PathBuf, CloudError> {
    let is_plain = !name.is_empty()
        && name.split('/').all(|part| !part.is_empty())
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    match is_plain {
        true => Ok(folder.join(name)),
        false => Err(CloudError::new(
            Kind::Service,
            format!("an object is named {name:?}, which is no path of a file"),
        )),
    }
}

async fn make_parent(path: &Path) -> Result<(), CloudError> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    tokio::fs::create_dir_all(parent)
        .await
        .map_err(|error| CloudError::new(Kind::Service, format!("{}: {error}", parent.display())))
}

/// All files below a folder, links left out.
fn files_below(folder: &Path) -> std::io::Result<Vec<Entry>> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else if kind.is_file() {
                files.push(Entry {
                    name,
                    size_bytes: entry.metadata()?.len(),
                });
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = Path::new("/backup");
        let path = inside(folder, "objects/jobs/1/app.zip");
        assert_eq!(
            path.ok(),
            Some(PathBuf::from("/backup/objects/jobs/1/app.zip"))
        );
        for name in ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/"] {
            assert!(inside(folder, name).is_err(), "{name}");
        }
    }

    #[test]
    fn files_have_the_names_of_objects() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("a/b")).expect("folders");
        std::fs::write(folder.path().join("a/b/c"), "123").expect("a file");
        std::fs::write(folder.path().join("d"), "").expect("a file");
        let mut files = files_below(folder.path()).expect("files");
        files.sort_by(|one, other| one.name.cmp(&other.name));
        let entry = |name: &str, size_bytes| Entry {
            name: name.to_owned(),
            size_bytes,
        };
        assert_eq!(files, [entry("a/b/c", 3), entry("d", 0)]);
    }
}
