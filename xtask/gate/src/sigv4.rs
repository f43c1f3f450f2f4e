//! AWS Signature Version 4, as a server checks it: in the header `Authorization`, over the whole
//! request. Signed addresses are not served, because nothing here makes any.

use crate::access::hmac;
use crate::body::hex;
use crate::head::Head;
use crate::refusal::Refusal;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const END: &str = "aws4_request";
/// How far the clocks may be apart, as on AWS.
const SKEW_SECS: u64 = 15 * 60;
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");
/// The header with the digest of the body, or a word that says how the body is covered.
pub(crate) const CONTENT_DIGEST: &str = "x-amz-content-sha256";

/// The signature of a request, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The access key id.
    pub(crate) id: String,
    /// The service that the request is for, such as `s3`.
    pub(crate) service: String,
    date: String,
    region: String,
    headers: Vec<String>,
    tag: Vec<u8>,
}

impl Signature {
    /// The signature that the head carries.
    ///
    /// # Errors
    /// There is none, or it does not cover what decides the meaning of the request.
    pub(crate) fn of(head: &Head) -> Result<Self, Refusal> {
        let text = head.header("authorization").ok_or_else(unsigned)?;
        let parts = text.strip_prefix(ALGORITHM).ok_or_else(unsigned)?;
        let (mut credential, mut headers, mut tag) = (None, None, None);
        for part in parts.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or_else(unsigned)?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut headers,
                "Signature" => &mut tag,
                _ => return Err(unsigned()),
            };
            if place.replace(value).is_some() {
                return Err(unsigned());
            }
        }
        let credential: Vec<&str> = credential.ok_or_else(unsigned)?.split('/').collect();
        let [id, date, region, service, END] = credential[..] else {
            return Err(unsigned());
        };
        let signature = Self {
            id: id.to_owned(),
            service: service.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            headers: headers
                .ok_or_else(unsigned)?
                .split(';')
                .map(str::to_owned)
                .collect(),
            tag: bytes(tag.ok_or_else(unsigned)?).ok_or_else(unsigned)?,
        };
        let covers = |name: &str| signature.headers.iter().any(|signed| signed == name);
        let decides = |name: &str| name == "host" || name.starts_with("x-amz-");
        let uncovered = head
            .headers
            .iter()
            .any(|(name, _)| decides(name) && !covers(name));
        if uncovered || !covers("x-amz-date") {
            return Err(Refusal::forbidden(
                "the signature does not cover the host, the date and all headers of AWS",
            ));
        }
        Ok(signature)
    }

    /// Verifies the signature with the secret of its id. `digest` is that of the body, unless the
    /// head has one.
    pub(crate) fn verify(&self, head: &Head, secret: &str, digest: &str, now: SystemTime) -> bool {
        let Some(date) = head
            .header("x-amz-date")
            .filter(|date| date.starts_with(&self.date))
        else {
            return false;
        };
        if !is_near(date, now) {
            return false;
        }
        let scope = format!("{}/{}/{}/{END}", self.date, self.region, self.service);
        let key = [&*self.date, &self.region, &self.service, END]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
                hmac(&key, part.as_bytes())
            });
        // S3 signs the path as it is sent. Other services sign it encoded once more.
        [head.path().to_owned(), encode(head.path(), true)]
            .iter()
            .any(|path| {
                let Some(canonical) = self.canonical(head, path, digest) else {
                    return false;
                };
                let digest = hex(&Sha256::digest(canonical.as_bytes()));
                let text = format!("{ALGORITHM}\n{date}\n{scope}\n{digest}");
                // `verify_slice` compares in constant time.
                Hmac::<Sha256>::new_from_slice(&key)
                    .is_ok_and(|mac| mac.chain_update(text).verify_slice(&self.tag).is_ok())
            })
    }

    fn canonical(&self, head: &Head, path: &str, digest: &str) -> Option<String> {
        let mut headers = String::new();
        for name in &self.headers {
            let value = match (name.as_str(), head.header(name)) {
                (_, Some(value)) => value.split_whitespace().collect::<Vec<_>>().join(" "),
                _ => return None,
            };
            headers.push_str(&format!("{name}:{value}\n"));
        }
        let digest = head.header(CONTENT_DIGEST).unwrap_or(digest);
        Some(format!(
            "{}\n{path}\n{}\n{headers}\n{}\n{digest}",
            head.method,
            canonical_query(head.query()),
            self.headers.join(";"),
        ))
    }
}

fn unsigned() -> Refusal {
    Refusal::forbidden(
        "the request is not signed with a key of this local cloud; `cargo xtask` signs its own calls",
    )
}

/// Whether a time such as `20261129T101500Z` is about now.
fn is_near(date: &str, now: SystemTime) -> bool {
    let Ok(date) = PrimitiveDateTime::parse(date, TIME) else {
        return false;
    };
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    u64::try_from(date.assume_utc().unix_timestamp())
        .is_ok_and(|then| then.abs_diff(now) <= SKEW_SECS)
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode_again(name), encode_again(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// The text decoded and encoded as signatures have it. A text that cannot be decoded stays.
fn encode_again(text: &str) -> String {
    match decode(text) {
        Some(bytes) => encode_bytes(&bytes, false),
        None => text.to_owned(),
    }
}

/// Percent-decodes; nothing where the encoding is broken.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let digits = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())?;
        decoded.extend(bytes(digits)?);
        rest = &tail[2..];
    }
    Some(decoded)
}

fn encode(text: &str, keep_slash: bool) -> String {
    encode_bytes(text.as_bytes(), keep_slash)
}

fn encode_bytes(text: &[u8], keep_slash: bool) -> String {
    text.iter().fold(String::new(), |mut encoded, byte| {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~')
            || (keep_slash && *byte == b'/');
        match plain {
            true => encoded.push(char::from(*byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

/// The bytes that pairs of hexadecimal digits name.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    digits?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect()
}
