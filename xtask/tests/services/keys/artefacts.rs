//! What a checkout makes in given surroundings, each with the key that it is kept under. Surroundings
//! are those of a process, so this is done by a process of its own: the program of these tests again.

use super::world::World;
use crate::common::instance;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use xtask_docker::buildx::Source;
use xtask_docker::context;
use xtask_docker::ignore::Rules;
use xtask_image::build::page::Page;
use xtask_image::build::prebuild::Binary;
use xtask_image::build::{archive, assemble, key_of};
use xtask_image::key::Key;
use xtask_tree::content::digest_json;
use xtask_tree::entry::Digest;
use xtask_tree::stat_cache::StatCache;

/// Where the child finds its checkout, and where it writes what it made.
const CHECKOUT: &str = "APP_GEN_TEST_CHECKOUT";
const RESULT: &str = "APP_GEN_TEST_RESULT";

/// Keys and digests by what they belong to: `image NAME`, `binary` and `page`.
pub(super) type Artefacts = BTreeMap<String, [String; 2]>;

/// Makes all of it in the checkout, in the surroundings of the world.
pub(super) fn of(world: &World, checkout: &Path) -> Result<Artefacts, String> {
    let result = world.outside("result.json");
    let output = world
        .command(checkout, &std::env::current_exe().unwrap())
        .args([
            "--exact",
            "keys::artefacts::made_for_the_parent",
            "--ignored",
            "--nocapture",
        ])
        .env(CHECKOUT, checkout)
        .env(RESULT, &result)
        .output()
        .unwrap();
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        return Err(String::from_utf8_lossy(&text).into_owned());
    }
    Ok(serde_json::from_slice(&fs::read(&result).unwrap()).unwrap())
}

#[test]
#[ignore = "the tests of keys start it with an environment of its own"]
fn made_for_the_parent() {
    let checkout = PathBuf::from(std::env::var_os(CHECKOUT).unwrap());
    let context = instance::context(&checkout);
    let mut made = Artefacts::new();
    for image in ["orchestrator", "generator"] {
        let key = key_of(&context, image).unwrap();
        let packed = assemble(&context, image, &key).unwrap();
        if let Some(inputs) = &key.inputs.rust {
            let binary = Binary::kept(&context, inputs).unwrap().unwrap();
            let pair = [inputs.digest().unwrap(), binary.digest.to_string()];
            made.insert("binary".to_owned(), pair);
        }
        if let Some(inputs) = &key.inputs.npm {
            let page = Page::kept(&context, inputs).unwrap().unwrap();
            let digest = digest_json(&page.entries).unwrap();
            let pair = [inputs.digest().unwrap(), digest.to_string()];
            made.insert("page".to_owned(), pair);
        }
        let given = json!([of_source(packed.source), of_inputs(&key)]);
        let digest = Digest::of(given.to_string().as_bytes());
        made.insert(format!("image {image}"), [key.hex, digest.to_string()]);
    }
    fs::write(
        std::env::var_os(RESULT).unwrap(),
        serde_json::to_vec(&made).unwrap(),
    )
    .unwrap();
}

/// The bytes that the builder is given.
fn of_source(source: Source) -> Value {
    match source {
        Source::Tar {
            mut tar,
            dockerfile,
        } => {
            let mut bytes = Vec::new();
            tar.read_to_end(&mut bytes).unwrap();
            json!([Digest::of(&bytes).to_string(), dockerfile])
        }
        Source::Folder {
            context,
            dockerfile,
        } => {
            let entries =
                context::arriving(&context, &Rules::default(), &StatCache::none()).unwrap();
            json!([entries, archive::read(&dockerfile).unwrap()])
        }
    }
}

/// What else the builder is given.
fn of_inputs(key: &Key) -> Value {
    let inputs = &key.inputs;
    json!([inputs.platform, inputs.target, inputs.args, inputs.bases])
}
