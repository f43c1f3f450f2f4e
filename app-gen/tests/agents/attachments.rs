//! Files that a person attached: agents read them, and nobody but the person changes them.

use crate::support::Job;
use app_gen_contract::{Attachment, MediaType, attachment_name};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const PLANTS: &str = "Fern, likes shade\nCactus, likes sun\n";
const SKETCH: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A job with both files.
fn with_attachments(provider: &str) -> Job {
    let mut job = Job::create(provider, "attachments");
    let files = [
        ("plants.md", MediaType::Text, PLANTS.as_bytes()),
        ("sketch.png", MediaType::Png, SKETCH),
    ];
    for ((name, media_type, bytes), number) in files.into_iter().zip(1..) {
        job.put(&attachment_name(number), bytes);
        job.spec.attachments.push(Attachment {
            name: name.to_owned(),
            media_type,
            size_bytes: u64::try_from(bytes.len()).unwrap(),
            sha256: sha256(bytes),
        });
    }
    job
}

fn are_read_by(provider: &str) {
    let mut job = with_attachments(provider);
    assert_eq!(job.attempt(), Some(0), "{:?}", job.ending());
    job.check();
    let made: BTreeMap<String, String> = job.application().into_iter().collect();
    assert_eq!(made["PLANTS.md"], PLANTS);
    assert_eq!(made["sketch.sha256"], format!("{}  -\n", sha256(SKETCH)));
    assert_eq!(made["attached.txt"], "unchanged\n");
    let outside = made.keys().find(|path| path.contains("attachments"));
    assert_eq!(outside, None, "they are no part of the application");
}

#[test]
fn claude_code_reads_what_was_attached() {
    are_read_by("claude");
}

#[test]
fn codex_reads_what_was_attached() {
    are_read_by("codex");
}

#[test]
fn a_file_that_is_not_the_one_that_was_attached_reaches_no_agent() {
    let mut job = with_attachments("claude");
    job.put(&attachment_name(2), &SKETCH.to_ascii_lowercase());
    assert_eq!(job.attempt(), Some(1));
    assert_eq!(
        job.reason(),
        "the files that were attached cannot be taken up: \
         the file \"sketch.png\" is not the one that was attached"
    );
}
