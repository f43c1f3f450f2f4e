//! Reads JSON that comes in pieces, and tells the few values that somebody asked for.
//!
//! It keeps no value that is long and no tree, so memory stays the same however large an event is, and
//! it can stop after any byte: where pieces were cut makes no difference.

/// Levels whose names are known. `response.usage.input_tokens_details.cached_tokens` has four.
const NAMED_LEVELS: usize = 5;
/// Levels of all. What is nested deeper is noise.
const MAX_LEVELS: usize = 127;
/// Bytes of a text, a name or a number that are kept.
const KEPT_BYTES: usize = 128;

/// A value that is no container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text {
        /// Its beginning.
        start: &'a str,
        /// How long all of it is.
        bytes: u64,
    },
    /// A number that is not negative, without its fraction.
    Number(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value comes.
    Value,
    /// A name comes.
    Name,
    /// The colon after a name comes.
    Colon,
    /// A value has ended.
    After,
    /// In a text.
    Text,
    /// After a backslash.
    Escape,
    /// In the digits of `\u`, of which so many are left.
    Unicode(u8),
    /// In a number, or in `true`, `false` or `null`.
    Literal,
    /// This is no JSON.
    Broken,
}

#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// Containers that are open.
    depth: usize,
    /// For each of them a bit: whether it is an object.
    objects: u128,
    /// The names that lead to where it is.
    path: String,
    /// How long the path is without the name of each level.
    starts: [usize; NAMED_LEVELS],
    kept: Vec<u8>,
    /// How long the text is, what was not kept included.
    bytes: u64,
    /// The text is a name.
    is_name: bool,
    unicode: u32,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Value,
            depth: 0,
            objects: 0,
            path: String::new(),
            starts: [0; NAMED_LEVELS],
            kept: Vec::new(),
            bytes: 0,
            is_name: false,
            unicode: 0,
        }
    }
}

impl Scanner {
    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        self.state = State::Value;
        self.depth = 0;
        self.objects = 0;
        self.path.clear();
    }

    /// Whether one whole container was read and nothing but space after it.
    pub(crate) fn is_whole(&self) -> bool {
        self.depth == 0 && self.state == State::After
    }

    /// Reads on. `tell` is called with each value that ends here and the names that lead to it.
    pub(crate) fn read(&mut self, mut rest: &[u8], tell: &mut impl FnMut(&str, Value<'_>)) {
        while let Some((&byte, after)) = rest.split_first() {
            match self.state {
                State::Broken => return,
                // Most of a stream is texts, so these are not read byte by byte.
                State::Text => {
                    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    let (text, end) = rest.split_at(end);
                    self.keep(text);
                    rest = end;
                    if let Some((&byte, after)) = end.split_first() {
                        rest = after;
                        match byte {
                            b'\\' => self.state = State::Escape,
                            _ => self.end_text(tell),
                        }
                    }
                    continue;
                }
                State::Literal => {
                    if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.') {
                        self.keep(&[byte]);
                    } else {
                        self.end_literal(tell);
                        // This byte belongs to what comes after it.
                        continue;
                    }
                }
                State::Escape => self.escape(byte),
                State::Unicode(left) => self.unicode(byte, left),
                _ if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => {}
                State::Value => self.value(byte),
                State::Name => match byte {
                    b'"' => self.begin_text(true),
                    b'}' => self.close(true),
                    _ => self.state = State::Broken,
                },
                State::Colon => {
                    self.state = match byte {
                        b':' => State::Value,
                        _ => State::Broken,
                    }
                }
                State::After => self.after(byte),
            }
            rest = after;
        }
    }

    fn in_object(&self) -> bool {
        self.depth > 0 && self.objects >> (self.depth - 1) & 1 == 1
    }

    fn value(&mut self, byte: u8) {
        match byte {
            b'{' => self.open(true),
            b'[' => self.open(false),
            b']' => self.close(false),
            // A value by itself is of no use, and no provider sends one.
            _ if self.depth == 0 => self.state = State::Broken,
            b'"' => self.begin_text(false),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.kept.clear();
                self.keep(&[byte]);
                self.state = State::Literal;
            }
            _ => self.state = State::Broken,
        }
    }

    fn after(&mut self, byte: u8) {
        match byte {
            b',' if self.in_object() => self.state = State::Name,
            b',' if self.depth > 0 => self.state = State::Value,
            b'}' => self.close(true),
            b']' => self.close(false),
            _ => self.state = State::Broken,
        }
    }

    fn open(&mut self, is_object: bool) {
        if self.depth == MAX_LEVELS {
            self.state = State::Broken;
            return;
        }
        if let Some(start) = self.starts.get_mut(self.depth) {
            *start = self.path.len();
            if !is_object {
                self.path.push_str("[]");
            }
        }
        let bit = 1 << self.depth;
        self.objects = match is_object {
            true => self.objects | bit,
            false => self.objects & !bit,
        };
        self.depth += 1;
        self.state = match is_object {
            true => State::Name,
            false => State::Value,
        };
    }

    fn close(&mut self, is_object: bool) {
        if self.depth == 0 || self.in_object() != is_object {
            self.state = State::Broken;
            return;
        }
        self.depth -= 1;
        if let Some(start) = self.starts.get(self.depth) {
            self.path.truncate(*start);
        }
        self.state = State::After;
    }

    fn begin_text(&mut self, is_name: bool) {
        self.kept.clear();
        self.bytes = 0;
        self.is_name = is_name;
        self.state = State::Text;
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let room = KEPT_BYTES.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
    }

    fn escape(&mut self, byte: u8) {
        self.state = State::Text;
        match byte {
            b'u' => {
                self.unicode = 0;
                self.state = State::Unicode(4);
            }
            b'n' => self.keep(b"\n"),
            b't' => self.keep(b"\t"),
            b'r' => self.keep(b"\r"),
            b'b' | b'f' => self.keep(b" "),
            b'"' | b'\\' | b'/' => self.keep(&[byte]),
            _ => self.state = State::Broken,
        }
    }

    fn unicode(&mut self, byte: u8, left: u8) {
        let Some(digit) = char::from(byte).to_digit(16) else {
            self.state = State::Broken;
            return;
        };
        self.unicode = self.unicode << 4 | digit;
        if left > 1 {
            self.state = State::Unicode(left - 1);
            return;
        }
        self.state = State::Text;
        // Halves of a pair stand for characters that no name has which anybody asks for.
        let character = char::from_u32(self.unicode).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.keep(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn end_text(&mut self, tell: &mut impl FnMut(&str, Value<'_>)) {
        let start = valid(&self.kept);
        if self.is_name {
            if let Some(at) = self.starts.get(self.depth - 1) {
                self.path.truncate(*at);
                if !self.path.is_empty() {
                    self.path.push('.');
                }
                self.path.push_str(start);
            }
            self.state = State::Colon;
            return;
        }
        if self.depth <= NAMED_LEVELS {
            let bytes = self.bytes;
            tell(&self.path, Value::Text { start, bytes });
        }
        self.state = State::After;
    }

    fn end_literal(&mut self, tell: &mut impl FnMut(&str, Value<'_>)) {
        self.state = State::After;
        let text = valid(&self.kept);
        if matches!(text, "true" | "false" | "null") {
            return;
        }
        let number = text.parse().ok().or_else(|| {
            let number: f64 = text.parse().ok()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the nearest number is what is meant"
            )]
            Some(number as u64)
        });
        match number {
            Some(number) if self.depth <= NAMED_LEVELS => tell(&self.path, Value::Number(number)),
            Some(_) => {}
            None => self.state = State::Broken,
        }
    }
}

/// What is valid of a text that may end in the middle of a character.
fn valid(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a text that comes in pieces of so many bytes, and whether it was whole.
    fn told(text: &str, piece: usize) -> (Vec<String>, bool) {
        let mut scanner = Scanner::default();
        let mut told = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            scanner.read(piece, &mut |path, value| {
                told.push(format!("{path} {value:?}"));
            });
        }
        (told, scanner.is_whole())
    }

    #[test]
    fn values_are_told_with_their_place_whatever_the_pieces() {
        let text = r#" { "type" : "a\"b\\\u00fc" , "usage":{"deep":{"x":1},"n":12,"f":3.9,"z":null},
            "list":[{"n":1},[2],"t",[]],"empty":{},"a":{"b":{"c":{"d":{"e":{"f":1},"g":2}}}},"after":-1, "\u0074wo":2 } "#;
        let expected = [
            r#"type Text { start: "a\"b\\ü", bytes: 6 }"#,
            "usage.deep.x Number(1)",
            "usage.n Number(12)",
            "usage.f Number(3)",
            "list[].n Number(1)",
            "list[][] Number(2)",
            r#"list[] Text { start: "t", bytes: 1 }"#,
            "a.b.c.d.g Number(2)",
            "after Number(0)",
            "two Number(2)",
        ];
        for piece in 1..text.len() {
            let (told, is_whole) = told(text, piece);
            assert_eq!(told, expected, "pieces of {piece}");
            assert!(is_whole);
        }
    }

    #[test]
    fn long_texts_are_counted_and_not_kept() {
        let text = format!(r#"{{"x":"{}"}}"#, "ü".repeat(100_000));
        let mut scanner = Scanner::default();
        let mut length = 0;
        for piece in text.as_bytes().chunks(1000) {
            scanner.read(piece, &mut |_, value| {
                if let Value::Text { start, bytes } = value {
                    assert_eq!(start, "ü".repeat(KEPT_BYTES / 2));
                    length = bytes;
                }
            });
            assert!(scanner.kept.capacity() <= 2 * KEPT_BYTES);
        }
        assert_eq!(length, 200_000);
    }

    #[test]
    fn what_is_no_json_is_not_whole() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let broken = [
            "",
            "1",
            "\"x\"",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "[1",
            "[1}",
            "{]",
            "{} {}",
            "[DONE]",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u00g0\"}",
            "{\"a\":nil}",
            "{1:2}",
            &deep,
        ];
        for text in broken {
            assert!(!told(text, 3).1, "{text}");
        }
        for text in ["{}", "[]", " [ { } , [ ] ] ", "{\"a\":true}"] {
            assert!(told(text, 3).1, "{text}");
        }
    }

    /// Whatever `serde_json` accepts is whole here, and its numbers are told.
    #[test]
    fn agrees_with_another_reader() {
        let texts = [
            r#"{"a":[1,2,{"b":"c"}],"d":{"e":1e3}}"#,
            r#"{"type":"message_start","message":{"usage":{"input_tokens":3}}}"#,
            r#"[[[[[[[[1]]]]]]]]"#,
            r#"{"a":"\ud83c\udf31","":{"":""}}"#,
        ];
        for text in texts {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
            assert!(told(text, 2).1, "{text}");
        }
    }
}
