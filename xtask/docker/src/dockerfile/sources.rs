//! What an instruction takes files from: `COPY --from=` and `RUN --mount=…,from=`.

use crate::dockerfile::lines::Instruction;
use crate::dockerfile::refusal::Refusal;
use crate::dockerfile::word::{Raw, Reader};
use std::collections::BTreeMap;

/// A stage or image, as an instruction names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The place in the list of stages.
    Number(i64),
    /// A stage or an image.
    Name(String),
    /// A mount without a source. It takes a place in the list of stages all the same.
    Nothing,
}

/// The sources of an instruction, in order.
pub(super) fn of(instruction: &Instruction, escape: char) -> Result<Vec<Source>, Refusal> {
    let refuse = |message: String| instruction.refusal(message);
    match instruction.name.as_str() {
        "COPY" => {
            let mut values = instruction.values_of("from");
            let Some(source) = values.next().filter(|source| !source.is_empty()) else {
                return Ok(Vec::new());
            };
            if values.next().is_some() {
                return Err(refuse("--from appears twice".to_owned()));
            }
            // BuildKit's own test of whether there is anything to expand.
            let values = BTreeMap::new();
            let reader = Reader {
                escape,
                raw: Raw::Nothing,
                values: &values,
            };
            match reader.word(source) {
                Ok(word) if word.text == source => {}
                Ok(_) => {
                    return Err(refuse(format!(
                        "Docker does not expand --from={source}: name a stage whose FROM uses the ARG"
                    )));
                }
                Err(error) => return Err(refuse(format!("in `{source}`: {error}"))),
            }
            // BuildKit also takes a number with a sign or with leading zeros.
            Ok(vec![match source.parse() {
                Ok(number) => Source::Number(number),
                Err(_) => Source::Name(source.to_owned()),
            }])
        }
        "RUN" => instruction
            .values_of("mount")
            .map(|mount| source_of_mount(mount).map_err(refuse))
            .collect(),
        // Were it ignored, an image that somebody means to use would be missing from the answer.
        "ADD" if instruction.values_of("from").next().is_some() => {
            Err(refuse("it does not take --from; COPY does".to_owned()))
        }
        _ => Ok(Vec::new()),
    }
}

fn source_of_mount(mount: &str) -> Result<Source, String> {
    let mut from = String::new();
    for field in fields(mount).ok_or_else(|| format!("--mount={mount} is not a list of fields"))? {
        let Some((key, value)) = field.split_once('=') else {
            continue;
        };
        if key.eq_ignore_ascii_case("from") {
            let at = value.find('$');
            if at.is_some_and(|at| at + 1 != value.len()) {
                return Err(format!(
                    "Docker does not expand from={value}: name a stage whose FROM uses the ARG"
                ));
            }
            value.clone_into(&mut from);
        }
    }
    Ok(if from.is_empty() {
        Source::Nothing
    } else {
        Source::Name(from)
    })
}

/// The fields of a line of comma-separated values; nothing where a quote is out of place.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = Some(line).filter(|line| !line.is_empty())?;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = match rest.split_once(',') {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            };
            if field.contains('"') {
                return None;
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Some(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut after = quoted;
        loop {
            let (part, next) = after.split_once('"')?;
            field.push_str(part);
            match next.strip_prefix('"') {
                // A doubled quote stands for one quote.
                Some(next) => {
                    field.push('"');
                    after = next;
                }
                None => {
                    after = next;
                    break;
                }
            }
        }
        fields.push(field);
        if after.is_empty() {
            return Some(fields);
        }
        rest = after.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_outside_of_quotes() {
        let split = |line| fields(line).map(|fields| fields.join("|"));
        for (line, expected) in [
            ("a=1,b", Some("a=1|b")),
            ("a,,b,", Some("a||b|")),
            (r#""a,b",c"#, Some("a,b|c")),
            (r#"a,"b""c""#, Some(r#"a|b"c"#)),
            (r#"a"b"#, None),
            (r#""a"b"#, None),
            (r#""a"#, None),
            ("", None),
        ] {
            assert_eq!(split(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_mount_names_its_source() {
        for (mount, expected) in [
            ("type=bind,from=a,target=/x", Ok(Source::Name("a".into()))),
            ("FROM=a,from=b", Ok(Source::Name("b".into()))),
            ("type=cache,target=/x", Ok(Source::Nothing)),
            ("ro,from=", Ok(Source::Nothing)),
            ("from=a$", Ok(Source::Name("a$".into()))),
        ] {
            assert_eq!(source_of_mount(mount), expected, "{mount}");
        }
        assert!(source_of_mount("from=$A").is_err());
        assert!(source_of_mount("from=\"a").is_err());
    }
}
