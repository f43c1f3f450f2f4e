//! `cargo xtask why IMAGE`: shows which inputs differ between two keys of an image.

use crate::commands::command::{Answer, Changes, Command};
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_image::build;
use xtask_image::key::difference::Difference;
use xtask_image::key::short;
use xtask_image::key::store::{Kept, KeyStore, Wanted};

/// Show which inputs differ between two keys of an image
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Image of platform.toml
    image: String,
    /// Earlier key, by its first characters, or `latest` for the key that this checkout last built or found
    #[arg(long, value_name = "KEY", default_value = "latest")]
    against: Wanted,
    /// Later key, by its first characters [default: the key of the checkout as it is now]
    #[arg(long, value_name = "KEY")]
    key: Option<Wanted>,
}

/// The result of `why --json`.
#[derive(Debug, Serialize)]
struct Explanation {
    image: String,
    before: String,
    after: String,
    differences: Vec<Difference>,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer =
        Answer::Object(r#"`{"image","before","after","differences":[DIFFERENCE]}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        build::select(context, std::slice::from_ref(&self.image))?;
        let store = KeyStore::new(&context.cache_folder(), &self.image);
        let before = store.find(&self.against)?;
        let kept = store.read(&before)?;
        let (after, inputs) = match &self.key {
            None => {
                let key = build::key_of(context, &self.image)?;
                (key.hex, Box::new(key.inputs))
            }
            Some(wanted) => {
                let hex = store.find(wanted)?;
                match store.read(&hex)? {
                    Kept::Inputs(inputs) => (hex, inputs),
                    Kept::OtherForm(form) => return Err(unreadable(&self.image, &hex, form).into()),
                }
            }
        };
        let differences = kept.differences(&context.platform.images[&self.image], &inputs);
        let answer = Explanation {
            image: self.image.clone(),
            before,
            after,
            differences,
        };
        context
            .report
            .stream(&answer, |output| print(&answer, output))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn unreadable(image: &str, hex: &str, form: u32) -> Failure {
    Failure::new(
        Code::Usage,
        format!(
            "the inputs of key {} were stored by another version, in form {form}",
            short(hex)
        ),
    )
    .hint(format!("cargo xtask why {image}"))
}

fn print(answer: &Explanation, output: &mut dyn Write) -> io::Result<()> {
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
