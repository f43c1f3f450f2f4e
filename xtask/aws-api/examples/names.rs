//! Prints the names of every environment of the manifest on standard input, as JSON.
//!
//! `app-gen-infra/cdk/test/names.test.ts` compares them with the names that the CDK app gives.

use app_gen_infra::Platform;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io::{Read, Write};
use std::path::Path;
use xtask_aws_api::names::{BOOTSTRAP_QUALIFIER, Concern, Deployed, LOG_STREAM_PREFIX, stack};

fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .ok_or("the crate is not in a checkout")?;
    let platform = Platform::parse(&text, root)?;
    let mut environments = Map::new();
    for environment in platform.environments.keys() {
        let stacks: Vec<String> = Concern::all()
            .map(|concern| stack(concern, environment))
            .collect();
        let names = json!({
            "deployed": Deployed::new(&platform, environment),
            "stacks": stacks,
        });
        environments.insert(environment.clone(), names);
    }
    let all = json!({
        "bootstrap_qualifier": BOOTSTRAP_QUALIFIER,
        "log_stream_prefix": LOG_STREAM_PREFIX,
        "environments": Value::Object(environments),
    });
    writeln!(std::io::stdout(), "{all}")?;
    Ok(())
}
