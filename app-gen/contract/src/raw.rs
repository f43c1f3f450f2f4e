//! JSON of unknown shape, kept as text: a tree of it can take a hundred times its bytes.

use std::io;

use crate::MAX_BODY_BYTES;

/// One JSON value as text, without line breaks and other blanks between its parts. Every reader of JSON
/// can read it: numbers, texts and depth were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawJson(String);

impl RawJson {
    /// Checks a text and makes it compact.
    ///
    /// # Errors
    /// The text is not one JSON value, is nested too deeply, or is longer than [`MAX_BODY_BYTES`] when it
    /// is written out.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let mut output = Bounded(Vec::new());
        let mut reader = serde_json::Deserializer::from_slice(text);
        serde_transcode::transcode(&mut reader, &mut serde_json::Serializer::new(&mut output))?;
        reader.end()?;
        let text = String::from_utf8(output.0)
            .map_err(|error| serde_json::Error::io(io::Error::other(error)))?;
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Numbers can grow when they are written out: `1e15` has 18 characters then.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY_BYTES {
            return Err(io::Error::other(format!(
                "it has more than {MAX_BODY_BYTES} bytes"
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(text: &str) -> String {
        RawJson::parse(text.as_bytes()).unwrap().as_str().to_owned()
    }

    #[test]
    fn is_compact_and_means_the_same() {
        assert_eq!(
            compact(" { \"b\" : [ 1 , -2.5 , null , true ],\r\n \"a\" : \"x\\u0000\\n\" } "),
            r#"{"b":[1,-2.5,null,true],"a":"x\u0000\n"}"#
        );
    }

    #[test]
    fn what_a_reader_could_not_read_is_refused() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let endless = format!("[{}]", vec!["1e15"; MAX_BODY_BYTES / 10].join(","));
        for text in [
            "",
            "{",
            "{} {}",
            "1e999",
            "\"\\ud800\"",
            "\"\n\"",
            &deep,
            &endless,
        ] {
            assert!(
                RawJson::parse(text.as_bytes()).is_err(),
                "{}",
                &text[..text.len().min(50)]
            );
        }
    }
}
