//! Files of this machine that belong to what is asked of a job: they are uploaded before it.

use anyhow::Context as _;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use xtask_core::error::{Code, Failure};
use xtask_operate::product::{Product, encoded};

/// No orchestrator takes a file that is larger; most take less.
const READ_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
pub(super) struct Attached {
    /// A file that belongs to the description: text, or an image (PNG, JPEG, WebP, GIF); may be repeated
    #[arg(long = "attach", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Attached {
    /// Uploads the files and names them in the body of a request for a job.
    ///
    /// # Errors
    /// One of them cannot be read, or is refused.
    pub(super) fn upload(&self, product: &Product, body: &mut Value) -> anyhow::Result<()> {
        // All are read first: nothing is uploaded for a job that cannot be asked for.
        let files: Vec<(&str, Vec<u8>)> = self
            .files
            .iter()
            .map(|path| read(path))
            .collect::<anyhow::Result<_>>()?;
        let mut ids = Vec::new();
        for (name, bytes) in files {
            let path = format!("/api/attachments?name={}", encoded(name));
            let uploaded = product
                .upload(&path, bytes)
                .with_context(|| format!("{name} cannot be attached"))?;
            ids.push(uploaded["id"].clone());
        }
        body["attachments"] = json!(ids);
        Ok(())
    }
}

/// A file with its name.
fn read(path: &Path) -> anyhow::Result<(&str, Vec<u8>)> {
    let refuse = |why: String| {
        Failure::new(
            Code::Usage,
            format!("{} cannot be attached: {why}", path.display()),
        )
    };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| refuse("its name is not UTF-8".to_owned()))?;
    let facts = path.metadata().map_err(|error| refuse(error.to_string()))?;
    // A pipe would be waited for.
    if !facts.is_file() {
        return Err(refuse("it is no file".to_owned()).into());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(|error| refuse(error.to_string()))?
        .take(READ_LIMIT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(error.to_string()))?;
    if bytes.len() as u64 > READ_LIMIT_BYTES {
        return Err(refuse(format!("it has more than {READ_LIMIT_BYTES} bytes")).into());
    }
    Ok((name, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.md");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap(), ("notes.md", b"text".to_vec()));
        let refusal = |path: &Path| read(path).unwrap_err().to_string();
        assert!(refusal(folder.path()).ends_with("it is no file"));
        let missing = refusal(&folder.path().join("none"));
        assert!(missing.contains("none cannot be attached"), "{missing}");
        let large = folder.path().join("large");
        File::create(&large)
            .unwrap()
            .set_len(READ_LIMIT_BYTES + 1)
            .unwrap();
        assert!(refusal(&large).ends_with("it has more than 16777216 bytes"));
    }
}
