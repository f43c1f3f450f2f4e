//! What comes from outside (lines of logs and of tools, answers of AWS, names, paths) is made
//! printable here, at the last step before the terminal, so that no caller can forget it. Only
//! [`Painted`] and the report's own marks bring colours to the terminal.

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};
use std::borrow::Cow;
use std::io::{self, Write};

/// Whether the character does something to the terminal or to the text around it instead of being
/// shown: control characters, the ends of lines that Unicode knows beside them, and what changes the
/// order of the text or cannot be seen (<https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>).
/// The two joiners that scripts and emoji need are shown.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The length in bytes of a colour that the text begins with: "select graphic rendition" of ECMA-48.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|character: char| !matches!(character, '0'..='9' | ';' | ':'))?;
    parameters[end..]
        .starts_with('m')
        .then_some("\u{1b}[".len() + end + 1)
}

/// The text with every character escaped that would act on a terminal, hide, or end a line. Colours
/// are left out: tools have them for good reasons, and escaped they hide what the line says.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

/// As [`printable`], for a text of several lines: line ends and tabs stay.
pub(super) fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| {
        acts(character) && !matches!(character, '\n' | '\t')
    })
}

/// As [`printable_lines`], with all lines but the first indented, so that none of them looks like a
/// line of ours.
pub(super) fn printable_block(text: &str) -> String {
    printable_lines(text).replace('\n', "\n    ")
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = colour(rest).unwrap_or(character.len_utf8());
        match is_escaped(character) {
            true if length > 1 && character == '\u{1b}' => {}
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
        rest = &rest[length..];
    }
    Cow::Owned(shown)
}

/// One line for a person, with parts in colours that we chose.
#[derive(Debug, Clone, Default)]
pub struct Painted(Vec<(Option<&'static str>, String)>);

impl Painted {
    /// Adds text without a colour.
    pub fn push(&mut self, text: impl Into<String>) {
        self.0.push((None, text.into()));
    }

    /// Adds text in a colour: the digits of "select graphic rendition" (ECMA-48), such as `1;31`.
    pub fn push_in(&mut self, colour: &'static str, text: impl Into<String>) {
        self.0.push((Some(colour), text.into()));
    }

    /// The line as it is written, without a line end.
    #[must_use]
    pub fn shown(&self, with_colours: bool) -> String {
        let mut line = String::new();
        for (colour, text) in &self.0 {
            let text = printable(text);
            match colour.filter(|_| with_colours) {
                Some(colour) => line.push_str(&format!("\x1b[{colour}m{text}\x1b[0m")),
                None => line.push_str(&text),
            }
        }
        line
    }
}

/// Writes a value as JSON whose strings have no character that acts on a terminal. To a program it
/// is the same value: JSON escapes some of these characters anyway, and may escape all.
pub(super) fn write_json(output: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(output, PrintableJson);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

/// As [`write_json`], to a string.
pub(super) fn json(value: &impl Serialize) -> io::Result<String> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, value)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

struct PrintableJson;

impl Formatter for PrintableJson {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((start, character)) = rest.char_indices().find(|(_, found)| acts(*found)) {
            writer.write_all(&rest.as_bytes()[..start])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[start + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

/// Passes text on, line by line, and makes it printable.
pub(super) struct PrintableWriter<'a> {
    output: &'a mut dyn Write,
    line: Vec<u8>,
}

impl<'a> PrintableWriter<'a> {
    pub(super) fn new(output: &'a mut dyn Write) -> Self {
        let line = Vec::new();
        Self { output, line }
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        self.output.write_all(printable_lines(&text).as_bytes())
    }
}

impl Write for PrintableWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Up to a line end at most, so that no character is cut in two.
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let count = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(&bytes[..count]);
        if end.is_some() {
            self.pass_on()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()?;
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal would act on, as one text.
    const HOSTILE: &str = "a\x1b[2Jb\r\u{9b}31mc\x07\u{7f}\u{202e}d\u{2066}\u{2028}e\u{e0041}";

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left() {
        assert_eq!(
            printable(HOSTILE),
            r"a\u{1b}[2Jb\r\u{9b}31mc\u{7}\u{7f}\u{202e}d\u{2066}\u{2028}e\u{e0041}"
        );
        assert_eq!(printable("one\ntwo\tthree"), r"one\ntwo\tthree");
        assert_eq!(printable("\x1b[1m\x1b[38;5;1ma\x1b[m"), "a");
        assert_eq!(
            printable("\x1b[1\x1b[;\u{661}m\x1b["),
            "\\u{1b}[1\\u{1b}[;\u{661}m\\u{1b}["
        );
        assert_eq!(printable_lines("one\ntwo\tthree"), "one\ntwo\tthree");
        assert_eq!(printable_block("one\nhint: two"), "one\n    hint: two");
        // Scripts, joiners and emoji are text.
        let text = "é 鍵 עברית क्‍ष 👩‍💻";
        assert_eq!(printable(text), text);
    }

    #[test]
    fn only_our_own_colours_reach_a_line() {
        let mut line = Painted::default();
        line.push_in("2", "name\x1b[0m\n");
        line.push("value\x1b[31m");
        assert_eq!(line.shown(true), "\x1b[2mname\\n\x1b[0mvalue");
        assert_eq!(line.shown(false), r"name\nvalue");
    }

    #[test]
    fn json_is_printable_and_the_same_value() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 1, null, "\"\\\n"] });
        let text = json(&value).unwrap();
        assert_eq!(printable(&text), text);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn a_text_of_many_writes_is_printable() {
        let mut output = Vec::new();
        let mut writer = PrintableWriter::new(&mut output);
        // Byte by byte, which cuts characters of several bytes.
        for byte in format!("{HOSTILE}\né {HOSTILE}").bytes() {
            writer.write_all(&[byte]).unwrap();
        }
        writer.flush().unwrap();
        let shown = printable(HOSTILE);
        assert_eq!(
            String::from_utf8(output).unwrap(),
            format!("{shown}\né {shown}")
        );
    }
}
