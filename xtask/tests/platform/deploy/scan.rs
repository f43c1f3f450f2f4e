//! Looks for a secret value where none may be.

use crate::common::sh;
use regex::bytes::Regex;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

/// That no file of the folder holds the secret.
pub(crate) fn assert_none_in_folder(secret: &str, folder: &Path) {
    let mut files = 0;
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_file() {
            files += 1;
            assert!(
                !holds(File::open(&path).unwrap(), secret),
                "{}",
                path.display()
            );
        }
    }
    assert!(files > 5, "{} has no templates", folder.display());
}

/// That no layer and no configuration of an image holds the secret.
pub(crate) fn assert_none_in_image(secret: &str, reference: &str) {
    sh!("docker pull --quiet {reference}");
    let folder = tempfile::tempdir().unwrap();
    let mut save = Command::new("docker")
        .args(["save", reference])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let unpacked = Command::new("tar")
        .args(["--extract", "--directory"])
        .arg(folder.path())
        .stdin(save.stdout.take().unwrap())
        .status()
        .unwrap();
    assert!(unpacked.success() && save.wait().unwrap().success());
    let blobs = fs::read_dir(folder.path().join("blobs/sha256")).unwrap();
    let mut read = 0;
    for blob in blobs {
        let path = blob.unwrap().path();
        read += 1;
        let compressed = fs::read(&path).unwrap().starts_with(&[0x1f, 0x8b]);
        let found = if compressed {
            let mut gunzip = Command::new("gzip")
                .args(["--decompress", "--stdout"])
                .stdin(File::open(&path).unwrap())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let found = holds(gunzip.stdout.take().unwrap(), secret);
            gunzip.wait().unwrap();
            found
        } else {
            holds(File::open(&path).unwrap(), secret)
        };
        assert!(!found, "{reference}: {}", path.display());
    }
    assert!(read >= 3, "{reference} has no layers");
}

/// Whether a stream holds the text, also across the ends of what is read at once.
fn holds(stream: impl Read, text: &str) -> bool {
    // Optimised also where this test is not: layers are long.
    let wanted = Regex::new(&regex::escape(text)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut window = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        if count == 0 {
            return false;
        }
        window.extend_from_slice(&buffer[..count]);
        if wanted.is_match(&window) {
            return true;
        }
        let keep = window.len().saturating_sub(text.len() - 1);
        window.drain(..keep);
    }
}

#[test]
fn a_text_is_found_across_the_ends_of_what_is_read() {
    let stream = [&[b'x'; (1 << 20) - 3], &b"needle"[..]].concat();
    assert!(holds(&stream[..], "needle"));
    assert!(!holds(&stream[..], "noodle"));
}
