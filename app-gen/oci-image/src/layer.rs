//! The layer of an application: sorted by path, with one owner and one time, so that the same files always
//! give the same bytes.

use crate::digest::Hashing;
use crate::error::Error;
use crate::image::{FOLDER, Image, USER};
use crate::limits::Limits;
use flate2::{Compression, GzBuilder};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use tar::{EntryType, Header};

/// Read and written at once.
const BUFFER_BYTES: usize = 128 * 1024;
/// The field of gzip's header that says which system wrote it: none.
const UNKNOWN_SYSTEM: u8 = 255;

/// A layer, packed into a file without a name. It goes with the value.
#[derive(Debug)]
pub struct Layer {
    file: File,
    /// `sha256:…` of the packed bytes.
    pub digest: String,
    /// `sha256:…` of the archive within.
    pub diff_id: String,
    /// Packed bytes.
    pub size_bytes: u64,
}

/// What is at a path of the layer.
enum Entry<'a> {
    Folder,
    File {
        source: PathBuf,
        size_bytes: u64,
        is_executable: bool,
    },
    Link {
        target: PathBuf,
    },
    Given {
        content: &'a [u8],
    },
}

impl Layer {
    /// Packs an application. It reads and writes files, so it is nothing for a thread of a runtime.
    ///
    /// # Errors
    /// Something in the folder cannot be read, leads out of it, is neither file, folder nor link, or there is
    /// too much of it.
    pub fn pack(image: &Image, limits: &Limits) -> Result<Self, Error> {
        let mut entries = read(&image.folder, limits)?;
        for (path, content) in &image.files {
            give(&mut entries, path, content)?;
        }
        write(&entries, image.modified_secs).map_err(|(path, error)| Error::Folder {
            path: within(&image.folder, &path).display().to_string(),
            reason: error.to_string(),
        })
    }

    /// All packed bytes, to look at them.
    ///
    /// # Errors
    /// The file without a name cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The packed bytes, from the first one on.
    pub(crate) fn open(&self) -> io::Result<File> {
        // Both handles have one position: a layer is sent to one registry at a time.
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }
}

/// All entries of a folder, by path.
fn read<'a>(folder: &Path, limits: &Limits) -> Result<BTreeMap<PathBuf, Entry<'a>>, Error> {
    let mut entries = BTreeMap::new();
    let mut bytes = 0_u64;
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let at = within(folder, &below);
        let failed = |error: io::Error| fault(&at, error.to_string());
        for found in fs::read_dir(&at).map_err(failed)? {
            let path = below.join(found.map_err(failed)?.file_name());
            let (entry, size_bytes) = look(folder, &path)?;
            if matches!(entry, Entry::Folder) {
                folders.push(path.clone());
            }
            bytes = bytes.saturating_add(size_bytes);
            entries.insert(path, entry);
            if entries.len() > limits.entries {
                let most = limits.entries;
                return Err(fault(folder, format!("it has more than {most} entries")));
            }
            if bytes > limits.application_bytes {
                let most = limits.application_bytes;
                return Err(fault(
                    folder,
                    format!("its files have more than {most} bytes"),
                ));
            }
        }
    }
    Ok(entries)
}

/// A path in a folder, or the folder itself, without a slash at its end.
fn within(folder: &Path, path: &Path) -> PathBuf {
    match path.as_os_str().is_empty() {
        true => folder.to_owned(),
        false => folder.join(path),
    }
}

fn fault(path: &Path, reason: String) -> Error {
    Error::Folder {
        path: path.display().to_string(),
        reason,
    }
}

/// What is at a path, and how many bytes its content has.
fn look<'a>(folder: &Path, path: &Path) -> Result<(Entry<'a>, u64), Error> {
    let source = folder.join(path);
    let failed = |error: io::Error| fault(&source, error.to_string());
    let metadata = fs::symlink_metadata(&source).map_err(failed)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Ok((Entry::Folder, 0));
    }
    if kind.is_symlink() {
        let target = fs::read_link(&source).map_err(failed)?;
        return match stays_inside(path, &target) {
            true => Ok((Entry::Link { target }, 0)),
            false => Err(fault(
                &source,
                format!(
                    "it links to {}, which is not in the application",
                    target.display()
                ),
            )),
        };
    }
    if !kind.is_file() {
        let reason = "it is neither a file nor a folder nor a link";
        return Err(fault(&source, reason.to_owned()));
    }
    let size_bytes = metadata.len();
    let entry = Entry::File {
        is_executable: metadata.permissions().mode() & 0o100 != 0,
        source,
        size_bytes,
    };
    Ok((entry, size_bytes))
}

/// Whether a link at a path leads to somewhere in the folder.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let parent = path.parent().unwrap_or(Path::new(""));
    let mut depth = parent.components().count();
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

/// Puts a file at a path, with the folders above it.
fn give<'a>(
    entries: &mut BTreeMap<PathBuf, Entry<'a>>,
    path: &str,
    content: &'a [u8],
) -> Result<(), Error> {
    let path = Path::new(path);
    let is_plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    if path.as_os_str().is_empty() || !path.components().all(is_plain) {
        let reason = "it is no path within the application";
        return Err(fault(path, reason.to_owned()));
    }
    for above in path.ancestors().skip(1) {
        if above.as_os_str().is_empty() {
            break;
        }
        let entry = entries.entry(above.to_owned()).or_insert(Entry::Folder);
        if !matches!(entry, Entry::Folder) {
            let reason = format!("{} is no folder", above.display());
            return Err(fault(path, reason));
        }
    }
    match entries.insert(path.to_owned(), Entry::Given { content }) {
        Some(Entry::Folder) => Err(fault(path, "it is a folder".to_owned())),
        _ => Ok(()),
    }
}

/// Writes the archive. An error comes with the path at which it was met.
fn write(
    entries: &BTreeMap<PathBuf, Entry<'_>>,
    modified_secs: u64,
) -> Result<Layer, (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| (path, error)
    };
    let top = Path::new("");
    let file = tempfile::tempfile().map_err(at(top))?;
    let packed = Hashing::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .write(packed, Compression::new(6));
    let mut archive = tar::Builder::new(Hashing::new(gzip));
    let root = Path::new(FOLDER.trim_start_matches('/'));
    append(&mut archive, root, &Entry::Folder, modified_secs).map_err(at(top))?;
    for (path, entry) in entries {
        append(&mut archive, &root.join(path), entry, modified_secs).map_err(at(path))?;
    }
    let hashing = archive.into_inner().map_err(at(top))?;
    let (gzip, diff_id, _) = hashing.finish();
    let packed = gzip.finish().map_err(at(top))?;
    let (mut buffered, digest, size_bytes) = packed.finish();
    buffered.flush().map_err(at(top))?;
    let file = buffered
        .into_inner()
        .map_err(|error| at(top)(error.into_error()))?;
    Ok(Layer {
        file,
        digest,
        diff_id,
        size_bytes,
    })
}

fn append(
    archive: &mut tar::Builder<impl io::Write>,
    path: &Path,
    entry: &Entry<'_>,
    modified_secs: u64,
) -> io::Result<()> {
    // Paths of packages are often longer than the oldest form of an archive allows.
    let mut header = Header::new_gnu();
    header.set_uid(u64::from(USER));
    header.set_gid(u64::from(USER));
    header.set_mtime(modified_secs);
    header.set_size(0);
    match entry {
        Entry::Folder => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o755);
            archive.append_data(&mut header, path, io::empty())
        }
        Entry::Link { target } => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            archive.append_link(&mut header, path, target)
        }
        Entry::Given { content } => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, *content)
        }
        Entry::File {
            source,
            size_bytes,
            is_executable,
        } => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(if *is_executable { 0o755 } else { 0o644 });
            header.set_size(*size_bytes);
            let file = BufReader::with_capacity(BUFFER_BYTES, File::open(source)?);
            let mut content = file.take(*size_bytes);
            archive.append_data(&mut header, path, &mut content)?;
            match content.limit() {
                0 => Ok(()),
                _ => Err(io::Error::other("it became shorter while it was packed")),
            }
        }
    }
}
