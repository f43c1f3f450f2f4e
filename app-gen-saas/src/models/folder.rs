//! Keys in files that nobody else reads: for development, where there is no Secrets Manager.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use app_gen_contract::{MAX_MODEL_KEY_BYTES, ModelKey, ModelProvider};
use uuid::Uuid;

/// Rights of folders and of files: their owner's alone.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A folder with a folder of each tenant.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        make(path)?;
        Ok(Self(path.to_owned()))
    }

    fn of(&self, tenant: &str) -> anyhow::Result<PathBuf> {
        let is_id = !tenant.is_empty()
            && tenant
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        ensure!(is_id, "{tenant:?} is no id of a tenant");
        Ok(self.0.join(tenant))
    }

    fn file(&self, tenant: &str, provider: ModelProvider) -> anyhow::Result<PathBuf> {
        let name = format!("{}.json", provider.as_str());
        Ok(self.of(tenant)?.join(name))
    }

    /// Replaces the file at once: who reads it finds the old key or the new one.
    pub(super) fn write(
        &self,
        tenant: &str,
        provider: ModelProvider,
        key: &ModelKey,
    ) -> anyhow::Result<String> {
        make(&self.of(tenant)?)?;
        let path = self.file(tenant, provider)?;
        let new = path.with_extension(format!("new-{}", Uuid::now_v7().simple()));
        let text = serde_json::to_vec(key).context("the key is no JSON")?;
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(FILE_MODE)
                .open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        if let Err(error) = write() {
            // It may not be there.
            let _ = fs::remove_file(&new);
            return Err(error).with_context(|| format!("failed to write {}", path.display()));
        }
        let place = path.to_str().context("the folder of keys is no text")?;
        Ok(format!("file://{place}"))
    }

    pub(super) fn read(
        &self,
        tenant: &str,
        provider: ModelProvider,
    ) -> anyhow::Result<Option<ModelKey>> {
        let path = self.file(tenant, provider)?;
        let named = || format!("failed to read {}", path.display());
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(named),
        };
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_MODEL_KEY_BYTES)?;
        file.take(limit)
            .read_to_end(&mut bytes)
            .with_context(named)?;
        // What the reader says could quote the key.
        let key = serde_json::from_slice(&bytes).ok();
        Ok(Some(key.with_context(|| {
            format!("{} holds no key", path.display())
        })?))
    }

    /// Removes the file, and the folder of a tenant that has no other.
    pub(super) fn remove(&self, tenant: &str, provider: ModelProvider) -> anyhow::Result<()> {
        let path = self.file(tenant, provider)?;
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("failed to remove {}", path.display()));
            }
        }
        // It is not empty while the tenant has another key.
        let _ = fs::remove_dir(self.of(tenant)?);
        Ok(())
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .with_context(|| format!("failed to create {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_their_owners_alone_and_go_without_a_trace() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(&root.path().join("keys")).unwrap();
        let key = |text: &str| ModelKey {
            key: text.to_owned(),
            base_url: None,
        };
        let (one, other) = (ModelProvider::Anthropic, ModelProvider::OpenAi);
        assert_eq!(folder.read("local", one).unwrap(), None);
        let place = folder.write("local", one, &key("first")).unwrap();
        assert_eq!(folder.write("local", one, &key("second")).unwrap(), place);
        folder.write("local", other, &key("third")).unwrap();
        assert_eq!(folder.read("local", one).unwrap(), Some(key("second")));
        let path = place.strip_prefix("file://").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(Path::new(path)), 0o600);
        assert_eq!(mode(&root.path().join("keys/local")), 0o700);
        folder.remove("local", one).unwrap();
        folder.remove("local", one).unwrap();
        assert_eq!(folder.read("local", one).unwrap(), None);
        folder.remove("local", other).unwrap();
        assert_eq!(fs::read_dir(root.path().join("keys")).unwrap().count(), 0);
        for wrong in ["", "..", "a/b"] {
            assert!(folder.write(wrong, one, &key("x")).is_err(), "{wrong}");
        }
    }
}
