//! The templates are made from the app, the manifest and the pinned packages, whatever the user's
//! machine has: the real CDK, with and without a hostile home, environment and folders above.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../image/tests/common/mod.rs"]
mod common;

use common::{Checkout, context, root};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_image::packages;
use xtask_machine::cdk;

/// Where the child of this test finds its checkout, and where it writes what it made.
const CHECKOUT: &str = "APP_GEN_TEST_CHECKOUT";
const RESULT: &str = "APP_GEN_TEST_RESULT";

/// The files of an assembly, by name.
type Assembly = BTreeMap<String, String>;

fn synthesise(root: &Path, output: &Path) -> Assembly {
    let context = context(root).in_environment("dev").unwrap();
    let digest = "a".repeat(64);
    let account = context.platform.environments["dev"]
        .account
        .as_ref()
        .unwrap();
    let registry = format!(
        "{}.dkr.ecr.{}.amazonaws.com",
        account.get_ref(),
        context.platform.region
    );
    let images = context.platform.images.iter().map(|(name, image)| {
        let repository = &image.repository;
        format!("images.{name}={registry}/{repository}@sha256:{digest}")
    });
    let arguments: Vec<String> = images
        .chain(["env=dev".to_owned()])
        .flat_map(|value| ["--context".to_owned(), value])
        .collect();
    fs::create_dir_all(output).unwrap();
    cdk::synthesise(&context, output, &arguments).unwrap();
    let files = fs::read_dir(output).unwrap().map(|item| item.unwrap());
    files
        .map(|file| {
            let text = fs::read_to_string(file.path()).unwrap();
            (file.file_name().into_string().unwrap(), text)
        })
        .collect()
}

/// A copy of the app, with the packages of the checkout that is tested.
fn copy_app(checkout: &Checkout) {
    let app = context(root());
    packages::ensure(&app, &root().join(cdk::FOLDER)).unwrap();
    let copy = Cmd::new("cp")
        .args(["--archive", "--parents"])
        .args([
            "bin",
            "lib",
            "cdk.json",
            "package.json",
            "package-lock.json",
            "tsconfig.json",
        ])
        .arg(checkout.path(cdk::FOLDER))
        .folder(root().join(cdk::FOLDER));
    fs::create_dir_all(checkout.path(cdk::FOLDER)).unwrap();
    copy.read().unwrap();
    let prices = app_gen_infra::PRICES_PATH;
    fs::copy(root().join(prices), checkout.path(prices)).unwrap();
    fs::create_dir_all(checkout.path("target/xtask/npm")).unwrap();
    for item in fs::read_dir(root().join("target/xtask/npm")).unwrap() {
        let item = item.unwrap();
        // A lock is only for those who share the folder.
        if item
            .path()
            .extension()
            .is_none_or(|extension| extension == "json")
        {
            let place = checkout.path("target/xtask/npm").join(item.file_name());
            symlink(item.path(), place).unwrap();
        }
    }
}

#[test]
#[ignore = "templates_do_not_depend_on_the_user starts it with an environment of its own"]
fn synthesise_for_the_parent() {
    let checkout = PathBuf::from(std::env::var_os(CHECKOUT).unwrap());
    let assembly = synthesise(&checkout, &checkout.join("output"));
    let result = serde_json::to_string(&assembly).unwrap();
    fs::write(std::env::var_os(RESULT).unwrap(), result).unwrap();
}

#[test]
fn templates_do_not_depend_on_the_user() {
    let clean = Checkout::new();
    copy_app(&clean);
    let expected = synthesise(clean.root(), &clean.path("output"));
    assert!(expected.keys().any(|name| name.ends_with(".template.json")));

    let hostile = Checkout::below("a/b");
    copy_app(&hostile);
    let above = hostile.root().parent().unwrap();
    let context =
        "{ \"context\": { \"env\": \"prod\", \"@aws-cdk/aws-iam:minimizePolicies\": false },
                     \"app\": \"false\", \"tags\": [{ \"Key\": \"evil\", \"Value\": \"evil\" }] }";
    for folder in [above, hostile.root()] {
        for (name, text) in [
            (".cdk.json", context),
            ("cdk.json", context),
            (".npmrc", "node-options=--no-such-option\n"),
            ("package.json", "{ \"type\": \"commonjs\" }"),
            (
                "tsconfig.json",
                "{ \"compilerOptions\": { \"module\": \"commonjs\" } }",
            ),
            ("evil.cjs", "process.env.CDK_OUTDIR = '/nowhere'"),
            ("node_modules/yaml/index.js", "throw new Error('evil')"),
            (".aws/config", "[default]\nregion = eu-west-1\n"),
        ] {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let evil = |name: &str| above.join(name).display().to_string();
    let require = format!("--require {}", evil("evil.cjs"));
    let result = hostile.path("result");
    let child = Cmd::new(std::env::current_exe().unwrap())
        .args(["--exact", "synthesise_for_the_parent", "--ignored"])
        .env(CHECKOUT, hostile.root())
        .env(RESULT, &result)
        .timeout(Duration::from_secs(300));
    let variables = [
        ("HOME", evil("")),
        ("NODE_OPTIONS", require),
        ("NODE_PATH", evil("node_modules")),
        ("NODE_ENV", "production".to_owned()),
        ("CDK_CONTEXT_JSON", "{\"env\":\"prod\"}".to_owned()),
        ("CDK_DEFAULT_ACCOUNT", "999999999999".to_owned()),
        ("CDK_DEFAULT_REGION", "eu-west-1".to_owned()),
        ("CDK_HOME", evil("")),
        ("CDK_DEBUG", "1".to_owned()),
        ("AWS_PROFILE", "evil".to_owned()),
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
        ("TZ", "Asia/Tokyo".to_owned()),
        ("LANG", "de_DE.UTF-8".to_owned()),
    ];
    let output = variables
        .iter()
        .fold(child, |child, (name, value)| child.env(name, value))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
    let found: Assembly = serde_json::from_str(&fs::read_to_string(&result).unwrap()).unwrap();
    assert_eq!(found, expected);
}
