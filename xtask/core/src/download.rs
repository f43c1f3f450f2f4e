//! Downloads of files whose SHA-256 is known before. They are bounded by their size, go on where they
//! broke off, also in a later command, and are never believed to be what their name says.

use crate::error::{Code, Failure};
use crate::http;
use crate::interrupt;
use crate::lock::Lock;
use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::time::Duration;

/// One request. What it did not bring, the next one does.
const REQUEST_BOUND: Duration = Duration::from_secs(300);
/// How long a server may be silent.
const SILENCE_BOUND: Duration = Duration::from_secs(30);
/// How often a server may bring nothing before the download is given up.
const VAIN_REQUESTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
const BUFFER_BYTES: usize = 128 * 1024;

/// A file that is known before it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its SHA-256, 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
}

impl Known {
    /// Whether the file at the path is this one, byte by byte.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let Ok(file) = File::open(path) else {
            return false;
        };
        let size_bytes = file.metadata().map_or(0, |metadata| metadata.len());
        size_bytes == self.size_bytes && digest(file).is_ok_and(|found| found == self.sha256)
    }
}

/// Brings the file from `url` to `path`, unless it is there. A file at the path that is another one,
/// or damaged, is replaced. `on_start` is called before the first request; several commands that want
/// the same file send one.
///
/// # Errors
/// The server does not answer or has another file, the disk is full, or a signal interrupts.
pub fn bring(url: &str, known: &Known, path: &Path, on_start: impl FnOnce()) -> anyhow::Result<()> {
    if known.is_at(path) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
    }
    let lock_path = path.with_added_extension("lock");
    let _lock = Lock::wait(&lock_path, |_| {})?.removed_at_its_end(lock_path);
    // Whoever held the lock may have brought it.
    if known.is_at(path) {
        return Ok(());
    }
    on_start();
    let partial = path.with_added_extension("partial");
    fetch(url, known, &partial)?;
    fs::rename(&partial, path).with_context(|| format!("failed to write {}", path.display()))
}

/// Completes the partial file.
fn fetch(url: &str, known: &Known, partial: &Path) -> anyhow::Result<()> {
    let mut vain = 0;
    loop {
        let before = size(partial);
        let request = {
            let (url, partial, wanted) = (url.to_owned(), partial.to_owned(), known.size_bytes);
            move || request(&url, wanted, &partial)
        };
        let error = match interrupt::abandon(request)? {
            Ok(()) if known.is_at(partial) => return Ok(()),
            Ok(()) if size(partial) < known.size_bytes => None,
            Ok(()) => {
                fs::remove_file(partial)?;
                // What was there before may have been of another file.
                if before == 0 {
                    return Err(other_file(url, known));
                }
                None
            }
            Err(error) => Some(error),
        };
        vain = if size(partial) > before { 0 } else { vain + 1 };
        if vain >= VAIN_REQUESTS {
            let error = error.unwrap_or_else(|| anyhow::anyhow!("the answer ended early"));
            return Err(error.context(format!("failed to download {url}")));
        }
        if vain > 0 {
            interrupt::sleep(PAUSE)?;
        }
    }
}

fn other_file(url: &str, known: &Known) -> anyhow::Error {
    let message = format!(
        "{url} is not the file with SHA-256 {} and {} bytes",
        known.sha256, known.size_bytes
    );
    Failure::new(Code::Service, message).into()
}

/// Sends one request for what the partial file lacks, and appends the answer.
fn request(url: &str, wanted_bytes: u64, partial: &Path) -> anyhow::Result<()> {
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(partial)
        .with_context(|| format!("failed to write {}", partial.display()))?;
    let mut present = file.seek(io::SeekFrom::End(0))?;
    if present >= wanted_bytes {
        file.set_len(0)?;
        present = 0;
    }
    let agent: ureq::Agent = http::config(url, REQUEST_BOUND)
        .timeout_per_read(Some(SILENCE_BOUND))
        .build()
        .into();
    // The size and the digest are those of the file as it is.
    let mut request = agent.get(url).header("Accept-Encoding", "identity");
    if present > 0 {
        request = request.header("Range", format!("bytes={present}-"));
    }
    let answer = request.call()?;
    match answer.status().as_u16() {
        206 if present > 0 => {}
        // The server does not know of ranges.
        200 => {
            file.set_len(0)?;
            present = 0;
        }
        416 => {
            file.set_len(0)?;
            anyhow::bail!("the server has fewer bytes than were there");
        }
        status => anyhow::bail!("the server answers with status {status}"),
    }
    // One byte more than there should be shows that it is another file.
    let most = wanted_bytes - present + 1;
    let mut body = answer.into_body().into_reader().take(most);
    let copied = io::copy(&mut body, &mut file)?;
    ensure!(copied > 0, "the answer is empty");
    Ok(())
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn digest(mut file: File) -> anyhow::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        interrupt::check()?;
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    let mut text = String::new();
    for byte in hasher.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::digest_bytes;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    /// A server of one file that sends at most `piece` bytes of it in an answer, and promises all.
    struct Server {
        url: String,
        /// The first byte that each request asked for.
        seen: Arc<Mutex<Vec<usize>>>,
    }

    impl Server {
        fn of(bytes: Vec<u8>, piece: usize, knows_ranges: bool) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/file", listener.local_addr().unwrap());
            let seen = Arc::new(Mutex::new(Vec::new()));
            let seeing = Arc::clone(&seen);
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                    let start = lines
                        .take_while(|line| !line.is_empty())
                        .filter_map(|line| {
                            let range = line.to_lowercase();
                            let range = range.strip_prefix("range: bytes=")?;
                            range.trim_end_matches('-').parse().ok()
                        })
                        .last()
                        .unwrap_or(0);
                    seeing.lock().unwrap().push(start);
                    let (status, start) = match start {
                        0 => ("200 OK", 0),
                        _ if !knows_ranges => ("200 OK", 0),
                        _ if start >= bytes.len() => ("416 Range Not Satisfiable", bytes.len()),
                        _ => ("206 Partial Content", start),
                    };
                    let rest = &bytes[start..];
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        rest.len()
                    );
                    let _ = stream.write_all(head.as_bytes());
                    let _ = stream.write_all(&rest[..piece.min(rest.len())]);
                }
            });
            Self { url, seen }
        }

        fn seen(&self) -> Vec<usize> {
            std::mem::take(&mut *self.seen.lock().unwrap())
        }
    }

    fn known(bytes: &[u8]) -> Known {
        Known {
            sha256: digest_bytes(bytes),
            size_bytes: bytes.len() as u64,
        }
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file");
        (folder, path)
    }

    #[test]
    fn a_download_goes_on_where_it_broke_off_and_is_not_repeated() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2500).collect();
        let (_folder, path) = place();
        let server = Server::of(bytes.clone(), 1000, true);
        bring(&server.url, &known(&bytes), &path, || {}).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(server.seen(), [0, 1000, 2000]);
        bring(&server.url, &known(&bytes), &path, || panic!("asked again")).unwrap();
        // A damaged file is replaced, and a command before may have left a part.
        fs::write(&path, "damaged").unwrap();
        fs::write(path.with_added_extension("partial"), &bytes[..1700]).unwrap();
        bring(&server.url, &known(&bytes), &path, || {}).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(server.seen(), [1700]);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_part_of_another_file_does_not_last() {
        let bytes = b"what is wanted".to_vec();
        for knows_ranges in [true, false] {
            let (_folder, path) = place();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            for part in ["other", "other, and longer than what is wanted"] {
                fs::write(path.with_added_extension("partial"), part).unwrap();
                let server = Server::of(bytes.clone(), 1000, knows_ranges);
                bring(&server.url, &known(&bytes), &path, || {}).unwrap();
                assert_eq!(fs::read(&path).unwrap(), bytes, "{part}");
                fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn another_file_is_refused_and_not_kept() {
        let (_folder, path) = place();
        for other in [&b"another"[..], b"wanter", b"wanted and more"] {
            let server = Server::of(other.to_vec(), 1000, true);
            let error = bring(&server.url, &known(b"wanted"), &path, || {}).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains("is not the file with SHA-256"), "{text}");
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_server_that_brings_nothing_is_given_up() {
        let (_folder, path) = place();
        let server = Server::of(b"wanted".to_vec(), 0, true);
        let error = bring(&server.url, &known(b"wanted"), &path, || {}).unwrap_err();
        assert!(format!("{error:#}").starts_with("failed to download http://127.0.0.1"));
        assert_eq!(server.seen().len(), VAIN_REQUESTS as usize);
    }
}
