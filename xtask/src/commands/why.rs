//! `cargo xtask why IMAGE`: which inputs differ between two keys of an image.

use serde::Serialize;
use std::io::{self, Write};
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_image::build;
use xtask_image::key::difference::Difference;
use xtask_image::key::short;
use xtask_image::key::store::{Kept, KeyStore, Wanted};

/// Arguments of `why`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Image of platform.toml
    image: String,
    /// The key before: `latest`, which this checkout last built or found, or a key's first characters
    #[arg(long, value_name = "KEY", default_value = "latest")]
    against: Wanted,
    /// The key after; by default that of the checkout as it is now
    #[arg(long, value_name = "KEY")]
    key: Option<Wanted>,
}

/// The result of `why --json`.
#[derive(Debug, Serialize)]
struct Answer {
    image: String,
    before: String,
    after: String,
    differences: Vec<Difference>,
}

/// Runs the command.
///
/// # Errors
/// A key is not kept, or the checkout's cannot be computed.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    build::select(context, std::slice::from_ref(&args.image))?;
    let store = KeyStore::new(&context.cache_folder(), &args.image);
    let before = store.find(&args.against)?;
    let kept = store.read(&before)?;
    let (after, inputs) = match &args.key {
        None => {
            let key = build::key_of(context, &args.image)?;
            (key.hex, Box::new(key.inputs))
        }
        Some(wanted) => {
            let hex = store.find(wanted)?;
            match store.read(&hex)? {
                Kept::Inputs(inputs) => (hex, inputs),
                Kept::OtherForm(form) => return Err(unreadable(&args.image, &hex, form).into()),
            }
        }
    };
    let differences = kept.differences(&context.platform.images[&args.image], &inputs);
    let answer = Answer {
        image: args.image.clone(),
        before,
        after,
        differences,
    };
    context
        .report
        .stream(&answer, |output| print(&answer, output))
}

fn unreadable(image: &str, hex: &str, form: u32) -> Failure {
    Failure::new(
        Code::Usage,
        format!(
            "the inputs of key {} are kept in form {form}, of another version",
            short(hex)
        ),
    )
    .hint(format!("cargo xtask why {image}"))
}

fn print(answer: &Answer, output: &mut dyn Write) -> io::Result<()> {
    let (before, after) = (short(&answer.before), short(&answer.after));
    if answer.differences.is_empty() {
        return writeln!(
            output,
            "{}: nothing differs from key {before}",
            answer.image
        );
    }
    writeln!(output, "{}: key {before} → {after}", answer.image)?;
    for difference in &answer.differences {
        writeln!(output, "  {difference}")?;
    }
    Ok(())
}
