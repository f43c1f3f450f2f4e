//! Parser directives: the comments at the top of a Dockerfile that decide how it is read, and by
//! which frontend.

use crate::dockerfile::refusal::Refusal;
use crate::reference::Reference;

const NAMES: [&str; 3] = ["syntax", "escape", "check"];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What a directive may have around its parts. Other white space belongs to them.
const BLANKS: [char; 5] = [' ', '\t', '\n', '\u{c}', '\r'];

/// The bytes behind a byte order mark, if there is one.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// The directives at the top of a file. Any other line ends them.
pub(super) struct Directives {
    /// What the lines begin with.
    sign: &'static str,
    seen: Vec<String>,
    ended: bool,
}

impl Directives {
    pub(super) fn new(sign: &'static str) -> Self {
        Self {
            sign,
            seen: Vec::new(),
            ended: false,
        }
    }

    /// Name and value of the directive in the next line.
    pub(super) fn next(
        &mut self,
        line: &str,
        number: usize,
    ) -> Result<Option<(String, String)>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        let Some(directive) = directive(self.sign, line) else {
            self.ended = true;
            return Ok(None);
        };
        if self.seen.contains(&directive.0) {
            return Err(Refusal::at(
                number,
                &directive.0,
                "the directive appears twice",
            ));
        }
        self.seen.push(directive.0.clone());
        Ok(Some(directive))
    }
}

/// Name and value of `# name = value`.
fn directive(sign: &str, line: &str) -> Option<(String, String)> {
    let (name, value) = line.strip_prefix(sign)?.split_once('=')?;
    let name = name.trim_matches(BLANKS).to_ascii_lowercase();
    let value = match value.trim_matches(BLANKS) {
        // Blanks alone are a value too, which the caller refuses.
        "" if !value.is_empty() => " ",
        trimmed => trimmed,
    };
    (NAMES.contains(&name.as_str()) && !value.is_empty()).then(|| (name, value.to_owned()))
}

/// A frontend: the image of a program that reads the file in place of the engine's own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frontend {
    pub(super) image: String,
    /// The line that names it; nothing where a build argument does.
    pub(super) line: Option<usize>,
}

impl Frontend {
    /// Whether it is Docker's, from whichever registry. Others may have a language of their own.
    pub(super) fn is_dockers(&self) -> bool {
        Reference::parse(&self.image).is_ok_and(|reference| {
            let repository = reference.repository();
            ["docker/dockerfile", "docker/dockerfile-upstream"]
                .iter()
                .any(|name| {
                    repository
                        .strip_suffix(name)
                        .is_some_and(|mirror| mirror.is_empty() || mirror.ends_with('/'))
                })
        })
    }
}

/// The frontend that a file asks for. Files in other languages than Docker's do that in one of the
/// forms that BuildKit understands: `# syntax=`, `// syntax=` and `{"syntax":…}`.
pub(super) fn frontend(bytes: &[u8]) -> Option<Frontend> {
    for sign in ["#", "//"] {
        if let Some((value, line)) = find(bytes, sign, "syntax") {
            // What follows are arguments of the frontend.
            let image = value.split(' ').next().unwrap_or_default().to_owned();
            return Some(Frontend {
                image,
                line: Some(line),
            });
        }
    }
    let (text, line) = behind_shebang(bytes);
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).ok()?;
    let image = object.get("syntax")?.as_str()?.to_owned();
    Some(Frontend {
        image,
        line: Some(line),
    })
}

/// Refuses options of checks that BuildKit refuses: those of the file, unless a build argument
/// gives others.
pub(super) fn check_options(bytes: &[u8], argument: Option<&String>) -> Result<(), Refusal> {
    let (options, line) = match argument {
        Some(options) => (options.clone(), None),
        None => match find(bytes, "#", "check") {
            Some((options, line)) => (options, Some(line)),
            None => return Ok(()),
        },
    };
    let is_option = |option: &str| {
        let Some((name, value)) = option.split_once('=') else {
            return false;
        };
        match name.trim() {
            "skip" | "experimental" => true,
            "error" => matches!(
                value.trim(),
                "1" | "t"
                    | "T"
                    | "true"
                    | "TRUE"
                    | "True"
                    | "0"
                    | "f"
                    | "F"
                    | "false"
                    | "FALSE"
                    | "False"
            ),
            _ => false,
        }
    };
    match options
        .trim()
        .splitn(3, ';')
        .find(|option| !is_option(option))
    {
        Some(wrong) if !options.trim().is_empty() => Err(Refusal {
            line,
            instruction: Some("check".to_owned()),
            message: format!(
                "`{wrong}` is not an option: there are skip=…, experimental=… and error=true"
            ),
        }),
        _ => Ok(()),
    }
}

/// The value of a directive, and its line.
fn find(bytes: &[u8], sign: &'static str, wanted: &str) -> Option<(String, usize)> {
    let (text, first) = behind_shebang(bytes);
    let mut directives = Directives::new(sign);
    text.lines()
        .zip(first..)
        .map_while(|(line, number)| {
            let (name, value) = directives.next(line, number).ok().flatten()?;
            Some((name, value, number))
        })
        .find(|(name, ..)| name == wanted)
        .map(|(_, value, number)| (value, number))
}

/// The text behind a `#!` line, and the number of its first line.
fn behind_shebang(bytes: &[u8]) -> (String, usize) {
    let text = String::from_utf8_lossy(without_mark(bytes));
    match text.strip_prefix("#!") {
        Some(line) => (line.split_once('\n').unwrap_or_default().1.to_owned(), 2),
        None => (text.into_owned(), 1),
    }
}
