//! Signatures, held against the examples that AWS publishes.

use super::head;
use crate::head::Head;
use crate::sigv4::Signature;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The first of AWS's test suite of signatures.
const VANILLA: &str = "GET / HTTP/1.1\r\nHost: example.amazonaws.com\r\n\
    X-Amz-Date: 20150830T123600Z\r\n\
    Authorization: AWS4-HMAC-SHA256 \
    Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
    SignedHeaders=host;x-amz-date, \
    Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n\r\n";
const VANILLA_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const VANILLA_TIME: u64 = 1_440_938_160;

/// The example of a GET in the documentation of S3.
const OBJECT: &str = "GET /test.txt HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n\
    Range: bytes=0-9\r\n\
    x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n\
    x-amz-date: 20130524T000000Z\r\n\
    Authorization: AWS4-HMAC-SHA256 \
    Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
    SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
    Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n\r\n";
const OBJECT_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const OBJECT_TIME: u64 = 1_369_353_600;

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

fn is_valid(head: &Head, secret: &str, secs: u64) -> bool {
    Signature::of(head).is_ok_and(|signature| signature.verify(head, secret, EMPTY, at(secs)))
}

#[test]
fn the_examples_of_aws_are_valid() {
    assert!(is_valid(&head(VANILLA), VANILLA_SECRET, VANILLA_TIME));
    assert!(is_valid(&head(OBJECT), OBJECT_SECRET, OBJECT_TIME));
}

#[test]
fn a_signature_is_valid_for_a_quarter_of_an_hour_and_with_its_own_secret() {
    let head = head(VANILLA);
    for (secs, valid) in [(0, true), (899, true), (902, false), (86_400, false)] {
        assert_eq!(
            is_valid(&head, VANILLA_SECRET, VANILLA_TIME + secs),
            valid,
            "+{secs}"
        );
        assert_eq!(
            is_valid(&head, VANILLA_SECRET, VANILLA_TIME - secs),
            valid,
            "-{secs}"
        );
    }
    assert!(!is_valid(&head, "", VANILLA_TIME));
    assert!(!is_valid(&head, OBJECT_SECRET, VANILLA_TIME));
}

#[test]
fn every_change_of_what_is_signed_is_noticed() {
    // A header that is not signed may change: it decides nothing.
    for (text, secret, secs) in [
        (VANILLA, VANILLA_SECRET, VANILLA_TIME),
        (OBJECT, OBJECT_SECRET, OBJECT_TIME),
    ] {
        for place in 0..text.len() {
            for sign in ['0', 'a', 'Z', '/', '%', ' ', ';'] {
                let mut changed = text.to_owned();
                changed.replace_range(place..=place, &sign.to_string());
                let Ok(changed_head) = Head::parse(changed.as_bytes()) else {
                    continue;
                };
                // The id is not signed: it says whose secret is tried.
                let parts = |head: &Head| {
                    let mut signature = Signature::of(head).ok()?;
                    signature.id.clear();
                    Some((signature, canonical(head)))
                };
                let same = parts(&changed_head) == parts(&head(text));
                assert_eq!(is_valid(&changed_head, secret, secs), same, "{changed:?}");
            }
        }
    }
}

/// What must not change: everything but the text of `Authorization`, whose parts are compared.
fn canonical(head: &Head) -> (String, String, Vec<(String, String)>) {
    let mut headers: Vec<(String, String)> = head.headers.clone();
    headers.retain(|(name, _)| name != "authorization");
    for (_, value) in &mut headers {
        *value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    (head.method.clone(), head.target.clone(), headers)
}

#[test]
fn a_signature_covers_every_header_that_decides() {
    for line in [
        "X-Amz-Target: Logs.DeleteLogGroup",
        "X-Amz-Copy-Source: a/b",
    ] {
        let added = VANILLA.replace("X-Amz-Date", &format!("{line}\r\nX-Amz-Date"));
        assert!(
            !is_valid(&head(&added), VANILLA_SECRET, VANILLA_TIME),
            "{line}"
        );
    }
    for text in [
        VANILLA.replace("SignedHeaders=host;x-amz-date", "SignedHeaders=host"),
        VANILLA.replace("SignedHeaders=host;x-amz-date", "SignedHeaders=x-amz-date"),
        VANILLA.replace("SignedHeaders", "SignedHeaders=host, SignedHeaders"),
        VANILLA.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        VANILLA.replace("AWS4-HMAC-SHA256 ", "Bearer "),
        VANILLA.replace("Signature=5f", "Signature=5"),
    ] {
        assert!(
            !is_valid(&head(&text), VANILLA_SECRET, VANILLA_TIME),
            "{text:?}"
        );
    }
}
