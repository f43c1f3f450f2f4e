//! The flags of instructions. What BuildKit refuses of them is refused, because a flag that is
//! misspelled or lacks its value may be the one that names a stage or an image.

use crate::dockerfile::lines::Instruction;
use crate::dockerfile::refusal::Refusal;

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// `true`, `false`, or nothing.
    Switch,
    /// One value.
    Value,
    /// One value each time, of any number of times.
    Values,
}

use Takes::{Switch, Value, Values};

const NONE: &[(&str, Takes)] = &[];
const ADD: &[(&str, Takes)] = &[
    ("checksum", Value),
    ("chmod", Value),
    ("chown", Value),
    ("exclude", Values),
    ("keep-git-dir", Switch),
    ("link", Switch),
    ("unpack", Switch),
];
const COPY: &[(&str, Takes)] = &[
    ("chmod", Value),
    ("chown", Value),
    ("exclude", Values),
    ("from", Value),
    ("link", Switch),
    ("parents", Switch),
];
const FROM: &[(&str, Takes)] = &[("platform", Value)];
const HEALTHCHECK: &[(&str, Takes)] = &[
    ("interval", Value),
    ("retries", Value),
    ("start-interval", Value),
    ("start-period", Value),
    ("timeout", Value),
];
const RUN: &[(&str, Takes)] = &[
    ("device", Values),
    ("mount", Values),
    ("network", Value),
    ("security", Value),
];

/// The flags of an instruction by name; nothing where BuildKit does not look at them. Those of
/// newer versions are among them.
fn known(instruction: &Instruction) -> Option<&'static [(&'static str, Takes)]> {
    Some(match instruction.name.as_str() {
        "ADD" => ADD,
        "COPY" => COPY,
        "FROM" => FROM,
        "HEALTHCHECK" => match instruction.words().first() {
            Some(kind) if kind.eq_ignore_ascii_case("NONE") => return None,
            _ => HEALTHCHECK,
        },
        "RUN" => RUN,
        "ARG" | "STOPSIGNAL" => return None,
        _ => NONE,
    })
}

/// Refuses what BuildKit refuses of the flags of an instruction.
pub(super) fn check(instruction: &Instruction) -> Result<(), Refusal> {
    let Some(known) = known(instruction) else {
        return Ok(());
    };
    let mut seen = Vec::new();
    for flag in &instruction.flags {
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag.as_str(), None),
        };
        let refuse = |message: &str| Err(instruction.refusal(format!("{name} {message}")));
        let found = known
            .iter()
            .find(|(known, _)| name.strip_prefix("--") == Some(known));
        let Some((_, takes)) = found else {
            return Err(instruction.refusal(unknown(instruction, name, known)));
        };
        match (takes, value) {
            (Value | Values, None) => return refuse(&format!("needs a value: {name}=VALUE")),
            (Switch, Some(value))
                if !value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false") =>
            {
                return refuse(&format!("is true or false, and not `{value}`"));
            }
            _ => {}
        }
        if *takes != Values && seen.contains(&name) {
            return refuse("appears twice");
        }
        seen.push(name);
    }
    Ok(())
}

fn unknown(instruction: &Instruction, flag: &str, known: &[(&str, Takes)]) -> String {
    if instruction.name == "ADD" && flag == "--from" {
        return "it does not take --from; COPY does".to_owned();
    }
    let names: Vec<String> = known.iter().map(|(name, _)| format!("--{name}")).collect();
    if names.is_empty() {
        format!("it takes no flags, and so no {flag}")
    } else {
        format!("{flag} is not one of its flags: {}", names.join(", "))
    }
}
