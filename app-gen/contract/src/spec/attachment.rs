//! Files that a person attached to what they ask for.

use serde::{Deserialize, Serialize};

use crate::spec::checks::{SpecError, invalid, validate_text};
use crate::text::excerpt;

/// The most files that a job can have, whatever an orchestrator is set to.
pub const MAX_ATTACHMENTS: usize = 16;
/// The most bytes of one of them, likewise.
pub const MAX_ATTACHMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Maximum number of characters of a file's name, and of the bytes of these.
const MAX_NAME_CHARS: usize = 100;
const MAX_NAME_BYTES: usize = 200;

/// A file that a person attached. Its bytes are an object of the job's folder ([`attachment_name`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name, in the person's words; untrusted.
    pub name: String,
    /// What its bytes are.
    pub media_type: MediaType,
    /// Its size.
    pub size_bytes: u64,
    /// Of its bytes, in lower-case hexadecimal.
    pub sha256: String,
}

/// What the bytes of an attachment are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaType {
    /// Text in UTF-8.
    #[serde(rename = "text/plain")]
    Text,
    /// An image.
    #[serde(rename = "image/png")]
    Png,
    /// An image.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// An image.
    #[serde(rename = "image/webp")]
    WebP,
    /// An image.
    #[serde(rename = "image/gif")]
    Gif,
}

impl MediaType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Png, Self::Jpeg, Self::WebP, Self::Gif];

    /// Its name, as HTTP knows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
        }
    }

    /// The type of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether it is an image.
    #[must_use]
    pub const fn is_image(self) -> bool {
        !matches!(self, Self::Text)
    }

    /// Extensions of such files, the usual one first. Text has any.
    const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["txt"],
            Self::Png => &["png"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::WebP => &["webp"],
            Self::Gif => &["gif"],
        }
    }
}

impl Attachment {
    /// What it is called where agents read it: its number, then what is plain of its name. Agents tell by the
    /// extension what a file is, so it has the right one.
    #[must_use]
    pub fn file_name(&self, number: usize) -> String {
        /// Extensions for which agents do not read a file as text.
        const NO_TEXT: [&str; 7] = ["gif", "ipynb", "jpeg", "jpg", "pdf", "png", "webp"];
        let plain: String = self
            .name
            .chars()
            .map(|letter| match letter {
                letter if letter.is_ascii_alphanumeric() => letter,
                '.' | '_' => letter,
                _ => '-',
            })
            .collect();
        let name = format!("{number}-{plain}");
        let extension = match name.rsplit_once('.') {
            Some((_, extension)) => extension.to_ascii_lowercase(),
            None => String::new(),
        };
        let extensions = self.media_type.extensions();
        let is_right = match self.media_type {
            MediaType::Text => !NO_TEXT.contains(&extension.as_str()),
            _ => extensions.contains(&extension.as_str()),
        };
        match is_right {
            true => name,
            false => format!("{name}.{}", extensions[0]),
        }
    }

    pub(super) fn validate(&self) -> Result<(), SpecError> {
        let name = validate_attachment_name(&self.name)?;
        if name != self.name {
            return Err(invalid("attachments", "has a name with space around it"));
        }
        if !(1..=MAX_ATTACHMENT_BYTES).contains(&self.size_bytes) {
            let reason = format!(
                "has a file of {} bytes; it takes 1 to {MAX_ATTACHMENT_BYTES}",
                self.size_bytes
            );
            return Err(invalid("attachments", reason));
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.sha256.len() != 64 || !self.sha256.bytes().all(is_digit) {
            let digest = excerpt(self.sha256.as_bytes());
            let reason = format!("names the digest {digest:?}, which is no SHA-256");
            return Err(invalid("attachments", reason));
        }
        Ok(())
    }
}

/// Trims the name of a file and checks that it is one: 1 to 100 characters, without folders and control
/// characters.
///
/// # Errors
/// [`SpecError::Invalid`].
pub fn validate_attachment_name(name: &str) -> Result<&str, SpecError> {
    let name = validate_text("name", name, MAX_NAME_CHARS)?;
    if name.len() > MAX_NAME_BYTES {
        let reason = format!("has {} bytes, more than {MAX_NAME_BYTES}", name.len());
        return Err(invalid("name", reason));
    }
    if name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        let name = excerpt(name.as_bytes());
        let reason = format!("{name:?} has a slash or a control character");
        return Err(invalid("name", reason));
    }
    Ok(name)
}

/// Name, under the job's artifact URI, of an attachment by its number, from 1.
#[must_use]
pub fn attachment_name(number: usize) -> String {
    format!("attachments/{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::JobSpec;

    fn attachment(name: &str, media_type: MediaType) -> Attachment {
        Attachment {
            name: name.to_owned(),
            media_type,
            size_bytes: 1,
            sha256: "0".repeat(64),
        }
    }

    #[test]
    fn file_names_are_plain_and_say_what_they_are() {
        for (name, media_type, expected) in [
            ("sketch.png", MediaType::Png, "2-sketch.png"),
            ("photo.JPEG", MediaType::Jpeg, "2-photo.JPEG"),
            ("photo.png", MediaType::Jpeg, "2-photo.png.jpg"),
            ("my plan ü.md", MediaType::Text, "2-my-plan--.md"),
            ("notes", MediaType::Text, "2-notes"),
            ("not really.png", MediaType::Text, "2-not-really.png.txt"),
            ("$(rm -rf x)", MediaType::WebP, "2---rm--rf-x-.webp"),
        ] {
            assert_eq!(attachment(name, media_type).file_name(2), expected);
        }
    }

    #[test]
    fn names_of_types_are_those_of_json() {
        for kind in MediaType::ALL {
            assert_eq!(serde_json::json!(kind), kind.as_str());
            assert_eq!(MediaType::named(kind.as_str()), Some(kind));
        }
        assert_eq!(MediaType::named("image/svg+xml"), None);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        assert_eq!(validate_attachment_name(" a.txt "), Ok("a.txt"));
        for name in [
            "",
            " ",
            "a/b",
            "a\\b",
            "a\nb",
            &"x".repeat(101),
            &"日".repeat(70),
        ] {
            assert!(validate_attachment_name(name).is_err(), "{name:?}");
        }
        let good = attachment("a.txt", MediaType::Text);
        assert_eq!(good.validate(), Ok(()));
        let empty = Attachment {
            size_bytes: 0,
            ..good.clone()
        };
        let large = Attachment {
            size_bytes: MAX_ATTACHMENT_BYTES + 1,
            ..good.clone()
        };
        let digest = Attachment {
            sha256: "A".repeat(64),
            ..good
        };
        for bad in [empty, large, digest] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn attachments_come_along() {
        let attachment = Attachment {
            name: "sketch.png".to_owned(),
            media_type: MediaType::Png,
            size_bytes: 7,
            sha256: "0".repeat(64),
        };
        let with = |count| JobSpec {
            attachments: vec![attachment.clone(); count],
            ..JobSpec::new("job-1", "x", "template", "file:///out").unwrap()
        };
        let spec = with(1).checked().unwrap();
        let json: serde_json::Value = serde_json::from_str(&spec.to_json()).unwrap();
        let expected = serde_json::json!([{
            "name": "sketch.png", "media_type": "image/png", "size_bytes": 7,
            "sha256": "0".repeat(64),
        }]);
        assert_eq!(json["attachments"], expected);
        assert_eq!(JobSpec::from_json(spec.to_json().as_bytes()), Ok(spec));
        let refusal = with(MAX_ATTACHMENTS + 1).checked().unwrap_err().to_string();
        assert_eq!(refusal, "attachments has 17 files, more than 16");
        assert_eq!(attachment_name(3), "attachments/3");
    }
}
