//! `cargo xtask secrets`: manages secrets. Values never appear in an argument, a log or the
//! answer to `--json`; only `get` prints a value.

mod check;
mod get;
mod list;
mod materialize;
mod remove;
mod rotate;
mod set;

use xtask_core::context::Context;
use xtask_core::error::unknown;

crate::commands::command::verbs! {
    /// List, check, set, rotate, remove and use secrets
    Verb {
        "Commands" {
            List(list::Args),
            Check(check::Args),
            Get(get::Args),
            Set(set::Args),
            Rotate(rotate::Args),
            Remove(remove::Args),
            Materialize(materialize::Args),
        }
    }
}

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
struct Key {
    /// Secret of platform.toml, for example `orchestrator`
    secret: String,
    /// Key of that secret
    key: String,
}

/// Refuses a secret, or a key of it, that platform.toml does not have.
fn check_name(context: &Context, secret: &str, key: Option<&str>) -> anyhow::Result<()> {
    let secrets = &context.platform.secrets;
    let Some(known) = secrets.get(secret) else {
        return Err(unknown("secret", secret, secrets.keys()).into());
    };
    if let Some(key) = key
        && !known.keys.contains_key(key)
    {
        return Err(unknown(&format!("key of secret `{secret}`"), key, known.keys.keys()).into());
    }
    Ok(())
}
