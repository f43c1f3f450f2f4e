//! Arguments that accept one of a few values of a type that does not know the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use xtask_operate::destination::Registry;

/// Registries as the command line names them.
pub(crate) const REGISTRIES: &[(Registry, &str, &str)] = &[
    (
        Registry::Environment,
        "environment",
        "The registry of the environment: the one on this machine for `local`, otherwise ECR",
    ),
    (
        Registry::Ecr,
        "ecr",
        "ECR; with `--env local`, that of the local cloud",
    ),
];

/// Reads one of `choices`. Each is a value, its name on the command line, and its help.
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    choices: &'static [(T, &'static str, &'static str)],
) -> impl TypedValueParser<Value = T> {
    let names = choices
        .iter()
        .map(|(_, name, help)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(names).try_map(|wanted| {
        choices
            .iter()
            .find(|(_, name, _)| *name == wanted)
            .map(|(value, ..)| *value)
            .ok_or("it is not one of the possible values")
    })
}
