//! `cargo xtask secrets check`: all that is required is set, and to no placeholder. The values
//! are judged by `xtask-aws` and stay there.

use serde::{Deserialize, Serialize};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::table;
use xtask_machine::{aws, ministack};

/// What `xtask-aws` found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    secrets: Vec<Secret>,
}

/// The result of `secrets check --json`.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    ok: bool,
    #[serde(flatten)]
    found: &'a Found,
}

#[derive(Debug, Serialize, Deserialize)]
struct Secret {
    id: String,
    name: String,
    exists: bool,
    keys: Vec<Key>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Key {
    key: String,
    required: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Missing,
    Placeholder,
    Set,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Placeholder => "placeholder",
            Self::Set => "set",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`Code::Secret`] naming the first key that is not as it should be; the table has been
/// printed by then.
pub(super) fn run(context: &Context) -> anyhow::Result<()> {
    ministack::require_if_local(context)?;
    let found: Found = aws::call(context, ["secrets", "check"]).read()?;
    let wrong = found
        .secrets
        .iter()
        .flat_map(|secret| secret.keys.iter().map(move |key| (secret, key)))
        .find(|(_, key)| key.required && key.state != State::Set);
    let checked = Checked {
        ok: wrong.is_none(),
        found: &found,
    };
    context.report.result(&checked, &text(&found))?;
    let Some((secret, key)) = wrong else {
        return Ok(());
    };
    if context.report.json() {
        // The one JSON object has been printed; an error would print a second one.
        std::process::exit(i32::from(Code::Secret as u8));
    }
    let is = match key.state {
        State::Placeholder => "holds a placeholder",
        State::Missing | State::Set => "is missing",
    };
    Err(Failure::new(
        Code::Secret,
        format!(
            "{} of secret {} {is} in environment {}",
            key.key, secret.name, context.environment
        ),
    )
    .hint(format!(
        "cargo xtask secrets set {} {} --env {} < FILE_WITH_THE_VALUE",
        secret.id, key.key, context.environment
    ))
    .into())
}

fn text(found: &Found) -> String {
    let rows: Vec<Vec<String>> = found
        .secrets
        .iter()
        .flat_map(|secret| {
            secret.keys.iter().map(|key| {
                vec![
                    secret.name.clone(),
                    key.key.clone(),
                    if key.required { "yes" } else { "no" }.to_owned(),
                    key.state.name().to_owned(),
                ]
            })
        })
        .collect();
    table(&["secret", "key", "required", "value"], &rows)
}
