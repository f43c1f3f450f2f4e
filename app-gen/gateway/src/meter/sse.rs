//! Takes the frames of server-sent events apart, piece by piece.

/// What a stream of events is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Some of an event's data.
    Data(&'a [u8]),
    /// The event has ended.
    End,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Line {
    /// At its start.
    #[default]
    Start,
    /// In its name, which has so many letters of `data` so far.
    Name(usize),
    /// After the colon, where one space does not count.
    Colon,
    Data,
    /// In anything else than data.
    Other,
}

#[derive(Debug, Default)]
pub(crate) struct Frames {
    line: Line,
    /// A line feed here belongs to the carriage return before it.
    is_after_return: bool,
}

const NAME: &[u8] = b"data";
/// What a stream may begin with: the mark that it is UTF-8.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Frames {
    /// Reads on and gives each part to `tell`.
    pub(crate) fn read(&mut self, mut rest: &[u8], tell: &mut impl FnMut(Part<'_>)) {
        while let Some((&byte, after)) = rest.split_first() {
            if std::mem::take(&mut self.is_after_return) && byte == b'\n' {
                rest = after;
                continue;
            }
            if matches!(byte, b'\n' | b'\r') {
                if self.line == Line::Start {
                    tell(Part::End);
                }
                // Lines of data are put together with line feeds.
                if matches!(self.line, Line::Colon | Line::Data) {
                    tell(Part::Data(b"\n"));
                }
                self.line = Line::Start;
                self.is_after_return = byte == b'\r';
                rest = after;
                continue;
            }
            match self.line {
                Line::Start if MARK.contains(&byte) => rest = after,
                Line::Start => self.line = Line::Name(0),
                Line::Name(letters) => {
                    self.line = match byte {
                        b':' if letters == NAME.len() => Line::Colon,
                        _ if NAME.get(letters) == Some(&byte) => Line::Name(letters + 1),
                        _ => Line::Other,
                    };
                    rest = after;
                }
                Line::Colon => {
                    self.line = Line::Data;
                    if byte == b' ' {
                        rest = after;
                    }
                }
                Line::Data | Line::Other => {
                    let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                    let (text, end) = rest.split_at(end);
                    if self.line == Line::Data {
                        tell(Part::Data(text));
                    }
                    rest = end;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &[u8], piece: usize) -> Vec<String> {
        let mut frames = Frames::default();
        let mut events = vec![Vec::new()];
        for piece in text.chunks(piece) {
            frames.read(piece, &mut |part| match part {
                Part::Data(data) => events.last_mut().unwrap().extend_from_slice(data),
                Part::End => events.push(Vec::new()),
            });
        }
        let texts = events
            .into_iter()
            .map(|data| String::from_utf8(data).unwrap());
        texts.collect()
    }

    #[test]
    fn all_forms_of_lines_are_read_whatever_the_pieces() {
        let text = "\u{feff}event: x\ndata: {1}\n\ndata:two\r\ndata: lines\r\n\r\n: ping\ndatax: no\ndat: no\n\
            data\ndata\r: \rid: 7\r\rdata:  ü\n\ndata: cut";
        for piece in 1..text.len() {
            assert_eq!(
                events(text.as_bytes(), piece),
                ["{1}\n", "two\nlines\n", "", " ü\n", "cut"],
                "pieces of {piece}"
            );
        }
    }
}
