//! What an instruction takes files from: `COPY --from=` and `RUN --mount=…,from=`.

use crate::dockerfile::lines::Instruction;
use crate::dockerfile::mount;
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
            let source = instruction.values_of("from").next();
            let Some(source) = source.filter(|source| !source.is_empty()) else {
                return Ok(Vec::new());
            };
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
            .map(|mount| match mount::source(mount).map_err(refuse)? {
                source if source.is_empty() => Ok(Source::Nothing),
                source => Ok(Source::Name(source)),
            })
            .collect(),
        _ => Ok(Vec::new()),
    }
}
