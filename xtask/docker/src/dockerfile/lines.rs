//! Splits the bytes of a Dockerfile into instructions: comments, continued lines, here-documents and
//! flags. It does not know what an instruction means.

use crate::dockerfile::directives;
use crate::dockerfile::directives::Directives;
use crate::dockerfile::refusal::Refusal;
use crate::dockerfile::word::{Raw, Reader};
use std::collections::BTreeMap;

/// BuildKit refuses a longer line. The line's end counts.
const LINE_LIMIT_BYTES: usize = 64 * 1024;

/// One instruction, continued lines joined.
#[derive(Debug, Clone)]
pub(super) struct Instruction {
    /// Its first line, counted from 1.
    pub(super) line: usize,
    /// In capitals.
    pub(super) name: String,
    /// `--name=value` words before the arguments, without their quotes.
    pub(super) flags: Vec<String>,
    /// The rest of the line.
    pub(super) arguments: String,
    /// Here-documents that follow it, each with its end.
    pub(super) documents: String,
}

impl Instruction {
    /// The arguments at BuildKit's blanks.
    pub(super) fn words(&self) -> Vec<&str> {
        self.arguments
            .split(BLANKS)
            .filter(|word| !word.is_empty())
            .collect()
    }

    /// The arguments: the strings of a JSON list, or words.
    pub(super) fn arguments(&self) -> Vec<String> {
        let takes_list = TAKES_LISTS.contains(&self.name.as_str());
        match json_list(&self.arguments).filter(|_| takes_list) {
            Some(Ok(list)) => list,
            _ => self.words().into_iter().map(str::to_owned).collect(),
        }
    }

    /// The error that refuses it.
    pub(super) fn refusal(&self, message: impl Into<String>) -> Refusal {
        Refusal::at(self.line, &self.name, message)
    }

    /// The values of `--name=value`.
    pub(super) fn values_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter_map(move |flag| {
            let (flag, value) = flag.split_once('=').unwrap_or((flag, ""));
            (flag.strip_prefix("--") == Some(name)).then_some(value)
        })
    }
}

/// A Dockerfile split into instructions.
#[derive(Debug)]
pub(super) struct File {
    /// What escapes a character, and continues a line.
    pub(super) escape: char,
    pub(super) instructions: Vec<Instruction>,
}

/// Splits the bytes of a Dockerfile; refuses what BuildKit's parser refuses.
pub(super) fn read(bytes: &[u8]) -> Result<File, Refusal> {
    let bytes = directives::without_mark(bytes);
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').zip(1..);
    let mut directives = Directives::new("#");
    let mut escape = '\\';
    let mut instructions = Vec::new();
    while let Some((raw, number)) = lines.next() {
        let first = text_of(raw, number)?;
        let first = first.trim_start();
        if let Some((name, value)) = directives.next(first, number)?
            && name == "escape"
        {
            escape = match value.as_str() {
                "\\" => '\\',
                "`" => '`',
                _ => {
                    return Err(Refusal::at(
                        number,
                        "escape",
                        format!("`{value}` is neither `\\` nor a backtick"),
                    ));
                }
            };
        }
        if first.starts_with('#') {
            continue;
        }
        let (start, mut is_continued) = continued(first, escape);
        if !is_continued && start.is_empty() {
            continue;
        }
        let mut joined = start.to_owned();
        while is_continued && let Some((raw, number)) = lines.next() {
            let text = text_of(raw, number)?;
            let trimmed = text.trim_start();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let (part, goes_on) = continued(&text, escape);
            joined.push_str(part);
            is_continued = goes_on;
        }
        let mut instruction = split(&joined, number, escape)?;
        for name in here_documents(&instruction, &joined, escape)? {
            let mut ended = false;
            for (raw, number) in lines.by_ref() {
                let text = text_of(raw, number)?;
                let text = if name.chomps {
                    text.trim_start_matches('\t')
                } else {
                    &text
                };
                instruction.documents.push('\n');
                instruction.documents.push_str(text);
                // Bytes that are not UTF-8 never equal a name.
                if text == name.text && std::str::from_utf8(raw).is_ok() {
                    ended = true;
                    break;
                }
            }
            if !ended {
                return Err(Refusal::at(
                    instruction.line,
                    &instruction.name,
                    format!("the here-document `{}` does not end", name.text),
                ));
            }
        }
        instructions.push(instruction);
    }
    if instructions.is_empty() {
        return Err(Refusal::whole("it has no instructions"));
    }
    Ok(File {
        escape,
        instructions,
    })
}

/// A line without its end. Bytes that are not UTF-8 are replaced: no reference holds them.
fn text_of(raw: &[u8], number: usize) -> Result<String, Refusal> {
    if raw.len() > LINE_LIMIT_BYTES {
        return Err(Refusal::at(
            number,
            "line",
            format!("it is longer than {LINE_LIMIT_BYTES} bytes"),
        ));
    }
    let text = String::from_utf8_lossy(raw);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The line without its continuation character, and whether it had one.
fn continued(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        // An escaped escape continues nothing.
        Some(start) if !start.ends_with(escape) => (start, true),
        _ => (line, false),
    }
}

/// Name, flags and arguments of a joined line.
pub(super) fn split(line: &str, number: usize, escape: char) -> Result<Instruction, Refusal> {
    let line = line.trim();
    let (name, rest) = match line.split_once(BLANKS) {
        Some((name, rest)) => (name, rest.trim_start_matches(BLANKS)),
        None => (line, ""),
    };
    let name = name.to_ascii_uppercase();
    let (flags, arguments) = flags(rest, escape);
    if TAKES_LISTS.contains(&name.as_str())
        && let Some(Err(())) = json_list(&arguments)
    {
        return Err(Refusal::at(
            number,
            &name,
            "a list in brackets may hold only strings".to_owned(),
        ));
    }
    Ok(Instruction {
        line: number,
        name,
        flags,
        arguments: arguments.trim().to_owned(),
        documents: String::new(),
    })
}

/// The characters at which BuildKit splits words. Other white space is part of a word.
pub(super) const BLANKS: [char; 5] = [' ', '\t', '\u{b}', '\u{c}', '\r'];
/// Instructions whose arguments may be a JSON list.
const TAKES_LISTS: [&str; 7] = ["ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"];

/// The strings of a JSON list. Nothing where the arguments are not one, an error where it holds
/// anything but strings.
fn json_list(arguments: &str) -> Option<Result<Vec<String>, ()>> {
    if !arguments.trim_start().starts_with('[') {
        return None;
    }
    let values: Vec<serde_json::Value> = serde_json::from_str(arguments).ok()?;
    let texts = values.into_iter().map(|value| match value {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(()),
    });
    Some(texts.collect())
}

/// The words that begin with `--`, and what follows them. BuildKit goes byte by byte here: two bytes
/// that are part of characters count as white space.
fn flags(line: &str, escape: char) -> (Vec<String>, String) {
    let is_blank = |byte: u8| char::from(byte).is_whitespace();
    let mut flags = Vec::new();
    let mut rest = line.trim_start().as_bytes();
    while rest.starts_with(b"--") {
        let mut word = String::new();
        let mut quote = None;
        let mut position = 0;
        while let Some(&byte) = rest.get(position) {
            if quote.is_none() && is_blank(byte) {
                break;
            }
            position += 1;
            match char::from(byte) {
                character if quote == Some(character) => quote = None,
                character @ ('\'' | '"') if quote.is_none() => quote = Some(character),
                character if character == escape => {
                    word.extend(rest.get(position).map(|&escaped| char::from(escaped)));
                    position += 1;
                }
                character => word.push(character),
            }
        }
        rest = rest.get(position..).unwrap_or_default();
        let blanks = rest.iter().take_while(|&&byte| is_blank(byte)).count();
        rest = &rest[blanks..];
        // `--` alone ends the flags.
        if word == "--" {
            break;
        }
        flags.push(word);
    }
    (flags, String::from_utf8_lossy(rest).into_owned())
}

struct DocumentName {
    text: String,
    /// Tabs before its lines do not count.
    chomps: bool,
}

/// The here-documents that an instruction announces, in order.
fn here_documents(
    instruction: &Instruction,
    line: &str,
    escape: char,
) -> Result<Vec<DocumentName>, Refusal> {
    let inner;
    let announcing = if instruction.name == "ONBUILD" {
        inner = split(&instruction.arguments, instruction.line, escape)?;
        &inner
    } else {
        instruction
    };
    let takes_documents = matches!(announcing.name.as_str(), "ADD" | "COPY" | "RUN");
    if !takes_documents || !line.contains("<<") || json_list(&announcing.arguments).is_some() {
        return Ok(Vec::new());
    }
    let nothing = BTreeMap::new();
    // Here a backslash escapes, whatever the directive says.
    let reader = |raw| Reader {
        escape: '\\',
        raw,
        values: &nothing,
    };
    let mut names = Vec::new();
    // A line that cannot be split into words (`it's`) does not announce any.
    for word in reader(Raw::All).words(line).unwrap_or_default() {
        let mark = word.trim_start_matches(|next: char| next.is_ascii_digit());
        let Some(name) = mark.strip_prefix("<<").filter(|name| !name.contains('<')) else {
            continue;
        };
        let (name, chomps) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let words = reader(Raw::Variables)
            .words(name.trim_start())
            .map_err(|error| instruction.refusal(error.to_string()))?;
        if let [text] = words.as_slice() {
            names.push(DocumentName {
                text: text.clone(),
                chomps,
            });
        }
    }
    Ok(names)
}
